// SPDX-License-Identifier: MIT
// What happens to hardware that is no SMMUv3, and what its accesses meet: events as everywhere,
// answers by hardware.h.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/bits.h"
#include "monitor/call_conversion.h"
#include "monitor/monitor.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

trace::DmaResult result_of(MayGet::Kind kind) {
  if (kind == MayGet::Kind::address || kind == MayGet::Kind::anything) return trace::DmaResult::ok;
  return kind == MayGet::Kind::waits ? trace::DmaResult::stall : trace::DmaResult::abort;
}

}  // namespace

// ---- memory -------------------------------------------------------------------------------------

void Monitor::put(u64 pa, u64 value) {
  caches_.memory().assume(pa, {value, false});
  hardware_->stored(pa, value);
}

/// Words as they are then; the hardware sees them at once.
void Monitor::hardware_stores(u64 pa, unsigned size, u64 value, u64 high) {
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
void Monitor::hardware_marks(u64 pa) {
  const u64 value = hardware_->hardware().marked(caches_.memory().newest(pa).value);
  tick();
  emit(trace::smmu_agent(),
       trace::DeviceStore{
           .pa = pa, .size = 8, .value = value, .cause = trace::StoreCause::dirty_flag});
  put(pa, value);
}

// ---- what is compared, and found ----------------------------------------------------------------

void Monitor::gather_hardware() {
  for (std::string& text : hardware_->hardware().take_nonsense()) {
    find(spec::rule::CRASH_NEVER, std::move(text));
  }
}

/// Answers of it may have come.
void Monitor::hardware_acted() {
  hardware_->changed();
  responses_come();
  gather_hardware();
}

void Monitor::compare_hardware() {
  if (!case_.promises_on || !findings_.empty()) return;
  HardwareJudge::Compared compared =
      hardware_->compare(in_call_, [this](u32 device) { return vanishes(device); });
  if (compared.judged == 0) return;
  statistics_.outcomes_judged += compared.judged;
  count(in_call_ ? spec::rule::PROMISE_TRANSIENT : spec::rule::PROMISE_OUTCOME);
  if (compared.gave_up) give_up("more is promised at once than is kept");
  if (compared.finding) find(std::move(*compared.finding));
  gather_hardware();
}

/// A page of a table that nobody may be led to any more.
void Monitor::may_still_lead(std::string what) {
  if (findings_.empty()) find(spec::rule::TABLE_FREE, std::move(what));
}

// ---- accesses -----------------------------------------------------------------------------------

bool Monitor::hardware_access(const spec::Access& access, spec::Choices& choices, PageAsked group) {
  tick();
  auto asked = hardware_->access_of(access);
  if (!asked) return false;
  if (setup_.devices[asked->device].pri) {
    asked->group = group.group;
    asked->last = group.last;
  }
  const std::set<MayGet> may = hardware_->answers(*asked);
  gather_hardware();
  if (may.empty()) return false;
  ++statistics_.outcomes_judged;
  const u32 number = choices.choose(spec::ChoiceSite::outcome, static_cast<u32>(may.size()));
  const MayGet& one = *std::next(may.begin(), number);
  const bool asks = one.kind == MayGet::Kind::waits && setup_.devices[asked->device].pri;
  if (sink_ != nullptr && asks) {
    emit(
        trace::device_agent(static_cast<u16>(asked->device)),
        trace::PageRequest{.sid = access.sid,
                           .ssid = access.ssv ? trace::substream(access.ssid) : trace::no_substream,
                           .iova = access.va,
                           .rights = rights_of(prot_wanted(access)),
                           .privileged = std::nullopt,
                           .page_group = static_cast<u16>(group.group),
                           .last = group.last,
                           .iommu = std::nullopt});
  } else if (sink_ != nullptr) {
    trace::Dma dma = dma_of(access);
    dma.result = result_of(one.kind);
    if (one.kind == MayGet::Kind::address) dma.pa = one.pa;
    emit(trace::device_agent(static_cast<u16>(asked->device)), dma);
  }
  if (one.kind == MayGet::Kind::address && access.type == spec::AccessType::write) {
    note_write(access, one.pa, true);
    if (one.mark != 0) hardware_marks(one.mark);
  }
  if (one.kind != MayGet::Kind::waits) return false;
  access_waits(access, *asked);
  return true;
}

void Monitor::access_waits(const spec::Access& access, const MachineAccess& asked) {
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

/// One of a trace: it has to be one of those that it may be.
void Monitor::observe_hardware_access(const trace::Dma& dma) {
  const spec::Access access = access_in(dma);
  check_dma_duty(access);
  const auto asked = hardware_->access_of(access);
  if (!asked) return undetermined("the device of the access");
  const std::set<MayGet> may = hardware_->answers(*asked);
  gather_hardware();
  ++statistics_.outcomes_judged;
  count(spec::rule::DEVICE_OUTCOME);
  const auto is_it = [&](const MayGet& one) {
    const bool there = !dma.pa || one.kind != MayGet::Kind::address || one.pa == *dma.pa;
    return result_of(one.kind) == dma.result && there;
  };
  if (std::ranges::none_of(may, is_it)) {
    return find(spec::rule::DEVICE_OUTCOME,
                fmt::format("the access of stream {:#x} at {:#x} was seen as {}", dma.sid, dma.iova,
                            trace::to_string(dma.result)));
  }
  if (dma.result == trace::DmaResult::stall) access_waits(access, *asked);
  const bool wrote = access.type == spec::AccessType::write && dma.result == trace::DmaResult::ok;
  if (wrote) note_write(access, dma.pa, true);
}

/// That it waits is one of the things that its access may meet.
void Monitor::observe_hardware_request(AgentId by, const trace::PageRequest& request) {
  window_ends();
  tick();
  emit(by, request);
  spec::Access access{.sid = request.sid, .va = request.iova};
  if (request.ssid && request.ssid->valid) {
    access.ssv = true;
    access.ssid = request.ssid->value;
  }
  const u32 wanted = request.rights ? prot_of(*request.rights) : spec::sva::prot_read;
  if ((wanted & spec::sva::prot_write) != 0) access.type = spec::AccessType::write;
  if ((wanted & spec::sva::prot_exec) != 0) access.type = spec::AccessType::execute;
  check_dma_duty(access);
  auto asked = hardware_->access_of(access);
  if (!asked) return undetermined("the device of the request");
  asked->group = request.page_group;
  asked->last = request.last;
  count(spec::rule::DEVICE_OUTCOME);
  if (!hardware_->answers(*asked).contains({MayGet::Kind::waits, 0})) {
    find(spec::rule::DEVICE_OUTCOME,
         fmt::format("stream {:#x} asks for the page at {:#x}, and an access there does not wait",
                     request.sid, request.iova));
    return;
  }
  access_waits(access, *asked);
}

void Monitor::responses_come() {
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

bool Monitor::still_waits_at(u32 sid, u32 pasid) const {
  if (!hardware_) {
    const bool asks = std::ranges::any_of(case_.stalled_accesses, [&](const StalledAccess& one) {
      return one.sid == sid && one.access.ssid == pasid && !one.lost &&
             still_waits_for(sid, one.stag);
    });
    return asks || smmu_.has_stall(sid, pasid, true);
  }
  return std::ranges::any_of(case_.stalled_accesses, [&](const StalledAccess& one) {
    const bool there = one.sid == sid && one.access.ssv && one.access.ssid == pasid;
    return there && hardware_->hardware().is_waiting(one.stag);
  });
}

}  // namespace iommucheck::oracle
