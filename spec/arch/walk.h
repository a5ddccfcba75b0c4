// SPDX-License-Identifier: MIT
// Stage 1 walk, VMSAv8-64. DDI 0487 D8.2; F_TRANSLATION, F_ADDR_SIZE, F_ACCESS, F_PERMISSION:
// IHI 0070 7.3; order of faults: arch 4.7. step() is one descriptor and knows no memory, so that
// the cache engine can feed it whatever word a walk may have read; walk_stage1() is the loop.
#pragma once

#include <type_traits>
#include <variant>

#include "spec/arch/permissions.h"
#include "spec/rules/translation.h"

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

/// The half is closed to unprivileged accesses.
template <Word W>
constexpr std::optional<Fault> check_e0pd(const Regime<W>& regime, unsigned half,
                                          AccessKind access) {
  if (access.privileged || !has_unprivileged(regime.world)) return std::nullopt;
  return check(rule::S1_E0PD, EventType::f_translation, !regime.half[half].e0pd);
}

/// The checks on the input address that hold with and without a TLB hit.
template <Word W>
constexpr std::optional<Fault> check_input(const Regime<W>& regime, unsigned half, W va,
                                           AccessKind access) {
  if (auto f =
          check(rule::S1_VA_IN_RANGE, EventType::f_translation, va_in_range(regime, half, va))) {
    return f;
  }
  return check_e0pd(regime, half, access);
}

/// The check that a TLB hit skips: walks of this half are enabled.
template <Word W>
constexpr std::optional<Fault> check_walk_enabled(const Regime<W>& regime, unsigned half) {
  return check(rule::S1_EPD, EventType::f_translation, !regime.half[half].epd);
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

/// One descriptor at `level` of half `half`: F_TRANSLATION, then F_ADDR_SIZE (of next tables too),
/// else where it leads. Access flag and permissions of a leaf are check_access()'s.
template <Word W>
constexpr Step<W> step(const Regime<W>& regime, unsigned half, unsigned level, W word,
                       const HierarchicalAttributes<W>& hierarchical) {
  const Granule granule = regime.half[half].tg;
  bool wide = false;
  if (granule == Granule::g64k) wide = static_cast<bool>(less_equal(W(52), regime.ips_lg2));
  const DescriptorType type = descriptor_type(granule, level, word, wide);
  if (auto f = check(rule::S1_DESCRIPTOR_VALID, EventType::f_translation,
                     type != DescriptorType::invalid, level)) {
    return *f;
  }
  const bool is_table = type == DescriptorType::table;
  const W output = is_table ? next_table_address(granule, word, wide)
                            : output_address(granule, level, word, wide);
  if (auto f = check(rule::S1_OUTPUT_SIZE, EventType::f_addr_size,
                     within_output_size(regime, output), level)) {
    return *f;
  }
  if (is_table) {
    return TableStep<W>{output, level + 1, accumulate(hierarchical, word), access_flag(word)};
  }
  return make_leaf(regime, half, level, word, output, hierarchical);
}

/// A finished stage 1 translation.
template <Word W>
struct Translation {
  W output{0};  ///< output address of the va itself
  Leaf<W> leaf;
  AccessResult<W> access;  ///< no fault in it
};

template <Word W>
using WalkResult = std::variant<Fault, Translation<W>>;

/// Hardware writes flags into the descriptor that was read last: false, memory refuses that (stage
/// 2, IHI 0070 3.13.5). Memory that has no update() takes them.
template <class Memory>
constexpr bool takes_update(Memory& memory, Flag<u64> updates) {
  if constexpr (requires { memory.update(); }) return !updates.value || memory.update();
  return true;
}

/// The whole walk. `memory.read(W address)` gives std::optional<W>; nothing is an external abort.
/// `rights(leaf)` is check_access() or check_ats_access(). Descriptors are taken as little-endian;
/// who has ENDI = 1 swaps in `read`.
template <Word W, class Memory, class Rights>
constexpr WalkResult<W> walk_stage1(Memory& memory, const Regime<W>& regime, W va,
                                    AccessKind access, const Rights& rights) {
  const unsigned half = select_half(regime, va);
  if (auto f = check_input(regime, half, va, access)) return *f;
  if (auto f = check_walk_enabled(regime, half)) return *f;

  const Half<W>& h = regime.half[half];
  TablePosition<W> table = start_table(regime, half);
  const unsigned start = table.level;
  HierarchicalAttributes<W> hierarchical;
  for (unsigned level = start; level <= last_level; ++level) {
    const std::optional<W> word =
        memory.read(descriptor_position(h, start, level, table.address, va));
    if (auto f = check(rule::S1_WALK_FETCH, EventType::f_walk_eabt, word.has_value(), level)) {
      return *f;
    }
    const Step<W> next = step(regime, half, level, *word, hierarchical);
    if (const auto* fault = std::get_if<Fault>(&next)) return *fault;
    if (const auto* leaf = std::get_if<Leaf<W>>(&next)) {
      const AccessResult<W> result = rights(*leaf);
      if (result.fault) return *result.fault;
      if constexpr (std::is_same_v<W, u64>) {
        if (!takes_update(memory, result.sets_af | result.sets_dirty)) {
          return Fault{rule::S1_WALK_FETCH, EventType::f_walk_eabt, level};
        }
      }
      return Translation<W>{leaf->output | leaf_offset(h.tg, level, va), *leaf, result};
    }
    const auto& pointer = std::get<TableStep<W>>(next);
    if constexpr (std::is_same_v<W, u64>) {
      if (!takes_update(memory, regime.haft & !pointer.af)) {
        return Fault{rule::S1_WALK_FETCH, EventType::f_walk_eabt, level};
      }
    }
    table = {pointer.address, pointer.level};
    hierarchical = pointer.hierarchical;
  }
  return Fault{rule::S1_DESCRIPTOR_VALID, EventType::f_translation, last_level};  // not reached
}

template <Word W, class Memory>
constexpr WalkResult<W> walk_stage1(Memory& memory, const Regime<W>& regime, W va,
                                    AccessKind access) {
  return walk_stage1(memory, regime, va, access,
                     [&](const Leaf<W>& leaf) { return check_access(leaf, access, regime); });
}

}  // namespace iommucheck::spec
