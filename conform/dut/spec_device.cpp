// SPDX-License-Identifier: MIT
#include "conform/dut/spec_device.h"

#include <algorithm>
#include <vector>

#include "base/bits.h"
#include "monitor/drawn_smmu.h"
#include "monitor/monitor.h"
#include "spec/smmu/command.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/event_rules.h"
#include "spec/smmu/flag_walks.h"
#include "spec/smmu/ppar.h"
#include "spec/smmu/queue.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

constexpr u64 structures = 0x40000000, structures_bytes = u64{8} << 20;
constexpr u64 data = 0x40800000, data_bytes = u64{4} << 20;
constexpr u64 absent_from = 0x70000000, absent_bytes = u64{1} << 16;
constexpr unsigned engines = 4;
constexpr unsigned engine_sid_bits = 6;

bool is_there(u64 pa) { return pa - absent_from >= absent_bytes; }

/// What drawn_capabilities() leaves out: what no driver is asked about.
void draw_rest(spec::Capabilities& caps, Draw& draw) {
  caps.msi = draw.one_in(2);
  caps.stall_model = static_cast<spec::StallModel>(draw.below(3));
  caps.ttendian = draw.of({0, 2, 3});
  caps.attr_types_ovr = draw.one_in(2);
  if (draw.one_in(3)) caps.s2p = true;
  caps.vmw = caps.s2p && draw.one_in(2);
  caps.hyp = caps.hyp || (caps.s2p && (caps.minor >= 2 || draw.one_in(2)));
  if (caps.minor >= 3) {
    if (draw.one_in(2)) caps.httu = 3;
    caps.epan = draw.one_in(2);
  }
  if (caps.minor >= 1 && caps.gran64k && draw.one_in(2)) {
    caps.oas_lg2 = 52;
    caps.vax = draw.below(2);
  }
}

}  // namespace

/// Where the SMMU has the register; nothing: nothing is there.
std::optional<u32> SpecDevice::place_of(u32 offset) const {
  if (profile().has_page1) return offset;
  if (reg::is_page0_index(offset)) return offset + reg::page1;
  return offset < reg::page1 ? std::optional(offset) : std::nullopt;
}

spec::IdRegisters spec_device_id() {
  spec::Capabilities caps = spec::parse_capabilities(default_id_registers());
  caps.minor = 1;
  caps.bbml = 2;
  caps.term_model = true;
  caps.sidsize = 16;
  caps.cmdqs = caps.eventqs = 19;
  return spec::make_id_registers(caps);
}

spec::IdRegisters drawn_spec_device_id(u64 seed) {
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  Draw draw(seed);
  if (seed % 4 >= 2) {
    caps = drawn_capabilities(draw);
    caps.sidsize = std::max(caps.sidsize, engine_sid_bits);
    Draw rest(~seed);  // of its own: what a seed has drawn before stays
    draw_rest(caps, rest);
  }
  if (seed % 2 != 0 && caps.ats) {
    caps.pri = true;
    caps.priqs = seed % 4 == 1 ? 4 : draw.below(8);
    caps.pps = draw.one_in(2) && caps.ssidsize != 0;
  }
  caps.atsrecerr = caps.ats && caps.minor >= 2 && draw.one_in(2);
  return spec::make_id_registers(caps);
}

