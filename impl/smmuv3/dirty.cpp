// SPDX-License-Identifier: MIT
// What devices have written to: the SMMU marks it in leaves that have DBM, and all CDs and STEs let
// it (HD, S2HD). So a leaf is plainly writable, where nothing is tracked; clean; or dirty. It
// changes them while the driver does: both by one atomic step. IHI 0070 3.13.
#include "impl/smmuv3/spaces.h"

namespace iommucheck::impl {

template <class Visit>
void Spaces::for_each_leaf(const SmmuSpace& space, u64 first, u64 last, Visit visit) const {
  std::visit([&](const auto& its) { its.pages.for_each_leaf(platform_, first, last, visit); },
             space.table);
}

void Spaces::track(Space& space, bool on) {
  const bool stage2 = static_cast<const SmmuSpace&>(space).stage2;
  const u64 last = (u64{1} << space.input_bits) - 1;
  for_each_leaf(static_cast<const SmmuSpace&>(space), 0, last,
                [&](u64 slot, unsigned /*level*/, u64 /*first*/) {
                  platform_.change64(slot, [&](u64 word) {
                    if (!descriptor::is_writable(word, stage2)) return word;
                    return on ? descriptor::make_clean(word, stage2)
                              : descriptor::make_untracked(word, stage2);
                  });
                });
}

void Spaces::read_marks(Space& space, DirtyWindow& window) {
  const bool stage2 = static_cast<const SmmuSpace&>(space).stage2;
  for_each_leaf(
      static_cast<const SmmuSpace&>(space), window.iova, window.last,
      [&](u64 slot, unsigned level, u64 first) {
        const u64 end = first + level_bytes(level, features_.page);
        const bool clears = window.clear && window.holds(first, end);
        const u64 word = platform_.change64(slot, [&](u64 old) {
          const bool dirty = descriptor::is_dirty(old, stage2);
          return clears && dirty ? descriptor::make_clean(old, stage2) : old;
        });
        if (!descriptor::is_dirty(word, stage2)) return;
        window.set(first, end);
        if (!clears) return;
        window.cleared = true;
        space.gather.add(
            {.first = first, .end = end, .leaf_levels = level_bit(level), .tables = false});
      });
}

void Spaces::mark_again(Space& space, const DirtyWindow& window) {
  const bool stage2 = static_cast<const SmmuSpace&>(space).stage2;
  for_each_leaf(
      static_cast<const SmmuSpace&>(space), window.iova, window.last,
      [&](u64 slot, unsigned level, u64 first) {
        if (!window.holds(first, first + level_bytes(level, features_.page)) || !window.has(first))
          return;
        platform_.change64(slot, [&](u64 word) {
          const bool tracked = (word & descriptor::dirty_bit_modifier) != 0;
          return tracked ? descriptor::make_dirty(word, stage2) : word;
        });
      });
}

}  // namespace iommucheck::impl
