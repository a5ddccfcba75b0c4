// SPDX-License-Identifier: MIT
// Users of a stage 2 domain: their own routes over it (nested domains), by which numbers they call
// their devices, their invalidation commands. INTERFACE "Nested".
//
// Whatever a user writes, its devices reach nothing outside of what the parent maps: `within`. What
// they meet exactly is known as far as the environment tells what stands in the user's memory
// (entries of PASID tables, and the tables behind them).
#pragma once

#include <optional>

#include "spec/sva/expectation.h"
#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// Of nested and nested_pasid.
Permitted permitted_nested_alloc(const InterfaceState& s, const Call& call, Circumstances around);
/// The parent has a nested domain.
bool has_nested(const InterfaceState& s, u32 parent);
/// The domain is a route of a user's.
bool is_nested(const Space& space);
/// Of a user's domain; 0: it is none.
u32 parent_of(const InterfaceState& s, u32 domain);
/// A RID that is on it meets stage 2: there is no place for PASIDs of the host's.
bool is_behind_stage2(const InterfaceState& s, u32 domain);

Permitted permitted_vdevice(const InterfaceState& s, const Call& call, Circumstances around);
void apply_vdevice(InterfaceState& s, const Call& call, Status status);
/// By which number the user of the parent calls the device.
std::optional<u64> number_of(const InterfaceState& s, u32 parent, u32 device);
/// The parent, or the device, is gone.
void forget_vdevices_of_domain(InterfaceState& s, u32 parent);
void forget_vdevices_of_device(InterfaceState& s, u32 device);

Permitted permitted_cache_invalidate(const InterfaceState& s, const Call& call,
                                     Circumstances around);
void begin_cache_invalidate(const InterfaceState& s, const Call& call, Pending& pending);
void apply_cache_invalidate(InterfaceState& s, const Call& call, const Observed& observed,
                            const Pending* begun);

// --- What stands in the user's memory, as the environment tells it ---

/// A table of the user's. False: there is one at its root, or no such parent.
bool user_table_made(InterfaceState& s, u64 parent, const UserTable& table);
/// False, and nothing done: no such table, a bad range.
bool user_maps(InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot);
bool user_unmaps(InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes);
/// An entry of a PASID table, at `entry`, an IPA: it may be cached from now on until a command
/// covers it. False: no such parent, or no such table.
bool user_sets_entry(InterfaceState& s, u64 parent, u64 entry, UserEntry content);
/// The tables of a parent that is gone.
void forget_user_memory(InterfaceState& s, u32 parent);

// --- Promises ---

/// Exactly what an access through the nested domain meets, where that is known; else `within`.
/// `device`: no_device for any.
void nested_promises(const InterfaceState& s, u32 device, u32 domain, Substream at, u64 iova,
                     bool with_calls, Alternatives& out);
/// A device came to the domain.
void note_users_device(InterfaceState& s, u32 domain);
/// What the parents of the user's domains that the device may be on promise at an IPA; at a PASID,
/// where these are the host's.
Alternatives expected_within(const InterfaceState& s, u32 device, Substream at, u64 ipa);

}  // namespace iommucheck::spec::sva
