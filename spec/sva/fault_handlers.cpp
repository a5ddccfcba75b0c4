// SPDX-License-Identifier: MIT
#include "spec/sva/fault_handlers.h"

#include "base/text.h"
#include "spec/rules/interface.h"
#include "spec/sva/devices.h"
#include "spec/sva/fault_groups.h"
#include "spec/sva/faults.h"
#include "spec/sva/waiting_faults.h"

namespace iommucheck::spec::sva {

/// INTERFACE "Faults". The device's faults go to its queue, or to handlers.
Permitted permitted_handler_set(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  if (!s.device_has_iommu(call.device)) return set;
  const bool asked = (s.devices[call.device].features & feature_iopf) != 0;
  if (!s.has_sva(call.device) || !asked) {
    set.add(Reason::faults_not_asked_for);
  }
  const u32 bond = s.find_bond(call.device, call.pasid);
  if (bond == 0) {
    set.add(Reason::no_process_is_bound_there);
  } else if (s.bonds[bond].state != BondState::active) {
    set.add(Reason::the_process_exits);
  }
  if (s.queue_of(call.device) != 0) set.add(Reason::the_device_has_a_queue);
  if (!set.empty()) return set;
  if (call.present && is_silenced(s, call.device)) set.add(Reason::it_would_silence_faults);
  set.add(Reason::done);
  if (!call.present) may_time_out(set, around);
  return set;
}

void begin_handler_set(const InterfaceState& s, const Call& call, Pending& pending) {
  pending.bond = s.find_bond(call.device, call.pasid);
  pending.flags = call.present ? 1 : 0;
  pending.drvdata = call.drvdata;
}

/// What the handler was given is ended with it, or answered all the same where another one follows.
/// What nobody has read yet may have gone to whoever was there before.
void apply_handler_set(InterfaceState& s, const Call& call, Status status) {
  const u32 index = s.find_bond(call.device, call.pasid);
  if (index == 0 || !ended(status)) return;
  s.for_each_waiting([&](u32 i) {
    const Waiting& fault = s.waitings[i];
    const bool handled = fault.queue == records::by_handler;
    if (is_users(fault)) return;
    const bool before_bind =  // of another device's process, whose entry it met
        fault.bond == 0 && fault.device == call.device && fault.pasid == call.pasid;
    if ((fault.bond != index && !before_bind) || (!handled && fault.queue != 0)) return;
    const bool has_number = fault.state == FaultState::read || is_half_read(fault);
    if (!call.present && handled && has_number) return drop_group(s, i);
    if (!is_unread(fault) || handled == call.present) return;
    Waiting& changed = s.waitings.edit(s.trail, i);
    changed.queue = call.present ? records::by_handler : 0;
    changed.bond = index;
    changed.unsure = 1;
  });
  s.devices.edit(s.trail, call.device).was_read = 1;
  if (call.present) enable_requests(s, call.device);
  Bond& bond = s.bonds.edit(s.trail, index);
  bond.handled = call.present ? 1 : 0;
  bond.fault_word = call.present ? call.drvdata : 0;
}

std::optional<u64> fault_handler_of(const InterfaceState& s, u32 device, u32 pasid) {
  const u32 bond = s.find_bond(device, pasid);
  if (bond == 0 || s.bonds[bond].handled == 0) return std::nullopt;
  return s.bonds[bond].fault_word;
}

namespace {

Verdict mishandled(const FaultRecord& fault, const std::string& what) {
  return {.ok = false,
          .rule = rule::FAULT_HANDLED,
          .message = "the fault handler of " + place_text(fault.device, fault.pasid) + " " + what};
}

/// The handler is there with that word, or a call in progress takes it away or sets it.
bool is_handlers_word(const InterfaceState& s, u32 bond, u64 word) {
  bool its = s.bonds[bond].handled != 0 && s.bonds[bond].fault_word == word;
  s.tickets.for_each([&](const Pending& pending) {
    its |= pending.kind == static_cast<u32>(CallKind::fault_handler_set) && pending.bond == bond &&
           pending.flags != 0 && pending.drvdata == word;
  });
  return its || s.tickets.overflowed();
}

/// The access that it is told of: those before it may not have been for the handler.
u32 find_told(const InterfaceState& s, const FaultRecord& told, std::optional<u64> iova) {
  u32 found = 0;
  for (u64 behind = 0;;) {
    u32 next = 0;
    s.for_each_waiting([&](u32 i) {
      const Waiting& fault = s.waitings[i];
      const bool may_be =
          fault.queue == 0 || fault.queue == records::by_handler || fault.loose != 0;
      const bool its = may_be && fault.device == told.device && fault.pasid == told.pasid;
      if (!its || !is_unread(fault) || fault.order <= behind) return;
      if (next == 0 || fault.order < s.waitings[next].order) next = i;
    });
    if (next == 0) return found;
    const Waiting& fault = s.waitings[next];
    behind = fault.order;
    const bool its_number = !is_half_read(fault) || fault.group == told.group;
    if (its_number && (!iova || is_page(page_to_tell(s, fault), *iova, told.prot))) return next;
    if (fault.unsure == 0 && !is_contested(s, fault)) return found;
  }
}

}  // namespace

Verdict fault_handler_called(InterfaceState& s, const FaultRecord& told, std::optional<u64> iova,
                             u64 word) {
  s.count(rule::FAULT_HANDLED);
  const u32 bond = s.find_bond(told.device, told.pasid);
  if (bond == 0) return mishandled(told, "is called, and no process is bound there");
  if (!is_handlers_word(s, bond, word)) {
    return mishandled(
        told, "with the word " + hex(word) + " is called, which is not set" +
                  (s.bonds[bond].handled == 0 ? std::string("; there is none")
                                              : "; the word is " + hex(s.bonds[bond].fault_word)));
  }
  const u32 index = find_told(s, told, iova);
  if (index == 0) {
    return mishandled(told, "is told of an access" + (iova ? " at " + hex(*iova) : std::string()) +
                                ", prot " + hex(told.prot) + ", and no such one is the next");
  }
  const u64 name = u64{told.device} << 32 | told.group;
  const bool further = is_half_read(s.waitings[index]);
  if (!further && s.forest.lookup(s.told_groups, name).mapped) {
    return mishandled(told, "was given group " + std::to_string(told.group) +
                                " before: a late answer would be one to this");
  }
  if (!further) s.forest.insert(s.told_groups, {.first = name, .last = name});
  // Who does not know of which access it is told knows no more of the others.
  const bool open = !iova && s.waitings[index].unsure != 0;
  s.for_each_waiting([&](u32 i) {
    const Waiting& other = s.waitings[i];
    const bool its = other.device == told.device && other.pasid == told.pasid;
    if (open && its && is_unread(other)) s.waitings.edit(s.trail, i).unsure = 1;
  });
  Waiting& fault = s.waitings.edit(s.trail, index);
  fault.state = FaultState::unread;
  fault.queue = records::by_handler;
  fault.user = fault.loose = 0;
  fault.unsure = open ? 1 : 0;
  fault.group = told.group;
  tell_page(s, index);
  return {};
}

/// A driver that was interrupted has read all that was recorded before.
Verdict handlers_were_called(InterfaceState& s) {
  Verdict verdict;
  s.for_each_waiting([&](u32 i) {
    const Waiting fault = s.waitings[i];
    if (fault.queue != records::by_handler || fault.state != FaultState::unread) return;
    s.count(rule::FAULT_HANDLED);
    if (fault.unsure == 0 && !is_contested(s, fault)) {
      verdict = mishandled({.device = fault.device, .pasid = fault.pasid},
                           "was not told of the access at " + hex(fault.iova));
    }
    drop_group(s, i);
  });
  return verdict;
}

}  // namespace iommucheck::spec::sva
