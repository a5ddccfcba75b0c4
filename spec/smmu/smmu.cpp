// SPDX-License-Identifier: MIT
#include "spec/smmu/smmu.h"

#include "base/text.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

Smmu::Smmu(Caches& caches, const IdRegisters& id) : id_(id), ground_(caches) {}

void Smmu::reset(bool assumed_clean) {
  if (!assumed_clean) caches().reset();
  const GbpaReset gbpa = caches().profile().gbpa_reset;
  if (gbpa != GbpaReset::open) controls_.reset_gbpa(gbpa == GbpaReset::abort);
}

void Smmu::driver_begins() {
  irq_.driver_begins();
  indices_.driver_begins();
}

// ---- registers, as any of them ------------------------------------------------------------------

u64* Smmu::storage(u32 offset) {
  if (u64* place = controls_.storage(offset)) return place;
  if (u64* place = irq_.storage(offset)) return place;
  if (u64* place = commands_.storage(offset)) return place;
  return outputs_.storage(offset);
}

// The enable has to be 0 in both the register and its acknowledgement. arch 1.4.
bool Smmu::guard_is_open(Guard guard) const {
  switch (guard) {
    case Guard::none:
    case Guard::own_update: return true;
    case Guard::smmuen: return controls_.surely_off(cr0::smmuen);
    case Guard::cmdqen: return controls_.surely_off(cr0::cmdqen);
    case Guard::eventqen: return controls_.surely_off(cr0::eventqen);
    case Guard::priqen: return controls_.surely_off(cr0::priqen);
    case Guard::queues: return controls_.surely_off(cr0::cmdqen | cr0::eventqen | cr0::priqen);
    case Guard::gerror_irqen: return irq_.surely_off(irq_ctrl::gerror_irqen);
    case Guard::eventq_irqen: return irq_.surely_off(irq_ctrl::eventq_irqen);
    case Guard::priq_irqen: return irq_.surely_off(irq_ctrl::priq_irqen);
  }
  return true;
}

/// Its page is not there.
bool Smmu::is_absent(u32 offset) const {
  return offset >= reg::page1 && !caches().profile().has_page1;
}

/// Where the register is that an access of `offset` means.
u32 Smmu::place_of(u32 offset) const {
  const Profile& profile = caches().profile();
  const bool aliases = !profile.has_page1 || profile.queue_indices == QueueIndices::alias;
  return aliases && reg::is_page0_index(offset) ? offset + reg::page1 : offset;
}

/// Indices of the output queues are in page 1; what their places in page 0 do is CONSTRAINED
/// UNPREDICTABLE.
void Smmu::check_alias(u32 offset) {
  const bool in_page0 = reg::is_page0_index(offset);
  const bool in_page1 = offset >= reg::page1 && reg::is_page0_index(offset - reg::page1);
  if (in_page0 || in_page1) ground_.count(rule::REGISTER_PAGE0_ALIAS);
  // In the wrong place: that is told here.
  if (in_page0) indices_.note(offset + reg::page1);
  if (in_page1) indices_.note(offset);
  if (in_page1 && is_absent(offset)) {
    ground_.report(rule::REGISTER_PAGE0_ALIAS,
                   "the index of a queue is accessed at " + hex(offset) +
                       ", which is not there (page1=absent), and not at " +
                       hex(offset - reg::page1));
  }
  if (in_page0 && place_of(offset) == offset) {
    ground_.report(rule::REGISTER_PAGE0_ALIAS, "the index of a queue is accessed at " +
                                                   hex(offset) + " and not at " +
                                                   hex(offset + reg::page1));
  }
}

bool Smmu::guarded(Guard guard, const char* name) {
  ground_.count(rule::REGISTER_GUARDED);
  if (guard_is_open(guard)) return false;
  ground_.report(rule::REGISTER_GUARDED,
                 std::string(name) +
                     " is written while what it belongs to is enabled, or its disabling is "
                     "not acknowledged: the write is ignored from v3.2 on, and before that "
                     "any value may be in effect");
  return true;
}

