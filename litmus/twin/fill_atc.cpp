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

/// What requests are granted by the item, each for its kind of access (IHI 0070 13.7.1).
u8 granted_by(const Item& item, bool marks_dirty, const AtcEntry& entry, const Ste& ste,
              World world) {
  u8 granted = 0;
  for (const Kind::Type type : {Kind::Type::read, Kind::Type::write, Kind::Type::execute}) {
    for (const bool privileged : {false, true}) {
      const Kind kind{type, privileged};
      if (!entry.ssid && kind != without_pasid(kind)) continue;
      const Kind asked = overridden(ste, kind);
      Rights rights = item.rights;
      if (type == Kind::Type::write) rights.dirtyable &= marks_dirty;
      bool is = permits(rights, world, asked) && !item.refuses(asked);
      const bool reads_too = asked.type == Kind::Type::execute && ste.instcfg < 2;
      if (reads_too) is = is && permits(rights, world, {Kind::Type::read, asked.privileged});
      if (is) granted |= static_cast<u8>(1U << AtcEntry::bit_of(kind));
    }
  }
  return granted;
}

/// All that requests of (sid, ssid) through this STE and regime are answered with.
void ask_through(const Ste& ste, const Regime& regime, AtcEntry entry, State& state) {
  if (state.reset_unknown.matches(regime.tag) || state.wild_unknown.matches(regime.tag)) {
    entry.unknown = true;
    entry.granted = AtcEntry::everything;
    state.atc.insert(entry);
    entry.unknown = false;
  }
  for (const Item& item : state.items) {
    if (item.pointer || !item.matches(regime)) continue;
    entry.va = item.va;
    entry.bytes = item.bytes;
    entry.out = item.unknown ? 0 : item.out;
    entry.unknown = item.unknown;
    entry.device = item.device;
    const bool dirty = item.rights.dirtyable && may_be_marked_dirty(state, regime, item);
    entry.granted =
        item.unknown ? AtcEntry::everything : granted_by(item, dirty, entry, ste, regime.tag.world);
    if (entry.granted != 0) state.atc.insert(entry);
  }
}

void ask(State& state, u64 sid, std::optional<u64> ssid, const Ste& ste) {
  AtcEntry entry;
  entry.sid = sid;
  entry.ssid = ssid;
  entry.granted = AtcEntry::everything;
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
        ask_through(ste, cd.regime, entry, state);
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
        anything.granted = AtcEntry::everything;
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
      anything.granted = AtcEntry::everything;
      state.atc.insert(anything);
    }
  }
}

}  // namespace iommucheck::litmus::twin
