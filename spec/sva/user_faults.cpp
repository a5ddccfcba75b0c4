// SPDX-License-Identifier: MIT
#include "spec/sva/user_faults.h"

#include "spec/sva/fault_groups.h"
#include "spec/sva/nested.h"
#include "spec/sva/user_events.h"

namespace iommucheck::spec::sva {

// --- open ---

Permitted permitted_queue_open_of_domain(const InterfaceState& s, const Call& call,
                                         Circumstances around) {
  Permitted set;
  const u32 domain = s.find(call.domain);
  if (parent_of(s, domain) == 0) set.add(Reason::no_users_domain);
  if (call.depth == 0) set.add(Reason::no_group_has_a_place_in_it);
  if (s.queue_of_domain(domain) != 0) set.add(Reason::the_domain_has_a_queue);
  if (!set.empty()) return set;
  set.add(Reason::the_backend_may_not_have_it);
  // Where none of them waits nobody could ever read one.
  if (!s.users_wait) return set;
  set.add(Reason::done, ValueRule::new_handle);
  may_lack_memory(set, around);
  return set;
}

void queue_of_domain_opened(InterfaceState& s, u32 queue) {
  const u32 domain = s.queues[queue].domain;
  s.for_each_waiting([&](u32 i) {
    if (s.waitings[i].queue != 0 || s.waitings[i].user != domain) return;
    Waiting& fault = s.waitings.edit(s.trail, i);
    fault.queue = queue;
    fault.unsure = 1;
  });
  events_of_user_may_wait(s, parent_of(s, domain));
}

// --- whose they are ---

/// Where PASIDs are the host's none of a user's waits.
u32 users_domain_met(const InterfaceState& s, u32 device, u32 pasid, bool* loose) {
  if (s.routes_users && pasid != without_pasid) return 0;
  u32 met = s.devices[device].domain;
  *loose = is_on_the_move(s, device);
  for_each_domain_ahead(s, device, [&](u32 domain) {
    if (parent_of(s, met) == 0 && parent_of(s, domain) != 0) met = domain;
  });
  const u32 users = parent_of(s, met) != 0 ? met : 0;
  *loose &= users != 0;
  return users;
}

// --- what ends them ---

bool may_end_users_fault(const InterfaceState& s, const Waiting& fault) {
  bool may = false;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    // One that is removed drops its bonds meanwhile, if it had any.
    const bool moves = kind == CallKind::attach || ends_bonds(kind);
    may |= moves && s.moves_with(pending.device, fault.device);
    may |= kind == CallKind::fault_queue_close && pending.bond == fault.queue;
    may |= kind == CallKind::recover;
  });
  return may;
}

void end_users_fault(InterfaceState& s, u32 index) {
  const Waiting& fault = s.waitings[index];
  const u32 domain = s.devices[fault.device].domain;
  const bool moves = is_on_the_move(s, fault.device);
  if (domain == fault.user && !moves) return;
  const bool open = moves || (fault.loose != 0 && parent_of(s, domain) != 0);
  if (!open) return drop_group(s, index);
  if (fault.unsure == 0) s.waitings.edit(s.trail, index).unsure = 1;
}

}  // namespace iommucheck::spec::sva
