// SPDX-License-Identifier: MIT
// What a judge of recordings asks: which cached things differ from memory and await an
// invalidation. Nothing here changes the state but store_unknown().
#include <algorithm>

#include "spec/smmu/caches.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

void Caches::store_unknown(AgentId by, u64 pa) {
  store_word(by, memory_.frame(pa), static_cast<unsigned>(bits(pa, 11, 3)), Content{0, true}, true);
}

void Caches::stale_configuration(u32 sid, u32 ssid, std::vector<ConfigItem>& found) const {
  for (u32 i = 0; i < config_.size(); ++i) {
    const ConfigItem& item = config_[i];
    if (item.dies != immortal || sid - item.sid >= item.sid_count) continue;
    if (item.place == ConfigItem::no_place) continue;  // a register's
    if (item.kind == ConfigKind::l1std && L1Std<u64>{item.value}.span() == 0) continue;
    const bool substreams = item.kind == ConfigKind::l1cd || item.kind == ConfigKind::cd;
    if (substreams && ssid - item.ssid >= item.ssid_count) continue;
    if (memory_.newest(item.place + 8 * item.word) == Content{item.value, item.unknown != 0}) {
      continue;
    }
    found.push_back(item);
  }
}

void Caches::stale_l1stds(std::vector<ConfigItem>& found) const {
  for (u32 i = 0; i < config_.size(); ++i) {
    const ConfigItem& item = config_[i];
    if (item.kind != ConfigKind::l1std || item.dies != immortal || item.unknown != 0) continue;
    if (L1Std<u64>{item.value}.span() != 0) continue;
    if (memory_.newest(item.place) == Content{item.value, false}) continue;
    found.push_back(item);
  }
}

std::optional<Caches::Structure> Caches::structure_at(u64 pa) const {
  for (u32 i = 0; i < config_.regions(); ++i) {
    const Region& region = config_.region(i);
    if (!region.holds(pa)) continue;
    const u64 size = leads_on(region.kind) ? 8 : ste_bytes;
    const auto number = static_cast<u32>((pa - region.first) / size);
    Structure structure{.kind = region.kind,
                        .sid = region.sid,
                        .ssid = region.ssid,
                        .place = region.first + number * size};
    switch (region.kind) {
      case ConfigKind::l1std: structure.sid = number << controls_.stream_table().split; break;
      case ConfigKind::ste: structure.sid += number; break;
      case ConfigKind::l1cd: break;
      case ConfigKind::cd: structure.ssid += number; break;
    }
    return structure;
  }
  return std::nullopt;
}

bool Caches::versions_of(const Structure& structure,
                         std::vector<std::array<u64, ste_words>>& found) const {
  SteOptions stes;
  if (!fetches_.ste_options(structure.sid, stes)) return false;
  if (structure.kind == ConfigKind::ste) {
    for (const SteOption& option : stes) {
      const bool here = !option.unknown && !option.bad_streamid && option.place == structure.place;
      if (here && option.ste.v()) found.push_back(option.ste.dw);
    }
  } else if (structure.kind == ConfigKind::cd) {
    CdOptions cds;
    if (!fetches_.cd_options(structure.sid, structure.ssid, stes, cds)) return false;
    for (const CdOption& option : cds) {
      const bool here =
          !option.unknown && !option.bad_substreamid && option.place == structure.place;
      if (here && option.cd.v()) found.push_back(option.cd.dw);
    }
  }
  return true;
}

bool Caches::is_fetchable(u64 first, u64 bytes) const {
  for (u32 i = 0; i < config_.regions(); ++i) {
    const Region& region = config_.region(i);
    if (first - region.first < region.bytes || region.first - first < bytes) return true;
  }
  for (u64 pa = align_down(first, frame_lg2); pa - align_down(first, frame_lg2) < bytes;
       pa += u64{1} << frame_lg2) {
    if (is_walkable_table(pa)) return true;
  }
  return false;
}

void Caches::ways_to(u64 page, std::vector<Way>& ways) const {
  const Frame* frame = memory_.find(page);
  if (frame == nullptr) return;
  for_each_layout(*frame, [&](Geometry geometry, unsigned level) {
    graph_.for_each_path(*frame, 0, geometry, level, [&](const Path& path) {
      ways.push_back({path.tag, level, path.va, path.ghost || path.item != 0});
    });
  });
}

bool Caches::lives_on(const Item& entry) const {
  for (u32 i = items_.first(entry.tag); i != 0; i = items_[i].next) {
    const Item& item = items_[i];
    if (item.dies != immortal || item.kind != entry.kind || item.level != entry.level ||
        !item.holds(entry.va)) {
      continue;
    }
    if (item.part((entry.va - item.va) / item.entry_bytes(), 1).value == entry.value) return true;
  }
  return false;
}

}  // namespace iommucheck::spec
