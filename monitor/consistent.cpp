// SPDX-License-Identifier: MIT
// Whether what the monitor keeps agrees with itself, and with the SMMU beside it: asked behind each
// operation in builds with sanitizers.
#include <algorithm>

#include <fmt/format.h>

#include "monitor/monitor.h"

namespace iommucheck::oracle {

/// Empty: it does. Else what does not, in words.
std::string Monitor::consistent() const {
  if (const std::string wrong = interface_.consistent(); !wrong.empty()) {
    return "the interface: " + wrong;
  }
  u64 before = 0;
  for (const StalledAccess& one : case_.stalled_accesses) {
    if (one.id <= before || one.id > case_.stalls_seen) {
      return fmt::format("stalled access {} stands behind {}, of {} seen", one.id, before,
                         case_.stalls_seen);
    }
    before = one.id;
    const bool is_stall = (one.stag & request_bit) == 0;
    if (!hardware_ && is_stall && !one.lost && !smmu_.has_stall_tag(one.sid, one.stag)) {
      return fmt::format("stream {:#x} waits as stall {:#x}, of which the SMMU knows nothing",
                         one.sid, one.stag);
    }
  }
  const auto is_call = [&](const Running& one) { return one.id != 0 && one.id <= case_.call_id; };
  if (in_call_ && !is_call(running_)) return fmt::format("call {} runs", running_.id);
  for (const Running& one : waiting_) {
    const auto same = [&](const Running& other) { return other.id == one.id; };
    const bool runs_too = in_call_ && running_.id == one.id;
    if (!is_call(one) || runs_too || std::ranges::count_if(waiting_, same) != 1) {
      return fmt::format("call {} waits, of {}", one.id, case_.call_id);
    }
  }
  for (const spec::DirtyInterval& interval : case_.touched) {
    if (interval.first > interval.last) {
      return fmt::format("touched: {:#x} to {:#x}", interval.first, interval.last);
    }
  }
  return {};
}

}  // namespace iommucheck::oracle
