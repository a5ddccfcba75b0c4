// SPDX-License-Identifier: MIT
// An SMMU that somebody else is: that of a guest, which its host plays. The driver and the devices
// are answered by it, and what it answers is judged as a device's in a trace; the specification
// answers nobody.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/types.h"
#include "spec/smmu/flag_updates.h"
#include "spec/smmu/outcome.h"
#include "trace/types.h"

namespace iommucheck::oracle {

class OtherSmmu {
 public:
  virtual ~OtherSmmu() = default;

  /// The aligned word has that value, for the CPUs: the SMMU may see it, or sees it after a
  /// barrier.
  virtual void stored(u64 pa, u64 value) = 0;
  virtual void filled(u64 pa, u64 words, u64 value) = 0;
  /// As register_at() has offset and size.
  virtual void write(u32 offset, unsigned size, u64 value) = 0;
  virtual u64 read(u32 offset, unsigned size) = 0;
  /// The command queue stops, or goes on.
  virtual void set_stuck(bool stuck) = 0;

  struct Seen {
    trace::DmaResult result{};
    std::optional<u64> pa{};  ///< of one that passes
    bool dirties = false;     ///< a write that makes the descriptor dirty by which it passes
    bool lost = false;        ///< no memory is there: nobody sees it, and it marks nothing
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  using Record = std::array<u64, 4>;
  /// What is left behind of one that happens: records that the event queue got, and flags that
  /// descriptors have by now.
  struct Traces {
    std::vector<Record> records;
    std::vector<spec::FlagUpdate> marks;
  };
  /// A device's access, which happens: what became of it.
  virtual Seen access(const spec::Access& access, Traces& traces) = 0;
  /// Each thing that may become of such an access, which does not happen.
  virtual std::vector<Seen> may_meet(const spec::Access& access) = 0;
};

}  // namespace iommucheck::oracle
