// SPDX-License-Identifier: MIT
// map, unmap and the syncs, of domains and of private spaces: one rule for both. INTERFACE "Map",
// "Gather", "Timeouts and removal".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

bool well_formed(const Space& domain, u64 iova, u64 pa, u64 size);

/// Calls visit(Interval) for the pieces that the map or map_sg asks for, as far as they are well
/// formed; pieces that continue each other are one.
template <class Visit>
void for_each_request(const InterfaceState& s, const Space& space, const Call& call, Visit visit) {
  if ((call.prot & prot_access) == 0 || (call.prot & ~prot_known) != 0) return;
  const Segment whole{call.pa, call.size};
  const bool many = call.kind == CallKind::map_sg || call.kind == CallKind::sva_map_sg;
  // Stage 2 has one set of rights, whatever the privilege: there PRIVILEGED asks for nothing.
  const bool stage2 = space.kind == static_cast<u32>(DomainKind::paging_s2);
  const u32 prot = stage2 || !s.knows_privilege ? call.prot & ~prot_privileged : call.prot;
  Interval run{.first = 1, .last = 0};
  u64 iova = call.iova;
  for (const Segment& segment : many ? call.segments : std::span<const Segment>(&whole, 1)) {
    if (segment.size == 0) continue;
    if (!well_formed(space, iova, segment.pa, segment.size)) break;
    const u64 last = iova + (segment.size - 1);
    if (run.first <= run.last && run.pa + (iova - run.first) == segment.pa) {
      run.last = last;
    } else {
      if (run.first <= run.last) visit(run);
      run = {iova, last, segment.pa, prot, 0};
    }
    if (last == ~u64{0}) break;
    iova = last + 1;
  }
  if (run.first <= run.last) visit(run);
}

Permitted permitted_map(const InterfaceState& s, const Call& call, Circumstances around);
Permitted permitted_map_sg(const InterfaceState& s, const Call& call, Circumstances around);
void begin_map(InterfaceState& s, const Call& call, Pending& pending);
void apply_map(InterfaceState& s, const Call& call, Status status, Circumstances around);
Permitted permitted_unmap(const InterfaceState& s, const Call& call, Circumstances around);
void begin_unmap(const InterfaceState& s, const Call& call, Pending& pending);
void apply_unmap(InterfaceState& s, const Call& call, const Observed& observed);
void empty_gather(InterfaceState& s, u32 space);
Permitted permitted_sync(const InterfaceState& s, const Call& call, Circumstances around);
void apply_sync(InterfaceState& s, const Call& call, Status status);
Permitted permitted_tlb_range_add(const InterfaceState& s, const Call& call);
void apply_tlb_range_add(InterfaceState& s, const Call& call);
Permitted permitted_iova_to_phys(const InterfaceState& s, const Call& call);
Permitted permitted_on_process(const Call& call);

}  // namespace iommucheck::spec::sva
