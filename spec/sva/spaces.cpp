// SPDX-License-Identifier: MIT
#include "spec/sva/spaces.h"

#include <algorithm>

#include "spec/sva/layers.h"
#include "spec/sva/nested.h"

namespace iommucheck::spec::sva {

/// Living ones, those that a time-out holds, and bound processes, whose number the CPUs chose.
u32 address_spaces(const InterfaceState& s) {
  u32 count = 0;
  s.for_each_space([&](u32 i) {
    const Space& space = s.spaces[i];
    if (!is_mapped_by_driver(space.kind) || space.owner == Owner::user) return;
    if (space.owner != Owner::process || space.devices != 0) ++count;
  });
  return count;
}

bool address_spaces_may_be_used_up(const InterfaceState& s) {
  u32 count = address_spaces(s);
  s.for_each_unseen([&](const Unseen& record) {
    const bool counted = record.space != 0 && s.spaces[record.space].owner == Owner::process;
    if (!counted) count += std::max(static_cast<u32>(record.count), u32{1});
  });
  return count >= s.address_spaces_max;
}

DomainFacts facts_of_space(const InterfaceState& s, u32 index) {
  if (index == 0) return {.input_bits = 0, .output_bits = 0, .page_sizes = 0};
  const Space& space = s.spaces[index];
  return {space.input_bits, space.output_bits, space.page_sizes};
}

void release_space(InterfaceState& s, u32 space) {
  if (s.spaces[space].kind == static_cast<u32>(DomainKind::paging_s2)) {
    forget_vdevices_of_domain(s, space);
    forget_user_memory(s, space);
  }
  Space& record = s.spaces.edit(s.trail, space);
  s.forest.clear(record.map);
  clear_stale(s, space);
  while (record.links != 0) {
    const u32 link = record.links;
    record.links = s.links[link].next;
    s.links.release(s.trail, link);
  }
  record.life = records::unused;
  s.spaces.release(s.trail, space);
}

void permit_table_address(const InterfaceState& s, u32 space, Permitted& set) {
  if (s.spaces[space].table == 0) {
    set.add(Reason::done, ValueRule::new_word);
  } else {
    set.add(Reason::done, ValueRule::one_of);
    set.add_value(s.spaces[space].table, "constant for its life");
  }
}

/// Nothing is bound to it any more: nothing caches it; if it is gone too, neither does anybody ask.
void forget_process(InterfaceState& s, u32 process) {
  if (s.is_watched(process)) return;
  clear_stale(s, process);
  const bool over = s.spaces[process].life == records::dead && s.spaces[process].handle == 0;
  if (over) release_space(s, process);
}

}  // namespace iommucheck::spec::sva
