// SPDX-License-Identifier: MIT
// The machine that a driver meets: what the SMMU's ID registers claim, and the devices behind it.
// A campaign draws several, so that nothing is found only on one; each is one line of text, which
// says all of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "spec/smmu/profile.h"
#include "spec/smmu/registers.h"
#include "spec/sva/setup.h"

namespace iommucheck::oracle {

struct Machine {
  /// Two devices share a group.
  [[nodiscard]] bool has_groups() const;
  /// Devices are behind more than one SMMU: all alike, with registers each.
  [[nodiscard]] bool has_several_smmus() const;

  spec::Capabilities caps;
  spec::Profile profile{};
  std::vector<spec::sva::DeviceSetup> devices;
  u32 cmdq_log2size = 0;  ///< entries wanted by the platform; 0: as the driver likes
  bool guest = false;     ///< a host plays the SMMU, over its own, and the driver is its guest's
  bool dirty = false;     ///< somebody had the SMMU before, and left it on (boot=dirty)
  /// Table memory uses the highest bits of an output address (memory=high), and lies not below
  /// 4 GiB: what cuts an address short is seen.
  bool high_memory = false;
  spec::sva::Hooks hooks{};  ///< of the driver's backend, if it says that it has any
};

/// SMMUv3.1 with RIL and everything else that stage 1 uses, and four devices: 0 can stall, with 256
/// PASIDs; 1 has two stream IDs, ATS and 32 PASIDs; 2 has none; 3 has ATS, can stall, and has 8.
Machine default_machine();

/// One that the architecture allows and this specification describes; the same from the same seed.
/// Its devices claim ATS and stalls only where the SMMU has them, and are alone in their groups.
Machine drawn_machine(u64 seed);

/// What differs from default_machine(): "minor=1,cohacc=0,devices=1:8:stall/2+3:5:ats"; "default"
/// where nothing does.
std::string machine_text(const Machine& machine);
/// Sets what `text` names: KEY=VALUE, with commas between. bad_input names what is wrong, and what
/// there is.
Expected<void> change_machine(Machine& machine, std::string_view text);
/// "default", "drawn:SEED", either with changes behind it, or changes of the default alone.
Expected<Machine> parse_machine(std::string_view text);

/// The same devices before hardware that is no SMMUv3, which has no ID registers: some have more
/// PASIDs, those with ATS that can wait ask for pages, and nobody was there before.
Machine machine_of_backend(Machine machine);

/// The same with two SMMUs, half of the devices behind each, without what is followed of one alone:
/// accesses that wait, HTTU, a former owner.
Machine machine_of_two(Machine machine);

/// What a guest can have of it: its SMMU has stage 1 alone, and its devices what that leaves them.
Machine machine_of_guest(Machine machine);

/// Where callers of map have memory: regions of 1 GiB, far apart where there is room.
struct CallersMemory {
  u64 base = 0;
  u32 regions = 0;  ///< 2 GiB from one to the next
  /// Somewhere else in it.
  [[nodiscard]] u64 elsewhere(u64 pa) const {
    constexpr u64 gib = u64{1} << 30;
    if (regions == 1) return pa ^ (gib / 2);
    return regions > 2 ? pa + 5 * gib : pa ^ (2 * gib);
  }
};
CallersMemory callers_memory(unsigned output_bits);

/// Where table memory begins, with what lies behind it: below 4 GiB, or Machine::high_memory.
u64 table_memory(const Machine& machine);

}  // namespace iommucheck::oracle
