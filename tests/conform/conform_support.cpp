// SPDX-License-Identifier: MIT
#include "tests/conform/conform_support.h"

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "spec/smmu/command.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/event_type.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

spec::IdRegisters id_of(Fault fault) {
  spec::IdRegisters id = spec_device_id();
  if (fault == Fault::claims_16k) id.idr[5] |= 1U << 5;
  if (fault == Fault::claims_version) {
    id.aidr = 3;
    id.idr[3] = 0;
  }
  return id;
}

/// Of the device behind it.
spec::IdRegisters inner_id_of(Fault fault) {
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  caps.msi = fault == Fault::loses_message || fault == Fault::wrong_message ||
             fault == Fault::message_when_disabled;
  if (fault == Fault::refuses_s1cdmax) caps.ssidsize = 0;
  return caps.msi || caps.ssidsize == 0 ? spec::make_id_registers(caps) : spec_device_id();
}

/// The first word of a record, as if the structure were there and zero.
u64 without_fetches(u64 word) {
  using enum spec::EventType;
  const auto type = static_cast<spec::EventType>(word & 0xff);
  const spec::EventType instead = type == f_ste_fetch   ? c_bad_ste
                                  : type == f_cd_fetch  ? c_bad_cd
                                  : type == f_walk_eabt ? f_translation
                                                        : type;
  return with_bits(word, 7, 0, static_cast<u64>(instead));
}

/// Its ID registers are not those of the device behind it.
bool claims(Fault fault) { return fault == Fault::claims_16k || fault == Fault::claims_version; }

}  // namespace

BrokenDevice::BrokenDevice(Fault fault, u64 seed)
    : fault_(fault), inner_(seed, inner_id_of(fault)), identity_(inner_.identity()) {
  if (claims(fault)) identity_.id = id_of(fault);
}

Expected<void> BrokenDevice::reset() {
  values_.clear();
  seen_.clear();
  answered_.clear();
  sent_.clear();
  awaited_.clear();
  written_.clear();
  tlbis_ = accesses_ = 0;
  dead_ = false;
  meant_.clear();
  prod_ = cr0_ = shown_events_ = 0;
  stale_events_ = sent_event_ = false;
  extra_.clear();
  loads_.clear();
  held_gerrorn_.reset();
  return inner_.reset();
}

Ticket BrokenDevice::answer(u64 value) {
  values_.push_back(value);
  return static_cast<Ticket>(values_.size() - 1);
}

u64 BrokenDevice::value(Ticket ticket) const { return values_.at(ticket); }

bool BrokenDevice::in_queue(u64 pa) const { return pa - cmdq_ < cmdq_bytes_; }

/// Does the device not know the command?
bool BrokenDevice::drops(u64 low, u64 high) const {
  const spec::Capabilities caps = spec::parse_capabilities(inner_.identity().id);
  const spec::Command command = spec::decode_command<u64>(low, high, caps);
  // Before that caches may hold anything, which a device that forgets to empty them then shows at
  // its first access, whatever was invalidated later.
  const bool in_use = (cr0_ & spec::cr0::smmuen) != 0;
  switch (fault_) {
    case Fault::forgets_tlbi:
    case Fault::ignores_fields_and_tlbi: return in_use && spec::is_tlbi(command.op);
    case Fault::forgets_range: return in_use && (command.num != 0 || command.scale != 0);
    case Fault::ignores_cfgi:
    case Fault::ignores_fields_and_cfgi: return in_use && spec::is_cfgi(command.op);
    case Fault::takes_ssec: return bit(low, 10);
    case Fault::takes_illegal: return spec::check_command<u64>(command, caps).has_value();
    default: return false;
  }
}

/// The command as the device takes it; nothing: as it is.
std::optional<spec::CommandWords> BrokenDevice::taken_as(u64 low, u64 high) const {
  const spec::Capabilities caps = spec::parse_capabilities(inner_.identity().id);
  spec::Command command = spec::decode_command<u64>(low, high, caps);
  const bool by_address =
      command.op == spec::Opcode::tlbi_nh_va || command.op == spec::Opcode::tlbi_nh_vaa;
  if ((cr0_ & spec::cr0::smmuen) == 0 || !by_address) return std::nullopt;
  switch (fault_) {
    case Fault::keeps_pointers:
      if (command.num != 0 || command.scale != 0) return std::nullopt;
      return spec::CommandWords{low, high | 1};
    case Fault::range_of_first_page:
      if (command.num == 0 && command.scale == 0) return std::nullopt;
      // NUM, SCALE; TG, TTL.
      return spec::CommandWords{low & ~mask(24, 12), high & ~mask(11, 8)};
    case Fault::takes_vaa_as_asid:
      if (command.op != spec::Opcode::tlbi_nh_vaa) return std::nullopt;
      command.op = spec::Opcode::tlbi_nh_asid;
      return spec::CommandWords{spec::encode_command(command).dw0, 0};
    default: return std::nullopt;
  }
}

