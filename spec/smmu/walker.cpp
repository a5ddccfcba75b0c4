// SPDX-License-Identifier: MIT
#include "spec/smmu/walker.h"

#include "spec/smmu/caches.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

Regime<u64> walker_regime(const Regime<u64>& format, u32 number, u64 root) {
  Regime<u64> regime = format;
  regime.world = StreamWorld::foreign;
  regime.vmid = 0;
  regime.asid = number;
  regime.half[0].epd = false;
  regime.half[0].ttb = root;
  regime.half[1] = {};
  regime.half[1].epd = true;
  return regime;
}

Regime<u64> plain_format(unsigned input_bits, unsigned output_bits) {
  Regime<u64> regime;
  regime.half[0].tsz = 64 - u64{input_bits};
  regime.ips_lg2 = output_bits;
  regime.mair = unknown_mair;
  return regime;
}

/// 1 + its regime, 0: it walks nothing.
u32 Caches::regime_of_walker(u32 walker) const {
  for (u32 i = 0; i < walkers_.size(); ++i) {
    if (walkers_[i].number == walker) return walkers_[i].regime;
  }
  return 0;
}

void Caches::start_walker(u32 walker, const Regime<u64>& regime) {
  stop_walker(walker);
  const u32 id = intern(regime, regimes_, items_);
  walkers_.push(trail_, {.number = walker, .regime = id + 1});
  regimes_.hold(id);
  become_formed(id);
}

void Caches::stop_walker(u32 walker) {
  const u32 found = regime_of_walker(walker);
  if (found == 0) return;
  flush_walker(walker);
  graph_.note_change();
  regimes_.release(found - 1);
  unlink_roots(found - 1);
  for (u32 i = 0; i < walkers_.size(); ++i) {
    if (walkers_[i].number == walker) return walkers_.remove_unordered(trail_, i);
  }
}

void Caches::flush_walker(u32 walker) {
  const u32 regime = regime_of_walker(walker);
  if (regime != 0) drop_items_of(regimes_[regime - 1].tag, false);
}

void Caches::fix_walker(u32 walker) {
  const u32 regime = regime_of_walker(walker);
  if (regime == 0) return;
  freeze_pointers(regime - 1, immortal);
  drop_items_of(regimes_[regime - 1].tag, true);
}

/// Of a walker's tag: its items are in no other list than the tag's own.
void Caches::drop_items_of(u32 tag, bool pointers_only) {
  if (stands_still()) return;
  const auto goes = [&](const Item& item) {
    return !pointers_only || item.kind == ItemKind::pointer;
  };
  items_.drop_of(tag, goes, [&](u32 index, const Item& item) {
    changes_.mark(tag, item.va, item.last());
    if (item.kind != ItemKind::pointer) return;
    unlink(item.table(), Edge{.kind = EdgeKind::item, .parent = index, .value = item.value});
  });
}

bool Caches::walker_outcomes(u32 walker, const Access& access, std::vector<Outcome>& found) const {
  const u32 regime = regime_of_walker(walker);
  if (regime == 0) return false;
  accesses_.under(access, way_of_walker(walker), false, found);
  return !stands_still();
}

}  // namespace iommucheck::spec
