// SPDX-License-Identifier: MIT
#include "spec/sva/fault_queues.h"

#include <algorithm>

#include "base/text.h"
#include "spec/rules/interface.h"
#include "spec/sva/devices.h"
#include "spec/sva/fault_groups.h"
#include "spec/sva/faults.h"
#include "spec/sva/tables.h"
#include "spec/sva/user_events.h"
#include "spec/sva/user_faults.h"

namespace iommucheck::spec::sva {

namespace {

/// Whether a call in progress may be ending it.
bool is_contested(const InterfaceState& s, const Waiting& fault) {
  if (s.tickets.overflowed()) return true;
  if (fault.user != 0) return may_end_users_fault(s, fault);
  const u32 number = s.find_number(fault.pasid);
  const u32 process = number == 0 ? 0 : s.numbers[number].space;
  bool contested = false;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    contested |= pending.kind == records::release_in_progress && pending.space == process;
    const bool of_device = ends_bonds(kind) || kind == CallKind::attach;
    contested |= of_device && s.moves_with(pending.device, fault.device);
    // The last of a domain takes the entry along.
    contested |= of_device && !s.per_device_tables;
    // A table of the RID's own has what it was bound to, and nothing else.
    contested |= kind == CallKind::attach_pasid && fault.bond == 0;
    contested |= kind == CallKind::fault_queue_close && pending.bond == fault.queue;
    contested |= kind == CallKind::fault_handler_set && pending.bond == fault.bond;
    contested |= kind == CallKind::recover;
  });
  return contested;
}

/// The process is alive, and the device bound to it: then nothing but a full queue is in the way.
bool is_routed(const InterfaceState& s, u32 device, u32 pasid) {
  const u32 bond = s.find_bond(device, pasid);
  if (bond == 0 || s.bonds[bond].state != BondState::active) return false;
  const Space& process = s.spaces[s.numbers[s.bonds[bond].number].space];
  return process.owner == Owner::process && process.life == records::living &&
         s.devices[device].ghosts == 0 && s.unseen == 0;
}

/// Recorded, and in nobody's hands: it is in its queue, or may be by now.
bool is_unread(const Waiting& fault) {
  return fault.state == FaultState::unread || fault.state == FaultState::reported;
}

/// Its reader has some of its pages, and with them its number.
bool is_half_read(const Waiting& fault) {
  return fault.state == FaultState::unread && fault.told != 0;
}

/// visit(index) of those of a queue, or that may be, the first recorded first.
template <class Visit>
void in_order(const InterfaceState& s, u32 queue, Visit visit) {
  const bool of_user = s.queues[queue].domain != 0;
  const auto its = [&](const Waiting& fault) {
    return fault.queue == queue || (of_user && fault.loose != 0);
  };
  s.in_order(s.waitings, its, visit);
}

bool was_given(const InterfaceState& s, u32 queue, u32 group) {
  return s.forest.lookup(s.queues[queue].given, group).mapped;
}

enum class HandlerOpen : u8 { no, perhaps, yes };

/// While its process exits a handler may have ended already.
HandlerOpen has_any_handler(const InterfaceState& s, u32 device) {
  HandlerOpen any = HandlerOpen::no;
  s.for_each_bond([&](u32 i) {
    const Bond& bond = s.bonds[i];
    if (bond.device != device || bond.handled == 0 || !is_callers(bond)) return;
    any = std::max(any, bond.state == BondState::active ? HandlerOpen::yes : HandlerOpen::perhaps);
  });
  return any;
}

std::string place_text(u32 device, u32 pasid) {
  return "device " + std::to_string(device) +
         (pasid == without_pasid ? " without a PASID" : ", PASID " + std::to_string(pasid));
}

u32 find_group(const InterfaceState& s, const Call& call) {
  const u32 queue = call.queue == 0 ? records::by_handler : s.find_queue(call.queue);
  u32 found = 0;
  if (queue == 0) return 0;
  s.for_each_waiting([&](u32 i) {
    const Waiting& fault = s.waitings[i];
    const bool has_number = fault.state == FaultState::read || is_half_read(fault);
    if (fault.queue == queue && has_number && fault.device == call.device &&
        fault.pasid == call.pasid && fault.group == call.group) {
      found = i;
    }
  });
  return found;
}

}  // namespace

