// SPDX-License-Identifier: MIT
#include "spec/smmu/command_queue.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/text.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/smmu/command_legal.h"
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
    case Opcode::prefetch_config:
    case Opcode::prefetch_addr: return "prefetch=illegal";
    case Opcode::tlbi_el3_all:
    case Opcode::tlbi_el3_va: return "EL3 is not the Non-secure queue's";
    default: break;
  }
  return "IDR0.S1P = 0";
}

}  // namespace

// ---- registers ----------------------------------------------------------------------------------

u64* CommandQueue::storage(u32 offset) {
  switch (offset) {
    case reg::cmdq_base: return &base_;
    case reg::cmdq_cons: return &cons_;
    default: return nullptr;
  }
}

void CommandQueue::update_window() {
  const QueueGeometry queue = geometry();
  ground_.set(first_, queue.base);
  ground_.set(bytes_, pow2(queue.lg2) * command_bytes);
}

void CommandQueue::base_written() {
  update_window();
  ground_.set(changed_, 1);
}

void CommandQueue::cons_written(u64 value) {
  ground_.set(cons_, value & queue_index_mask);
  ground_.set(changed_, 1);
  ground_.set(cons_known_, 1);
}

/// CMDQEN 0 to 1. Without a change of the queue the SMMU goes on where it stopped. Otherwise it
/// begins at CONS: of what was exposed and not seen as consumed nobody knows whether it ran, and no
/// CMD_SYNC of later proves it. IHI 0070 6.3.9.3, 6.3.26.
void CommandQueue::enable() {
  update_window();
  const u64 open = exposed_total_ - cons_total_;
  if (changed_ != 0) {
    if (open != 0 && cons_known_ == 0) {
      ground_.report(
          rule::QUEUE_PROD_BACK,
          "the command queue is enabled with indices or slots that are not those of before, but "
          "CMDQ_CONS was neither read nor written since it was disabled: which commands were "
          "consumed is not known");
    }
    if (!ground_.is_recording()) ground_.caches().drop_commands(open);
    messages_.drop_from(cons_total_ + ahead());
    interrupts_.drop_from(cons_total_ + ahead());
    ground_.set(cons_total_, exposed_total_);
    // In a recording they were seen as consumed, so those CMD_SYNCs are complete.
    if (ground_.is_recording()) complete_syncs();
    forget_syncs();
    ground_.set(exposed_, cons_);
    ground_.set(taken_, cons_);
    ground_.set(changed_, 0);
  }
  process();
}

void CommandQueue::write_prod(u64 value) {
  const QueueGeometry queue = geometry();
  value &= 0xfffff;
  const u64 cons = cons_ & queue_index_mask;
  const u64 before = queue_used(queue.lg2, prod_, cons);
  const u64 after = queue_used(queue.lg2, value, cons);
  const bool running = controls_.enables(cr0::cmdqen);
  ground_.count(rule::QUEUE_OVERRUN);
  ground_.count(rule::QUEUE_PROD_BACK);
  if (running && after > pow2(queue.lg2)) {
    ground_.report(rule::QUEUE_OVERRUN, "CMDQ_PROD = " + hex(value) +
                                            " exposes more than the queue holds "
                                            "(CONS was last seen at " +
                                            hex(cons) + ")");
    return;
  }
  if (running && after < before && !errors_.active()) {
    ground_.report(rule::QUEUE_PROD_BACK, "CMDQ_PROD moves back from " + hex(prod_) + " to " +
                                              hex(value) + " while no command error is active");
    return;
  }
  ground_.set(prod_, value);
  if (after != before) progress_.begin_looks();
  if (running) return process();
  if (after < queue_used(queue.lg2, exposed_, cons)) ground_.set(changed_, 1);
}

