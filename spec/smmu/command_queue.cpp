// SPDX-License-Identifier: MIT
// The command queue: what CMDQ_PROD exposes, what is consumed, and errors. IHI 0070 3.5, 4.1, 7.1.
#include "spec/smmu/smmu.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/text.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/smmu/visits.h"

namespace iommucheck::spec {

namespace {

/// The ID field without which there is no such command; of other mistakes the rule's sentence.
std::string why_illegal(const Command& command, Rule rule, const Capabilities& caps) {
  if (rule != rule::CMD_NOT_IMPLEMENTED) return std::string(rule_info(rule).text);
  switch (command.op) {
    case Opcode::tlbi_el2_all:
    case Opcode::tlbi_el2_asid:
    case Opcode::tlbi_el2_va:
    case Opcode::tlbi_el2_vaa:
      if (!caps.hyp) return "IDR0.Hyp = 0";
      break;
    case Opcode::tlbi_s12_vmall:
    case Opcode::tlbi_s2_ipa: return "IDR0.S2P = 0";
    case Opcode::resume:
    case Opcode::stall_term: return "IDR0.STALL_MODEL = 1";
    case Opcode::atc_inv: return "IDR0.ATS = 0";
    case Opcode::pri_resp: return "IDR0.PRI = 0";
    case Opcode::cfgi_vms_pidm: return "IDR3.MPAM = 0";
    case Opcode::tlbi_el3_all:
    case Opcode::tlbi_el3_va: return "EL3 is not the Non-secure queue's";
    default: break;
  }
  return "IDR0.S1P = 0";
}

}  // namespace

/// CMDQEN 0 to 1. Without a change of the queue the SMMU goes on where it stopped. Otherwise it
/// begins at CONS: of what was exposed and not seen as consumed nobody knows whether it ran, and no
/// CMD_SYNC of later proves it. IHI 0070 6.3.9.3, 6.3.26.
void Smmu::enable_queue() {
  update_queue_window();
  const u64 open = r_.exposed_total - r_.cons_total;
  if (r_.queue_changed != 0) {
    if (open != 0 && r_.cons_known == 0) {
      report(rule::QUEUE_PROD_BACK,
             "the command queue is enabled with indices or slots that are not those of before, but "
             "CMDQ_CONS was neither read nor written since it was disabled: which commands were "
             "consumed is not known");
    }
    if (!slots_from_events_) caches_.drop_commands(open);
    drop_messages(r_.cons_total + commands_ahead());
    drop_interrupts(r_.cons_total + commands_ahead());
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

void Smmu::write_prod(u64 value) {
  const QueueGeometry queue = cmdq();
  value &= 0xfffff;
  const u64 cons = r_.cmdq_cons & 0xfffff;
  const u64 before = queue_used(queue.lg2, r_.cmdq_prod, cons);
  const u64 after = queue_used(queue.lg2, value, cons);
  const bool running = (r_.cr0 & cr0::cmdqen) != 0;
  ++caches_.exercised()[number_of(rule::QUEUE_OVERRUN)];
  ++caches_.exercised()[number_of(rule::QUEUE_PROD_BACK)];
  if (running && after > pow2(queue.lg2)) {
    report(rule::QUEUE_OVERRUN, "CMDQ_PROD = " + hex(value) +
                                    " exposes more than the queue holds "
                                    "(CONS was last seen at " +
                                    hex(cons) + ")");
    return;
  }
  if (running && after < before && !command_error()) {
    report(rule::QUEUE_PROD_BACK, "CMDQ_PROD moves back from " + hex(r_.cmdq_prod) + " to " +
                                      hex(value) + " while no command error is active");
    return;
  }
  set(r_.cmdq_prod, value);
  if (r_.pace != 0 && after != before) set(r_.polls, 0);
  if (running) return process_queue();
  if (after < queue_used(queue.lg2, r_.exposed, cons)) set(r_.queue_changed, 1);
}

void Smmu::process_queue() {
  if (slots_from_events_ || (r_.cr0 & cr0::cmdqen) == 0) return;
  const QueueGeometry queue = cmdq();
  const Memory& memory = caches_.memory();
  while (!command_error() && !queue_empty(queue.lg2, r_.cmdq_prod, r_.exposed)) {
    const u64 slot = queue_slot(queue, command_bytes, r_.exposed);
    if (slot - absent_first_ < absent_bytes_) {  // IHI 0070 7.1
      set(r_.error_rule, 0);
      return raise_command_error(static_cast<u64>(CommandError::abt));
    }
    const Content dw0 = memory.newest(slot);
    const Content dw1 = memory.newest(slot + 8);
    const bool certain = !memory.is_pending(slot) && !memory.is_pending(slot + 8);
    if (!certain || dw0.unknown || dw1.unknown) {
      report(rule::QUEUE_SLOT_ORDER,
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
  ++caches_.exercised()[number_of(rule::QUEUE_COMMAND_ILLEGAL)];
  ++caches_.exercised()[number_of(rule::QUEUE_SLOT_ORDER)];
  const Command command = decode_command<u64>(words.dw0, words.dw1, capabilities());
  if (const auto illegal = check_command(command, capabilities()); illegal && certain) {
    report(rule::QUEUE_COMMAND_ILLEGAL, "CERROR_ILL: " + describe(command) + " (" +
                                            std::string(rule_name(*illegal)) + ": " +
                                            why_illegal(command, *illegal, capabilities()) + ")");
    set(r_.error_rule, static_cast<u64>(*illegal) + 1);
    note_refusal(words);
    raise_command_error(static_cast<u64>(CommandError::ill));
    return false;
  }
  if (certain) {
    check_reserved(command, words);
    check_stall_term(command);
  }
  const Group group = caches_.expose(command, certain && is_believed(command));
  if (command.op == Opcode::sync && certain) {
    syncs_.push(caches_.trail(), {r_.exposed_total, group});
    note_message(command);
    note_interrupt(command);
  }
  if (command.op == Opcode::sync && r_.stop_sync != 0) {
    set(r_.stop_sync, r_.stop_sync - 1);
    if (r_.stop_sync == 0) set(r_.stop_end, r_.exposed_total + 1);
  }
  if (certain) end_stalls(command, words);
  set(r_.exposed, queue_next(cmdq().lg2, r_.exposed));
  set(r_.exposed_total, r_.exposed_total + 1);
  return true;
}

void Smmu::note_refusal(const CommandWords& words) {
  const bool again = r_.refused_at == r_.exposed_total + 1 && r_.refused[0] == words.dw0 &&
                     r_.refused[1] == words.dw1;
  set(r_.refusals, again ? r_.refusals + 1 : 1);
  set(r_.refused_at, r_.exposed_total + 1);
  set(r_.refused[0], words.dw0);
  set(r_.refused[1], words.dw1);
}

std::string Smmu::why_stopped() const {
  if (!command_error()) return {};
  constexpr std::string_view errors[] = {"CERROR_NONE", "CERROR_ILL", "CERROR_ABT",
                                         "CERROR_ATC_INV_SYNC"};
  const u64 slot = queue_slot(cmdq(), command_bytes, r_.exposed);
  const Content dw0 = caches_.memory().newest(slot);
  const Content dw1 = caches_.memory().newest(slot + 8);
  std::string text = "the command queue is stopped: GERROR.CMDQ_ERR is " +
                     std::to_string(r_.gerror & gerror::cmdq_err) + " and GERRORN.CMDQ_ERR " +
                     std::to_string(r_.gerrorn & gerror::cmdq_err) + ", CMDQ_CONS.ERR is " +
                     std::string(r_.error < std::size(errors) ? errors[r_.error] : "reserved") +
                     ", at the command in slot " +
                     std::to_string(queue_index(cmdq().lg2, r_.exposed));
  if (dw0.unknown || dw1.unknown) return text;
  const Command command = decode_command<u64>(dw0.value, dw1.value, capabilities());
  text += ", CMD_" + describe(command);
  if (r_.refusals > 1) text += ", for the " + std::to_string(r_.refusals) + "th time as it was";
  return text;
}

/// Whether it is refused or not is the device's. IHI 0070 4.1.5.
void Smmu::check_reserved(const Command& command, const CommandWords& words) {
  ++caches_.exercised()[number_of(rule::COMMAND_RESERVED)];
  if (!has_reserved_bits(words, capabilities())) return;
  const CommandWords defined = defined_bits(command.op, capabilities());
  report(rule::COMMAND_RESERVED, "CMD_" + describe(command) +
                                     " sets reserved bits: " + hex(words.dw0 & ~defined.dw0) +
                                     " of its first word, " + hex(words.dw1 & ~defined.dw1) +
                                     " of its second; the device may raise CERROR_ILL");
}

/// No STE that the SMMU may use lets a transaction stall any more. IHI 0070 4.7.2.
void Smmu::check_stall_term(const Command& command) {
  if (command.op != Opcode::stall_term) return;
  ++caches_.exercised()[number_of(rule::STALL_TERM_ABORTS)];
  if (!smmuen()) return;
  std::vector<StreamOption> options;
  const bool all =
      caches_.fetches().stream_options(static_cast<u32>(command.sid), 0, false, options);
  const auto aborts = [](const StreamOption& option) {
    return !option.any && (option.kind == SteKind::abort || option.kind == SteKind::bad);
  };
  if (!all || std::ranges::all_of(options, aborts)) return;
  report(rule::STALL_TERM_ABORTS, "CMD_" + describe(command) +
                                      " while a transaction of the stream may still be translated "
                                      "or stall, by an STE in memory or in a cache");
}

/// From a change of CR2.E2H until SMMUEN is 1 either value may be in effect, under which commands
/// for EL2 mean different things; all but CMD_TLBI_EL2_ALL. IHI 0070 6.3.12.3.
bool Smmu::is_believed(const Command& command) const {
  const bool open = ((r_.cr2 & cr2::e2h) != 0) != caches_.e2h();
  return !open || (command.op != Opcode::tlbi_el2_asid && command.op != Opcode::tlbi_el2_va &&
                   command.op != Opcode::tlbi_el2_vaa);
}

// ---- errors that are the device's, IHI 0070 7.1 -------------------------------------------------

/// The device stopped at the command at `cons`: those before are consumed, those from there on have
/// no effect, and are read again once the error is acknowledged.
void Smmu::stop_at(u64 cons, u64 code) {
  observe_cons(cons);
  caches_.drop_commands(r_.exposed_total - r_.cons_total);
  drop_messages(r_.cons_total);
  drop_interrupts(r_.cons_total);
  set(r_.exposed_total, r_.cons_total);
  set(r_.done_total, r_.cons_total);
  set(r_.exposed, r_.cmdq_cons);
  set(r_.taken, r_.cmdq_cons);
  syncs_.clear(caches_.trail());
  set(first_sync_, 0);
  set(r_.error, code);
  set(r_.error_rule, 0);
  set(r_.error_claimed, 0);
  // Those that did not come back are not waited for any more. IHI 0070 4.7.3.
  if (code != static_cast<u64>(CommandError::atc_inv_sync)) return;
  if (endpoint_says_) {
    set(endpoints_failed_, 1);
    for_each_atc_inv(caches_.view(), [&](u32 sid, Group) { endpoint_says_(sid, false); });
  }
  caches_.fail_atc_invs();
}

namespace {

/// Left to the device: a CMD_ATC_INV of more than all addresses. IHI 0070 4.5.1.
bool may_be_illegal(const Command& command) {
  return command.op == Opcode::atc_inv && command.size > 52;
}

}  // namespace

/// May the device refuse the command at `cons` although it is legal?
bool Smmu::may_stop_at(u64 cons, u64 code) const {
  const u64 slot = queue_slot(cmdq(), command_bytes, cons);
  const Content dw0 = caches_.memory().newest(slot);
  const Content dw1 = caches_.memory().newest(slot + 8);
  const bool known = !dw0.unknown && !dw1.unknown && !caches_.memory().is_pending(slot) &&
                     !caches_.memory().is_pending(slot + 8);
  switch (static_cast<CommandError>(code)) {
    case CommandError::ill:
      return !known || has_reserved_bits({dw0.value, dw1.value}, capabilities()) ||
             may_be_illegal(decode_command<u64>(dw0.value, dw1.value, capabilities()));
    case CommandError::abt: return may_abort(slot);
    case CommandError::atc_inv_sync:
      return (!known || opcode_of<u64>(dw0.value) == Opcode::sync) &&
             caches_.awaits_atc_inv(queue_used(cmdq().lg2, r_.exposed, cons));
    default: return false;
  }
}

/// May it refuse any that it has not consumed yet?
bool Smmu::may_stop() const {
  const QueueGeometry queue = cmdq();
  for (u64 at = r_.cmdq_cons; !queue_empty(queue.lg2, r_.exposed, at);
       at = queue_next(queue.lg2, at)) {
    for (const CommandError code :
         {CommandError::ill, CommandError::abt, CommandError::atc_inv_sync}) {
      if (may_stop_at(at, static_cast<u64>(code))) return true;
    }
  }
  return false;
}

/// As a device: 1, the next command is not read; 2, the next CMD_SYNC waits for an endpoint in
/// vain.
bool Smmu::draw_command_error(Choices& choices) {
  if (!command_errors_ || command_error()) return false;
  // What has been seen of a command is that those before it were consumed.
  if (r_.acted_total > r_.cons_total) return false;
  const QueueGeometry queue = cmdq();
  u64 sync = r_.cmdq_cons;
  while (sync != r_.exposed && !may_stop_at(sync, static_cast<u64>(CommandError::atc_inv_sync))) {
    sync = queue_next(queue.lg2, sync);
  }
  const bool waits = sync != r_.exposed;
  const u32 chosen = choices.choose(ChoiceSite::command_error, waits ? 3 : 2);
  if (chosen == 0) return false;
  const CommandError code = chosen == 1 ? CommandError::abt : CommandError::atc_inv_sync;
  stop_at(chosen == 1 ? r_.cmdq_cons : sync, static_cast<u64>(code));
  set(r_.gerror, r_.gerror ^ gerror::cmdq_err);
  return true;
}

// ---- how a device consumes ----------------------------------------------------------------------

void Smmu::set_stuck(bool stuck) {
  set(r_.stuck, stuck ? 1 : 0);
  set(r_.stop_end, 0);
  set(r_.stop_sync, 0);
}

void Smmu::set_pace(const Pace& pace) {
  set(r_.pace, pace.looks + 1);
  set(r_.pace_commands, pace.commands);
  set(r_.polls, 0);
}

void Smmu::stop_at_command(u64 n) {
  set(r_.stop_sync, 0);
  set(r_.stop_end, r_.exposed_total + n);
}

void Smmu::stop_at_sync(u64 n) {
  set(r_.stop_end, 0);
  set(r_.stop_sync, n);
}

Smmu::Stop Smmu::take_stop() {
  Stop left{.sync = r_.stop_sync};
  if (r_.stop_end != 0) {
    left.command = r_.stop_end > r_.exposed_total ? r_.stop_end - r_.exposed_total : 1;
  }
  set(r_.stop_end, 0);
  set(r_.stop_sync, 0);
  return left;
}

/// How many commands the next look may find consumed.
u64 Smmu::open_commands() const {
  const u64 open = queue_used(cmdq().lg2, r_.exposed, r_.cmdq_cons & 0xfffff);
  if (r_.stop_end == 0) return open;
  const u64 end = r_.stop_end - 1;
  return end > r_.cons_total ? std::min(open, end - r_.cons_total) : 0;
}

/// As a device: so many commands from CMDQ_CONS on are consumed by this look; 0: no more than
/// before.
u64 Smmu::commands_of_look(Choices& choices) {
  const u64 ahead = commands_ahead();
  const u64 open = open_commands();
  if (open <= ahead || (r_.cr0 & cr0::cmdqen) == 0 || r_.stuck != 0) return 0;
  u32 chosen = 0;
  if (!progress(ChoiceSite::consume, 3, choices, chosen)) return 0;
  const u64 paced = r_.pace == 0 || r_.pace_commands == 0 ? open : ahead + r_.pace_commands;
  return chosen == 2 ? ahead + 1 : std::min(open, paced);
}

/// As a device: whether one of the next `commands` is the CMD_SYNC that an endpoint is to fail.
bool Smmu::refuse_sync(u64 commands) {
  constexpr auto code = static_cast<u64>(CommandError::atc_inv_sync);
  const QueueGeometry queue = cmdq();
  u64 at = r_.cmdq_cons;
  for (u64 n = 0; n < commands && r_.sync_fails != 0; ++n, at = queue_next(queue.lg2, at)) {
    // One behind it has acted, or it is known to be consumed.
    const bool passed = r_.cons_total + n < std::max(r_.acted_total, r_.done_total);
    if (passed || !may_stop_at(at, code)) continue;
    set(r_.sync_fails, r_.sync_fails - 1);
    if (r_.sync_fails != 0) continue;
    stop_at(at, code);
    set(r_.gerror, r_.gerror ^ gerror::cmdq_err);
    return true;
  }
  return false;
}

void Smmu::consume(u64 commands) {
  if (r_.sync_fails != 0 && !command_error() && refuse_sync(commands)) return;
  observe_cons(queue_bits(cmdq().lg2, r_.cmdq_cons + commands));
}

void Smmu::raise_command_error(u64 code) {
  if (command_error()) return;
  set(r_.error, code);
  set(r_.gerror, r_.gerror ^ gerror::cmdq_err);
}

void Smmu::command_consumed(u32 slot, const std::optional<CommandWords>& words) {
  ++caches_.exercised()[number_of(rule::QUEUE_CONSUMED_ORDER)];
  const QueueGeometry queue = cmdq();
  if (!slots_from_events_) return command_taken(queue, slot);  // executed already
  if (queue_index(queue.lg2, r_.exposed) != slot) {
    report(rule::QUEUE_CONSUMED_ORDER, "the command in slot " + std::to_string(slot) +
                                           " is consumed, but the next in order is in slot " +
                                           std::to_string(queue_index(queue.lg2, r_.exposed)));
    // Goes on where the device is, so that one gap is one finding.
    const u64 skipped = (slot - queue_index(queue.lg2, r_.exposed)) & (pow2(queue.lg2) - 1);
    set(r_.exposed, queue_bits(queue.lg2, r_.exposed + skipped));
    set(r_.exposed_total, r_.exposed_total + skipped);
  } else if (queue_empty(queue.lg2, r_.cmdq_prod, r_.exposed)) {
    report(rule::QUEUE_CONSUMED_ORDER, "the command in slot " + std::to_string(slot) +
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
    report(rule::QUEUE_CONSUMED_ORDER, "the command in slot " + std::to_string(slot) +
                                           " is consumed, but the next in order is in slot " +
                                           std::to_string(queue_index(queue.lg2, r_.taken)));
    const u64 skipped = (slot - queue_index(queue.lg2, r_.taken)) & (pow2(queue.lg2) - 1);
    set(r_.taken, queue_bits(queue.lg2, r_.taken + skipped));
  } else if (queue_empty(queue.lg2, r_.exposed, r_.taken)) {
    report(rule::QUEUE_CONSUMED_ORDER, "the command in slot " + std::to_string(slot) +
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
  ++caches_.exercised()[number_of(rule::QUEUE_SLOT_LIVE)];
  if (distance >= queue_used(queue.lg2, r_.cmdq_prod, cons)) return;
  report(rule::QUEUE_SLOT_LIVE, "slot " + std::to_string(index) +
                                    " is rewritten while it is exposed and not seen as consumed");
}

void Smmu::observe_cons(u64 cons) {
  const QueueGeometry queue = cmdq();
  const u64 moved = queue_used(queue.lg2, cons & 0xfffff, r_.cmdq_cons & 0xfffff);
  if (moved == 0) return;
  set(r_.cmdq_cons, cons & 0xfffff);
  set(r_.cons_total, r_.cons_total + moved);
  set(r_.progress, r_.progress + 1);
  complete_syncs();
}

void Smmu::complete_syncs() {
  while (first_sync_ < syncs_.size() &&
         syncs_[static_cast<u32>(first_sync_)].position < r_.cons_total) {
    const auto group = static_cast<Group>(syncs_[static_cast<u32>(first_sync_)].group);
    if (endpoints_failed_ != 0) {
      for_each_atc_inv(caches_.view(), [&](u32 sid, Group its) {
        if (its <= group) endpoint_says_(sid, true);
      });
    }
    caches_.complete(group);
    set(first_sync_, first_sync_ + 1);
  }
  if (first_sync_ == syncs_.size() && first_sync_ != 0) {
    syncs_.clear(caches_.trail());
    set(first_sync_, 0);
  }
}

}  // namespace iommucheck::spec
