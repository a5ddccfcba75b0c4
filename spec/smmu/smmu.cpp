// SPDX-License-Identifier: MIT
#include "spec/smmu/smmu.h"

#include "base/text.h"

namespace iommucheck::spec {

namespace {

/// What is written is seen at once, also while Update is 1. A field that the interconnect or
/// IDR1.ATTR_*_OVR fixes reads as 0 or as written, MemAttr is UNKNOWN then. IHI 0070 6.3.14.
bool gbpa_reads_as_written(u64 value, u64 written) {
  if (((value ^ written) & gbpa::abort) != 0) return false;
  for (const u64 field : gbpa::attributes) {
    if ((value & field) != 0 && ((value ^ written) & field) != 0) return false;
  }
  return true;
}

}  // namespace

Smmu::Smmu(Caches& caches, const IdRegisters& id) : caches_(caches), id_(id) { r_.gbpa = 0x1000; }

void Smmu::reset(bool assumed_clean) {
  if (!assumed_clean) caches_.reset();
}

void Smmu::report(Rule rule, std::string text) {
  caches_.violations().push_back({rule, caches_.now(), std::move(text)});
}

// ---- writes -------------------------------------------------------------------------------------

u64* Smmu::storage(u32 offset) {
  switch (offset) {
    case reg::cr1: return &r_.cr1;
    case reg::cr2: return &r_.cr2;
    case reg::strtab_base: return &r_.strtab_base;
    case reg::strtab_base_cfg: return &r_.strtab_base_cfg;
    case reg::cmdq_base: return &r_.cmdq_base;
    case reg::cmdq_cons: return &r_.cmdq_cons;
    case reg::eventq_base: return &r_.eventq_base;
    case reg::eventq_prod: return &r_.eventq_prod;
    case reg::priq_base: return &r_.priq_base;
    case reg::priq_prod: return &r_.priq_prod;
    case reg::gerror_irq_cfg0: return &r_.irq_cfg[0];
    case reg::gerror_irq_cfg1: return &r_.irq_cfg[1];
    case reg::gerror_irq_cfg2: return &r_.irq_cfg[2];
    case reg::eventq_irq_cfg0: return &r_.irq_cfg[3];
    case reg::eventq_irq_cfg1: return &r_.irq_cfg[4];
    case reg::eventq_irq_cfg2: return &r_.irq_cfg[5];
    case reg::priq_irq_cfg0: return &r_.irq_cfg[6];
    case reg::priq_irq_cfg1: return &r_.irq_cfg[7];
    case reg::priq_irq_cfg2: return &r_.irq_cfg[8];
    default: return nullptr;
  }
}

// The enable has to be 0 in both the register and its acknowledgement. arch 1.4.
bool Smmu::guard_is_open(Guard guard) const {
  const u64 cr0 = r_.cr0 | r_.cr0ack;
  const u64 irq = r_.irq_ctrl | r_.irq_ctrlack;
  switch (guard) {
    case Guard::none:
    case Guard::own_update: return true;
    case Guard::smmuen: return (cr0 & cr0::smmuen) == 0;
    case Guard::cmdqen: return (cr0 & cr0::cmdqen) == 0;
    case Guard::eventqen: return (cr0 & cr0::eventqen) == 0;
    case Guard::priqen: return (cr0 & cr0::priqen) == 0;
    case Guard::queues: return (cr0 & (cr0::cmdqen | cr0::eventqen | cr0::priqen)) == 0;
    case Guard::gerror_irqen: return (irq & irq_ctrl::gerror_irqen) == 0;
    case Guard::eventq_irqen: return (irq & irq_ctrl::eventq_irqen) == 0;
    case Guard::priq_irqen: return (irq & irq_ctrl::priq_irqen) == 0;
  }
  return true;
}

/// Indices of the output queues are in page 1; what their places in page 0 do is CONSTRAINED
/// UNPREDICTABLE.
void Smmu::check_alias(u32 offset) {
  const bool in_page0 = offset == reg::eventq_prod_page0 || offset == reg::eventq_cons_page0 ||
                        offset == reg::priq_prod_page0 || offset == reg::priq_cons_page0;
  const bool in_page1 = offset == reg::eventq_prod || offset == reg::eventq_cons ||
                        offset == reg::priq_prod || offset == reg::priq_cons;
  if (in_page0 || in_page1)
    ++caches_.exercised[static_cast<std::size_t>(Rule::REGISTER_PAGE0_ALIAS)];
  if (in_page0) {
    report(Rule::REGISTER_PAGE0_ALIAS, "the index of a queue is accessed at " + hex(offset) +
                                           " and not at " + hex(offset + reg::page1));
  }
}

bool Smmu::guarded(Guard guard, const char* name) {
  ++caches_.exercised[static_cast<std::size_t>(Rule::REGISTER_GUARDED)];
  if (guard_is_open(guard)) return false;
  report(Rule::REGISTER_GUARDED,
         std::string(name) +
             " is written while what it belongs to is enabled, or its disabling is "
             "not acknowledged: the write is ignored from v3.2 on, and before that "
             "any value may be in effect");
  return true;
}

void Smmu::write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered) {
  if (ordered) caches_.barrier(by);
  if (offset == reg::cmdq_prod && size == 4) {  // the one that counts
    write_prod(value);
    return;
  }
  ++caches_.exercised[static_cast<std::size_t>(Rule::REGISTER_WIDTH)];
  check_alias(offset);
  const auto info = register_at(offset);
  if (!info) return;  // RES0 or implementation defined
  const bool whole = offset == info->offset && size == info->bytes;
  const bool half = info->bytes == 8 && size == 4 && offset % 4 == 0;
  if (!whole && !half) {
    report(Rule::REGISTER_WIDTH, std::string(info->name) + " is written at " + hex(offset) +
                                     " with " + std::to_string(size) + " bytes");
    return;
  }
  if (info->access == RegisterAccess::read_only) return;
  if (offset == reg::cr0) return write_cr0(value);
  if (offset == reg::gbpa) return write_gbpa(value);
  if (offset == reg::gerrorn) return write_gerrorn(value);
  if (offset == reg::irq_ctrl) {
    set(r_.irq_ctrl, value & irq_ctrl::defined);
    return;
  }
  if (offset == reg::eventq_cons)
    return write_cons(r_.eventq_cons, r_.eventq_prod, value, "EVENTQ_CONS");
  if (offset == reg::priq_cons) return write_cons(r_.priq_cons, r_.priq_prod, value, "PRIQ_CONS");
  u64* place = storage(info->offset);
  if (place == nullptr) return;
  u64 whole_value = value;
  if (half) {
    const unsigned shift = offset == info->offset ? 0 : 32;
    whole_value = with_bits(*place, shift + 31, shift, value);
  }
  const std::string name(info->name);
  if (offset == reg::cr1) {
    const bool tables = ((r_.cr1 ^ whole_value) & cr1::table_mask) != 0;
    const bool queues = ((r_.cr1 ^ whole_value) & cr1::queue_mask) != 0;
    if (tables && guarded(Guard::smmuen, "CR1")) return;
    if (queues && guarded(Guard::queues, "CR1")) return;
  } else if (guarded(info->guard, name.c_str())) {
    return;
  }
  set(*place, whole_value);
  write_register(info->offset, whole_value);
}

