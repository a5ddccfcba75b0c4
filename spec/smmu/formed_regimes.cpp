// SPDX-License-Identifier: MIT
// Translation regimes that come and go under the tags, what those leave behind that go, and two of
// them under one tag. SEMANTICS 2: "Two regimes under one tag".
#include <algorithm>

#include "base/text.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

namespace {

/// By which walks of the space begin at `root`.
Edge root_edge(const Space& space, const TableExtent& root) {
  return {.kind = EdgeKind::root, .half = space.half, .parent = space.regime, .value = root.table};
}

}  // namespace

// ---- regimes that come and go -------------------------------------------------------------------

void Caches::become_formed(u32 id) {
  work_.earn_for_all();
  graph_.note_change();
  const RegimeState& state = regimes_[id];
  const TagState& tag = regimes_.tag(state.tag);
  // A ghost has the same tables again: memory yields what was filled, and changed words are items.
  if (!regimes_.come(id)) {
    for (u64 other = tag.first_regime; other != 0; other = regimes_[other - 1].next) {
      if (regimes_[other - 1].ghost != 0) materialize_ghost(static_cast<u32>(other - 1));
    }
    regimes_.for_each_root(id, [&](const Space& space, const TableExtent& root) {
      link(root, root_edge(space, root));
    });
  }
  mark_dirty(state.tag, 0, 64);
  if (!from_reset_.has_config() && from_reset_.has_translations(tag.tag)) {
    const bool stage1 = tag.tag.stage != Stage::stage2;
    findings_.report(Rule::UNKNOWN_AFTER_RESET,
                     "translations from before reset may live under " + tag_text(tag.tag) +
                         (stage1 ? ", VMID " + hex(tag.tag.vmid) : std::string()) +
                         ", which comes into use");
  }
  // Make checks of a whole regime: against items that live under its tag, and other regimes.
  for (u32 i = items_.first(state.tag); i != 0; i = items_[i].next) {
    if (items_[i].shadow != 0) continue;
    for (u64 k = 0; k < items_[i].count; ++k) {
      probe(state.tag, items_[i].va + k * items_[i].entry_bytes(), items_[i].origin + 8 * k);
    }
    if (items_[i].kind != ItemKind::pointer) continue;
    probe_table(state.tag, items_[i].table());
  }
  bool several = tag.formed > 1 || items_.count(state.tag) != 0 || regimes_.any_globals() ||
                 leaves_.any_contiguous();
  regimes_.for_each_root(
      id, [&](const Space&, const TableExtent& root) { several = several || pending_below(root); });
  for (u64 r = several ? tag.first_regime : 0; r != 0; r = regimes_[r - 1].next) {
    if (regimes_[r - 1].formed == 0) continue;
    regimes_.for_each_root(static_cast<u32>(r - 1), [&](const Space&, const TableExtent& root) {
      probe_table(state.tag, root);
    });
  }
}

void Caches::unlink_roots(u32 id) {
  regimes_.for_each_root(id, [&](const Space& space, const TableExtent& root) {
    unlink(root, root_edge(space, root));
  });
}

// What was filled through the regime lives on until a TLBI, although nothing fills any more.
void Caches::become_ghost(u32 id, Group died) {
  work_.earn_for_all();
  graph_.note_change();
  regimes_.go(id, findings_.now());
  const RegimeState& state = regimes_[id];
  const TagState& tag = regimes_.tag(state.tag);
  mark_dirty(state.tag, 0, 64);
  bool piecemeal = tag.formed != 0 || regimes_.any_globals();
  // By commands that were exposed already, as first_after() has it.
  commands_.for_each([&](const InFlight& sent) {
    if (died == immortal || sent.group <= died || !is_tlbi(sent.command.op)) return;
    if (is_tlbi_by_address(sent.command.op) || regimes_.any_globals()) {
      piecemeal = true;
    } else if (removes_all(sent.command, tag.tag, false, scopes_.of(sent.command, state.tag))) {
      regimes_.set_ghost_dies(id, std::min<u64>(state.ghost_dies, sent.group));
    }
  });
  if (items_.pointers(state.tag) != 0) freeze_pointers(id, died);
  if (!piecemeal) return;
  regimes_.set_ghost_dies(id, immortal);  // each item finds its own
  regimes_.for_each_root(id, [&](const Space& space, const TableExtent& root) {
    const Path path{.tag = state.tag, .space = space, .ghost = true, .dies = died};
    expand(path, root, nullptr);
    leave_mixed(space, root, died);
  });
  drop_ghost(id);
}

