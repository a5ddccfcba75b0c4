// SPDX-License-Identifier: MIT
// What devices have written to: the IOMMU marks it in leaves that track, which it changes while the
// driver does: both by one atomic step. INTERFACE "Dirty".
#include "impl/two/two.h"

namespace iommucheck::impl {

namespace {

using TwoFormat = two::Format;

constexpr u64 bytes_of_level(unsigned level) { return u64{1} << TwoFormat::level_shift(level); }

}  // namespace

void Two::track(Space& space, bool on) {
  const u64 last = (u64{1} << space.input_bits) - 1;
  static_cast<TwoSpace&>(space).pages.for_each_leaf(
      platform_, 0, last, [&](u64 slot, unsigned /*level*/, u64 /*first*/) {
        platform_.change64(slot, [&](u64 word) {
          if (!TwoFormat::is_writable(word)) return word;
          return on ? TwoFormat::make_clean(word) : TwoFormat::make_untracked(word);
        });
      });
}

void Two::read_marks(Space& space, DirtyWindow& window) {
  static_cast<TwoSpace&>(space).pages.for_each_leaf(
      platform_, window.iova, window.last, [&](u64 slot, unsigned level, u64 first) {
        const u64 end = first + bytes_of_level(level);
        const bool clears = window.clear && window.holds(first, end);
        const u64 word = platform_.change64(slot, [&](u64 old) {
          const bool written = (old & TwoFormat::written_bit) != 0;
          return clears && written ? TwoFormat::make_clean(old) : old;
        });
        if ((word & TwoFormat::written_bit) == 0) return;
        window.set(first, end);
        if (!clears) return;
        window.cleared = true;
        space.gather.add({.first = first, .end = end, .leaf_levels = any_level, .tables = false});
      });
}

void Two::mark_again(Space& space, const DirtyWindow& window) {
  static_cast<TwoSpace&>(space).pages.for_each_leaf(
      platform_, window.iova, window.last, [&](u64 slot, unsigned level, u64 first) {
        if (!window.holds(first, first + bytes_of_level(level)) || !window.has(first)) return;
        platform_.change64(slot, [&](u64 word) {
          const bool tracked = (word & TwoFormat::tracks_bit) != 0;
          return tracked ? word | TwoFormat::written_bit : word;
        });
      });
}

}  // namespace iommucheck::impl