void Smmu::write_register(u32 offset, u64 value) {
  switch (offset) {
    case reg::cr2: caches_.set_e2h((value & cr2::e2h) != 0); break;
    case reg::cmdq_base:
      update_queue_window();
      set(r_.queue_changed, 1);
      break;
    case reg::cmdq_cons:
      set(r_.cmdq_cons, value & 0xfffff);
      set(r_.queue_changed, 1);
      set(r_.cons_known, 1);
      break;
    default: break;
  }
}

void Smmu::update_queue_window() {
  const QueueGeometry queue = cmdq();
  set(cmdq_first_, queue.base);
  set(cmdq_bytes_, pow2(queue.lg2) * command_bytes);
}

void Smmu::update_stream_table() {
  caches_.set_stream_table(
      stream_table_of(r_.strtab_base, static_cast<u32>(r_.strtab_base_cfg), capabilities()));
}

void Smmu::write_cr0(u64 value) {
  ++caches_.exercised[static_cast<std::size_t>(Rule::REGISTER_ACK)];
  value &= cr0::defined;
  const u64 changed = r_.cr0 ^ value;
  const u64 open = r_.cr0 ^ r_.cr0ack;
  if ((changed & open) != 0) {
    report(Rule::REGISTER_ACK, "CR0 bits " + hex(changed & open) +
                                   " are changed before CR0ACK showed their last change");
  }
  set(r_.cr0, value);
  if ((changed & cr0::smmuen) != 0) {
    if ((value & cr0::smmuen) != 0) update_stream_table();
    caches_.write_smmuen((value & cr0::smmuen) != 0);
  }
  // Checks are there for sure between the acknowledgement and the next change.
  if ((changed & cr0::atschk) != 0) caches_.set_atschk(false);
  if ((changed & cr0::cmdqen) == 0) return;
  if ((value & cr0::cmdqen) != 0) return enable_queue();
  set(r_.cons_known, 0);
}