void CommandQueue::process() {
  if (ground_.is_recording() || !controls_.enables(cr0::cmdqen)) return;
  const QueueGeometry queue = geometry();
  const Memory& memory = ground_.caches().memory();
  while (!errors_.active() && !queue_empty(queue.lg2, prod_, exposed_)) {
    const u64 slot = queue_slot(queue, command_bytes, exposed_);
    if (ground_.aborts(slot)) {  // IHI 0070 7.1
      errors_.refuse_slot();
      return errors_.raise(CommandError::abt);
    }
    const Content dw0 = memory.newest(slot);
    const Content dw1 = memory.newest(slot + 8);
    const bool certain = !memory.is_pending(slot) && !memory.is_pending(slot + 8);
    if (!certain || dw0.unknown || dw1.unknown) {
      ground_.report(
          rule::QUEUE_SLOT_ORDER,
          "the command in the slot at " + ground_.caches().name(slot) +
              (certain ? " was never written"
                       : " is exposed by CMDQ_PROD before its stores are ordered: what the slot "
                         "held before may be executed instead"));
    }
    if (!execute({dw0.value, dw1.value}, certain && !dw0.unknown && !dw1.unknown)) return;
  }
}

void CommandQueue::go_on() {
  errors_.acknowledged();
  process();
}

// ---- commands -----------------------------------------------------------------------------------

/// By the architecture, or to an implementation that does not know it.
std::optional<Rule> CommandQueue::is_illegal(const Command& command) const {
  const bool prefetch =
      command.op == Opcode::prefetch_config || command.op == Opcode::prefetch_addr;
  if (prefetch && !ground_.caches().profile().knows_prefetch) return rule::CMD_NOT_IMPLEMENTED;
  return check_command(command, ground_.capabilities());
}

/// The next command of the queue. False: it stops the queue.
bool CommandQueue::execute(const CommandWords& words, bool certain) {
  ground_.count(rule::QUEUE_COMMAND_ILLEGAL);
  ground_.count(rule::QUEUE_SLOT_ORDER);
  const Command command = decode_command<u64>(words.dw0, words.dw1, ground_.capabilities());
  if (const auto illegal = is_illegal(command); illegal && certain) {
    ground_.report(rule::QUEUE_COMMAND_ILLEGAL,
                   "CERROR_ILL: " + describe(command) + " (" + std::string(rule_name(*illegal)) +
                       ": " + why_illegal(command, *illegal, ground_.capabilities()) + ")");
    errors_.refuse(words, exposed_total_, *illegal);
    errors_.raise(CommandError::ill);
    return false;
  }
  if (certain) {
    check_reserved(command, words);
    check_stall_term(command);
  }
  const Group group = ground_.caches().expose(command, certain && is_believed(command));
  if (command.op == Opcode::sync && certain) {
    syncs_.push(ground_.trail(), {exposed_total_, group});
    messages_.note(command, exposed_total_, cons_total_);
    interrupts_.note(command, exposed_total_, cons_total_);
  }
  if (!certain) messages_.note_unknown();
  if (command.op == Opcode::sync) stops_.note_sync(exposed_total_);
  if (certain && stalls_.execute(command, words, controls_.smmuen())) {
    ground_.set(acted_total_, exposed_total_ + 1);
  }
  ground_.set(exposed_, queue_next(geometry().lg2, exposed_));
  ground_.set(exposed_total_, exposed_total_ + 1);
  return true;
}

std::string CommandQueue::why_stopped() const {
  if (!errors_.active()) return {};
  constexpr std::string_view codes[] = {"CERROR_NONE", "CERROR_ILL", "CERROR_ABT",
                                        "CERROR_ATC_INV_SYNC"};
  const u64 slot = queue_slot(geometry(), command_bytes, exposed_);
  const Content dw0 = ground_.caches().memory().newest(slot);
  const Content dw1 = ground_.caches().memory().newest(slot + 8);
  std::string text =
      "the command queue is stopped: GERROR.CMDQ_ERR is " +
      std::to_string(errors_.gerror() & gerror::cmdq_err) + " and GERRORN.CMDQ_ERR " +
      std::to_string(errors_.gerrorn() & gerror::cmdq_err) + ", CMDQ_CONS.ERR is " +
      std::string(errors_.code() < std::size(codes) ? codes[errors_.code()] : "reserved") +
      ", at the command in slot " + std::to_string(queue_index(geometry().lg2, exposed_));
  if (dw0.unknown || dw1.unknown) return text;
  const Command command = decode_command<u64>(dw0.value, dw1.value, ground_.capabilities());
  text += ", CMD_" + describe(command);
  if (errors_.refusals() > 1) {
    text += ", refused as it was " + std::to_string(errors_.refusals()) + " times";
  }
  return text;
}

