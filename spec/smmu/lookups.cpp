// SPDX-License-Identifier: MIT
#include "spec/smmu/lookups.h"

#include <algorithm>
#include <iterator>

#include "base/inline_vector.h"
#include "spec/rules/promises.h"
#include "spec/smmu/paths.h"
#include "spec/smmu/stage_walk.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

// ---- who meets what -----------------------------------------------------------------------------

bool Lookups::is_global(const Candidate& c) const {
  return c.kind == Candidate::Kind::leaf && !c.leaf.ng && has_asid(tag_of(regimes_.of(c.space)));
}

/// A look-up through the regime meets it. Global entries are told apart by ASET, others are not:
/// IHI 0070 3.17, 3.17.1. What is unknown may be global or not.
bool Lookups::is_met_by(u32 regime, const Candidate& c) const {
  const RegimeState& asking = regimes_[regime];
  const RegimeState& filled = regimes_[c.space.regime];
  if (asking.tag == filled.tag && !is_global(c)) return true;
  if (c.kind != Candidate::Kind::unknown && !is_global(c)) return false;
  return asking.regime.aset == filled.regime.aset;
}

/// The access, of a look-up through the regime, finds it by its address: in the range of what
/// filled it, with or without the top byte. TxSZ and TBI may be cached with an entry, or not: IHI
/// 0070 5.4.1.
bool Lookups::is_found_at(const Regime<u64>& asking, const Candidate& c, u64 va) const {
  const Regime<u64>& filled_by = regimes_.of(c.space);
  if (asking.half[c.space.half].tbi) va = untagged(va, c.space.half);
  return va_in_range(filled_by, c.space.half, va).value;
}

// ---- walks of memory ----------------------------------------------------------------------------

void Lookups::walk(const Space& space, u64 table, unsigned level, unsigned start, u64 va,
                   u8 hierarchical, u32 item, std::vector<Candidate>& found) const {
  const Regime<u64>& r = regimes_.of(space);
  const Half<u64>& half = r.half[space.half];
  u64 position = descriptor_position(half, start, level, table, va);
  const Frame* frame = memory_.find(position);
  // Nothing is made of a pointer with one version but the next step: meet() in short.
  while (!collect_pointers_ && level < last_level && frame != nullptr && frame->contiguous == 0) {
    const auto index = static_cast<unsigned>(bits(position, 11, 3));
    if (frame->is_unknown(index) || !memory_.is_settled(*frame, index, 1)) break;
    const u64 word = frame->words[index];
    if (!Geometry::is_table(word, level)) break;
    const u64 next = space.geometry.next_table(word);
    if (!within_output_size(r, next)) break;
    hierarchical = pack_below(hierarchical, word);
    start = below_root;
    position = descriptor_position(half, start, ++level, next, va);
    frame = memory_.find(position);
  }
  memory_.visible(position, [&](Content content) {
    meet(space, level, va, hierarchical, item, position, content, found);
  });
  if (leaves_.any_contiguous() && frame != nullptr && frame->contiguous != 0) {
    contiguous_siblings(space, level, position, va, hierarchical, item, found);
  }
}