/// CMDQEN 0 to 1. Without a change of the queue the SMMU goes on where it stopped. Otherwise it
/// begins at CONS: of what was exposed and not seen as consumed nobody knows whether it ran, and no
/// CMD_SYNC of later proves it. IHI 0070 6.3.9.3, 6.3.26.
void Smmu::enable_queue() {
  update_queue_window();
  const u64 open = r_.exposed_total - r_.cons_total;
  if (r_.queue_changed != 0) {
    if (open != 0 && r_.cons_known == 0) {
      report(Rule::QUEUE_PROD_BACK,
             "the command queue is enabled with indices or slots that are not those of before, but "
             "CMDQ_CONS was neither read nor written since it was disabled: which commands were "
             "consumed is not known");
    }
    if (!slots_from_events_) caches_.drop_commands(open);
    set(r_.cons_total, r_.exposed_total);
    // In a recording they were seen as consumed, so those CMD_SYNCs are complete.
    if (slots_from_events_) complete_syncs();
    syncs_.clear(caches_.trail());
    set(first_sync_, 0);
    set(r_.exposed, r_.cmdq_cons);
    set(r_.taken, r_.cmdq_cons);
    set(r_.queue_changed, 0);
  }
  process_queue();
}

void Smmu::write_gbpa(u64 value) {
  ++caches_.exercised[static_cast<std::size_t>(Rule::REGISTER_GBPA_UPDATE)];
  if ((value & gbpa::update) == 0 || r_.gbpa_updating != 0) {
    report(Rule::REGISTER_GBPA_UPDATE,
           r_.gbpa_updating != 0 ? "GBPA is written while its last Update is not done"
                                 : "GBPA is written without Update = 1: the write may be ignored");
    return;
  }
  set(r_.gbpa, value & gbpa::defined & ~u64{gbpa::update});
  set(r_.gbpa_updating, 1);
  set(r_.gbpa_written, 1);
  caches_.write_gbpa_abort((r_.gbpa & gbpa::abort) != 0);
}

void Smmu::acknowledge_gbpa() {
  if (r_.gbpa_updating == 0) return;
  set(r_.gbpa_updating, 0);
  caches_.set_gbpa_abort((r_.gbpa & gbpa::abort) != 0);
}

void Smmu::write_gerrorn(u64 value) {
  ++caches_.exercised[static_cast<std::size_t>(Rule::REGISTER_GERRORN)];
  const u64 active = r_.gerror ^ r_.gerrorn;
  const u64 toggled = r_.gerrorn ^ (value & 0x7fd);
  if ((toggled & ~active) != 0) {
    report(Rule::REGISTER_GERRORN,
           "GERRORN toggles bits " + hex(toggled & ~active) + " of errors that are not active");
  }
  set(r_.gerrorn, value & 0x7fd);
  if (!command_error()) {
    set(r_.error, 0);
    process_queue();
  }
}

void Smmu::write_cons(u64& cons, u64 prod, u64 value, const char* name) {
  ++caches_.exercised[static_cast<std::size_t>(Rule::QUEUE_CONS_RANGE)];
  const unsigned lg2 = &cons == &r_.eventq_cons ? eventq().lg2 : 19;
  const u64 before = queue_used(lg2, prod & 0xfffff, cons & 0xfffff);
  const u64 after = queue_used(lg2, prod & 0xfffff, value & 0xfffff);
  if (after > before && (r_.cr0 & (cr0::eventqen | cr0::priqen)) != 0) {
    report(Rule::QUEUE_CONS_RANGE,
           std::string(name) + " = " + hex(value) + " is not between its last value and PROD");
  }
  set(cons, value & (queue_overflow_flag | 0xfffff));
}

