// SPDX-License-Identifier: MIT
// What a read of a register answers: chosen by a device, or admitted by a judge. IHI 0070 6.3.
#include "spec/smmu/smmu.h"

#include "base/text.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"

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

/// A device may answer "not yet" a bounded number of times. True: it makes progress now.
bool Smmu::progress(ChoiceSite site, u32 alternatives, Choices& choices, u32& chosen) {
  const u64 pace = site == ChoiceSite::consume ? r_.pace : r_.ack_pace;
  if (pace != 0) {
    chosen = r_.polls + 1 < pace ? 1 : 0;
  } else {
    chosen = r_.polls >= max_polls ? 0 : choices.choose(site, alternatives);
  }
  if (chosen == 1) {
    set(r_.polls, r_.polls + 1);
    return false;
  }
  if (chosen == 0) set(r_.polls, 0);
  return true;
}

u64 Smmu::read(u32 offset, unsigned size, Choices& choices) {
  const auto info = register_at(offset);
  if (offset != reg::cmdq_cons) {  // that one is polled
    ++caches_.exercised()[number_of(rule::REGISTER_WIDTH)];
    check_alias(offset);
  }
  if (info) has_width(*info, offset, size, "read");
  if (size == 8) {
    const u64 low = read_register(offset, choices);
    if (info && info->bytes == 8) return low;
    return low | (read_register(offset + 4, choices) << 32);
  }
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
      if (const u64 ahead = commands_ahead(); ahead != 0) {
        observe_cons(queue_bits(cmdq().lg2, r_.cmdq_cons + ahead));
      }
      const u64 commands = commands_of_look(choices);
      if (commands != 0 && !draw_command_error(choices)) consume(commands);
      break;
    }
    case reg::gerror:  // at which command, and why, is there before it. IHI 0070 7.1
      if (command_error()) observe_cons(r_.exposed);
      break;
    case reg::cr0ack:
      if (r_.cr0 != r_.cr0ack && progress(ChoiceSite::acknowledge, 3, choices, chosen)) {
        // Each field is updated for itself; the lowest one alone, or all.
        const u64 open = r_.cr0 ^ r_.cr0ack;
        acknowledge(chosen != 2                      ? ~u64{0}
                    : (open & cr0::vmw_mask) == open ? open
                                                     : open & (~open + 1));
      }
      break;
    case reg::irq_ctrlack:
      if (r_.irq_ctrl != r_.irq_ctrlack && progress(ChoiceSite::acknowledge, 2, choices, chosen)) {
        set(r_.irq_ctrlack, r_.irq_ctrl);
        set(r_.progress, r_.progress + 1);
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
  const u64 value = place != nullptr ? *place : 0;
  note_prod(offset, value);
  return value;
}

bool Smmu::observe_read(u32 offset, unsigned size, u64 value) {
  check_alias(offset);
  const auto info = register_at(offset);
  if (!info) return true;
  if (!has_width(*info, offset, size, "read")) return true;
  if (size != info->bytes) return true;  // halves of what the driver stored
  ++caches_.exercised()[number_of(rule::REGISTER_READ)];
  if (admit_register(offset, value)) return true;
  report(rule::REGISTER_READ,
         std::string(info->name) + " reads as " + hex(value) + ", which no device may answer now");
  return false;
}

bool Smmu::admit_register(u32 offset, u64 value) {
  switch (offset) {
    case reg::cmdq_cons: return admit_cmdq_cons(value);
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
    case reg::cr0: {
      const u64 fields = cr0_fields(capabilities());
      return (value & fields) == r_.cr0 && (value & ~fields & ~r_.cr0_reserved) == 0;
    }
    case reg::cmdq_prod: return value == r_.cmdq_prod;
    case reg::gerror: return slots_from_events_ || admit_gerror(value);
    case reg::gerrorn: return slots_from_events_ || value == r_.gerrorn;
    case reg::eventq_cons: return slots_from_events_ || value == r_.eventq_cons;
    case reg::eventq_prod: {
      const bool admitted = admit_prod(eventq().lg2, value, r_.eventq_cons, r_.eventq_seen);
      overflow_seen();
      return admitted;
    }
    case reg::priq_prod: {
      const bool admitted = admit_prod(priq().lg2, value, r_.priq_cons, r_.priq_seen);
      overflow_seen();
      return admitted;
    }
    default: return true;  // not followed yet
  }
}

