// SPDX-License-Identifier: MIT
// All translations under a tag, one after the other: of memory, of cached pointers, of cached
// entries. Nothing here changes the state.
#include "spec/smmu/lookups.h"
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
void Lookups::visit_table(const Space& space, const TableExtent& table, u8 hierarchical, u32 item,
                          bool runs, const VisitCandidate& visit) const {
  if (table.entries > frame_words) {
    return for_each_part(table, [&](const TableExtent& part, u64) {
      visit_table(space, part, hierarchical, item, runs, visit);
    });
  }
  const Frame* frame = memory_.find(table.table);
  if (frame == nullptr) return;
  const unsigned level = table.level;
  const u64 size = space.geometry.entry_bytes(level);
  std::vector<Candidate> one;
  const auto first = static_cast<unsigned>(bits(table.table, 11, 3));
  const u64 end = std::min<u64>(first + table.entries, frame_words);
  for (unsigned i = first; (i = frame->next_used(i)) < end && work_.spend(1); ++i) {
    const u64 here = table.va + (i - first) * size;
    const u64 origin = frame->address() + 8 * i;
    memory_.visible(*frame, i, [&](Content content) {
      if (!content.unknown && !bit(content.value, 0)) return;
      if (!content.unknown && Geometry::is_table(content.value, level)) {
        visit_table(space, table_below(space.geometry, content.value, level, here),
                    pack_below(hierarchical, content.value), item, runs, visit);
        return;
      }
      u64 bytes = size;
      if (runs && frame->contiguous == 0 && memory_.is_settled(*frame, i, 1) && !content.unknown) {
        const u64 output_last = low_mask(regimes_.of(space).ips_lg2) & mask(47, 0);
        const unsigned count =
            run_of_leaves(*frame, i, size, static_cast<unsigned>(end), output_last);
        bytes = count * size;
        i += count - 1;
      }
      one.clear();
      meet(space, level, here, hierarchical, item, origin, content, one);
      for (Candidate& c : one) {
        // A contiguous leaf answers for every entry of its group.
        const bool group = c.kind == Candidate::Kind::leaf && c.leaf.contiguous;
        c.at = group ? c.va : here;
        visit(c, group ? pow2(c.extent_lg2) : bytes);
      }
    });
  }
}

void Lookups::all_translations_of(u32 tag, const VisitCandidate& visit) const {
  for (unsigned half = 0; half < 2; ++half) {
    regimes_.for_each_space(tag, half, [&](const Space& space) {
      const TableExtent root = root_of(regimes_.of(space), half);
      visit_table(space, root, 0, 0, true, visit);
      // A pointer that one regime filled serves the walks of the others of its tag.
      for (u64 i = 0; i < root.entries && regimes_.tag(tag).formed > 1; ++i) {
        memory_.visible(root.table + 8 * i, [&](Content content) {
          if (content.unknown || !Geometry::is_table(content.value, root.level)) return;
          const u64 va = root.va + (i << space.geometry.shift(root.level));
          regimes_.for_each_space_like(tag, space, [&](const Space& other) {
            if (other == space) return;
            visit_table(other, table_below(space.geometry, content.value, root.level, va),
                        pack_below(0, content.value), 0, true, visit);
          });
        });
      }
    });
  }
  for (u32 i = items_.first(tag); i != 0; i = items_[i].next) {
    const Item& item = items_[i];
    if (item.kind == ItemKind::pointer) {
      regimes_.for_each_space_like(tag, item.space, [&](const Space& space) {
        visit_table(space, item.table(), item.hierarchical_below(), i + 1, true, visit);
      });
      continue;
    }
    std::vector<Candidate> one;
    meet(item.space, item.level, item.va, item.hierarchical, i + 1, item.origin,
         Content{item.value, item.kind == ItemKind::unknown}, one);
    for (Candidate& c : one) {
      c.at = item.va;
      note_clean_only(c);
      visit(c, item.count * item.entry_bytes());
    }
  }
}

/// What collect() may give for any address, runs of pages at once.
void Lookups::translations_under(u32 tag, const VisitCandidate& visit) const {
  all_translations_of(tag, visit);
  for (u32 t = 0; t < regimes_.active() && regimes_.any_globals(); ++t) {
    const auto other = regimes_.active_tag(t);
    if (other == tag || !regimes_.meets_globals_of(tag, other)) continue;
    all_translations_of(other, [&](const Candidate& c, u64 bytes) {
      if (c.kind == Candidate::Kind::unknown || is_global(c)) visit(c, bytes);
    });
  }
}

/// A look-up under the tag, or under another that meets its global entries, has this ASET.
bool Lookups::looks_up_anywhere(u32 tag, const Flag<u64>& aset) const {
  if (regimes_.looks_up(tag, aset)) return true;
  for (u32 t = 0; t < regimes_.active() && regimes_.tag(tag).globals != 0; ++t) {
    const auto other = regimes_.active_tag(t);
    if (regimes_.meets_globals_of(other, tag) && regimes_.looks_up(other, aset)) return true;
  }
  return false;
}

void Lookups::for_each_translation(const std::function<void(u32, const Candidate&)>& visit) const {
  work_.earn_for_all();
  for (u32 t = 0; t < regimes_.active(); ++t) {
    const auto id = regimes_.active_tag(t);
    const TagState& tag = regimes_.tag(id);
    const auto is_met = [&](const Candidate& c) {
      if (!is_global(c) && tag.formed != 0) return true;
      if (!is_global(c) && c.kind != Candidate::Kind::unknown) return false;
      return looks_up_anywhere(id, regimes_.of(c.space).aset);
    };
    if (tag.formed == 0 && tag.globals == 0) continue;
    const auto by_entries = [&](const Candidate& c, u64 bytes) {
      Candidate entry = c;
      const u64 size = c.space.geometry.entry_bytes(c.level);
      for (; entry.at - c.at < bytes; entry.at += size) visit(id, entry);
    };
    for (u64 r = tag.first_regime; r != 0; r = regimes_[r - 1].next) {
      if (regimes_[r - 1].formed == 0) continue;
      regimes_.for_each_root(static_cast<u32>(r - 1),
                             [&](const Space& space, const TableExtent& root) {
                               visit_table(space, root, 0, 0, false, by_entries);
                             });
    }
    for (u32 i = items_.first(id); i != 0; i = items_[i].next) {
      const Item& item = items_[i];
      if (item.kind == ItemKind::pointer) {
        // It is walked by what walks its tag now, if that has tables of its layout.
        regimes_.for_each_space_like(id, item.space, [&](const Space& space) {
          visit_table(space, item.table(), item.hierarchical_below(), i + 1, false, by_entries);
        });
        continue;
      }
      for (u64 k = 0; k < item.count; ++k) {
        const Item single = item.part(k, 1);
        std::vector<Candidate> one;
        meet(item.space, item.level, single.va, item.hierarchical, i + 1, single.origin,
             Content{single.value, item.kind == ItemKind::unknown}, one);
        for (const Candidate& candidate : one) {
          if (is_met(candidate)) visit(id, candidate);
        }
      }
    }
  }
}

}  // namespace iommucheck::spec
