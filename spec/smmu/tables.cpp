// SPDX-License-Identifier: MIT
// Table pages: which pages are tables for whom, what their old words leave behind in caches, and
// what a store into them may break. SEMANTICS 2 (items), 4 (break-before-make).
#include <algorithm>

#include "base/text.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

namespace {

bool any_unknown(const Frame& frame) {
  return std::ranges::any_of(frame.unknown, [](u64 word) { return word != 0; });
}

bool any_pending(const Frame& frame) {
  return std::ranges::any_of(frame.pending, [](u64 word) { return word != 0; });
}

}  // namespace

// ---- edges --------------------------------------------------------------------------------------

/// From now on `edge` leads to the table, in whose frames it stands once each.
void Caches::link(const TableExtent& table, Edge edge) {
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
void Caches::link_part(Frame& frame, const Edge& edge, bool& known) {
  if (!work_.spend(1)) return;
  const bool first = frame.tables_at(edge.geometry.layout, edge.level) == 0;
  if (!graph_.add(frame, edge)) {
    findings_.give_up("more descriptors lead to the table page at " +
                      findings_.name(frame.address()) + " than are counted (65,535)");
    return;
  }
  findings_.count(Rule::WILD_WALK);
  check_unknown(frame, edge, known);
  if (first) {
    link_children(frame, edge.geometry, edge.level);
  } else if (leaves_.any_without_ng() || caps_.httu != 0) {
    note_below(frame, edge.geometry, edge.level);
  }
}

void Caches::link_children(Frame& frame, Geometry geometry, unsigned level) {
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
  }
}