bool BrokenDevice::ignores_fields() const {
  return fault_ == Fault::ignores_cd_fields || fault_ == Fault::ignores_fields_and_cfgi ||
         fault_ == Fault::ignores_fields_and_tlbi;
}

void BrokenDevice::store(u64 pa, u64 value) {
  meant_.erase(pa);
  if (ignores_fields() && !in_queue(pa) && pa % 64 == 0 && bit(value, 41)) {  // AA64 of a CD
    meant_[pa] = value;
    for (const unsigned field : {14U, 36U, 37U, 40U}) value &= ~(u64{1} << field);
  }
  if (fault_ == Fault::ignores_ips && !in_queue(pa) && pa % 64 == 0 && bit(value, 41)) {
    meant_[pa] = value;
    value = with_bits(value, 34, 32, 5);
  }
  if (fault_ == Fault::ignores_span && pa == identity_.structures_pa &&
      bits(written_[reg::strtab_base_cfg], 17, 16) == 1) {
    value = with_bits(value, 4, 0, 7);
  }
  const bool selects_stage1 = bits(value, 3, 0) == 0xb;
  if (fault_ == Fault::refuses_s1cdmax && selects_stage1 && bits(value, 63, 59) != 0) {
    value |= u64{1} << 50;  // S1ContextPtr beyond OAS
  }
  if (!in_queue(pa)) return inner_.store(pa, value);
  if (pa % 16 == 0) {
    low_ = value;
    return inner_.store(pa, value);
  }
  spec::Command nothing;
  nothing.op = spec::Opcode::prefetch_config;
  if (drops(low_, value)) {
    meant_[pa - 8] = low_;
    meant_[pa] = value;
    inner_.store(pa - 8, spec::encode_command(nothing).dw0);
    return inner_.store(pa, 0);
  }
  if (const auto taken = taken_as(low_, value)) {
    meant_[pa - 8] = low_;
    meant_[pa] = value;
    inner_.store(pa - 8, taken->dw0);
    return inner_.store(pa, taken->dw1);
  }
  const auto op = static_cast<spec::Opcode>(low_ & 0xff);
  const bool refuses = fault_ == Fault::refuses_legal || fault_ == Fault::aborts_commands;
  if (refuses && op == spec::Opcode::tlbi_nh_vaa) inner_.store(pa - 8, 0xff);
  if (fault_ == Fault::sends_message && op == spec::Opcode::sync && bits(low_, 13, 12) == 1) {
    inner_.store(align_down(value, 3), bits(low_, 63, 32));
  }
  if (fault_ == Fault::sync_always_interrupts && op == spec::Opcode::sync) {
    inner_.store(pa - 8, with_bits(low_, 13, 12, 1));
  }
  if (fault_ == Fault::dies && spec::is_tlbi(op) && ++tlbis_ == 3) dead_ = true;
  inner_.store(pa, value);
}

void BrokenDevice::mmio_write(u32 offset, unsigned size, u64 value) {
  if (offset == reg::cmdq_base) {
    cmdq_ = value & mask(51, 5);
    cmdq_bytes_ = u64{16} << (value & 31);
  }
  if (offset == reg::eventq_base) {
    eventq_ = value & mask(51, 5);
    eventq_bytes_ = u64{32} << (value & 31);
  }
  if (offset == reg::cmdq_prod) prod_ = value;
  if (offset == reg::cr0) cr0_ = value;
  written_[offset] = value;
  const auto info = spec::register_at(offset);
  const bool half = info && info->bytes == 8 && size == 4;
  if (half && fault_ == Fault::loses_upper_half && offset != info->offset) return;
  if (half && fault_ == Fault::spills_half) inner_.mmio_write(info->offset, 8, 0);
  if (fault_ == Fault::waits_for_prod) {
    if (offset == reg::gerrorn) {
      held_gerrorn_ = value;
      return;
    }
    if (offset == reg::cmdq_prod && held_gerrorn_) {
      inner_.mmio_write(reg::gerrorn, 4, *held_gerrorn_);
      held_gerrorn_.reset();
    }
  }
  if (fault_ == Fault::ignores_log2size && offset == reg::strtab_base_cfg) {
    value = with_bits(value, 5, 0, 6);
  }
  if (fault_ == Fault::uses_base_bits && offset == reg::strtab_base && bits(value, 11, 6) != 0) {
    value += 0x8000;  // what lies there is no STE of the table, which is as large
  }
  if (fault_ == Fault::wrong_message && offset == reg::eventq_irq_cfg1) value ^= 0x100;
  inner_.mmio_write(offset, size, value);
  gather_invalidations();
}

