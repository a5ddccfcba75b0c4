// SPDX-License-Identifier: MIT
#include "monitor/monitor.h"

#include <fmt/format.h>

#include <utility>

#include "base/bits.h"
#include "base/text.h"
#include "monitor/call_conversion.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

spec::sva::Setup interface_setup(const Setup& setup, const spec::sva::UserFormat* user_format) {
  spec::sva::Setup result;
  result.user_format = user_format;
  result.devices = setup.devices;
  const spec::Capabilities caps = spec::parse_capabilities(setup.id);
  if (caps.asid16 && (!caps.s2p || caps.vmid16)) result.address_spaces = 65535;
  result.ssid_bits = caps.ssidsize;
  if (caps.s2p) result.stage2_bits = spec::ias_lg2(caps);
  result.per_device_tables = setup.per_device_tables;
  result.blocks_unattached = !setup.not_claimed.has(Claim::blocking);
  result.hooks = setup.hooks.value_or(spec::sva::Hooks{});
  // STALL_MODEL = 1: nothing stalls.
  result.stalls = caps.stall_model != spec::StallModel::never;
  result.page_requests = caps.pri && caps.ats && caps.s1p;
  using spec::sva::DirtyHardware;
  if (caps.httu >= 2) result.dirty = caps.cohacc ? DirtyHardware::present : DirtyHardware::open;
  if (setup.hardware != nullptr) {
    result.stalls = result.page_requests = true;
    result.dirty = DirtyHardware::none;
    setup.hardware->adapt(result);
  }
  return result;
}

}  // namespace

UsersFormat users_format(const Setup& setup) {
  return setup.hardware != nullptr ? setup.hardware->users_format() : UsersFormat::smmuv3;
}

spec::IdRegisters default_id_registers() {
  spec::Capabilities caps;
  caps.minor = 1;  // BBML = 0, which asks most of a driver, is there before v3.2 only
  caps.s1p = caps.aarch64 = caps.cohacc = true;
  caps.asid16 = caps.had = caps.ril = true;
  caps.ttendian = 2;
  caps.stall_model = spec::StallModel::both;
  caps.ats = true;
  caps.stall_max = 8;
  caps.cd2l = true;
  caps.ssidsize = 8;
  caps.two_level_stream_table = true;
  caps.sidsize = 16;
  caps.cmdqs = 8;
  caps.eventqs = 7;
  caps.oas_lg2 = 44;
  caps.gran4k = true;
  return spec::make_id_registers(caps);
}

Monitor::Monitor(const Setup& setup)
    : setup_(setup),
      caches_(spec::parse_capabilities(setup.id), setup.profile),
      smmu_(caches_, setup.id),
      user_format_(make_user_format(users_format(setup), spec::parse_capabilities(setup.id))),
      interface_(caches_.trail(), interface_setup(setup, user_format_.get())) {
  if (setup.window_bytes != 0) {
    caches_.memory().reserve(setup.window_pa, setup.window_bytes, setup.window_memory);
  }
  if (setup.commands_in_events) smmu_.commands_come_from_events();
  if (setup.device_is_judged && setup.seen_bytes != 0) {
    smmu_.memory_is(setup.seen_pa, setup.seen_bytes);
  }
  const auto feature = spec::unsupported_feature(caches_.capabilities());
  if (feature) unsupported_machine_ = *feature;
  smmu_.reset(setup.assumed_clean);
  caches_.track_changes(setup.calls_are_known);
  const spec::Capabilities capabilities = spec::parse_capabilities(setup.id);
  for (const spec::sva::DeviceSetup& device : setup.devices) {
    for (const u32 sid : device.stream_ids) {
      const bool ats = device.ats && capabilities.ats && setup.calls_are_known;
      if (ats && setup.hardware == nullptr) caches_.set_ats(sid, true);
    }
  }
  smmu_.tell_endpoints([this](u32 sid, bool answered) {
    answered ? interface_.endpoint_answers(sid) : interface_.endpoint_silent(sid);
  });
  if (setup.device_is_judged) {
    const bool everywhere = setup.seen_everywhere;
    device_rules_ = std::make_unique<DeviceRules>(caches_, smmu_, everywhere ? 0 : setup.seen_pa,
                                                  everywhere ? ~u64{0} : setup.seen_bytes);
  } else if (!setup.calls_are_known) {
    recording_ = std::make_unique<RecordingRules>(caches_);
  }
  if (setup_.hardware != nullptr) {
    hardware_ = std::make_unique<HardwareJudge>(*setup_.hardware, interface_, setup_.devices);
  }
}

