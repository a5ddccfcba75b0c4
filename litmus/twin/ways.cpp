// SPDX-License-Identifier: MIT
#include "litmus/twin/ways.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "litmus/twin/fill.h"

namespace iommucheck::litmus::twin {
namespace {

bool may_end_so(const Facts& facts, const State& state, const Transaction& by,
                const Outcome& wanted) {
  return std::ranges::any_of(outcomes(facts, state, by),
                             [&](const Outcome& outcome) { return outcome.text == wanted.text; });
}

void forget_translations(State& state) {
  state.items.clear();
  state.reset_unknown = {};
  state.wild_unknown = {};
}

void forget_configuration(State& state) {
  state.structures.clear();
  state.unknown_sids.clear();
  state.old_atschk.clear();
  state.old_e2h.clear();
}

std::string tag_text(const Item& item, bool under_stage2) {
  const bool asid = item.stage != Stage::two && !item.global;
  std::string text = asid ? fmt::format("ASID {:#x}", item.tag.asid) : "";
  if (item.stage == Stage::two || under_stage2) {
    text += fmt::format("{}VMID {:#x}", text.empty() ? "" : ", ", item.tag.vmid);
  }
  return text.empty() ? "any ASID" : text;
}

/// "a final translation of both stages for 0x1000 (level 3; ASID 0x4, VMID 0x9)".
std::string item_text(const Item& item) {
  const bool both = item.stage == Stage::both;
  const std::string what = item.pointer ? "a table pointer" : "a final translation";
  const std::string stage = both                       ? "both stages"
                            : item.stage == Stage::two ? "stage 2"
                            : item.leads_to_ipa()      ? "stage 1, to an IPA,"
                                                       : "stage 1";
  return fmt::format("{} of {} for {:#x} (level {}; {})", what, stage, item.va, item.level,
                     tag_text(item, both || item.nested));
}

bool has(const State& state, const Item& item) {
  return std::ranges::any_of(
      state.items, [&](const Item& other) { return other.identity() == item.identity(); });
}

/// The cached ones that memory would not give anew; the rest is what a walk reads.
std::string stale_items(const State& state, const State& bare, const Outcome& outcome) {
  std::string text;
  for (const Item& item : outcome.items) {
    if (!has(state, item) || has(bare, item)) continue;
    text += (text.empty() ? "" : ", ") + item_text(item);
  }
  return text;
}

std::string_view kind_text(StructureKind kind) {
  switch (kind) {
    case StructureKind::l1std: return "L1STD";
    case StructureKind::ste: return "STE";
    case StructureKind::l1cd: return "L1CD";
    case StructureKind::cd: break;
  }
  return "CD";
}

std::string structures_text(const Outcome& outcome) {
  std::string text;
  for (const Structure& structure : outcome.configuration) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", kind_text(structure.kind));
  }
  return text.empty() ? "configuration" : text;
}

}  // namespace

Way way_to(const Facts& facts, const State& state, const Transaction& by, const Outcome& outcome) {
  Way way{.outcome = outcome.text, .why = {}, .section = "IHI 0070 3.3"};
  State bare = state;
  forget_translations(bare);
  forget_configuration(bare);
  bare.atc.clear();
  fill(facts, bare);
  if (may_end_so(facts, bare, by, outcome)) {
    way.why = "by memory as it may be read now, whatever is cached";
    return way;
  }
  State without = state;
  without.atc.clear();
  fill(facts, without);
  if (!may_end_so(facts, without, by, outcome)) {
    way.why =
        fmt::format("an ATC entry of stream {:#x} for {:#x}, of an earlier answer", by.sid, by.va);
    way.section = "IHI 0070 3.9.1";
    return way;
  }
  without = state;
  forget_configuration(without);
  fill(facts, without);
  if (!may_end_so(facts, without, by, outcome)) {
    way.why = fmt::format("cached words of stream {:#x} that memory no longer says, on the way {}",
                          by.sid, structures_text(outcome));
    way.section = "IHI 0070 3.21.3";
    return way;
  }
  const std::string items = stale_items(state, bare, outcome);
  const bool combined = std::ranges::any_of(
      outcome.items, [](const Item& item) { return item.stage == Stage::both; });
  way.why = "cached, and not in memory any more: " + (items.empty() ? "a translation" : items);
  if (combined) way.why += "; a TLBI by IPA need not remove it";
  way.section = combined ? "IHI 0070 3.17, 4.4.3.1" : "IHI 0070 3.21.1";
  return way;
}

}  // namespace iommucheck::litmus::twin
