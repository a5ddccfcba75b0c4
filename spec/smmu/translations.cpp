// SPDX-License-Identifier: MIT
// All translations under a tag, one after the other: of memory, of cached pointers, of cached
// entries. Nothing here changes the state.
#include "spec/smmu/caches.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

namespace {

/// Entries from `i` on, one at least, that are the same leaf of consecutive pages: settled words
/// that differ in their output address only.
unsigned run_of_leaves(const Frame& frame, unsigned i, u64 size, unsigned end, u64 output_last) {
  const u64 value = frame.words[i];
  const u64 first = value & mask(47, 12);
  end = std::min(end, frame.next_unsettled(i));
  if (first > output_last) return 1;
  const u64 room = (output_last - first) / size + 1;
  end = static_cast<unsigned>(std::min<u64>(end, i + room));
  unsigned next = i + 1;
  while (next < end && frame.words[next] == value + (next - i) * size) ++next;
  return next - i;
}

}  // namespace

/// Every leaf and unknown word below the table, as met by a walk of the regime. `runs`: of settled
/// leaves of consecutive pages the first is visited, with the bytes of all.
void Caches::visit_table(u32 regime, unsigned half, u64 table, unsigned level, u64 entries, u64 va,
                         u8 hierarchical, u32 item, bool runs, const VisitCandidate& visit) const {
  const Frame* frame = memory_.find(table);
  if (frame == nullptr) return;
  const u64 size = pow2(level_shift(Granule::g4k, level));
  std::vector<Candidate> one;
  const auto first = static_cast<unsigned>(bits(table, 11, 3));
  const u64 end = std::min<u64>(first + entries, frame_words);
  for (unsigned i = first; (i = frame->next_used(i)) < end && spend(1); ++i) {
    const u64 here = va + (i - first) * size;
    const u64 origin = frame->address() + 8 * i;
    memory_.visible(*frame, i, [&](Content content) {
      if (!content.unknown && !bit(content.value, 0)) return;
      if (!content.unknown &&
          descriptor_type(Granule::g4k, level, content.value) == DescriptorType::table) {
        visit_table(regime, half, next_table_address(Granule::g4k, content.value), level + 1,
                    frame_words, here, pack(accumulate(unpack(hierarchical), content.value)), item,
                    runs, visit);
        return;
      }
      u64 bytes = size;
      if (runs && frame->contiguous == 0 && memory_.is_settled(*frame, i, 1) && !content.unknown) {
        const u64 output_last = low_mask(regimes_[regime].regime.ips_lg2) & mask(47, 0);
        const unsigned count =
            run_of_leaves(*frame, i, size, static_cast<unsigned>(end), output_last);
        bytes = count * size;
        i += count - 1;
      }
      one.clear();
      meet(regime, half, level, here, hierarchical, item, origin, content, one);
      for (Candidate& c : one) {
        // A contiguous leaf answers for every entry of its group.
        const bool group = c.kind == Candidate::Kind::leaf && c.leaf.contiguous;
        c.at = group ? c.va : here;
        visit(c, group ? pow2(c.extent_lg2) : bytes);
      }
    });
  }
}

void Caches::all_translations_of(u32 tag, const VisitCandidate& visit) const {
  const auto each_regime = [&](unsigned half, auto&& use) {
    for (u64 r = tags_[tag].first_regime; r != 0; r = regimes_[r - 1].next) {
      const RegimeState& state = regimes_[r - 1];
      if (state.formed != 0 && !state.regime.half[half].epd) use(static_cast<u32>(r - 1));
    }
  };
  for (unsigned half = 0; half < 2; ++half) {
    each_regime(half, [&](u32 r) {
      const Half<u64>& h = regimes_[r].regime.half[half];
      const auto table = start_table(regimes_[r].regime, half);
      const u64 entries =
          pow2(static_cast<unsigned>(start_entries_lg2(Granule::g4k, table.level, h.tsz)));
      const u64 base = half == 0 ? 0 : ~low_mask(64 - h.tsz);
      visit_table(r, half, table.address, table.level, entries, base, 0, 0, true, visit);
      // A pointer that one regime filled serves the walks of the others of its tag.
      for (u64 i = 0; i < entries && tags_[tag].formed > 1; ++i) {
        memory_.visible(table.address + 8 * i, [&](Content content) {
          if (content.unknown ||
              descriptor_type(Granule::g4k, table.level, content.value) != DescriptorType::table) {
            return;
          }
          const u64 va = base + (i << level_shift(Granule::g4k, table.level));
          each_regime(half, [&](u32 other) {
            if (other == r) return;
            visit_table(other, half, next_table_address(Granule::g4k, content.value),
                        table.level + 1, frame_words, va,
                        pack(accumulate(unpack(0), content.value)), 0, true, visit);
          });
        });
      }
    });
  }
  for (u32 i = static_cast<u32>(tags_[tag].first_item); i != 0; i = items_[i].next) {
    const Item& item = items_[i];
    if (item.kind == ItemKind::pointer) {
      const u8 hierarchical =
          static_cast<u8>(item.hierarchical | pack(accumulate(unpack(0), item.value)));
      each_regime(item.half, [&](u32 r) {
        visit_table(r, item.half, next_table_address(Granule::g4k, item.value), item.level + 1U,
                    frame_words, item.va, hierarchical, i + 1, true, visit);
      });
      continue;
    }
    std::vector<Candidate> one;
    meet(item.regime, item.half, item.level, item.va, item.hierarchical, i + 1, item.origin,
         Content{item.value, item.kind == ItemKind::unknown}, one);
    for (Candidate& c : one) {
      c.at = item.va;
      note_clean_only(c);
      visit(c, item.count * item.entry_bytes());
    }
  }
}