/// Whether it is refused or not is the device's. IHI 0070 4.1.5.
void CommandQueue::check_reserved(const Command& command, const CommandWords& words) {
  ground_.count(rule::COMMAND_RESERVED);
  if (!has_reserved_bits(words, ground_.capabilities())) return;
  const CommandWords defined = defined_bits(command.op, ground_.capabilities());
  ground_.report(rule::COMMAND_RESERVED,
                 "CMD_" + describe(command) +
                     " sets reserved bits: " + hex(words.dw0 & ~defined.dw0) +
                     " of its first word, " + hex(words.dw1 & ~defined.dw1) +
                     " of its second; the device may raise CERROR_ILL");
}

/// No STE that the SMMU may use lets a transaction stall any more. IHI 0070 4.7.2.
void CommandQueue::check_stall_term(const Command& command) {
  if (command.op != Opcode::stall_term) return;
  ground_.count(rule::STALL_TERM_ABORTS);
  if (!controls_.smmuen()) return;
  std::vector<StreamOption> options;
  const bool all =
      ground_.caches().fetches().stream_options(static_cast<u32>(command.sid), 0, false, options);
  const auto aborts = [](const StreamOption& option) {
    return !option.any && (option.kind == SteKind::abort || option.kind == SteKind::bad);
  };
  if (!all || std::ranges::all_of(options, aborts)) return;
  ground_.report(rule::STALL_TERM_ABORTS,
                 "CMD_" + describe(command) +
                     " while a transaction of the stream may still be translated "
                     "or stall, by an STE in memory or in a cache");
}

/// From a change of CR2.E2H until SMMUEN is 1 either value may be in effect, under which commands
/// for EL2 mean different things; all but CMD_TLBI_EL2_ALL. IHI 0070 6.3.12.3.
bool CommandQueue::is_believed(const Command& command) const {
  const bool open = ((controls_.cr2() & cr2::e2h) != 0) != ground_.caches().e2h();
  return !open || (command.op != Opcode::tlbi_el2_asid && command.op != Opcode::tlbi_el2_va &&
                   command.op != Opcode::tlbi_el2_vaa);
}

// ---- errors that are the device's, IHI 0070 7.1 -------------------------------------------------

void CommandQueue::stop_at(u64 cons, u64 code) {
  observe_cons(cons);
  ground_.caches().drop_commands(exposed_total_ - cons_total_);
  messages_.drop_from(cons_total_);
  interrupts_.drop_from(cons_total_);
  ground_.set(exposed_total_, cons_total_);
  ground_.set(done_total_, cons_total_);
  ground_.set(exposed_, cons_);
  ground_.set(taken_, cons_);
  forget_syncs();
  errors_.stopped(code);
  // Those that did not come back are not waited for any more. IHI 0070 4.7.3.
  if (code != static_cast<u64>(CommandError::atc_inv_sync)) return;
  if (endpoint_says_) {
    ground_.set(endpoints_failed_, 1);
    for_each_atc_inv(ground_.caches().view(), [&](u32 sid, Group) { endpoint_says_(sid, false); });
  }
  ground_.caches().fail_atc_invs();
}

void CommandQueue::command_consumed(u32 slot, const std::optional<CommandWords>& words) {
  ground_.count(rule::QUEUE_CONSUMED_ORDER);
  const QueueGeometry queue = geometry();
  if (!ground_.is_recording()) return command_taken(queue, slot);  // executed already
  if (queue_index(queue.lg2, exposed_) != slot) {
    ground_.report(rule::QUEUE_CONSUMED_ORDER,
                   "the command in slot " + std::to_string(slot) +
                       " is consumed, but the next in order is in slot " +
                       std::to_string(queue_index(queue.lg2, exposed_)));
    // Goes on where the device is, so that one gap is one finding.
    const u64 skipped = (slot - queue_index(queue.lg2, exposed_)) & (pow2(queue.lg2) - 1);
    skip_to(queue_bits(queue.lg2, exposed_ + skipped));
  } else if (queue_empty(queue.lg2, prod_, exposed_)) {
    ground_.report(rule::QUEUE_CONSUMED_ORDER, "the command in slot " + std::to_string(slot) +
                                                   " is consumed before CMDQ_PROD exposed it");
  }
  if (!words) return skip_to(queue_next(queue.lg2, exposed_));
  execute(*words, true);
}