void Lookups::meet(const Space& space, unsigned level, u64 va, u8 hierarchical, u32 item,
                   u64 origin, Content content, std::vector<Candidate>& found) const {
  if (!work_.spend(1)) return;
  const unsigned shift = space.geometry.shift(level);
  Candidate candidate{.level = static_cast<u8>(level),
                      .extent_lg2 = static_cast<u8>(shift),
                      .hierarchical = hierarchical,
                      .space = space,
                      .va = align_down(va, shift),
                      .at = align_down(va, shift),
                      .item = item,
                      .origin = origin,
                      .value = content.value};
  if (content.unknown) {
    candidate.kind = Candidate::Kind::unknown;
    found.push_back(candidate);
    return;
  }
  const Step<u64> next = step_in(regimes_, space, level, content.value, hierarchical);
  if (const auto* fault = std::get_if<Fault>(&next)) {
    candidate.fault = *fault;
    found.push_back(candidate);
  } else if (const auto* pointer = std::get_if<TableStep<u64>>(&next)) {
    candidate.kind = Candidate::Kind::pointer;
    if (collect_pointers_) found.push_back(candidate);
    walk(space, pointer->address, level + 1, below_root, va, pack(pointer->hierarchical), item,
         found);
  } else {
    candidate.kind = Candidate::Kind::leaf;
    candidate.leaf = std::get<Leaf<u64>>(next);
    const Regime<u64>& r = regimes_.of(space);
    if (!(candidate.leaf.af | r.ha | r.affd)) {
      candidate.kind = Candidate::Kind::fault;
      candidate.fault = {access_flag_rule(r), EventType::f_access, level};
      found.push_back(candidate);
      return;
    }
    if (candidate.leaf.contiguous) {
      const unsigned group = space.geometry.group_lg2(level);
      candidate.extent_lg2 = static_cast<u8>(shift + group);
      const u64 index = bits(va, shift + group - 1, shift);
      candidate.leaf.output -= index << shift;
      candidate.va = align_down(va, shift + group);
    }
    found.push_back(candidate);
  }
}

// A valid member of a contiguous group yields the translation of every member.
void Lookups::contiguous_siblings(const Space& space, unsigned level, u64 position, u64 va,
                                  u8 hierarchical, u32 item, std::vector<Candidate>& found) const {
  const unsigned group = space.geometry.group_lg2(level);
  if (group == 0) return;
  const unsigned shift = space.geometry.shift(level);
  const u64 first = align_down(position, group + 3);
  for (u64 sibling = first; sibling < first + pow2(group + 3); sibling += 8) {
    if (sibling == position) continue;
    memory_.visible(sibling, [&](Content content) {
      if (content.unknown || !contiguous_hint(content.value) ||
          !space.geometry.is_leaf(content.value, level)) {
        return;
      }
      const u64 index = (sibling - first) / 8;
      const u64 there = align_down(va, shift + group) + (index << shift);
      std::vector<Candidate> extended;
      meet(space, level, there, hierarchical, item, sibling, content, extended);
      for (const Candidate& candidate : extended) {
        if (candidate.kind == Candidate::Kind::leaf) found.push_back(candidate);
      }
    });
  }
}

// A pointer carries the tag only: one that was filled through `space` serves the walks of every
// other regime of the tag.
void Lookups::walk_mixed(u32 tag, const Space& space, u64 va, std::vector<Candidate>& found) const {
  const Regime<u64>& regime = regimes_.of(space);
  const TablePosition<u64> root = first_table(regime, space.half);
  const u64 position =
      descriptor_position(regime.half[space.half], root.level, root.level, root.address, va);
  memory_.visible(position, [&](Content content) {
    if (content.unknown || !Geometry::is_table(content.value, root.level)) return;
    regimes_.for_each_space_like(tag, space, [&](const Space& other) {
      if (other == space || !va_in_range(regimes_.of(other), other.half, va)) return;
      walk(other, space.geometry.next_table(content.value), root.level + 1, below_root, va,
           pack_below(0, content.value), 0, found);
    });
  });
}

void Lookups::collect_memory(u32 tag, u64 va, std::vector<Candidate>& found) const {
  for (u64 r = regimes_.tag(tag).first_regime; r != 0; r = regimes_[r - 1].next) {
    const RegimeState& state = regimes_[r - 1];
    if (state.formed == 0) continue;
    const unsigned half = select_half(state.regime, va);
    if (!va_in_range(state.regime, half, va) || state.regime.half[half].epd) continue;
    const Space space = regimes_.space(static_cast<u32>(r - 1), half);
    const TablePosition<u64> root = first_table(state.regime, half);
    walk(space, root.address, root.level, root.level, va, 0, 0, found);
    if (regimes_.tag(tag).formed > 1) walk_mixed(tag, space, va, found);
  }
}

