// SPDX-License-Identifier: MIT
// Tables of stage 1, VMSAv8-64: which half, where a walk begins, where a descriptor lies, what a
// leaf says. DDI 0487 D8.2, D8.3; arch 4.2, 4.3.
#pragma once

#include <variant>

#include "spec/arch/permissions.h"

namespace iommucheck::spec {

/// 0 for TTB0, 1 for TTB1: VA[55], where the world has two halves. One fork.
template <Word W>
constexpr unsigned select_half(const Regime<W>& regime, W va) {
  if (!has_two_halves(regime)) return 0;
  if (flag(va, 55)) return 1;
  return 0;
}

/// VA[top:N] all equal to VA[55] (all 0 in EL2), where N = 64 - TxSZ and top is 63, or 55 under
/// TBI. A half with EPD = 1 has no TxSZ and refuses nothing here.
template <Word W>
constexpr Flag<W> va_in_range(const Regime<W>& regime, unsigned half, W va) {
  const Half<W>& h = regime.half[half];
  const W above = ~low_mask(W(64) - h.tsz) & select(h.tbi, W(mask(55, 0)), ~W(0));
  const W upper = va & above;
  return h.epd | equal(upper, half == 1 ? above : W(0));
}

/// What of the va a walk or a TLB entry is told apart by: bits [N-1:0], N = 64 - TxSZ; the half is
/// kept beside it.
template <Word W>
constexpr W va_in_half(const Regime<W>& regime, unsigned half, W va) {
  return va & low_mask(W(64) - regime.half[half].tsz);
}

/// The table at which a walk starts: address, level. The low bits of TTB below the table's size are
/// ignored; a table is 64 bytes at least where the output size is 52 bits. arch 4.2.
template <Word W>
struct TablePosition {
  W address{0};
  unsigned level = 0;
};

template <Word W>
constexpr TablePosition<W> start_table(const Regime<W>& regime, unsigned half) {
  const Half<W>& h = regime.half[half];
  const unsigned start = start_level(h.tg, h.tsz);
  const W size_lg2 = start_entries_lg2(h.tg, start, h.tsz) + W(3);
  const W wide_lg2 = select(less(size_lg2, W(6)), W(6), size_lg2);
  const W lg2 = select(less_equal(W(52), regime.ips_lg2), wide_lg2, size_lg2);
  return {h.ttb & ~low_mask(lg2), start};
}

/// Address of the descriptor that translates `va` in the table at `table`. `start` is the level at
/// which this walk began: only there the index is cut at N.
template <Word W>
constexpr W descriptor_position(const Half<W>& half, unsigned start, unsigned level, W table,
                                W va) {
  return table + (table_index(half.tg, start, level, half.tsz, va) << 3);
}

template <Word W>
struct TableStep {
  W address{0};
  unsigned level = 0;  ///< of the table pointed to
  HierarchicalAttributes<W> hierarchical;
  Flag<W> af = false;  ///< of the table descriptor; counts under HAFT only
  friend bool operator==(const TableStep&, const TableStep&) = default;
};

template <Word W>
using Step = std::variant<Fault, TableStep<W>, Leaf<W>>;

/// No output bit at or above the effective output size.
template <Word W>
constexpr Flag<W> within_output_size(const Regime<W>& regime, W address) {
  return is_zero(address & ~low_mask(regime.ips_lg2));
}

template <Word W>
constexpr Leaf<W> make_leaf(const Regime<W>& regime, unsigned half, unsigned level, W word,
                            W output, const HierarchicalAttributes<W>& hierarchical) {
  Leaf<W> leaf;
  leaf.output = output;
  leaf.level = level;
  leaf.granule = regime.half[half].tg;
  leaf.extent_lg2 = leaf_size_lg2(leaf.granule, level);
  leaf.contiguous =
      contiguous_lg2(leaf.granule, level) == 0 ? Flag<W>(false) : contiguous_hint(word);
  leaf.attr = shift_right(regime.mair, attr_indx(word) << 3) & W(0xff);
  leaf.sh = shareability(word);
  leaf.af = access_flag(word);
  leaf.ng = not_global(word) & Flag<W>(has_asid(regime.world));
  leaf.nt = level == last_level ? Flag<W>(false) : no_translation(word);
  set_permissions(leaf, regime, half, word, hierarchical);
  return leaf;
}

}  // namespace iommucheck::spec
