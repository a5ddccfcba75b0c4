// SPDX-License-Identifier: MIT
// A space of input addresses that tables translate: through which regime, which is of one stage, in
// which half of it, and how its tables are laid out. Whoever asks about a word of a table asks its
// space. With 4 KiB pages the types of descriptors and where they lead are the same for both
// stages, so that a page may be a table of both; what a leaf permits is not.
#pragma once

#include <algorithm>

#include "spec/smmu/coverage.h"
#include "spec/smmu/memory.h"
#include "spec/smmu/stage.h"

namespace iommucheck::spec {

/// How tables are laid out, and what their words are at each level (0 to 3). One layout is followed
/// so far, that of 4 KiB pages (become_formed() refuses regimes with another), so that asking costs
/// nothing; for others the granule becomes a member.
struct Geometry {
  static constexpr Granule granule = Granule::g4k;

  /// log2 of the bytes that one entry of a table at `level` translates.
  [[nodiscard]] constexpr unsigned shift(unsigned level) const {
    return level_shift(granule, level);
  }
  [[nodiscard]] constexpr u64 entry_bytes(unsigned level) const { return pow2(shift(level)); }
  /// Entries of a table, but for the first one of a walk: see Root.
  [[nodiscard]] constexpr u64 entries() const { return pow2(bits_per_level(granule)); }
  /// log2 of the entries of a contiguous group at `level`; 0 where the hint means nothing.
  [[nodiscard]] constexpr unsigned group_lg2(unsigned level) const {
    return contiguous_lg2(granule, level);
  }
  [[nodiscard]] DescriptorType type_of(u64 word, unsigned level) const {
    return descriptor_type(granule, level, word);
  }
  [[nodiscard]] bool is_table(u64 word, unsigned level) const {
    return type_of(word, level) == DescriptorType::table;
  }
  [[nodiscard]] bool is_leaf(u64 word, unsigned level) const {
    return type_of(word, level) == DescriptorType::leaf;
  }
  /// The table to which a table descriptor leads.
  [[nodiscard]] u64 next_table(u64 word) const { return next_table_address(granule, word); }
};

/// Half of a regime. The numbers of regimes are those of Regimes.
struct Space {
  static constexpr Geometry geometry{};

  u32 regime = 0;
  u8 half = 0;
  u8 padding[3] = {};

  friend bool operator==(const Space&, const Space&) = default;
};

/// The lowest input address of a half.
inline u64 first_address(const Regime<u64>& regime, unsigned half) {
  return half == 0 ? 0 : ~low_mask(64 - regime.half[half].tsz);
}

/// The address of stage 1 without its tag: bits 63:56 as VA[55] of the half.
constexpr u64 untagged(u64 va, unsigned half) {
  return half == 0 ? va & mask(55, 0) : va | mask(63, 56);
}

/// The table at which the walks of a space begin, which need not fill a frame; at stage 2 up to 16
/// of them lie side by side.
struct Root {
  u64 table = 0;
  unsigned level = 0;
  u64 entries = 0;
  u64 va = 0;  ///< that the first entry translates
};

/// `half` has EPD = 0.
inline Root root_of(const Regime<u64>& regime, unsigned half) {
  const TablePosition<u64> start = first_table(regime, half);
  const Half<u64>& h = regime.half[half];
  const u64 entries_lg2 = start_entries_lg2(h.tg, start.level, h.tsz);
  return {.table = start.address,
          .level = start.level,
          .entries = pow2(static_cast<unsigned>(entries_lg2)),
          .va = first_address(regime, half)};
}

/// visit(const Root&, first) for what of it lies in one frame each, in ascending order; `first` is
/// the number of its first entry. Of stage 1 that is all of it.
template <class Visit>
void for_each_part(const Root& root, Visit&& visit) {
  constexpr u64 most = u64{1} << (frame_lg2 - 3);
  for (u64 first = 0; first < root.entries; first += most) {
    Root part = root;
    part.table += 8 * first;
    part.entries = std::min(root.entries - first, most);
    part.va += first << Space::geometry.shift(root.level);
    visit(part, first);
  }
}

/// Stands for the level at which a walk began, in a walk that has left its first table.
inline constexpr unsigned below_root = ~0U;

}  // namespace iommucheck::spec
