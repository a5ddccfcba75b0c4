// SPDX-License-Identifier: MIT
// Where in a plug-in's code it calls the platform: what a door's own caller is, or what the hooks
// that `iommucheck cc` linked into it say, which call for it. Such an address is noted only where
// somebody keeps the events.
#pragma once

#include "base/types.h"
#include "iommucheck/driver.h"
#include "iommucheck/hooks.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class CallSite {
 public:
  /// Of the driver's code; a built-in one has none.
  void set_driver(const iommucheck_driver& driver);

  /// A call of the platform from there, as long as this lives. One door may stand before another:
  /// what is not the driver's code changes nothing.
  class Call {
   public:
    Call(CallSite& site, const void* from) : site_(site), before_(site.from_) {
      if (const void* its = site.of_driver(from); its != nullptr) site.from_ = its;
    }
    ~Call() { site_.from_ = before_; }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

   private:
    CallSite& site_;
    const void* before_;
  };

  /// The instruction that makes the call, counted from where the object was loaded; 0: not known.
  [[nodiscard]] u64 instruction() const;

 private:
  [[nodiscard]] const void* of_driver(const void* from) const;

  u64 begin_ = 0, end_ = 0;  // of the object; the same: it has none
  const iommucheck_hooks* hooks_ = nullptr;
  const void* from_ = nullptr;  // where the call returns to
};

/// The event with that instruction where it is a CPU's, can have one and has none yet: not what was
/// found by comparing memory.
trace::Event placed(trace::Event event, u64 instruction);

}  // namespace iommucheck::oracle

/// Of the function that it stands in: a door.
#define IOMMUCHECK_CALLED_FROM __builtin_return_address(0)