void Lookups::collect_items(u32 tag, u64 va, std::vector<Candidate>& found) const {
  if (!work_.spend(0)) return;
  items_.for_each_in(tag, va, va, [&](u32 i) {
    const Item& item = items_[i];
    const unsigned shift = item.space.geometry.shift(item.level);
    if (item.kind == ItemKind::final) {
      const Item one = item.part((va - item.va) >> shift, 1);
      meet(one.space, one.level, one.va, one.hierarchical, i + 1, one.origin,
           Content{one.value, false}, found);
      return;
    }
    Candidate candidate{.level = item.level,
                        .extent_lg2 = static_cast<u8>(shift),
                        .space = item.space,
                        .va = item.va,
                        .item = i + 1,
                        .origin = item.origin,
                        .value = item.value};
    candidate.kind =
        item.kind == ItemKind::pointer ? Candidate::Kind::pointer : Candidate::Kind::unknown;
    found.push_back(candidate);
    if (item.kind != ItemKind::pointer || regimes_.tag(tag).formed == 0) return;
    // Whatever the pointer was filled through, what it leads to is filled through a living regime.
    const TableExtent table = item.table();
    regimes_.for_each_space_like(tag, item.space, [&](const Space& space) {
      if (!va_in_range(regimes_.of(space), space.half, va)) return;
      walk(space, table.table, table.level, below_root, va, item.hierarchical_below(), i + 1,
           found);
    });
  });
}

/// Of what lives under `other` the global translations that look-ups under `tag` meet.
void Lookups::collect_globals(u32 tag, u32 other, u64 va, std::vector<Candidate>& found) const {
  const auto before = static_cast<std::ptrdiff_t>(found.size());
  collect_memory(other, va, found);
  collect_items(other, va, found);
  const auto missed = [&](const Candidate& c) {
    const bool may_be = c.kind == Candidate::Kind::unknown || is_global(c);
    return !may_be || !regimes_.looks_up(tag, regimes_.of(c.space).aset);
  };
  found.erase(std::remove_if(found.begin() + before, found.end(), missed), found.end());
}

void Lookups::collect(u32 tag, u64 va, std::vector<Candidate>& found) const {
  if (is_atc_tag(tag)) {
    collect_atc(tag & ~atc_tag_bit, va, found);
    return;
  }
  work_.earn(Work::per_question);
  // Pointers matter for conflicts only, and memory alone has none.
  const TagState& own = regimes_.tag(tag);
  collect_pointers_ =
      items_.count(tag) != 0 || own.formed > 1 || regimes_.any_globals() || memory_.any_pending();
  collect_memory(tag, va, found);
  collect_items(tag, va, found);
  if (!regimes_.any_globals()) return;
  std::erase_if(found, [&](const Candidate& c) {
    return is_global(c) && !regimes_.looks_up(tag, regimes_.of(c.space).aset);
  });
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const auto other = regimes_.active_tag(t);
    if (other != tag && regimes_.meets_globals_of(tag, other))
      collect_globals(tag, other, va, found);
  }
}

u64 Lookups::constant_until(u32 tag, u64 va, const std::vector<Candidate>& found) const {
  if (is_atc_tag(tag)) return atcs_.constant_until(tag & ~atc_tag_bit, va);
  u64 last = tag_constant_until(tag, va, found);
  std::vector<Candidate> theirs;
  for (u32 t = 0; t < regimes_.active() && regimes_.any_globals(); ++t) {
    const auto other = regimes_.active_tag(t);
    if (other == tag || !regimes_.meets_globals_of(tag, other)) continue;
    theirs.clear();
    collect_memory(other, va, theirs);
    collect_items(other, va, theirs);
    last = std::min(last, tag_constant_until(other, va, theirs));
  }
  return last;
}

