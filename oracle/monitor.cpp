// SPDX-License-Identifier: MIT
#include "oracle/monitor.h"

#include <fmt/format.h>

#include "base/text.h"
#include "oracle/trace_calls.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

spec::sva::Setup interface_setup(const Setup& setup) {
  spec::sva::Setup result;
  for (std::size_t i = 0; i < setup.devices.size(); ++i) {
    result.devices.push_back({setup.devices[i], static_cast<u32>(i), true});
  }
  const spec::Capabilities caps = spec::parse_capabilities(setup.id);
  if (caps.asid16) result.address_spaces = 65535;
  return result;
}

}  // namespace

spec::IdRegisters default_id_registers() {
  spec::Capabilities caps;
  caps.minor = 3;
  caps.s1p = caps.aarch64 = caps.cohacc = true;
  caps.asid16 = caps.had = caps.ril = true;
  caps.ttendian = 2;
  caps.stall_model = spec::StallModel::never;
  caps.two_level_stream_table = true;
  caps.sidsize = 16;
  caps.cmdqs = 8;
  caps.eventqs = 7;
  caps.oas_lg2 = 44;
  caps.gran4k = true;
  return spec::make_id_registers(caps);
}

Monitor::Monitor(const Setup& setup)
    : setup_(setup), caches_(spec::parse_capabilities(setup.id), setup.profile),
      smmu_(caches_, setup.id), interface_(caches_.trail(), interface_setup(setup)) {
  if (setup.window_bytes != 0) caches_.memory().reserve(setup.window_pa, setup.window_bytes);
  if (setup.commands_in_events) smmu_.commands_come_from_events();
  smmu_.reset(setup.assumed_clean);
  caches_.track_changes(setup.calls_are_known);
  if (!setup.calls_are_known) recording_ = std::make_unique<RecordingRules>(caches_);
}

void Monitor::gather() {
  if (caches_.violations().empty()) return;
  for (spec::Violation& violation : caches_.violations()) {
    find(violation.rule, std::move(violation.text));
  }
  caches_.violations().clear();
}

void Monitor::find(spec::Rule rule, std::string text) {
  if (!call_text_.empty() && in_call_) text += "; during " + call_text_;
  find_at(rule, now_, std::move(text));
}

void Monitor::find_at(spec::Rule rule, EventIndex at, std::string text) {
  constexpr std::size_t enough = 100000;
  if (findings_.size() >= enough) return;
  if (!origin_.empty()) text = origin_ + ": " + text;
  findings_.push_back({rule, at, std::move(text)});
}

void Monitor::clear_findings() {
  findings_.clear();
  caches_.clear_findings();
  touched_.clear();
  touched_streams_.clear();
  in_call_ = false;
  gave_up_ = false;
  call_text_.clear();
  call_id_ = 0;
  numbers_.clear();
}

void Monitor::begin_case(EventIndex now) {
  clear_findings();
  now_ = now;
  caches_.set_now(now);
  promises_on_ = setup_.calls_are_known;
}

void Monitor::undetermined(const std::string& missing) {
  for (Undetermined& known : undetermined_) {
    if (known.missing != missing) continue;
    ++known.count;
    return;
  }
  undetermined_.push_back({missing, 1});
}

// ---- memory -------------------------------------------------------------------------------------

void Monitor::store(AgentId by, u64 pa, u64 value) {
  tick();
  emit(by, trace::Store{.pa = pa, .size = 8, .value = value, .value_high = {}, .word = {},
                        .pc = {}, .swept = {}});
  smmu_.before_store(pa);
  caches_.store(by, pa, value);
  if (!setup_.barriers_known) caches_.barrier(by);
  if (probe_each_store_) window_ends();
  gather();
}

void Monitor::store_bytes(AgentId by, u64 pa, unsigned size, u64 value) {
  tick();
  emit(by, trace::Store{.pa = pa, .size = static_cast<u8>(size), .value = value, .value_high = {},
                        .word = {}, .pc = {}, .swept = {}});
  smmu_.before_store(pa);
  caches_.store_bytes(by, pa, size, value);
  if (!setup_.barriers_known) caches_.barrier(by);
  if (probe_each_store_) window_ends();
  gather();
}