// ---- ATS ----------------------------------------------------------------------------------------

void BrokenDevice::gather_invalidations() {
  const bool early = fault_ == Fault::early_atc_sync || fault_ == Fault::drops_atc_inv;
  for (auto more = inner_.take_invalidations(); !more.empty(); more = inner_.take_invalidations()) {
    for (AtcInvalidation one : more) {
      if (early) inner_.invalidated(one.tag);
      if (fault_ == Fault::drops_atc_inv) continue;
      if (fault_ == Fault::wrong_atc_address && one.bytes == 4096) one.address ^= 0x1000;
      if (fault_ == Fault::loses_atc_pasid) one.substream.reset();
      sent_.push_back(one);
      awaited_.push_back(one.tag);
    }
  }
}

void BrokenDevice::invalidated(u32 tag) {
  std::erase(awaited_, tag);
  if (fault_ == Fault::times_out_answered) {
    inner_.invalidations_time_out();
  } else {
    inner_.invalidated(tag);
  }
  gather_invalidations();
}

void BrokenDevice::invalidations_time_out() {
  if (fault_ == Fault::ignores_time_out) {
    for (const u32 tag : std::exchange(awaited_, {})) inner_.invalidated(tag);
  } else {
    awaited_.clear();
    inner_.invalidations_time_out();
  }
  gather_invalidations();
}

AtsSeen BrokenDevice::changed(AtsSeen seen, u64 iova, bool write) const {
  const bool success = seen.result == trace::AtsResult::success;
  const bool nothing = success && !seen.rights.read && !seen.rights.write;
  if (fault_ == Fault::grants_write && write) seen.rights.write |= seen.rights.read;
  if (fault_ == Fault::withholds_write) seen.rights.write = false;
  if (fault_ == Fault::answers_too_much && success) seen.bytes = u64{1} << 21;
  if (fault_ == Fault::aborts_faults && nothing) seen.result = trace::AtsResult::completer_abort;
  const bool enabled = (cr0_ & spec::cr0::smmuen) != 0;
  const bool refused = seen.result == trace::AtsResult::unsupported && enabled;
  if ((fault_ == Fault::grants_unmapped && nothing) || (fault_ == Fault::ignores_eats && refused)) {
    seen.result = trace::AtsResult::success;
    seen.rights.read = true;
    seen.pa = identity_.data_pa + (iova & 0xfff);
    seen.bytes = 4096;
  }
  return seen;
}

Ticket BrokenDevice::ats_request(unsigned engine, u64 iova, bool write, DmaAttributes attributes) {
  AtsSeen seen{.result = trace::AtsResult::unsupported};
  if (fault_ != Fault::refuses_requests) {
    seen =
        changed(inner_.answered(inner_.ats_request(engine, iova, write, attributes)), iova, write);
  }
  const Ticket ticket = answer(0);
  answered_[ticket] = seen;
  return ticket;
}

