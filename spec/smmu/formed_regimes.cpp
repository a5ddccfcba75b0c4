// SPDX-License-Identifier: MIT
#include "spec/smmu/formed_regimes.h"

#include <algorithm>

#include "base/text.h"
#include "spec/rules/promises.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

namespace {

/// By which walks of the space begin at `root`.
Edge root_edge(const Space& space, const TableExtent& root) {
  return {.kind = EdgeKind::root, .half = space.half, .parent = space.regime, .value = root.table};
}

}  // namespace

/// What the part forms from now on: regimes come, go, and are compared.
void FormedRegimes::replace(const StreamPart& part, const FormedList& now) {
  InlineVector<u32, 8> touched;
  const auto touch = [&](u32 regime) {
    if (std::ranges::find(touched, regime) == touched.end()) touched.push_back(regime);
  };
  struct Nesting {
    u32 tag;
    Group died;
  };
  InlineVector<Nesting, 2> nestings;
  const auto nest = [&](const Formed& entry, Group died) {
    if (!entry.nested) return;
    const u32 tag = regimes_[entry.regime].tag;
    const auto known = std::ranges::find(nestings, tag, &Nesting::tag);
    if (known == nestings.end()) return nestings.push_back({tag, died});
    known->died = std::max(known->died, died);
  };
  for (u32 i = regimes_.formed(); i != 0; --i) {
    const Formed& entry = regimes_.formed(i - 1);
    if (entry.sid != part.sid || entry.ssid < part.first || entry.ssid > part.last) continue;
    touch(entry.regime);
    nest(entry, entry.dies);
    regimes_.remove_formed(i - 1);
  }
  for (const Formed& entry : now) {
    check_world(entry);
    touch(entry.regime);
    nest(entry, 0);
    regimes_.add_formed(entry);
  }
  for (const auto& [tag, died] : nestings) follow_nesting(tag, died);
  struct Lost {
    u32 regime;
    Group died;
  };
  InlineVector<u32, 8> tags;
  InlineVector<Lost, 8> lost;
  for (const u32 regime : touched) {
    const u64 before = regimes_.recount(regime);
    const RegimeState& state = regimes_[regime];
    const u64 count = state.formed;
    if (before == 0 && count != 0) come(regime);
    if (before != 0 && count == 0) lost.push_back({regime, static_cast<Group>(state.dies)});
    if (std::ranges::find(tags, state.tag) == tags.end()) tags.push_back(state.tag);
  }
  for (const auto& [regime, died] : lost) become_ghost(regime, died);
  for (const u32 tag : tags) check_tag(tag);
}

/// Nested STEs of the tag came, or went with group `died`: until when combined entries are made.
void FormedRegimes::follow_nesting(u32 tag, Group died) {
  const auto behind = [&](const InFlight& sent) { return scopes_.separates(sent, tag); };
  regimes_.combine(tag, regimes_.is_nested(tag) ? immortal : commands_.first_after(died, behind));
}

void FormedRegimes::come(u32 id) {
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
      tables_.link(root, root_edge(space, root));
    });
  }
  changes_.mark_extent(state.tag, 0, 64);
  if (!from_reset_.has_config() && from_reset_.has_translations(tag.tag)) {
    const bool stage1 = tag.tag.stage != Stage::stage2;
    findings_.report(rule::UNKNOWN_AFTER_RESET,
                     "translations from before reset may live under " + tag_text(tag.tag) +
                         (stage1 ? ", VMID " + hex(tag.tag.vmid) : std::string()) +
                         ", which comes into use");
  }
  // Make checks of a whole regime: against items that live under its tag, and other regimes.
  for (u32 i = items_.first(state.tag); i != 0; i = items_[i].next) {
    if (items_[i].shadow != 0) continue;
    makes_.probe_item(state.tag, items_[i]);
    if (items_[i].kind != ItemKind::pointer) continue;
    makes_.probe_table(state.tag, items_[i].table());
  }
  bool several = tag.formed > 1 || items_.count(state.tag) != 0 || regimes_.any_globals() ||
                 leaves_.any_contiguous();
  regimes_.for_each_root(id, [&](const Space&, const TableExtent& root) {
    several = several || makes_.pending_below(root);
  });
  for (u64 r = several ? tag.first_regime : 0; r != 0; r = regimes_[r - 1].next) {
    if (regimes_[r - 1].formed == 0) continue;
    regimes_.for_each_root(static_cast<u32>(r - 1), [&](const Space&, const TableExtent& root) {
      makes_.probe_table(state.tag, root);
    });
  }
  makes_.probe_globals(state.tag, 0, ~u64{0});
}

void FormedRegimes::unlink_roots(u32 id) {
  regimes_.for_each_root(id, [&](const Space& space, const TableExtent& root) {
    tables_.unlink(root, root_edge(space, root));
  });
}

