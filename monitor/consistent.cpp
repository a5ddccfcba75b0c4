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
    // One that has been switched off by shutdown has ended its stalls. IHI 0070 3.12.2.
    const bool is_stall = (one.stag & request_bit) == 0 && case_.promises_on;
    if (!hardware_ && is_stall && !one.lost && !smmu_.has_stall_tag(one.sid, one.stag)) {
      return fmt::format("stream {:#x} waits as stall {:#x}, of which the SMMU knows nothing",
                         one.sid, one.stag);
    }
  }
  if (std::string wrong = consistent_calls(); !wrong.empty()) return wrong;
  return case_.calls.touched.consistent();
}

}  // namespace iommucheck::oracle
