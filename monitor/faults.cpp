// SPDX-License-Identifier: MIT
// Accesses that wait for an answer: what a user's queue has of them, and what must have ended them.
#include <algorithm>

#include <fmt/format.h>

#include "monitor/call_conversion.h"
#include "monitor/waits.h"
#include "spec/rules/interface.h"

namespace iommucheck::oracle {

void Waits::gather() {
  if (!smmu_.resumed().empty()) stalls_end();
  if (!smmu_.page_responses().empty()) groups_end();
  if (caches_.violations().empty()) return;
  for (spec::Violation& violation : caches_.violations()) {
    if (is_callers_doing(violation.rule)) continue;
    if (violation.structure) {
      violation.causes = causes_of_structure(caches_.view(), *violation.structure);
    }
    find(violation.rule, std::move(violation.text), std::move(violation.causes));
  }
  caches_.violations().clear();
}

/// Its record was written.
void Waits::access_stalls(const spec::Access& access, const std::array<u64, 4>& words) {
  if (access.ssv) case_.stalled.push_back({access.sid, access.ssid, access.ssid});
  interface_.stall_recorded({.device = interface_.device_of(access.sid),
                             .pasid = access.ssv ? access.ssid : spec::sva::without_pasid,
                             .iova = access.va,
                             .prot = prot_wanted(access)},
                            access.sid, spec::stall_in(words).value_or(0), words,
                            spec::is_of_stage2(words));
}

/// What became of a record of the stream; of one that stalls access_stalls tells.
void Waits::note_event(spec::Delivery delivery, u32 sid, const std::array<u64, 4>& words) {
  const bool stalls = spec::stall_in(words).has_value();
  if (delivery == spec::Delivery::written && !stalls) interface_.event_recorded(sid, words);
  if (delivery == spec::Delivery::overflows) interface_.event_was_lost();
}

/// Commands have ended some.
void Waits::stalls_end() {
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

void Waits::still_waits(spec::Rule rule, u32 sid, u32 device, u32 pasid, std::string_view what) {
  const bool untagged = pasid == spec::sva::without_pasid;
  const Place place{device, sid, untagged ? spec::sva::Substream{} : spec::sva::substream(pasid)};
  Finding finding = finding_of(rule, fmt::format("an access of {} {}{}", where_text(where(place)),
                                                 what, why_nothing_is_consumed()));
  finding.where = where(place);
  find(std::move(finding));
}

/// Those that were in a queue before the call, and are not any more, wait no longer: they were
/// answered, or what they waited at is gone.
void Waits::check_ended_faults() {
  if (waited_before_.empty() || !case_.promises_on || !findings().empty()) return;
  const bool answers = current().call.kind == spec::sva::CallKind::fault_queue_respond;
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
void Waits::check_refused() {
  if (!case_.promises_on) return;
  check_untagged();
  interface_.for_each_refused([&](u32 device, u32 pasid, u32 sid, u32 stag) {
    count(spec::rule::FAULT_REFUSED);
    if (!findings().empty() || !still_waits_for(sid, stag)) return;
    still_waits(spec::rule::FAULT_REFUSED, sid, device, pasid,
                "found its queue full, and still waits for an answer");
  });
  interface_.forget_refused();
  const spec::sva::Verdict verdict = interface_.handlers_were_called();
  if (!verdict.ok && findings().empty()) find(verdict.rule, verdict.message);
}

Waits::Over Waits::over_at(u32 device, spec::sva::Substream at) const {
  using spec::sva::State;
  // On a user's domain an entry of the user's may lead there, whatever it promises now.
  const bool users = !hardware_ && interface_.parent_of(interface_.domain_of(device)) != 0;
  if (users) return Over::no;
  const spec::sva::Alternatives allowed = interface_.expected_during(device, at, 0);
  Over over = Over::gone;
  for (u32 i = 0; i < allowed.count; ++i) {
    const State state = allowed.promises[i].state;
    if (state == State::quiet) over = Over::held;
    if (state != State::quiet && state != State::no_pasid && state != State::blocked) {
      return Over::no;
    }
  }
  return over;
}

/// Nothing waits for an answer where nobody is bound any more, where only the number is held, or of
/// a device that is on no domain any more. Where it is held a device may still ask, and is answered
/// when the interrupt comes: what it asked for behind the exit the last unbind ends.
void Waits::check_faults_ended(const Place& place, bool unbound) {
  if (!place.at.present) return;
  const Over over = over_at(place.device, place.at);
  if (over == Over::no) return;
  const bool waits = still_waits_at(place.sid, place.at.number, over == Over::gone || unbound);
  const auto its = [&](const spec::StreamPart& part) {
    return part.sid == place.sid && part.first == place.at.number;
  };
  count(spec::rule::FAULT_ENDED, std::ranges::any_of(case_.stalled, its));
  if (!waits) return;
  Finding finding =
      finding_of(spec::rule::FAULT_ENDED, "an access of " + where_text(where(place)) +
                                              " still waits for the answer to its fault");
  finding.where = where(place);
  find(std::move(finding));
}

bool Waits::still_waits_at(u32 sid, u32 pasid, bool late_too) const {
  const bool any = std::ranges::any_of(case_.stalled_accesses, [&](const StalledAccess& one) {
    const bool there = one.sid == sid && one.access.ssv && one.access.ssid == pasid;
    return there && (late_too || !one.late) && !one.lost && still_waits_for(sid, one.stag);
  });
  return any || (!hardware_ && smmu_.has_stall(sid, pasid, true));
}

}  // namespace iommucheck::oracle