void Monitor::gather() {
  if (!smmu_.resumed().empty()) stalls_end();
  if (!smmu_.page_responses().empty()) groups_end();
  if (caches_.violations().empty()) return;
  for (spec::Violation& violation : caches_.violations()) {
    if (is_callers_doing(violation.rule)) continue;
    find(violation.rule, std::move(violation.text), std::move(violation.causes));
  }
  caches_.violations().clear();
}

void Monitor::find(spec::Rule rule, std::string statement, std::vector<spec::Cause> causes) {
  Finding finding = finding_of(rule, std::move(statement));
  finding.causes = std::move(causes);
  find(std::move(finding));
}

void Monitor::find(Finding finding) {
  finding.at = case_.now;
  if (in_call_) finding.during = running_.began;
  keep(std::move(finding));
}

void Monitor::keep(Finding finding) {
  if (is_callers_doing(finding.rule)) return;
  if (setup_.not_claimed.leaves_out(finding.rule)) return;
  if (!unsupported_machine_.empty()) return;  // judged by rules of another machine
  if (excuses_ != nullptr && excuses_->excuses(finding)) return;
  if (hardware_ && finding.party == spec::Keeper::driver) finding.party = spec::Keeper::backend;
  constexpr std::size_t enough = 100000;
  if (findings_.size() < enough) findings_.push_back(std::move(finding));
}

void Monitor::blame_caller(spec::Rule rule, std::string statement) {
  Finding finding = finding_of(rule, std::move(statement));
  finding.party = spec::Keeper::caller;
  finding.at = case_.now;
  case_.blamed_on_caller.push_back(std::move(finding));
}

void Monitor::gather_device() {
  if (!device_rules_) return;
  for (Finding& found : device_rules_->take()) find(std::move(found));
  for (const std::string& missing : device_rules_->take_missing()) undetermined(missing);
}

void Monitor::clear_findings() {
  findings_.clear();
  told_ = false;
  case_.blamed_on_caller.clear();
  caches_.clear_findings();
  case_.touched.clear();
  case_.touched_streams.clear();
  in_call_ = false;
  waiting_.clear();
  case_.stands_aside = endless_ = false;
  bound_.clear();
  unmodelled_.clear();
  case_.call_id = 0;
  case_.numbers.clear();
}

void Monitor::forget_the_past() {
  told_ = told_ || !findings_.empty();
  findings_.clear();
  case_.blamed_on_caller.clear();
  late_missing_.clear();
  // Nothing is undone that far, unless a trace puts everything back to where its driver was ready:
  // one that has waited for that too long is told that it is not known any more.
  const Trail::Mark most = Trail::Mark{1} << (fed_.ready ? 27 : 20);
  if (trail().mark() < most) return;
  trail().forget();
  fed_.ready.reset();
  std::erase_if(allocations_, [](const Allocation& block) { return block.freed != 0; });
}

void Monitor::Case::begin(EventIndex at, bool judged) {
  now = at;
  promises_on = judged;
  stands_aside = false;
  call_id = stalls_seen = 0;
  numbers.clear();
  blamed_on_caller.clear();
  touched.clear();
  touched_streams.clear();
  marks.clear();
  waiting_accesses.clear();
  stalled_accesses.clear();
  answered.clear();
  stalled.clear();
  untagged.clear();
}

