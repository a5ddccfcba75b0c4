// SPDX-License-Identifier: MIT
#include "spec/sva/attachments.h"

#include "spec/sva/devices.h"
#include "spec/sva/domains.h"
#include "spec/sva/duties.h"
#include "spec/sva/layers.h"
#include "spec/sva/nested.h"
#include "spec/sva/pasids.h"
#include "spec/sva/promises.h"

namespace iommucheck::spec::sva {

namespace {

bool is_of_kind(const InterfaceState& s, u32 domain, DomainKind kind) {
  return s.spaces[domain].kind == static_cast<u32>(kind);
}

/// Index of what the device has at the number, of a record that a time-out left too; 0: nothing.
u32 find_attachment(const InterfaceState& s, u32 device, u32 number) {
  u32 found = 0;
  s.for_each_attachment([&](u32 i) {
    if (s.attachments[i].device == device && s.attachments[i].number == number) found = i;
  });
  return found;
}

/// The domain that the caller has attached there, 0: none.
u32 attached_domain(const InterfaceState& s, u32 device, u32 number) {
  const u32 at = number == 0 ? 0 : find_attachment(s, device, number);
  return at == 0 ? 0 : s.attachments[at].domain;
}

void may_lead_to(InterfaceState& s, u32 at, u32 domain) {
  for (u32 g = s.attachments[at].ghosts; g != 0; g = s.ghosts[g].next) {
    if (s.ghosts[g].domain == domain) return;
  }
  const u32 g = s.ghosts.allocate(s.trail, {.domain = domain, .next = s.attachments[at].ghosts});
  s.attachments.edit(s.trail, at).ghosts = g;
  ++s.spaces.edit(s.trail, domain).ghosts;
}

void forget_ghosts(InterfaceState& s, u32 at) {
  while (s.attachments[at].ghosts != 0) {
    const u32 g = s.attachments[at].ghosts;
    s.attachments.edit(s.trail, at).ghosts = s.ghosts[g].next;
    --s.spaces.edit(s.trail, s.ghosts[g].domain).ghosts;
    s.ghosts.release(s.trail, g);
  }
}

void set_domain(InterfaceState& s, u32 at, u32 domain) {
  const u32 before = s.attachments[at].domain;
  if (before != 0) --s.spaces.edit(s.trail, before).devices;
  if (domain != 0) ++s.spaces.edit(s.trail, domain).devices;
  s.attachments.edit(s.trail, at).domain = domain;
}

/// Gone for the caller.
void end_attachment(InterfaceState& s, u32 at, bool timed_out) {
  const u32 domain = s.attachments[at].domain;
  set_domain(s, at, 0);
  if (timed_out) {
    if (domain != 0) may_lead_to(s, at, domain);
    return;
  }
  forget_ghosts(s, at);
  s.attachments.edit(s.trail, at).number = 0;
  s.attachments.release(s.trail, at);
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
  } else if (!s.routes_identity && is_of_kind(s, domain, DomainKind::identity)) {
    set.add(Reason::identity_at_a_pasid);
  } else if (!s.routes_users && is_behind_stage2(s, domain)) {
    set.add(Reason::no_entry_leads_to_stage_2);
  }
  if (call.pasid == 0 && s.keeps_pasid_0) set.add(Reason::pasid_0_is_kept);
  const Holders holders = holders_of(s, call.pasid);
  if (holders.nobody) set.add(Reason::the_number_is_nobodys);
  if (holders.others) set.add(Reason::a_process_or_an_io_mm_has_the_number);
  if (!s.device_has_iommu(call.device)) return set;
  const u32 bits = s.constants[call.device].ssid_bits;
  if (s.constants[call.device].grouped) set.add(Reason::a_group_has_no_pasids);
  // Without PASIDs 0 is none either.
  if (bits == 0 || (u64{call.pasid} >> bits) != 0) set.add(Reason::the_device_cannot_send_it);
  const u32 of_rid = s.devices[call.device].domain;
  if (of_rid == 0) set.add(Reason::the_rid_is_not_attached);
  if (!s.routes_users && is_behind_stage2(s, of_rid)) {
    set.add(is_nested(s.spaces[of_rid]) ? Reason::the_user_has_the_pasid_table
                                        : Reason::no_pasids_beside_stage_2);
  }
  if (!set.empty()) return set;
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
  note_users_device(s, domain);
  if (status == Status::ok) {
    set_domain(s, at, domain);
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
  const u32 at = find_attachment(s, call.device, s.find_number(call.pasid));
  end_attachment(s, at, status == Status::etimedout);
}

// --- Asked ---

bool is_attached(const InterfaceState& s, u32 number) {
  bool found = false;
  s.for_each_attachment(
      [&](u32 i) { found |= s.attachments[i].number == number && s.attachments[i].domain != 0; });
  return found;
}

bool may_be_attached(const InterfaceState& s, u32 number) {
  bool found = false;
  s.for_each_attachment([&](u32 i) { found |= s.attachments[i].number == number; });
  return found;
}

namespace {

/// visit(pending) for attach_pasid and detach_pasid in progress there.
template <class Visit>
void for_each_call_at(const InterfaceState& s, u32 device, u32 number, Visit visit) {
  if (number == 0) return;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool moves = kind == CallKind::attach_pasid || kind == CallKind::detach_pasid;
    if (!moves || pending.space == 0 || pending.device != device) return;
    if (pending.drvdata == number) visit(pending);
  });
}

}  // namespace

