// SPDX-License-Identifier: MIT
#include "spec/smmu/pieces.h"

#include <algorithm>

#include "spec/rules/translation.h"
#include "spec/smmu/stage_walk.h"

namespace iommucheck::spec {

namespace {

/// Tables that may be empty one after the other in one piece: a bound where tables form a circle.
constexpr unsigned empty_tables_max = 64;

/// Known, and of one version. The Access flag, which hardware may have set, changes nothing of the
/// translation where it may: a leaf without it is left to collect() where it matters.
bool is_settled(const Frame& frame, unsigned entry, unsigned count) {
  for (; count > 64; count -= 64, entry += 64) {
    if (frame.unsettled_of(entry, 64) != 0) return false;
  }
  return frame.unsettled_of(entry, count) == 0;
}

}  // namespace

/// Where one regime walks and nothing is global, a look-up meets what its walk finds in memory and
/// what is cached under the tag. Without a cached entry at the address no two translations meet
/// there unless a word has several versions; these are left to collect().
Pieces::Pieces(const Lookups& lookups, u32 tag, std::vector<Candidate>& found)
    : lookups_(lookups), tag_(tag), found_(found) {
  if (is_atc_tag(tag) || lookups.regimes().any_globals() || lookups.regimes().tag(tag).formed != 1)
    return;
  for (u64 r = lookups.regimes().tag(tag).first_regime; r != 0; r = lookups.regimes()[r - 1].next) {
    if (lookups.regimes()[r - 1].formed == 0) continue;
    space_.regime = static_cast<u32>(r - 1);
    alone_ = true;
  }
}

void Pieces::move_to(u64 va, u64 limit) {
  if (first_ <= va && va <= last_) return;
  first_ = va;
  found_.clear();
  if (alone_ && walk(va, limit)) return;
  lookups_.collect(tag_, va, found_);
  last_ = lookups_.constant_until(tag_, va, found_);
}

/// A cached translation of the address is in conflict with a table descriptor of its own level or
/// below only: then pointers count, and the piece is left to collect().
bool Pieces::walk(u64 va, u64 limit) {
  unsigned cached = 0;
  unsigned lowest = last_level;
  bool translations = true;
  lookups_.items().for_each_in(tag_, va, va, [&](u32 i) {
    const Item& item = lookups_.items()[i];
    translations &= item.kind == ItemKind::final;
    lowest = std::min<unsigned>(lowest, item.level);
    ++cached;
  });
  if (!translations) return false;
  const u64 items_last = lookups_.items().constant_until(tag_, va);
  const Reach reach = cached == 0 ? Reach::tables : Reach::entries;
  if (!walk_memory(va, std::min(limit, items_last), reach) || level_met_ > lowest) {
    found_.clear();
    return false;
  }
  last_ = std::min(last_, items_last);
  if (cached == 0) return true;
  lookups_.earn_question();
  lookups_.collect_items(tag_, va, found_);
  return true;
}

bool Pieces::walk_memory(u64 va, u64 limit, Reach reach) {
  if (!enter(va)) return meet_no_table(va);
  for (;;) {
    const Table& table = tables_[level_];
    const unsigned entry = table.entry_of(va, space_.geometry.shift(level_));
    if (!is_settled(*table.frame, entry, 1)) return false;
    const Group group = group_of(table, entry);
    if (group == Group::mixed) return false;
    const u64 word = table.frame->words[entry];
    const DescriptorType type = space_.geometry.type_of(word, level_);
    if (type != DescriptorType::table) {
      level_met_ = level_;
      if (type == DescriptorType::leaf) return meet_leaf(entry, group);
      meet_nothing(entry, word, limit, reach);
      return true;
    }
    if (!descend(word, va)) return false;
  }
}

/// Where the half has no tables, or the address is beyond the input size, nothing is found.
bool Pieces::meet_no_table(u64 va) {
  const Regime<u64>& regime = lookups_.regimes().of(space_);
  const Half<u64>& half = regime.half[space_.half];
  if (!half.epd && va_in_range(regime, space_.half, va)) return false;
  const u64 input = low_mask(64 - half.tsz);
  last_ = is_stage2(regime) ? lookups_.input_ends(va) : ~u64{0};
  if (!half.epd && space_.half == 1 && va < ~input) last_ = ~input - 1;
  // The halves meet at bit 55.
  if (!bit(va, 55)) last_ = std::min(last_, mask(54, 0));
  level_met_ = 0;
  return true;
}

/// Up to a table that has an entry for the address.
bool Pieces::enter(u64 va) {
  for (; tables_[level_].entries != 0; --level_) {
    const Table& table = tables_[level_];
    if ((va - table.va) >> space_.geometry.shift(level_) < table.entries) return true;
    if (level_ == start_) break;
  }
  return enter_half(va);
}

bool Pieces::enter_half(u64 va) {
  const Regime<u64>& regime = lookups_.regimes().of(space_);
  space_ = lookups_.regimes().space(space_.regime, select_half(regime, va));
  const Half<u64>& half = regime.half[space_.half];
  const u64 input = low_mask(64 - half.tsz);
  tables_[level_].entries = 0;
  if (half.epd || (space_.half == 0 ? va > input : va < ~input)) return false;
  const TableExtent root = root_of(regime, space_.half);
  if (!come_to(root, 0, va)) return false;
  start_ = root.level;
  return true;
}

/// To what of the table lies in one frame with the entry for the address.
bool Pieces::come_to(const TableExtent& table, u8 hierarchical, u64 va) {
  const u64 first = align_down((va - table.va) >> table.shift(), frame_lg2 - 3);
  const u64 place = table.table + 8 * first;
  const Frame* frame = lookups_.memory().find(place);
  if (frame == nullptr) return false;
  level_ = table.level;
  const auto rest = static_cast<unsigned>(table.entries - first);
  const unsigned entries = std::min(rest, frame_words);
  tables_[level_] = {.frame = frame,
                     .first = static_cast<unsigned>(bits(place, 11, 3)),
                     .entries = entries,
                     .rest = rest - entries,
                     .hierarchical = hierarchical,
                     .va = table.va + (first << table.shift())};
  return true;
}

/// To what of the same table lies in the next frame.
bool Pieces::go_to_next_part() {
  Table& table = tables_[level_];
  const Frame* frame = lookups_.memory().find(table.frame->address() + 8 * u64{frame_words});
  if (frame == nullptr) return false;
  table.va = table.address_of(table.first + table.entries, space_.geometry.shift(level_));
  table.frame = frame;
  table.first = 0;
  table.entries = std::min(table.rest, frame_words);
  table.rest -= table.entries;
  return true;
}

/// Into the table to which the descriptor at the address leads.
bool Pieces::descend(u64 word, u64 va) {
  const Geometry geometry = space_.geometry;
  const TableExtent below =
      table_below(geometry, word, level_, align_down(va, geometry.shift(level_)));
  if (!within_output_size(lookups_.regimes().of(space_), below.table)) return false;
  return come_to(below, pack_below(tables_[level_].hierarchical, word), va);
}

/// Any leaf of a contiguous group answers for all of its entries.
Pieces::Group Pieces::group_of(const Table& table, unsigned entry) const {
  const Geometry geometry = space_.geometry;
  const unsigned lg2 = geometry.group_lg2(level_);
  if (table.frame->contiguous == 0 || lg2 == 0) return Group::none;
  const unsigned count = 1U << lg2;
  const auto first = static_cast<unsigned>(align_down(entry, lg2));
  if (!is_settled(*table.frame, first, count)) return Group::mixed;
  const u64* words = table.frame->words + first;
  const u64 size = pow2(geometry.shift(level_));
  bool any = false;
  bool alike = true;
  for (unsigned i = 0; i < count; ++i) {
    const bool member = contiguous_hint(words[i]).value && geometry.is_leaf(words[i], level_);
    any |= member;
    alike &= member && words[i] == words[0] + i * size;
  }
  if (!any) return Group::none;
  return alike ? Group::one_leaf : Group::mixed;
}

/// Neighbours that lead to consecutive pages are one piece.
bool Pieces::meet_leaf(unsigned entry, Group group) {
  const Table& table = tables_[level_];
  const Regime<u64>& regime = lookups_.regimes().of(space_);
  const Geometry geometry = space_.geometry;
  const unsigned group_lg2 = group == Group::one_leaf ? geometry.group_lg2(level_) : 0;
  const auto first = static_cast<unsigned>(align_down(entry, group_lg2));
  const u64 word = table.frame->words[first];
  const Step<u64> next = step_in(lookups_.regimes(), space_, level_, word, table.hierarchical);
  const auto* leaf = std::get_if<Leaf<u64>>(&next);
  if (leaf == nullptr || !(leaf->af | regime.ha | regime.affd)) return false;
  const unsigned shift = geometry.shift(level_);
  // Leaves behind this one, whose words follow each other below bit 48.
  const u64 room = std::min((low_mask(regime.ips_lg2) - leaf->output) >> shift,
                            (mask(47, 0) - bits(leaf->output, 47, 0)) >> shift);
  const auto end = static_cast<unsigned>(std::min<u64>(
      {table.first + table.entries, table.frame->next_unsettled(first), first + room + 1}));
  unsigned i = entry + 1;
  for (u64 expected = word + (u64{i - first} << shift);
       i < end && table.frame->words[i] == expected; ++i) {
    expected += pow2(shift);
  }
  // Whole groups; and of one in which others may answer nothing.
  const unsigned whole_lg2 = geometry.group_lg2(level_);
  const bool in_group = (i & low_mask(u64{whole_lg2})) != 0;
  if (group == Group::one_leaf || (in_group && group_of(table, i - 1) != Group::none)) {
    i = static_cast<unsigned>(align_down(i, whole_lg2));
  }
  if (i <= entry) return false;  // the table ends within its group
  last_ = table.address_of(i, shift) - 1;
  const u64 va = table.address_of(first, shift);
  found_.push_back({.kind = Candidate::Kind::leaf,
                    .level = static_cast<u8>(level_),
                    .extent_lg2 = static_cast<u8>(shift + group_lg2),
                    .hierarchical = table.hierarchical,
                    .space = space_,
                    .va = va,
                    .at = va,
                    .leaf = *leaf,
                    .origin = table.frame->address() + 8 * first,
                    .value = word});
  return true;
}

/// Empty entries come in runs, and go on in the next table.
void Pieces::meet_nothing(unsigned entry, u64 word, u64 limit, Reach reach) {
  found_.push_back({.kind = Candidate::Kind::fault,
                    .level = static_cast<u8>(level_),
                    .space = space_,
                    .fault = {is_stage2(lookups_.regimes().of(space_)) ? rule::S2_DESCRIPTOR_VALID
                                                                       : rule::S1_DESCRIPTOR_VALID,
                              EventType::f_translation, level_},
                    .value = word});
  const Geometry geometry = space_.geometry;
  last_ = tables_[level_].address_of(entry + 1, geometry.shift(level_)) - 1;
  if (word != 0) return;
  unsigned from = entry + 1;
  for (unsigned tables = 0; tables < empty_tables_max && last_ < limit;) {
    const Table& table = tables_[level_];
    const unsigned end = table.first + table.entries;
    unsigned next = std::min(table.frame->next_used(from), end);
    const bool grouped = table.frame->contiguous != 0 && next != end;
    if (grouped && group_of(table, next) != Group::none) {
      const auto group = align_down(next, geometry.group_lg2(level_));
      next = std::max(from, static_cast<unsigned>(group));
    }
    last_ = table.address_of(next, geometry.shift(level_)) - 1;
    if (reach == Reach::entries || grouped) return;
    if (next != end) {
      const u64 other = table.frame->words[next];
      const bool leads_on = is_settled(*table.frame, next, 1) && Geometry::is_table(other, level_);
      if (!leads_on || !descend(other, last_ + 1)) return;
      from = 0;
      ++tables;
    } else if (table.rest != 0) {
      if (!go_to_next_part()) return;
      from = 0;
      ++tables;
    } else if (level_ != start_) {
      --level_;
      from = tables_[level_].entry_of(last_, geometry.shift(level_)) + 1;
    } else {
      return;
    }
  }
}

}  // namespace iommucheck::spec