/// What was filled through the regime below table descriptors that the others of its tag had
/// fetched: those of their roots, which this one has not.
void Caches::leave_mixed(const Space& gone, const TableExtent& own, Group died) {
  const u32 tag = regimes_[gone.regime].tag;
  regimes_.for_each_space_like(tag, gone, [&](const Space& other) {
    const TableExtent root = root_of(regimes_.of(other), other.half);
    if (root.table == own.table && root.level == own.level) return;
    for (u64 i = 0; i < root.entries; ++i) {
      std::vector<u64> tables;
      memory_.visible(root.table + 8 * i, [&](Content content) {
        const bool table = !content.unknown && Geometry::is_table(content.value, root.level);
        if (table) tables.push_back(content.value);
      });
      for (const u64 word : tables) {
        const Path path{.tag = tag,
                        .space = gone,
                        .hierarchical = pack_below(0, word),
                        .ghost = true,
                        .dies = died};
        const u64 va = root.va + (i << root.shift());
        expand(path, table_below(root.geometry, word, root.level, va), nullptr);
      }
    }
  });
}

void Caches::drop_ghost(u32 id) {
  regimes_.drop_ghost(id);
  unlink_roots(id);
}

void Caches::materialize_ghost(u32 id) {
  work_.earn_for_all();
  const RegimeState& state = regimes_[id];
  regimes_.for_each_root(id, [&](const Space& space, const TableExtent& root) {
    const Path path{.tag = state.tag,
                    .space = space,
                    .ghost = true,
                    .cap = static_cast<Group>(state.ghost_dies)};
    expand(path, root, nullptr);
  });
  drop_ghost(id);
}

// Through this regime nothing is filled any more: what the cached pointers of its tag yielded by it
// is fixed now.
void Caches::freeze_pointers(u32 regime, Group died) {
  const u32 id = regimes_[regime].tag;
  std::vector<u32> pointers;
  for (u32 i = items_.first(id); i != 0; i = items_[i].next) {
    const Item& item = items_[i];
    const bool walked = !regimes_[regime].regime.half[item.space.half].epd.value &&
                        shares_tables(regimes_.space(regime, item.space.half), item.space);
    if (item.kind == ItemKind::pointer && walked) pointers.push_back(i);
  }
  for (const u32 i : pointers) {
    const Item item = items_[i];
    const Path path{.tag = id,
                    .space = regimes_.space(regime, item.space.half),
                    .hierarchical = item.hierarchical_below(),
                    .ghost = true,
                    .dies = std::min(died, item.dies),
                    .item = i + 1};
    expand(path, item.table(), nullptr);
  }
}

void Caches::expand(const Path& path, const TableExtent& table, const Command* covered) {
  for_each_part(table, [&](const TableExtent& part, u64) { expand_part(path, part, covered); });
}

void Caches::expand_part(const Path& path, const TableExtent& part, const Command* covered) {
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
        add_item(below, frame.address() + 8 * (first + i), content, findings_.now(), covered);
      if (table && (path.ghost || removed)) {
        below.hierarchical = pack_below(path.hierarchical, content.value);
        expand(below, table_below(part.geometry, content.value, level, below.va), covered);
      }
    }
  }
}

// ---- two regimes under one tag ------------------------------------------------------------------