/// The register as a whole, or an aligned half of one of 64 bits.
bool Smmu::has_width(const RegisterInfo& info, u32 offset, unsigned size, const char* what) {
  const bool whole = offset == info.offset && size == info.bytes;
  const bool half = info.bytes == 8 && size == 4 && offset % 4 == 0;
  if (whole || half) return true;
  ground_.report(rule::REGISTER_WIDTH, std::string(info.name) + " is " + what + " at " +
                                           hex(offset) + " with " + std::to_string(size) +
                                           " bytes");
  return false;
}

void Smmu::write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered) {
  if (ordered) caches().barrier(by);
  if (offset == reg::cmdq_prod && size == 4) {  // the one that counts
    indices_.note(offset);
    commands_.write_prod(value);
    return;
  }
  ground_.count(rule::REGISTER_WIDTH);
  check_alias(offset);
  if (is_absent(offset)) return;
  offset = place_of(offset);
  const auto info = register_at(offset);
  if (!info) return;  // RES0 or implementation defined
  if (!has_width(*info, offset, size, "written")) return;
  const bool half = size != info->bytes;
  if (info->access == RegisterAccess::read_only) return;
  indices_.note(info->offset);
  if (offset == reg::cr0) return write_cr0(value);
  if (offset == reg::gbpa) return controls_.write_gbpa(value);
  if (offset == reg::gerrorn) return write_gerrorn(value);
  if (offset == reg::irq_ctrl) return irq_.write_irq_ctrl(value);
  if (offset == reg::eventq_cons) return outputs_.write_eventq_cons(value);
  if (offset == reg::priq_cons) return outputs_.write_priq_cons(value);
  u64* place = storage(info->offset);
  if (place == nullptr) return;
  u64 whole_value = value;
  if (half) {
    const unsigned shift = offset == info->offset ? 0 : 32;
    whole_value = with_bits(*place, shift + 31, shift, value);
  }
  const std::string name(info->name);
  if (offset == reg::cr1) {
    const bool tables = ((controls_.cr1() ^ whole_value) & cr1::table_mask) != 0;
    const bool queues = ((controls_.cr1() ^ whole_value) & cr1::queue_mask) != 0;
    if (tables && guarded(Guard::smmuen, "CR1")) return;
    if (queues && guarded(Guard::queues, "CR1")) return;
  } else if (guarded(info->guard, name.c_str())) {
    irq_.note_guarded(info->offset);
    return;
  }
  if (offset == reg::cr2) whole_value &= cr2_fields(capabilities());
  ground_.set(*place, whole_value);
  irq_.note_written(offset, size);
  write_register(info->offset, whole_value);
}

void Smmu::write_register(u32 offset, u64 value) {
  switch (offset) {
    case reg::cmdq_base:
      check_size("CMDQ_BASE", value, capabilities().cmdqs);
      commands_.base_written();
      break;
    case reg::cmdq_cons: commands_.cons_written(value); break;
    case reg::eventq_base: check_size("EVENTQ_BASE", value, capabilities().eventqs); break;
    case reg::priq_base:
      if (capabilities().pri) check_size("PRIQ_BASE", value, capabilities().priqs);
      break;
    case reg::eventq_prod: outputs_.eventq_prod_written(value); break;
    case reg::priq_prod: outputs_.priq_prod_written(value); break;
    default: break;
  }
}

/// A larger size is taken as the largest: the driver would use slots that do not exist.
void Smmu::check_size(const char* name, u64 value, unsigned largest) {
  ground_.count(rule::QUEUE_SIZE);
  const u64 literal = bits(value, 4, 0);
  if (literal <= largest) return;
  ground_.report(rule::QUEUE_SIZE, std::string(name) + ".LOG2SIZE = " + std::to_string(literal) +
                                       ", but IDR1 has " + std::to_string(largest));
}

void Smmu::write_cr0(u64 value) {
  const u64 changed = controls_.write_cr0(value);
  indices_.check_known(changed & controls_.cr0());
  outputs_.enabled(changed & controls_.cr0());
  if ((changed & controls_.cr0() & cr0::smmuen) != 0) irq_.check_left_on();
  if ((changed & cr0::cmdqen) == 0) return;
  if (controls_.enables(cr0::cmdqen)) return commands_.enable();
  commands_.disable();
}

