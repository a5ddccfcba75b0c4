// SPDX-License-Identifier: MIT
// From the stream table to regimes.
#include <algorithm>

#include "base/bits.h"
#include "litmus/twin/fill.h"
#include "litmus/twin/fill_steps.h"

namespace iommucheck::litmus::twin {
namespace {

bool same_tags(const Structure& a, StructureKind kind, u64 sid, u64 ssid) {
  return a.kind == kind && a.sid == sid && a.ssid == ssid;
}

unsigned words_in(StructureKind kind) {
  return kind == StructureKind::ste || kind == StructureKind::cd ? 4 : 1;
}

/// Fetches the structure at `place`: each unit in each version that is visible.
void fetch(const Facts& facts, State& state, StructureKind kind, u64 sid, u64 ssid, u64 place) {
  Structure* found = nullptr;
  for (Structure& other : state.structures) {
    if (same_tags(other, kind, sid, ssid) && other.place == place) found = &other;
  }
  const unsigned words = words_in(kind);
  const unsigned per_unit = words == 1 ? 1 : facts.layout.atom_bytes / 8;
  if (found == nullptr) {
    state.structures.push_back({kind, sid, ssid, place, {}});
    found = &state.structures.back();
    found->units.resize(words / per_unit);
  }
  for (unsigned unit = 0; unit < words / per_unit; ++unit) {
    const u64 pa = place + unit * per_unit * 8;
    for (const Version& first : state.memory.visible(pa)) {
      const auto seconds =
          per_unit == 2 ? state.memory.visible(pa + 8) : std::vector<Version>{Version{}};
      for (const Version& second : seconds) {
        // A 16-byte store is seen whole or not at all.
        const bool torn = per_unit == 2 && ((first.wide && second.order < first.order) ||
                                            (second.wide && first.order < second.order));
        if (torn) continue;
        const std::array<Value, 2> value{first.value, second.value};
        auto& values = found->units[unit];
        if (std::find(values.begin(), values.end(), value) == values.end()) {
          values.push_back(value);
        }
      }
    }
  }
}

void fetch_stes(const Facts& facts, State& state, u64 sid) {
  if (facts.layout.strtab_format == TableFormat::linear) {
    if (sid >> stream_table_lg2 == 0) {
      fetch(facts, state, StructureKind::ste, sid, 0, state.strtab + sid * 64);
    }
    return;
  }
  const u64 index = sid >> stream_table_split;
  fetch(facts, state, StructureKind::l1std, index, 0, state.strtab + index * 8);
  std::set<u64> places;
  for (const Structure& l1 : state.structures) {
    if (!same_tags(l1, StructureKind::l1std, index, 0)) continue;
    for (const auto& value : l1.units[0]) {
      const L1 decoded = decode_l1std(value[0]);
      state.wild |= decoded.unknown;
      const u64 entry = sid % pow2(stream_table_split);
      if (!decoded.unknown && decoded.valid && entry < pow2(decoded.span - 1)) {
        places.insert(decoded.pointer + entry * 64);
      }
    }
  }
  for (const u64 place : places) fetch(facts, state, StructureKind::ste, sid, 0, place);
}

/// Where a structure of stage 1 lies. Under stage 2 its address is an IPA (IHI 0070 5.2); what a
/// test names stands for the page itself.
std::vector<u64> places_of(const Facts& facts, const State& state, const Ste& ste, u64 address) {
  if (ste.config != Ste::Config::nest || facts.layout.region_of(address) != nullptr) {
    return {address};
  }
  std::vector<u64> places;
  for (const Item& item : state.items) {
    const bool leaf = item.stage == Stage::two && !item.pointer && !item.unknown;
    if (!leaf || item.tag.vmid != ste.vmid || !item.contains(address)) continue;
    if (item.rights2.readable) places.push_back(item.out + (address - item.va));
  }
  return places;
}

void fetch_cds(const Facts& facts, State& state, u64 sid, u64 ssid, const Ste& ste) {
  if (!ste.two_level) {
    for (const u64 place : places_of(facts, state, ste, ste.cds + ssid * 64)) {
      fetch(facts, state, StructureKind::cd, sid, ssid, place);
    }
    return;
  }
  const u64 index = ssid >> 6;
  for (const u64 place : places_of(facts, state, ste, ste.cds + index * 8)) {
    fetch(facts, state, StructureKind::l1cd, sid, index, place);
  }
  std::set<u64> places;
  for (const Structure& l1 : state.structures) {
    if (!same_tags(l1, StructureKind::l1cd, sid, index)) continue;
    for (const auto& value : l1.units[0]) {
      const L1 decoded = decode_l1cd(value[0]);
      state.wild |= decoded.unknown;
      if (decoded.unknown || !decoded.valid) continue;
      for (const u64 place : places_of(facts, state, ste, decoded.pointer + ssid % 64 * 64)) {
        places.insert(place);
      }
    }
  }
  for (const u64 place : places) fetch(facts, state, StructureKind::cd, sid, ssid, place);
}

/// Configuration of unknown content can form any regime of these spaces: all of their tags may
/// have unknown entries.
void fill_unknown(const Facts& facts, UnknownTags& to, const Ste* only) {
  for (const Tag& tag : facts.tags) {
    if (only == nullptr || (tag.world == only->world && tag.vmid == only->vmid)) {
      to.tags.insert(tag);
    }
  }
  for (const auto& space : facts.spaces) {
    if (only == nullptr || (space.first == only->world && space.second == only->vmid)) {
      to.globals.insert(space);
    }
  }
  if (only != nullptr) return;
  for (const auto& [world, vmid] : facts.spaces) {
    if (world == World::el1) to.vmids.insert(vmid);
  }
}

/// One word with several versions is old or new as a whole; two make mixtures, in one unit of
/// several stores as well.
bool is_mixture(const Structure& structure) {
  std::size_t words = 0;
  for (const auto& values : structure.units) {
    for (std::size_t i = 0; i < 2; ++i) {
      const auto differs = [&](const auto& value) { return value[i] != values.front()[i]; };
      words += std::ranges::any_of(values, differs) ? 1 : 0;
    }
  }
  return words > 1;
}

/// A stream that a CD serves, and in which world.
struct User {
  u64 cd_place = 0;
  u64 sid = 0;
  World world = World::el1;
  friend auto operator<=>(const User&, const User&) = default;
};

void form_regimes(const Facts& facts, State& state, u64 sid, u64 ssid, const Ste& ste,
                  std::set<User>& users) {
  for (const Structure& structure : state.structures) {
    if (!same_tags(structure, StructureKind::cd, sid, ssid)) continue;
    for_each_mixture(structure, [&](const FourWords& words) {
      const Cd cd = decode_cd(words, ste);
      if (cd.unknown) {
        state.wild = true;
        fill_unknown(facts, state.wild_unknown, &ste);
      } else if (cd.illegal) {
        state.torn |= is_mixture(structure);
      } else if (cd.valid) {
        Formed formed{cd.regime, structure.place, {}};
        if (ste.config == Ste::Config::nest) formed.through = ste.stage2;
        state.formed.insert(formed);
        users.insert({structure.place, sid, ste.world});
      }
    });
  }
}

/// Versions of the units of a structure that is cached under several tags count together.
bool two_units_in_flux(const State& state, StructureKind kind, u64 place) {
  std::vector<std::set<std::array<Value, 2>>> units;
  for (const Structure& structure : state.structures) {
    if (structure.kind != kind || structure.place != place) continue;
    units.resize(structure.units.size());
    for (std::size_t i = 0; i < units.size(); ++i) {
      units[i].insert(structure.units[i].begin(), structure.units[i].end());
    }
  }
  return std::count_if(units.begin(), units.end(),
                       [](const auto& values) { return values.size() > 1; }) > 1;
}

/// SEMANTICS 2, "Two regimes under one tag".
bool break_the_rule(const State& state, const Formed& a, const Formed& b) {
  if (a.regime.tag != b.regime.tag || a.regime == b.regime) return false;
  if (a.cd_place == b.cd_place) return two_units_in_flux(state, StructureKind::cd, a.cd_place);
  if (state.between_steps) return true;
  // A half that is disabled takes no part while the steps run; what is there before counts, and
  // what is left at their end.
  Regime common_of_a = a.regime, common_of_b = b.regime;
  bool meets = false, differs = false;
  for (unsigned half = 0; half < 2; ++half) {
    const Half &of_a = a.regime.half[half], &of_b = b.regime.half[half];
    const bool both = !of_a.disabled && !of_b.disabled;
    meets |= both;
    differs |= both && of_a != of_b;
    common_of_a.half[half] = common_of_b.half[half] = {};
  }
  return differs || (meets && common_of_a != common_of_b);
}

Formed2 formed_by(const Ste& ste, u64 place) {
  Formed2 formed{.stage2 = ste.stage2, .ste_place = place};
  const bool bypasses = ste.cdmax != 0 && ste.s1dss == 1;
  formed.alone = !ste.has_stage1() || bypasses || ste.two_level;
  if (formed.alone) return formed;
  formed.cds = ste.cds;
  formed.cdmax = ste.cdmax;
  return formed;
}

/// Of stage 2 the tag is the VMID alone. A stream that is not nested shares none with one that is.
void find_broken_vmids(State& state) {
  for (const Formed2& a : state.formed2) {
    for (const Formed2& b : state.formed2) {
      if (a.stage2.vmid != b.stage2.vmid || a.stage2 == b.stage2) continue;
      const bool one = a.ste_place == b.ste_place;
      if (!one || two_units_in_flux(state, StructureKind::ste, a.ste_place)) {
        state.broken_vmids.insert(a.stage2.vmid);
      }
    }
  }
  for (const Formed& a : state.formed) {
    for (const Formed& b : state.formed) {
      const bool same = a.regime.tag.world == World::el1 && b.regime.tag.world == World::el1 &&
                        a.regime.tag.vmid == b.regime.tag.vmid;
      if (same && a.through && !b.through) state.broken_vmids.insert(a.regime.tag.vmid);
    }
  }
}

void find_broken_tags(State& state) {
  state.broken_tags.clear();
  for (auto a = state.formed.begin(); a != state.formed.end(); ++a) {
    for (auto b = std::next(a); b != state.formed.end(); ++b) {
      if (break_the_rule(state, *a, *b)) state.broken_tags.insert(a->regime.tag);
    }
  }
}

}  // namespace

void for_each_mixture(const Structure& structure,
                      const std::function<void(const FourWords&)>& visit) {
  std::vector<std::size_t> chosen(structure.units.size(), 0);
  const std::size_t per_unit = 4 / structure.units.size();
  while (true) {
    FourWords words{};
    for (std::size_t unit = 0; unit < chosen.size(); ++unit) {
      for (std::size_t i = 0; i < per_unit && i < 2; ++i) {
        words[unit * per_unit + i] = structure.units[unit][chosen[unit]][i];
      }
    }
    visit(words);
    std::size_t unit = 0;
    while (unit < chosen.size() && ++chosen[unit] == structure.units[unit].size()) {
      chosen[unit++] = 0;
    }
    if (unit == chosen.size()) return;
  }
}

bool span_covers(const Ste& ste, u64 its_sid, u64 sid) {
  return !ste.unknown && ste.valid && its_sid >> ste.cont == sid >> ste.cont;
}

namespace {

/// log2 of the span of StreamIDs around this one that any valid STE of it states.
unsigned span_around(const State& state, u64 sid) {
  unsigned span = 0;
  for (const Structure& structure : state.structures) {
    if (structure.kind != StructureKind::ste) continue;
    for_each_mixture(structure, [&](const FourWords& words) {
      const Ste ste = decode_ste(words, state.e2h);
      if (span_covers(ste, structure.sid, sid)) span = std::max(span, ste.cont);
    });
  }
  return span;
}

void for_each_in_span(const State& state, u64 sid,
                      const std::function<void(const Structure&, const FourWords&)>& visit) {
  const unsigned span = span_around(state, sid);
  for (const Structure& structure : state.structures) {
    if (structure.kind != StructureKind::ste || structure.sid >> span != sid >> span) continue;
    for_each_mixture(structure, [&](const FourWords& words) { visit(structure, words); });
  }
}

}  // namespace

namespace {

/// CR2.E2H may be cached with an STE of which it decides the world. IHI 0070 3.17.5.
void for_each_reading(const State& state, u64 sid, const FourWords& words,
                      const std::function<void(const Ste&)>& visit) {
  const Ste ste = decode_ste(words, state.e2h);
  visit(ste);
  const bool old = state.old_e2h.contains({sid, !state.e2h});
  if (old && is_el2(ste.world)) visit(decode_ste(words, !state.e2h));
}

}  // namespace

void for_each_ste(const State& state, u64 sid, const std::function<void(const Ste&)>& visit) {
  for_each_in_span(state, sid, [&](const Structure& its, const FourWords& words) {
    for_each_reading(state, its.sid, words, visit);
  });
}

bool span_differs(const State& state, u64 sid) {
  if (span_around(state, sid) == 0) return false;
  std::optional<FourWords> first;
  bool differs = false;
  for_each_in_span(state, sid, [&](const Structure& /*its*/, const FourWords& words) {
    if (!first) first = words;
    differs |= !same_but_cont(*first, words);
  });
  return differs;
}

bool stream_table_differs(const Facts& facts, const State& state, u64 sid) {
  const unsigned span = span_around(state, sid);
  State seen = state;
  std::erase_if(seen.structures,
                [](const Structure& its) { return its.kind == StructureKind::ste; });
  for (const u64 other : facts.sids) {
    if (other >> span == sid >> span) fetch_stes(facts, seen, other);
  }
  std::optional<FourWords> first;
  bool differs = false;
  for (const Structure& its : seen.structures) {
    if (its.kind != StructureKind::ste) continue;
    for_each_mixture(its, [&](const FourWords& words) {
      if (!first) first = words;
      differs |= !same_but_cont(*first, words);
    });
  }
  return differs;
}

bool span_is_beyond(const State& state, u64 sid) {
  const unsigned span = span_around(state, sid);
  if (!state.two_level || span == 0) return false;
  return std::ranges::any_of(state.structures, [&](const Structure& l1) {
    if (l1.kind != StructureKind::l1std || l1.sid != sid >> stream_table_split) return false;
    return std::ranges::any_of(l1.units[0], [&](const auto& value) {
      const L1 decoded = decode_l1std(value[0]);
      return !decoded.unknown && decoded.valid && span > decoded.span - 1;
    });
  });
}

bool may_check(const State& state, u64 sid, bool value) {
  return state.atschk == value || state.old_atschk.contains({sid, value});
}

bool grants(const State& state, u64 sid, const Ste& ste) {
  return ste.eats == 1 || (ste.eats == 2 && may_check(state, sid, true));
}

bool ssid_in_bounds(const Ste& ste, u64 ssid) { return ssid < pow2(ste.cdmax); }

void fill_configuration(const Facts& facts, State& state) {
  state.formed.clear();
  state.formed2.clear();
  const std::set<Lack>& lacks = facts.layout.lacks;
  const bool keeps = !lacks.contains(Lack::tlb) || !lacks.contains(Lack::walk_cache);
  if (!state.unknown_sids.empty() && keeps) fill_unknown(facts, state.reset_unknown, nullptr);
  std::set<User> users;
  for (const u64 sid : facts.sids) {
    fetch_stes(facts, state, sid);
  }
  for (const u64 sid : facts.sids) {
    std::vector<Ste> stes;
    for_each_in_span(state, sid, [&](const Structure& structure, const FourWords& words) {
      for_each_reading(state, structure.sid, words, [&](const Ste& ste) {
        state.torn |= ste.valid && ste.illegal && is_mixture(structure);
        stes.push_back(ste);
        const bool works = ste.valid && !ste.unknown && !ste.illegal;
        if (works && ste.has_stage2()) state.formed2.insert(formed_by(ste, structure.place));
      });
    });
    state.span_differs |= span_differs(state, sid);
    for (const Ste& ste : stes) {
      if (ste.unknown) {
        state.wild = true;
        fill_unknown(facts, state.wild_unknown, nullptr);
      }
      if (ste.unknown || !ste.valid || ste.illegal || !ste.has_stage1()) continue;
      for (const u64 ssid : facts.ssids) {
        if (!ssid_in_bounds(ste, ssid)) continue;
        fetch_cds(facts, state, sid, ssid, ste);
        form_regimes(facts, state, sid, ssid, ste, users);
      }
    }
  }
  for (const User& a : users) {
    for (const User& b : users) {
      const bool differ = is_el2(a.world) != is_el2(b.world);
      state.shared_by_worlds |= a.cd_place == b.cd_place && a.sid != b.sid && differ;
    }
  }
  find_broken_tags(state);
  find_broken_vmids(state);
}

}  // namespace iommucheck::litmus::twin