SpecDevice::SpecDevice(u64 seed, const spec::IdRegisters& id, const spec::Profile& profile)
    : caches_(spec::parse_capabilities(id), with_page1(profile)),
      smmu_(caches_, id),
      choices_(seed),
      truncates_(seed % 4 >= 2) {
  states(profile);
  identity_.name = "spec";
  identity_.version = "1";
  identity_.id = id;
  const bool many = caches_.capabilities().sidsize >= 9;  // some beyond a first level's first entry
  for (u32 i = 0; i < engines; ++i) {
    identity_.sids.push_back(many && i >= 2 ? 0x69 + 0xc3 * (i - 2) : (2 + i) << 3);
  }
  identity_.structures_pa = structures;
  identity_.structures_bytes = structures_bytes;
  identity_.data_pa = data;
  identity_.data_bytes = data_bytes;
  identity_.absent_pa = absent_from;
  identity_.absent_bytes = absent_bytes;
  identity_.every_pa = true;
  identity_.wires_interrupts = true;
  identity_.ats = caches_.capabilities().ats;
  identity_.pri = identity_.ats && caches_.capabilities().pri;
  identity_.sends_privileged = identity_.sends_instructions = identity_.sends_substreams = true;
  caches_.stores_bypass_caches();
  for (u64 at = 0; at < absent_bytes; at += 8) caches_.assume(absent_from + at, 0);
  smmu_.no_memory_at(absent_from, absent_bytes);
  smmu_.memory_is(0, absent_from);  // accesses to what lies beyond may abort
  smmu_.reset(false);
  booted_ = caches_.trail().mark();
}

Expected<void> SpecDevice::reset() {
  caches_.trail().undo_to(booted_);
  caches_.clear_findings();
  now_ = 0;
  caches_.set_now(0);
  answers_.clear();
  seen_.clear();
  answered_.clear();
  interrupts_.clear();
  irq_ctrl_ = irq_ctrlack_ = shown_gerror_ = gerrorn_ = 0;
  events_ = pages_ = {};
  last_only_ = false;
  cmdq_base_ = eventq_base_ = shown_cons_ = 0;
  cmdq_prod_ = exposed_ = 0;
  refused_.reset();
  invalidations_.clear();
  awaited_.clear();
  unrecorded_.clear();
  stalled_.clear();
  smmu_.resumed().clear();
  next_tag_ = 0;
  responses_.clear();
  messages_ = {};
  choices_.begin();
  return {};
}

void SpecDevice::mmio_write(u32 at, unsigned size, u64 value) {
  caches_.set_now(++now_);
  const auto place = place_of(at);
  if (!place) return;
  const u32 offset = *place;
  if (offset == reg::cmdq_prod && size == 4 && identity_.ats) {
    cmdq_prod_ = value;
    return reads_commands() ? expose_commands() : void();
  }
  const bool read_commands = reads_commands();
  smmu_.write(AgentId::cpu0, offset, size, value, true);
  caches_.forget_findings();
  switch (offset) {
    case reg::gerrorn:
      gerrorn_ = value;
      if (holds_commands() || refused_) expose_commands();
      break;
    case reg::cmdq_cons:
      if (!read_commands) begin_commands(value);
      break;
    case reg::cr0:
      if (identity_.ats && !read_commands && reads_commands()) expose_commands();
      if ((value & spec::cr0::smmuen) == 0) {
        unrecorded_.clear();
        stalled_.clear();
      }
      break;
    case reg::irq_ctrl:
      irq_ctrl_ = value;
      irq_ctrlack_ &= value;
      break;
    case reg::eventq_base: eventq_base_ = value; break;
    case reg::eventq_cons:
      events_.cons = value & spec::queue_index_mask;
      try_again();
      break;
    case reg::priq_cons: pages_.cons = value & spec::queue_index_mask; break;
    case reg::cmdq_base:
      cmdq_base_ = value;
      shown_cons_ = cmdq_prod_ = exposed_ = 0;
      refused_.reset();
      break;
    case reg::eventq_irq_cfg0: messages_[0] = value & mask(51, 2); break;
    case reg::eventq_irq_cfg1: messages_[1] = value; break;
    case reg::gerror_irq_cfg0: messages_[2] = value & mask(51, 2); break;
    case reg::gerror_irq_cfg1: messages_[3] = value; break;
    case reg::priq_irq_cfg0: messages_[4] = value & mask(51, 2); break;
    case reg::priq_irq_cfg1: messages_[5] = value; break;
    case reg::priq_irq_cfg2: last_only_ = bit(value, 31); break;
    default: break;
  }
  resume();
}