// --- open ---

/// INTERFACE "Faults"; "Errors and their order".
Permitted permitted_queue_open(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  const bool of_device = call.device != no_device;
  if (of_device == (call.domain != 0)) {
    set.add(Reason::one_device_or_one_domain);
    if (of_device) judge_device(s, call, set);
    return set;
  }
  if (!of_device) return permitted_queue_open_of_domain(s, call, around);
  judge_device(s, call, set);
  if (call.depth == 0) set.add(Reason::no_group_has_a_place_in_it);
  if (!s.device_has_iommu(call.device)) return set;
  const bool asked = (s.devices[call.device].features & feature_iopf) != 0;
  if (!s.has_sva(call.device) || !asked) {
    set.add(Reason::faults_not_asked_for);
  }
  if (s.queue_of(call.device) != 0) set.add(Reason::the_device_has_a_queue);
  const HandlerOpen handler = has_any_handler(s, call.device);
  if (handler == HandlerOpen::yes) set.add(Reason::a_handler_has_its_faults);
  if (!set.empty()) return set;
  if (handler == HandlerOpen::perhaps) set.add(Reason::a_handler_has_its_faults);
  if (is_silenced(s, call.device)) set.add(Reason::it_would_silence_faults);
  set.add(Reason::done, ValueRule::new_handle);
  may_lack_memory(set, around);
  return set;
}

void apply_queue_open(InterfaceState& s, const Call& call, const Observed& observed) {
  if (observed.status != Status::ok) return;
  const u32 domain = call.device == no_device ? s.find(call.domain) : 0;
  const u32 index = s.queues.allocate(
      s.trail,
      {.handle = observed.value, .device = call.device, .depth = call.depth, .domain = domain});
  s.forest.erase(s.freed_queues, observed.value, observed.value);
  s.forest.insert(s.queue_at, {.first = observed.value, .last = observed.value, .tag = index});
  if (domain != 0) return queue_of_domain_opened(s, index);
  s.devices.edit(s.trail, call.device).was_read = 1;
  // Those that nobody has read yet may go there.
  enable_requests(s, call.device);
  s.for_each_waiting([&](u32 i) {
    if (s.waitings[i].queue != 0 || s.waitings[i].device != call.device) return;
    if (s.waitings[i].state == FaultState::begun) return;
    Waiting& fault = s.waitings.edit(s.trail, i);
    fault.queue = index;
    fault.unsure = 1;
  });
}

// --- read ---

/// Nothing to read is EAGAIN.
Permitted permitted_queue_read(const InterfaceState& s, const Call& call) {
  Permitted set;
  const u32 queue = s.find_queue(call.queue);
  if (queue == 0 || s.queues[queue].parent != 0) {
    set.add(Reason::no_such_queue);
    return set;
  }
  bool some = false;
  bool may_be_empty = true;
  in_order(s, queue, [&](u32 i) {
    const Waiting& fault = s.waitings[i];
    if (!is_unread(fault)) return true;
    some = true;
    const bool sure = fault.state == FaultState::unread && fault.unsure == 0;
    may_be_empty &= !sure || is_contested(s, fault);
    return true;
  });
  if (some) set.add(Reason::the_oldest_unread_group);
  if (may_be_empty) set.add(Reason::no_group_is_known_to_be_there);
  return set;
}

namespace {

/// What has no PASID may be told with 0 as well, which the answer has then.
bool is_place(const Waiting& fault, const FaultRecord& record) {
  const bool untagged = fault.pasid == without_pasid && record.pasid == 0;
  return fault.device == record.device && (fault.pasid == record.pasid || untagged);
}

/// The one that a record is of: whatever stands before it may not be there.
u32 find_read(const InterfaceState& s, u32 queue, const FaultRecord& record, std::string* why) {
  u32 found = 0;
  in_order(s, queue, [&](u32 i) {
    const Waiting& fault = s.waitings[i];
    if (!is_unread(fault)) return true;
    const GroupPage page = page_to_tell(s, fault);
    // Of one that an answer may have ended the rest went with it: another number is another's.
    const bool another = is_half_read(fault) && fault.unsure != 0 && record.group != fault.group;
    const bool same =
        is_place(fault, record) && is_page(page, record.iova, record.prot) && !another;
    if (same) {
      found = i;
      return false;
    }
    if (fault.unsure != 0 || is_contested(s, fault)) return true;
    if (why != nullptr) {
      *why = "the oldest unread is of " + place_text(fault.device, fault.pasid) + ", " +
             hex(page.iova) + ", prot " + hex(page.prot);
    }
    return false;
  });
  return found;
}

}  // namespace