void CommandQueue::skip_to(u64 cons) {
  const unsigned lg2 = geometry().lg2;
  const u64 skipped = queue_used(lg2, cons, exposed_);
  ground_.set(exposed_, queue_bits(lg2, cons));
  ground_.set(exposed_total_, exposed_total_ + skipped);
}

/// A command whose effect CMDQ_PROD began: only the order can be wrong.
void CommandQueue::command_taken(const QueueGeometry& queue, u32 slot) {
  if (queue_index(queue.lg2, taken_) != slot) {
    ground_.report(rule::QUEUE_CONSUMED_ORDER,
                   "the command in slot " + std::to_string(slot) +
                       " is consumed, but the next in order is in slot " +
                       std::to_string(queue_index(queue.lg2, taken_)));
    const u64 skipped = (slot - queue_index(queue.lg2, taken_)) & (pow2(queue.lg2) - 1);
    ground_.set(taken_, queue_bits(queue.lg2, taken_ + skipped));
  } else if (queue_empty(queue.lg2, exposed_, taken_)) {
    ground_.report(rule::QUEUE_CONSUMED_ORDER, "the command in slot " + std::to_string(slot) +
                                                   " is consumed before CMDQ_PROD exposed it");
  }
  ground_.set(taken_, queue_next(queue.lg2, taken_));
}

// A slot that is exposed and not known to be consumed is the SMMU's.
void CommandQueue::check_slot(u64 pa) {
  const QueueGeometry queue = geometry();
  const u64 index = (pa - queue.base) / command_bytes;
  const u64 cons = cons_ & queue_index_mask;
  const u64 distance = (index - queue_index(queue.lg2, cons)) & (pow2(queue.lg2) - 1);
  if (!controls_.enables(cr0::cmdqen) && distance < queue_used(queue.lg2, exposed_, cons)) {
    ground_.set(changed_, 1);
  }
  if (!controls_.enables(cr0::cmdqen) || errors_.active()) return;
  ground_.count(rule::QUEUE_SLOT_LIVE);
  if (distance >= queue_used(queue.lg2, prod_, cons)) return;
  ground_.report(rule::QUEUE_SLOT_LIVE,
                 "slot " + std::to_string(index) +
                     " is rewritten while it is exposed and not seen as consumed");
}

void CommandQueue::observe_cons(u64 cons) {
  const QueueGeometry queue = geometry();
  const u64 moved = queue_used(queue.lg2, cons & queue_index_mask, cons_ & queue_index_mask);
  if (moved == 0) return;
  ground_.set(cons_, cons & queue_index_mask);
  ground_.set(cons_total_, cons_total_ + moved);
  progress_.make();
  complete_syncs();
}

void CommandQueue::observe_total(u64 total) {
  if (total <= cons_total_) return;
  observe_cons(queue_bits(geometry().lg2, cons_ + (total - cons_total_)));
}

bool CommandQueue::look_at_cons() {
  if (!is_off()) return true;
  const bool first = cons_known_ == 0;
  ground_.set(cons_known_, 1);
  return first;
}

void CommandQueue::forget_syncs() {
  syncs_.clear(ground_.trail());
  ground_.set(first_sync_, 0);
}

void CommandQueue::complete_syncs() {
  while (first_sync_ < syncs_.size() &&
         syncs_[static_cast<u32>(first_sync_)].position < cons_total_) {
    const auto group = static_cast<Group>(syncs_[static_cast<u32>(first_sync_)].group);
    if (endpoints_failed_ != 0) {
      for_each_atc_inv(ground_.caches().view(), [&](u32 sid, Group its) {
        if (its <= group) endpoint_says_(sid, true);
      });
    }
    ground_.caches().complete(group);
    ground_.set(first_sync_, first_sync_ + 1);
  }
  if (first_sync_ == syncs_.size() && first_sync_ != 0) {
    forget_syncs();
  }
}

}  // namespace iommucheck::spec