// ---- ATS, IHI 0070 3.9.1, 4.5.1 -----------------------------------------------------------------

u64 SpecDevice::command_slot(u64 index) const {
  const u64 base = align_down(cmdq_base_ & mask(51, 5), commands_lg2() + 4);
  return base + 16 * spec::queue_index<u64>(commands_lg2(), index);
}

bool SpecDevice::reads_commands() const { return (smmu_.cr0() & spec::cr0::cmdqen) != 0; }

/// While none is read software says which is the first. IHI 0070 6.3.28.
void SpecDevice::begin_commands(u64 cons) {
  shown_cons_ = spec::queue_bits<u64>(commands_lg2(), cons & spec::queue_index_mask);
  if (!identity_.ats) return;
  exposed_ = shown_cons_;
  refused_.reset();
  smmu_.write(AgentId::cpu0, reg::cmdq_prod, 4, exposed_, true);
}

bool SpecDevice::holds_commands() const {
  const unsigned lg2 = commands_lg2();
  return identity_.ats && exposed_ != spec::queue_bits<u64>(lg2, cmdq_prod_);
}

/// Up to CMDQ_PROD, or to the first CMD_SYNC before which an endpoint has not answered, or past a
/// command that is refused: those behind it are read when it is mended, and sent if the SMMU runs
/// by then (7.1). What an invalidation asks is sent when its command is exposed.
void SpecDevice::expose_commands() {
  const unsigned lg2 = commands_lg2();
  const spec::Capabilities& caps = caches_.capabilities();
  const u64 end = spec::queue_bits<u64>(lg2, cmdq_prod_);
  if (smmu_.stopped_by_error()) return;
  if (refused_) exposed_ = *std::exchange(refused_, std::nullopt);
  const bool runs = smmu_.surely_enabled() && reads_commands();
  if (spec::queue_used<u64>(lg2, end, exposed_) > pow2(lg2)) exposed_ = end;
  while (exposed_ != end) {
    const u64 slot = command_slot(exposed_);
    const auto command = spec::decode_command<u64>(caches_.memory().newest(slot).value,
                                                   caches_.memory().newest(slot + 8).value, caps);
    const bool refused = spec::check_command<u64>(command, caps).has_value();
    if (runs && command.op == spec::Opcode::sync && !refused && !awaited_.empty()) break;
    if (refused) refused_ = exposed_;
    exposed_ = spec::queue_next<u64>(lg2, exposed_);
    if (refused) break;
    if (command.op == spec::Opcode::atc_inv && runs) send_invalidation(command);
    if (command.op == spec::Opcode::pri_resp && runs) send_response(command);
  }
  smmu_.write(AgentId::cpu0, reg::cmdq_prod, 4, exposed_ == end ? cmdq_prod_ : exposed_, true);
  caches_.forget_findings();
}

void SpecDevice::send_invalidation(const spec::Command& command) {
  constexpr u64 everything = 52, largest = 63 - 12;
  const bool substreams = smmu_.capabilities().ssidsize != 0;
  if (command.ssv && !substreams) {  // IHI 0070 4.5.1: nothing, or as without a SubstreamID
    if (choices_.choose(spec::ChoiceSite::outcome, 2) == 0) return;
  }
  AtcInvalidation one{.sid = static_cast<u32>(command.sid), .tag = next_tag_++};
  if (command.ssv && substreams) {
    one.substream = static_cast<u32>(command.ssid);
    one.global = command.global.value;
  }
  if (command.size < everything) {
    one.bytes = u64{4096} << std::min<u64>(command.size, largest);
    one.address = command.address & ~(one.bytes - 1);
  }
  awaited_.push_back(one.tag);
  invalidations_.push_back(one);
}

void SpecDevice::invalidated(u32 tag) {
  if (std::erase(awaited_, tag) == 0) return;
  caches_.set_now(++now_);
  if (awaited_.empty()) expose_commands();
}