// ---- the command queue --------------------------------------------------------------------------

void Smmu::write_prod(u64 value) {
  const QueueGeometry queue = cmdq();
  value &= 0xfffff;
  const u64 cons = r_.cmdq_cons & 0xfffff;
  const u64 before = queue_used(queue.lg2, r_.cmdq_prod, cons);
  const u64 after = queue_used(queue.lg2, value, cons);
  const bool running = (r_.cr0 & cr0::cmdqen) != 0;
  ++caches_.exercised[static_cast<std::size_t>(Rule::QUEUE_OVERRUN)];
  ++caches_.exercised[static_cast<std::size_t>(Rule::QUEUE_PROD_BACK)];
  if (running && after > pow2(queue.lg2)) {
    report(Rule::QUEUE_OVERRUN, "CMDQ_PROD = " + hex(value) +
                                    " exposes more than the queue holds "
                                    "(CONS was last seen at " +
                                    hex(cons) + ")");
    return;
  }
  if (running && after < before && !command_error()) {
    report(Rule::QUEUE_PROD_BACK, "CMDQ_PROD moves back from " + hex(r_.cmdq_prod) + " to " +
                                      hex(value) + " while no command error is active");
    return;
  }
  set(r_.cmdq_prod, value);
  if (running) return process_queue();
  if (after < queue_used(queue.lg2, r_.exposed, cons)) set(r_.queue_changed, 1);
}

void Smmu::process_queue() {
  if (slots_from_events_ || (r_.cr0 & cr0::cmdqen) == 0) return;
  const QueueGeometry queue = cmdq();
  const Memory& memory = caches_.memory();
  while (!command_error() && !queue_empty(queue.lg2, r_.cmdq_prod, r_.exposed)) {
    const u64 slot = queue_slot(queue, command_bytes, r_.exposed);
    const Content dw0 = memory.newest(slot);
    const Content dw1 = memory.newest(slot + 8);
    const bool certain = !memory.is_pending(slot) && !memory.is_pending(slot + 8);
    if (!certain || dw0.unknown || dw1.unknown) {
      report(Rule::QUEUE_SLOT_ORDER,
             "the command in the slot at " + caches_.name(slot) +
                 (certain ? " was never written"
                          : " is exposed by CMDQ_PROD before its stores are ordered: what the slot "
                            "held before may be executed instead"));
    }
    if (!execute({dw0.value, dw1.value}, certain && !dw0.unknown && !dw1.unknown)) return;
  }
}

/// The next command of the queue. False: it stops the queue.
bool Smmu::execute(const CommandWords& words, bool certain) {
  ++caches_.exercised[static_cast<std::size_t>(Rule::QUEUE_COMMAND_ILLEGAL)];
  ++caches_.exercised[static_cast<std::size_t>(Rule::QUEUE_SLOT_ORDER)];
  const Command command = decode_command<u64>(words.dw0, words.dw1, capabilities());
  if (const auto illegal = check_command(command, capabilities()); illegal && certain) {
    report(Rule::QUEUE_COMMAND_ILLEGAL,
           "CERROR_ILL: " + describe(command) + " (" + std::string(rule_name(*illegal)) + ")");
    set(r_.error_rule, static_cast<u64>(*illegal) + 1);
    raise_command_error(static_cast<u64>(CommandError::ill));
    return false;
  }
  const Group group = caches_.expose(command, certain);
  if (command.op == Opcode::sync && certain) {
    syncs_.push(caches_.trail(), {r_.exposed_total, group});
  }
  if (certain) end_stalls(command);
  set(r_.exposed, queue_next(cmdq().lg2, r_.exposed));
  set(r_.exposed_total, r_.exposed_total + 1);
  return true;
}

// ---- stalled accesses, IHI 0070 3.12.2, 4.6, 4.7 ------------------------------------------------

