// SPDX-License-Identifier: MIT
#include "check/machine_plan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/bits.h"
#include "check/drawn_machine.h"
#include "check/machine_objections.h"
#include "check/machine_traits.h"
#include "check/named_keys.h"

namespace iommucheck::oracle {

using spec::Capabilities;
using spec::sva::DeviceSetup;

namespace {

/// A StreamID of more than eight bits, which is more than a linear table or a byte has.
bool is_wide(const Machine& machine) {
  return std::ranges::any_of(machine.devices, [](const DeviceSetup& device) {
    return std::ranges::any_of(device.stream_ids, [](u32 sid) { return sid > 0xff; });
  });
}

/// A StreamID that makes a large table of one level.
bool is_far(const Machine& machine) {
  return std::ranges::any_of(machine.devices, [](const DeviceSetup& device) {
    return std::ranges::any_of(device.stream_ids, [](u32 sid) { return sid > 0x7ff; });
  });
}

/// A value that a trait has seldom, and that asks most of a driver.
struct Extreme {
  MachineTrait trait;
  std::string_view key;  ///< of a change that would name it
  bool (*has)(const Machine&);
  void (*set)(Machine&);
};
constexpr Extreme extremes[] = {
    {MachineTrait::bbml, "bbml", [](const Machine& m) { return m.caps.bbml == 2; },
     [](Machine& m) { m.caps.bbml = 2; }},
    {MachineTrait::httu, "httu", [](const Machine& m) { return m.caps.httu == 2; },
     [](Machine& m) { m.caps.httu = 2; }},
    {MachineTrait::few_commands, "cmdqs", [](const Machine& m) { return m.caps.cmdqs == 3; },
     [](Machine& m) { m.caps.cmdqs = 3; }},
    {MachineTrait::no_ranges, "ril", [](const Machine& m) { return !m.caps.ril; }, [](Machine&) {}},
};

/// In every other plan one machine has no granule of 4 KiB, and so nobody is bound to a process
/// there, nor has a user tables of its own.
void draw_granules(std::span<Machine> machines, std::string_view changes, u64 seed) {
  if (names_one_of(changes, {"gran4k", "gran16k", "gran64k"})) return;
  Draw draw = draw_of(seed, "GRAN");
  if (draw.one_in(2)) return;
  Capabilities& caps = machines[draw.below(static_cast<u32>(machines.size()))].caps;
  const u32 there = draw.from(1, 3);
  caps.gran4k = false;
  caps.gran16k = bit(there, 0);
  caps.gran64k = bit(there, 1);
}

/// A StreamID beyond 16 bits shows what is cut to them: one machine has one, where one has a table
/// of two levels.
void draw_wide_stream(std::span<Machine> machines, std::string_view changes, u64 seed) {
  constexpr unsigned cut = 16;
  if (names_one_of(changes, {"devices"})) return;
  const bool any_size = !names_one_of(changes, {"sidsize"});
  std::vector<Machine*> can;
  for (Machine& machine : machines) {
    const Capabilities& caps = machine.caps;
    const bool fits = caps.sidsize > cut || any_size;
    if (caps.two_level_stream_table && fits) can.push_back(&machine);
    for (const DeviceSetup& device : machine.devices) {
      const auto is_wide = [](u32 sid) { return sid >> cut != 0; };
      if (std::ranges::any_of(device.stream_ids, is_wide)) return;
    }
  }
  if (can.empty()) return;
  Draw draw = draw_of(seed, "WIDE");
  Machine& one = *can[draw.below(static_cast<u32>(can.size()))];
  one.caps.sidsize = std::max(one.caps.sidsize, cut + 4);
  one.devices[draw.below(static_cast<u32>(one.devices.size()))].stream_ids.back() |= 1U << cut;
}

/// A table sized by the logarithm of one StreamID less has no place for a highest one that is a
/// power of two: one machine has such a one, where there is room.
void draw_round_stream(std::span<Machine> machines, std::string_view changes, u64 seed) {
  constexpr u32 least = 64, most_of_one_level = 1024, most = 1U << 16;
  if (names_one_of(changes, {"devices"})) return;
  const auto highest = [](Machine& machine) {
    u32* found = &machine.devices.front().stream_ids.front();
    for (DeviceSetup& device : machine.devices) {
      for (u32& sid : device.stream_ids) found = sid > *found ? &sid : found;
    }
    return found;
  };
  std::vector<Machine*> can;
  for (Machine& machine : machines) {
    const u64 round = std::bit_ceil(std::max(u64{*highest(machine)}, u64{least}));
    const u64 room = machine.caps.two_level_stream_table ? most : most_of_one_level;
    if (round <= room && round >> machine.caps.sidsize == 0) can.push_back(&machine);
  }
  if (can.empty()) return;
  Draw draw = draw_of(seed, "ROUN");
  u32& sid = *highest(*can[draw.below(static_cast<u32>(can.size()))]);
  sid = std::bit_ceil(std::max(sid, least));
}

/// MachineTraits meet on one machine (drawn_traits), their values where the dice have it so. Each
/// two extremes, too, in every other plan. By a draw of its own, as those below.
void meet_extremes(std::span<Machine> machines, std::span<const MachineTraits> traits,
                   std::string_view changes, u64 seed) {
  Draw draw = draw_of(seed, "Extr");
  for (const Extreme& a : extremes) {
    for (const Extreme& b : extremes) {
      if (a.trait >= b.trait || draw.one_in(2)) continue;
      if (names_one_of(changes, {a.key, b.key})) continue;
      const auto both = [&](const Machine& m) { return a.has(m) && b.has(m); };
      if (std::ranges::any_of(machines, both)) continue;
      for (std::size_t i = 0; i < machines.size(); ++i) {
        if (!has_trait(traits[i], a.trait) || !has_trait(traits[i], b.trait)) continue;
        Machine extreme = machines[i];
        a.set(extreme);
        b.set(extreme);
        if (!changes.empty() && !is_allowed(extreme)) continue;
        machines[i] = std::move(extreme);
        break;
      }
    }
  }
}

/// The machine with the changes; another one that the architecture allows with them, if that is
/// soon found; whatever traits it has, if those that it was to have do not go with them.
Expected<void> fit(Machine& machine, MachineTraits traits, std::string_view changes, Draw& draw) {
  if (changes.empty()) return {};
  constexpr u32 tries = 100;
  constexpr u32 tries_as_planned = 20;
  Expected<void> changed = change_machine(machine, changes);
  for (u32 n = 0; n < tries && (!changed || !is_allowed(machine)); ++n) {
    machine = machine_with(n < tries_as_planned ? traits : draw.below(all_features), draw);
    changed = change_machine(machine, changes);
  }
  return changed;
}

}  // namespace

Expected<MachinePlan> MachinePlan::parse(std::string_view text, u64 seed) {
  MachinePlan plan;
  if (text != "drawn" && !text.starts_with("drawn,")) {
    auto machine = parse_machine(text);
    if (!machine) return std::unexpected(std::move(machine.error()));
    plan.machines_.push_back(std::move(*machine));
    return plan;
  }
  // Groups and SMMUs are named in the text of a device.
  plan.groups_are_drawn_ = text.find("group=") == std::string_view::npos;
  plan.smmus_are_drawn_ = text.find("smmu=") == std::string_view::npos;
  plan.dirty_is_drawn_ = !names_one_of(text, {"boot"});
  const std::string_view changes = text == "drawn" ? std::string_view() : text.substr(6);
  Draw draw(~seed);
  const auto traits = drawn_traits(draw);
  for (u32 i = 0; i <= drawn_count; ++i) {
    Machine machine = i == 0 ? default_machine() : machine_with(traits[i - 1], draw);
    auto done = i != 0            ? fit(machine, traits[i - 1], changes, draw)
                : changes.empty() ? Expected<void>()
                                  : change_machine(machine, changes);
    if (!done) return std::unexpected(std::move(done.error()));
    plan.machines_.push_back(std::move(machine));
  }
  // One at least, of those that have the tables for it. Who names something gets it by chance.
  for (u32 n = 0; n < 100 && text == "drawn" && std::ranges::none_of(plan.machines_, is_wide);
       ++n) {
    for (u32 i = 1; i <= drawn_count; ++i) {
      if (has_trait(traits[i - 1], MachineTrait::one_level_streams)) continue;
      plan.machines_[i] = machine_with(traits[i - 1], draw);
    }
  }
  meet_extremes(std::span(plan.machines_).subspan(1), traits, changes, seed);
  for (u32 i = 1; i <= drawn_count; ++i) draw_the_rest(plan.machines_[i], changes, seed + i);
  draw_granules(std::span(plan.machines_).subspan(1), changes, seed);
  draw_wide_stream(std::span(plan.machines_).subspan(1), changes, seed);
  draw_round_stream(std::span(plan.machines_).subspan(1), changes, seed);
  // By a draw of their own: who refuses nothing meets what it would without them.
  Draw further = draw_of(seed, "STBI");
  for (u32 rank = 1; rank <= stand_ins; ++rank) {
    for (u32 i = 0; i <= drawn_count; ++i) {
      const MachineTraits wanted =
          with_more(i == 0 ? further.below(all_features) : traits[i - 1], rank, i, further);
      // A linear table for StreamIDs far apart takes long, and a driver meets several of these.
      Machine machine = machine_with(wanted, further);
      for (u32 n = 0; n < 20 && is_far(machine); ++n) machine = machine_with(wanted, further);
      if (auto done = fit(machine, wanted, changes, further); !done) {
        return std::unexpected(std::move(done.error()));
      }
      draw_the_rest(machine, changes, seed + plan.count_of_all());
      plan.standing_by_.push_back(std::move(machine));
    }
  }
  return plan;
}

Machine MachinePlan::met(u32 index, const MetBy& driver) const {
  Machine machine = at(index);
  if (groups_are_drawn_ && driver.not_claimed.has(Claim::groups)) {
    for (DeviceSetup& device : machine.devices) device.group = DeviceSetup::alone;
  }
  if (dirty_is_drawn_) machine.dirty &= driver.takes_over;
  if (!driver.drives_each) {
    for (DeviceSetup& device : machine.devices) device.iommu_number = 0;
  } else if (smmus_are_drawn_ && index % 2 == 1 && !machine.guest) {
    machine = machine_of_two(std::move(machine));
  }
  return machine.guest ? machine_of_guest(std::move(machine)) : machine;
}

u32 MachinePlan::index_of(u64 sequence, u64 refused) const {
  const u64 count = machines_.size();
  const u64 wanted = sequence / sequences_each % count;
  for (u64 index = wanted; index < count_of_all(); index += count) {
    if (!bit(refused, static_cast<unsigned>(index))) return static_cast<u32>(index);
  }
  for (u64 n = 0; n < count; ++n) {
    const u64 index = (wanted + n) % count;
    if (!bit(refused, static_cast<unsigned>(index))) return static_cast<u32>(index);
  }
  // Only those that stand by for others are left.
  for (u64 index = count; index < count_of_all(); ++index) {
    if (!bit(refused, static_cast<unsigned>(index))) return static_cast<u32>(index);
  }
  return static_cast<u32>(wanted);
}

std::vector<std::string> traits_not_met(std::span<const Machine> planned,
                                        std::span<const Machine> met) {
  struct Named {
    const char* name;
    bool (*is_of)(const Machine&);
  };
  constexpr unsigned few_commands = 4, few_events = 3, narrow = 44;
  static constexpr Named all[] = {
      {"COHACC = 0", [](const Machine& m) { return !m.caps.cohacc; }},
      {"COHACC = 1", [](const Machine& m) { return m.caps.cohacc; }},
      {"RIL = 0", [](const Machine& m) { return !m.caps.ril; }},
      {"RIL = 1", [](const Machine& m) { return m.caps.ril; }},
      {"CD2L = 0", [](const Machine& m) { return !m.caps.cd2l; }},
      {"ST_LEVEL = 0", [](const Machine& m) { return !m.caps.two_level_stream_table; }},
      {"ST_LEVEL = 1", [](const Machine& m) { return m.caps.two_level_stream_table; }},
      {"ASIDs of 8 bits", [](const Machine& m) { return !m.caps.asid16; }},
      {"ATS = 0", [](const Machine& m) { return !m.caps.ats; }},
      {"ATS = 1", [](const Machine& m) { return m.caps.ats; }},
      {"stalls", [](const Machine& m) { return m.caps.stall_model != spec::StallModel::never; }},
      {"no stalls", [](const Machine& m) { return m.caps.stall_model == spec::StallModel::never; }},
      {"a command queue of at most 16",
       [](const Machine& m) { return m.caps.cmdqs <= few_commands; }},
      {"an event queue of at most 8",
       [](const Machine& m) { return m.caps.eventqs <= few_events; }},
      {"addresses of less than 44 bits", [](const Machine& m) { return m.caps.oas_lg2 < narrow; }},
      {"table memory far up", [](const Machine& m) { return m.high_memory; }},
      {"stage 2", [](const Machine& m) { return m.caps.s2p; }},
      {"HTTU", [](const Machine& m) { return m.caps.httu != 0; }},
      {"a device with several StreamIDs",
       [](const Machine& m) {
         return std::ranges::any_of(m.devices,
                                    [](const DeviceSetup& d) { return d.stream_ids.size() > 1; });
       }},
      {"an SMMU that somebody left on", [](const Machine& m) { return m.dirty; }}};
  std::vector<std::string> names;
  for (const Named& one : all) {
    if (std::ranges::any_of(planned, one.is_of) && std::ranges::none_of(met, one.is_of)) {
      names.emplace_back(one.name);
    }
  }
  return names;
}

}  // namespace iommucheck::oracle