void Monitor::fill(AgentId by, u64 pa, u64 words, u64 value) {
  tick();
  emit(by, trace::Fill{.pa = pa, .words = words, .value = value, .pc = {}});
  caches_.fill(by, pa, words, value);
  if (probe_each_store_) window_ends();
  gather();
}

void Monitor::rmw(AgentId by, u64 pa, u64 value) {
  tick();
  emit(by, trace::Rmw{.pa = pa, .size = 8, .old_value = {}, .value = value, .ordered = false,
                      .pc = {}});
  caches_.rmw(by, pa, value);
  gather();
}

void Monitor::barrier(AgentId by) {
  tick();
  emit(by, trace::Barrier{.kind = trace::BarrierKind::full, .completes = {}});
  caches_.barrier(by);
  gather();
}

void Monitor::handoff(AgentId from, AgentId to) {
  tick();
  emit(from, trace::Handoff{.from = from, .to = to});
  caches_.handoff(from, to);
}

void Monitor::clean(AgentId by, u64 pa, u64 bytes) {
  tick();
  emit(by, trace::CacheClean{.pa = pa, .length = bytes});
  for (u64 line = align_down(pa, 6); line < pa + bytes; line += 64) caches_.clean(by, line);
}

void Monitor::alloc(AgentId by, u64 pa, u64 bytes) {
  tick();
  emit(by, trace::Alloc{.pa = pa, .length = bytes, .cacheable = true, .zeroed = {}});
  for (u64 page = pa; page < pa + bytes; page += 4096) caches_.recycle(page, false);
  gather();
}

void Monitor::free(AgentId by, u64 pa, u64 bytes) {
  window_ends();
  tick();
  emit(by, trace::Free{.pa = pa, .length = bytes});
  count(spec::Rule::TABLE_FREE);
  for (u64 page = pa; page < pa + bytes; page += 4096) caches_.recycle(page, true);
  gather();
}

// ---- registers ----------------------------------------------------------------------------------

void Monitor::mmio_write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered) {
  // An ordered write makes the stores before it visible; what they replaced is cached then, so the
  // window is compared after that.
  tick();
  if (ordered || !setup_.barriers_known) caches_.barrier(by);
  window_ends();
  emit(by, trace::MmioWrite{.offset = offset, .size = static_cast<u8>(size), .value = value,
                            .ordered = ordered, .iommu = {}, .pc = {}});
  smmu_.write(by, offset, size, value, ordered || !setup_.barriers_known);
  gather();
}

void Monitor::mmio_read(AgentId by, u32 offset, unsigned size, u64 value) {
  tick();
  emit(by, trace::MmioRead{.offset = offset, .size = static_cast<u8>(size), .value = value,
                           .ordered = {}, .iommu = {}, .pc = {}});
  smmu_.observe_read(offset, size, value);
  gather();
}

u64 Monitor::device_read(AgentId by, u32 offset, unsigned size, spec::Choices& choices) {
  tick();
  const u64 value = smmu_.read(offset, size, choices);
  emit(by, trace::MmioRead{.offset = offset, .size = static_cast<u8>(size), .value = value,
                           .ordered = {}, .iommu = {}, .pc = {}});
  return value;
}

void Monitor::command_consumed(u32 slot, const std::optional<spec::CommandWords>& words) {
  window_ends();
  tick();
  trace::CommandConsumed event{.slot = slot, .command = {}};
  if (words) event.command = trace::CommandWords{words->dw0, words->dw1};
  emit(trace::smmu_agent(), event);
  smmu_.command_consumed(slot, words);
  gather();
}

// ---- calls --------------------------------------------------------------------------------------

void Monitor::call_begins(const spec::sva::Call& call) {
  window_ends();
  tick();
  ++statistics_.calls;
  if (sink_ != nullptr) {
    emit(AgentId::cpu0, trace::Call{.id = trace::CallId{++call_id_},
                                    .call = to_trace(call, numbers_)});
    // By the numbers that the trace has for its domains.
    spec::sva::Call named = call;
    named.domain = call.domain == 0 ? 0 : static_cast<u64>(numbers_.number(call.domain));
    call_text_ = spec::sva::call_text(named);
  }
  caches_.tolerate_disabled_halves(true);
  interface_.begin_call(call);
  in_call_ = true;
  owed_.clear();
  using spec::sva::CallKind;
  if (call.kind == CallKind::iotlb_sync || call.kind == CallKind::flush_iotlb_all ||
      call.kind == CallKind::detach) {
    interface_.for_each_stale(call.domain,
                              [&](u64 first, u64 last) { owed_.emplace_back(first, last); });
  }
}

