// SPDX-License-Identifier: MIT
// A space of input addresses that tables translate: through which regime, which is of one stage, in
// which half of it, and how its tables are laid out. Whoever asks about a word of a table asks its
// space. The types of descriptors and where they lead are the same for both stages, so that a page
// may be a table of both; what a leaf permits is not.
#pragma once

#include <algorithm>
#include <array>

#include "spec/smmu/coverage.h"
#include "spec/smmu/memory.h"
#include "spec/smmu/stage.h"

namespace iommucheck::spec {

/// log2 of the bytes that an entry translates, by layout and level: asked of each word of a walk.
inline constexpr auto entry_lg2 = [] {
  std::array<std::array<u8, last_level + 1>, layouts> found{};
  for (unsigned layout = 0; layout < layouts; ++layout) {
    const auto granule = static_cast<Granule>(std::min(layout, 2U));
    for (unsigned level = 0; level <= last_level; ++level) {
      found[layout][level] = static_cast<u8>(level_shift(granule, level));
    }
  }
  return found;
}();

/// How the tables of a space are laid out, and what their words are at each level (0 to 3): by
/// their granule, and with 64 KiB by whether outputs have 52 bits. A page may be a table, or a part
/// of one, of several layouts at once.
struct Geometry {
  u8 layout = 0;  ///< below `layouts`: a Granule, and behind those 64 KiB with outputs of 52 bits

  static constexpr u8 wide_layout = 3;
  [[nodiscard]] constexpr Granule granule() const {
    return static_cast<Granule>(std::min<u8>(layout, wide_layout - 1));
  }
  [[nodiscard]] constexpr bool wide() const { return layout == wide_layout; }

  /// log2 of the bytes that one entry of a table at `level` translates.
  [[nodiscard]] constexpr unsigned shift(unsigned level) const { return entry_lg2[layout][level]; }
  [[nodiscard]] constexpr u64 entry_bytes(unsigned level) const { return pow2(shift(level)); }
  /// Entries of a table, but for the first one of a walk: see TableExtent.
  [[nodiscard]] constexpr u64 entries() const { return pow2(bits_per_level(granule())); }
  /// log2 of the entries of a contiguous group at `level`; 0 where the hint means nothing. A group
  /// lies in one frame.
  [[nodiscard]] constexpr unsigned group_lg2(unsigned level) const {
    return contiguous_lg2(granule(), level);
  }
  [[nodiscard]] DescriptorType type_of(u64 word, unsigned level) const {
    return descriptor_type(granule(), level, word, wide());
  }
  /// Of every layout alike.
  [[nodiscard]] static bool is_table(u64 word, unsigned level) {
    return level != last_level && bits(word, 1, 0) == 3;
  }
  [[nodiscard]] bool is_leaf(u64 word, unsigned level) const {
    return type_of(word, level) == DescriptorType::leaf;
  }
  /// The table to which a table descriptor leads.
  [[nodiscard]] u64 next_table(u64 word) const {
    return next_table_address(granule(), word, wide());
  }

  friend bool operator==(const Geometry&, const Geometry&) = default;
};

/// Of a half that is walked.
inline Geometry geometry_of(const Regime<u64>& regime, unsigned half) {
  const Granule granule = regime.half[half].tg;
  const bool wide = granule == Granule::g64k && regime.ips_lg2 >= 52;
  return {wide ? Geometry::wide_layout : static_cast<u8>(granule)};
}

/// visit(Geometry, level) for each layout and level of which the frame is a table, or a part of
/// one; asked of each when its turn comes, since a visit may make it one of more.
template <class Visit>
void for_each_layout(const Frame& frame, Visit&& visit) {
  for (u8 layout = 0; layout < layouts; ++layout) {
    if (frame.table_edges[layout] == 0) continue;
    for (unsigned level = 0; level <= last_level; ++level) {
      if (frame.tables_at(layout, level) != 0) visit(Geometry{layout}, level);
    }
  }
}

/// Half of a regime. The numbers of regimes are those of Regimes.
struct Space {
  u32 regime = 0;
  u8 half = 0;
  Geometry geometry{};  ///< of that half
  u8 padding[2] = {};

  friend bool operator==(const Space&, const Space&) = default;
};

/// A table that was filled from, or found by, the one space may be walked in the other too: a
/// cached table descriptor is of a half, and of the layout by which it was read.
inline bool shares_tables(const Space& a, const Space& b) {
  return a.half == b.half && a.geometry == b.geometry;
}

/// The lowest input address of a half.
inline u64 first_address(const Regime<u64>& regime, unsigned half) {
  return half == 0 ? 0 : ~low_mask(64 - regime.half[half].tsz);
}

/// A table as walks come to it, which fills a frame, a part of one, or several. That at which they
/// begin has as many entries as the input addresses need; at stage 2 up to 16 whole ones lie side
/// by side.
struct TableExtent {
  u64 table = 0;
  unsigned level = 0;
  u64 entries = 0;
  u64 va = 0;  ///< that the first entry translates
  Geometry geometry{};

  [[nodiscard]] unsigned shift() const { return geometry.shift(level); }
};

/// `half` has EPD = 0.
inline TableExtent root_of(const Regime<u64>& regime, unsigned half) {
  const TablePosition<u64> start = first_table(regime, half);
  const Half<u64>& h = regime.half[half];
  const u64 entries_lg2 = start_entries_lg2(h.tg, start.level, h.tsz);
  return {.table = start.address,
          .level = start.level,
          .entries = pow2(static_cast<unsigned>(entries_lg2)),
          .va = first_address(regime, half),
          .geometry = geometry_of(regime, half)};
}

/// To which the table descriptor `word` leads, that stands in a table of `level` and is met for
/// `va`.
inline TableExtent table_below(Geometry geometry, u64 word, unsigned level, u64 va) {
  return {.table = geometry.next_table(word),
          .level = level + 1,
          .entries = geometry.entries(),
          .va = va,
          .geometry = geometry};
}

/// visit(const TableExtent&, first) for what of it lies in one frame each, in ascending order;
/// `first` is the number of its first entry.
template <class Visit>
void for_each_part(const TableExtent& table, Visit&& visit) {
  for (u64 first = 0; first < table.entries; first += frame_words) {
    TableExtent part = table;
    part.table += 8 * first;
    part.entries = std::min<u64>(table.entries - first, frame_words);
    part.va += first << table.shift();
    visit(part, first);
  }
}

/// Stands for the level at which a walk began, in a walk that has left its first table.
inline constexpr unsigned below_root = ~0U;

}  // namespace iommucheck::spec