/// The CMD_SYNC that waits is refused: the engine is shown what it may do then, and does it.
void SpecDevice::invalidations_time_out() {
  const unsigned lg2 = commands_lg2();
  if (std::exchange(awaited_, {}).empty()) return;
  if (!holds_commands() || smmu_.stopped_by_error()) return;  // no CMD_SYNC waits
  caches_.set_now(++now_);
  const u64 sync = exposed_;
  exposed_ = spec::queue_next<u64>(lg2, exposed_);
  smmu_.write(AgentId::cpu0, reg::cmdq_prod, 4, exposed_, true);
  const u64 gerror = smmu_.read(reg::gerror, 4, choices_) ^ spec::gerror::cmdq_err;
  const u64 code = static_cast<u64>(spec::CommandError::atc_inv_sync);
  smmu_.observe_read(reg::gerror, 4, gerror);
  smmu_.observe_read(reg::cmdq_cons, 4, sync | code << 24);
  caches_.forget_findings();
}

// ---- page requests, IHI 0070 4.5.2, 8 -----------------------------------------------------------

void SpecDevice::send_response(const spec::Command& command) {
  const auto all = spec::command_responses(command, caches_.capabilities(), true);
  const auto n = choices_.choose(spec::ChoiceSite::outcome, static_cast<u32>(all.size()));
  if (all[n]) responses_.push_back(*all[n]);
}

spec::PageRequestOutcome SpecDevice::page_outcome_of(const spec::PageRequest& request) {
  MemoryNow memory{caches_.memory(), is_there};
  spec::PageQueue queue = smmu_.page_queue();
  queue.write_aborts = !word_now(smmu_.page_slot());
  const auto all = spec::page_request_outcomes(request, queue, caches_.capabilities(),
                                               spec::check_ppar(memory, state_now(), request.sid));
  return all[choices_.choose(spec::ChoiceSite::outcome, static_cast<u32>(all.size()))];
}

void SpecDevice::page_request(const spec::PageRequest& request) {
  caches_.set_now(++now_);
  const spec::PageRequestOutcome outcome = page_outcome_of(request);
  const spec::PageQueue before = smmu_.page_queue();
  smmu_.take_page_request(request, outcome);
  if (outcome.response) responses_.push_back(*outcome.response);
  // IHI 0070 6.3.36: also of one that an overflow discards.
  const bool counts = outcome.end == spec::PageRequestOutcome::End::recorded ||
                      (before.enabled && !before.aborted && (before.full || before.overflow));
  if (last_only_ && request.last && counts) send_page_interrupt();
}

void SpecDevice::send_page_interrupt() {
  if ((irq_ctrl_ & irq_ctrlack_ & spec::irq_ctrl::priq_irqen) == 0) return;
  send(trace::IrqKind::page_request_queue, messages_[4], static_cast<u32>(messages_[5]));
}

std::optional<u64> SpecDevice::word_now(u64 pa) const {
  if (!is_there(pa)) return std::nullopt;
  return caches_.memory().newest(pa).value;
}

spec::SmmuState SpecDevice::state_now() const {
  return {.caps = caches_.capabilities(),
          .streams = caches_.stream_table(),
          .smmuen = smmu_.surely_enabled(),
          .atschk = (smmu_.cr0() & spec::cr0::atschk) != 0,
          .e2h = caches_.e2h(),
          .rec_cfg_ats = smmu_.rec_cfg_ats(),
          .recinvsid = smmu_.recinvsid()};
}

spec::AtsCompletion SpecDevice::completion_of(const spec::Access& access) {
  MemoryNow memory{caches_.memory(), is_there};
  return spec::ats_request(memory, state_now(), access);
}