void Monitor::begin_case(EventIndex now) {
  clear_findings();
  if (device_rules_) device_rules_->begin_case();
  forget_allocations(now);
  caches_.set_now(now);
  case_.begin(now, setup_.calls_are_known);
  smmu_.page_responses().clear();
  smmu_.resumed().clear();
}

std::unique_ptr<Monitor::Point> Monitor::point() {
  auto point = std::make_unique<Point>();
  point->case_ = case_;
  point->changes_ = caches_.changes();
  return point;
}

void Monitor::go_back_to(const Point& point) {
  begin_case(point.case_.now);
  case_ = point.case_;
  caches_.changes() = point.changes_;
}

/// Of blocks that came or went after that event, as the trail has it.
void Monitor::forget_allocations(EventIndex after) {
  std::erase_if(allocations_, [&](const Allocation& block) { return block.at > after; });
  for (Allocation& block : allocations_) {
    if (block.freed > after) block.freed = 0;
  }
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
  emit(by, trace::Store{.pa = pa, .size = 8, .value = value});
  if (hardware_) return hardware_stores(pa, 8, value, 0);
  before_store(pa);
  caches_.store(by, pa, value);
  after_store(by);
}

void Monitor::fill(AgentId by, u64 pa, u64 words, u64 value) {
  tick();
  emit(by, trace::Fill{.pa = pa, .words = words, .value = value});
  if (hardware_) {
    for (u64 i = 0; i < words; ++i) put(pa + 8 * i, value);
    return gather_hardware();
  }
  smmu_.before_store(pa, words * 8);
  if (device_rules_) device_rules_->stored(pa, words);
  caches_.fill(by, pa, words, value);
  if (probes(by)) window_ends();
  gather();
}

void Monitor::store(AgentId by, u64 pa, unsigned size, u64 value, u64 high, u64 pc) {
  tick();
  trace::Store event{.pa = pa, .size = static_cast<u8>(size), .value = value};
  if (size == 16) event.value_high = high;
  if (pc != 0) event.pc = pc;
  emit(by, event);
  if (hardware_) return hardware_stores(pa, size, value, high);
  for (u64 word = align_down(pa, 3); word < pa + size; word += 8) before_store(word);
  if (size < 8 || pa % 8 != 0) {
    caches_.store_bytes(by, pa, size, value);
  } else {
    caches_.store(by, pa, value);
    if (size == 16) caches_.store(by, pa + 8, high);
  }
  after_store(by);
}

void Monitor::before_store(u64 word) {
  smmu_.before_store(word);
  if (device_rules_ && !smmu_.is_command_slot(word)) device_rules_->stored(word);
}

void Monitor::make_visible(AgentId by) {
  // What the environment stores is judged when it has told why.
  if (by != trace::environment_agent && caches_.barrier_ends_version(by)) window_ends();
  caches_.barrier(by);
}

void Monitor::after_store(AgentId by) {
  if (!setup_.barriers_known) make_visible(by);
  if (probes(by)) window_ends();
  gather();
}

void Monitor::load(AgentId by, u64 pa, unsigned size, u64 value, bool ordered) {
  tick();
  trace::Load event{.pa = pa, .size = static_cast<u8>(size), .value = value};
  if (ordered) event.ordered = true;
  emit(by, event);
  // Whoever tries a device is no driver: what it loads is what the device put there last.
  if (setup_.device_is_judged || hardware_) return;
  if (pa % 8 + size <= 8) smmu_.observe_message(pa, size, value);
  if (setup_.barriers_known) smmu_.observe_load(pa);
  gather();
}

