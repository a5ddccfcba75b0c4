// SPDX-License-Identifier: MIT
// The walk of stage 2: an intermediate physical address (IPA) to a physical one. DDI 0487 D8.2; IHI
// 0070 7.3; arch 4.7. As walk.h: one descriptor at a time, and the loop.
#pragma once

#include <optional>
#include <variant>

#include "spec/arch/stage2.h"
#include "spec/rules/translation.h"

namespace iommucheck::spec {

template <Word W>
using Stage2Step = std::variant<Fault, W, Stage2Leaf<W>>;  // W: the next table

/// One descriptor at `level`: F_TRANSLATION, then F_ADDR_SIZE, else where it leads.
template <Word W>
constexpr Stage2Step<W> stage2_step(const Stage2<W>& stage2, unsigned level, W word) {
  bool wide = false;
  if (stage2.tg == Granule::g64k) wide = static_cast<bool>(less_equal(W(52), stage2.ps_lg2));
  const DescriptorType type = descriptor_type(stage2.tg, level, word, wide);
  if (auto f = check(rule::S2_DESCRIPTOR_VALID, EventType::f_translation,
                     type != DescriptorType::invalid, level)) {
    return *f;
  }
  const bool is_table = type == DescriptorType::table;
  const W output = is_table ? next_table_address(stage2.tg, word, wide)
                            : output_address(stage2.tg, level, word, wide);
  if (auto f = check(rule::S2_OUTPUT_SIZE, EventType::f_addr_size,
                     is_zero(output & ~low_mask(stage2.ps_lg2)), level)) {
    return *f;
  }
  if (is_table) return output;
  return stage2_leaf(stage2, level, word, output);
}

/// F_ACCESS before F_PERMISSION. What hardware fetches itself is a data read, and its update of a
/// descriptor a write. IHI 0070 7.3.16.
template <Word W>
constexpr std::optional<Fault> check_stage2_access(const Stage2<W>& stage2,
                                                   const Stage2Leaf<W>& leaf, AccessKind access,
                                                   Stage2Input input) {
  if (auto f = check(rule::S2_ACCESS_FLAG, EventType::f_access, leaf.af | stage2.ha | stage2.affd,
                     leaf.level)) {
    return f;
  }
  const bool fetched = input != Stage2Input::transaction;
  const bool updates = input == Stage2Input::stage1_update;
  const AccessKind own{updates ? AccessType::write : AccessType::read};
  const AccessKind kind = fetched ? own : access;
  if (auto f = check(rule::S2_PERMISSION, EventType::f_permission, stage2_permits(leaf, kind),
                     leaf.level)) {
    return f;
  }
  if (!fetched) return std::nullopt;
  return check(rule::S2_PTW, EventType::f_permission, !(stage2.ptw & leaf.device), leaf.level);
}

template <Word W>
struct Stage2Translation {
  W output{0};
  Stage2Leaf<W> leaf;
};

template <Word W>
using Stage2Result = std::variant<Fault, Stage2Translation<W>>;

/// The whole walk; `memory` as for walk_stage1().
template <Word W, class Memory>
constexpr Stage2Result<W> walk_stage2(Memory& memory, const Stage2<W>& stage2, W ipa,
                                      AccessKind access, Stage2Input input) {
  if (auto f = check(rule::S2_IPA_RANGE, EventType::f_translation, ipa_in_range(stage2, ipa))) {
    return *f;
  }
  W table = stage2_start_table(stage2);
  for (unsigned level = stage2.start; level <= last_level; ++level) {
    const W index = table_index(stage2.tg, stage2.start, level, stage2.t0sz, ipa);
    const std::optional<W> word = memory.read(table + (index << 3));
    if (auto f = check(rule::S2_WALK_FETCH, EventType::f_walk_eabt, word.has_value(), level)) {
      return *f;
    }
    const Stage2Step<W> next = stage2_step(stage2, level, *word);
    if (const auto* fault = std::get_if<Fault>(&next)) return *fault;
    if (const auto* leaf = std::get_if<Stage2Leaf<W>>(&next)) {
      if (auto f = check_stage2_access(stage2, *leaf, access, input)) return *f;
      return Stage2Translation<W>{leaf->output | leaf_offset(stage2.tg, level, ipa), *leaf};
    }
    table = std::get<W>(next);
  }
  return Fault{rule::S2_DESCRIPTOR_VALID, EventType::f_translation, last_level};  // not reached
}

}  // namespace iommucheck::spec