bool may_reach_attached(const InterfaceState& s, u32 device, u32 number) {
  bool found = find_attachment(s, device, number) != 0;
  for_each_call_at(s, device, number, [&](const Pending&) { found = true; });
  return found;
}

bool has_attachments(const InterfaceState& s, u32 device) {
  bool found = false;
  s.for_each_attachment(
      [&](u32 i) { found |= s.attachments[i].device == device && s.attachments[i].domain != 0; });
  return found;
}

u32 domain_at(const InterfaceState& s, u32 device, u32 pasid) {
  return attached_domain(s, device, s.find_number(pasid));
}

// --- What ends with something else ---

void rid_moved(InterfaceState& s, u32 device, bool timed_out) {
  using records::OwnTable;
  const OwnTable before = s.devices[device].own_table;
  if (before == OwnTable::no || has_attachments(s, device)) return;
  s.devices.edit(s.trail, device).own_table = timed_out ? OwnTable::either : OwnTable::no;
}

void end_attachments_of(InterfaceState& s, u32 device, bool timed_out) {
  s.for_each_attachment([&](u32 i) {
    if (s.attachments[i].device == device) end_attachment(s, i, timed_out);
  });
  if (s.devices[device].own_table == records::OwnTable::no) return;
  s.devices.edit(s.trail, device).own_table = records::OwnTable::no;
}

void settle_attachments(InterfaceState& s, u32 number) {
  s.for_each_attachment([&](u32 i) {
    if (s.attachments[i].number == number) end_attachment(s, i, false);
  });
}

void drop_attached_ghosts_of_domain(InterfaceState& s, u32 domain) {
  s.for_each_attachment([&](u32 i) {
    bool its = false;
    for (u32 g = s.attachments[i].ghosts; g != 0; g = s.ghosts[g].next) {
      its |= s.ghosts[g].domain == domain;
    }
    if (!its) return;
    // A driver that frees a domain has recovered: the others have gone as well.
    forget_ghosts(s, i);
    if (s.attachments[i].domain == 0) end_attachment(s, i, false);
  });
}

/// Recovery.
void settle_attachments(InterfaceState& s) {
  s.for_each_attachment([&](u32 i) {
    forget_ghosts(s, i);
    if (s.attachments[i].domain == 0) end_attachment(s, i, false);
  });
}

// --- Promise ---

namespace {

void promises_of(const InterfaceState& s, u32 device, u32 domain, u64 iova, bool with_calls,
                 Alternatives& out) {
  if (is_nested(s.spaces[domain])) {
    nested_promises(s, device, domain, {}, iova, with_calls, out);
  } else if (is_of_kind(s, domain, DomainKind::paging) ||
             is_of_kind(s, domain, DomainKind::paging_s2)) {
    space_promises(s, domain, iova, FaultKind::terminated, with_calls, out);
  } else if (is_of_kind(s, domain, DomainKind::identity)) {
    out.add({.state = State::identity});
  } else {
    out.add(promise::nothing);
  }
}

/// A detach of the RID in progress, which ends them all.
bool is_being_detached(const InterfaceState& s, u32 device) {
  bool found = false;
  s.tickets.for_each([&](const Pending& pending) {
    const bool detaches = pending.kind == static_cast<u32>(CallKind::detach);
    found |= detaches && pending.space != 0 && s.moves_with(pending.device, device);
  });
  return found;
}

}  // namespace

/// attach_pasid, detach_pasid: the old domain's outcome, the new one's, or nothing at this PASID,
/// for this device only. What happens to the RID's own domain does not disturb it.
bool attached_promises(const InterfaceState& s, u32 device, u32 pasid, u64 iova, bool with_calls,
                       Alternatives& out) {
  const u32 number = s.find_number(pasid);
  const u32 known = number != 0 ? number : s.forest.lookup(s.number_at, pasid).tag;
  const u32 at = known == 0 ? 0 : find_attachment(s, device, known);
  const u32 domain = at == 0 ? 0 : s.attachments[at].domain;
  if (domain != 0) promises_of(s, device, domain, iova, with_calls, out);
  if (at != 0 && s.attachments[at].ghosts != 0) {
    for (u32 g = s.attachments[at].ghosts; g != 0; g = s.ghosts[g].next) {
      promises_of(s, device, s.ghosts[g].domain, iova, with_calls, out);
    }
    out.add(promise::nothing);
    out.add(promise::quiet);
  }
  if (with_calls && s.tickets.any()) {
    for_each_call_at(s, device, number, [&](const Pending& pending) {
      if (pending.kind == static_cast<u32>(CallKind::attach_pasid)) {
        if (pending.space == domain) return;
        promises_of(s, device, pending.space, iova, with_calls, out);
      }
      out.concerned = true;
      out.add(promise::nothing);
    });
    if (domain != 0 && is_being_detached(s, device)) {
      out.concerned = true;
      out.add(promise::nothing);
      out.add(promise::blocked);
    }
  }
  return domain != 0;
}

}  // namespace iommucheck::spec::sva