/// As memory is now: both rights of one answer, for one page.
Ticket SpecDevice::ats_request(unsigned engine, u64 iova, bool write, DmaAttributes attributes) {
  using spec::AtsStatus;
  caches_.set_now(++now_);
  spec::Access access{.sid = identity_.sids[engine], .va = iova};
  access.route = spec::Route::translated;
  access.privileged = attributes.privileged;
  access.ssv = attributes.substream.has_value();
  access.ssid = attributes.substream.value_or(0);
  const Ticket ticket = answer(answered_.size());
  AtsSeen& seen = answered_.emplace_back();
  const spec::AtsCompletion read = completion_of(access);
  seen.result = read.status == AtsStatus::success               ? trace::AtsResult::success
                : read.status == AtsStatus::unsupported_request ? trace::AtsResult::unsupported
                                                                : trace::AtsResult::completer_abort;
  if (read.event != spec::EventType::none) {
    (void)smmu_.record(access, spec::fault_outcome(read.event, read.granted.rule));
  }
  if (read.status != AtsStatus::success) return ticket;
  access.type = spec::AccessType::write;
  const spec::AtsCompletion written = completion_of(access);
  seen.rights.read = read.granted.passes();
  seen.rights.write = write && written.status == AtsStatus::success && written.granted.passes();
  seen.pa = seen.rights.read ? read.granted.pa : written.granted.pa;
  seen.bytes = 4096;
  if (seen.rights.write) write_flags(access);
  access.type = spec::AccessType::read;
  if (seen.rights.read) write_flags(access);
  return ticket;
}

/// A message goes to memory; no other agent looks at it.
void SpecDevice::message(u64 pa, u32 payload) {
  const u64 place = align_down(pa, 3);
  const u64 old = value_at(place);
  store(place, pa % 8 == 0 ? with_bits(old, 31, 0, payload) : with_bits(old, 63, 32, payload));
}

void SpecDevice::send(trace::IrqKind kind, u64 message_pa, u32 payload) {
  interrupts_.push_back({kind});
  if (!caches_.capabilities().msi || message_pa == 0) return;
  if (is_there(message_pa)) return message(message_pa, payload);
  switch (kind) {
    case trace::IrqKind::event_queue: return raise(spec::gerror::msi_eventq_abt);
    case trace::IrqKind::page_request_queue: return raise(spec::gerror::msi_priq_abt);
    case trace::IrqKind::global_error: return raise(spec::gerror::msi_gerror_abt);
    default: return raise(spec::gerror::msi_cmdq_abt);
  }
}

/// An error that is not active becomes active.
void SpecDevice::raise(u64 error) {
  const u64 now = smmu_.gerror();
  if (((now ^ gerrorn_) & error) == 0) smmu_.observe_read(reg::gerror, 4, now ^ error);
}

/// Each CMD_SYNC with CS = 1 that CMDQ_CONS has passed.
void SpecDevice::syncs_until(u64 cons) {
  const unsigned lg2 = commands_lg2();
  const u64 end = spec::queue_bits<u64>(lg2, cons & spec::queue_index_mask);
  if (spec::queue_used<u64>(lg2, end, shown_cons_) > pow2(lg2)) return;
  for (; shown_cons_ != end; shown_cons_ = spec::queue_next<u64>(lg2, shown_cons_)) {
    const u64 slot = command_slot(shown_cons_);
    const u64 low = caches_.memory().newest(slot).value;
    if (bits(low, 7, 0) != static_cast<u64>(spec::Opcode::sync) || bits(low, 13, 12) != 1) continue;
    send(trace::IrqKind::command_sync, caches_.memory().newest(slot + 8).value & mask(51, 2),
         static_cast<u32>(low >> 32));
  }
}

/// What the read shows is observable from here on.
void SpecDevice::interrupts_after(u32 offset, u64 value) {
  const u64 enabled = irq_ctrl_ & irq_ctrlack_;
  switch (offset) {
    case reg::irq_ctrlack: irq_ctrlack_ = value; break;
    case reg::cmdq_cons: syncs_until(value); break;
    case reg::gerror:
      if (value != shown_gerror_ && (enabled & spec::irq_ctrl::gerror_irqen) != 0) {
        send(trace::IrqKind::global_error, messages_[2], static_cast<u32>(messages_[3]));
      }
      shown_gerror_ = value;
      break;
    case reg::eventq_prod:
      if (events_.has_news(value) && (enabled & spec::irq_ctrl::eventq_irqen) != 0) {
        send(trace::IrqKind::event_queue, messages_[0], static_cast<u32>(messages_[1]));
      }
      break;
    case reg::priq_prod:
      if (pages_.has_news(value) && !last_only_) send_page_interrupt();
      break;
    default: break;
  }
}