// What was filled through the regime lives on until a TLBI, although nothing fills any more.
void FormedRegimes::become_ghost(u32 id, Group died) {
  work_.earn_for_all();
  graph_.note_change();
  regimes_.go(id, findings_.now());
  const RegimeState& state = regimes_[id];
  const TagState& tag = regimes_.tag(state.tag);
  changes_.mark_extent(state.tag, 0, 64);
  // Where a kind of cache is not there, the tables of a regime that is gone are not what is left.
  const bool keeps_all = profile_.caches_leaves && profile_.caches_walks;
  bool piecemeal = tag.formed != 0 || regimes_.any_globals() || !keeps_all;
  // By commands that were exposed already, as first_after() has it.
  commands_.for_each([&](const InFlight& sent) {
    if (died == immortal || !Commands::is_behind(sent, died) || !is_tlbi(sent.command.op)) return;
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
    fills_.expand(path, root, nullptr);
    leave_mixed(space, root, died);
  });
  drop_ghost(id);
}

/// What was filled through the regime below table descriptors that the others of its tag had
/// fetched: those of their roots, which this one has not.
void FormedRegimes::leave_mixed(const Space& gone, const TableExtent& own, Group died) {
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
        fills_.expand(path, table_below(root.geometry, word, root.level, va), nullptr);
      }
    }
  });
}

void FormedRegimes::drop_ghost(u32 id) {
  regimes_.drop_ghost(id);
  unlink_roots(id);
}

void FormedRegimes::materialize_ghost(u32 id) {
  work_.earn_for_all();
  const RegimeState& state = regimes_[id];
  regimes_.for_each_root(id, [&](const Space& space, const TableExtent& root) {
    const Path path{.tag = state.tag,
                    .space = space,
                    .ghost = true,
                    .cap = static_cast<Group>(state.ghost_dies)};
    fills_.expand(path, root, nullptr);
  });
  drop_ghost(id);
}

void FormedRegimes::freeze_pointers(u32 regime, Group died) {
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
    fills_.expand(path, item.table(), nullptr);
  }
}

void FormedRegimes::materialize_ghosts_over(const Frame& frame) {
  if (!regimes_.any_ghost() || !frame.is_table()) return;
  u32 ghost = 0;
  do {
    ghost = 0;
    tables_.for_each_way(frame, [&](const End& end, unsigned /*level*/) {
      if (end.ghost) ghost = end.space.regime + 1;
    });
    if (ghost != 0) materialize_ghost(ghost - 1);
  } while (ghost != 0);
}

void FormedRegimes::kill_ghosts(const InFlight& command) {
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const TagState& tag = regimes_.tag(regimes_.active_tag(t));
    const TlbiScope by = scopes_.of(command.command, regimes_.active_tag(t));
    for (u64 r = tag.first_regime; r != 0; r = regimes_[r - 1].next) {
      const RegimeState& state = regimes_[r - 1];
      if (state.ghost == 0 || state.ghost_dies <= command.group) continue;
      if (is_tlbi_by_address(command.command.op)) {
        const TlbTarget target{.world = tag.tag.world,
                               .vmid = tag.tag.vmid,
                               .asid = tag.tag.asid,
                               .stage = tag.tag.stage};
        if (!covers_tags(command.command, target, by)) continue;
        materialize_ghost(static_cast<u32>(r - 1));  // kill_items() does the rest
        kill_ghosts(command);
        return;
      }
      // Of a regime with global entries items are made at once, so none of these is global.
      if (!removes_all(command.command, tag.tag, false, by)) continue;
      regimes_.set_ghost_dies(static_cast<u32>(r - 1), command.group);
    }
  }
}

/// Combined entries of VMIDs that no nested STE has any more.
void FormedRegimes::kill_combined(const InFlight& command) {
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const u32 id = regimes_.active_tag(t);
    const TagState& tag = regimes_.tag(id);
    if (tag.combines == 0 || tag.combines_until <= command.group) continue;
    if (scopes_.separates(command, id) && !regimes_.is_nested(id))
      regimes_.combine(id, command.group);
  }
}

void FormedRegimes::complete(Group group) {
  if (regimes_.any_ghost()) {
    for (u32 t = 0; t < regimes_.active(); ++t) {
      const auto id = regimes_.active_tag(t);
      for (u64 r = regimes_.tag(id).first_regime; r != 0; r = regimes_[r - 1].next) {
        if (regimes_[r - 1].ghost == 0 || regimes_[r - 1].ghost_dies > group) continue;
        drop_ghost(static_cast<u32>(r - 1));
        changes_.mark_extent(id, 0, 64);
      }
    }
  }
  for (u32 t = 0; t < regimes_.active() && regimes_.any_combines(); ++t) {
    const u32 id = regimes_.active_tag(t);
    if (regimes_.tag(id).combines != 0 && regimes_.tag(id).combines_until <= group) {
      regimes_.separate(id);
    }
  }
}

