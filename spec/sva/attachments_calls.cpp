// SPDX-License-Identifier: MIT
#include "spec/sva/attachments_calls.h"

#include "spec/sva/attachments.h"
#include "spec/sva/devices.h"
#include "spec/sva/done.h"
#include "spec/sva/nested.h"
#include "spec/sva/numbers.h"
#include "spec/sva/user_events.h"

namespace iommucheck::spec::sva {

namespace {

bool passes_at_pasid(const InterfaceState& s, u32 device) {
  return device >= s.constants.size() ? s.routes_identity : s.constants[device].passes_at_pasid;
}

}  // namespace

// --- attach_pasid ---

/// INTERFACE "Attach"; "Errors and their order": ENODEV; EINVAL, EOPNOTSUPP; EBUSY; ENOMEM. For
/// attach_pasid the number is a plain one that the device can send.
Permitted permitted_attach_pasid(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  const u32 domain = s.find(call.domain);
  if (domain == 0) {
    set.add(Reason::no_such_domain);
  } else if (is_dynamic(s.spaces[domain])) {
    set.add(Reason::no_iommu_ever_walks_a_dynamic_domain);
  } else if (is_of_kind(s, domain, DomainKind::identity) && !passes_at_pasid(s, call.device)) {
    set.add(Reason::identity_at_a_pasid);
  } else if (!s.routes_users && is_behind_stage2(s, domain)) {
    set.add(Reason::no_entry_leads_to_stage_2);
  }
  if (call.pasid == 0 && s.keeps_pasid_0) set.add(Reason::pasid_0_is_kept);
  const Holders holders = holders_of(s, call.pasid);
  if (holders.nobody) set.add(Reason::the_number_is_nobodys);
  if (holders.others) set.add(Reason::a_process_or_an_io_mm_has_the_number);
  if (!s.device_has_iommu(call.device)) return set;
  if (is_behind_another_iommu(s, domain, call.device)) set.add(Reason::behind_another_iommu);
  if (s.constants[call.device].grouped) set.add(Reason::a_group_has_no_pasids);
  if (!s.can_send(call.device, call.pasid)) set.add(Reason::the_device_cannot_send_it);
  const u32 of_rid = s.devices[call.device].domain;
  if (of_rid == 0) set.add(Reason::the_rid_is_not_attached);
  if (!s.routes_users && is_behind_stage2(s, of_rid)) {
    // Of a user's one CD either may be said.
    if (is_nested(s.spaces[of_rid])) set.add(Reason::the_user_has_the_pasid_table);
    if (!has_users_pasid_table(s, of_rid)) set.add(Reason::no_pasids_beside_stage_2);
  }
  const bool refused = !set.empty();
  if (s.limits_are_the_drivers) set.add(Reason::the_device_cannot_send_it);
  if (refused) return set;
  const u32 at = find_attachment(s, call.device, s.find_number(call.pasid));
  const bool again = at != 0 && s.attachments[at].domain == domain && s.attachments[at].ghosts == 0;
  set.add(again     ? Reason::the_same_domain_again
          : at != 0 ? Reason::attach_replaces
                    : Reason::first_attach);
  may_lack_memory(set, around);
  if (!again) may_time_out(set, around);
  return set;
}

void begin_attach_pasid(const InterfaceState& s, const Call& call, Pending& pending) {
  if (!permitted_attach_pasid(s, call, {}).has(Status::ok)) return;
  pending.space = s.find(call.domain);
  pending.drvdata = s.find_number(call.pasid);
}

/// The first one gives the RID a table of its own. A time-out leaves either, and the same domain
/// again does nothing: what an earlier time-out left open stays open until recovery, as `attach`
/// has it.
void apply_attach_pasid(InterfaceState& s, const Call& call, Status status) {
  if (!ended(status)) return;
  const u32 domain = s.find(call.domain);
  const u32 number = s.find_number(call.pasid);
  u32 at = find_attachment(s, call.device, number);
  if (at == 0) at = s.attachments.allocate(s.trail, {.device = call.device, .number = number});
  if (s.attachments[at].domain == domain) return;
  device_of_events_moves(s, call.device);
  note_users_device(s, domain);
  if (status == Status::ok) {
    set_domain(s, at, domain);
    belongs_to_iommu_of(s, domain, call.device);
    forget_ghosts(s, at);
    unsay_done(s, call.device, call.pasid);
  } else {
    may_lead_to(s, at, domain);
  }
  using records::OwnTable;
  const OwnTable before = s.devices[call.device].own_table;
  const OwnTable now = status == Status::ok ? OwnTable::yes : OwnTable::either;
  if (s.per_device_tables || before == OwnTable::yes || before == now) return;
  s.devices.edit(s.trail, call.device).own_table = now;
}

// --- detach_pasid ---

Permitted permitted_detach_pasid(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  const u32 domain = s.find(call.domain);
  if (domain == 0) set.add(Reason::no_such_domain);
  const bool its = attached_domain(s, call.device, s.find_number(call.pasid)) == domain;
  if (domain != 0 && !its) set.add(Reason::the_domain_is_not_at_that_pasid);
  if (!set.empty()) return set;
  set.add(Reason::the_domain_is_at_that_pasid);
  may_time_out(set, around);
  return set;
}

void begin_detach_pasid(const InterfaceState& s, const Call& call, Pending& pending) {
  if (!permitted_detach_pasid(s, call, {}).has(Status::ok)) return;
  pending.space = s.find(call.domain);
  pending.drvdata = s.find_number(call.pasid);
}

/// After a time-out it is detached for the caller, and no more.
void apply_detach_pasid(InterfaceState& s, const Call& call, Status status) {
  if (!ended(status)) return;
  device_of_events_moves(s, call.device);
  const u32 at = find_attachment(s, call.device, s.find_number(call.pasid));
  end_attachment(s, at, status == Status::etimedout);
}

}  // namespace iommucheck::spec::sva
