// SPDX-License-Identifier: MIT
#include "spec/smmu/refusals.h"

#include "base/text.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

namespace {

/// Left to the device: a CMD_ATC_INV of more than all addresses. IHI 0070 4.5.1.
bool may_be_illegal(const Command& command) {
  return command.op == Opcode::atc_inv && command.size > 52;
}

}  // namespace

bool Refusals::may_stop_at(u64 cons, u64 code) const {
  const QueueGeometry queue = queue_.geometry();
  const Caches& caches = ground_.caches();
  const Memory& memory = caches.memory();
  const u64 slot = queue_slot(queue, command_bytes, cons);
  const Content dw0 = memory.newest(slot);
  const Content dw1 = memory.newest(slot + 8);
  const bool known =
      !dw0.unknown && !dw1.unknown && !memory.is_pending(slot) && !memory.is_pending(slot + 8);
  switch (static_cast<CommandError>(code)) {
    case CommandError::ill:
      return !known || has_reserved_bits({dw0.value, dw1.value}, ground_.capabilities()) ||
             may_be_illegal(decode_command<u64>(dw0.value, dw1.value, ground_.capabilities()));
    case CommandError::abt: return ground_.may_abort(slot);
    case CommandError::atc_inv_sync:
      return (!known || opcode_of<u64>(dw0.value) == Opcode::sync) &&
             caches.awaits_atc_inv(queue_used(queue.lg2, queue_.exposed(), cons));
    default: return false;
  }
}

bool Refusals::may_stop() const {
  const QueueGeometry queue = queue_.geometry();
  for (u64 at = queue_.cons(); !queue_empty(queue.lg2, queue_.exposed(), at);
       at = queue_next(queue.lg2, at)) {
    for (const CommandError code :
         {CommandError::ill, CommandError::abt, CommandError::atc_inv_sync}) {
      if (may_stop_at(at, static_cast<u64>(code))) return true;
    }
  }
  return false;
}

bool Refusals::admit_cons(u64 value) {
  const QueueGeometry queue = queue_.geometry();
  const u64 cons = value & queue_index_mask;
  if (errors_.is_claimed()) return admit_claimed(value);
  const bool goes_on = queue_.look_at_cons();
  const u64 limit = goes_on ? queue_used(queue.lg2, queue_.exposed(), queue_.cons()) : 0;
  if (!ground_.is_recording() && errors_.active() && errors_.rule() != 0 &&
      !admit_stopped(value, limit)) {
    return true;  // reported
  }
  if (queue_used(queue.lg2, cons, queue_.cons()) <= limit) {
    queue_.observe_cons(cons);
    return true;
  }
  // A recording may miss a command that was consumed: what it was is not known.
  if (!ground_.is_recording() || queue_used(queue.lg2, cons, queue_.cons()) >
                                     queue_used(queue.lg2, queue_.prod(), queue_.cons())) {
    return false;
  }
  ground_.report(rule::QUEUE_CONSUMED_ORDER,
                 "CMDQ_CONS moved past slot " +
                     std::to_string(queue_index(queue.lg2, queue_.exposed())) +
                     ", whose command is not in the recording");
  queue_.skip_to(cons);
  queue_.observe_cons(cons);
  return true;
}

/// GERROR showed CMDQ_ERR: CMDQ_CONS says at which command, and why.
bool Refusals::admit_claimed(u64 value) {
  const unsigned lg2 = queue_.geometry().lg2;
  const u64 cons = value & queue_index_mask;
  const u64 code = cmdq_cons_err(static_cast<u32>(value));
  const u64 limit = queue_used(lg2, queue_.exposed(), queue_.cons());
  if (queue_used(lg2, cons, queue_.cons()) >= limit) return false;
  queue_.observe_cons(cons);
  if (!may_stop_at(cons, code)) report_refused(cons, code);
  queue_.stop_at(cons, code);
  return true;
}

Command Refusals::command_at(u64 cons) const {
  const u64 slot = queue_slot(queue_.geometry(), command_bytes, cons);
  const Memory& memory = ground_.caches().memory();
  return decode_command<u64>(memory.newest(slot).value, memory.newest(slot + 8).value,
                             ground_.capabilities());
}

/// A command that gives no reason for its code.
void Refusals::report_refused(u64 cons, u64 code) {
  ground_.report(rule::COMMAND_LEGAL, "CMDQ_CONS.ERR is " + std::to_string(code) + " at CMD_" +
                                          std::string(opcode_name(command_at(cons).op)) +
                                          ", which gives no reason for it");
}

/// CMDQ_CONS while a command error is active: RD stays at the command, and when it is there ERR
/// has the code. arch 5.6. False: the answer was judged.
bool Refusals::admit_stopped(u64 value, u64 limit) {
  ground_.count(rule::COMMAND_ERROR_STOPS);
  const unsigned lg2 = queue_.geometry().lg2;
  const auto rule = static_cast<Rule>(errors_.rule() - 1);
  const u64 moved = queue_used(lg2, value & queue_index_mask, queue_.cons());
  if (moved > queue_used(lg2, queue_.prod(), queue_.cons())) {
    ground_.report(rule::COMMAND_ERROR_STOPS, "CMDQ_CONS is " + hex(value) +
                                                  " at a command error, where no command is that "
                                                  "was not consumed before");
    return false;
  }
  if (moved > limit) {
    ground_.report(rule, std::string("CMD_") +
                             std::string(opcode_name(command_at(queue_.exposed()).op)) +
                             " is consumed, and has to raise CERROR_ILL");
    return false;
  }
  // GERROR shows it only when CMDQ_CONS is there. IHI 0070 7.1.
  const bool shown = global_.shows_command_error();
  const u64 code = cmdq_cons_err(static_cast<u32>(value));
  if (moved < limit && shown && code != 0) {  // at one before it, which is the device's own error
    const u64 cons = value & queue_index_mask;
    if (!may_stop_at(cons, code)) report_refused(cons, code);
    queue_.stop_at(cons, code);
    return false;
  }
  if (moved < limit && shown) {
    ground_.report(rule::COMMAND_ERROR_STOPS, "CMDQ_CONS is " + hex(value) +
                                                  " while GERROR.CMDQ_ERR is active: not at the "
                                                  "command that raises CERROR_ILL");
    return false;
  }
  // RD is at the command as soon as the one before is consumed. Until GERROR shows that the SMMU
  // has looked at it ERR is UNKNOWN. IHI 0070 6.3.28, 7.1.
  if (moved == limit && !shown && code != errors_.code()) return true;
  if (moved == limit && code != errors_.code()) {
    ground_.report(rule::COMMAND_ERROR_STOPS, "CMDQ_CONS.ERR is " + std::to_string(code) +
                                                  " at the command that raises CERROR_ILL");
    return false;
  }
  if (moved == limit) ground_.count(rule);
  return true;
}

}  // namespace iommucheck::spec