void FormedRegimes::revive() {
  for (u32 t = 0; t < regimes_.active() && regimes_.any_combines(); ++t) {
    const u32 id = regimes_.active_tag(t);
    const u64 until = regimes_.tag(id).combines_until;
    const auto still = [&](const InFlight& sent) { return scopes_.separates(sent, id); };
    if (regimes_.tag(id).combines == 0 || until == immortal) continue;
    if (!commands_.is_ended_by(static_cast<Group>(until), still)) regimes_.combine(id, immortal);
  }
  if (!regimes_.any_ghost()) return;
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const TagState& tag = regimes_.tag(regimes_.active_tag(t));
    for (u64 r = tag.first_regime; r != 0; r = regimes_[r - 1].next) {
      const RegimeState& state = regimes_[r - 1];
      if (state.ghost == 0 || state.ghost_dies == immortal) continue;
      const auto still = [&](const InFlight& sent) {
        return removes_all(sent.command, tag.tag, regimes_.any_globals(),
                           scopes_.of(sent.command, regimes_.active_tag(t)));
      };
      if (!commands_.is_ended_by(static_cast<Group>(state.ghost_dies), still)) {
        regimes_.set_ghost_dies(static_cast<u32>(r - 1), immortal);
      }
    }
  }
}

// ---- two regimes under one tag ------------------------------------------------------------------

bool FormedRegimes::regimes_agree(u32 a, u32 b) const {
  if (tolerate_epd_ == 0) return false;  // two numbers, two regimes
  Regime<u64> x = regimes_[a].regime;
  Regime<u64> y = regimes_[b].regime;
  for (unsigned half = 0; half < 2; ++half) {
    if (!(x.half[half].epd | y.half[half].epd)) continue;
    x.half[half] = y.half[half] = {};
  }
  return x == y;
}

void FormedRegimes::tolerate_disabled_halves(bool tolerate) {
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
void FormedRegimes::check_world(const Formed& entry) {
  bool differ = false;
  for (u32 t = 0; t < regimes_.active() && !differ; ++t) {
    const TagState& tag = regimes_.tag(regimes_.active_tag(t));
    differ = tag.formed != 0 && tag.tag.stage != Stage::stage2 &&
             tag.tag.world != regimes_[entry.regime].regime.world;
  }
  if (!differ) return;
  for (u32 i = 0; i < regimes_.formed(); ++i) {
    const Formed& other = regimes_.formed(i);
    if (other.place != entry.place || other.sid == entry.sid ||
        is_stage2(regimes_[other.regime].regime) || is_stage2(regimes_[entry.regime].regime) ||
        regimes_[other.regime].regime.world == regimes_[entry.regime].regime.world) {
      continue;
    }
    findings_.report(rule::TAG_REGIMES, "the CD at " + findings_.name(entry.place) +
                                            " serves streams " + hex(other.sid) + " and " +
                                            hex(entry.sid) + ", whose stream worlds differ");
    return;
  }
}

void FormedRegimes::check_tag(u32 id) {
  const TagState& tag = regimes_.tag(id);
  const bool stage2 = tag.tag.stage == Stage::stage2;
  const Rule rule = tag_rule(tag.tag);
  bool broken = false;
  std::string text;
  // Many streams may form one and the same: each once.
  InlineVector<Formed, 8> distinct;
  for (u32 i = 0; i < regimes_.formed() && tag.formed > 1; ++i) {
    const Formed& one = regimes_.formed(i);
    if (regimes_[one.regime].tag != id) continue;
    const bool known = std::ranges::any_of(distinct, [&](const Formed& d) {
      return d.regime == one.regime && d.place == one.place && d.units == one.units;
    });
    if (!known) distinct.push_back(one);
  }
  for (std::size_t i = 0; i < distinct.size() && !broken; ++i) {
    const Formed& a = distinct[i];
    for (std::size_t j = i + 1; j < distinct.size() && !broken; ++j) {
      const Formed& b = distinct[j];
      if (a.regime == b.regime) continue;
      // Versions of one CD, of which one atomic unit only has several: old or new, per item.
      if (a.place == b.place && a.units <= 1 && b.units <= 1) continue;
      if (a.place != b.place && regimes_agree(a.regime, b.regime)) continue;
      broken = true;
      if (stage2) {
        text = "VMID " + hex(tag.tag.vmid) +
               " stands for two stage 2 configurations that differ: " + "the STE at " +
               findings_.name(a.place) + " (stream " + hex(a.sid) + ") and the STE at " +
               findings_.name(b.place) + " (stream " + hex(b.sid) + ")";
        if (a.place == b.place) {
          text += "; they are mixtures of old and new words of one STE";
        } else if (a.units > 1 || b.units > 1) {
          text += "; that of stream " + hex(a.units > 1 ? a.sid : b.sid) +
                  " may be a mixture of old and new words";
        }
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
    if (its) changes_.mark_extent(regimes_.active_tag(t), 0, 64);
  }
  changes_.mark_extent(id, 0, 64);
  if (broken) findings_.report(rule, text);
}

}  // namespace iommucheck::spec