/// What collect() may give for any address, runs of pages at once.
void Caches::translations_under(u32 tag, const VisitCandidate& visit) const {
  all_translations_of(tag, visit);
  for (u32 t = 0; t < active_tags_.size() && globals_ != 0; ++t) {
    const auto other = static_cast<u32>(active_tags_[t]);
    if (other == tag || !meets_globals_of(tag, other)) continue;
    all_translations_of(other, [&](const Candidate& c, u64 bytes) {
      if (c.kind == Candidate::Kind::unknown || is_global(c)) visit(c, bytes);
    });
  }
}

/// A look-up under the tag, or under another that meets its global entries, has this ASET.
bool Caches::looks_up_anywhere(u32 tag, const Flag<u64>& aset) const {
  if (looks_up(tag, aset)) return true;
  for (u32 t = 0; t < active_tags_.size() && tags_[tag].globals != 0; ++t) {
    const auto other = static_cast<u32>(active_tags_[t]);
    if (meets_globals_of(other, tag) && looks_up(other, aset)) return true;
  }
  return false;
}

void Caches::for_each_translation(const std::function<void(u32, const Candidate&)>& visit) const {
  earn_for_all();
  for (u32 t = 0; t < active_tags_.size(); ++t) {
    const auto id = static_cast<u32>(active_tags_[t]);
    const TagState& tag = tags_[id];
    const auto is_met = [&](const Candidate& c) {
      if (!is_global(c) && tag.formed != 0) return true;
      if (!is_global(c) && c.kind != Candidate::Kind::unknown) return false;
      return looks_up_anywhere(id, regimes_[c.regime].regime.aset);
    };
    if (tag.formed == 0 && tag.globals == 0) continue;
    const auto by_entries = [&](const Candidate& c, u64 bytes) {
      Candidate entry = c;
      const u64 size = pow2(level_shift(Granule::g4k, c.level));
      for (; entry.at - c.at < bytes; entry.at += size) visit(id, entry);
    };
    for (u64 r = tag.first_regime; r != 0; r = regimes_[r - 1].next) {
      const RegimeState& state = regimes_[r - 1];
      for (unsigned half = 0; half < 2 && state.formed != 0; ++half) {
        if (state.regime.half[half].epd) continue;
        const auto table = start_table(state.regime, half);
        const u64 entries = pow2(static_cast<unsigned>(
            start_entries_lg2(Granule::g4k, table.level, state.regime.half[half].tsz)));
        const u64 va = half == 0 ? 0 : ~low_mask(64 - state.regime.half[half].tsz);
        visit_table(static_cast<u32>(r - 1), half, table.address, table.level, entries, va, 0, 0,
                    false, by_entries);
      }
    }
    for (u32 i = static_cast<u32>(tag.first_item); i != 0; i = items_[i].next) {
      const Item& item = items_[i];
      if (item.kind == ItemKind::pointer) {
        if (tag.formed == 0) continue;
        visit_table(item.regime, item.half, next_table_address(Granule::g4k, item.value),
                    item.level + 1U, frame_words, item.va,
                    static_cast<u8>(item.hierarchical | pack(accumulate(unpack(0), item.value))),
                    i + 1, false, by_entries);
        continue;
      }
      for (u64 k = 0; k < item.count; ++k) {
        const Item single = item.part(k, 1);
        std::vector<Candidate> one;
        meet(item.regime, item.half, item.level, single.va, item.hierarchical, i + 1, single.origin,
             Content{single.value, item.kind == ItemKind::unknown}, one);
        for (const Candidate& candidate : one) {
          if (is_met(candidate)) visit(id, candidate);
        }
      }
    }
  }
}

}  // namespace iommucheck::spec