std::string check_fault(const InterfaceState& s, const Call& call, const FaultRecord& record) {
  const u32 queue = s.find_queue(call.queue);
  std::string why = "no access waits that it could be of";
  const u32 index = find_read(s, queue, record, &why);
  if (index == 0) return why;
  const Waiting& fault = s.waitings[index];
  if (is_half_read(fault)) {
    if (record.group != fault.group) {
      return "it is a page of group " + std::to_string(fault.group) + ", which has no other number";
    }
  } else if (was_given(s, queue, record.group)) {
    return "the queue gave group " + std::to_string(record.group) +
           " before: a late answer would be one to this";
  }
  // Accesses that stall are groups of one.
  if (record.last == page_to_tell(s, fault).last) return "";
  return record.last ? "it is said to be the last of its group, which has further pages"
                     : "it is not said to be the last of its group";
}

std::optional<FaultRecord> oldest_fault(const InterfaceState& s, u64 handle) {
  std::optional<FaultRecord> oldest;
  const u32 queue = s.find_queue(handle);
  if (queue == 0) return oldest;
  in_order(s, queue, [&](u32 i) {
    const Waiting& fault = s.waitings[i];
    if (!is_unread(fault)) return true;
    const GroupPage page = page_to_tell(s, fault);
    oldest = {.device = fault.device,
              .pasid = fault.pasid,
              .iova = page.iova,
              .prot = page.prot,
              .group = fault.group,
              .last = page.last};
    return false;
  });
  return oldest;
}

void apply_queue_read(InterfaceState& s, const Call& call, const Observed& observed) {
  if (observed.status != Status::ok) return;
  const u32 queue = s.find_queue(call.queue);
  const u32 index = find_read(s, queue, observed.fault, nullptr);
  if (index == 0) return;
  const u64 order = s.waitings[index].order;
  s.for_each_waiting([&](u32 i) {
    const Waiting& fault = s.waitings[i];
    if (fault.queue == queue && fault.order < order && is_unread(fault)) drop_group(s, i);
  });
  Waiting& fault = s.waitings.edit(s.trail, index);
  fault.state = FaultState::unread;
  fault.unsure = 0;
  fault.queue = queue;
  fault.user = s.queues[queue].domain;
  fault.pasid = observed.fault.pasid;
  fault.loose = 0;
  fault.group = observed.fault.group;
  const bool first = fault.told == 0;
  tell_page(s, index);
  if (!first) return;
  s.forest.insert(s.queues.edit(s.trail, queue).given,
                  {.first = observed.fault.group, .last = observed.fault.group});
}

// --- respond ---

/// By (device, PASID, group), once; anything else is EINVAL.
Permitted permitted_respond(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  // Without a queue: what a handler was given.
  if (call.queue != 0 && s.find_queue(call.queue) == 0) set.add(Reason::no_such_queue);
  if (!s.device_exists(call.device)) {
    set.add(Reason::no_such_device);
    set.add(Reason::no_group_of_such_a_device);
  }
  if (call.response > response_last) set.add(Reason::no_such_answer);
  if (!set.empty()) return set;
  const u32 index = find_group(s, call);
  const bool open =
      index == 0 || s.waitings[index].unsure != 0 || is_contested(s, s.waitings[index]);
  if (open) set.add(Reason::no_such_group);
  if (index == 0) return set;
  set.add(Reason::the_group_waits);
  may_time_out(set, around);
  return set;
}

void begin_respond(const InterfaceState& s, const Call& call, Pending& pending) {
  if (call.response > response_last) return;
  pending.bond = find_group(s, call);
  pending.flags = call.response;
}