void Monitor::rmw(AgentId by, const Atomic& atomic) {
  tick();
  trace::Rmw event{.pa = atomic.pa,
                   .size = static_cast<u8>(atomic.size),
                   .old_value = atomic.old_value,
                   .value = atomic.value,
                   .ordered = atomic.ordered};
  if (atomic.pc != 0) event.pc = atomic.pc;
  emit(by, event);
  if (hardware_) return hardware_stores(atomic.pa, atomic.size, atomic.value, 0);
  const u64 word = align_down(atomic.pa, 3);
  before_store(word);
  const auto shift = static_cast<unsigned>(8 * (atomic.pa - word));
  const spec::Content before = caches_.memory().newest(word);
  if (by != trace::environment_agent && caches_.rmw_ends_version(word)) window_ends();
  if (atomic.size == 8) {
    caches_.rmw(by, word, atomic.value);
  } else if (before.unknown) {
    caches_.store_unknown(by, word);
  } else {
    caches_.rmw(by, word,
                with_bits(before.value, shift + 8 * atomic.size - 1, shift, atomic.value));
  }
  if (atomic.ordered || !setup_.barriers_known) make_visible(by);
  if (probes(by)) window_ends();
  gather();
}

void Monitor::barrier(AgentId by, trace::BarrierKind kind, bool completes) {
  tick();
  trace::Barrier event{.kind = kind};
  if (completes) event.completes = true;
  emit(by, event);
  if (kind != trace::BarrierKind::store) smmu_.observe_load_barrier();
  if (kind == trace::BarrierKind::load) return;  // it orders no store
  make_visible(by);
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
  if (by != trace::environment_agent && cleaned_ == 0) trail().set(cleaned_, 1);
  for (u64 line = align_down(pa, 6); line < pa + bytes; line += 64) caches_.clean(by, line);
}

void Monitor::cache_invalidate(AgentId by, u64 pa, u64 bytes) {
  if (!caches_.capabilities().cohacc || cleaned_ != 0) return;
  tick();
  emit(by, trace::CacheInvalidate{.pa = pa, .length = bytes});
  trail().set(cleaned_, 1);
}

void Monitor::alloc(AgentId by, u64 pa, u64 bytes) {
  tick();
  emit(by, trace::Alloc{.pa = pa, .length = bytes, .cacheable = true});
  if (by != trace::environment_agent) {
    allocations_.push_back({.pa = pa, .bytes = bytes, .at = case_.now});
  }
  for (u64 page = pa; page < pa + bytes; page += 4096) caches_.recycle(page, false);
  gather();
}

void Monitor::free(AgentId by, u64 pa, u64 bytes) {
  window_ends();
  tick();
  emit(by, trace::Free{.pa = pa, .length = bytes});
  count(spec::rule::TABLE_FREE);
  for (std::size_t i = allocations_.size(); i-- != 0;) {
    if (allocations_[i].pa != pa || allocations_[i].freed != 0) continue;
    allocations_[i].freed = case_.now;
    break;
  }
  if (hardware_) {
    if (!hardware_->hardware().given_back(pa, bytes)) {
      may_still_lead(fmt::format(
          "the page at {:#x} is given back, and the hardware may still read it as a table", pa));
    }
    return gather_hardware();
  }
  for (u64 page = pa; page < pa + bytes; page += 4096) caches_.recycle(page, true);
  gather();
}

// ---- registers ----------------------------------------------------------------------------------

void Monitor::mmio_write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered) {
  // An ordered write makes the stores before it visible; what they replaced is cached then, so the
  // window is compared after that.
  tick();
  if (ordered || !setup_.barriers_known) make_visible(by);
  if (!hardware_) window_ends();
  emit(by,
       trace::MmioWrite{
           .offset = offset, .size = static_cast<u8>(size), .value = value, .ordered = ordered});
  if (hardware_) {
    hardware_->hardware().write(offset, value);
    return hardware_acted();
  }
  if (device_rules_) device_rules_->register_write(offset, value);
  if (offset == spec::reg::cr1 && size == 4) trail().set(cr1_, value);
  smmu_.write(by, offset, size, value, ordered || !setup_.barriers_known);
  gather();
}

void Monitor::mmio_read(AgentId by, u32 offset, unsigned size, u64 value) {
  tick();
  emit(by, trace::MmioRead{.offset = offset, .size = static_cast<u8>(size), .value = value});
  if (hardware_) {
    window_ends();
    if (hardware_->hardware().read(offset) != value) undetermined("what the hardware answers");
    return hardware_acted();
  }
  if (device_rules_ && device_rules_->register_read(offset, value)) {
    gather_device();
    return;
  }
  smmu_.observe_read(offset, size, value);
  gather();
  gather_device();
}

