// SPDX-License-Identifier: MIT
// Users of a stage 2 domain: their own routes over it (nested domains), by which numbers they call
// their devices, their invalidation commands. INTERFACE "Nested".
//
// Whatever a user writes, its devices reach nothing outside of what the parent maps: `within`. What
// they meet exactly is known as far as the environment tells what stands in the user's memory
// (entries of PASID tables, and the tables behind them).
#pragma once

#include <algorithm>
#include <optional>

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// The parent has a nested domain.
bool has_nested(const InterfaceState& s, u32 parent);
/// The domain is a route of a user's.
bool is_nested(const Space& space);
/// A RID on the domain has a PASID table of the user's, beside which the host has none. INTERFACE
/// "Attach", "Nested": not with one CD, nor on a backend that routes users at PASIDs.
bool has_users_pasid_table(const InterfaceState& s, u32 domain);
/// Of a user's domain; 0: it is none.
u32 parent_of(const InterfaceState& s, u32 domain);
/// A RID that is on it meets stage 2: there is no place for PASIDs of the host's.
bool is_behind_stage2(const InterfaceState& s, u32 domain);

/// By which number the user of the parent calls the device.
std::optional<u64> number_of(const InterfaceState& s, u32 parent, u32 device);
/// The parent, or the device, is gone.
void forget_vdevices_of_domain(InterfaceState& s, u32 parent);
void forget_vdevices_of_device(InterfaceState& s, u32 device);

// --- What stands in the user's memory, as the environment tells it ---

/// A table of the user's. False: there is one at its root, or no such parent.
bool user_table_made(InterfaceState& s, u64 parent, const UserTable& table);
/// False, and nothing done: no such table, a bad range.
bool user_maps(InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot);
bool user_unmaps(InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes);
/// The same by taking the table out that has all of it, to which pointers may be cached until a
/// command covers one of its addresses, and not leaves alone.
bool user_takes_out(InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes);
/// An entry of a PASID table, at `entry`, an IPA: it may be cached from now on until a command
/// covers it. False: no such parent, or no such table.
bool user_sets_entry(InterfaceState& s, u64 parent, u64 entry, UserEntry content);
/// The tables of a parent that is gone.
void forget_user_memory(InterfaceState& s, u32 parent);
/// A device came to the domain.
void note_users_device(InterfaceState& s, u32 domain);

/// A route of a user's is there, with a number for what its table makes: one that is another
/// table's too, or of a table that nobody knows, mixes up what all of them make.
void note_users_route(InterfaceState& s, u32 domain);
bool are_numbers_mixed(const InterfaceState& s, u32 parent);

/// The user's own route of a nested domain.
UserRoute route_of(const InterfaceState& s, u32 domain);

/// Calls visit(index) for the tables in the user's memory.
template <class Visit>
void for_each_table_of(const InterfaceState& s, u32 parent, Visit visit) {
  s.for_each_space([&](u32 i) {
    if (s.spaces[i].owner == Owner::user && s.spaces[i].domain == parent) visit(i);
  });
}
u32 find_table(const InterfaceState& s, u32 parent, u64 root);

template <class Visit>
void for_each_context(const InterfaceState& s, u32 parent, Visit visit) {
  for (u32 i = 1; i < s.user_contexts.bound(); ++i) {
    if (s.user_contexts[i].parent == parent) visit(i);
  }
}

template <class Visit>
void for_each_number(const InterfaceState& s, Visit visit) {
  for (u32 i = 1; i < s.virtual_devices.bound(); ++i) {
    if (s.virtual_devices[i].parent != 0) visit(i);
  }
}
constexpr u64 device_bit(u32 device) { return u64{1} << std::min(device, u32{63}); }

}  // namespace iommucheck::spec::sva