/// In a table with contiguous groups a neighbouring group may answer for an entry that has nothing.
u64 Lookups::contiguous_until(const Frame& frame, const Candidate& c) {
  if (frame.contiguous == 0) return ~u64{0};
  const unsigned group = c.space.geometry.group_lg2(c.level);
  return c.va | low_mask(u64{c.space.geometry.shift(c.level) + group});
}

u64 Lookups::input_ends(u64 va) const {
  const u64 last = low_mask(u64{ias_lg2(caps_)});
  return va <= last ? last : ~u64{0};
}

/// As far as what lives under this tag alone decides.
u64 Lookups::tag_constant_until(u32 tag, u64 va, const std::vector<Candidate>& found) const {
  u64 last = ~u64{0};
  for (const Candidate& c : found) {
    if (c.kind == Candidate::Kind::pointer) continue;
    u64 end = c.va + (pow2(c.extent_lg2) - 1);
    const bool run = c.kind == Candidate::Kind::fault && c.value == 0;
    const Frame* frame = run ? memory_.find(c.origin) : nullptr;
    if (frame != nullptr) {
      // Empty entries come in runs.
      const auto first = static_cast<unsigned>(bits(c.origin, 11, 3));
      const unsigned i = frame->next_used(first + 1);
      end += u64{i - first - 1} << c.space.geometry.shift(c.level);
      end = std::min(end, contiguous_until(*frame, c));
    }
    const bool fresh = c.item == 0 || items_[c.item - 1].kind == ItemKind::pointer;
    if (c.kind == Candidate::Kind::leaf && c.leaf.contiguous && fresh) {
      // Another member of the group may be no part of it, and answer for its own entry.
      end = va | low_mask(u64{c.space.geometry.shift(c.level)});
    }
    // Neighbours that lead to consecutive pages come in runs, too.
    if (c.kind == Candidate::Kind::leaf && !c.leaf.contiguous) {
      const Frame* leaves = memory_.find(c.origin);
      if (fresh && leaves != nullptr) {
        const u64 size = pow2(c.extent_lg2);
        const auto first = static_cast<unsigned>(bits(c.origin, 11, 3));
        const unsigned settled = leaves->next_unsettled(first);
        unsigned i = first + 1;
        for (u64 expected = c.value + size; i < settled && leaves->words[i] == expected; ++i) {
          expected += size;
        }
        end += (i - first - 1) * size;
        end = std::min(end, contiguous_until(*leaves, c));
      } else {
        end = items_[c.item - 1].last();
      }
    }
    last = std::min(last, end);
  }
  for (u64 r = regimes_.tag(tag).first_regime; r != 0; r = regimes_[r - 1].next) {
    const RegimeState& state = regimes_[r - 1];
    if (state.formed == 0) continue;
    const unsigned half = select_half(state.regime, va);
    if (state.regime.half[half].epd) continue;
    const u64 input = low_mask(64 - state.regime.half[half].tsz);
    if (is_stage2(state.regime)) last = std::min(last, input_ends(va));
    if (half == 0 && va <= input) last = std::min(last, input);
    if (half == 1 && va < ~input) last = std::min(last, ~input - 1);
  }
  last = std::min(last, items_.constant_until(tag, va));
  // The halves meet at bit 55.
  if (!bit(va, 55)) last = std::min(last, mask(54, 0));
  return std::max(last, va);
}

// ---- what an ATC holds --------------------------------------------------------------------------

