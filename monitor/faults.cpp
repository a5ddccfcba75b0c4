// SPDX-License-Identifier: MIT
// Accesses that wait for an answer: what a user's queue has of them, and what must have ended them.
#include <algorithm>

#include <fmt/format.h>

#include "monitor/call_conversion.h"
#include "monitor/monitor.h"
#include "spec/rules/interface.h"

namespace iommucheck::oracle {

/// Its record was written.
void Monitor::access_stalls(const spec::Access& access, u32 stag) {
  if (!access.ssv) return;
  case_.stalled.push_back({access.sid, access.ssid, access.ssid});
  interface_.fault_waits({.device = interface_.device_of(access.sid),
                          .pasid = access.ssid,
                          .iova = access.va,
                          .prot = prot_wanted(access)},
                         access.sid, stag);
}

/// What became of a record of the stream.
void Monitor::note_event(spec::Delivery delivery, u32 sid, const std::array<u64, 4>& words) {
  if (delivery == spec::Delivery::written) interface_.event_recorded(sid, words);
  if (delivery == spec::Delivery::overflows) interface_.event_was_lost();
}

/// Commands have ended some.
void Monitor::stalls_end() {
  std::vector<spec::Smmu::Resumed> resumed = std::exchange(smmu_.resumed(), {});
  for (const spec::Smmu::Resumed& one : resumed) {
    const auto at = std::ranges::find_if(case_.stalled_accesses, [&](const StalledAccess& access) {
      return access.sid == one.sid && access.stag == one.stag;
    });
    if (at != case_.stalled_accesses.end()) {
      at->again = one.again;
      case_.answered.push_back(*at);
      case_.stalled_accesses.erase(at);
    }
    const bool alone = one.by_name && !in_call();
    const spec::sva::Verdict verdict =
        interface_.fault_resumed(one.sid, one.stag, one.again, alone);
    if (!verdict.ok && case_.promises_on) find(verdict.rule, verdict.message);
  }
}

void Monitor::still_waits(spec::Rule rule, u32 sid, u32 device, u32 pasid, std::string_view what) {
  const Place place{device, sid, spec::sva::substream(pasid)};
  Finding finding =
      finding_of(rule, fmt::format("an access of {} {}", where_text(where(place)), what));
  finding.where = where(place);
  find(std::move(finding));
}

/// Those that were in a queue before the call, and are not any more, wait no longer: they were
/// answered, or what they waited at is gone.
void Monitor::check_ended_faults() {
  if (waited_before_.empty() || !case_.promises_on || !findings_.empty()) return;
  const bool answers = running_.call.kind == spec::sva::CallKind::fault_queue_respond;
  const auto rule = answers ? spec::rule::FAULT_ANSWERED : spec::rule::FAULT_ENDED;
  const auto now = interface_.waiting_faults();
  for (const auto& before : waited_before_) {
    const auto same = [&](const auto& one) {
      return one.stall.sid == before.stall.sid && one.stall.stag == before.stall.stag;
    };
    if (std::ranges::any_of(now, same)) continue;
    count(rule);
    if (!still_waits_for(before.stall.sid, before.stall.stag)) continue;
    still_waits(
        rule, before.stall.sid, before.device, before.pasid,
        answers ? "was answered, and still waits" : "still waits for the answer to its fault");
    return;
  }
}

/// Those that found their queue full when the driver read of them, and those of which it told no
/// handler.
void Monitor::check_refused() {
  if (!case_.promises_on) return;
  check_untagged();
  interface_.for_each_refused([&](u32 device, u32 pasid, u32 sid, u32 stag) {
    count(spec::rule::FAULT_REFUSED);
    if (!findings_.empty() || !still_waits_for(sid, stag)) return;
    still_waits(spec::rule::FAULT_REFUSED, sid, device, pasid,
                "found its queue full, and still waits for an answer");
  });
  interface_.forget_refused();
  const spec::sva::Verdict verdict = interface_.handlers_were_called();
  if (!verdict.ok && findings_.empty()) find(verdict.rule, verdict.message);
}

}  // namespace iommucheck::oracle
