// SPDX-License-Identifier: MIT
// Tables that somebody beside the IOMMU walks, and who that is. A dynamic domain's the IOMMU never
// walks, so that a call on one owes the hardware nothing; what a walker has cached is its caller's
// to flush. INTERFACE "Dynamic domains"; SEMANTICS 5.
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// EINVAL where the master is no ordinary paging domain, or the width is not the master's.
Permitted permitted_dynamic_alloc(const InterfaceState& s, const Call& call, Circumstances around);
/// "attach is accepted on a device of the master, without effect on hardware, EINVAL elsewhere";
/// `set` has ENODEV already where that is so.
void judge_dynamic_move(const InterfaceState& s, const Call& call, Permitted& set);
/// Of a dynamic domain's facts: null, or how its format is not its master's.
const char* not_the_masters_format(const InterfaceState& s, u32 master, const DomainFacts& facts);
/// A dynamic domain has it as its master.
bool has_dynamic(const InterfaceState& s, u32 master);

void walker_switches(InterfaceState& s, u32 number, u64 root);
void walker_flushes(InterfaceState& s, u32 number);
/// Its record; null: it has no table but its own domain's.
const Walker* find_walker(const InterfaceState& s, u32 number);
/// The space that somebody else may walk, a dynamic domain's or a private PASID's, whose table is
/// known to be there; 0: none.
u32 space_of_table(const InterfaceState& s, u64 root);
/// Of a private PASID, which the IOMMU walks as well.
bool is_private_table(const InterfaceState& s, u32 space);
/// Somebody walks its table.
bool is_walked(const InterfaceState& s, u32 space);
/// What stood in `piece` of a space that is walked may be cached by whoever walks it, until that
/// was flushed; of a private PASID's, by each walker for itself, since the space has what the
/// IOMMU's caches may hold.
void leave_to_walkers(InterfaceState& s, u32 space, const Interval& piece);
/// The space is gone, and so is what they had.
void forget_walkers(InterfaceState& s, u32 space);

/// What the caller does wrongly by the call; ok without blame: nothing.
struct WalkerDuty {
  Rule rule{};
  const char* reason = nullptr;
};
WalkerDuty walker_duty(const InterfaceState& s, const Call& call);

Alternatives expected_of_walker(const InterfaceState& s, u32 number, u64 iova);

}  // namespace iommucheck::spec::sva
