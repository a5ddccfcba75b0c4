// SPDX-License-Identifier: MIT
#include "spec/smmu/makes.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/text.h"
#include "spec/rules/promises.h"
#include "spec/smmu/causes.h"

namespace iommucheck::spec {

void Makes::check(Frame& frame, unsigned index, Geometry geometry, unsigned level, u64 value) {
  const bool versions = graph_.valid_versions(frame, index) > 1;
  graph_.for_each_path(frame, index, geometry, level, [&](const TableGraph::Path& path) {
    const TagState& tag = regimes_.tag(path.tag);
    if (tag.formed == 0) return;
    findings_.count(rule::CONFLICT_BBM);
    const u64 pa = frame.address() + 8 * index;
    const bool others = versions || path.several || tag.formed > 1 || regimes_.any_globals();
    const bool probed = others || frame.contiguous != 0;
    if (probed) probe(path.tag, path.va, pa);
    const unsigned group_lg2 = frame.contiguous != 0 ? geometry.group_lg2(level) : 0;
    const u64 first = align_down(path.va, geometry.shift(level) + group_lg2);
    const u64 last = first + (pow2(geometry.shift(level) + group_lg2) - 1);
    // By another regime of the tag smaller entries may lie inside of the leaf.
    for (u64 r = geometry.is_leaf(value, level) && tag.formed > 1 ? tag.first_regime : 0; r != 0;
         r = regimes_[r - 1].next) {
      if (regimes_[r - 1].formed == 0) continue;
      regimes_.for_each_root(static_cast<u32>(r - 1), [&](const Space&, const TableExtent& root) {
        probe_within(path.tag, root, {first, last});
      });
    }
    probe_globals(path.tag, first, last);
    const bool several = others || items_.count(path.tag) != 0;
    if (Geometry::is_table(value, level)) {
      const TableExtent table = table_below(geometry, value, level, path.va);
      if (several || pending_below(table)) probe_table(path.tag, table);
    }
    // Where a table gives way to a block, and may or is cached by nobody, what matters is what was
    // below it.
    if (geometry.is_leaf(value, level)) {
      memory_.visible(frame, index, [&](Content old) {
        if (old.unknown || !Geometry::is_table(old.value, level)) return;
        probe_table(path.tag, table_below(geometry, old.value, level, path.va));
      });
    }
    std::vector<u64> met;  // where they begin: many may at one address
    items_.for_each_in(path.tag, first, last, [&](u32 i) {
      const Item& item = items_[i];
      if (!work_.spend(1) || item.shadow != 0) return;
      met.push_back(std::max(item.va, path.va));
      if (caps_.bbml != 0 && item.kind == ItemKind::pointer) {
        probe_within(path.tag, item.table(), {first, last});
      }
    });
    if (!met.empty()) met.push_back(path.va);
    std::ranges::sort(met);
    met.erase(std::ranges::unique(met).begin(), met.end());
    for (const u64 va : met) {
      if (!probed || va != path.va) probe(path.tag, va, pa);
    }
  });
}

void Makes::probe(u32 tag, u64 va, u64 origin) {
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

void Makes::probe_item(u32 tag, const Item& item, u64 first) {
  if (!work_.spend(1)) return;
  const u64 skipped = first > item.va ? (first - item.va) / item.entry_bytes() : 0;
  probe(tag, std::max(item.va, first), item.origin + 8 * skipped);
}

void Makes::probe_globals(u32 tag, u64 first, u64 last) {
  constexpr u64 least_page = 0x1000;  // which has nothing less inside of it
  if (last - first < least_page) return;
  if (!regimes_.any_globals() || !work_.spend(regimes_.active())) return;
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const u32 other = regimes_.active_tag(t);
    if (other == tag || !regimes_.meets_globals_of(tag, other)) continue;
    for (u64 r = regimes_.tag(other).first_regime; r != 0; r = regimes_[r - 1].next) {
      if (regimes_[r - 1].formed == 0) continue;
      regimes_.for_each_root(static_cast<u32>(r - 1), [&](const Space&, const TableExtent& root) {
        probe_within(tag, root, {first, last});
      });
    }
    items_.for_each_in(other, first, last, [&](u32 i) {
      const Item& item = items_[i];
      if (item.kind == ItemKind::pointer) probe_within(tag, item.table(), {first, last});
      probe_item(tag, item, first);
    });
  }
}

void Makes::probe_tag(u32 tag, u64 va, u64 origin) {
  std::vector<Candidate> found;
  if (!work_.spend(2 * Work::per_question)) return;  // dearer than looking at so many edges
  lookups_.collect(tag, va, found);
  if (!lookups_.in_conflict(found)) return;
  for (const Violation& violation : findings_.violations()) {
    if (violation.rule == rule::CONFLICT_BBM && violation.at == findings_.now()) return;
  }
  std::string text = "two translations that differ may both be alive at input address " +
                     findings_.name(va) + " under one tag; the last store was to " +
                     findings_.name(origin);
  std::vector<Cause> causes;
  const auto add = [&](Cause cause) {
    const auto is_told = [text = cause_text(cause)](const Cause& its) {
      return cause_text(its) == text;
    };
    if (std::ranges::none_of(causes, is_told)) causes.push_back(std::move(cause));
  };
  for (const Candidate& c : found) {
    if (c.kind != Candidate::Kind::fault) add(cause_of(view_, c, va));
  }
  // The same tables by CDs or STEs that differ: by those they are told apart.
  std::vector<u32> formed;
  for (u64 r = regimes_.tag(tag).first_regime; r != 0; r = regimes_[r - 1].next) {
    if (regimes_[r - 1].formed != 0) formed.push_back(static_cast<u32>(r - 1));
  }
  for (const u32 regime : formed.size() > 1 ? formed : std::vector<u32>()) {
    for (Cause& cause : causes_of_regime(view_, regime)) add(std::move(cause));
  }
  findings_.report(rule::CONFLICT_BBM, text, std::move(causes));
}

bool Makes::pending_below(const TableExtent& table) const {
  bool pending = false;
  for_each_part(table, [&](const TableExtent& part, u64) {
    const Frame* frame = memory_.find(part.table);
    if (pending || frame == nullptr || !memory_.any_pending()) return;
    pending = frame->any_pending();
    if (table.level == last_level) return;
    for (unsigned i = 0; !pending && (i = frame->next_used(i)) < frame_words; ++i) {
      if (!work_.spend(1)) return;
      if (frame->is_unknown(i) || !Geometry::is_table(frame->words[i], table.level)) continue;
      pending = pending_below(table_below(table.geometry, frame->words[i], table.level, 0));
    }
  });
  return pending;
}

void Makes::probe_table(u32 tag, const TableExtent& table) {
  for_each_part(table, [&](const TableExtent& part, u64) {
    for_each_entry(part, {}, [&](u64 va, u64 origin, u64 value) {
      if (part.geometry.is_leaf(value, part.level)) probe(tag, va, origin);
      if (Geometry::is_table(value, part.level)) {
        probe_table(tag, table_below(part.geometry, value, part.level, va));
      }
    });
  });
}

void Makes::probe_within(u32 tag, const TableExtent& table, Range range) {
  for_each_part(table, [&](const TableExtent& part, u64) {
    const unsigned group = part.geometry.group_lg2(part.level) + part.shift();
    std::optional<u64> group_probed;
    for_each_entry(part, range, [&](u64 va, u64 origin, u64 value) {
      if (Geometry::is_table(value, part.level)) {
        probe_within(tag, table_below(part.geometry, value, part.level, va), range);
      }
      if (!part.geometry.is_leaf(value, part.level)) return;
      const bool contiguous = contiguous_hint(value).value && group != part.shift();
      const u64 begin = contiguous ? align_down(va, group) : va;
      if (begin < range.first || (contiguous && group_probed == begin)) return;
      if (contiguous) group_probed = begin;
      probe(tag, begin, origin);
    });
  });
}

/// The visible versions of the entries that translate something of the range.
template <class Visit>
void Makes::for_each_entry(const TableExtent& part, Range range, Visit&& visit) const {
  const Frame* frame = memory_.find(part.table);
  const unsigned shift = part.shift();
  const u64 before = range.first > part.va ? (range.first - part.va) >> shift : 0;
  if (frame == nullptr || before >= part.entries) return;
  const auto begin = static_cast<unsigned>(bits(part.table, 11, 3));
  const auto end = static_cast<unsigned>(begin + part.entries);
  for (auto i = static_cast<unsigned>(begin + before);
       (i = frame->next_used(i)) < end && work_.spend(1); ++i) {
    const u64 va = part.va + (u64{i - begin} << shift);
    if (va > range.last) return;
    memory_.visible(*frame, i, [&](Content content) {
      if (content.unknown || !bit(content.value, 0)) return;
      visit(va, frame->address() + 8 * i, content.value);
    });
  }
}

/// Whoever walks to the entry manages dirty state by hardware (HD, S2HD): without, DBM means
/// nothing and AP[2] (S2AP[1]) is a right like others.
bool Makes::marks_dirty(const Frame& frame, unsigned index, Geometry geometry,
                        unsigned level) const {
  bool any = false, all = true;
  graph_.for_each_end(frame, index, geometry, level, [&](const TableGraph::End& end) {
    if (end.ghost) return;
    any = true;
    all &= regimes_.of(end.space).hd.value;
  });
  return any && all;
}

void Makes::check_contiguous(Frame& frame, unsigned index, Geometry geometry, unsigned level,
                             u64 value) {
  const unsigned group_lg2 = geometry.group_lg2(level);
  if (group_lg2 == 0) return;
  const unsigned shift = geometry.shift(level);
  const u64 output_mask = mask(47, shift);
  const auto expected = [&](u64 word, unsigned i) {
    const u64 others = word & ~output_mask & ~descriptor_bits::af;
    return others | ((word - (u64{i} << shift)) & output_mask);
  };
  const auto first = static_cast<unsigned>(align_down(index, group_lg2));
  if (judges_group_outputs_) {
    findings_.count(rule::CONFLICT_CONTIGUOUS);
    const u64 group_output = expected(value, index - first) & mask(shift + group_lg2 - 1, shift);
    if (group_output != 0) {
      findings_.report(
          rule::CONFLICT_CONTIGUOUS,
          findings_.name(frame.address() + 8 * index) + ", with the contiguous hint, is at place " +
              std::to_string(index - first) + " of a group of " + std::to_string(1U << group_lg2) +
              ", whose memory would not be aligned to the group");
      return;
    }
  }
  for (unsigned i = first; i < first + (1U << group_lg2); ++i) {
    const Content other = frame.newest(i);
    if (i == index || other.unknown || !geometry.is_leaf(other.value, level)) continue;
    if (!contiguous_hint(other.value).value) continue;
    findings_.count(rule::CONFLICT_CONTIGUOUS);
    const u64 differs = expected(other.value, i - first) ^ expected(value, index - first);
    if (differs == 0) continue;
    if (differs == descriptor_bits::ap2 && dirty_bit_modifier(value).value &&
        marks_dirty(frame, index, geometry, level)) {
      continue;
    }
    findings_.report(
        rule::CONFLICT_CONTIGUOUS,
        "members of one contiguous group disagree: " + findings_.name(frame.address() + 8 * index) +
            " and " + findings_.name(frame.address() + 8 * i));
    return;
  }
}

}  // namespace iommucheck::spec