void Smmu::write_gerrorn(u64 value) {
  errors_.write_gerrorn(value);
  if (!errors_.command_error()) commands_.go_on();
}

// ---- aborts of its own accesses, IHI 0070 7.2.2, 7.5, 8.2 ---------------------------------------

/// Its own message may abort in turn, of which nothing tells. 7.5.1.
bool Smmu::raise(u64 error) {
  if (errors_.raise(error) == 0) return false;
  if (error != gerror::msi_gerror_abt && irq_.surely_enables(irq_ctrl::gerror_irqen)) {
    ground_.set(error_told_, 1);
  }
  return true;
}

bool Smmu::abort(u64 error) {
  if (errors_.is_active(error)) return false;
  switch (error) {
    case gerror::eventq_abt_err: return controls_.surely_enables(cr0::eventqen) && raise(error);
    case gerror::priq_abt_err: return outputs_.page_queue().enabled && raise(error);
    case gerror::msi_eventq_abt:
      return irq_.surely_sends(irq_ctrl::eventq_irqen) && outputs_.lose_event_interrupt() &&
             raise(error);
    case gerror::msi_priq_abt:
      return irq_.surely_sends(irq_ctrl::priq_irqen) && outputs_.lose_page_interrupt() &&
             raise(error);
    case gerror::msi_gerror_abt:
      if (error_told_ == 0 || !irq_.surely_sends(irq_ctrl::gerror_irqen)) return false;
      ground_.set(error_told_, 0);
      return raise(error);
    case gerror::msi_cmdq_abt:
      if (!capabilities().msi) return false;
      messages_.abort_next();
      return true;
    default: return false;
  }
}

bool Smmu::take_error_interrupt() {
  const bool due = error_told_ != 0;
  ground_.set(error_told_, 0);
  return due;
}

bool Smmu::take_lost_message() {
  const bool lost = message_lost_ != 0;
  ground_.set(message_lost_, 0);
  return lost;
}

std::optional<Smmu::MessageWrite> Smmu::due_message(Choices& choices) {
  const auto message = consumption_.due_message(choices);
  if (!message || !messages_.is_lost(*message)) return message;
  raise(gerror::msi_cmdq_abt);
  ground_.set(message_lost_, 1);
  return due_message(choices);
}

void Smmu::acknowledge(u64 mask) {
  const u64 changed = controls_.acknowledge(mask);
  if (changed == 0) return;
  progress_.make();
  if ((changed & cr0::smmuen) != 0 && !smmuen()) stalls_.terminate();
}

// ---- between the parts --------------------------------------------------------------------------

std::optional<Smmu::Recorded> Smmu::record(const Access& access, const Outcome& outcome) {
  if (!has_record(access, outcome, recinvsid())) return std::nullopt;
  EventFields fields = fields_of(access, outcome);
  if (fields.stall) {
    const bool full = event_slots() == 0;
    const bool room = delivery(records_events(), full, true) == Delivery::written;
    if (room) fields.stag = begin_stall(access.sid, access.ssid, access.ssv);
    if (!fields.stag) return Recorded{.delivery = Delivery::waits};
  }
  EventRecord made = record_of(outcome.event, fields);
  // What is UNKNOWN may be anything that an SMMU knows: here an address of its own queue's.
  const u64 own = outputs_.events().slot();
  for (unsigned i = 0; i < event_words; ++i) made.dw[i] |= own & ~made.fixed[i];
  return Recorded{record_event(made), made, fields.stall};
}

void Smmu::observe_message(u64 pa, u64 bytes, u64 value) {
  if (!messages_.any()) return;
  commands_.observe_total(messages_.shown_by(pa, bytes, value));
  messages_.forget(commands_.consumed_total());
}

void Smmu::interrupt_of_sync() {
  const u64 seen = interrupts_.take(commands_.consumed_total());
  if (seen == 0) return;
  progress_.make();
  commands_.observe_total(seen);
}

}  // namespace iommucheck::spec