Ticket SpecDevice::mmio_read(u32 at, unsigned size) {
  caches_.set_now(++now_);
  const auto place = place_of(at);
  const u32 offset = place.value_or(at);
  u64 value = place ? smmu_.read(offset, size, choices_) : 0;
  if (offset == reg::cmdq_prod && holds_commands()) value = cmdq_prod_;
  const Ticket ticket = answer(value);
  resume();
  caches_.forget_findings();
  interrupts_after(offset, value);
  return ticket;
}

void SpecDevice::store(u64 pa, u64 value) {
  caches_.set_now(++now_);
  caches_.store(AgentId::cpu0, pa, value);
  caches_.barrier(AgentId::cpu0);
}

void SpecDevice::fill(u64 pa, u64 words, u64 value) {
  caches_.set_now(++now_);
  caches_.fill(AgentId::cpu0, pa, words, value);
  caches_.barrier(AgentId::cpu0);
}

/// As data begins where nothing was stored yet.
u64 SpecDevice::value_at(u64 pa) const {
  const spec::Content content = caches_.memory().newest(pa);
  const u64 names = (pa & mask(31, 0)) | ((pa + 4) << 32);
  return content.unknown && pa - data < data_bytes ? names : content.value;
}

Ticket SpecDevice::load(u64 pa) { return answer(value_at(pa)); }

/// Of split-stage ATS: what caches hold of stage 2 may be as old as for any other access.
spec::Outcome SpecDevice::outcome_by_stage2(const spec::Access& access, const spec::Outcome& now) {
  if (!caches_.unsupported().empty()) return now;
  std::vector<spec::Outcome> found;
  const bool all = caches_.nested().collect_translated(access, found);
  const auto is_any = [](const spec::Outcome& o) { return o.kind == spec::OutcomeKind::any; };
  if (!all || found.empty() || std::ranges::any_of(found, is_any)) return now;
  return found[choices_.choose(spec::ChoiceSite::outcome, static_cast<u32>(found.size()))];
}

/// Any that the engine of the caches allows.
std::optional<spec::Outcome> SpecDevice::outcome_of(spec::Access& access) {
  if (access.route == spec::Route::translated) {
    MemoryNow memory{caches_.memory(), is_there};
    std::vector<spec::Outcome> ways;
    spec::translated_passes(access.va, caches_.capabilities(),
                            [&](const spec::Outcome& way) { ways.push_back(way); });
    const spec::Outcome& granted = truncates_ ? ways.back() : ways.front();
    const spec::Outcome now = spec::translated_transaction(memory, state_now(), access, granted);
    const bool by_stage2 = now.stage2 || now.kind == spec::OutcomeKind::translation;
    return by_stage2 && !memory.aborted ? outcome_by_stage2(access, now) : now;
  }
  return chosen_outcome(caches_, state_now(), access, is_there, choices_);
}

/// As memory has it, all of them, which a walk may make at any time; by an entry that is cached,
/// which has its Access flag, the dirty state of the word as it is now.
std::vector<spec::FlagUpdate> SpecDevice::updates_of(const spec::Access& access,
                                                     const spec::Outcome& outcome) {
  const bool translated = outcome.kind == spec::OutcomeKind::translation;
  if (!translated || caches_.capabilities().httu == 0) return {};
  MemoryNow memory{caches_.memory(), is_there};
  const auto arrival = access.route == spec::Route::translated ? spec::Arrival::translated
                                                               : spec::Arrival::untranslated;
  const spec::FlagUpdates made = spec::flag_updates(memory, state_now(), access, arrival);
  if (!made.known) return {};
  const bool as_walked = made.outcome.kind == outcome.kind && made.outcome.pa == outcome.pa;
  if (as_walked && (made.both || made.outcome.same(outcome))) return made.all;
  if (!outcome.dirty) return {};
  const u64 word = caches_.memory().newest(outcome.origin).value;
  if (((word ^ outcome.value) & ~spec::descriptor_bits::af) != 0) return {};
  const u64 dirty = (word | spec::descriptor_bits::af) ^ spec::descriptor_bits::ap2;
  return {{outcome.origin, word, dirty}};
}