/// What the driver knows of PROD from here on.
void Smmu::note_prod(u32 offset, u64 value) {
  if (offset == reg::eventq_prod) {
    set(r_.eventq_seen, value);
    overflow_seen();
  }
  if (offset == reg::priq_prod) {
    set(r_.priq_seen, value);
    overflow_seen();
  }
}

/// PROD of an output queue moves on, and not past the room that CONS left.
bool Smmu::admit_prod(unsigned lg2, u64 value, u64 cons, u64& seen) {
  const u64 used = queue_used(lg2, value, cons);
  const u64 before = queue_used(lg2, seen, cons);
  set(seen, value);
  set(r_.prod_followed, 1);
  if (slots_from_events_) return true;
  return used <= pow2(lg2) && (before > pow2(lg2) || used >= before);
}

bool Smmu::admit_cmdq_cons(u64 value) {
  const QueueGeometry queue = cmdq();
  const u64 cons = value & 0xfffff;
  if (r_.error_claimed != 0) return admit_claimed(queue, value);
  const bool stopped = queue_is_off() && r_.cons_known != 0;
  if (queue_is_off()) set(r_.cons_known, 1);
  const u64 limit = stopped ? 0 : queue_used(queue.lg2, r_.exposed, r_.cmdq_cons);
  if (!slots_from_events_ && command_error() && r_.error_rule != 0 &&
      !admit_stopped(queue, value, limit)) {
    return true;  // reported
  }
  if (queue_used(queue.lg2, cons, r_.cmdq_cons) <= limit) {
    observe_cons(cons);
    return true;
  }
  // A recording may miss a command that was consumed: what it was is not known.
  if (!slots_from_events_ || queue_used(queue.lg2, cons, r_.cmdq_cons) >
                                 queue_used(queue.lg2, r_.cmdq_prod, r_.cmdq_cons)) {
    return false;
  }
  report(rule::QUEUE_CONSUMED_ORDER, "CMDQ_CONS moved past slot " +
                                         std::to_string(queue_index(queue.lg2, r_.exposed)) +
                                         ", whose command is not in the recording");
  const u64 skipped = queue_used(queue.lg2, cons, r_.exposed);
  set(r_.exposed, queue_bits(queue.lg2, cons));
  set(r_.exposed_total, r_.exposed_total + skipped);
  observe_cons(cons);
  return true;
}

/// GERROR showed CMDQ_ERR: CMDQ_CONS says at which command, and why.
bool Smmu::admit_claimed(const QueueGeometry& queue, u64 value) {
  const u64 cons = value & 0xfffff;
  const u64 code = cmdq_cons_err(static_cast<u32>(value));
  const u64 limit = queue_used(queue.lg2, r_.exposed, r_.cmdq_cons);
  if (queue_used(queue.lg2, cons, r_.cmdq_cons) >= limit) return false;
  observe_cons(cons);
  if (!may_stop_at(cons, code)) report_refused(queue, cons, code);
  stop_at(cons, code);
  return true;
}

/// A command that gives no reason for its code.
void Smmu::report_refused(const QueueGeometry& queue, u64 cons, u64 code) {
  const u64 slot = queue_slot(queue, command_bytes, cons);
  const Memory& memory = caches_.memory();
  const Command command =
      decode_command<u64>(memory.newest(slot).value, memory.newest(slot + 8).value, capabilities());
  report(rule::COMMAND_LEGAL, "CMDQ_CONS.ERR is " + std::to_string(code) + " at CMD_" +
                                  std::string(opcode_name(command.op)) +
                                  ", which gives no reason for it");
}

