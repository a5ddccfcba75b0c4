// SPDX-License-Identifier: MIT
#include "spec/smmu/tables.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"
#include "spec/rules/promises.h"

namespace iommucheck::spec {

namespace {

/// Versions of a word that were stored while nothing led to its table: which is newer counts from
/// now on.
void note_pending_leaves(const Memory& memory, LeafNotes& leaves, const Frame& frame,
                         unsigned index, Geometry geometry, unsigned level) {
  const u64 pa = frame.address() + 8 * index;
  if (!memory.is_pending(pa)) return;
  std::vector<std::pair<EventIndex, u64>> made;
  memory.visible(frame, index, [&](Content content) {
    if (content.unknown || !geometry.is_leaf(content.value, level)) return;
    const EventIndex at = memory.made_at(pa, content.value);
    if (at != 0) made.emplace_back(at, content.value);
  });
  std::ranges::sort(made);
  for (const auto& [at, value] : made) leaves.note_store(pa, value, at);
}

}  // namespace

void Tables::link(const TableExtent& table, Edge edge) {
  edge.level = static_cast<u8>(table.level);
  edge.geometry = table.geometry;
  bool known = true;
  for_each_part(table, [&](const TableExtent& part, u64 first) {
    edge.first = static_cast<u16>(bits(part.table, 11, 3));
    edge.count = static_cast<u16>(part.entries);
    edge.base = static_cast<u32>(first);
    link_part(memory_.frame(part.table), edge, known);
  });
}

/// `known`: no walk was found yet that comes to unknown content of the table; one is enough.
void Tables::link_part(Frame& frame, const Edge& edge, bool& known) {
  if (!work_.spend(1)) return;
  const bool first = frame.tables_at(edge.geometry.layout, edge.level) == 0;
  if (!graph_.add(frame, edge)) {
    findings_.give_up("more descriptors lead to the table page at " +
                      findings_.name(frame.address()) + " than are counted (65,535)");
    return;
  }
  findings_.count(rule::WILD_WALK);
  check_unknown(frame, edge, known);
  if (first) {
    link_children(frame, edge.geometry, edge.level);
  } else if (leaves_.any_without_ng() || caps_.httu != 0) {
    note_below(frame, edge.geometry, edge.level);
  }
}

void Tables::link_children(Frame& frame, Geometry geometry, unsigned level) {
  for (unsigned i = 0; (i = frame.next_used(i)) < frame_words && work_.spend(1); ++i) {
    memory_.visible(frame, i, [&](Content content) {
      if (content.unknown) return;
      if (geometry.is_leaf(content.value, level)) {
        note_leaf(frame, i, geometry, level, content.value);
      }
      note_access_flag(frame, i, geometry, level, content.value);
      if (!Geometry::is_table(content.value, level)) return;
      link(table_below(geometry, content.value, level, 0),
           Edge{.kind = EdgeKind::word, .parent = frame.address() + 8 * i, .value = content.value});
    });
    if (leaves_.any_without_ng()) note_pending_leaves(memory_, leaves_, frame, i, geometry, level);
  }
}

void Tables::link_word(Frame& frame, unsigned index, Geometry geometry, unsigned level, u64 value) {
  const u64 pa = frame.address() + 8 * index;
  bool linked = false;  // by an older visible version with this value
  const TableExtent table = table_below(geometry, value, level, 0);
  const Frame& child = memory_.frame(table.table);
  for (u32 i = graph_.first(child); i != 0 && work_.spend(1); i = graph_.edge(i).next) {
    const Edge& edge = graph_.edge(i);
    linked |= edge.kind == EdgeKind::word && edge.level == level + 1 && edge.geometry == geometry &&
              edge.parent == pa && edge.value == value;
  }
  if (!linked) link(table, Edge{.kind = EdgeKind::word, .parent = pa, .value = value});
}

void Tables::unlink(const TableExtent& table, Edge edge) {
  edge.level = static_cast<u8>(table.level);
  edge.geometry = table.geometry;
  for_each_part(table, [&](const TableExtent& part, u64) {
    Frame& frame = memory_.frame(part.table);
    const bool gone = graph_.remove(frame, edge);
    if (gone && frame.tables_at(edge.geometry.layout, edge.level) == 0) {
      unlink_children(frame, edge.geometry, edge.level);
    }
  });
}

void Tables::unlink_children(Frame& frame, Geometry geometry, unsigned level) {
  if (level == last_level) return;
  for (unsigned i = 0; (i = frame.next_used(i)) < frame_words; ++i) {
    memory_.visible(frame, i, [&](Content content) {
      if (content.unknown || !Geometry::is_table(content.value, level)) return;
      unlink(
          table_below(geometry, content.value, level, 0),
          Edge{.kind = EdgeKind::word, .parent = frame.address() + 8 * i, .value = content.value});
    });
  }
}

void Tables::unlink_word(const Frame& frame, unsigned index, Geometry geometry, unsigned level,
                         u64 value) {
  unlink(table_below(geometry, value, level, 0),
         Edge{.kind = EdgeKind::word, .parent = frame.address() + 8 * index, .value = value});
}

/// A further way leads to a table that was one before: what was noted of its words on the other
/// ways holds on this one too. Level by level downwards: each page once for each level.
void Tables::note_below(Frame& frame, Geometry geometry, unsigned level) {
  std::vector<Frame*> here{&frame};
  std::vector<Frame*> below;
  for (; !here.empty() && level <= last_level; ++level, std::swap(here, below)) {
    below.clear();
    graph_.begin_search();
    for (const Frame* page : here) {
      for (unsigned i = 0; level < last_level && (i = page->next_used(i)) < frame_words; ++i) {
        if (!work_.spend(1)) return;
        memory_.visible(*page, i, [&](Content content) {
          if (content.unknown || !Geometry::is_table(content.value, level)) return;
          const TableExtent table = table_below(geometry, content.value, level, 0);
          for_each_part(table, [&](const TableExtent& part, u64) {
            Frame& its = memory_.frame(part.table);
            if (graph_.is_new(its)) below.push_back(&its);
          });
        });
      }
    }
    for (Frame* page : here) note_page(*page, geometry, level);
  }
}

/// Of each word of the page: see note_leaf() and note_access_flag().
void Tables::note_page(Frame& frame, Geometry geometry, unsigned level) {
  Entries global{};
  Entries leaves{};  // without the Access flag
  Entries tables{};
  for (unsigned i = 0; (i = frame.next_used(i)) < frame_words && work_.spend(1); ++i) {
    const u64 flag = u64{1} << (i % 64);
    memory_.visible(frame, i, [&](Content content) {
      const bool leaf = !content.unknown && geometry.is_leaf(content.value, level);
      if (content.unknown || (leaf && !not_global(content.value))) global[i / 64] |= flag;
      if (leaf) note_contiguous(frame, content.value);
      if (content.unknown || access_flag(content.value)) return;
      if (leaf) leaves[i / 64] |= flag;
      if (geometry.is_table(content.value, level)) tables[i / 64] |= flag;
    });
  }
  graph_.for_each_end(frame, global, geometry, level,
                      [&](const End& end) { may_be_global(end.tag); });
  if (caps_.httu == 0) return;
  note_access_flags(frame, geometry, level, leaves, false);
  note_access_flags(frame, geometry, level, tables, true);
}

void Tables::note_access_flags(Frame& frame, Geometry geometry, unsigned level,
                               const Entries& entries, bool tables) {
  // Mostly no entry is set by any regime, and one search tells.
  if (!may_set_access_flag(frame, entries, geometry, level, tables)) return;
  for (unsigned i = 0; (i = frame.next_used(i)) < frame_words; ++i) {
    if (!bit(entries[i / 64], i % 64)) continue;
    std::vector<u64> values;
    memory_.visible(frame, i, [&](Content content) {
      if (content.unknown || geometry.is_table(content.value, level) != tables) return;
      values.push_back(content.value);
    });
    for (const u64 value : values) note_access_flag(frame, i, geometry, level, value);
  }
}

void Tables::may_be_global(u32 tag) {
  leaves_.note_without_ng();
  const TagState& state = regimes_.tag(tag);
  if (state.globals == 0 && has_asid(state.tag)) regimes_.note_globals(tag);
}

void Tables::note_leaf(Frame& frame, unsigned index, Geometry geometry, unsigned level, u64 value) {
  if (!not_global(value).value) {
    graph_.for_each_end(frame, index, geometry, level,
                        [&](const End& end) { may_be_global(end.tag); });
  }
  note_contiguous(frame, value);
}

void Tables::note_contiguous(Frame& frame, u64 value) {
  if (!contiguous_hint(value).value) return;
  leaves_.note_contiguous(frame);
}

void Tables::note_access_flag(Frame& frame, unsigned index, Geometry geometry, unsigned level,
                              u64 value) {
  if (caps_.httu == 0 || access_flag(value)) return;
  const bool table = geometry.is_table(value, level);
  if (!table && !geometry.is_leaf(value, level)) return;
  Entries entries{};
  entries[index / 64] = u64{1} << (index % 64);
  if (may_set_access_flag(frame, entries, geometry, level, table)) {
    memory_.may_become(frame.address() + 8 * index, value, value | descriptor_bits::af);
  }
}

/// Of some entry of the page; `table`: of table descriptors.
bool Tables::may_set_access_flag(const Frame& frame, const Entries& entries, Geometry geometry,
                                 unsigned level, bool table) const {
  bool may = false;
  graph_.for_each_end(frame, entries, geometry, level, [&](const End& end) {
    const Regime<u64>& regime = regimes_.of(end.space);
    const Flag<u64> updates = table ? regime.haft : regime.ha;
    may |= updates.value && is_walked_from(end);
    for_each_walk_from(end, [&](const Space& space) {
      const Regime<u64>& walker = regimes_.of(space);
      may |= (table ? walker.haft : walker.ha).value;
    });
  });
  return may;
}

/// visit(Space) for those whose walks come by the end of a way: of a root under its tag, and below
/// a cached pointer that is in their range.
template <class Visit>
void Tables::for_each_walk_from(const End& end, Visit&& visit) const {
  regimes_.for_each_space_like(end.tag, end.space, [&](const Space& space) {
    if (end.item == 0) return visit(space);
    const Item& pointer = items_[end.item - 1];
    const u64 va = space.half == 0 ? pointer.va : pointer.last();
    if (va_in_range(regimes_.of(space), space.half, va)) visit(space);
  });
}

bool Tables::is_walked_from(const End& end) const {
  bool walked = false;
  for_each_walk_from(end, [&](const Space&) { walked = true; });
  return walked;
}

/// Which structure the root of a walk is of, and whether some word of it is another one than memory
/// holds, or will hold.
std::string Tables::root_text(const End& end) const {
  if (end.item != 0) return " from a cached table descriptor";
  for (u32 i = 0; i < regimes_.formed(); ++i) {
    const Formed& formed = regimes_.formed(i);
    if (formed.regime != end.space.regime) continue;
    const bool stage2 = regimes_.tag(end.tag).tag.stage == Stage::stage2;
    return " from the root in the " + std::string(stage2 ? "STE" : "CD") + " at " +
           findings_.name(formed.place) +
           (formed.units == 0 ? ""
                              : ", of which old and new words may be met together (cached ones "
                                "until CFGI and CMD_SYNC),");
  }
  return {};
}

// A walk that can reach a word of unknown content reads it as anything. SEMANTICS 2.
void Tables::check_unknown(const Frame& frame, const Edge& edge, bool& known) {
  if (!frame.any_unknown() && !frame.any_pending()) return;
  const unsigned level = edge.level;
  for (unsigned i = edge.first; i < edge.first + u32{edge.count}; ++i) {
    bool unknown = false;
    memory_.visible(frame, i, [&](Content content) { unknown |= content.unknown; });
    if (!unknown) continue;
    std::optional<End> walker;
    graph_.for_each_end(frame, i, edge.geometry, level, [&](const End& end) {
      if (!is_walked_from(end)) return;
      if (!walker) walker = end;
      may_be_global(end.tag);
    });
    if (!walker || !known) return;
    known = false;
    findings_.report(
        rule::WILD_WALK,
        "a walk of " + tag_text(regimes_.tag(walker->tag).tag) + root_text(*walker) +
            " can now reach " + findings_.name(frame.address() + 8 * i) + " as an entry of level " +
            std::to_string(level) +
            ", whose content is not known (never written, freed, or written without a barrier "
            "before it was linked): it may be read as any descriptor");
    return;
  }
}

// A plain store over a descriptor that hardware may update. Who clears a leaf gives its flags up;
// the flag of a table descriptor tells of all that is below it. SEMANTICS 4; IHI 0070 3.13.
void Tables::check_lost_update(Frame& frame, unsigned index, u64 value) {
  const Content old = frame.newest(index);
  if (caps_.httu == 0 || old.unknown || !bit(old.value, 0)) return;
  bool lost = false;
  for_each_layout(frame, [&](Geometry geometry, unsigned level) {
    const bool table = Geometry::is_table(old.value, level);
    if (lost || (!table && (!geometry.is_leaf(old.value, level) || !bit(value, 0)))) return;
    graph_.for_each_end(frame, index, geometry, level, [&](const End& end) {
      const Regime<u64>& r = regimes_.of(end.space);
      if (regimes_.tag(end.tag).formed == 0) return;
      const Flag<u64> updates = table ? r.haft : r.ha;
      const bool sets_af = updates.value && !access_flag(old.value).value;
      lost |= sets_af;
      if (table) return;
      // Bit 7 takes the right to write at stage 1, and gives it at stage 2.
      const bool clean = ap2(old.value).value != is_stage2(r);
      const bool sets_dirty = r.hd.value && dirty_bit_modifier(old.value).value && clean;
      lost |= sets_dirty;
    });
  });
  if (!lost) return;
  findings_.report(
      rule::LOST_UPDATE_STORE,
      "a plain store replaces the valid descriptor at " +
          findings_.name(frame.address() + 8 * index) +
          ", which hardware may be updating (HTTU): an access or dirty flag may be lost; use "
          "an atomic read-modify-write");
}

bool Tables::may_be_walked_to(const Frame& frame) const {
  if (!frame.is_table()) return false;
  for (u32 i = graph_.first(frame); i != 0; i = graph_.edge(i).next) {
    const Edge& edge = graph_.edge(i);
    if (edge.kind == EdgeKind::item) return true;
    if (edge.kind == EdgeKind::root && regimes_[static_cast<u32>(edge.parent)].ghost == 0) {
      return true;
    }
  }
  return is_walked(frame, true);
}

bool Tables::is_walked(const Frame& frame, bool ghosts) const {
  bool walked = false;
  for_each_way(frame, [&](const End& end, unsigned level) {
    const bool root =
        end.item == 0 && level == first_table(regimes_.of(end.space), end.space.half).level;
    walked |= (ghosts && end.ghost && !root) || is_walked_from(end);
  });
  return walked;
}

}  // namespace iommucheck::spec
