// SPDX-License-Identifier: MIT
#include "check/machine_traits.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "check/drawn_machine.h"
#include "check/machine_fit.h"
#include "check/machine_limits.h"

namespace iommucheck::oracle {

using spec::Capabilities;
using spec::sva::DeviceSetup;

namespace {

/// Those that leave less to be asked of a driver, or that some are not for.
constexpr MachineTrait poor[] = {MachineTrait::no_ats, MachineTrait::no_stalls,
                                 MachineTrait::no_hooks, MachineTrait::incoherent};

/// Any two traits need sets of machines that meet, and of which none is part of the other, beside
/// a machine without either. Three of seven for each that is poor, no machine in all of them...
constexpr u32 poor_columns[] = {0b0000111, 0b0011001, 0b0101010, 0b0110100};
static_assert(std::size(poor) == std::size(poor_columns));

/// ... and another four of seven for each of the others.
std::vector<u32> covering_columns() {
  std::vector<u32> columns;
  for (u32 set = 0; set < u32{1} << MachinePlan::drawn_count; ++set) {
    const bool fits = std::ranges::all_of(
        poor_columns, [&](u32 its) { return (set & its) != 0 && (set & its) != its; });
    if (fits && std::popcount(set) == 4) columns.push_back(set);
  }
  return columns;
}

/// Versions have what they must: RIL and BBML from SMMUv3.2 on, either from SMMUv3.1 on.
void set_version(Capabilities& caps, MachineTraits traits, Draw& draw) {
  const bool ranges = !has_trait(traits, MachineTrait::no_ranges);
  const bool bbml = has_trait(traits, MachineTrait::bbml);
  const u32 lowest = ranges || bbml ? 1 : 0;
  caps.minor = draw.from(lowest, ranges && bbml ? 3 : 1);
  caps.ril = ranges;
  caps.bbml = bbml ? draw.from(1, 2) : 0;
  caps.had = caps.xnx = caps.minor >= 1;
  caps.fwb = caps.minor >= 2;
  caps.e0pd = caps.minor >= 3;
  caps.stt = caps.minor >= 1 && draw.one_in(3);
  caps.s2p = has_trait(traits, MachineTrait::stage2);
  caps.vmid16 = caps.s2p && draw.one_in(2);
  caps.hyp = caps.s2p && (caps.minor >= 2 || draw.one_in(3));
}

void set_sizes(Machine& machine, MachineTraits traits, Draw& draw) {
  Capabilities& caps = machine.caps;
  caps.ssidsize = has_trait(traits, MachineTrait::high_pasids)
                      ? draw.of({10, 11, caps.cd2l ? 20U : 10U})
                      : draw.of({0, 1, 3, 6, 7, 8, 8, 8});
  const bool two_levels = !has_trait(traits, MachineTrait::one_level_streams);
  caps.two_level_stream_table = two_levels;
  caps.sidsize = two_levels ? draw.of({7, 8, 16, 20, 32}) : draw.from(4, 6);
  caps.cmdqs = draw.from(5, 8);
  machine.cmdq_log2size = draw.one_in(2) ? 0 : draw.from(5, 8);
  if (has_trait(traits, MachineTrait::few_commands)) {
    // Wanted by the platform, or all that there is.
    u32& lg2 = draw.one_in(2) ? machine.cmdq_log2size : caps.cmdqs;
    lg2 = draw.of({3, 3, 4});
  }
  caps.eventqs = has_trait(traits, MachineTrait::few_events) ? draw.from(2, 3) : draw.from(4, 7);
  caps.oas_lg2 =
      has_trait(traits, MachineTrait::narrow) ? draw.of({32, 36, 40, 42}) : draw.of({44, 48});
}

/// The first one can do what the SMMU can; the others some of it, or more.
void set_devices(Machine& machine, MachineTraits traits, Draw& draw) {
  constexpr u32 high_bits = 11;  // two leaves of CDs of 64 KiB; more cost time, and show nothing
  const u32 most =
      has_trait(traits, MachineTrait::high_pasids) ? high_bits : machine_limits::drawn_pasid_bits;
  const u32 widest = std::min<u32>(machine.caps.ssidsize, most);
  const bool far = draw.one_in(3);
  const u32 count = draw.from(2, machine_limits::devices);
  std::set<u32> taken;
  machine.devices.clear();
  for (u32 i = 0; i < count; ++i) {
    DeviceSetup device;
    const u32 streams = i != 0                                         ? draw.of({1, 1, 1, 2, 3})
                        : has_trait(traits, MachineTrait::two_streams) ? draw.of({2, 2, 3})
                                                                       : 1;
    for (u32 n = 0; n < streams; ++n) {
      device.stream_ids.push_back(drawn_stream_id(draw, machine.caps, far, taken));
    }
    device.ssid_bits = i == 0 ? widest
                       : widest == 0
                           ? draw.of({0, 0, 4})
                           : draw.of({0, widest, std::min<u32>(widest + 2, most), 1, 3, 5});
    device.ats = i == 0 || draw.one_in(2);
    device.stall = i == 0 ? !draw.one_in(3) : draw.one_in(2);
    if (i < 2 && has_trait(traits, MachineTrait::group)) device.group = 1;
    machine.devices.push_back(std::move(device));
  }
  drop_what_is_not_there(machine);
}

}  // namespace

std::array<MachineTraits, MachinePlan::drawn_count> drawn_traits(Draw& draw) {
  const auto shuffle = [&](auto& list) {
    for (u32 left = static_cast<u32>(list.size()); left > 1; --left) {
      std::swap(list[left - 1], list[draw.below(left)]);
    }
  };
  std::vector<u32> columns = covering_columns();
  shuffle(columns);
  std::array<u32, MachinePlan::drawn_count> places{};
  std::iota(places.begin(), places.end(), 0U);
  shuffle(places);
  std::array<MachineTraits, MachinePlan::drawn_count> traits{};
  std::size_t next = 0;
  for (u32 trait = 0; trait < static_cast<u32>(MachineTrait::count); ++trait) {
    const auto* rare = std::ranges::find(poor, static_cast<MachineTrait>(trait));
    const u32 column =
        rare == std::end(poor) ? columns[next++] : poor_columns[rare - std::begin(poor)];
    for (u32 machine = 0; machine < MachinePlan::drawn_count; ++machine) {
      traits[places[machine]] |= ((column >> machine) & 1) << trait;
    }
  }
  return traits;
}

Machine machine_with(MachineTraits traits, Draw& draw) {
  Machine machine;
  Capabilities& caps = machine.caps;
  caps = drawn_capabilities(draw);
  set_version(caps, traits, draw);
  caps.cohacc = !has_trait(traits, MachineTrait::incoherent);
  caps.cd2l = !has_trait(traits, MachineTrait::one_level_cds);
  caps.asid16 = !has_trait(traits, MachineTrait::asid8);
  caps.ats = !has_trait(traits, MachineTrait::no_ats);
  caps.stall_model =
      has_trait(traits, MachineTrait::no_stalls) ? spec::StallModel::never : spec::StallModel::both;
  caps.term_model = has_trait(traits, MachineTrait::terminates);
  caps.httu = has_trait(traits, MachineTrait::httu) ? draw.from(1, 2) : 0;
  set_sizes(machine, traits, draw);
  set_devices(machine, traits, draw);
  if (has_trait(traits, MachineTrait::no_hooks)) {
    // Whoever has no use for them leaves address spaces to the core; one alone is a mistake.
    const u32 left = draw.of({0, 0, 0, 0, 0, 1, 1, 2});
    machine.hooks.mm_alloc = left == 1;
    machine.hooks.mm_free = left == 2;
    // Without one of these nobody is ever bound.
    machine.hooks.mm_attach = !draw.one_in(8);
    machine.hooks.mm_detach = !draw.one_in(8);
  }
  machine.dirty = has_trait(traits, MachineTrait::left_on);
  return machine;
}

MachineTraits with_more(MachineTraits traits, u32 rank, u32 index, Draw& draw) {
  constexpr MachineTrait poorer[] = {
      MachineTrait::incoherent, MachineTrait::no_ranges,    MachineTrait::one_level_cds,
      MachineTrait::asid8,      MachineTrait::no_ats,       MachineTrait::one_level_streams,
      MachineTrait::no_stalls,  MachineTrait::few_commands, MachineTrait::few_events,
      MachineTrait::narrow,     MachineTrait::terminates,   MachineTrait::no_hooks};
  constexpr MachineTrait richer[] = {MachineTrait::stage2, MachineTrait::httu};
  const auto stays = [&] { return rank < MachinePlan::stand_ins && draw.one_in(u32{1} << rank); };
  for (const MachineTrait trait : poorer) {
    if (!stays()) traits &= ~(MachineTraits{1} << static_cast<u32>(trait));
  }
  for (const MachineTrait trait : richer) {
    if (!stays()) traits |= MachineTraits{1} << static_cast<u32>(trait);
  }
  const std::size_t kept =
      (index + (MachinePlan::drawn_count + 1) * (rank - 1)) % std::size(poorer);
  if (rank < MachinePlan::stand_ins) traits |= MachineTraits{1} << static_cast<u32>(poorer[kept]);
  return traits;
}

}  // namespace iommucheck::oracle