/// The text with the trace's number of the call's domain instead of the driver's handle.
std::string Monitor::by_number(std::string text, const spec::sva::Call& call) {
  if (sink_ == nullptr || call.domain == 0) return text;
  const std::string handle = "domain " + hex(call.domain);
  const std::size_t place = text.find(handle);
  if (place == std::string::npos) return text;
  return text.replace(place, handle.size(),
                      "domain " + hex(static_cast<u64>(numbers_.number(call.domain))));
}

void Monitor::call_returns(const spec::sva::Call& call, const spec::sva::Observed& observed,
                           spec::sva::Circumstances around) {
  caches_.tolerate_disabled_halves(false);
  remember_changes();  // compared below: what is promised after a call is promised at its end
  tick();
  if (sink_ != nullptr) {
    emit(AgentId::cpu0, to_trace(call, observed, trace::CallId{call_id_}, numbers_));
  }
  // "Not built" is no result: nothing is said of the call, and nothing may have changed.
  const bool declined = observed.status == spec::sva::Status::not_built;
  count(spec::Rule::RESULT_EXACT, !declined);
  const spec::sva::Verdict verdict = interface_.end_call(call, observed, around);
  in_call_ = false;
  if (!verdict.ok && !declined) find(verdict.rule, by_number(verdict.message, call));
  if (verdict.ok && observed.status == spec::sva::Status::ok) {
    using spec::sva::CallKind;
    const bool moves = call.kind != CallKind::iova_to_phys && call.kind != CallKind::map &&
                       call.kind != CallKind::unmap && call.kind != CallKind::unmap_fast;
    const bool maps = call.kind == CallKind::map && call.size != 0;
    const bool unmaps = (call.kind == CallKind::unmap || call.kind == CallKind::unmap_fast) &&
                        observed.value != 0;
    if (moves || maps || unmaps) ++statistics_.calls_changing;
  }
  // Everything that the call touched, now against what it left promised.
  if (promises_on_ && findings_.empty()) {
    const std::vector<u32> streams = std::move(touched_streams_);
    touched_streams_ = streams;
    for (const u32 sid : streams) check_stream(sid);
    for (std::size_t i = 0; i < touched_.size() && findings_.empty(); ++i) {
      const spec::DirtyInterval interval = touched_[i];
      check_interval(interval.tag, interval.first, interval.last);
    }
    // A range that the call was to change, even where it changed nothing.
    using spec::sva::CallKind;
    const bool ranged = call.kind == CallKind::map || call.kind == CallKind::unmap ||
                        call.kind == CallKind::unmap_fast;
    if (ranged && findings_.empty()) check_call_range(call);
    // What may no longer be reached from now on, though no word and no item changed.
    for (const auto& [first, last] : owed_) {
      if (findings_.empty()) check_domain_range(call.domain, first, last);
    }
  }
  touched_.clear();
  touched_streams_.clear();
  call_text_.clear();
  gather();
}

/// Where the call was about to change something, whatever it did.
void Monitor::check_call_range(const spec::sva::Call& call) {
  const u64 first = call.iova;
  const u64 last = call.size == 0 ? call.iova : call.iova + (call.size - 1);
  if (last >= first) check_domain_range(call.domain, first, last);
}

/// For a device of the domain: all are promised the same.
void Monitor::check_domain_range(u64 domain, u64 first, u64 last) {
  for (u32 device = 0; device < interface_.device_count(); ++device) {
    if (interface_.domain_of(device) != domain || domain == 0) continue;
    options_.clear();
    const u32 sid = interface_.stream_ids(device).front();
    if (!caches_.stream_options(sid, 0, false, options_)) gave_up_ = true;
    for (const spec::Caches::StreamOption& option : options_) {
      if (option.regime != 0) check_interval_for(option.tag, device, sid, first, last);
    }
    return;
  }
}

