// SPDX-License-Identifier: MIT
// From translations to what devices hold by ATS (SEMANTICS 2, last row of the table).
#include <algorithm>

#include "base/bits.h"
#include "litmus/twin/fill.h"
#include "litmus/twin/fill_steps.h"

namespace iommucheck::litmus::twin {
namespace {

/// A request for write marks the descriptor dirty as memory has it now.
bool may_be_marked_dirty(const State& state, const Regime& regime, const Item& item) {
  for (const Version& version : state.memory.visible(item.source)) {
    const Decoded word = decode_descriptor(version.value.word, item.level, regime.mair);
    if (version.value.known && word.kind == DescriptorKind::leaf && word.dbm && !word.writable &&
        word.out == align_down(item.out, level_shift(item.level))) {
      return true;
    }
  }
  return false;
}

/// All that requests of (sid, ssid) through this regime are answered with.
void ask_through(const Regime& regime, AtcEntry entry, State& state) {
  if (state.reset_unknown.matches(regime.tag) || state.wild_unknown.matches(regime.tag)) {
    entry.unknown = true;
    state.atc.insert(entry);
    entry.unknown = false;
  }
  for (const Item& item : state.items) {
    if (item.pointer || !item.matches(regime.tag) || !in_range(regime, item.va)) continue;
    entry.va = item.va;
    entry.bytes = item.bytes;
    entry.out = item.unknown ? 0 : item.out;
    entry.unknown = item.unknown;
    entry.device = item.device;
    entry.writable = item.writable || (item.dirtyable && may_be_marked_dirty(state, regime, item));
    state.atc.insert(entry);
  }
}

void ask(State& state, u64 sid, std::optional<u64> ssid, const Ste& ste) {
  AtcEntry entry;
  entry.sid = sid;
  entry.ssid = ssid;
  if (ste.eats != 1) return;
  if (ssid && (ste.cdmax == 0 || !ssid_in_bounds(ste, *ssid))) return;
  if (ssid && *ssid == 0 && ste.s1dss == 2) return;
  if (!ssid && ste.cdmax != 0 && ste.s1dss == 1) {
    entry.identity = true;
    entry.bytes = u64{1} << 48;
    state.atc.insert(entry);
    return;
  }
  if (!ssid && ste.cdmax != 0 && ste.s1dss != 2) return;
  for (const Structure& structure : state.structures) {
    if (structure.kind != StructureKind::cd || structure.sid != sid ||
        structure.ssid != ssid.value_or(0)) {
      continue;
    }
    for_each_mixture(structure, [&](const FourWords& words) {
      const Cd cd = decode_cd(words, ste);
      if (cd.unknown) {
        entry.unknown = true;
        state.atc.insert(entry);
        entry.unknown = false;
      } else if (cd.valid && !cd.illegal) {
        ask_through(cd.regime, entry, state);
      }
    });
  }
}

}  // namespace

void fill_atcs(const Facts& facts, State& state) {
  for (const u64 sid : state.ats_sids) {
    std::vector<Ste> stes;
    for_each_ste(state, sid, [&](const Ste& ste) { stes.push_back(ste); });
    for (const Ste& ste : stes) {
      if (ste.unknown) {
        AtcEntry anything;
        anything.sid = sid;
        anything.every_pasid = anything.unknown = true;
        state.atc.insert(anything);
        continue;
      }
      if (!ste.valid || ste.illegal || ste.config != Ste::Config::s1) continue;
      ask(state, sid, std::nullopt, ste);
      for (const u64 ssid : facts.ssids) ask(state, sid, ssid, ste);
    }
    if (state.unknown_sids.contains(sid)) {
      AtcEntry anything;
      anything.sid = sid;
      anything.every_pasid = anything.unknown = true;
      state.atc.insert(anything);
    }
  }
}

}  // namespace iommucheck::litmus::twin