std::vector<Interrupt> BrokenDevice::take_interrupts() {
  std::vector<Interrupt> all = inner_.take_interrupts();
  const auto drop = [&](trace::IrqKind kind) {
    std::erase_if(all, [&](const Interrupt& one) { return one.kind == kind; });
  };
  const auto is_event = [](const Interrupt& one) {
    return one.kind == trace::IrqKind::event_queue;
  };
  if (fault_ == Fault::no_event_interrupt || fault_ == Fault::early_interrupt ||
      (fault_ == Fault::one_event_interrupt && sent_event_)) {
    drop(trace::IrqKind::event_queue);
  }
  sent_event_ |= std::ranges::any_of(all, is_event);
  if (fault_ == Fault::no_error_interrupt) drop(trace::IrqKind::global_error);
  if (fault_ == Fault::no_sync_interrupt) drop(trace::IrqKind::command_sync);
  if (fault_ == Fault::error_interrupts_twice) {
    const auto errors = std::ranges::count_if(
        all, [](const Interrupt& one) { return one.kind == trace::IrqKind::global_error; });
    all.insert(all.end(), static_cast<std::size_t>(errors), {trace::IrqKind::global_error});
  }
  all.insert(all.end(), extra_.begin(), extra_.end());
  extra_.clear();
  return all;
}

/// What its own interrupts hang on.
void BrokenDevice::events_shown(u64 value) {
  const bool news = value != shown_events_;
  shown_events_ = value;
  const bool on = (written_[reg::irq_ctrl] & spec::irq_ctrl::eventq_irqen) != 0;
  if (!news) return;
  if (fault_ == Fault::interrupts_when_disabled && !on) {
    extra_.push_back({trace::IrqKind::event_queue});
  }
  if (fault_ == Fault::pri_interrupt) extra_.push_back({trace::IrqKind::page_request_queue});
  const u64 place = written_[reg::eventq_irq_cfg0];
  if (fault_ == Fault::message_when_disabled && !on && place != 0) {
    inner_.store(align_down(place, 3), written_[reg::eventq_irq_cfg1]);
  }
}

Ticket BrokenDevice::mmio_read(u32 offset, unsigned size) {
  const bool id = offset <= reg::idr5;
  if (id && claims(fault_)) return answer(identity_.id.idr[offset / 4]);
  if (offset == reg::aidr && claims(fault_)) return answer(identity_.id.aidr);
  if (id && fault_ == Fault::idr_writable && written_.contains(offset)) {
    return answer(written_[offset]);
  }
  if (offset == reg::gerrorn && held_gerrorn_) return answer(*held_gerrorn_);
  const bool in_use = (cr0_ & spec::cr0::smmuen) != 0;
  if (offset == reg::cmdq_cons && fault_ == Fault::sync_is_early && in_use) return answer(prod_);
  if (offset == reg::cr0ack && fault_ == Fault::never_acknowledges) return answer(0);
  if (offset == reg::eventq_prod && std::exchange(stale_events_, false)) {
    return answer(shown_events_);
  }
  u64 value = inner_.value(inner_.mmio_read(offset, size));
  if (offset == reg::eventq_prod) events_shown(value);
  const auto info = spec::register_at(offset);
  const bool wide = info && info->bytes == 8;
  if (wide && size == 4 && fault_ == Fault::reads_halves_as_0) return answer(0);
  if (wide && size == 8 && fault_ == Fault::loses_hint) value &= ~(u64{1} << 62);
  if (offset == reg::cr2 && fault_ == Fault::takes_guarded_cr2) return answer(written_[offset]);
  const bool takes_as_another =
      (fault_ == Fault::ignores_log2size && offset == reg::strtab_base_cfg) ||
      (fault_ == Fault::uses_base_bits && offset == reg::strtab_base);
  if (takes_as_another && written_.contains(offset)) return answer(written_[offset]);
  if (offset == reg::cmdq_cons && fault_ == Fault::loses_cons_wrap) {
    return answer(value & ~(cmdq_bytes_ / 16));
  }
  if (offset == reg::cmdq_cons && fault_ == Fault::wrong_cons) return answer(value + 1);
  if (offset == reg::cmdq_cons && fault_ == Fault::stuck_cons) return answer(0);
  if (offset == reg::cmdq_cons && fault_ == Fault::aborts_commands && bits(value, 30, 24) == 1) {
    value = with_bits(value, 30, 24, 2);
  }
  if (offset == reg::cmdq_cons && fault_ == Fault::clears_commands && cmdq_bytes_ != 0) {
    inner_.store(cmdq_, 0);
  }
  if (offset == reg::gerror && fault_ == Fault::dies_when_short && accesses_ == 1) dead_ = true;
  if (offset == reg::gerror && fault_ == Fault::error_is_silent) value &= ~u64{1};
  if (offset == reg::cmdq_cons && fault_ == Fault::error_is_forgotten) value &= 0xfffff;
  if (offset == reg::eventq_prod && fault_ == Fault::loses_events) return answer(0);
  if (offset == reg::eventq_prod && fault_ == Fault::repeats_events && (value & 7) == 1) {
    return answer(value + 1);
  }
  return answer(value);
}