/// A further way leads to a table that was one before: what was noted of its words on the other
/// ways holds on this one too. Level by level downwards: each page once for each level.
void Caches::note_below(Frame& frame, Geometry geometry, unsigned level) {
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
void Caches::note_page(Frame& frame, Geometry geometry, unsigned level) {
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

void Caches::note_access_flags(Frame& frame, Geometry geometry, unsigned level,
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

/// Something global, or unknown, is in a table of the tag. In a world without ASIDs nG says
/// nothing.
void Caches::may_be_global(u32 tag) {
  leaves_.note_without_ng();
  const TagState& state = regimes_.tag(tag);
  if (state.globals == 0 && has_asid(state.tag)) regimes_.note_globals(tag);
}

/// Kinds of leaves that look-ups have to look further for.
void Caches::note_leaf(Frame& frame, unsigned index, Geometry geometry, unsigned level, u64 value) {
  if (!not_global(value).value) {
    graph_.for_each_end(frame, index, geometry, level,
                        [&](const End& end) { may_be_global(end.tag); });
  }
  note_contiguous(frame, value);
}

void Caches::note_contiguous(Frame& frame, u64 value) {
  if (!contiguous_hint(value).value) return;
  leaves_.note_contiguous(frame);
}

/// Hardware may set the Access flag of a leaf that it can walk to, unasked, and under HAFT that of
/// a table descriptor. SEMANTICS 4; IHI 0070 3.13.6.
void Caches::note_access_flag(Frame& frame, unsigned index, Geometry geometry, unsigned level,
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
bool Caches::may_set_access_flag(const Frame& frame, const Entries& entries, Geometry geometry,
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
void Caches::for_each_walk_from(const End& end, Visit&& visit) const {
  regimes_.for_each_space_like(end.tag, end.space, [&](const Space& space) {
    if (end.item == 0) return visit(space);
    const Item& pointer = items_[end.item - 1];
    const u64 va = space.half == 0 ? pointer.va : pointer.last();
    if (va_in_range(regimes_.of(space), space.half, va)) visit(space);
  });
}

bool Caches::is_walked_from(const End& end) const {
  bool walked = false;
  for_each_walk_from(end, [&](const Space&) { walked = true; });
  return walked;
}

/// What link() did.
void Caches::unlink(const TableExtent& table, Edge edge) {
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

void Caches::unlink_children(Frame& frame, Geometry geometry, unsigned level) {
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

// A walk that can reach a word of unknown content reads it as anything. SEMANTICS 2.
void Caches::check_unknown(const Frame& frame, const Edge& edge, bool& known) {
  if (!any_unknown(frame) && !any_pending(frame)) return;
  const unsigned level = edge.level;
  for (unsigned i = edge.first; i < edge.first + u32{edge.count}; ++i) {
    bool unknown = false;
    memory_.visible(frame, i, [&](Content content) { unknown |= content.unknown; });
    if (!unknown) continue;
    std::optional<u32> walker;
    graph_.for_each_end(frame, i, edge.geometry, level, [&](const End& end) {
      if (!is_walked_from(end)) return;
      if (!walker) walker = end.tag;
      may_be_global(end.tag);
    });
    if (!walker || !known) return;
    known = false;
    findings_.report(
        Rule::WILD_WALK,
        "a walk of " + tag_text(regimes_.tag(*walker).tag) + " can now reach " +
            findings_.name(frame.address() + 8 * i) + " as an entry of level " +
            std::to_string(level) +
            ", whose content is not known (never written, freed, or written without a barrier "
            "before it was linked): it may be read as any descriptor");
    return;
  }
}

// ---- stores -------------------------------------------------------------------------------------

void Caches::store(AgentId by, u64 pa, u64 value) {
  Frame& frame = memory_.frame(pa);
  store_word(by, frame, static_cast<unsigned>(bits(pa, 11, 3)), Content{value, false}, true);
}

void Caches::store_unknown(AgentId by, u64 pa) {
  store_word(by, memory_.frame(pa), static_cast<unsigned>(bits(pa, 11, 3)), Content{0, true}, true);
}

void Caches::store_bytes(AgentId by, u64 pa, unsigned size, u64 value) {
  if (size == 8 && pa % 8 == 0) {
    store(by, pa, value);
    return;
  }
  // No single-copy atomicity is promised beyond one aligned word of the access's own size; what is
  // unaligned is taken byte by byte.
  const bool natural = (size == 1 || size == 2 || size == 4) && pa % size == 0;
  const unsigned unit = natural ? size : 1;
  for (unsigned done = 0; done < size; done += unit) {
    const u64 at = pa + done;
    Frame& frame = memory_.frame(at);
    const auto index = static_cast<unsigned>(bits(at, 11, 3));
    const auto shift = static_cast<unsigned>(8 * (at % 8));
    const Content old = frame.newest(index);
    if (old.unknown) {
      store_word(by, frame, index, Content{0, true}, true);
      continue;
    }
    const u64 part = unit == 8 ? value : (value >> (8 * done)) & mask(8 * unit - 1, 0);
    const u64 word = with_bits(old.value, shift + 8 * unit - 1, shift, part);
    store_word(by, frame, index, Content{word, false}, true);
  }
}

void Caches::fill(AgentId by, u64 pa, u64 words, u64 value) {
  while (words != 0) {
    const u64 here = std::min<u64>(words, frame_words - bits(pa, 11, 3));
    memory_.fill(pa, here, value, by, findings_.now(),
                 [&](Frame& frame, unsigned index, Content content) {
                   work_.earn(Work::per_word);
                   store_word(by, frame, index, content, true);
                 });
    pa += 8 * here;
    words -= here;
  }
}

void Caches::store_word(AgentId by, Frame& frame, unsigned index, Content content, bool plain) {
  if (frame.is_unreachable() || stands_still()) {
    memory_.store(frame, index, content, by, findings_.now());
    return;
  }
  if (frame.newest(index) == content && !frame.is_pending(index)) {
    if (frame.is_table() && plain && !content.unknown) {
      check_lost_update(frame, index, content.value);
    }
    return;
  }
  if (frame.is_table()) before_table_store(frame, index, content.value, plain);
  memory_.store(frame, index, content, by, findings_.now());
  if (frame.is_table() && !content.unknown) after_table_store(frame, index, content.value);
  if (frame.config != 0) reform_around(frame.address() + 8 * index);
}

void Caches::rmw(AgentId by, u64 pa, u64 value) {
  Frame& frame = memory_.frame(pa);
  const auto index = static_cast<unsigned>(bits(pa, 11, 3));
  store_word(by, frame, index, Content{value, false}, false);
  if (caps_.cohacc) settle_word(pa);
}

/// As an atomic exchange has it: whose agent stored makes no difference, since nothing is pending.
void Caches::device_store(u64 pa, u64 value) {
  Frame& frame = memory_.frame(pa);
  if (frame.is_unreachable()) {
    memory_.assume(pa, Content{value, false});
    return;
  }
  const auto index = static_cast<unsigned>(bits(pa, 11, 3));
  store_word(AgentId{}, frame, index, Content{value, false}, false);
  settle_word(pa);
}

void Caches::settle_word(u64 pa) {
  if (!memory_.is_pending(pa)) return;
  std::vector<Vanished> vanished;
  memory_.settle_word(pa, [&](Frame& f, unsigned i, Content content, EventIndex at) {
    vanished.push_back({&f, i, content, at});
  });
  settle(vanished);
}

// A frozen translation regime must not see what is stored from now on.
void Caches::before_table_store(Frame& frame, unsigned index, u64 value, bool plain) {
  materialize_ghosts_over(frame);
  if (plain) check_lost_update(frame, index, value);
}

/// Regimes that are gone and whose trees the page is part of.
void Caches::materialize_ghosts_over(const Frame& frame) {
  if (!regimes_.any_ghost() || !frame.is_table()) return;
  u32 ghost = 0;
  do {
    ghost = 0;
    for_each_way(frame, [&](const End& end, unsigned /*level*/) {
      if (end.ghost) ghost = end.space.regime + 1;
    });
    if (ghost != 0) materialize_ghost(ghost - 1);
  } while (ghost != 0);
}

// A plain store over a descriptor that hardware may update. Who clears a leaf gives its flags up;
// the flag of a table descriptor tells of all that is below it. SEMANTICS 4, 6; IHI 0070 3.13.
void Caches::check_lost_update(Frame& frame, unsigned index, u64 value) {
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
      Rule::LOST_UPDATE_STORE,
      "a plain store replaces the valid descriptor at " +
          findings_.name(frame.address() + 8 * index) +
          ", which hardware may be updating (HTTU): an access or dirty flag may be lost; use "
          "an atomic read-modify-write");
}

void Caches::after_table_store(Frame& frame, unsigned index, u64 value) {
  const u64 pa = frame.address() + 8 * index;
  for_each_layout(frame, [&](Geometry geometry, unsigned level) {
    if (geometry.is_leaf(value, level)) {
      note_leaf(frame, index, geometry, level, value);
      note_access_flag(frame, index, geometry, level, value);
      if (regimes_.any_globals()) {
        leaves_.note_store(pa, value, findings_.now());
        if (const auto update = memory_.became(pa, value)) {
          leaves_.note_store(pa, *update, findings_.now());
        }
      }
      if (contiguous_hint(value).value) check_contiguous(frame, index, geometry, level, value);
    }
    if (Geometry::is_table(value, level)) {
      bool known = false;  // an older visible version with this value has its edge already
      unsigned seen = 0;
      memory_.visible(frame, index, [&](Content content) {
        if (seen++ != 0) known |= content == Content{value, false};
      });
      bool linked = false;
      const TableExtent table = table_below(geometry, value, level, 0);
      const Frame& child = memory_.frame(table.table);
      for (u32 i = graph_.first(child); i != 0 && work_.spend(1); i = graph_.edge(i).next) {
        const Edge& edge = graph_.edge(i);
        linked |= edge.kind == EdgeKind::word && edge.level == level + 1 &&
                  edge.geometry == geometry && edge.parent == pa && edge.value == value;
      }
      if (!linked) link(table, Edge{.kind = EdgeKind::word, .parent = pa, .value = value});
    }
    if (changes_.followed()) {
      graph_.for_each_path(frame, index, geometry, level, [&](const Path& path) {
        unsigned extent = geometry.shift(level);
        if (frame.contiguous != 0 && level > 0) extent += geometry.group_lg2(level);
        mark_dirty(path.tag, path.va, extent);
      });
    }
    if (bit(value, 0)) check_make(frame, index, geometry, level, value);
  });
}

void Caches::mark_dirty(u32 tag, u64 va, unsigned extent_lg2) {
  const u64 first = align_down(va, extent_lg2);
  changes_.mark(tag, first, first + (pow2(extent_lg2) - 1));
}

// ---- visibility ---------------------------------------------------------------------------------

void Caches::barrier(AgentId by) {
  std::vector<Vanished>& vanished = scratch_vanished_;
  vanished.clear();
  memory_.barrier(by, [&](Frame& frame, unsigned index, Content content, EventIndex at) {
    // Nothing is left behind by an invalid descriptor.
    if (frame.config == 0 && !content.unknown && !bit(content.value, 0)) return;
    vanished.push_back({&frame, index, content, at});
  });
  if (!vanished.empty()) settle(vanished);
}

void Caches::settle(std::vector<Vanished>& vanished) {
  if (stands_still()) return;
  for (std::size_t i = 0, count = vanished.size(); i < count; ++i) {
    const Vanished what = vanished[i];
    const u64 pa = what.frame->address() + 8 * what.index;
    if (const auto update = memory_.became(pa, what.content.value);
        update && !what.content.unknown) {
      vanished.push_back({what.frame, what.index, Content{*update, false}, what.at});
    }
  }
  // What is visible again, or still, has not vanished.
  std::erase_if(vanished, [&](const Vanished& what) {
    bool visible = false;
    memory_.visible(*what.frame, what.index,
                    [&](Content content) { visible |= content == what.content; });
    // With global entries it matters that an equal one is older.
    if (visible && regimes_.any_globals() && what.frame->is_table()) {
      vanish_from_table(*what.frame, what);
    }
    return visible;
  });
  // First all items, while every way to them is still there; then the ways that are gone.
  for (const Vanished& what : vanished) {
    if (what.frame->is_table()) vanish_from_table(*what.frame, what);
    if (what.frame->config != 0) config_vanished(what, vanished);
  }
  for (const Vanished& what : vanished) {
    if (!what.frame->is_table() || what.content.unknown) continue;
    const u64 value = what.content.value;
    for_each_layout(*what.frame, [&](Geometry geometry, unsigned level) {
      if (!Geometry::is_table(value, level)) return;
      unlink(table_below(geometry, value, level, 0),
             Edge{.kind = EdgeKind::word,
                  .parent = what.frame->address() + 8 * what.index,
                  .value = value});
    });
  }
  std::vector<StreamPart> streams;
  for (const Vanished& what : vanished) {
    if (what.frame->config == 0) continue;
    add_streams_around(what.frame->address() + 8 * what.index, streams);
  }
  for (const StreamPart& part : streams) reform(part);
}

/// visit(const Path&), through what is filled on the way: below a cached pointer through each
/// regime that walks now, whatever the pointer was filled through.
template <class Visit>
void Caches::for_each_filling(const Path& path, Visit&& visit) const {
  if (path.item == 0) return visit(path);
  regimes_.for_each_space_like(path.tag, path.space, [&](const Space& space) {
    Path filling = path;
    filling.space = space;
    if (va_in_range(regimes_.of(space), space.half, path.va)) visit(filling);
  });
}

void Caches::vanish_from_table(Frame& frame, const Vanished& what) {
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
      mark_dirty(path.tag, path.va, extent);
    });
    for (const Path& path : found) {
      if (!work_.spend(1 + atcs_.items() / 8)) return;
      for_each_filling(path, [&](const Path& filling) {
        add_item(filling, pa, what.content, what.at);
        if (atcs_.any_on()) ats_.leave_dirty(filling, pa, what.content, what.at);
      });
    }
  });
}

/// The group with which something dies that is filled on the way `path`. Filled while the way was
/// there, so: not by groups before its end; by the group that ends a cached pointer of the way, if
/// a command which covers that pointer covers it too; else by the first later one.
Group Caches::fate(const Path& path, const Item& item) const {
  if (path.dies == immortal) return immortal;
  if (path.item != 0) {
    const Item& pointer = items_[path.item - 1];
    const auto both = [&](const InFlight& sent) {
      return scopes_.ends(sent, pointer) && scopes_.removes(sent.command, item);
    };
    if (commands_.is_ended_by(pointer.dies, both)) return pointer.dies;
  }
  return commands_.first_after(
      path.dies, [&](const InFlight& sent) { return scopes_.removes(sent.command, item); });
}

void Caches::add_item(const Path& path, u64 origin, Content content, EventIndex stored_at,
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
            .vanished_at = findings_.now(),
            .stored_at = stored_at};
  if (content.unknown) {
    item.kind = ItemKind::unknown;
  } else {
    const Step<u64> next =
        regimes_.step_in(path.space, path.level, content.value, path.hierarchical);
    if (std::holds_alternative<Fault>(next)) return;
    if (const auto* pointer = std::get_if<TableStep<u64>>(&next)) {
      if (r.haft.value && !pointer->af.value) return;
      item.kind = ItemKind::pointer;
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
  insert_item(item);
}

/// Entries of a contiguous group but those that `covered` removes: each dies for itself.
void Caches::insert_group(const Path& path, const Item& group, const Command* covered) {
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
      insert_item(run);
    }
    first = end;
  }
}

void Caches::insert_item(const Item& item) {
  if (!work_.spend(1 + items_.count(item.tag) / 64) || items_.join(item)) return;
  const u32 index = items_.insert(item);
  if (item.kind == ItemKind::unknown) may_be_global(item.tag);
  if (item.kind == ItemKind::pointer) {
    link(item.table(), Edge{.kind = EdgeKind::item, .parent = index, .value = item.value});
  }
}

/// What combined entries hold of an entry of stage 2 that dies: they were made until then, if a
/// nested STE was there, and S2_IPA removes none of them. So only what removes both at once, or
/// what comes behind, counts.
Item Caches::shadow_of(const Item& item) const {
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
void Caches::drop_items(Group group) {
  if (items_.count() == 0 || stands_still()) return;
  std::vector<Item>& shadows = scratch_shadows_;
  shadows.clear();
  items_.drop(group, [&](u32 index, const Item& item) {
    findings_.count(Rule::PAGE_REUSE);
    if (atcs_.any_on() && item.kind != ItemKind::pointer) ats_.leave(item);
    changes_.mark(item.tag, item.va, item.last());
    const bool combined = regimes_.tag(item.tag).combines != 0 && item.shadow == 0;
    if (combined && item.kind == ItemKind::final) shadows.push_back(shadow_of(item));
    if (item.kind != ItemKind::pointer) return;
    unlink(item.table(), Edge{.kind = EdgeKind::item, .parent = index, .value = item.value});
  });
  for (const Item& shadow : shadows) {
    if (shadow.dies > group) insert_item(shadow);
  }
}

// ---- pages that come and go ---------------------------------------------------------------------

void Caches::recycle(u64 pa, bool given_back) {
  Frame& frame = memory_.frame(pa);
  if (given_back) findings_.count(Rule::TABLE_FREE);
  if (stands_still()) return memory_.forget(frame);
  if (given_back && (may_be_walked_to(frame) || is_configuration(view_, pa))) {
    std::vector<Cause> causes;
    constexpr std::size_t enough = 4;
    for (u32 i = graph_.first(frame); i != 0 && causes.size() < enough;) {
      causes.push_back(cause_of(view_, graph_.edge(i)));
      i = graph_.edge(i).next;
    }
    if (is_configuration(view_, pa)) {
      causes.emplace_back();
      causes.back().kind = Cause::Kind::configuration;
      causes.back().pa = pa;
    }
    findings_.report(Rule::TABLE_FREE,
                     "hardware may still walk the table page " + findings_.name(frame.address()) +
                         " that is given back",
                     std::move(causes));
  }
  if (given_back && is_walked(frame, false)) {
    findings_.report(Rule::WILD_WALK,
                     "a walk may read the page " + findings_.name(frame.address()) +
                         " after it was given back, when its content is anybody's");
    for_each_way(frame, [&](const End& end, unsigned /*level*/) { may_be_global(end.tag); });
  }
  std::vector<Vanished> vanished;
  if (!frame.is_unreachable()) {
    for (unsigned i = 0; i < frame_words; ++i) {
      memory_.visible(frame, i, [&](Content content) {
        if (!content.unknown) vanished.push_back({&frame, i, content, findings_.now()});
      });
    }
    materialize_ghosts_over(frame);
  }
  memory_.forget(frame);
  if (!vanished.empty()) settle(vanished);
}

/// By a cached pointer of any tag, or by memory that some regime walks. A regime that is gone walks
/// no more from its root; only what it filled lives on (IHI 0070 3.21.3).
bool Caches::may_be_walked_to(const Frame& frame) const {
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

/// visit(const End&, level) for the ends of the ways on which the page is of a table of `level`.
template <class Visit>
void Caches::for_each_way(const Frame& frame, Visit&& visit) const {
  Entries all;
  all.fill(~u64{0});
  for_each_layout(frame, [&](Geometry geometry, unsigned level) {
    graph_.for_each_end(frame, all, geometry, level, [&](const End& end) { visit(end, level); });
  });
}

/// Under a tag of which a regime can be formed: only there anything is filled. `ghosts`: or where
/// that was so and the pointers that were filled live on.
bool Caches::is_walked(const Frame& frame, bool ghosts) const {
  bool walked = false;
  for_each_way(frame, [&](const End& end, unsigned level) {
    const bool root =
        end.item == 0 && level == first_table(regimes_.of(end.space), end.space.half).level;
    walked |= (ghosts && end.ghost && !root) || is_walked_from(end);
  });
  return walked;
}

void Caches::assume(u64 pa, u64 value) {
  Frame& frame = memory_.frame(pa);
  if (frame.is_unreachable() || stands_still()) {
    memory_.assume(pa, Content{value, false});
    return;
  }
  // Seen late: it was like this since the page became reachable.
  const auto index = static_cast<unsigned>(bits(pa, 11, 3));
  if (frame.newest(index) == Content{value, false}) return;
  memory_.assume(pa, Content{value, false});
  if (frame.is_table()) after_table_store(frame, index, value);
  if (frame.config != 0) reform_around(pa);
}

// ---- break before make --------------------------------------------------------------------------

// SEMANTICS 4: judged when a valid descriptor is stored, against what lives under the same tag.
void Caches::check_make(Frame& frame, unsigned index, Geometry geometry, unsigned level,
                        u64 value) {
  const bool versions = graph_.valid_versions(frame, index) > 1;
  graph_.for_each_path(frame, index, geometry, level, [&](const Path& path) {
    const TagState& tag = regimes_.tag(path.tag);
    if (tag.formed == 0) return;
    findings_.count(Rule::CONFLICT_BBM);
    const u64 pa = frame.address() + 8 * index;
    const bool others = versions || path.several || tag.formed > 1 || regimes_.any_globals();
    if (others || frame.contiguous != 0) probe(path.tag, path.va, pa);
    const unsigned group_lg2 = frame.contiguous != 0 ? geometry.group_lg2(level) : 0;
    const u64 first = align_down(path.va, geometry.shift(level) + group_lg2);
    const u64 last = first + (pow2(geometry.shift(level) + group_lg2) - 1);
    // By another regime of the tag smaller entries may lie inside of the leaf.
    for (u64 r = geometry.is_leaf(value, level) && tag.formed > 1 ? tag.first_regime : 0; r != 0;
         r = regimes_[r - 1].next) {
      if (regimes_[r - 1].formed == 0) continue;
      regimes_.for_each_root(static_cast<u32>(r - 1), [&](const Space&, const TableExtent& root) {
        probe_table(path.tag, root, first, last);
      });
    }
    const bool several = others || items_.count(path.tag) != 0;
    if (Geometry::is_table(value, level)) {
      const TableExtent table = table_below(geometry, value, level, path.va);
      if (several || pending_below(table)) probe_table(path.tag, table);
    }
    // Where a table may give way to a block, what matters is what was below it.
    if (caps_.bbml != 0 && geometry.is_leaf(value, level)) {
      memory_.visible(frame, index, [&](Content old) {
        if (old.unknown || !Geometry::is_table(old.value, level)) return;
        probe_table(path.tag, table_below(geometry, old.value, level, path.va));
      });
    }
    for (u32 i = items_.first(path.tag); i != 0; i = items_[i].next) {
      if (!work_.spend(1)) return;
      const Item& item = items_[i];
      if (item.last() < first || item.va > last || item.shadow != 0) continue;
      probe(path.tag, std::max(item.va, path.va), pa);
      probe(path.tag, path.va, pa);
      if (caps_.bbml != 0 && item.kind == ItemKind::pointer) {
        probe_table(path.tag, item.table(), first, last);
      }
    }
  });
}

void Caches::probe(u32 tag, u64 va, u64 origin) {
  probe_tag(tag, va, origin);
  if (regimes_.tag(tag).globals == 0) return;
  // A global translation meets those of every other ASID.
  if (!work_.spend(regimes_.active())) return;
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const auto other = regimes_.active_tag(t);
    if (other != tag && regimes_.tag(other).formed != 0 && regimes_.meets_globals_of(other, tag)) {
      probe_tag(other, va, origin);
    }
  }
}

void Caches::probe_tag(u32 tag, u64 va, u64 origin) {
  std::vector<Candidate> found;
  if (!work_.spend(8 * Work::per_question)) return;  // dearer than looking at so many edges
  lookups_.collect(tag, va, found);
  if (!lookups_.in_conflict(found)) return;
  for (const Violation& violation : findings_.violations()) {
    if (violation.rule == Rule::CONFLICT_BBM && violation.at == findings_.now()) return;
  }
  std::string text = "two translations that differ may both be alive at input address " +
                     findings_.name(va) + " under one tag; the last store was to " +
                     findings_.name(origin);
  std::vector<Cause> causes;
  for (const Candidate& c : found) {
    if (c.kind != Candidate::Kind::fault) causes.push_back(cause_of(view_, c, va));
  }
  findings_.report(Rule::CONFLICT_BBM, text, std::move(causes));
}

/// Some word of the table, or of those below it, has more than one visible version.
bool Caches::pending_below(const TableExtent& table) const {
  bool pending = false;
  for_each_part(table, [&](const TableExtent& part, u64) {
    const Frame* frame = memory_.find(part.table);
    if (pending || frame == nullptr || !memory_.any_pending()) return;
    pending = any_pending(*frame);
    if (table.level == last_level) return;
    for (unsigned i = 0; !pending && (i = frame->next_used(i)) < frame_words; ++i) {
      if (!work_.spend(1)) return;
      if (frame->is_unknown(i) || !Geometry::is_table(frame->words[i], table.level)) continue;
      pending = pending_below(table_below(table.geometry, frame->words[i], table.level, 0));
    }
  });
  return pending;
}

/// What the table may translate within [first, last]; of contiguous entries all that begin before.
void Caches::probe_table(u32 tag, const TableExtent& table, u64 first, u64 last) {
  for_each_part(table, [&](const TableExtent& part, u64) { probe_part(tag, part, first, last); });
}

void Caches::probe_part(u32 tag, const TableExtent& part, u64 first, u64 last) {
  const Frame* frame = memory_.find(part.table);
  const unsigned shift = part.shift();
  const unsigned group_lg2 = part.geometry.group_lg2(part.level);
  const u64 before = first > part.va ? align_down((first - part.va) >> shift, group_lg2) : 0;
  if (frame == nullptr || before >= part.entries) return;
  const auto begin = static_cast<unsigned>(bits(part.table, 11, 3));
  const auto end = static_cast<unsigned>(begin + part.entries);
  for (auto i = static_cast<unsigned>(begin + before);
       (i = frame->next_used(i)) < end && work_.spend(1); ++i) {
    const u64 va = part.va + (u64{i - begin} << shift);
    if (va > last) return;
    memory_.visible(*frame, i, [&](Content content) {
      if (content.unknown || !bit(content.value, 0)) return;
      if (part.geometry.is_leaf(content.value, part.level)) {
        probe(tag, va, frame->address() + 8 * i);
      }
      if (Geometry::is_table(content.value, part.level)) {
        probe_table(tag, table_below(part.geometry, content.value, part.level, va), first, last);
      }
    });
  }
}

// Valid members of a contiguous group agree in all but the output that follows from their index.
void Caches::check_contiguous(Frame& frame, unsigned index, Geometry geometry, unsigned level,
                              u64 value) {
  const unsigned group_lg2 = geometry.group_lg2(level);
  if (group_lg2 == 0) return;
  const unsigned shift = geometry.shift(level);
  const u64 output_mask = mask(47, shift);
  const auto expected = [&](u64 word, unsigned i) {
    return (word & ~output_mask) | ((word - (u64{i} << shift)) & output_mask);
  };
  const auto first = static_cast<unsigned>(align_down(index, group_lg2));
  for (unsigned i = first; i < first + (1U << group_lg2); ++i) {
    const Content other = frame.newest(i);
    if (i == index || other.unknown || !geometry.is_leaf(other.value, level)) continue;
    if (!contiguous_hint(other.value).value) continue;
    findings_.count(Rule::CONFLICT_CONTIGUOUS);
    if (expected(other.value, i - first) == expected(value, index - first)) continue;
    findings_.report(
        Rule::CONFLICT_CONTIGUOUS,
        "members of one contiguous group disagree: " + findings_.name(frame.address() + 8 * index) +
            " and " + findings_.name(frame.address() + 8 * i));
    return;
  }
}

}  // namespace iommucheck::spec
