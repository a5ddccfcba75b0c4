// SPDX-License-Identifier: MIT
#include "spec/sva/tables.h"

#include "spec/sva/attachments.h"

namespace iommucheck::spec::sva {

bool gets_own_table(const InterfaceState& s, u32 device) {
  bool gets = false;
  s.tickets.for_each([&](const Pending& pending) {
    gets |= pending.kind == static_cast<u32>(CallKind::attach_pasid) && pending.space != 0 &&
            pending.device == device;
  });
  return gets;
}

bool shares_again(const InterfaceState& s, u32 device, u32 domain) {
  if (domain == 0 || has_attachments(s, device)) return false;
  bool moves = false;
  s.tickets.for_each([&](const Pending& pending) {
    moves |= pending.kind == static_cast<u32>(CallKind::attach) && pending.space == domain &&
             pending.device == device;
  });
  return moves;
}

Stands stands(const InterfaceState& s, const EntryTable& table, u32 device, u32 owner,
              u32 owners_domain, bool with_calls) {
  if (table.own) return owner == device ? Stands::yes : Stands::no;
  if (owners_domain != table.domain) return Stands::no;
  switch (s.devices[owner].own_table) {
    case records::OwnTable::yes: return Stands::no;
    case records::OwnTable::either: return Stands::maybe;
    case records::OwnTable::no: break;
  }
  // For the device itself it stands where it looks, in either table; its neighbours lose it.
  const bool leaves = with_calls && owner != device && gets_own_table(s, owner);
  return leaves ? Stands::maybe : Stands::yes;
}

bool may_reach(const InterfaceState& s, const EntryTable& table, u32 device,
               const Pending& pending) {
  if (!s.device_exists(pending.device)) return false;
  const u32 domain = s.devices[pending.device].domain;
  return stands(s, table, device, pending.device, domain, true) != Stands::no;
}

}  // namespace iommucheck::spec::sva
