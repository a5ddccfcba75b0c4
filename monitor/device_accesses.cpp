// SPDX-License-Identifier: MIT
#include "monitor/device_accesses.h"

#include <iterator>
#include <set>

#include "monitor/call_conversion.h"
#include "spec/rules/interface.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

// ---- at an SMMUv3 ------------------------------------------------------------------------------

/// A device sends no PASID after its driver said that it is done with it.
void DeviceAccesses::check_dma_duty(const spec::Access& access) {
  if (!access.ssv || !setup_.calls_are_known) return;
  count(spec::rule::DMA_AFTER_DONE);
  const spec::sva::Verdict duty =
      interface_.duty_of_dma(interface_.device_of(access.sid), access.ssid);
  if (duty.blames_caller) blame_caller(duty.rule, duty.message);
}

bool DeviceAccesses::device_access(const spec::Access& access, spec::Choices& choices,
                                   std::optional<PageAsked> asked) {
  check_dma_duty(access);
  if (hardware_) return hardware_access(access, choices, asked.value_or(PageAsked{}));
  // A stalled one that found no room comes again, as if it had just arrived. IHI 0070 7.2.1, 7.4.
  bool recorded = false;
  if (!case_.waiting_accesses.empty() && smmu_.records_events() && smmu_.event_slots() != 0) {
    const spec::Access again = case_.waiting_accesses.front();
    case_.waiting_accesses.erase(case_.waiting_accesses.begin());
    recorded = one_access(again, choices);
  }
  return one_access(access, choices, asked) || recorded;
}

/// No room for its record, or as many stalled as there may be: it waits, and nothing is lost.
bool DeviceAccesses::waits_for_room(const spec::Access& access) {
  constexpr std::size_t waiting_max = 64;  // what more of them there are is any other access
  if (case_.waiting_accesses.size() < waiting_max) case_.waiting_accesses.push_back(access);
  return false;
}

/// Memory would have the access through both stages marked, and something that is cached of them
/// lets it pass as one that is marked already: `outcome` may become that one. IHI 0070 3.13.4.
bool DeviceAccesses::passes_as_dirty(const spec::Access& access, spec::Outcome& outcome,
                                     spec::Choices& choices) const {
  if (outcome.kind != spec::OutcomeKind::translation || !outcome.dirty) return false;
  std::optional<spec::Outcome> cached;
  const bool whole = caches_.nested().outcomes(access, [&](const spec::Outcome& o) {
    const bool same = o.kind == outcome.kind && o.pa == outcome.pa && o.atc == 0;
    if (same && !o.dirty) cached = o;
  });
  if (!whole || !cached || choices.choose(spec::ChoiceSite::outcome, 2) == 0) return false;
  outcome = *cached;
  return true;
}

bool DeviceAccesses::one_access(const spec::Access& access, spec::Choices& choices,
                                std::optional<PageAsked> asked) {
  tick();
  std::vector<spec::Outcome> outcomes;
  if (!caches_.outcomes(access, [&](const spec::Outcome& o) { outcomes.push_back(o); })) {
    give_up_on_access(access);
    return false;
  }
  count_judged();
  if (access.type == spec::AccessType::write) forget_marked_before(outcomes);
  if (outcomes.empty()) return false;
  if (outcomes.front().not_modelled != spec::NotModelled::no) {
    meets_unmodelled(outcomes.front().not_modelled);
  }
  spec::Outcome& outcome =
      outcomes[choices.choose(spec::ChoiceSite::outcome, static_cast<u32>(outcomes.size()))];
  const bool within = outcome.kind == spec::OutcomeKind::within;
  if (within) outcome = caches_.nested().newest(access);
  const bool walks = within && !passes_as_dirty(access, outcome, choices);
  using spec::OutcomeKind;
  const u32 device = interface_.device_of(access.sid);
  const bool of_tables = outcome.kind == OutcomeKind::fault && !outcome.stage2 &&
                         spec::is_translation_fault(outcome.event);
  if (access.ssv && of_tables && interface_.asks_for_pages(device)) {
    // It is told so by ATS, which records nothing.
    if (!interface_.requests_are_on(device).value_or(true)) return false;
    if (!asked) {
      const auto group = free_group(access.sid);
      if (!group) return false;
      asked = PageAsked{*group, true};
    }
    return page_requested(access, *asked);
  }
  const bool passes = outcome.passes() || outcome.kind == OutcomeKind::any;
  if (sink_ != nullptr) {
    trace::Dma dma = dma_of(access);
    dma.privileged = access.privileged;
    if (access.route == spec::Route::untranslated) {
      dma.kind = trace::TransactionKind::untranslated;
    } else if (outcome.atc != 0) {
      dma.kind = trace::TransactionKind::translated;
    }
    dma.result = outcome.kind == OutcomeKind::bypass ? trace::DmaResult::bypass
                 : passes                            ? trace::DmaResult::ok
                 : outcome.stalled()                 ? trace::DmaResult::stall
                                                     : trace::DmaResult::abort;
    if (outcome.kind == OutcomeKind::translation) dma.pa = outcome.pa;
    emit(trace::device_agent(static_cast<u16>(interface_.device_of(access.sid))), dma);
  }
  if (walks) mark_walk(access, outcome);
  mark_descriptor(access, outcome, choices);
  const auto recorded = smmu_.record(access, outcome);
  if (!recorded) return false;
  note_event(recorded->delivery, access.sid, recorded->record.dw);
  if (recorded->delivery == spec::Delivery::waits) return waits_for_room(access);
  if (recorded->stalls) {
    const u32 stag = spec::stall_in(recorded->record.dw).value_or(0);
    case_.stalled_accesses.push_back(
        {.id = ++case_.stalls_seen, .sid = access.sid, .stag = stag, .access = access});
    access_stalls(access, recorded->record.dw);
  }
  if (recorded->delivery != spec::Delivery::written) return false;
  emit(trace::smmu_agent(), trace::EventRecorded{.record = recorded->record.dw});
  return true;
}

// ---- at other hardware -------------------------------------------------------------------------

/// Where it makes a difference.
std::optional<bool> DeviceAccesses::privilege_of(const spec::Access& access) const {
  if (!hardware_->hardware().knows_privilege()) return std::nullopt;
  return access.privileged;
}

bool DeviceAccesses::hardware_access(const spec::Access& access, spec::Choices& choices,
                                     PageAsked group) {
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
  count_judged();
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
                           .privileged = privilege_of(access),
                           .page_group = static_cast<u16>(group.group),
                           .last = group.last,
                           .iommu = std::nullopt});
  } else if (sink_ != nullptr) {
    trace::Dma dma = dma_of(access);
    dma.privileged = privilege_of(access);
    dma.result = result_of(one.kind);
    if (one.kind == MayGet::Kind::address) dma.pa = one.pa;
    emit(trace::device_agent(static_cast<u16>(asked->device)), dma);
  }
  if (one.kind == MayGet::Kind::address && access.type == spec::AccessType::write) {
    note_write(access, one.pa, true);
    if (one.mark != 0) hardware_marks(one.mark);
    if (one.mark == 0 && !one.why.text.empty()) {
      if (case_.unmarked.size() == Case::unmarked_max) case_.unmarked.erase(case_.unmarked.begin());
      case_.unmarked.push_back({one.ipa.value_or(access.va), one.why.text});
    }
  }
  if (one.kind != MayGet::Kind::waits) return hardware_reports(access, *asked, one);
  access_waits(access, *asked);
  return true;
}

}  // namespace iommucheck::oracle
