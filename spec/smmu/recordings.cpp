// SPDX-License-Identifier: MIT
#include "spec/smmu/recordings.h"

#include "spec/smmu/paths.h"

namespace iommucheck::spec {

void stale_configuration(const CachesView& of, u32 sid, u32 ssid, std::vector<ConfigItem>& found) {
  for (u32 i = 0; i < of.config.size(); ++i) {
    const ConfigItem& item = of.config[i];
    if (item.dies != immortal || sid - item.sid >= item.sid_count) continue;
    if (item.place == ConfigItem::no_place) continue;  // a register's
    if (item.kind == ConfigKind::l1std && L1Std<u64>{item.value}.span() == 0) continue;
    const bool substreams = item.kind == ConfigKind::l1cd || item.kind == ConfigKind::cd;
    if (substreams && ssid - item.ssid >= item.ssid_count) continue;
    if (of.memory.newest(item.place + 8 * item.word) == Content{item.value, item.unknown != 0}) {
      continue;
    }
    found.push_back(item);
  }
}

void stale_l1stds(const CachesView& of, std::vector<ConfigItem>& found) {
  for (u32 i = 0; i < of.config.size(); ++i) {
    const ConfigItem& item = of.config[i];
    if (item.kind != ConfigKind::l1std || item.dies != immortal || item.unknown != 0) continue;
    if (L1Std<u64>{item.value}.span() != 0) continue;
    if (of.memory.newest(item.place) == Content{item.value, false}) continue;
    found.push_back(item);
  }
}

std::optional<PlacedStructure> structure_at(const CachesView& of, u64 pa) {
  for (u32 i = 0; i < of.config.regions(); ++i) {
    const Region& region = of.config.region(i);
    if (!region.holds(pa)) continue;
    const u64 size = leads_on(region.kind) ? 8 : ste_bytes;
    const auto number = static_cast<u32>((pa - region.first) / size);
    PlacedStructure structure{.kind = region.kind,
                              .sid = region.sid,
                              .ssid = region.ssid,
                              .place = region.first + number * size};
    switch (region.kind) {
      case ConfigKind::l1std: structure.sid = number << of.controls.stream_table().split; break;
      case ConfigKind::ste: structure.sid += number; break;
      case ConfigKind::l1cd: break;
      case ConfigKind::cd: structure.ssid += number; break;
    }
    return structure;
  }
  return std::nullopt;
}

bool versions_of(const CachesView& of, const PlacedStructure& structure,
                 std::vector<std::array<u64, ste_words>>& found) {
  Fetches::SteOptions stes;
  if (!of.fetches.ste_options(structure.sid, stes)) return false;
  if (structure.kind == ConfigKind::ste) {
    for (const Fetches::SteOption& option : stes) {
      const bool here = option.is_read() && option.place == structure.place;
      if (here && option.ste.v()) found.push_back(option.ste.dw);
    }
  } else if (structure.kind == ConfigKind::cd) {
    Fetches::CdOptions cds;
    if (!of.fetches.cd_options(structure.sid, structure.ssid, stes, cds)) return false;
    for (const Fetches::CdOption& option : cds) {
      const bool here =
          !option.unknown && !option.bad_substreamid && option.place == structure.place;
      if (here && option.cd.v()) found.push_back(option.cd.dw);
    }
  }
  return true;
}

bool is_fetchable(const CachesView& of, u64 first, u64 bytes) {
  for (u32 i = 0; i < of.config.regions(); ++i) {
    const Region& region = of.config.region(i);
    if (first - region.first < region.bytes || region.first - first < bytes) return true;
  }
  for (u64 pa = align_down(first, frame_lg2); pa - align_down(first, frame_lg2) < bytes;
       pa += u64{1} << frame_lg2) {
    if (is_walkable_table(of, pa)) return true;
  }
  return false;
}

void ways_to(const CachesView& of, u64 page, std::vector<TableWay>& ways) {
  const Frame* frame = of.memory.find(page);
  if (frame == nullptr) return;
  for_each_layout(*frame, [&](Geometry geometry, unsigned level) {
    of.graph.for_each_path(*frame, 0, geometry, level, [&](const TableGraph::Path& path) {
      ways.push_back({path.tag, level, path.va, path.ghost || path.item != 0});
    });
  });
}

bool lives_on(const CachesView& of, const Item& entry) {
  for (u32 i = of.items.first(entry.tag); i != 0; i = of.items[i].next) {
    const Item& item = of.items[i];
    if (item.dies != immortal || item.kind != entry.kind || item.level != entry.level ||
        !item.holds(entry.va)) {
      continue;
    }
    if (item.part((entry.va - item.va) / item.entry_bytes(), 1).value == entry.value) return true;
  }
  return false;
}

}  // namespace iommucheck::spec