std::optional<u16> Smmu::begin_stall(u32 sid, u32 ssid, bool ssv) {
  constexpr u32 stalls_max = 8;
  if (stalls_.size() == stalls_max) return std::nullopt;
  u32 stag = 0;
  for (u32 i = 0; i < stalls_.size(); ++i) {
    if (stalls_[i].stag != stag) continue;
    ++stag;
    i = ~u32{0};  // from the beginning again
  }
  stalls_.push(caches_.trail(), {.sid = sid, .ssid = ssid, .ssv = ssv ? 1U : 0U, .stag = stag});
  return static_cast<u16>(stag);
}

bool Smmu::has_stall(u32 sid, u32 ssid, bool ssv) const {
  for (u32 i = 0; i < stalls_.size(); ++i) {
    const Stall& stall = stalls_[i];
    if (stall.sid == sid && (stall.ssv != 0) == ssv && (!ssv || stall.ssid == ssid)) return true;
  }
  return false;
}

/// CMD_RESUME repeats or ends one of them, by StreamID and STAG; an STAG that is not the stream's
/// has no effect. CMD_STALL_TERM ends all of a stream.
void Smmu::end_stalls(const Command& command) {
  const bool resumes = command.op == Opcode::resume;
  if (!resumes && command.op != Opcode::stall_term) return;
  for (u32 i = stalls_.size(); i != 0; --i) {
    const Stall& stall = stalls_[i - 1];
    if (stall.sid != command.sid || (resumes && stall.stag != command.stag)) continue;
    stalls_.remove_unordered(caches_.trail(), i - 1);
  }
}

void Smmu::raise_command_error(u64 code) {
  if (command_error()) return;
  set(r_.error, code);
  set(r_.gerror, r_.gerror ^ gerror::cmdq_err);
}

void Smmu::command_consumed(u32 slot, const std::optional<CommandWords>& words) {
  ++caches_.exercised[static_cast<std::size_t>(Rule::QUEUE_CONSUMED_ORDER)];
  const QueueGeometry queue = cmdq();
  if (!slots_from_events_) return command_taken(queue, slot);  // executed already
  if (queue_index(queue.lg2, r_.exposed) != slot) {
    report(Rule::QUEUE_CONSUMED_ORDER, "the command in slot " + std::to_string(slot) +
                                           " is consumed, but the next in order is in slot " +
                                           std::to_string(queue_index(queue.lg2, r_.exposed)));
    // Goes on where the device is, so that one gap is one finding.
    const u64 skipped = (slot - queue_index(queue.lg2, r_.exposed)) & (pow2(queue.lg2) - 1);
    set(r_.exposed, queue_bits(queue.lg2, r_.exposed + skipped));
    set(r_.exposed_total, r_.exposed_total + skipped);
  } else if (queue_empty(queue.lg2, r_.cmdq_prod, r_.exposed)) {
    report(Rule::QUEUE_CONSUMED_ORDER, "the command in slot " + std::to_string(slot) +
                                           " is consumed before CMDQ_PROD exposed it");
  }
  if (!words) {
    set(r_.exposed, queue_next(queue.lg2, r_.exposed));
    set(r_.exposed_total, r_.exposed_total + 1);
    return;
  }
  execute(*words, true);
}

/// A command whose effect CMDQ_PROD began: only the order can be wrong.
void Smmu::command_taken(const QueueGeometry& queue, u32 slot) {
  if (queue_index(queue.lg2, r_.taken) != slot) {
    report(Rule::QUEUE_CONSUMED_ORDER, "the command in slot " + std::to_string(slot) +
                                           " is consumed, but the next in order is in slot " +
                                           std::to_string(queue_index(queue.lg2, r_.taken)));
    const u64 skipped = (slot - queue_index(queue.lg2, r_.taken)) & (pow2(queue.lg2) - 1);
    set(r_.taken, queue_bits(queue.lg2, r_.taken + skipped));
  } else if (queue_empty(queue.lg2, r_.exposed, r_.taken)) {
    report(Rule::QUEUE_CONSUMED_ORDER, "the command in slot " + std::to_string(slot) +
                                           " is consumed before CMDQ_PROD exposed it");
  }
  set(r_.taken, queue_next(queue.lg2, r_.taken));
}

