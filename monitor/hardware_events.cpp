// SPDX-License-Identifier: MIT
// What happens to hardware that is no SMMUv3, and what its accesses meet: events as everywhere,
// answers by hardware.h.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/bits.h"
#include "monitor/call_conversion.h"
#include "monitor/hardware_events.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

// ---- memory -------------------------------------------------------------------------------------

void HardwareEvents::put(u64 pa, u64 value) {
  caches_.memory().assume(pa, {value, false});
  hardware_->stored(pa, value);
}

/// Words as they are then; the hardware sees them at once.
void HardwareEvents::hardware_stores(u64 pa, unsigned size, u64 value, u64 high) {
  const u64 word = align_down(pa, 3);
  if (size >= 8) {
    put(pa, value);
    if (size == 16) put(pa + 8, high);
  } else {
    const auto shift = static_cast<unsigned>(8 * (pa - word));
    const u64 before = caches_.memory().newest(word).value;
    put(word, with_bits(before, shift + 8 * size - 1, shift, value));
  }
  gather_hardware();
}

/// By an access, before it is done.
void HardwareEvents::hardware_marks(u64 pa) {
  const u64 value = hardware_->hardware().marked(caches_.memory().newest(pa).value);
  tick();
  emit(trace::smmu_agent(),
       trace::DeviceStore{
           .pa = pa, .size = 8, .value = value, .cause = trace::StoreCause::dirty_flag});
  put(pa, value);
}

// ---- what is compared, and found ----------------------------------------------------------------

void HardwareEvents::gather_hardware() {
  for (std::string& text : hardware_->hardware().take_nonsense()) {
    find(spec::rule::CRASH_NEVER, std::move(text));
  }
}

/// Of a device whose page requests are off one that would ask is ended by itself: nobody else
/// knows.
bool HardwareEvents::hardware_reports(const spec::Access& access, const MachineAccess& asked,
                                      const MayGet& got) {
  Hardware& hardware = hardware_->hardware();
  const auto record = hardware.record_of(asked, got);
  if (!record || !hardware.answers(asked).contains(got)) return false;
  if (!hardware.has_room_for_report()) {
    interface_.event_was_lost();
    return false;
  }
  hardware.report(*record);
  interface_.event_recorded(access.sid, *record, asked.at);
  tick();
  emit(trace::smmu_agent(), trace::EventRecorded{.record = *record});
  return true;
}

/// Answers of it may have come.
void HardwareEvents::hardware_acted() {
  hardware_->changed();
  responses_come();
  gather_hardware();
}

void HardwareEvents::compare_hardware() {
  if (!case_.promises_on || !findings().empty()) return;
  HardwareJudge::Compared compared =
      hardware_->compare(in_call(), [this](u32 device) { return vanishes(device); });
  if (compared.judged == 0) return;
  count_judged(compared.judged);
  count(in_call() ? spec::rule::PROMISE_TRANSIENT : spec::rule::PROMISE_OUTCOME);
  if (compared.gave_up) give_up("more is promised at once than is kept");
  if (compared.finding) find(std::move(*compared.finding));
  gather_hardware();
}

/// A page of a table that nobody may be led to any more.
void HardwareEvents::may_still_lead(std::string what) {
  if (findings().empty()) find(spec::rule::TABLE_FREE, std::move(what));
}

trace::DmaResult HardwareEvents::result_of(MayGet::Kind kind) {
  if (kind == MayGet::Kind::address || kind == MayGet::Kind::anything) return trace::DmaResult::ok;
  return kind == MayGet::Kind::waits ? trace::DmaResult::stall : trace::DmaResult::abort;
}

void HardwareEvents::access_waits(const spec::Access& access, const MachineAccess& asked) {
  Hardware& hardware = hardware_->hardware();
  const u64 id = hardware.wait(asked);
  gather_hardware();
  if (id == 0) return;
  hardware_->waits(id, access.sid);
  case_.stalled_accesses.push_back({.id = ++case_.stalls_seen,
                                    .sid = access.sid,
                                    .stag = static_cast<u32>(id),
                                    .access = access});
  if (!access.ssv) return;
  const Over over = over_at(asked.device, spec::sva::substream(access.ssid));
  case_.stalled_accesses.back().late = over != Over::no;
  case_.stalled.push_back({access.sid, access.ssid, access.ssid});
  spec::sva::FaultRecord fault{
      .device = asked.device, .pasid = access.ssid, .iova = access.va, .prot = prot_wanted(access)};
  fault.last = asked.last || !hardware.has_groups();
  if (setup_.devices[asked.device].pri) {
    interface_.page_is_requested(fault, access.sid, static_cast<u32>(hardware.group_of(id)));
  } else {
    interface_.fault_waits(fault, access.sid, static_cast<u32>(id));
  }
}

void HardwareEvents::responses_come() {
  Hardware& hardware = hardware_->hardware();
  const auto its = [&](u64 id) {
    return std::ranges::find_if(case_.stalled_accesses,
                                [&](const StalledAccess& one) { return one.stag == id; });
  };
  std::vector<std::pair<u32, Hardware::Response>> groups;
  for (const Hardware::Response& one : hardware.take_responses()) {
    const auto at = its(one.id);
    if (at == case_.stalled_accesses.end()) continue;
    if (one.id == one.group) groups.emplace_back(at->sid, one);
    at->again = one.response == spec::sva::response_success;
    case_.answered.push_back(*at);
    case_.stalled_accesses.erase(at);
  }
  for (const auto& [sid, one] : groups) {
    const spec::sva::Verdict verdict =
        interface_.group_answered(sid, static_cast<u32>(one.group), one.response);
    if (!verdict.ok && case_.promises_on) find(verdict.rule, verdict.message);
  }
  for (const u64 group : hardware.take_strays()) {
    const u32 device = interface_.device_of(hardware_->stream_of(group));
    if (!interface_.device_exists(device) || !case_.promises_on) continue;
    find(spec::rule::FAULT_ANSWERED,
         fmt::format("a group of page requests of device {} is responded to, and none waits: it "
                     "was answered before",
                     device));
  }
}

void HardwareEvents::settle_process(u64 mm, bool timed_out) {
  if (hardware_->processes().settle(mm, timed_out)) return;
  may_still_lead(
      "the process's unmap is over, and the hardware may still read what it took out as a "
      "table");
}

}  // namespace iommucheck::oracle
