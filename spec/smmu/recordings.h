// SPDX-License-Identifier: MIT
// What a judge of recordings asks, where nobody says when a change is meant to be complete: which
// cached things differ from memory and await an invalidation.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "spec/smmu/view.h"

namespace iommucheck::spec {

/// A structure of configuration, or a descriptor that leads to some.
struct PlacedStructure {
  ConfigKind kind = ConfigKind::ste;
  u32 sid = 0;
  u32 ssid = 0;
  u64 place = 0;
};

/// Ways to a page of tables.
struct TableWay {
  u32 tag = 0;
  unsigned level = 0;
  u64 va = 0;          ///< that its first entry translates
  bool stale = false;  ///< through something cached that memory no longer says
};

/// Cached words of the stream's structures that memory no longer says and that no exposed command
/// removes. L1STDs of Span 0 are left out: stale_l1stds() has them.
void stale_configuration(const CachesView& of, u32 sid, u32 ssid, std::vector<ConfigItem>& found);
void stale_l1stds(const CachesView& of, std::vector<ConfigItem>& found);
/// The configuration structure in which the word lies, if hardware may fetch it.
std::optional<PlacedStructure> structure_at(const CachesView& of, u64 pa);
/// The STEs or CDs with V = 1 that one fetch of the structure may yield, bits that nothing looks at
/// cleared. False: a bound was hit.
bool versions_of(const CachesView& of, const PlacedStructure& structure,
                 std::vector<std::array<u64, ste_words>>& found);
/// Can it be fetched or walked, from memory or by something cached?
bool is_fetchable(const CachesView& of, u64 first, u64 bytes);
void ways_to(const CachesView& of, u64 page, std::vector<TableWay>& ways);
/// A cached entry like it that no exposed command removes.
bool lives_on(const CachesView& of, const Item& entry);

}  // namespace iommucheck::spec
