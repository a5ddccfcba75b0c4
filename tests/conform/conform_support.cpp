// SPDX-License-Identifier: MIT
#include "tests/conform/conform_support.h"

#include "base/bits.h"
#include "spec/smmu/command.h"
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
    : fault_(fault), inner_(seed), identity_(inner_.identity()) {
  identity_.id = id_of(fault);
}

Expected<void> BrokenDevice::reset() {
  values_.clear();
  seen_.clear();
  written_.clear();
  tlbis_ = 0;
  dead_ = false;
  prod_ = cr0_ = 0;
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
  switch (fault_) {
    case Fault::forgets_tlbi: return spec::is_tlbi(command.op);
    case Fault::forgets_range: return command.num != 0 || command.scale != 0;
    case Fault::ignores_cfgi: return spec::is_cfgi(command.op);
    case Fault::takes_illegal: return spec::check_command<u64>(command, caps).has_value();
    default: return false;
  }
}

void BrokenDevice::store(u64 pa, u64 value) {
  if (!in_queue(pa)) return inner_.store(pa, value);
  if (pa % 16 == 0) {
    low_ = value;
    return inner_.store(pa, value);
  }
  spec::Command nothing;
  nothing.op = spec::Opcode::prefetch_config;
  if (drops(low_, value)) {
    inner_.store(pa - 8, spec::encode_command(nothing).dw0);
    return inner_.store(pa, 0);
  }
  const auto op = static_cast<spec::Opcode>(low_ & 0xff);
  const bool refuses = fault_ == Fault::refuses_legal || fault_ == Fault::aborts_commands;
  if (refuses && op == spec::Opcode::tlbi_nh_vaa) inner_.store(pa - 8, 0xff);
  if (fault_ == Fault::sends_message && op == spec::Opcode::sync && bits(low_, 13, 12) == 1) {
    inner_.store(align_down(value, 3), bits(low_, 63, 32));
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
  inner_.mmio_write(offset, size, value);
}

Ticket BrokenDevice::mmio_read(u32 offset, unsigned size) {
  const bool id = offset <= reg::idr5;
  if (id && claims(fault_)) return answer(identity_.id.idr[offset / 4]);
  if (offset == reg::aidr && claims(fault_)) return answer(identity_.id.aidr);
  if (id && fault_ == Fault::idr_writable && written_.contains(offset)) {
    return answer(written_[offset]);
  }
  if (offset == reg::gerrorn && held_gerrorn_) return answer(*held_gerrorn_);
  if (offset == reg::cmdq_cons && fault_ == Fault::sync_is_early) return answer(prod_);
  if (offset == reg::cr0ack && fault_ == Fault::never_acknowledges) return answer(0);
  u64 value = inner_.value(inner_.mmio_read(offset, size));
  const auto info = spec::register_at(offset);
  const bool wide = info && info->bytes == 8;
  if (wide && size == 4 && fault_ == Fault::reads_halves_as_0) return answer(0);
  if (wide && size == 8 && fault_ == Fault::loses_hint) value &= ~(u64{1} << 62);
  if (offset == reg::cr2 && fault_ == Fault::takes_guarded_cr2) return answer(written_[offset]);
  if (offset == reg::cmdq_cons && fault_ == Fault::wrong_cons) return answer(value + 1);
  if (offset == reg::cmdq_cons && fault_ == Fault::stuck_cons) return answer(0);
  if (offset == reg::cmdq_cons && fault_ == Fault::aborts_commands && bits(value, 30, 24) == 1) {
    value = with_bits(value, 30, 24, 2);
  }
  if (offset == reg::cmdq_cons && fault_ == Fault::clears_commands && cmdq_bytes_ != 0) {
    inner_.store(cmdq_, 0);
  }
  if (offset == reg::eventq_prod && fault_ == Fault::loses_events) return answer(0);
  if (offset == reg::eventq_prod && fault_ == Fault::repeats_events && (value & 7) == 1) {
    return answer(value + 1);
  }
  return answer(value);
}

Ticket BrokenDevice::load(u64 pa) {
  u64 value = inner_.value(inner_.load(pa));
  const u64 offset = pa - eventq_;
  if (offset < eventq_bytes_) {
    const auto type = static_cast<spec::EventType>(value & 0xff);
    if (fault_ == Fault::wrong_event_type && offset % 32 == 0 &&
        type == spec::EventType::f_translation) {
      value = with_bits(value, 7, 0, static_cast<u64>(spec::EventType::f_access));
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
  if (fault_ != Fault::knows_48_bits || !enabled || iova >> 48 == 0) {
    seen = inner_.seen(inner_.dma(engine, iova, write, attributes));
  }
  if (fault_ == Fault::ignores_disable && !enabled) seen = {};
  if (fault_ == Fault::wrong_address && enabled && seen.pa) *seen.pa += 0x1000;
  const bool outside = seen.pa && *seen.pa - identity_.data_pa >= identity_.data_bytes;
  if (fault_ == Fault::wrong_outside && enabled && outside) *seen.pa ^= 0x1000;
  const Ticket ticket = answer(0);
  seen_[ticket] = seen;
  return ticket;
}

Expected<void> BrokenDevice::settle() {
  if (dead_) return fail(ErrorCode::unsupported, "signal 6 (Aborted)");
  return {};
}

}  // namespace iommucheck::oracle
