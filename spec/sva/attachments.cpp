// SPDX-License-Identifier: MIT
#include "spec/sva/attachments.h"

namespace iommucheck::spec::sva {

bool is_of_kind(const InterfaceState& s, u32 domain, DomainKind kind) {
  return domain != 0 && s.spaces[domain].kind == static_cast<u32>(kind);
}

u32 find_attachment(const InterfaceState& s, u32 device, u32 number) {
  u32 found = 0;
  s.for_each_attachment([&](u32 i) {
    if (s.attachments[i].device == device && s.attachments[i].number == number) found = i;
  });
  return found;
}

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

}  // namespace iommucheck::spec::sva