Candidate Lookups::candidate_of(const AtcItem& item, u32 index, u64 va) const {
  const u64 page = align_down(va, 12);
  Candidate c{.level = item.level,
              .hierarchical = item.hierarchical,
              .space = item.space,
              .va = page,
              .at = page,
              .origin = item.origin,
              .value = item.value,
              .atc = index,
              .identity = item.identity != 0};
  if (item.kind == ItemKind::unknown) {
    c.kind = Candidate::Kind::unknown;
    return c;
  }
  c.kind = Candidate::Kind::leaf;
  if (item.identity != 0) {
    c.leaf.output = page;
    c.leaf.af = true;
    c.leaf.privileged = c.leaf.unprivileged = {true, true, true};
    return c;
  }
  const AtcItem one = item.part(page, page + 0xfff);
  c.origin = one.origin;
  c.value = one.value;
  const Step<u64> next = step_in(regimes_, item.space, item.level, one.value, item.hierarchical);
  c.leaf = std::get<Leaf<u64>>(next);
  c.leaf.output = one.output;
  c.leaf.extent_lg2 = 12;
  c.leaf.contiguous = false;
  if (item.clean_only != 0 && c.leaf.writable_clean) {
    c.leaf.privileged.write = c.leaf.unprivileged.write = false;
  }
  c.leaf.writable_clean = false;  // a request marked it dirty when it was answered
  return c;
}

void Lookups::collect_atc(u32 owner, u64 va, std::vector<Candidate>& found) const {
  atcs_.for_each_at(owner, va, [&](u32 index, const AtcItem& item) {
    if (item.holds(va)) found.push_back(candidate_of(item, index, va));
  });
}

// ---- conflicts ----------------------------------------------------------------------------------

/// Event of the store that made what the candidate was read from; 0: before any global leaf. Of
/// several that made the same value the newest, or the oldest that is still visible.
u32 Lookups::stored_at(const Candidate& c, bool oldest) const {
  u32 before = c.item != 0 && items_[c.item - 1].kind == ItemKind::final
                   ? items_[c.item - 1].stored_at
                   : ~u32{0};
  if (oldest && c.item == 0 && memory_.is_pending(c.origin)) {
    before = memory_.made_at(c.origin, c.value);
    if (before != 0) return before;
    before = memory_.first_pending(c.origin);
  }
  return leaves_.stored_before(c.origin, c.value, before);
}

bool Lookups::conflict(const Candidate& a, const Candidate& b) const {
  using Kind = Candidate::Kind;
  const auto cacheable = [&](const Candidate& c) {
    const Regime<u64>& r = regimes_.of(c.space);
    return c.kind == Kind::pointer || (c.kind == Kind::leaf && (c.leaf.af | r.ha | r.affd).value);
  };
  if (a.from_atc() || b.from_atc()) return false;  // a device's own cache: either may be used
  if (is_shadow(a) || is_shadow(b)) return false;  // in entries of some VAs, which lead elsewhere
  if (!cacheable(a) || !cacheable(b) || !profile_.caches_leaves) return false;
  if (a.kind == Kind::pointer && b.kind == Kind::pointer) return false;
  if (a.kind != b.kind) {
    if (!profile_.caches_walks) return false;
    const Candidate& leaf = a.kind == Kind::leaf ? a : b;
    const Candidate& pointer = a.kind == Kind::leaf ? b : a;
    if (caps_.bbml >= 2 || (caps_.bbml == 1 && leaf.leaf.nt)) return false;
    return pointer.level >= leaf.level;
  }
  if (is_global(a) && is_global(b) && !(regimes_.of(a.space).aset == regimes_.of(b.space).aset)) {
    return false;  // met by no one look-up
  }
  if (a.leaf.output - a.va != b.leaf.output - b.va) return true;
  if (a.leaf.attr != b.leaf.attr) return true;
  if (is_stage2(regimes_.of(a.space)) && memattr_of(a.value) != memattr_of(b.value)) return true;
  if (!(a.leaf.ng == b.leaf.ng)) {
    // Only a new global entry over non-global ones is one.
    const Candidate& global = a.leaf.ng ? b : a;
    const Candidate& local = a.leaf.ng ? a : b;
    if (stored_at(global, false) >= stored_at(local, true)) return true;
  }
  const bool same_size =
      a.level == b.level && a.space.geometry.granule() == b.space.geometry.granule();
  if (same_size && a.extent_lg2 == b.extent_lg2) return false;
  if (caps_.bbml >= 2) return false;
  if (same_size) return caps_.bbml == 0;  // the contiguous hint alone
  return !(caps_.bbml == 1 && (a.leaf.nt | b.leaf.nt));
}