// A slot that is exposed and not known to be consumed is the SMMU's.
void Smmu::check_slot(u64 pa) {
  const QueueGeometry queue = cmdq();
  const u64 index = (pa - queue.base) / command_bytes;
  const u64 cons = r_.cmdq_cons & 0xfffff;
  const u64 distance = (index - queue_index(queue.lg2, cons)) & (pow2(queue.lg2) - 1);
  if ((r_.cr0 & cr0::cmdqen) == 0 && distance < queue_used(queue.lg2, r_.exposed, cons)) {
    set(r_.queue_changed, 1);
  }
  if ((r_.cr0 & cr0::cmdqen) == 0 || command_error()) return;
  ++caches_.exercised[static_cast<std::size_t>(Rule::QUEUE_SLOT_LIVE)];
  if (distance >= queue_used(queue.lg2, r_.cmdq_prod, cons)) return;
  report(Rule::QUEUE_SLOT_LIVE, "slot " + std::to_string(index) +
                                    " is rewritten while it is exposed and not seen as consumed");
}

void Smmu::observe_cons(u64 cons) {
  const QueueGeometry queue = cmdq();
  const u64 moved = queue_used(queue.lg2, cons & 0xfffff, r_.cmdq_cons & 0xfffff);
  if (moved == 0) return;
  set(r_.cmdq_cons, cons & 0xfffff);
  set(r_.cons_total, r_.cons_total + moved);
  complete_syncs();
}

void Smmu::complete_syncs() {
  while (first_sync_ < syncs_.size() &&
         syncs_[static_cast<u32>(first_sync_)].position < r_.cons_total) {
    caches_.complete(static_cast<Group>(syncs_[static_cast<u32>(first_sync_)].group));
    set(first_sync_, first_sync_ + 1);
  }
  if (first_sync_ == syncs_.size() && first_sync_ != 0) {
    syncs_.clear(caches_.trail());
    set(first_sync_, 0);
  }
}

// ---- acknowledgements ---------------------------------------------------------------------------

void Smmu::acknowledge(u64 mask) {
  const u64 now = (r_.cr0ack & ~mask) | (r_.cr0 & mask);
  if (now == r_.cr0ack) return;
  const u64 changed = now ^ r_.cr0ack;
  set(r_.cr0ack, now);
  if ((changed & cr0::smmuen) != 0) caches_.acknowledge_smmuen();
  if ((changed & cr0::atschk) != 0) caches_.set_atschk((now & cr0::atschk) != 0);
}

// ---- reads --------------------------------------------------------------------------------------

/// A device may answer "not yet" a bounded number of times. True: it makes progress now.
bool Smmu::progress(ChoiceSite site, u32 alternatives, Choices& choices, u32& chosen) {
  chosen = r_.polls >= max_polls ? 0 : choices.choose(site, alternatives);
  if (chosen == 1) {
    set(r_.polls, r_.polls + 1);
    return false;
  }
  if (chosen == 0) set(r_.polls, 0);
  return true;
}

u64 Smmu::read(u32 offset, unsigned size, Choices& choices) {
  if (offset != reg::cmdq_cons) check_alias(offset);  // that one is polled
  if (size == 8) {
    const u64 low = read_register(offset, choices);
    const auto info = register_at(offset);
    if (info && info->bytes == 8) return low;
    return low | (read_register(offset + 4, choices) << 32);
  }
  const auto info = register_at(offset);
  if (info && info->bytes == 8 && offset != info->offset) {
    return read_register(info->offset, choices) >> 32;
  }
  return read_register(offset, choices) & 0xffffffff;
}

