// SPDX-License-Identifier: MIT
#include "spec/sva/calls.h"

#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "spec/rules/interface.h"
#include "spec/sva/answers.h"
#include "spec/sva/attach.h"
#include "spec/sva/attachments_calls.h"
#include "spec/sva/bind.h"
#include "spec/sva/bound.h"
#include "spec/sva/devices_calls.h"
#include "spec/sva/dirty.h"
#include "spec/sva/domains.h"
#include "spec/sva/duties.h"
#include "spec/sva/exit.h"
#include "spec/sva/fault_handlers.h"
#include "spec/sva/fault_queues.h"
#include "spec/sva/hooks.h"
#include "spec/sva/map.h"
#include "spec/sva/nested_calls.h"
#include "spec/sva/numbers.h"
#include "spec/sva/pasids.h"
#include "spec/sva/private.h"
#include "spec/sva/private_calls.h"
#include "spec/sva/recorded_faults.h"
#include "spec/sva/tasks.h"
#include "spec/sva/time_outs.h"
#include "spec/sva/unbind.h"
#include "spec/sva/user_events.h"
#include "spec/sva/walkers.h"

namespace iommucheck::spec::sva {

// --- Results ---

namespace {

/// INTERFACE "Timeouts and removal": surprise removal acts as mm_exit's return, and as what the
/// call is about; it began before, so that it is no "later call".
bool vanished(const InterfaceState& s, const Call& call, const Pending* begun) {
  return ends_bonds(call.kind) && begun != nullptr && begun->present != 0 &&
         !s.device_exists(call.device);
}

Permitted permitted_vanished() {
  Permitted set;
  set.add(Reason::vanished_is_ok);
  set.add(Reason::vanished);
  return set;
}

}  // namespace

namespace {

Permitted permitted(const InterfaceState& s, const Call& call, Circumstances around,
                    const Pending* begun) {
  if (vanished(s, call, begun)) return permitted_vanished();
  if (is_io_mm_call(call.kind) && s.find_process_io_mm(call.io_mm) != 0) {
    return permitted_on_process(call);
  }
  const bool maps = call.kind == CallKind::task_map || call.kind == CallKind::task_unmap;
  if (maps && is_svm_token(s, call.token)) return permitted_on_process(call);
  switch (as_domain_call(call.kind)) {
    case CallKind::domain_alloc: return permitted_domain_alloc(s, call, around);
    case CallKind::domain_free: return permitted_domain_free(s, call, around);
    case CallKind::attach: return permitted_attach(s, call, around);
    case CallKind::detach: return permitted_detach(s, call, around);
    case CallKind::attach_pasid: return permitted_attach_pasid(s, call, around);
    case CallKind::detach_pasid: return permitted_detach_pasid(s, call, around);
    case CallKind::map: return permitted_map(s, call, around);
    case CallKind::map_sg: return permitted_map_sg(s, call, around);
    case CallKind::unmap:
    case CallKind::unmap_fast: return permitted_unmap(s, call, around);
    case CallKind::iotlb_sync:
    case CallKind::flush_iotlb_all: return permitted_sync(s, call, around);
    case CallKind::tlb_range_add: return permitted_tlb_range_add(s, call);
    case CallKind::iova_to_phys: return permitted_iova_to_phys(s, call);
    case CallKind::domain_get_attr:
    case CallKind::io_mm_get_attr: return permitted_get_attr(s, call);
    case CallKind::pasid_alloc: return permitted_pasid_alloc(s, call, around);
    case CallKind::pasid_free: return permitted_pasid_free(s, call, around);
    case CallKind::sva_device_init: return permitted_init(s, call, around);
    case CallKind::sva_device_shutdown: return permitted_shutdown(s, call, around);
    case CallKind::bind_device: return permitted_bind(s, call, around, begun);
    case CallKind::unbind_device: return permitted_unbind(s, call, around, begun);
    case CallKind::unbind_dev_all: return permitted_unbind_all(s, call, around);
    case CallKind::sva_drvdata: return permitted_drvdata(s, call);
    case CallKind::io_mm_of: return permitted_io_mm_of(s, call);
    case CallKind::sva_alloc_pasid: return permitted_alloc_private(s, call, around);
    case CallKind::sva_free_pasid: return permitted_free_private(s, call, around);
    case CallKind::io_mm_get_pasid: return permitted_get_pasid(s, call);
    case CallKind::bind_task: return permitted_bind_task(s, call, around, begun);
    case CallKind::unbind_task: return permitted_unbind_task(s, call, around, begun);
    case CallKind::task_get_attr: return permitted_task_attr(s, call);
    case CallKind::sva_attach:
    case CallKind::sva_detach: return permitted_link(s, call, around);
    case CallKind::fault_queue_open: return permitted_queue_open(s, call, around);
    case CallKind::fault_queue_read: return permitted_queue_read(s, call);
    case CallKind::event_queue_open: return permitted_event_queue_open(s, call, around);
    case CallKind::event_read: return permitted_event_read(s, call);
    case CallKind::fault_queue_respond: return permitted_respond(s, call, around);
    case CallKind::fault_queue_close: return permitted_queue_close(s, call, around);
    case CallKind::fault_handler_set: return permitted_handler_set(s, call, around);
    case CallKind::dirty_set: return permitted_dirty_set(s, call, around);
    case CallKind::dirty_read: return permitted_dirty_read(s, call, around);
    case CallKind::recover: return permitted_recover(around);
    case CallKind::vdevice: return permitted_vdevice(s, call, around);
    case CallKind::cache_invalidate: return permitted_cache_invalidate(s, call, around);
    default: break;
  }
  Permitted set;
  set.add(Reason::call_not_built);
  return set;
}

}  // namespace

/// What is not in answers.def is no answer of the call: then this folder or that table is wrong.
Permitted answers(const InterfaceState& s, const Call& call, Circumstances around,
                  const Pending* begun) {
  Permitted set = permitted(s, call, around, begun);
#ifndef NDEBUG
  set.for_each([&](Status /*status*/, Reason reason) {
    if (may_answer(call.kind, reason)) return;
    std::fprintf(stderr, "answers.def does not give %s the reason %s\n", call_text(call).c_str(),
                 reason_name(reason));
    std::abort();
  });
#endif
  return set;
}

namespace {

/// A new handle against the living ones.
void check_handle(const InterfaceState& s, const Call& call, const Observed& observed,
                  std::string& why) {
  const bool of_domain = call.kind == CallKind::domain_alloc;
  const DomainFacts& facts = observed.facts;
  const bool paging = of_domain && is_mapped_by_driver(call.domain_kind);
  if (observed.value == 0) {
    why = "0 is never a handle";
  } else if (of_domain && s.find(observed.value) != 0) {
    why = "a living domain has this handle";
  } else if (call.kind == CallKind::bind_task) {
    if (s.find_token(observed.value) != 0) why = "a living token has this handle";
  } else if (call.kind == CallKind::fault_queue_open || call.kind == CallKind::event_queue_open) {
    if (s.find_queue(observed.value) != 0) why = "a living queue has this handle";
  } else if (!of_domain && s.forest.lookup(s.io_mms, observed.value).mapped) {
    why = "a living io_mm has this handle";
  } else if (paging && call.input_bits != 0 && facts.input_bits != call.input_bits) {
    why = "asked for " + std::to_string(call.input_bits) + " input bits, got " +
          std::to_string(facts.input_bits);
  } else if (paging && (facts.input_bits == 0 || facts.input_bits > 64 || facts.output_bits == 0 ||
                        facts.output_bits > 64)) {
    why = "the domain's input and output sizes are 1 to 64 bits";
  } else if (of_domain && call.domain_kind == static_cast<u32>(DomainKind::dynamic)) {
    const char* other = not_the_masters_format(s, s.find_paging(call.parent), facts);
    if (other != nullptr) why = other;
  }
}

/// An attribute that was not seen yet.
const char* check_word(const InterfaceState& s, const Call& call, u64 word) {
  if (word == 0) return "0 is no table";
  const u32 own = call.kind == CallKind::domain_get_attr ? s.find(call.domain)
                  : is_task_call(call.kind)              ? s.target(call)
                                                         : s.find_private(call.io_mm);
  const char* why = nullptr;
  s.for_each_space([&](u32 i) {
    // Whether what a time-out left may be used again its tables in memory say.
    const bool lives = i != own && s.spaces[i].life != records::zombie;
    if (lives && s.spaces[i].table == word) why = "another address space has this table";
  });
  return why;
}

bool gives_object(CallKind kind) {
  constexpr std::string_view results[] = {
#define CALL(name, Struct, group, state, effect, result, ...) #result,
#include "base/calls.def"
#undef CALL
  };
  return results[static_cast<std::size_t>(kind)] == "handle";
}

/// The result against the set.
Verdict check_answer(const InterfaceState& s, const Call& call, const Observed& observed,
                     Circumstances around, const Pending* begun, const Permitted& set) {
  std::string why;
  std::optional<u64> unmarked;
  if (!set.permits(observed)) {
    why = "permitted: " + set.text();
  } else {
    switch (set.value_rule(observed.status)) {
      case ValueRule::new_handle: check_handle(s, call, observed, why); break;
      case ValueRule::new_word:
        if (const char* reason = check_word(s, call, observed.value)) why = reason;
        break;
      case ValueRule::new_pasid: return check_number(s, call, set, observed.value);
      default: break;
    }
    const bool makes = call.kind == CallKind::sva_alloc_pasid && observed.status == Status::ok;
    if (why.empty() && makes && observed.pasid != pasid_unknown) {
      return check_number(s, call, set, observed.pasid);
    }
    if (why.empty() && call.kind == CallKind::fault_queue_read && observed.status == Status::ok) {
      why = check_fault(s, call, observed.fault);
    }
    if (why.empty() && call.kind == CallKind::event_read && observed.status == Status::ok) {
      why = check_event(s, call, observed.event);
    }
    if (why.empty() && call.kind == CallKind::dirty_read && observed.status == Status::ok) {
      WrongBit bit = check_bits(s, call, observed);
      why = std::move(bit.text);
      unmarked = bit.unmarked;
    }
    if (why.empty() && call.kind == CallKind::bind_task && observed.status == Status::ok) {
      return check_task(s, call, observed, around, begun);
    }
    if (why.empty()) why = check_hooks(s, call, observed.status, around.hooks);
  }
  if (why.empty()) return check_waiting(s, as_bond_call(s, call), observed, begun);
  std::string got = status_text(observed.status);
  // The number of an object is the driver's choice, and says something only where it is what is
  // wrong.
  const bool is_chosen =
      gives_object(call.kind) && set.value_rule(observed.status) != ValueRule::new_handle;
  if (!is_chosen && (observed.status == Status::ok || observed.value != 0)) {
    got += ", value " + hex(observed.value);
  }
  return {.ok = false,
          .rule = rule::RESULT_EXACT,
          .message = call_text(call) + " returned " + got + "; " + why,
          .why = why,
          .unmarked = unmarked};
}

Verdict check(const InterfaceState& s, const Call& call, const Observed& observed,
              Circumstances around, const Pending* begun) {
  const Permitted set = answers(s, call, around, begun);
  Verdict verdict = check_answer(s, call, observed, around, begun, set);
  verdict.could_be_done = set.has(Status::ok);
  return verdict;
}

}  // namespace

// --- Effects ---

namespace {

/// The transient set from now on. Its record is saved already.
void begin_effect(InterfaceState& s, const Call& call, Pending& pending) {
  switch (as_domain_call(call.kind)) {
    case CallKind::attach: begin_attach(s, call, pending); break;
    case CallKind::detach: begin_detach(s, call, pending); break;
    case CallKind::attach_pasid: begin_attach_pasid(s, call, pending); break;
    case CallKind::detach_pasid: begin_detach_pasid(s, call, pending); break;
    case CallKind::map:
    case CallKind::map_sg: begin_map(s, call, pending); break;
    case CallKind::unmap:
    case CallKind::unmap_fast: begin_unmap(s, call, pending); break;
    case CallKind::bind_device: begin_bind(s, call, pending); break;
    case CallKind::unbind_device: begin_unbind(s, call, pending); break;
    case CallKind::unbind_dev_all: begin_unbind_all(s, call, pending); break;
    case CallKind::sva_device_shutdown: begin_shutdown(s, call, pending); break;
    case CallKind::sva_alloc_pasid: begin_alloc_private(s, call, pending); break;
    case CallKind::sva_free_pasid: begin_free_private(s, call, pending); break;
    case CallKind::sva_attach:
    case CallKind::sva_detach: begin_link(s, call, pending); break;
    case CallKind::fault_queue_respond: begin_respond(s, call, pending); break;
    case CallKind::fault_queue_close: begin_queue_close(s, call, pending); break;
    case CallKind::fault_handler_set: begin_handler_set(s, call, pending); break;
    case CallKind::dirty_set:
    case CallKind::dirty_read: begin_dirty(s, call, pending); break;
    case CallKind::cache_invalidate: begin_cache_invalidate(s, call, pending); break;
    default: break;
  }
}

/// Of devices, numbers, bonds and private spaces: each is an event of the clock.
void apply_sva(InterfaceState& s, const Call& call, const Observed& observed,
               const Pending* begun) {
  s.trail.set(s.changes, s.changes + 1);
  switch (call.kind) {
    case CallKind::domain_get_attr:
    case CallKind::io_mm_get_attr:
    case CallKind::task_get_attr: apply_get_attr(s, call, observed); break;
    case CallKind::pasid_alloc: apply_pasid_alloc(s, observed); break;
    case CallKind::pasid_free: apply_pasid_free(s, call, observed.status); break;
    case CallKind::sva_device_init: apply_init(s, call, observed.status); break;
    case CallKind::sva_device_shutdown: apply_shutdown(s, call, observed.status); break;
    case CallKind::bind_device: apply_bind(s, call, observed, begun); break;
    case CallKind::unbind_device: apply_unbind(s, call, observed.status); break;
    case CallKind::unbind_dev_all: apply_unbind_all(s, call, observed.status); break;
    case CallKind::io_mm_of: apply_io_mm_of(s, call, observed); break;
    case CallKind::sva_alloc_pasid: apply_alloc_private(s, call, observed); break;
    case CallKind::sva_free_pasid: apply_free_private(s, call, observed.status); break;
    case CallKind::io_mm_get_pasid: apply_get_pasid(s, call, observed); break;
    case CallKind::sva_attach:
    case CallKind::sva_detach: apply_link(s, call, observed.status); break;
    case CallKind::bind_task: apply_bind_task(s, call, observed, begun); break;
    case CallKind::unbind_task: apply_unbind_task(s, call, observed.status); break;
    case CallKind::fault_queue_open: apply_queue_open(s, call, observed); break;
    case CallKind::fault_queue_read: apply_queue_read(s, call, observed); break;
    case CallKind::event_queue_open: apply_event_queue_open(s, call, observed); break;
    case CallKind::event_read: apply_event_read(s, call, observed); break;
    case CallKind::fault_queue_respond: apply_respond(s, call, observed.status); break;
    case CallKind::fault_queue_close: apply_queue_close(s, call, observed.status); break;
    case CallKind::fault_handler_set: apply_handler_set(s, call, observed.status); break;
    case CallKind::recover:
      if (observed.status == Status::ok) recovered(s);
      break;
    default: break;
  }
}

void apply_effect(InterfaceState& s, const Call& call, const Observed& observed,
                  Circumstances around, const Pending* begun) {
  if (vanished(s, call, begun)) return end_faults(s);
  // "The state as before, the PASID cursor apart": nobody saw which numbers lost their turn. Nor
  // which one a time-out held, and gave back with the recovery.
  const CallKind own = as_bond_call(s, call).kind;
  const bool gives = own == CallKind::bind_device || call.kind == CallKind::pasid_alloc ||
                     call.kind == CallKind::sva_alloc_pasid;
  const bool loses = observed.status == Status::enomem || observed.status == Status::etimedout ||
                     around.hooks.failed != Status::ok;
  if (gives && loses && s.turns_lost == 0) s.trail.set(s.turns_lost, 1);
  switch (as_domain_call(call.kind)) {
    case CallKind::domain_alloc: apply_domain_alloc(s, call, observed); break;
    case CallKind::domain_free: apply_domain_free(s, call, observed.status); break;
    case CallKind::attach: apply_attach(s, call, observed.status); break;
    case CallKind::detach: apply_detach(s, call, observed.status); break;
    case CallKind::attach_pasid: apply_attach_pasid(s, call, observed.status); break;
    case CallKind::detach_pasid: apply_detach_pasid(s, call, observed.status); break;
    case CallKind::map:
    case CallKind::map_sg: apply_map(s, call, observed.status, around); break;
    case CallKind::unmap:
    case CallKind::unmap_fast: apply_unmap(s, call, observed); break;
    case CallKind::iotlb_sync:
    case CallKind::flush_iotlb_all: apply_sync(s, call, observed.status); break;
    case CallKind::tlb_range_add:
      if (observed.status == Status::ok) apply_tlb_range_add(s, call);
      break;
    case CallKind::iova_to_phys: break;
    case CallKind::dirty_set: apply_dirty_set(s, call, observed.status); break;
    case CallKind::dirty_read: apply_dirty_read(s, call, observed); break;
    case CallKind::vdevice: apply_vdevice(s, call, observed.status); break;
    case CallKind::cache_invalidate: apply_cache_invalidate(s, call, observed, begun); break;
    default: apply_sva(s, call, observed, begun); break;
  }
  note_askers(s);
  end_faults(s);
}

}  // namespace

// --- What scenarios show ---

namespace {

void log_answer(const InterfaceState& s, const Call& call, const Observed& observed,
                Circumstances around, const Pending* begun) {
  if (s.log == nullptr) return;
  AnswerLog& log = *s.log;
  answers(s, call, around, begun).for_each([&](Status status, Reason reason) {
    if (status == observed.status) log.given(call.kind, reason);
  });
  bool exits = false;
  s.tickets.for_each(
      [&](const Pending& pending) { exits |= pending.kind == records::release_in_progress; });
  const Ended how = observed.status == Status::ok          ? Ended::well
                    : observed.status == Status::etimedout ? Ended::timed_out
                                                           : Ended::refused;
  if (around.queue_stuck) log.returned(call.kind, During::stuck, how);
  if (exits) log.returned(call.kind, During::exit, how);
}

/// Some of what it did may not be complete.
bool timed_out(const Observed& observed, Circumstances around) {
  return around.queue_stuck || observed.status == Status::etimedout;
}

/// Whether what answered in it may be blocked still. What a call that ends faults sends completes
/// what was sent before it; it asks nobody whether he answers again.
bool leaves_blocked(const Call& call, const Observed& observed, Circumstances around) {
  return timed_out(observed, around) || call.kind == CallKind::fault_queue_respond ||
         call.kind == CallKind::fault_queue_close || call.kind == CallKind::fault_handler_set;
}

}  // namespace

// --- Life ---

Ticket begin_call(InterfaceState& s, const Call& given) {
  const Call call = as_bond_call(s, given);
  a_call_begins(s);
  events_may_be_read(s);
  const Ticket ticket = s.tickets.open({.changes = s.changes,
                                        .kind = static_cast<u32>(call.kind),
                                        .device = call.device,
                                        .present = s.device_exists(call.device) ? 1U : 0U});
  if (ticket.number != 0) begin_effect(s, call, s.tickets.opened(ticket));
  return ticket;
}

Verdict end_call(InterfaceState& s, Ticket ticket, const Call& call, const Observed& observed,
                 Circumstances around) {
  const Pending* open = s.tickets.find(ticket);
  close_ticket(s, ticket);
  if (open == nullptr) return apply(s, call, observed, around);
  answers_are_over(s, leaves_blocked(call, observed, around));
  const Pending& begun = *open;  // the slot is left as it is until another call begins
  Verdict verdict = check(s, call, observed, around, &begun);
  if (!verdict.takes_effect()) return verdict;
  log_answer(s, call, observed, around, &begun);
  const u64 before = s.changes;
  const u64 began = begun.changes;
  apply_effect(s, call, observed, around, &begun);
  if (s.changes != before && began < before) free_since(s, began);
  return verdict;
}

Verdict apply(InterfaceState& s, const Call& call, const Observed& observed, Circumstances around) {
  answers_are_over(s, leaves_blocked(call, observed, around));
  Verdict verdict = check(s, call, observed, around, nullptr);
  if (!verdict.takes_effect()) return verdict;
  log_answer(s, call, observed, around, nullptr);
  apply_effect(s, call, observed, around, nullptr);
  return verdict;
}

/// Of the only call in progress.
Verdict end_last_call(InterfaceState& s, const Call& call, const Observed& observed,
                      Circumstances around) {
  const Ticket last = s.tickets.last();
  return last.number == 0 ? apply(s, call, observed, around)
                          : end_call(s, last, call, observed, around);
}

// --- What a caller may send ---

namespace {

/// All that holds the number is what a call in progress ends: it is free or not.
bool may_be_free(const InterfaceState& s, u32 index) {
  const Number& number = s.numbers[index];
  if (number.state == NumberState::private_pasid) {
    return may_be_gone_private(s, number.space, s.spaces[number.space].maker);
  }
  if (number.state != NumberState::bound || number.bonds == 0) return false;
  for (u32 b = number.bonds; b != 0; b = s.bonds[b].next) {
    if (is_callers(s.bonds[b]) && !may_be_gone(s, b)) return false;
  }
  return true;
}

bool any_may_be_free(const InterfaceState& s) {
  for (u32 n = 1; n < s.numbers.bound(); ++n) {
    if (may_be_free(s, n)) return true;
  }
  return false;
}

/// The call is about what stands at one of the device's PASIDs, and that goes with it.
bool is_of_attachment(const InterfaceState& s, const Call& call, u32 device) {
  bool found = false;
  s.for_each_attachment([&](u32 i) {
    const Attachment& its = s.attachments[i];
    if (its.device != device || its.domain == 0) return;
    found |= call.kind == CallKind::pasid_free && s.numbers[its.number].value == call.pasid;
    found |= call.kind == CallKind::domain_free && s.find(call.domain) == its.domain;
  });
  return found;
}

/// Calls on what a call that waits for a handler moves or ends: their order would not be known.
const char* not_while_another_waits(const InterfaceState& s, const Call& call) {
  if (!s.tickets.any()) return nullptr;
  const char* reason = nullptr;
  const bool of_device = takes_device(call.kind);
  const bool gives = call.kind == CallKind::bind_device || call.kind == CallKind::bind_task ||
                     call.kind == CallKind::pasid_alloc || call.kind == CallKind::sva_alloc_pasid;
  if (gives && any_may_be_free(s)) return "a call that ends numbers waits";
  const u32 space = s.find_private(call.io_mm);
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool ends_all = kind == CallKind::detach || kind == CallKind::unbind_dev_all ||
                          kind == CallKind::sva_device_shutdown;
    const bool moves_rid = call.kind == CallKind::attach || call.kind == CallKind::attach_pasid;
    if (kind == CallKind::unbind_device && moves_rid && pending.device == call.device) {
      reason = "an unbind of the device waits";
    }
    if (!ends_all) return;
    if (of_device && pending.device == call.device) reason = "a call on the device waits";
    const bool its = space != 0 && (s.spaces[space].maker == pending.device ||
                                    s.has_link(s.spaces[space], pending.device));
    if (its && call.io_mm != 0) reason = "a call that ends the io_mm waits";
    if (kind == CallKind::detach && is_of_attachment(s, call, pending.device)) {
      reason = "a call that ends what is attached at a PASID waits";
    }
    const bool moves = call.kind == CallKind::domain_free || call.kind == CallKind::detach;
    if (moves && call.domain != 0 && s.find(call.domain) == pending.space) {
      reason = "a call that detaches the domain waits";
    }
  });
  return reason;
}

}  // namespace

const char* caller_may_not(const InterfaceState& s, const Call& call) {
  if (!call_is_built(call.kind)) return "the call is not built";
  if (const char* reason = freed_object(s, call)) return reason;
  if (const char* reason = walker_duty(s, call).reason) return reason;
  const bool binds = call.kind == CallKind::bind_device || call.kind == CallKind::bind_task;
  if (binds && s.find_process(call.mm) == 0) return "no such process";
  const bool links = call.kind == CallKind::sva_attach || call.kind == CallKind::sva_detach;
  if (links && !s.per_device_tables) return "tables belong to domains";
  if (const char* reason = not_while_another_waits(s, call)) return reason;
  if (const char* reason = not_while_released(s, call)) return reason;
  return unready_for_map(s, call).reason;
}

}  // namespace iommucheck::spec::sva