/// CMDQ_CONS while a command error is active: RD stays at the command, and when it is there ERR
/// has the code. arch 5.6.
bool Smmu::admit_stopped(const QueueGeometry& queue, u64 value, u64 limit) {
  ++caches_.exercised()[number_of(rule::COMMAND_ERROR_STOPS)];
  const auto rule = static_cast<Rule>(r_.error_rule - 1);
  const u64 moved = queue_used(queue.lg2, value & 0xfffff, r_.cmdq_cons);
  if (moved > queue_used(queue.lg2, r_.cmdq_prod, r_.cmdq_cons)) {
    report(rule::COMMAND_ERROR_STOPS, "CMDQ_CONS is " + hex(value) +
                                          " at a command error, where no command is that was "
                                          "not consumed before");
    return false;
  }
  if (moved > limit) {
    const u64 slot = queue_slot(queue, command_bytes, r_.exposed);
    const Memory& memory = caches_.memory();
    const Command command = decode_command<u64>(memory.newest(slot).value,
                                                memory.newest(slot + 8).value, capabilities());
    report(rule, std::string("CMD_") + std::string(opcode_name(command.op)) +
                     " is consumed, but raises CERROR_ILL");
    return false;
  }
  // GERROR shows it only when CMDQ_CONS is there. IHI 0070 7.1.
  const bool shown = ((r_.gerror_seen ^ r_.gerrorn) & gerror::cmdq_err) != 0;
  const u64 code = cmdq_cons_err(static_cast<u32>(value));
  if (moved < limit && shown && code != 0) {  // at one before it, which is the device's own error
    const u64 cons = value & 0xfffff;
    if (!may_stop_at(cons, code)) report_refused(queue, cons, code);
    stop_at(cons, code);
    return false;
  }
  if (moved < limit && shown) {
    report(rule::COMMAND_ERROR_STOPS, "CMDQ_CONS is " + hex(value) +
                                          " while GERROR.CMDQ_ERR is active: not at the command "
                                          "that raises CERROR_ILL");
    return false;
  }
  // RD is at the command as soon as the one before is consumed. Until GERROR shows that the SMMU
  // has looked at it ERR is UNKNOWN. IHI 0070 6.3.28, 7.1.
  if (moved == limit && !shown && code != r_.error) return true;
  if (moved == limit && code != r_.error) {
    report(rule::COMMAND_ERROR_STOPS,
           "CMDQ_CONS.ERR is " + std::to_string(code) + " at the command that raises CERROR_ILL");
    return false;
  }
  if (moved == limit) ++caches_.exercised()[number_of(rule)];
  return true;
}

/// Each bit is as it was last seen, or as it has become since. What else a device may find is in
/// nobody's hands: an abort where no memory is, service failure mode, a command that it may refuse.
bool Smmu::admit_gerror(u64 value) {
  const u64 found = (value ^ r_.gerror_seen) & (value ^ r_.gerror);
  const u64 active = r_.gerror ^ r_.gerrorn;
  set(r_.gerror_seen, value);
  if (found == 0) return true;
  if ((found & (active | ~u64{gerror_fields(capabilities())})) != 0) return false;
  u64 allowed = gerror::sfm_err | gerror::msi_cmdq_abt | gerror::msi_eventq_abt |
                gerror::msi_priq_abt | gerror::msi_gerror_abt;
  if (may_abort(eventq().base)) allowed |= gerror::eventq_abt_err;
  if (may_abort(priq().base)) allowed |= gerror::priq_abt_err;
  const bool stops = (found & gerror::cmdq_err) != 0;
  if (stops && !may_stop()) {
    report(rule::COMMAND_LEGAL, "GERROR.CMDQ_ERR is active although every command is legal");
    return true;
  }
  if ((found & ~allowed & ~u64{gerror::cmdq_err}) != 0) return false;
  set(r_.gerror, r_.gerror ^ found);
  if (stops) set(r_.error_claimed, 1);
  return true;
}

}  // namespace iommucheck::spec