u64 Smmu::read_register(u32 offset, Choices& choices) {
  u32 chosen = 0;
  switch (offset) {
    case reg::cmdq_cons: {
      if (queue_is_off()) set(r_.cons_known, 1);
      if (r_.cmdq_cons == r_.exposed || (r_.cr0 & cr0::cmdqen) == 0 || r_.stuck != 0) break;
      if (!progress(ChoiceSite::consume, 3, choices, chosen)) break;
      observe_cons(chosen == 2 ? queue_next(cmdq().lg2, r_.cmdq_cons) : r_.exposed);
      break;
    }
    case reg::cr0ack:
      if (r_.cr0 != r_.cr0ack && progress(ChoiceSite::acknowledge, 2, choices, chosen)) {
        acknowledge(~u64{0});
      }
      break;
    case reg::irq_ctrlack:
      if (r_.irq_ctrl != r_.irq_ctrlack && progress(ChoiceSite::acknowledge, 2, choices, chosen)) {
        set(r_.irq_ctrlack, r_.irq_ctrl);
      }
      break;
    case reg::gbpa:
      if (r_.gbpa_updating != 0 && progress(ChoiceSite::gbpa_update, 2, choices, chosen)) {
        acknowledge_gbpa();
      }
      break;
    default: break;
  }
  switch (offset) {
    case reg::idr0:
    case reg::idr1:
    case reg::idr2:
    case reg::idr3:
    case reg::idr4:
    case reg::idr5: return id_.idr[offset / 4];
    case reg::iidr: return id_.iidr;
    case reg::aidr: return id_.aidr;
    case reg::cr0: return r_.cr0;
    case reg::cr0ack: return r_.cr0ack;
    case reg::gbpa: return r_.gbpa | (r_.gbpa_updating != 0 ? u64{gbpa::update} : 0);
    case reg::irq_ctrl: return r_.irq_ctrl;
    case reg::irq_ctrlack: return r_.irq_ctrlack;
    case reg::gerror: return r_.gerror;
    case reg::gerrorn: return r_.gerrorn;
    case reg::cmdq_prod: return r_.cmdq_prod;
    case reg::cmdq_cons: return r_.cmdq_cons | (r_.error << 24);
    case reg::eventq_cons: return r_.eventq_cons;
    case reg::priq_cons: return r_.priq_cons;
    default: break;
  }
  const u64* place = storage(offset);
  return place != nullptr ? *place : 0;
}

bool Smmu::observe_read(u32 offset, unsigned size, u64 value) {
  check_alias(offset);
  const auto info = register_at(offset);
  if (!info) return true;
  const bool whole = offset == info->offset && size == info->bytes;
  if (!whole) {
    if (info->bytes == 8 && size == 4) return true;  // halves of what the driver stored
    report(Rule::REGISTER_WIDTH,
           std::string(info->name) + " is read with " + std::to_string(size) + " bytes");
    return true;
  }
  ++caches_.exercised[static_cast<std::size_t>(Rule::REGISTER_READ)];
  if (admit_register(offset, value)) return true;
  report(Rule::REGISTER_READ,
         std::string(info->name) + " reads as " + hex(value) + ", which no device may answer now");
  return false;
}

bool Smmu::admit_register(u32 offset, u64 value) {
  switch (offset) {
    case reg::cmdq_cons: {
      const QueueGeometry queue = cmdq();
      const u64 cons = value & 0xfffff;
      const bool stopped = queue_is_off() && r_.cons_known != 0;
      if (queue_is_off()) set(r_.cons_known, 1);
      const u64 limit = stopped ? 0 : queue_used(queue.lg2, r_.exposed, r_.cmdq_cons);
      if (!slots_from_events_ && command_error() && !admit_stopped(queue, value, limit)) {
        return true;  // reported
      }
      if (queue_used(queue.lg2, cons, r_.cmdq_cons) > limit) {
        // A recording may miss a command that was consumed: what it was is not known.
        if (slots_from_events_ && queue_used(queue.lg2, cons, r_.cmdq_cons) <=
                                      queue_used(queue.lg2, r_.cmdq_prod, r_.cmdq_cons)) {
          report(Rule::QUEUE_CONSUMED_ORDER,
                 "CMDQ_CONS moved past slot " + std::to_string(queue_index(queue.lg2, r_.exposed)) +
                     ", whose command is not in the recording");
          const u64 skipped = queue_used(queue.lg2, cons, r_.exposed);
          set(r_.exposed, queue_bits(queue.lg2, cons));
          set(r_.exposed_total, r_.exposed_total + skipped);
          observe_cons(cons);
          return true;
        }
        return false;
      }
      observe_cons(cons);
      return true;
    }
    case reg::cr0ack: {
      const u64 open = r_.cr0 ^ r_.cr0ack;
      if (((value ^ r_.cr0ack) & ~open) != 0) return false;
      acknowledge((value ^ r_.cr0ack) & open);
      return true;
    }
    case reg::irq_ctrlack: {
      const u64 open = r_.irq_ctrl ^ r_.irq_ctrlack;
      if (((value ^ r_.irq_ctrlack) & ~open) != 0) return false;
      set(r_.irq_ctrlack, value);
      return true;
    }
    case reg::gbpa:
      if (r_.gbpa_written == 0) {
        set(r_.gbpa, value & gbpa::defined & ~u64{gbpa::update});
        caches_.set_gbpa_abort((value & gbpa::abort) != 0);
        return (value & gbpa::update) == 0;
      }
      if ((value & gbpa::update) == 0) acknowledge_gbpa();
      return gbpa_reads_as_written(value, r_.gbpa);
    case reg::idr0:
    case reg::idr1:
    case reg::idr2:
    case reg::idr3:
    case reg::idr4:
    case reg::idr5: return value == id_.idr[offset / 4];
    case reg::cr0: return value == r_.cr0;
    case reg::cmdq_prod: return value == r_.cmdq_prod;
    case reg::gerror: return slots_from_events_ || admit_gerror(value);
    case reg::gerrorn: return slots_from_events_ || value == r_.gerrorn;
    case reg::eventq_cons: return slots_from_events_ || value == r_.eventq_cons;
    default: return true;  // not followed yet
  }
}

