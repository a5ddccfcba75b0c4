// SPDX-License-Identifier: MIT
// The processor as a witness of what the hooks of `iommucheck cc` tell: table memory cannot be
// written, so that each store of the driver is a fault; it is let through alone, by a single step,
// and has to be told before the next call of the platform has effect. For a driver whose stores
// nobody else counts. Slow: two signals a store.
#pragma once

#include <memory>
#include <vector>

#include "host/pages.h"
#include "host/store_count.h"
#include "iommucheck/driver.h"

namespace iommucheck::oracle {

class StoreWitness {
 public:
  /// `view`: memory as the driver sees it, read-only. `inner`: whom the hooks tell. `code`: an
  /// address in the driver. All of them and `count` outlive this.
  /// Takes SIGSEGV and SIGTRAP; what is not its own goes to whom they went before.
  StoreWitness(const Pages& view, const iommucheck_platform& inner, StoreCount& count,
               const void* code);
  ~StoreWitness();
  StoreWitness(const StoreWitness&) = delete;
  StoreWitness& operator=(const StoreWitness&) = delete;

  /// Whom the hooks tell instead of `inner`.
  [[nodiscard]] const iommucheck_platform& told() const { return told_; }
  /// The driver may store to the first so many bytes of the view; behind them a store is a crash.
  void open(u64 bytes) { open_ = bytes; }
  /// The driver is called: what another call left behind is forgotten.
  void begin();
  /// The hooks have told what there was to tell.
  void settled();

 private:
  struct Signals;
  static StoreWitness& self(void* ctx) { return *static_cast<StoreWitness*>(ctx); }
  void bind();
  void tells(u64 pa, u64 bytes);

  /// Stores by one instruction, each behind the one before.
  struct Seen {
    u64 first = 0, last = 0;  ///< addresses in the view, from its beginning
    u64 pc = 0;
    u64 stores = 0;
  };
  static constexpr std::size_t seen_max = 4096;

  const Pages& view_;
  const iommucheck_platform& inner_;
  iommucheck_platform told_{};
  StoreCount& count_;
  u64 code_;
  u64 open_ = 0;
  std::vector<Seen> seen_;  // not told yet; a signal handler adds to it, and it never grows
  u64 not_kept_ = 0;        // stores that there was no room for
  u64 behind_ = 0;          // where what was told last ends
  /// An atomic operation is told before it stores.
  struct Ahead {
    u64 at = 0, bytes = 0;
  } ahead_;
};

}  // namespace iommucheck::oracle