bool Caches::regimes_agree(u32 a, u32 b) const {
  if (tolerate_epd_ == 0) return false;  // two numbers, two regimes
  Regime<u64> x = regimes_[a].regime;
  Regime<u64> y = regimes_[b].regime;
  for (unsigned half = 0; half < 2; ++half) {
    if (!(x.half[half].epd | y.half[half].epd)) continue;
    x.half[half] = y.half[half] = {};
  }
  return x == y;
}

void Caches::tolerate_disabled_halves(bool tolerate) {
  if (tolerate == (tolerate_epd_ != 0)) return;
  trail_.set(tolerate_epd_, tolerate ? 1 : 0);
  if (tolerate) return;
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const auto tag = regimes_.active_tag(t);
    if (regimes_.tag(tag).formed > 1) check_tag(tag);
  }
}

// SEMANTICS 2: a CD is shared only by STEs of one stream world. One STE that changes its own is one
// STE, old or new (IHI 0070 5.4.1).
void Caches::check_world(const Formed& entry) {
  for (u32 i = 0; i < regimes_.formed(); ++i) {
    const Formed& other = regimes_.formed(i);
    if (other.place != entry.place || other.sid == entry.sid ||
        is_stage2(regimes_[other.regime].regime) || is_stage2(regimes_[entry.regime].regime) ||
        regimes_[other.regime].regime.world == regimes_[entry.regime].regime.world) {
      continue;
    }
    findings_.report(Rule::TAG_REGIMES, "the CD at " + findings_.name(entry.place) +
                                            " serves streams " + hex(other.sid) + " and " +
                                            hex(entry.sid) + ", whose stream worlds differ");
    return;
  }
}

void Caches::check_tag(u32 id) {
  const TagState& tag = regimes_.tag(id);
  const bool stage2 = tag.tag.stage == Stage::stage2;
  const Rule rule = tag_rule(tag.tag);
  bool broken = false;
  std::string text;
  for (u32 i = 0; i < regimes_.formed() && tag.formed > 1; ++i) {
    const Formed& a = regimes_.formed(i);
    if (regimes_[a.regime].tag != id) continue;
    for (u32 j = i + 1; j < regimes_.formed(); ++j) {
      const Formed& b = regimes_.formed(j);
      if (regimes_[b.regime].tag != id || a.regime == b.regime) continue;
      // Versions of one CD, of which one atomic unit only has several: old or new, per item.
      if (a.place == b.place && a.units <= 1 && b.units <= 1) continue;
      if (a.place != b.place && regimes_agree(a.regime, b.regime)) continue;
      if (broken) continue;
      broken = true;
      if (stage2) {
        text = "VMID " + hex(tag.tag.vmid) +
               " stands for two stage 2 configurations that differ: " + "the STE at " +
               findings_.name(a.place) + " (stream " + hex(a.sid) + ") and the STE at " +
               findings_.name(b.place) + " (stream " + hex(b.sid) + ")";
        if (a.place == b.place) text += "; they are mixtures of old and new words of one STE";
        continue;
      }
      text = "ASID " + hex(tag.tag.asid) + " (VMID " + hex(tag.tag.vmid) +
             ") stands for two configurations that differ: the CD at " + findings_.name(a.place) +
             " (stream " + hex(a.sid) + ", substream " + hex(a.ssid) + ") and the CD at " +
             findings_.name(b.place) + " (stream " + hex(b.sid) + ", substream " + hex(b.ssid) +
             ")";
      if (a.place == b.place) text += "; they are mixtures of old and new words of one CD";
    }
  }
  if (tag.formed != 0) findings_.count(rule);
  if (broken == (tag.broken != 0)) return;
  regimes_.set_broken(id, broken);
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const Tag<u64>& other = regimes_.tag(regimes_.active_tag(t)).tag;
    const bool its = stage2 && other.world == tag.tag.world && other.vmid == tag.tag.vmid;
    if (its) mark_dirty(regimes_.active_tag(t), 0, 64);
  }
  mark_dirty(id, 0, 64);
  if (broken) findings_.report(rule, text);
}

}  // namespace iommucheck::spec
