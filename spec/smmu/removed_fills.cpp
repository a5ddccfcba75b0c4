// SPDX-License-Identifier: MIT
// What commands remove of what TLBs hold, and what can be filled again. SEMANTICS 3.
#include <algorithm>

#include "spec/smmu/fills.h"

#include "spec/rules/promises.h"

namespace iommucheck::spec {

void Fills::kill(const InFlight& command) {
  graph_.note_change();
  std::vector<u32>& covered = scratch_covered_;
  covered.clear();
  AddressRange<u64> range{0, ~u64{0}};
  if (is_tlbi_by_address(command.command.op)) range = tlbi_range(command.command);
  for (u32 t = 0; t < items_.tags(); ++t) {
    const u32 tag = items_.tag(t);
    items_.for_each_in(tag, range.first, range.last, [&](u32 i) {
      if (items_[i].dies <= command.group) return;
      const RemovedPart part = removed_part(command.command, regimes_.tag(tag).tag, items_[i],
                                            scopes_.of(command.command, items_[i]));
      if (part.count == 0) return;
      items_.split(i, part.first, part.count);
      covered.push_back(i);
    });
  }
  if (!work_.spend(covered.size() * cost_among(items_.count()))) return;
  // Each entry may be fetched again for itself.
  for (std::size_t k = 0; k < covered.size(); ++k) {
    const u32 i = covered[k];
    while (items_[i].shadow == 0 && items_[i].count > 1 && items_.pointers(items_[i].tag) != 0) {
      items_.split(i, 0, items_[i].count - 1);
      covered.push_back(items_.first(items_[i].tag));
    }
  }
  std::erase_if(covered, [&](u32 i) { return survives(items_[i], command); });
  std::vector<Item>& gone = scratch_gone_;
  gone.clear();
  for (const u32 i : covered) {
    gone.push_back(items_[i]);
    items_.set_dies(i, command.group);
  }
  // What a pointer yields may have been fetched before it goes.
  for (const Item& item : gone) {
    if (item.kind != ItemKind::pointer) continue;
    regimes_.for_each_space_like(item.tag, item.space, [&](const Space& space) {
      const Path path{.tag = item.tag,
                      .space = space,
                      .hierarchical = item.hierarchical_below(),
                      .dies = static_cast<Group>(regimes_[space.regime].dies)};
      expand(path, item.table(), &command.command);
    });
  }
}

/// The item can be fetched again between `command` and the end of its group, from a cached pointer
/// that lives that long: commands of one group act in any order.
bool Fills::survives(const Item& item, const InFlight& command) const {
  if (item.shadow != 0) return false;  // what it is of is gone
  if (items_.pointers(item.tag) == 0 || regimes_.tag(item.tag).formed == 0) return false;
  const Group group = command.group;
  const auto ends_it = [&](const InFlight& other) { return scopes_.ends(other, item); };
  if (!commands_.is_ended_by(group, ends_it)) return true;
  bool walked = false;
  regimes_.for_each_space_like(item.tag, item.space, [&](const Space& space) {
    // Another regime would fill a leaf of its own attributes, which is none of this item.
    if (item.kind == ItemKind::final && space.regime != item.space.regime) return;
    walked |= regimes_[space.regime].dies >= group;
  });
  if (!walked) return false;
  bool again = false;
  items_.for_each_in(item.tag, item.va, item.va, [&](u32 i) {
    const Item& pointer = items_[i];
    const bool gone_before = pointer.dies < group && !Commands::is_of_broadcasts(pointer.dies);
    if (again || pointer.kind != ItemKind::pointer || gone_before) return;
    if (pointer.level >= item.level || !pointer_yields(pointer, item)) return;
    // One that they remove as well could come back only from a pointer above it, and that one
    // yields the item too: it is asked by itself.
    const bool removed = commands_.is_ended_by(group, [&](const InFlight& other) {
      return scopes_.ends(other, pointer) && ends_it(other);
    });
    again = !removed;
  });
  return again;
}

/// Memory below the cached pointer says the item now.
bool Fills::pointer_yields(const Item& pointer, const Item& item) const {
  const Geometry geometry = pointer.space.geometry;
  const unsigned slot = geometry.shift(pointer.level);
  if (!shares_tables(item.space, pointer.space) ||
      align_down(item.va, slot) != align_down(pointer.va, slot)) {
    return false;
  }
  const auto descend = [&](auto&& self, u64 table, unsigned level) -> bool {
    const u64 index = (item.va >> geometry.shift(level)) % geometry.entries();
    bool found = false;
    memory_.visible(table + 8 * index, [&](Content content) {
      if (level == item.level) {
        found |= content.unknown ? item.kind == ItemKind::unknown
                                 : content.value == item.value && item.kind != ItemKind::unknown;
      } else if (!content.unknown && Geometry::is_table(content.value, level)) {
        found |= self(self, geometry.next_table(content.value), level + 1);
      }
    });
    return found;
  };
  return descend(descend, geometry.next_table(pointer.value), pointer.level + 1U);
}

/// What the pointers that die with `group` yielded until their end, as memory below them is now.
void Fills::leave_below_pointers(Group group) {
  std::vector<u32> dying;  // those not yet asked, the newest last
  for (u32 t = 0; t < items_.tags(); ++t) {
    const u32 id = items_.tag(t);
    if (items_.pointers(id) == 0) continue;
    if (!work_.spend(items_.count(id) / 16)) return;
    dying.clear();
    for (u32 seen = 0;;) {
      // What the last one left may be pointers, too: they come first.
      const auto before = static_cast<std::ptrdiff_t>(dying.size());
      for (u32 i = items_.first(id); i != seen; i = items_[i].next) {
        if (items_[i].kind == ItemKind::pointer && items_[i].dies <= group) dying.push_back(i);
      }
      std::reverse(dying.begin() + before, dying.end());
      seen = items_.first(id);
      if (dying.empty()) break;
      const u32 i = dying.back();
      dying.pop_back();
      if (!work_.spend(1)) return;
      if (items_[i].dies <= group) leave_below(i);
    }
  }
}

void Fills::leave_below(u32 pointer) {
  const Item item = items_[pointer];
  regimes_.for_each_space_like(item.tag, item.space, [&](const Space& space) {
    const auto end = static_cast<Group>(regimes_[space.regime].dies);
    const bool beside = Commands::is_of_broadcasts(item.dies);
    const Path path{.tag = item.tag,
                    .space = space,
                    .hierarchical = item.hierarchical_below(),
                    .dies = beside ? end : std::min(item.dies, end),
                    .item = pointer + 1};
    expand(path, item.table(), nullptr);
  });
}

/// What combined entries hold of an entry of stage 2 that dies: they were made until then, if a
/// nested STE was there, and S2_IPA removes none of them. So only what removes both at once, or
/// what comes behind, counts.
Item Fills::shadow_of(const Item& item) const {
  const u64 made = regimes_.tag(item.tag).combines_until;
  const auto both = [&](const InFlight& sent) {
    return scopes_.ends(sent, item) && scopes_.separates(sent, item.tag);
  };
  const auto behind = [&](const InFlight& sent) { return scopes_.separates(sent, item.tag); };
  Item shadow = item;
  shadow.shadow = 1;
  shadow.since = item.dies;
  shadow.dies =
      commands_.is_ended_by(item.dies, both) ? item.dies : commands_.first_after(item.dies, behind);
  shadow.dies = static_cast<Group>(std::min<u64>(shadow.dies, made));
  return shadow;
}

/// What no cache holds any more.
void Fills::drop(Group group) {
  if (items_.count() == 0 || !work_.spend(0)) return;
  std::vector<Item>& shadows = scratch_shadows_;
  shadows.clear();
  items_.drop(group, [&](u32 index, const Item& item) {
    findings_.count(rule::PAGE_REUSE);
    if (atcs_.any_on() && item.kind != ItemKind::pointer) ats_.leave(item);
    changes_.mark(item.tag, item.va, item.last());
    const bool combined =
        profile_.combines && regimes_.tag(item.tag).combines != 0 && item.shadow == 0;
    if (combined && item.kind == ItemKind::final) shadows.push_back(shadow_of(item));
    if (item.kind != ItemKind::pointer) return;
    tables_.unlink(item.table(),
                   Edge{.kind = EdgeKind::item, .parent = index, .value = item.value});
  });
  for (const Item& shadow : shadows) {
    if (shadow.dies > group) insert(shadow);
  }
}

void Fills::revive() {
  for (u32 t = 0; t < items_.tags(); ++t) {
    for (u32 i = items_.first(items_.tag(t)); i != 0; i = items_[i].next) {
      const Item& item = items_[i];
      if (item.dies == immortal) continue;
      const auto still = [&](const InFlight& sent) { return scopes_.ends(sent, item); };
      if (!commands_.is_ended_by(item.dies, still)) items_.set_dies(i, immortal);
    }
  }
}

void Fills::drop_of(u32 tag, bool pointers_only) {
  if (!work_.spend(0)) return;
  const auto goes = [&](const Item& item) {
    return !pointers_only || item.kind == ItemKind::pointer;
  };
  items_.drop_of(tag, goes, [&](u32 index, const Item& item) {
    changes_.mark(tag, item.va, item.last());
    if (item.kind != ItemKind::pointer) return;
    tables_.unlink(item.table(),
                   Edge{.kind = EdgeKind::item, .parent = index, .value = item.value});
  });
}

}  // namespace iommucheck::spec