void apply_respond(InterfaceState& s, const Call& call, Status status) {
  const u32 index = find_group(s, call);
  if (index == 0 || !ended(status)) return;
  const bool fails = s.waitings[index].request != 0 && call.response == response_failure;
  if (fails) disable_requests(s, call.device, status == Status::ok);
  if (status == Status::ok) {
    drop_group(s, index);
  } else {
    s.waitings.edit(s.trail, index).unsure = 1;
  }
}

std::optional<StallName> stall_of(const InterfaceState& s, const Call& call) {
  const u32 index = find_group(s, call);
  if (index == 0) return std::nullopt;
  return StallName{s.waitings[index].sid, s.waitings[index].stag};
}

// --- close ---

Permitted permitted_queue_close(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  if (s.find_queue(call.queue) == 0) {
    set.add(Reason::no_such_queue);
    return set;
  }
  set.add(Reason::done);
  may_time_out(set, around);
  return set;
}

void begin_queue_close(const InterfaceState& s, const Call& call, Pending& pending) {
  pending.bond = s.find_queue(call.queue);
}

namespace {

/// What nobody has read is the next queue's, or nobody's.
void close_queue(InterfaceState& s, u32 index) {
  s.for_each_waiting([&](u32 i) {
    if (s.waitings[i].queue != index) return;
    if (s.waitings[i].state == FaultState::reported || s.waitings[i].loose != 0) {
      s.waitings.edit(s.trail, i).queue = 0;
    } else {
      drop_group(s, i);
    }
  });
  if (s.queues[index].parent != 0) forget_events_of(s, s.queues[index].parent);
  Queue& queue = s.queues.edit(s.trail, index);
  s.forest.erase(s.queue_at, queue.handle, queue.handle);
  s.forest.clear(queue.given);
  queue = {};
  s.queues.release(s.trail, index);
}

}  // namespace

void apply_queue_close(InterfaceState& s, const Call& call, Status status) {
  const u32 index = s.find_queue(call.queue);
  if (index == 0 || !ended(status)) return;
  close_queue(s, index);
  s.forest.insert(s.freed_queues, {.first = call.queue, .last = call.queue});
}

void close_queues_of(InterfaceState& s, u32 device) {
  while (const u32 index = s.queue_of(device)) close_queue(s, index);
}

// --- the handler of a device and PASID ---

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
      const bool its = fault.device == told.device && fault.pasid == told.pasid &&
                       (fault.queue == 0 || fault.queue == records::by_handler);
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

// --- devices and the IOMMU ---

namespace {

u32 find_named(const InterfaceState& s, u32 sid, u32 stag) {
  u32 index = 0;
  s.for_each_waiting([&](u32 i) {
    if (s.waitings[i].sid == sid && s.waitings[i].stag == stag) index = i;
  });
  return index;
}

/// It is whole: to whom it goes, and whether that is known.
void appears(InterfaceState& s, u32 index) {
  s.trail.set(s.faults_seen, s.faults_seen + 1);
  Waiting& fault = s.waitings.edit(s.trail, index);
  fault.order = s.faults_seen;
  fault.state = FaultState::reported;
  const bool handled = fault.bond != 0 && s.bonds[fault.bond].handled != 0;
  fault.queue = fault.user != 0 ? s.queue_of_domain(fault.user)
                : handled       ? records::by_handler
                                : s.queue_of(fault.device);
  u32 before = 0;
  s.for_each_waiting([&](u32 i) {
    const bool other = i != index && s.waitings[i].queue == fault.queue;
    if (other && is_unread(s.waitings[i])) ++before;
  });
  const bool tight = fault.queue != 0 && !handled && before >= s.queues[fault.queue].depth;
  fault.tight = tight ? 1 : 0;
  const bool routed = fault.user != 0 ? fault.loose == 0 : is_routed(s, fault.device, fault.pasid);
  if (!routed || is_contested(s, fault)) fault.unsure = 1;
}

/// The first page of a group, or a stall.
u32 begins(InterfaceState& s, const FaultRecord& fault, u32 sid, u32 stag) {
  s.trail.set(s.faults_seen, s.faults_seen + 1);
  return s.waitings.allocate(s.trail, {.order = s.faults_seen,
                                       .iova = fault.iova,
                                       .device = fault.device,
                                       .pasid = fault.pasid,
                                       .prot = fault.prot,
                                       .state = FaultState::begun,
                                       .bond = s.find_bond(fault.device, fault.pasid),
                                       .sid = sid,
                                       .stag = stag});
}

}  // namespace