u64 Monitor::device_read(AgentId by, u32 offset, unsigned size, spec::Choices& choices) {
  tick();
  if (hardware_) {
    window_ends();
    const u64 value = hardware_->hardware().read(offset);
    emit(by, trace::MmioRead{.offset = offset, .size = static_cast<u8>(size), .value = value});
    hardware_acted();
    return value;
  }
  // What this read may tell to be complete makes them visible.
  const bool tells = offset == spec::reg::cmdq_cons || offset == spec::reg::cr0ack;
  if (!case_.marks.empty() && tells) settle_marks();
  const u64 value = smmu_.read(offset, size, choices);
  emit(by, trace::MmioRead{.offset = offset, .size = static_cast<u8>(size), .value = value});
  if (offset == spec::reg::cmdq_cons) write_messages(choices);
  return value;
}

void Monitor::command_consumed(u32 slot, const std::optional<spec::CommandWords>& words) {
  window_ends();
  tick();
  trace::CommandConsumed event{.slot = slot};
  if (words) event.command = trace::CommandWords{words->dw0, words->dw1};
  emit(trace::smmu_agent(), event);
  smmu_.command_consumed(slot, words);
  gather();
}

// ---- the environment ----------------------------------------------------------------------------

void Monitor::allocation_fails() {
  tick();
  emit(trace::environment_agent, trace::AllocationFailure{.nth = 1});
}

void Monitor::hook_called(spec::sva::Hook hook, u64 io_mm, u32 device, spec::sva::Status failed,
                          bool made_nothing) {
  using spec::sva::Hook;
  tick();
  trace::BackendHook event{.hook = static_cast<trace::HookKind>(hook), .io_mm = io_mm};
  if (hook == Hook::mm_attach || hook == Hook::mm_detach) event.device = trace::DeviceId{device};
  const bool fails = failed != spec::sva::Status::ok;
  if (made_nothing) {
    event.is_null = true;
  } else if (fails) {
    event.error = static_cast<u32>(failed);
  }
  emit(trace::environment_agent, event);
  const spec::sva::Verdict verdict = interface_.hook_called(hook, io_mm, device, fails);
  if (!verdict.ok) {
    find(verdict.rule,
         fmt::format("{}(io_mm {:#x}): {}", spec::sva::hook_name(hook), io_mm, verdict.message));
  }
  if (!in_call_) return;
  running_.hooks.note(hook, io_mm, device, failed, made_nothing);
}

void Monitor::note(const std::string& text) {
  emit(trace::environment_agent, trace::Note{.text = text});
}

// ---- accesses -----------------------------------------------------------------------------------

/// A device sends no PASID after its driver said that it is done with it.
void Monitor::check_dma_duty(const spec::Access& access) {
  if (!access.ssv || !setup_.calls_are_known) return;
  count(spec::rule::DMA_AFTER_DONE);
  const spec::sva::Verdict duty =
      interface_.duty_of_dma(interface_.device_of(access.sid), access.ssid);
  if (duty.blames_caller) blame_caller(duty.rule, duty.message);
}

