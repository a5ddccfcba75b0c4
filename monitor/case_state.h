// SPDX-License-Identifier: MIT
// All that a case leaves in the monitor and the trail does not have: one struct, which is copied as
// a whole (Monitor::Point) and begun anew by one assignment.
#pragma once

#include <string>
#include <vector>

#include "monitor/call_conversion.h"
#include "monitor/finding.h"
#include "monitor/touched.h"
#include "trace/event.h"

namespace iommucheck::oracle {

struct CaseState {
  EventIndex now = 0;
  bool promises_on = false;  ///< between driver_ready() and its end

  /// What calls have left: forgotten with the findings.
  struct Calls {
    u64 count = 0;
    CallNumbers numbers;
    /// What the caller did has left the driver's state open: nothing more is judged.
    bool stands_aside = false;
    bool could_be_done = false;  ///< the last one that returned: ok was permitted
    std::vector<Finding> blamed_on_caller;
    Touched touched;
  };
  Calls calls;

  /// What the SMMU writes into a descriptor that an access used.
  struct Mark {
    u64 pa = 0;
    u64 from = 0;  ///< as the access met it
    u64 to = 0;
    trace::StoreCause cause{};
  };
  std::vector<Mark> marks;  ///< that are not in memory yet

  /// A write by which other hardware marked nothing, where its domain, or the parent of that, has
  /// it; and by what, in the words of who models it.
  struct UnmarkedWrite {
    u64 iova = 0;
    std::string why;
  };
  static constexpr std::size_t unmarked_max = 16;
  std::vector<UnmarkedWrite> unmarked;  ///< the latest ones, the last one behind

  /// An access that waits for an answer. In `stag`: it is the name of a group of page requests
  /// (spec::sva::request_name).
  static constexpr u32 request_bit = u32{1} << 31;
  struct StalledAccess {
    u64 id = 0;
    u32 sid = 0;
    u32 stag = 0;
    spec::Access access{};
    bool again = false;  ///< answered: the device makes it once more
    bool lost = false;   ///< a page request that has no record, or of a group that lost some
    bool late = false;   ///< made where the process had exited already
  };
  std::vector<spec::Access> waiting_accesses;  ///< stalled, without a record yet
  std::vector<StalledAccess> stalled_accesses;
  std::vector<StalledAccess> answered;
  u64 stalls_seen = 0;
  std::vector<spec::StreamPart> stalled;  ///< where an access began to wait

  /// A group of page requests without a PASID that is not answered.
  struct Untagged {
    u32 sid = 0;
    u32 group = 0;
    bool whole = false;
    bool told = false;  ///< there was an interrupt since
    /// The queue has stuck since, or its device has gone: it may be answered.
    bool unsure = false;
    /// Of a device that has gone and come again, which knows nothing of it: only the record is
    /// left, which the driver may still find.
    bool of_before = false;
  };
  std::vector<Untagged> untagged;
};

}  // namespace iommucheck::oracle