u64 fault_waits(InterfaceState& s, const FaultRecord& fault, u32 sid, u32 stag, bool outer) {
  // What had the name before has ended.
  if (const u32 before = find_named(s, sid, stag)) drop_group(s, before);
  if (!s.device_exists(fault.device)) return 0;
  bool loose = false;
  const u32 user = outer ? 0 : users_domain_met(s, fault.device, fault.pasid, &loose);
  if (user == 0 && fault.pasid == without_pasid) return 0;  // the host's own, which it ends
  const u32 index = begins(s, fault, sid, stag);
  Waiting& waiting = s.waitings.edit(s.trail, index);
  waiting.user = user;
  waiting.loose = loose ? 1 : 0;
  appears(s, index);
  return user != 0 ? s.waitings[index].order : 0;
}

void page_is_requested(InterfaceState& s, const FaultRecord& fault, u32 sid, u32 name) {
  u32 index = find_named(s, sid, name);
  const bool goes_on = index != 0 && s.waitings[index].state == FaultState::begun;
  // What had the name before has ended.
  if (index != 0 && !goes_on) drop_group(s, index);
  if (!s.device_exists(fault.device)) return;
  if (goes_on) {
    add_page(s, index, fault.iova, fault.prot);
  } else {
    index = begins(s, fault, sid, name);
  }
  const u32 bond = s.find_bond(fault.device, fault.pasid);
  Waiting& group = s.waitings.edit(s.trail, index);
  group.request = 1;
  const bool same = group.bond == bond && is_routed(s, fault.device, fault.pasid);
  if (!same || is_contested(s, group)) group.unsure = 1;
  group.bond = bond;
  if (fault.last) appears(s, index);
}

void begun_groups_are_lost(InterfaceState& s) {
  s.for_each_waiting([&](u32 i) {
    if (s.waitings[i].state == FaultState::begun) drop_group(s, i);
  });
}

namespace {

/// Of an event of what waits: its fault queue surely has it, or who knows.
void judge_events_that_wait(InterfaceState& s) {
  const auto is_taken = [&](const Waiting& fault) {
    const bool there = fault.state == FaultState::unread || fault.state == FaultState::read;
    return there && fault.queue != 0 && fault.unsure == 0 && !is_contested(s, fault);
  };
  s.for_each_user_event([&](u32 i) {
    const u64 waits = s.user_events[i].waits;
    if (waits == 0 || s.user_events[i].state != EventState::reported) return;
    bool taken = false;
    s.for_each_waiting(
        [&](u32 k) { taken |= s.waitings[k].order == waits && is_taken(s.waitings[k]); });
    event_that_waits_is_read(s, i, taken);
  });
}

}  // namespace

/// Without a queue whoever handles the process's faults has answered.
void faults_are_read(InterfaceState& s, bool of_events, bool of_requests) {
  const auto is_read = [&](const Waiting& fault) {
    return fault.request != 0 ? of_requests : of_events;
  };
  s.for_each_waiting([&](u32 i) {
    if (!is_read(s.waitings[i])) return;
    if (s.waitings[i].state == FaultState::begun) {
      s.waitings.edit(s.trail, i).seen = 1;
      return;
    }
    if (s.waitings[i].queue == 0 && !may_be_of_some_user(s, s.waitings[i])) {
      return drop_group(s, i);
    }
    const bool owed =
        s.waitings[i].queue == records::by_handler && s.waitings[i].state == FaultState::reported;
    if (owed) s.waitings.edit(s.trail, i).state = FaultState::unread;
  });
  for (u32 queue = 1; queue < s.queues.bound(); ++queue) {
    if (s.queues[queue].handle == 0) continue;
    u32 sure = 0;
    u32 unsure = 0;
    in_order(s, queue, [&](u32 i) {
      const Waiting& fault = s.waitings[i];
      if (fault.state == FaultState::reported && !is_read(fault)) {
        ++unsure;  // it may have been read along, and stands in the queue
      } else if (fault.state == FaultState::reported) {
        Waiting& now = s.waitings.edit(s.trail, i);
        const bool refused = now.unsure == 0 && sure >= s.queues[queue].depth;
        now.state = refused ? FaultState::refused : FaultState::unread;
        if (!refused && sure + unsure >= s.queues[queue].depth) now.unsure = 1;
      }
      // Whether it counts while some of its pages were read is the driver's choice; and whether it
      // is there still while its process goes, or its device does.
      const bool open = fault.unsure != 0 || fault.told != 0 || is_contested(s, fault);
      if (fault.state == FaultState::unread) ++(open ? unsure : sure);
      return true;
    });
  }
  if (!of_events) return;
  judge_events_that_wait(s);
  events_are_read(s);
}

