// SPDX-License-Identifier: MIT
#include "spec/smmu/fills.h"

#include <algorithm>

#include "base/text.h"
#include "spec/smmu/stage_walk.h"

namespace iommucheck::spec {

/// visit(const Path&), through what is filled on the way: below a pointer, which may be cached,
/// through each regime that walks now, whatever the pointer was filled through.
template <class Visit>
void Fills::for_each_filling(const Path& path, Visit&& visit) const {
  if (path.item == 0) {
    visit(path);
    const unsigned root = first_table(regimes_.of(path.space), path.space.half).level;
    if (regimes_.tag(path.tag).formed < 2 || path.level == root) return;
  }
  regimes_.for_each_space_like(path.tag, path.space, [&](const Space& space) {
    if (path.item == 0 && space == path.space) return;
    Path filling = path;
    filling.space = space;
    if (va_in_range(regimes_.of(space), space.half, path.va)) visit(filling);
  });
}

void Fills::vanish(Frame& frame, const Vanished& what) {
  work_.earn(Work::per_word);
  const u64 pa = frame.address() + 8 * what.index;
  const bool valid = what.content.unknown || bit(what.content.value, 0);
  for_each_layout(frame, [&](Geometry geometry, unsigned level) {
    std::vector<Path>& found = scratch_paths_;  // adding a pointer item changes the edges
    found.clear();
    graph_.for_each_path(frame, what.index, geometry, level, [&](const Path& path) {
      if (valid) found.push_back(path);
      unsigned extent = geometry.shift(level);
      if (frame.contiguous != 0) extent += geometry.group_lg2(level);
      changes_.mark_extent(path.tag, path.va, extent);
    });
    for (const Path& path : found) {
      if (!work_.spend(1)) return;
      // A pointer has the tag only: one of them serves all.
      const bool once =
          path.item == 0 && !what.content.unknown && Geometry::is_table(what.content.value, level);
      for_each_filling(path, [&](const Path& filling) {
        if (once && !(filling.space == path.space)) return;
        add_item(filling, pa, what.content, {what.at, findings_.now()});
        if (atcs_.any_on()) ats_.leave_dirty(filling, pa, what.content, what.at);
      });
    }
  });
}

/// The group with which something dies that is filled on the way `path`. Filled while the way was
/// there, so: not by groups before its end; by the group that ends a cached pointer of the way, if
/// a command which covers that pointer covers it too; else by the first later one.
Group Fills::fate(const Path& path, const Item& item) const {
  if (path.item != 0 && items_[path.item - 1].dies != immortal) {
    const Item& pointer = items_[path.item - 1];
    const auto both = [&](const InFlight& sent) {
      return scopes_.ends(sent, pointer) && scopes_.removes(sent.command, item);
    };
    if (commands_.is_ended_by(pointer.dies, both)) return pointer.dies;
  }
  if (path.dies == immortal) return immortal;
  return commands_.first_after(
      path.dies, [&](const InFlight& sent) { return scopes_.removes(sent.command, item); });
}

/// What is left of a regime that is gone was there until it went, not until somebody asks.
Fills::Ended Fills::end_of_way(const Path& path) const {
  const u64 went = path.ghost ? regimes_[path.space.regime].ghost : 0;
  const EventIndex at = went != 0 ? static_cast<EventIndex>(went - 1) : findings_.now();
  return {at, at};
}

void Fills::add_item(const Path& path, u64 origin, Content content, Ended ended,
                     const Command* covered) {
  // Nothing was filled, so nothing is left; what was filled before is handed over as a ghost's.
  if (!path.ghost && !regimes_.walks(path.tag, path.space.half)) return;
  const Regime<u64>& r = regimes_.of(path.space);
  Item item{.tag = path.tag,
            .space = path.space,
            .level = path.level,
            .hierarchical = path.hierarchical,
            .va = path.va,
            .value = content.value,
            .origin = origin,
            .since = findings_.now(),
            .vanished_at = ended.vanished_at,
            .stored_at = ended.stored_at};
  if (content.unknown) {
    item.kind = ItemKind::unknown;
  } else {
    const Step<u64> next =
        step_in(regimes_, path.space, path.level, content.value, path.hierarchical);
    if (std::holds_alternative<Fault>(next)) return;
    if (const auto* pointer = std::get_if<TableStep<u64>>(&next)) {
      if (r.haft.value && !pointer->af.value) return;
      item.kind = ItemKind::pointer;
      if (!profile_.caches_walks) {  // what it led to until now is left
        Path below = path;
        below.hierarchical = item.hierarchical_below();
        return expand(below, item.table(), covered);
      }
    } else {
      const auto& leaf = std::get<Leaf<u64>>(next);
      if (!(leaf.af | r.ha | r.affd)) return;  // an Access flag fault is never cached
    }
  }
  item.dies = std::min(fate(path, item), path.cap);
  if (path.item != 0 && items_[path.item - 1].dies != immortal) {
    item.since = items_[path.item - 1].since;  // what ends the pointer ends such fills
  } else if (path.ghost && path.dies != immortal) {
    item.since = 0;  // filled before the group that ended the regime: every later one counts
  }
  const unsigned group_lg2 = item.space.geometry.group_lg2(item.level);
  if (item.kind == ItemKind::final && contiguous_hint(item.value) && group_lg2 != 0) {
    // Any member of a contiguous group fills each of its pages.
    const u64 number =
        (item.va >> item.space.geometry.shift(item.level)) & low_mask(u64{group_lg2});
    item = item.part(0 - number, u64{1} << group_lg2);
    if (path.dies != immortal || covered != nullptr) return insert_group(path, item, covered);
  }
  insert(item);
}

/// Entries of a contiguous group but those that `covered` removes: each dies for itself.
void Fills::insert_group(const Path& path, const Item& group, const Command* covered) {
  const auto dies_of = [&](u64 k) -> std::optional<Group> {
    const Item one = group.part(k, 1);
    if (covered != nullptr && scopes_.removes(*covered, one)) return std::nullopt;
    return std::min(fate(path, one), path.cap);
  };
  for (u64 first = 0; first < group.count;) {
    const std::optional<Group> dies = dies_of(first);
    u64 end = first + 1;
    while (end < group.count && dies_of(end) == dies) ++end;
    if (dies) {
      Item run = group.part(first, end - first);
      run.dies = *dies;
      insert(run);
    }
    first = end;
  }
}

void Fills::insert(const Item& item) {
  if (item.kind == ItemKind::final && !profile_.caches_leaves) {
    if (atcs_.any_on()) ats_.leave(item);
    return;
  }
  if (!profile_.caches_leaves && !profile_.caches_walks) return;
  if (!work_.spend(1 + cost_among(items_.count(item.tag))) || items_.join(item)) return;
  const u32 index = items_.insert(item);
  if (item.kind == ItemKind::unknown) tables_.may_be_global(item.tag);
  if (item.kind == ItemKind::pointer) {
    tables_.link(item.table(), Edge{.kind = EdgeKind::item, .parent = index, .value = item.value});
  }
}

void Fills::expand(const Path& path, const TableExtent& table, const Command* covered) {
  for_each_part(table, [&](const TableExtent& part, u64) { expand_part(path, part, covered); });
}

void Fills::expand_part(const Path& path, const TableExtent& part, const Command* covered) {
  Frame& frame = memory_.frame(part.table);
  const auto first = static_cast<unsigned>(bits(part.table, 11, 3));
  const unsigned level = part.level;
  for (unsigned i = 0; (i = frame.next_used(first + i) - first) < part.entries && work_.spend(1);
       ++i) {
    std::vector<Content> contents;
    memory_.visible(frame, first + i, [&](Content content) {
      if (content.unknown || bit(content.value, 0)) contents.push_back(content);
    });
    for (const Content content : contents) {
      Path below = path;
      below.va = part.va + (u64{i} << part.shift());
      below.level = static_cast<u8>(level);
      if (!va_in_range(regimes_.of(path.space), path.space.half, below.va)) continue;
      const bool table = !content.unknown && Geometry::is_table(content.value, level);
      Item target{.tag = path.tag,
                  .space = path.space,
                  .level = static_cast<u8>(level),
                  .va = below.va,
                  .value = content.value};
      if (content.unknown) target.kind = ItemKind::unknown;
      if (table) target.kind = ItemKind::pointer;
      const bool removed = covered != nullptr && scopes_.removes(*covered, target);
      // Of a group the pages that it leaves are filled from this one, too.
      const bool grouped = target.kind == ItemKind::final && contiguous_hint(content.value).value;
      if (!removed || grouped)
        add_item(below, frame.address() + 8 * (first + i), content, end_of_way(path), covered);
      if (table && (path.ghost || removed) && profile_.caches_walks) {
        below.hierarchical = pack_below(path.hierarchical, content.value);
        expand(below, table_below(part.geometry, content.value, level, below.va), covered);
      }
    }
  }
}

}  // namespace iommucheck::spec