/// Of what a request is granted. IHI 0070 3.13.7.1.
void SpecDevice::write_flags(const spec::Access& granted) {
  if (caches_.capabilities().httu == 0) return;
  MemoryNow memory{caches_.memory(), is_there};
  const spec::FlagUpdates made =
      spec::flag_updates(memory, state_now(), granted, spec::Arrival::request);
  for (const spec::FlagUpdate& one : made.all) caches_.device_store(one.pa, one.to);
  const bool marks = made.may_be_dirty && !made.endi;
  if (!marks || choices_.choose(spec::ChoiceSite::outcome, 2) == 0) return;
  const u64 word = caches_.memory().newest(*made.may_be_dirty).value;
  const u64 dirty = (word | spec::descriptor_bits::af) ^ spec::descriptor_bits::ap2;
  caches_.device_store(*made.may_be_dirty, dirty);
}

/// As though it had just arrived, when the queue is writable. IHI 0070 3.12.2, 7.2.1.
void SpecDevice::try_again() {
  if (unrecorded_.empty() || !smmu_.records_events()) return;
  for (spec::Access& access : std::exchange(unrecorded_, {})) {
    if (const auto outcome = outcome_of(access)) record(access, *outcome);
  }
}

/// What commands have ended: what is tried again is as though it had just arrived. IHI 0070 4.7.1.
void SpecDevice::resume() {
  for (const spec::Smmu::Resumed& one : std::exchange(smmu_.resumed(), {})) {
    const auto named = [&](const Stalled& stalled) {
      return stalled.access.sid == one.sid && stalled.stag == one.stag;
    };
    const auto at = std::ranges::find_if(stalled_, named);
    if (at == stalled_.end()) continue;
    spec::Access access = at->access;
    stalled_.erase(at);
    if (!one.again) continue;
    if (const auto outcome = outcome_of(access)) record(access, *outcome);
  }
}

/// Into the event queue; where no memory is the abort is told in its place. IHI 0070 7.2.2.
void SpecDevice::record(const spec::Access& access, const spec::Outcome& outcome) {
  if (is_there(eventq_base_ & mask(51, 5))) {
    const auto recorded = smmu_.record(access, outcome);
    if (!recorded || !outcome.stalled()) return;
    if (recorded->delivery == spec::Delivery::waits) unrecorded_.push_back(access);
    if (const auto stag = spec::stall_in(recorded->record.dw); stag && recorded->stalls) {
      stalled_.push_back({*stag, access});
    }
  } else if (spec::has_record(access, outcome, smmu_.recinvsid()) && smmu_.records_events()) {
    raise(spec::gerror::eventq_abt_err);
  }
}

Ticket SpecDevice::dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) {
  caches_.set_now(++now_);
  spec::Access access = access_of(identity_.sids[engine], iova, write, attributes);
  const std::optional<spec::Outcome> outcome = outcome_of(access);
  const Ticket ticket = answer(seen_.size());
  seen_.emplace_back();
  if (!outcome) return ticket;
  seen_.back() = seen_of(*outcome);
  record(access, *outcome);
  for (const spec::FlagUpdate& one : updates_of(access, *outcome)) {
    caches_.device_store(one.pa, one.to);
  }
  if (access.route != spec::Route::translated) {
    caches_.fill_nested(access.sid, access.ssid, access.ssv, access.va);
  }
  return ticket;
}

}  // namespace iommucheck::oracle