namespace {

/// They are in conflict with the same others, and not with each other: but for when they were
/// stored, which matters where some leaves are global and some are not.
bool are_alike(const Candidate& a, const Candidate& b) {
  if (a.kind != b.kind || a.level != b.level || !(a.space == b.space)) return false;
  if (a.kind != Candidate::Kind::leaf) return true;
  return a.extent_lg2 == b.extent_lg2 && a.leaf.output - a.va == b.leaf.output - b.va &&
         !(a.leaf.attr != b.leaf.attr) && memattr_of(a.value) == memattr_of(b.value) &&
         a.leaf.af == b.leaf.af && a.leaf.ng == b.leaf.ng && a.leaf.nt == b.leaf.nt;
}

bool are_global_and_not(const std::vector<Candidate>& found) {
  const auto has = [&](bool ng) {
    return std::ranges::any_of(found, [&](const Candidate& c) {
      return c.kind == Candidate::Kind::leaf && c.leaf.ng.value == ng;
    });
  };
  return has(true) && has(false);
}

}  // namespace

bool Lookups::in_conflict(const std::vector<Candidate>& found) const {
  if (found.size() < 2) return false;
  // Each entry of a contiguous group is one, and as the others are.
  InlineVector<const Candidate*, 16> distinct;
  const bool each = are_global_and_not(found);
  for (const Candidate& c : found) {
    if (c.from_atc() || is_shadow(c)) continue;
    if (!work_.spend(distinct.size() / 16)) return false;
    const auto is_like = [&](const Candidate* other) { return are_alike(*other, c); };
    if (!each && std::ranges::any_of(distinct, is_like)) continue;
    const auto conflicts = [&](const Candidate* other) { return conflict(*other, c); };
    if (std::ranges::any_of(distinct, conflicts)) return true;
    distinct.push_back(&c);
  }
  return false;
}

/// A request for write marks the descriptor dirty as memory has it: if that is no longer what the
/// TLB entry was filled from, no request is granted write by the entry.
void Lookups::note_clean_only(Candidate& c) const {
  if (c.kind != Candidate::Kind::leaf || !c.leaf.writable_clean) return;
  c.clean_only = true;
  memory_.visible(c.origin, [&](Content word) {
    if (word == Content{c.value, false}) c.clean_only = false;
  });
}

u64 Lookups::looked_up(const Regime<u64>& regime, u64 va) {
  return looked_up_at(regime, select_half(regime, va), va);
}

std::optional<Rule> Lookups::unpredictable(u32 tag) const {
  const TagState& state = regimes_.tag(tag);
  if (from_reset_.has_translations(state.tag)) return rule::UNKNOWN_AFTER_RESET;
  if (state.broken != 0) return tag_rule(state.tag);
  if (regimes_.has_broken_stage2(state.tag)) return rule::TAG_STAGE2;
  return std::nullopt;
}

bool Lookups::ignores_top_bytes(u32 tag, unsigned half) const {
  const auto of_tag = [&](u32 t) {
    for (u64 r = regimes_.tag(t).first_regime; r != 0; r = regimes_[r - 1].next) {
      if (regimes_[r - 1].regime.half[half].tbi) return true;
    }
    return false;
  };
  if (of_tag(tag) || !regimes_.any_globals()) return of_tag(tag);
  for (u32 t = 0; t < regimes_.active(); ++t) {
    if (of_tag(regimes_.active_tag(t))) return true;
  }
  return false;
}

}  // namespace iommucheck::spec
