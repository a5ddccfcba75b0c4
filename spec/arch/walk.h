// SPDX-License-Identifier: MIT
// Stage 1 walk, VMSAv8-64. DDI 0487 D8.2; F_TRANSLATION, F_ADDR_SIZE, F_ACCESS, F_PERMISSION:
// IHI 0070 7.3; order of faults: arch 4.7. step() is one descriptor and knows no memory, so that
// the cache engine can feed it whatever word a walk may have read; walk_stage1() is the loop.
#pragma once

#include <type_traits>
#include <variant>

#include "spec/arch/access.h"
#include "spec/arch/tables.h"
#include "spec/rules/translation.h"

namespace iommucheck::spec {

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

/// Rights are refused, and AF is 0: hardware may set it all the same (IHI 0070 3.13.2). Memory that
/// is walked as by hardware that does so has update_refused(), and may refuse that first.
template <class Memory>
constexpr bool takes_update_of_refused(Memory& memory, Flag<u64> may_set_af) {
  if constexpr (requires { memory.update_refused(); }) {
    return !may_set_af.value || memory.update_refused();
  }
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
      if constexpr (std::is_same_v<W, u64>) {
        if (!takes_update_of_refused(memory, result.may_set_af)) {
          return Fault{rule::S1_WALK_FETCH, EventType::f_walk_eabt, level};
        }
      }
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