void Monitor::allocation_fails() {
  tick();
  emit(trace::environment_agent, trace::AllocationFailure{.nth = 1});
}

void Monitor::note(const std::string& text) {
  emit(trace::environment_agent, trace::Note{.kind = {}, .text = text, .pa = {}, .value = {}});
}

// ---- accesses -----------------------------------------------------------------------------------

void Monitor::device_access(const spec::Access& access, spec::Choices& choices) {
  tick();
  std::vector<spec::Outcome> outcomes;
  if (!caches_.outcomes(access, [&](const spec::Outcome& o) { outcomes.push_back(o); })) {
    gave_up_ = true;
    return;
  }
  ++statistics_.outcomes_judged;
  if (outcomes.empty()) return;
  const spec::Outcome& outcome = outcomes[choices.choose(spec::ChoiceSite::outcome,
                                                         static_cast<u32>(outcomes.size()))];
  using spec::OutcomeKind;
  const bool passes = outcome.kind == OutcomeKind::translation ||
                      outcome.kind == OutcomeKind::bypass || outcome.kind == OutcomeKind::any;
  if (sink_ != nullptr) {
    trace::Dma dma;
    dma.sid = access.sid;
    dma.ssid = access.ssv ? trace::substream(access.ssid) : trace::no_substream;
    dma.iova = access.va;
    dma.direction = access.type == spec::AccessType::write     ? trace::Direction::write
                    : access.type == spec::AccessType::execute ? trace::Direction::execute
                                                               : trace::Direction::read;
    dma.privileged = access.privileged;
    dma.result = outcome.kind == OutcomeKind::bypass ? trace::DmaResult::bypass
                 : passes                            ? trace::DmaResult::ok
                                                     : trace::DmaResult::abort;
    if (outcome.kind == OutcomeKind::translation) dma.pa = outcome.pa;
    emit(trace::device_agent(static_cast<u16>(interface_.device_of(access.sid))), dma);
  }
  if (outcome.kind != OutcomeKind::fault) return;
  if (outcome.event == spec::EventType::c_bad_streamid && !smmu_.recinvsid()) return;
  if (spec::is_translation_fault(outcome.event) && !outcome.reaction.record) return;
  spec::EventFields fields;
  fields.sid = access.sid;
  if (access.ssv) fields.ssid = access.ssid;
  fields.privileged = access.privileged;
  fields.instruction = access.type == spec::AccessType::execute;
  fields.read = access.type != spec::AccessType::write;
  fields.input_address = access.va;
  const spec::EventRecord record = spec::record_of(outcome.event, fields);
  if (smmu_.record_event(record)) {
    emit(trace::smmu_agent(), trace::EventRecorded{.slot = {}, .record = record.dw});
  }
}

// ---- the driver's life --------------------------------------------------------------------------

void Monitor::driver_begins() {
  emit(AgentId::cpu0, trace::DriverPhase{.phase = trace::DriverLife::starting});
  promises_on_ = false;
}

void Monitor::driver_stops() {
  window_ends();
  emit(AgentId::cpu0, trace::DriverPhase{.phase = trace::DriverLife::stopping});
  promises_on_ = false;
}

void Monitor::driver_ready() {
  emit(AgentId::cpu0, trace::DriverPhase{.phase = trace::DriverLife::ready});
  gather();
  promises_on_ = setup_.calls_are_known;
  caches_.dirty().clear();
  caches_.dirty_streams().clear();
  check_whole_space();
}

void Monitor::driver_error(const std::string& text) { find(spec::Rule::CRASH_NEVER, text); }

void Monitor::account(u64 blocks_held) {
  count(spec::Rule::LEAK_NOTHING);
  gather();
  if (blocks_held == 0) return;
  find(spec::Rule::LEAK_NOTHING,
       fmt::format("{} blocks of table memory are not given back by shutdown", blocks_held));
}

void Monitor::hangs() {
  find(spec::Rule::HANG_RETURNS, "the call waits without end although the SMMU makes progress");
}

}  // namespace iommucheck::oracle
