// SPDX-License-Identifier: MIT
#include "spec/smmu/told_pointers.h"

namespace iommucheck::spec {

bool ToldPointers::ends(const InFlight& sent, const ToldPointer& told) const {
  const Command& command = sent.command;
  if (sent.at < told.since || !is_tlbi(command.op)) return false;
  const Geometry& geometry = told.space.geometry;
  const TlbTarget target{.world = told.tag.world,
                         .vmid = told.tag.vmid,
                         .asid = told.tag.asid,
                         .stage = told.tag.stage,
                         .base = told.va,
                         .extent_lg2 = geometry.shift(told.level),
                         .granule = geometry.granule(),
                         .level = told.level,
                         .is_table = true};
  const TlbiScope scope{static_cast<unsigned>(controls_.vmw_of_entries()),
                        command.broadcast ? command.cpu_e2h : controls_.e2h(), command.broadcast,
                        command.broadcast && told.apart != 0};
  return static_cast<bool>(covers(command, target, scope));
}

void ToldPointers::add(const ToldPointer& told) {
  for (u32 i = 0; i < all_.size(); ++i) {
    const ToldPointer& known = all_[i];
    const bool same = known.tag == told.tag && known.space == told.space &&
                      known.level == told.level && known.va == told.va &&
                      known.place == told.place && known.value == told.value;
    if (!same) continue;
    all_.edit(trail_, i) = told;
    return;
  }
  if (all_.size() < max) all_.push(trail_, told);
}

void ToldPointers::remove(const InFlight& sent) {
  for (u32 i = 0; i < all_.size(); ++i) {
    if (all_[i].dies > sent.group && ends(sent, all_[i])) all_.edit(trail_, i).dies = sent.group;
  }
}

void ToldPointers::drop(Group group) {
  for (u32 i = all_.size(); i != 0; --i) {
    if (all_[i - 1].dies <= group) all_.remove_unordered(trail_, i - 1);
  }
}

void ToldPointers::revive(const Commands& commands) {
  for (u32 i = 0; i < all_.size(); ++i) {
    const auto still = [&](const InFlight& sent) { return ends(sent, all_[i]); };
    if (all_[i].dies == immortal || commands.is_ended_by(all_[i].dies, still)) continue;
    all_.edit(trail_, i).dies = immortal;
  }
}

}  // namespace iommucheck::spec