void forget_refused(InterfaceState& s) {
  s.for_each_waiting([&](u32 i) {
    if (s.waitings[i].state == FaultState::refused) drop_group(s, i);
  });
}

/// Several of one page that want the same are not told apart.
void process_answered(InterfaceState& s, const FaultRecord& fault, bool again) {
  constexpr unsigned page_lg2 = 12;
  const auto is_it = [&](const Waiting& one) {
    return one.queue == 0 && one.request == 0 && one.device == fault.device &&
           one.pasid == fault.pasid && one.iova >> page_lg2 == fault.iova >> page_lg2;
  };
  u32 count = 0;
  s.for_each_waiting([&](u32 i) { count += is_it(s.waitings[i]) ? 1 : 0; });
  const ProcessAnswer said = again ? ProcessAnswer::again : ProcessAnswer::no;
  s.for_each_waiting([&](u32 i) {
    if (!is_it(s.waitings[i])) return;
    s.waitings.edit(s.trail, i).process = count == 1 ? said : ProcessAnswer::unknown;
  });
}

namespace {

/// Without queue and handler the process's own handler is asked, and what it says is done.
std::string against_the_process(const Waiting& fault, bool again, bool alone) {
  switch (fault.process) {
    case ProcessAnswer::none:
      return alone ? "is ended, and the process's own handler (handle_fault) was not asked" : "";
    case ProcessAnswer::no:
      return again ? "is made again, though the process's own handler said \"invalid\"" : "";
    case ProcessAnswer::again:
      return again ? "" : "is aborted, though the process's own handler said \"success\"";
    case ProcessAnswer::unknown: break;
  }
  return {};
}

}  // namespace

Verdict fault_resumed(InterfaceState& s, u32 sid, u32 stag, u32 response, bool alone) {
  const u32 index = find_named(s, sid, stag);
  if (index == 0) return {};
  const Waiting fault = s.waitings[index];
  const auto broken = [&](const std::string& what) {
    return Verdict{.ok = false,
                   .rule = rule::FAULT_ANSWERED,
                   .message = "the access of " + place_text(fault.device, fault.pasid) + ", at " +
                              hex(fault.iova) + " " + what};
  };
  const bool again = response == response_success;
  bool answered = false;
  bool as_said = false;
  s.tickets.for_each([&](const Pending& pending) {
    if (pending.kind != static_cast<u32>(CallKind::fault_queue_respond)) return;
    if (pending.bond != index) return;
    answered = true;
    // The two that end it are one to what stalls.
    const bool loose = fault.request == 0 || response == response_ended;
    as_said |= loose ? again == (pending.flags == response_success) : response == pending.flags;
  });
  const bool begun = fault.state == FaultState::begun;
  if (begun && fault.unsure == 0 && !is_contested(s, fault)) {
    s.count(rule::FAULT_ANSWERED);
    drop_group(s, index);
    return broken("is of a group that is answered before its last page has come");
  }
  const bool is_sure = fault.unsure == 0 && !is_contested(s, fault);
  const bool asked_for = (s.devices[fault.device].features & feature_iopf) != 0;
  if (fault.queue == 0 && fault.request == 0 && is_sure && asked_for &&
      is_routed(s, fault.device, fault.pasid)) {
    s.count(rule::FAULT_ANSWERED);
    drop_group(s, index);
    const std::string what = against_the_process(fault, again, alone);
    return what.empty() ? Verdict{} : broken(what);
  }
  if (fault.queue == 0 || !is_sure) {
    if (!answered) drop_group(s, index);  // else the end of that call does
    // What nobody's answer ends is no failure, which would switch off what others need.
    const bool fails = fault.request != 0 && response == response_failure && !answered;
    if (fails && fault.unsure == 0) {
      return broken("ends with \"failure\", and no user has said so");
    }
    return {};
  }
  s.count(rule::FAULT_ANSWERED);
  if (fault.state == FaultState::refused ||
      (fault.state == FaultState::reported && fault.tight != 0)) {
    s.count(rule::FAULT_REFUSED);
    drop_group(s, index);
    if (again) return broken("found its queue full, and is made again instead of \"invalid\"");
    if (fault.request != 0 && response == response_failure) {
      return broken("found its queue full, and has \"failure\" instead of \"invalid\"");
    }
    return {};
  }
  if (!answered) return broken("is ended, though its user has not answered");
  if (!as_said) {
    if (again) return broken("is made again, though its user said no");
    return broken(response == response_failure
                      ? "has \"failure\", though its user said something else"
                      : "is aborted, though its user said something else");
  }
  return {};
}

