// SPDX-License-Identifier: MIT
// The levels below a guest's driver: the host's driver has its monitor, and of the SMMU that the
// host plays all that may become of an access has to be what may become of it at an SMMU.
#include "base/random.h"
#include "check/lockstep.h"
#include "report/finding_text.h"

namespace iommucheck::oracle {

namespace {

/// Its events are none of the guest's trace: all that it says is said in words.
Finding as_told_here(const Finding& of_host) {
  return {.rule = of_host.rule,
          .party = of_host.party,
          .statement = "the host of the guest: " + one_line(of_host)};
}

}  // namespace

/// Now and then the host takes a piece of it away, from under what the guest has mapped, or gives
/// it back.
void Lockstep::move_guests_memory(const fuzz::Operation& operation) {
  constexpr u64 one_of = 8;
  const u64 drawn = SplitMix64(u64{operation.choices} << 32 | operation.page).next();
  if (drawn % one_of != 0) return;
  const MemoryPlace& place = *options_.place;
  const u64 ipa = place.pages_pa + (drawn / one_of) % place.pages_bytes;
  HostSide& host = guest_->host();
  host.is_away(ipa) ? host.give_back(ipa) : host.take_away(ipa);
}

void Lockstep::look_below() {
  const std::vector<Finding>& of_host = guest_->host().monitor().findings();
  if (!of_host.empty()) return monitor_.found_elsewhere(as_told_here(of_host.front()));
  for (const Aim& aim : aims()) {
    if (!monitor_.findings().empty()) return;
    guest_->smmu().follow(aim.access);
    monitor_.check_other_smmu(aim.access);
  }
}

}  // namespace iommucheck::oracle
