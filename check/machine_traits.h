// SPDX-License-Identifier: MIT
// What the machines of a campaign differ in, and machines that have it.
#pragma once

#include <array>

#include "base/bits.h"
#include "check/machine_plan.h"
#include "monitor/drawn_smmu.h"

namespace iommucheck::oracle {

/// What machines of a campaign differ in. The default machine has none of them, and of two each is
/// there without the other, and both are, on one of those beside it (drawn_traits).
enum class MachineTrait : u8 {
  incoherent,         ///< COHACC = 0
  no_ranges,          ///< RIL = 0
  bbml,               ///< not 0
  one_level_cds,      ///< CD2L = 0
  one_level_streams,  ///< ST_LEVEL = 0
  high_pasids,        ///< above 511
  asid8,
  no_ats,
  no_stalls,
  few_commands,  ///< a queue of 8 or 16
  few_events,    ///< one of 4 or 8
  narrow,        ///< less than 44 address bits
  stage2,
  httu,
  terminates,   ///< TERM_MODEL = 1
  group,        ///< of the first two devices
  two_streams,  ///< of the first device
  no_hooks,     ///< mm_alloc or mm_free is not there
  left_on,      ///< by whoever had the SMMU before (boot=dirty)
  count
};
using MachineTraits = u32;  // a bit each

constexpr bool has_trait(MachineTraits traits, MachineTrait trait) {
  return bit(traits, static_cast<unsigned>(trait));
}

inline constexpr MachineTraits all_features = (u32{1} << static_cast<u32>(MachineTrait::count)) - 1;

/// Of each drawn machine. Which is which, and which trait is on which, is the seed's.
std::array<MachineTraits, MachinePlan::drawn_count> drawn_traits(Draw& draw);

/// One with these, and what else is drawn.
Machine machine_with(MachineTraits traits, Draw& draw);

/// What a driver may need, and what it may be needed without: of each trait that leaves an SMMU
/// poorer a part goes, of each that leaves it richer a part comes; with the last rank, all. Before
/// that each of them has one that leaves it poorer: what a driver of few machines is for is met so.
MachineTraits with_more(MachineTraits traits, u32 rank, u32 index, Draw& draw);

}  // namespace iommucheck::oracle
