// SPDX-License-Identifier: MIT
#include "spec/sva/links.h"

namespace iommucheck::spec::sva {

void add_link(InterfaceState& s, u32 space, u32 device, bool doubtful) {
  const u32 link = s.links.allocate(
      s.trail, {.device = device, .next = s.spaces[space].links, .doubtful = doubtful ? 1U : 0U});
  s.spaces.edit(s.trail, space).links = link;
}

void drop_link(InterfaceState& s, u32 space, u32 device) {
  u32 before = 0;
  for (u32 l = s.spaces[space].links; l != 0; l = s.links[l].next) {
    if (s.links[l].device != device) {
      before = l;
      continue;
    }
    const u32 next = s.links[l].next;
    if (before == 0) {
      s.spaces.edit(s.trail, space).links = next;
    } else {
      s.links.edit(s.trail, before).next = next;
    }
    s.links.release(s.trail, l);
    return;
  }
}

}  // namespace iommucheck::spec::sva
