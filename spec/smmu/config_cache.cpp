// SPDX-License-Identifier: MIT
#include "spec/smmu/config_cache.h"

#include <algorithm>

#include "spec/smmu/config_index.h"

namespace iommucheck::spec {

void ConfigCache::keep(const ConfigItem& item, ConfigIndex* index) {
  const auto same = [&](const ConfigItem& old) {
    return old.kind == item.kind && old.sid == item.sid && old.ssid == item.ssid &&
           old.place == item.place && old.word == item.word && old.value == item.value &&
           old.partner == item.partner && old.unknown == item.unknown;
  };
  const u32 none = items_.size();
  u32 found = none;
  const auto look_at = [&](u32 k) {
    if (found == none && same(items_[k])) found = k;
  };
  if (index != nullptr) {
    index->at(item, look_at);
  } else {
    for_each_of(item.kind, item.sid, look_at);
  }
  if (found == none) {
    items_.push(trail_, item);
    keys_.push(trail_, key_of(item));
    if (index != nullptr) index->add(item, none);
    return;
  }
  ConfigItem& again = items_.edit(trail_, found);
  again.dies = std::max(again.dies, item.dies);
  again.since = again.vanished_at = item.vanished_at;
  again.stored_at = item.stored_at;
}

void ConfigCache::count_frames(const Region& region, bool more) {
  for (u64 pa = align_down(region.first, frame_lg2); pa < region.first + region.bytes;
       pa += u64{1} << frame_lg2) {
    Frame& frame = memory_.frame(pa);
    trail_.set(frame.config, more ? frame.config + 1 : frame.config - 1);
  }
}

bool ConfigCache::add_region(const Region& region) {
  constexpr u64 frames_bound = u64{1} << 14;  // a table of 64 MiB
  if (region.bytes == 0) return true;
  if (region.bytes >> frame_lg2 > frames_bound) return false;
  count_frames(region, true);
  regions_.push(trail_, region);
  return true;
}

void ConfigCache::remove_regions(u32 made_by, ConfigKind kind) {
  for (u32 i = regions_.size(); i != 0; --i) {
    const Region region = regions_[i - 1];
    if (region.made_by != made_by || region.kind != kind) continue;
    count_frames(region, false);
    regions_.remove_unordered(trail_, i - 1);
  }
}

void ConfigCache::clear_regions() {
  for (u32 i = 0; i < regions_.size(); ++i) count_frames(regions_[i], false);
  regions_.clear(trail_);
}

}  // namespace iommucheck::spec
