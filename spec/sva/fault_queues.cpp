// SPDX-License-Identifier: MIT
#include "spec/sva/fault_queues.h"

#include <algorithm>

#include "base/text.h"
#include "spec/sva/devices.h"
#include "spec/sva/fault_groups.h"
#include "spec/sva/faults.h"
#include "spec/sva/user_events.h"
#include "spec/sva/user_faults.h"
#include "spec/sva/waiting_faults.h"

namespace iommucheck::spec::sva {

namespace {

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
    if (s.waitings[i].state == FaultState::begun || is_users(s.waitings[i])) return;
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

}  // namespace iommucheck::spec::sva
