// SPDX-License-Identifier: MIT
#include "spec/smmu/walkers.h"

namespace iommucheck::spec {

u32 Walkers::regime_of(u32 walker) const {
  for (u32 i = 0; i < walkers_.size(); ++i) {
    if (walkers_[i].number == walker) return walkers_[i].regime;
  }
  return 0;
}

void Walkers::start(u32 walker, const Regime<u64>& regime) {
  stop(walker);
  const u32 id = intern(regime, regimes_, items_);
  walkers_.push(trail_, {.number = walker, .regime = id + 1});
  regimes_.hold(id);
  formed_.come(id);
}

void Walkers::stop(u32 walker) {
  const u32 found = regime_of(walker);
  if (found == 0) return;
  flush(walker);
  graph_.note_change();
  regimes_.release(found - 1);
  formed_.unlink_roots(found - 1);
  for (u32 i = 0; i < walkers_.size(); ++i) {
    if (walkers_[i].number == walker) return walkers_.remove_unordered(trail_, i);
  }
}

void Walkers::flush(u32 walker) {
  const u32 regime = regime_of(walker);
  if (regime != 0) fills_.drop_of(regimes_[regime - 1].tag, false);
}

void Walkers::fix(u32 walker) {
  const u32 regime = regime_of(walker);
  if (regime == 0) return;
  formed_.freeze_pointers(regime - 1, immortal);
  fills_.drop_of(regimes_[regime - 1].tag, true);
}

bool Walkers::outcomes(u32 walker, const Access& access, std::vector<Outcome>& found) const {
  const u32 regime = regime_of(walker);
  if (regime == 0) return false;
  accesses_.under(access, way_of(walker), false, found);
  return lookups_.goes_on();
}

}  // namespace iommucheck::spec