Ticket BrokenDevice::load(u64 pa) {
  if (const auto meant = meant_.find(pa); meant != meant_.end()) return answer(meant->second);
  u64 value = inner_.value(inner_.load(pa));
  if (fault_ == Fault::refuses_s1cdmax && bits(value, 3, 0) == 0xb) value &= ~(u64{1} << 50);
  if (fault_ == Fault::loses_message && pa - identity_.data_pa < 0x1000) {
    value = bits(pa, 31, 0) | (bits(pa + 4, 31, 0) << 32);
  }
  const u64 offset = pa - eventq_;
  if (offset < eventq_bytes_) {
    const auto type = static_cast<spec::EventType>(value & 0xff);
    if (fault_ == Fault::wrong_event_type && offset % 32 == 0 &&
        type == spec::EventType::f_translation) {
      value = with_bits(value, 7, 0, static_cast<u64>(spec::EventType::f_access));
    }
    const bool again = ++loads_[pa] > 1;
    if (fault_ == Fault::changes_record && again && value != 0) value ^= u64{1} << 40;
    if (fault_ == Fault::writes_next_record && shown_events_ != 0 &&
        offset == 32 * (shown_events_ & 0x3f)) {
      value ^= 0xdead;
    }
    if (fault_ == Fault::aborts_as_zero && offset % 32 == 0) value = without_fetches(value);
    if (fault_ == Fault::wrong_fetch_address && offset % 32 == 24 && value != 0) value += 64;
    if (fault_ == Fault::wrong_event_address && offset % 32 == 16) value = align_down(value, 12);
  }
  return answer(value);
}

Ticket BrokenDevice::dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) {
  if (fault_ == Fault::ignores_permission) write = false;
  if (fault_ == Fault::ignores_privilege) attributes.privileged = false;
  if (fault_ == Fault::ignores_instruction) attributes.instruction = false;
  if (attributes.substream) {
    if (fault_ == Fault::no_substream_zero && *attributes.substream == 0) attributes.substream = {};
    if (fault_ == Fault::no_substream_range) *attributes.substream &= 3;
    if (fault_ == Fault::drops_substream) attributes.substream = 0;
  }
  const bool enabled = (cr0_ & spec::cr0::smmuen) != 0;
  if (fault_ == Fault::passes_beyond_oas && !enabled) iova &= mask(43, 0);
  if (fault_ == Fault::writes_structure) inner_.store(identity_.structures_pa + 0x7f8, 0xdead);
  DmaSeen seen;
  const bool checked = (cr0_ & spec::cr0::atschk) != 0;
  const bool passes = (fault_ == Fault::passes_translated && enabled) ||
                      (fault_ == Fault::passes_translated_off && !enabled);
  if (attributes.translated && passes) {
    seen = {.reached = true, .pa = iova};
  } else if (attributes.translated && fault_ == Fault::refuses_translated && !checked) {
    seen = {};
  } else if (fault_ != Fault::knows_48_bits || !enabled || iova >> 48 == 0) {
    seen = inner_.seen(inner_.dma(engine, iova, write, attributes));
  }
  if (fault_ == Fault::ignores_disable && !enabled) seen = {};
  const bool leads_on = fault_ == Fault::wrong_address || fault_ == Fault::dies_when_short;
  if (leads_on && enabled && seen.pa) *seen.pa += 0x1000;
  ++accesses_;
  const bool outside = seen.pa && *seen.pa - identity_.data_pa >= identity_.data_bytes;
  if (fault_ == Fault::wrong_outside && enabled && outside) *seen.pa ^= 0x1000;
  if (fault_ == Fault::early_interrupt && enabled && !seen.reached && shown_events_ == 0 &&
      (written_[reg::irq_ctrl] & spec::irq_ctrl::eventq_irqen) != 0) {
    extra_.push_back({trace::IrqKind::event_queue});
    stale_events_ = true;
  }
  const Ticket ticket = answer(0);
  seen_[ticket] = seen;
  return ticket;
}

Expected<void> BrokenDevice::settle() {
  if (dead_) return fail(ErrorCode::unsupported, "signal 6 (Aborted)");
  return {};
}

}  // namespace iommucheck::oracle
