// SPDX-License-Identifier: MIT
#include "spec/sva/recorded_faults.h"

#include "base/text.h"
#include "spec/rules/interface.h"
#include "spec/sva/fault_groups.h"
#include "spec/sva/faults.h"
#include "spec/sva/nested.h"
#include "spec/sva/tables.h"
#include "spec/sva/user_events.h"
#include "spec/sva/user_faults.h"
#include "spec/sva/waiting_faults.h"

namespace iommucheck::spec::sva {

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
  fault.queue = fault.user != 0 ? s.queue_of_domain(fault.user) : reader_of(s, fault);
  const bool handled = fault.queue == records::by_handler;
  u32 before = 0;
  s.for_each_waiting([&](u32 i) {
    const bool other = i != index && may_be_in(s, fault.queue, s.waitings[i]);
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
    if (s.waitings[i].queue == 0 && !may_be_somebodys(s, s.waitings[i])) {
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
    const bool may_be = one.queue == 0 || one.loose != 0;
    return may_be && one.request == 0 && one.device == fault.device && one.pasid == fault.pasid &&
           one.iova >> page_lg2 == fault.iova >> page_lg2;
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

/// What its device was to be moved to is out of the question: it may be of the process.
bool is_the_hosts_again(const InterfaceState& s, const Waiting& fault) {
  const bool stays = parent_of(s, s.devices[fault.device].domain) == 0;
  return fault.loose != 0 && fault.bond != 0 && stays && !is_on_the_move(s, fault.device);
}

void belongs_to_process(InterfaceState& s, u32 index) {
  Waiting& fault = s.waitings.edit(s.trail, index);
  fault.user = fault.loose = 0;
  fault.unsure = 1;
  fault.queue = reader_of(s, fault);
}

}  // namespace

void end_faults(InterfaceState& s) {
  s.for_each_waiting([&](u32 i) {
    const Waiting& fault = s.waitings[i];
    if (!s.device_exists(fault.device)) return drop_group(s, i);
    if (fault.user != 0) {
      if (!is_the_hosts_again(s, fault)) return end_users_fault(s, i);
      belongs_to_process(s, i);
    }
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