/// CMDQ_CONS while a command error is active: RD stays at the command, and when it is there ERR
/// has the code. arch 5.6.
bool Smmu::admit_stopped(const QueueGeometry& queue, u64 value, u64 limit) {
  ++caches_.exercised[static_cast<std::size_t>(Rule::COMMAND_ERROR_STOPS)];
  const auto rule = static_cast<Rule>(r_.error_rule - 1);
  const u64 moved = queue_used(queue.lg2, value & 0xfffff, r_.cmdq_cons);
  if (moved > limit) {
    const u64 slot = queue_slot(queue, command_bytes, r_.exposed);
    const Memory& memory = caches_.memory();
    const Command command = decode_command<u64>(memory.newest(slot).value,
                                                memory.newest(slot + 8).value, capabilities());
    report(rule, std::string("CMD_") + std::string(opcode_name(command.op)) +
                     " is consumed, but raises CERROR_ILL");
    return false;
  }
  if (moved == limit && cmdq_cons_err(static_cast<u32>(value)) != r_.error) {
    report(Rule::COMMAND_ERROR_STOPS, "CMDQ_CONS.ERR is " +
                                          std::to_string(cmdq_cons_err(static_cast<u32>(value))) +
                                          " at the command that raises CERROR_ILL");
    return false;
  }
  if (moved == limit) ++caches_.exercised[static_cast<std::size_t>(rule)];
  return true;
}

/// Each bit is as it was last seen, or as it has become since.
bool Smmu::admit_gerror(u64 value) {
  if (((value ^ r_.gerror_seen) & (value ^ r_.gerror)) == 0) {
    set(r_.gerror_seen, value);
    return true;
  }
  if (((value ^ r_.gerror) & gerror::cmdq_err) != 0) {
    report(Rule::COMMAND_LEGAL, "GERROR.CMDQ_ERR is active although every command is legal");
    return true;
  }
  return false;
}

// ---- the event queue ----------------------------------------------------------------------------

std::optional<u64> Smmu::record_event(const EventRecord& record) {
  if ((r_.cr0 & cr0::eventqen) == 0) return std::nullopt;
  if (((r_.gerror ^ r_.gerrorn) & gerror::eventq_abt_err) != 0) return std::nullopt;
  const QueueGeometry queue = eventq();
  const u64 prod = r_.eventq_prod & 0xfffff;
  if (queue_full(queue.lg2, prod, r_.eventq_cons & 0xfffff)) {
    const bool acknowledged = ((r_.eventq_prod ^ r_.eventq_cons) & queue_overflow_flag) == 0;
    if (acknowledged) set(r_.eventq_prod, r_.eventq_prod ^ queue_overflow_flag);
    return std::nullopt;
  }
  const u64 place = queue_slot(queue, event_bytes, prod);
  for (unsigned i = 0; i < event_words; ++i) {
    caches_.memory().device_store(place + 8 * i, record.dw[i]);
  }
  set(r_.eventq_prod, (r_.eventq_prod & queue_overflow_flag) | queue_next(queue.lg2, prod));
  return place;
}

}  // namespace iommucheck::spec