bool Monitor::device_access(const spec::Access& access, spec::Choices& choices,
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
bool Monitor::waits_for_room(const spec::Access& access) {
  constexpr std::size_t waiting_max = 64;  // what more of them there are is any other access
  if (case_.waiting_accesses.size() < waiting_max) case_.waiting_accesses.push_back(access);
  return false;
}

bool Monitor::one_access(const spec::Access& access, spec::Choices& choices,
                         std::optional<PageAsked> asked) {
  tick();
  std::vector<spec::Outcome> outcomes;
  if (!caches_.outcomes(access, [&](const spec::Outcome& o) { outcomes.push_back(o); })) {
    give_up_on_access(access);
    return false;
  }
  ++statistics_.outcomes_judged;
  if (outcomes.empty()) return false;
  forget_marked_before(outcomes);
  if (outcomes.front().not_modelled != spec::NotModelled::no) {
    meets_unmodelled(outcomes.front().not_modelled);
  }
  spec::Outcome& outcome =
      outcomes[choices.choose(spec::ChoiceSite::outcome, static_cast<u32>(outcomes.size()))];
  if (outcome.kind == spec::OutcomeKind::within) outcome = caches_.nested().newest(access);
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
  const bool passes = outcome.kind == OutcomeKind::translation ||
                      outcome.kind == OutcomeKind::bypass || outcome.kind == OutcomeKind::any;
  if (sink_ != nullptr) {
    trace::Dma dma = dma_of(access);
    dma.privileged = access.privileged;
    if (access.route == spec::Route::untranslated) {
      dma.kind = trace::TransactionKind::untranslated;
    }
    dma.result = outcome.kind == OutcomeKind::bypass ? trace::DmaResult::bypass
                 : passes                            ? trace::DmaResult::ok
                 : outcome.stalled()                 ? trace::DmaResult::stall
                                                     : trace::DmaResult::abort;
    if (outcome.kind == OutcomeKind::translation) dma.pa = outcome.pa;
    emit(trace::device_agent(static_cast<u16>(interface_.device_of(access.sid))), dma);
  }
  mark_descriptor(access, outcome, choices);
  const auto recorded = smmu_.record(access, outcome);
  if (!recorded) return false;
  note_event(recorded->delivery, access.sid, recorded->record.dw);
  if (recorded->delivery == spec::Delivery::waits) return waits_for_room(access);
  if (recorded->stalls) {
    const u32 stag = spec::stall_in(recorded->record.dw).value_or(0);
    case_.stalled_accesses.push_back(
        {.id = ++case_.stalls_seen, .sid = access.sid, .stag = stag, .access = access});
    access_stalls(access, stag);
  }
  if (recorded->delivery != spec::Delivery::written) return false;
  emit(trace::smmu_agent(), trace::EventRecorded{.record = recorded->record.dw});
  return true;
}

// ---- the driver's life --------------------------------------------------------------------------

void Monitor::driver_begins() {
  emit(AgentId::cpu0, trace::DriverPhase{.phase = trace::DriverLife::starting});
  smmu_.driver_begins();
  case_.promises_on = false;
}

void Monitor::driver_stops() {
  window_ends();
  interface_.for_each_walker([&](u32 walker) { caches_.walkers().stop(walker); });
  emit(AgentId::cpu0, trace::DriverPhase{.phase = trace::DriverLife::stopping});
  case_.promises_on = false;
}

void Monitor::driver_ready() {
  emit(AgentId::cpu0, trace::DriverPhase{.phase = trace::DriverLife::ready});
  gather();
  case_.promises_on = setup_.calls_are_known;
  caches_.changes().clear();
  check_whole_space();
  if (!case_.promises_on || !findings_.empty() || hardware_) return;
  check_attributes_of_registers();
  check_translated_traffic();
}

void Monitor::driver_error(const std::string& text) { find(spec::rule::CRASH_NEVER, text); }

/// After shutdown the SMMU is off, and GBPA.ABORT decides: nothing passes any more (driver.h), or
/// untranslated, where what is on no domain may.
void Monitor::check_shut_down() {
  if (hardware_) {
    count(spec::rule::PROMISE_OUTCOME);
    const bool blocks = !setup_.not_claimed.has(Claim::blocking);
    if (auto finding = hardware_->passes(); finding && blocks) find(std::move(*finding));
    return;
  }
  const bool bypass_is_right = setup_.not_claimed.has(Claim::blocking);
  for (u32 device = 0; device < interface_.device_count(); ++device) {
    for (const u32 sid : interface_.stream_ids(device)) {
      count(spec::rule::PROMISE_OUTCOME);
      bool passes = false;
      const spec::Access access{.sid = sid, .route = spec::Route::untranslated};
      caches_.outcomes(access, [&](const spec::Outcome& outcome) {
        passes |= outcome.kind == spec::OutcomeKind::translation ||
                  (outcome.kind == spec::OutcomeKind::bypass && !bypass_is_right);
      });
      if (!passes) continue;
      find(spec::rule::PROMISE_OUTCOME,
           fmt::format("after shutdown an access of stream {:#x} (device {}) passes: {}", sid,
                       device,
                       smmu_.smmuen() ? "SMMUEN is 1, and its STE lets it"
                                      : "SMMUEN is 0, and GBPA.ABORT may be 0"));
      return;
    }
  }
}

void Monitor::account(u64 blocks_held, u64 pins_held) {
  check_shut_down();
  count(spec::rule::LEAK_NOTHING);
  gather();
  // Where nothing is consumed any more, nothing can be given back.
  const char* why = !hardware_ && smmu_.stopped_by_error()
                        ? ": the command queue has stopped with a command error, which nobody has "
                          "acknowledged (GERROR.CMDQ_ERR)"
                        : "";
  if (pins_held != 0) {
    find(spec::rule::LEAK_NOTHING,
         fmt::format("{} of the ASIDs that mm_pin gave are not given back by shutdown{}", pins_held,
                     why));
  }
  if (blocks_held == 0) return;
  Finding finding = finding_of(
      spec::rule::LEAK_NOTHING,
      fmt::format("{} blocks of table memory are not given back by shutdown", blocks_held));
  constexpr std::size_t enough = 4;
  for (const Allocation& block : allocations_) {
    if (block.freed != 0) continue;
    finding.statement += fmt::format("{}{:#x} bytes at {:#x}", finding.events.empty() ? ": " : ", ",
                                     block.bytes, block.pa);
    finding.events.push_back(block.at);
    if (finding.events.size() == enough) break;
  }
  finding.statement += why;
  find(std::move(finding));
}

void Monitor::driver_holds(const trace::Held& held) {
  tick();
  emit(AgentId::cpu0, held);
  count(spec::rule::LEAK_NOTHING);
  const spec::sva::Held expected = interface_.held();
  const auto compare = [&](const char* what, u32 its, u32 promised, u32 doubtful) {
    if (its >= promised && its <= promised + doubtful) return;
    find(spec::rule::LEAK_NOTHING,
         fmt::format("the driver holds {} {}, and the interface {}", its, what, promised));
  };
  compare("domains", held.domains, expected.domains, 0);
  compare("private io_mm", held.io_mms, expected.io_mms, 0);
  if (setup_.hooks && setup_.hooks->mm_alloc && setup_.hooks->mm_free) {
    compare("io_mm that mm_alloc made", interface_.hooked_io_mms(),
            expected.io_mms + expected.process_io_mms, expected.doubtful_pasids);
  }
  // Where nobody is bound and nothing private is left.
  if (setup_.hooks && expected.bonds + expected.io_mms + expected.doubtful_pasids == 0) {
    compare("attachments by mm_attach", interface_.hooked_attachments(), 0, 0);
  }
  compare("PASIDs", held.pasids, expected.pasids, expected.doubtful_pasids);
  compare("bonds", held.bonds, expected.bonds, expected.doubtful_pasids);
  if (held.tokens) compare("tokens", *held.tokens, expected.tokens, 0);
  if (held.queues) compare("fault queues", *held.queues, expected.queues, 0);
}

void Monitor::hangs() {
  std::string text = "the call waits without end";
  const std::string stopped = hardware_ ? std::string() : smmu_.why_stopped();
  if (hardware_) {
    text += " although the hardware makes progress";
  } else if (!stopped.empty()) {
    text += "; " + stopped;
  } else {
    text += " although the SMMU makes progress";
  }
  if (const std::string why = smmu_.reserved_in_cr0(); !why.empty() && !hardware_) {
    text += "; " + why;
  }
  find(spec::rule::HANG_RETURNS, std::move(text));
}

}  // namespace iommucheck::oracle
