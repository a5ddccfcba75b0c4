// SPDX-License-Identifier: MIT
#include "monitor/device_allowed.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "monitor/device_text.h"
#include "monitor/table_reader.h"
#include "spec/rules/translation.h"
#include "spec/smmu/transaction.h"
#include "spec/smmu/version_choices.h"

namespace iommucheck::oracle {

namespace {

using spec::Access;
using spec::AccessType;
using spec::OutcomeKind;
namespace rule = spec::rule;

const char* granule_name(spec::Granule granule) {
  switch (granule) {
    case spec::Granule::g4k: return "4K";
    case spec::Granule::g16k: return "16K";
    case spec::Granule::g64k: return "64K";
  }
  return "?";
}

/// What of the descriptors forbids the access, from the leaf up; `tables`: those above it, joined.
std::string why_not_permitted(u64 leaf, u64 tables, const Access& access) {
  const bool write = access.type == AccessType::write;
  if (!access.privileged && !bit(leaf, 6)) return "AP[1]";
  if (write && bit(leaf, 7)) return "AP[2]";
  if (!access.privileged && bit(tables, 61)) return "APTable[0]";
  if (write && bit(tables, 62)) return "APTable[1]";
  return {};
}

/// Of a fault of stage 2: what it translated, which CLASS says.
const char* translated_by_stage2(const spec::Outcome& outcome) {
  switch (outcome.input) {
    case spec::Stage2Input::cd: return "of a CD";
    case spec::Stage2Input::stage1_descriptor: return "of a stage 1 descriptor";
    case spec::Stage2Input::stage1_update: return "of an update of a stage 1 descriptor";
    case spec::Stage2Input::transaction: break;
  }
  return "";
}

/// A leaf of the 4 KiB granule that leads from `va` to `pa`.
bool leads_to(u64 leaf, u64 va, u64 pa) {
  const auto at = [&](unsigned shift) {
    return ((leaf ^ pa) & mask(47, shift)) == 0 && bits(va ^ pa, shift - 1, 0) == 0;
  };
  return bit(leaf, 1) ? at(12) : at(21) || at(30);
}

/// What is special about the descriptor at which the walk ended.
std::string at_descriptor(const TableReader& reader, const spec::Outcome& outcome,
                          const spec::Regime<u64>& regime, const Access& access) {
  const spec::Half<u64>& half = regime.half[spec::select_half(regime, access.va)];
  const unsigned level = spec::start_level<u64>(half.tg, half.tsz) + reader.descriptors - 1;
  const bool valid = bit(reader.last, 0);
  const bool block = valid && !bit(reader.last, 1);
  switch (outcome.rule) {
    case rule::S1_OUTPUT_SIZE:
      return !block && level != spec::last_level ? "of the next table" : "of the leaf";
    case rule::S1_DESCRIPTOR_VALID:
      if (!block) return {};
      return level == spec::last_level
                 ? "bits 01 at level 3"
                 : fmt::format("a block at level {}, {}", level, granule_name(half.tg));
    case rule::S1_PERMISSION: return why_not_permitted(reader.last, reader.tables, access);
    default: return {};
  }
}

}  // namespace

const spec::Outcome* DeviceAllowed::refused_at(const std::vector<spec::Outcome>& allowed,
                                               const Access& access, u64 pa) {
  const auto refuses = [&](const spec::Outcome& o) {
    const bool of_leaf = o.rule == rule::S1_PERMISSION || o.rule == rule::S1_ACCESS_FLAG;
    return o.kind == OutcomeKind::fault && of_leaf && leads_to(o.value, access.va, pa);
  };
  const auto found = std::ranges::find_if(allowed, refuses);
  return found != allowed.end() ? &*found : nullptr;
}

DeviceAllowed::Features DeviceAllowed::why_refused(const spec::Outcome& refusal,
                                                   const Access& access) {
  if (refusal.rule != rule::S1_PERMISSION) return {};
  std::string why = why_not_permitted(refusal.value, 0, access);
  return why.empty() ? Features{} : Features{std::move(why)};
}

/// What the access meets if nothing is cached: words of its own reading, not those of the engine.
DeviceAllowed::Plain DeviceAllowed::plain(const Access& access) const {
  const spec::Capabilities& caps = caches_.capabilities();
  TableReader reader{caches_.memory(), absent_};
  spec::SmmuState state{
      .caps = caps, .streams = caches_.stream_table(), .smmuen = true, .e2h = caches_.e2h()};
  Plain result;
  result.outcome = spec::untranslated_transaction(reader, state, access);
  if (result.outcome.kind == OutcomeKind::fault && result.outcome.rule == rule::S1_PERMISSION) {
    TableReader again{caches_.memory(), absent_};
    state.sets_af_of_refused = true;
    const spec::Outcome other = spec::untranslated_transaction(again, state, access);
    if (!other.same(result.outcome)) result.other = other;
  }
  result.known = !reader.unknown && result.outcome.kind != OutcomeKind::any;
  result.aborts = reader.aborts;
  if (reader.cd_words != 0 && reader.ste.s1cdmax() != 0 && caps.ssidsize == 0) {
    result.features = {std::string(s1cdmax_ignored)};
  }
  if (result.outcome.stage2) {
    const std::string_view translated = translated_by_stage2(result.outcome);
    result.features.clear();
    if (!translated.empty()) result.features.emplace_back(translated);
  } else if (result.outcome.kind == OutcomeKind::fault && reader.descriptors != 0 &&
             !reader.ste.stage2()) {
    const auto regime = spec::regime_of<u64>(reader.ste, reader.cd, caps, caches_.e2h());
    std::string detail = at_descriptor(reader, result.outcome, regime, access);
    if (!detail.empty()) result.features = {std::move(detail)};
  }
  if (result.outcome.kind == OutcomeKind::translation) {
    auto needed = features_needed(access);
    if (!needed.empty()) result.features = std::move(needed);
  }
  return result;
}

/// What the engine does not look at is judged where nothing can be cached but memory, or what it
/// is told.
DeviceAllowed::Allowed DeviceAllowed::now(const Access& access) const {
  Allowed now;
  const auto collect = [&](const spec::Outcome& o) { now.outcomes.push_back(o); };
  now.judged = caches_.outcomes(access, collect);
  const bool translating = smmu_.surely_enabled();
  if (translating) now.memory = plain(access);
  const bool within = std::ranges::any_of(
      now.outcomes, [](const spec::Outcome& o) { return o.kind == OutcomeKind::within; });
  const bool modelled = caches_.unsupported().empty();
  if (within && modelled && state_.changed && nested_.follows(access)) {
    now.outcomes.clear();
    now.judged = caches_.nested().outcomes(access, collect);
  } else if (within || !modelled) {
    now.judged = translating && now.memory.known && !state_.changed;
    now.outcomes = now.memory.outcomes();
  }
  // Nor does it know of memory that is not there.
  if (now.memory.aborts) {
    now.judged = now.memory.known && !state_.changed;
    now.outcomes = now.memory.outcomes();
  }
  // The engine's rule for what is out of range stands for several; memory alone says which.
  const spec::Outcome& m = now.memory.outcome;
  for (spec::Outcome& o : now.outcomes) {
    const bool its = o.kind == OutcomeKind::fault && m.kind == o.kind && m.event == o.event;
    if (now.memory.known && its) o.rule = m.rule;
  }
  const auto is_open = [&](const spec::Outcome& o) {
    return o.kind == OutcomeKind::fault && spec::is_left_open(o.rule, caches_.capabilities());
  };
  const auto open = std::ranges::find_if(now.outcomes, is_open);
  now.is_open = (state_.left_open && translating) || open != now.outcomes.end();
  if (now.is_open && !now.outcomes.empty()) {
    const spec::Outcome& its = open != now.outcomes.end() ? *open : now.outcomes.front();
    now.outcomes = {spec::Outcome{.kind = OutcomeKind::any, .rule = its.rule}};
  }
  return now;
}

// ---- what happens -------------------------------------------------------------------------------

void DeviceAllowed::stored(u64 pa, u64 words) {
  state_.changed = state_.enabled_once;
  if (state_.enabled_once) nested_.before_store(caches_, pa, words);
}

void DeviceAllowed::register_write(u32 offset, u64 value) {
  if (offset != spec::reg::cr0) return;
  const bool enables = (value & spec::cr0::smmuen) != 0;
  if (enables) state_.surely_disabled = false;
  if (!enables && smmu_.smmuen() && state_.enabled_once) nested_.before_disable(caches_);
  state_.atschk_changed |= state_.enabled_once && ((value ^ smmu_.cr0()) & spec::cr0::atschk) != 0;
  if (enables && !smmu_.smmuen()) {
    state_.changed = state_.enabled_once;
    state_.enabled_once = true;
  }
}

void DeviceAllowed::register_read(u32 offset, u64 value) {
  const bool shows_disabled = offset == spec::reg::cr0ack && (value & spec::cr0::smmuen) == 0;
  if (shows_disabled && !smmu_.smmuen()) state_.surely_disabled = true;
}

AtsAllowed DeviceAllowed::of_ats() const {
  return {caches_,
          smmu_,
          nested_,
          absent_,
          {.changed = state_.changed,
           .disabled = state_.surely_disabled,
           .atschk_changed = state_.atschk_changed}};
}

}  // namespace iommucheck::oracle
