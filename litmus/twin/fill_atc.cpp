// SPDX-License-Identifier: MIT
// From translations to what devices hold by ATS (SEMANTICS 2, last row of the table).
#include <algorithm>

#include "base/bits.h"
#include "litmus/twin/fill.h"
#include "litmus/twin/fill_steps.h"
#include "litmus/twin/judge.h"

namespace iommucheck::litmus::twin {
namespace {

/// Adds what a request was answered with. One for write has marked its page dirty; which requests a
/// device makes, its accesses say.
void hold(const Facts& facts, State& state, const AtcEntry& entry) {
  state.atc.insert(entry);
  if (entry.dirtied.empty()) return;
  for (const auto& [sid, ssid, va] : facts.ats_writes) {
    if (sid != entry.sid || ssid != entry.ssid || !entry.contains(va)) continue;
    state.may_be_dirty.insert(entry.dirtied.begin(), entry.dirtied.end());
  }
}

/// Descriptors that a request for write marks dirty before it is answered.
std::set<u64> dirtied_by(const Item& item, DirtyAgain dirty, u8 granted, bool split) {
  std::set<u64> found;
  const Kind write{Kind::Type::write, false}, privileged{Kind::Type::write, true};
  const auto grants = [&](Kind kind) { return (granted >> AtcEntry::bit_of(kind) & 1) != 0; };
  if (item.unknown || !(grants(write) || grants(privileged))) return found;
  if (!item.rights.writable && item.rights.dirtyable && dirty.stage1) found.insert(item.source);
  // What is behind an IPA is marked by the Translated access at the latest.
  if (!split && !item.rights2.writable && item.rights2.dirtyable && dirty.stage2) {
    found.insert(item.source2);
  }
  return found;
}

/// What requests are granted by the item, each for its kind of access (IHI 0070 13.7.1).
u8 granted_by(const Item& item, DirtyAgain dirty, const AtcEntry& entry, const Ste& ste,
              World world) {
  u8 granted = 0;
  for (const Kind::Type type : {Kind::Type::read, Kind::Type::write, Kind::Type::execute}) {
    for (const bool privileged : {false, true}) {
      const Kind kind{type, privileged};
      if (!entry.ssid && kind != without_pasid(kind)) continue;
      const Kind asked = overridden(ste, kind);
      Rights rights = item.rights;
      Rights2 rights2 = item.rights2;
      if (type == Kind::Type::write) {
        rights.dirtyable &= dirty.stage1;
        rights2.dirtyable &= dirty.stage2;
      }
      bool is = permits(rights, world, asked) && permits(rights2, asked) && !item.refuses(asked);
      const bool reads_too = asked.type == Kind::Type::execute && ste.instcfg < 2;
      if (reads_too) is = is && permits(rights, world, {Kind::Type::read, asked.privileged});
      if (is) granted |= static_cast<u8>(1U << AtcEntry::bit_of(kind));
    }
  }
  return granted;
}

/// A translation, and which of its descriptors a request for write may mark dirty.
struct Answer {
  Item item;
  DirtyAgain dirty;
};

/// Translations of stage 1 to IPAs that stage 2 maps: both are looked at before the IPA is the
/// answer.
std::vector<Answer> answers_with_ipas(const State& state, const Regime& regime, u16 vmid) {
  std::vector<Answer> found;
  for (const Item& first : state.items) {
    if (!first.leads_to_ipa() || !first.matches(regime, true)) continue;
    for (const Item& second : state.items) {
      const bool leaf = second.stage == Stage::two && !second.pointer;
      if (!leaf || second.tag.vmid != vmid) continue;
      const u64 ipa = std::max(first.out, second.va);
      const u64 end = std::min(first.out + first.bytes, second.va + second.bytes);
      if (ipa >= end) continue;
      Item item = first;
      item.va = first.va + (ipa - first.out);
      item.bytes = end - ipa;
      item.out = ipa;
      item.unknown |= second.unknown;
      item.rights2 = second.rights2;
      item.source2 = second.source2;
      found.push_back({.item = item,
                       .dirty = {.stage1 = dirty_again(state, regime, first).stage1,
                                 .stage2 = dirty_again(state, {}, second).stage2}});
    }
  }
  return found;
}

/// The others: of stage 1 alone, or of both stages to a PA.
std::vector<Answer> answers_with_pas(const State& state, const Regime& regime, bool nested) {
  std::vector<Answer> found;
  for (const Item& item : state.items) {
    if (item.pointer || item.leads_to_ipa() || !item.matches(regime, nested)) continue;
    found.push_back({.item = item, .dirty = dirty_again(state, regime, item)});
  }
  return found;
}

/// All that requests of (sid, ssid) through this STE and regime are answered with.
void ask_through(const Facts& facts, const Ste& ste, const Regime& regime, AtcEntry entry,
                 State& state) {
  const bool nested = ste.config == Ste::Config::nest;
  const auto unknown = [&](const UnknownTags& tags) {
    return tags.matches(regime.tag) || (nested && tags.vmids.contains(ste.vmid));
  };
  entry.ipa = ste.eats == 2;
  if (unknown(state.reset_unknown) || unknown(state.wild_unknown)) {
    entry.unknown = true;
    entry.granted = AtcEntry::everything;
    state.atc.insert(entry);
    entry.unknown = false;
  }
  const std::vector<Answer> answers = entry.ipa ? answers_with_ipas(state, regime, ste.vmid)
                                                : answers_with_pas(state, regime, nested);
  for (const auto& [item, dirty] : answers) {
    entry.va = item.va;
    entry.bytes = item.bytes;
    entry.out = item.unknown ? 0 : item.out;
    entry.unknown = item.unknown;
    entry.device = item.device;
    entry.accessed = item.marked;
    entry.granted =
        item.unknown ? AtcEntry::everything : granted_by(item, dirty, entry, ste, regime.tag.world);
    if (entry.granted == 0) continue;
    entry.dirtied = dirtied_by(item, dirty, entry.granted, entry.ipa);
    hold(facts, state, entry);
    // Under TBI a device asks by any address that differs in the top byte, and keeps that one.
    if (!item.tbi && !regime.half[half_of(item.va)].tbi) continue;
    for (const u64 top : facts.tops) {
      entry.va = (item.va & mask(55, 0)) | top << 56;
      if (half_of(entry.va) == half_of(item.va)) hold(facts, state, entry);
    }
  }
}

/// Without stage 1, or past it: what an IPA is; of split-stage ATS the IPA itself, with the rights
/// of stage 2. IHI 0070 13.6.4, 13.6.5.
void ask_stage2(const Facts& facts, State& state, u64 sid, const Ste& ste) {
  AtcEntry entry;
  entry.sid = sid;
  entry.ipa = ste.eats == 2;
  if (state.reset_unknown.vmids.contains(ste.vmid) || state.wild_unknown.vmids.contains(ste.vmid)) {
    entry.unknown = true;
    entry.granted = AtcEntry::everything;
    state.atc.insert(entry);
    entry.unknown = false;
  }
  for (const Item& item : state.items) {
    if (item.pointer || item.stage != Stage::two || item.tag.vmid != ste.vmid) continue;
    entry.va = item.va;
    entry.bytes = item.bytes;
    entry.out = item.unknown ? 0 : entry.ipa ? item.va : item.out;
    entry.unknown = item.unknown;
    entry.device = item.device;
    entry.accessed = item.marked;
    Rights2 rights = item.rights2;
    entry.granted = item.unknown ? AtcEntry::everything : u8{0};
    const DirtyAgain dirty = dirty_again(state, {}, item);
    for (const Kind::Type type : {Kind::Type::read, Kind::Type::write}) {
      const Kind kind{type, false};
      if (type == Kind::Type::write) rights.dirtyable &= dirty.stage2;
      if (!permits(rights, overridden(ste, kind))) continue;
      entry.granted |= static_cast<u8>(1U << AtcEntry::bit_of(kind));
    }
    entry.dirtied = dirtied_by(item, dirty, entry.granted, entry.ipa);
    if (entry.granted != 0) hold(facts, state, entry);
  }
}

void ask(const Facts& facts, State& state, u64 sid, std::optional<u64> ssid, const Ste& ste) {
  AtcEntry entry;
  entry.sid = sid;
  entry.ssid = ssid;
  entry.granted = AtcEntry::everything;
  if (!grants(state, sid, ste)) return;
  if (ssid && (ste.cdmax == 0 || !ssid_in_bounds(ste, *ssid))) return;
  if (ssid && *ssid == 0 && ste.s1dss == 2) return;
  if (!ssid && ste.cdmax != 0 && ste.s1dss == 1) {
    if (ste.config == Ste::Config::nest) return ask_stage2(facts, state, sid, ste);
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
        ask_through(facts, ste, cd.regime, entry, state);
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
      if (!ste.valid || ste.illegal || ste.config == Ste::Config::abort) continue;
      if (ste.config == Ste::Config::s2 && grants(state, sid, ste)) {
        ask_stage2(facts, state, sid, ste);
      }
      if (!ste.has_stage1()) continue;
      ask(facts, state, sid, std::nullopt, ste);
      for (const u64 ssid : facts.ssids) ask(facts, state, sid, ssid, ste);
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
