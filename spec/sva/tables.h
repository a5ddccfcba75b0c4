// SPDX-License-Identifier: MIT
// Whose entries an access at a PASID meets: those that the devices of a domain share, or those of
// the device's own. INTERFACE "Bind", shared tables; "Attach", attach_pasid.
#pragma once

#include "base/types.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

struct EntryTable {
  u32 domain = 0;    ///< that the device is on, or may be on
  bool own = false;  ///< the device's, else the domain's
};

/// Whether something stands in a table.
enum class Stands : u8 {
  no,
  maybe,  ///< a call that gives its device a table of its own is in progress, or timed out
  yes,
};

/// Whether the table that `device` meets holds what `owner`, which is or was on `owners_domain`,
/// was given at a PASID. `with_calls`: calls in progress count.
Stands stands(const InterfaceState& s, const EntryTable& table, u32 device, u32 owner,
              u32 owners_domain, bool with_calls);

/// Whether the device may meet in the table what a call in progress makes at a PASID.
bool may_reach(const InterfaceState& s, const EntryTable& table, u32 device,
               const Pending& pending);

/// An attach_pasid in progress may give the device a table of its own.
bool gets_own_table(const InterfaceState& s, u32 device);

/// An attach of its RID in progress to that domain may give it the domain's table again: nothing is
/// attached at its PASIDs.
bool shares_again(const InterfaceState& s, u32 device, u32 domain);

/// visit(EntryTable) for each that the device may meet while it is on the domain.
template <class Visit>
void for_each_table(const InterfaceState& s, u32 device, u32 domain, bool with_calls, Visit visit) {
  if (s.per_device_tables) return visit(EntryTable{domain, true});
  const records::OwnTable own = s.devices[device].own_table;
  const bool moves = with_calls && own == records::OwnTable::no && gets_own_table(s, device);
  const bool shares = own != records::OwnTable::yes ||
                      (with_calls && s.tickets.any() && shares_again(s, device, domain));
  if (shares) visit(EntryTable{domain, false});
  if (own != records::OwnTable::no || moves) visit(EntryTable{domain, true});
}

}  // namespace iommucheck::spec::sva