// --- ends ---

void a_call_begins(InterfaceState& s) {
  s.for_each_waiting([&](u32 i) {
    const Waiting& fault = s.waitings[i];
    if (fault.state != FaultState::reported || fault.tight == 0 || fault.unsure != 0) return;
    s.waitings.edit(s.trail, i).unsure = 1;
  });
}

namespace {

/// Others are bound to the process in the device's table: what came while its own unbind ran may
/// have come behind the end of what waited.
bool reaches_by_others(const InterfaceState& s, const Waiting& fault) {
  return !s.per_device_tables && s.find_number(fault.pasid) != 0;
}

/// The device meets the process by the living bond of another, in each table that it may look
/// into: until then a group that was read is its reader's to answer.
bool meets_others(const InterfaceState& s, const Waiting& fault) {
  const u32 domain = s.devices[fault.device].domain;
  if (s.per_device_tables || domain == 0 || s.devices[fault.device].ghosts != 0) return false;
  bool in_each = true;
  for_each_table(s, fault.device, domain, true, [&](const EntryTable& table) {
    bool stands_there = false;
    for (u32 other = 0; other < s.devices.size(); ++other) {
      if (!is_routed(s, other, fault.pasid)) continue;
      const u32 its_domain = s.bonds[s.find_bond(other, fault.pasid)].domain;
      stands_there |= stands(s, table, fault.device, other, its_domain, true) == Stands::yes;
    }
    in_each &= stands_there;
  });
  return in_each;
}

}  // namespace

void end_faults(InterfaceState& s) {
  s.for_each_waiting([&](u32 i) {
    const Waiting& fault = s.waitings[i];
    if (!s.device_exists(fault.device)) return drop_group(s, i);
    if (fault.user != 0) return end_users_fault(s, i);
    if (fault.bond == 0) {
      if (fault.unsure == 0 && !meets_others(s, fault)) s.waitings.edit(s.trail, i).unsure = 1;
      return;
    }
    const Bond& bond = s.bonds[fault.bond];
    const bool its = bond.number != 0 && bond.device == fault.device &&
                     s.numbers[bond.number].value == fault.pasid;
    if (!its || bond.state == BondState::ended) {
      if (fault.unsure == 0 || !reaches_by_others(s, fault)) return drop_group(s, i);
      s.waitings.edit(s.trail, i).bond = 0;
      return;
    }
    const u32 life = s.spaces[s.numbers[bond.number].space].life;
    if (life == records::dead) return drop_group(s, i);
    const bool open = bond.state == BondState::ghost || life == records::zombie;
    if (open && fault.unsure == 0) s.waitings.edit(s.trail, i).unsure = 1;
  });
}

}  // namespace iommucheck::spec::sva
