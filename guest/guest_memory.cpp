// SPDX-License-Identifier: MIT
#include "guest/guest_memory.h"

namespace iommucheck::oracle {

namespace {

/// The last piece lies first; the other way round it is the same.
u64 turned(u64 offset, u64 bytes, u64 piece) {
  return bytes - piece - offset / piece * piece + offset % piece;
}

}  // namespace

GuestMemory::GuestMemory(const std::vector<Region>& regions, u64 pa) {
  for (const Region& region : regions) {
    pa = (pa + region.piece - 1) / region.piece * region.piece;
    placed_.push_back({region, pa});
    for (u64 at = 0; at < region.bytes; at += region.piece) {
      pieces_.push_back({.ipa = region.ipa + at,
                         .pa = pa + turned(at, region.bytes, region.piece),
                         .bytes = region.piece,
                         .device = region.device});
    }
    pa += region.bytes;
  }
}

std::optional<u64> GuestMemory::physical(u64 ipa) const {
  for (const auto& [region, pa] : placed_) {
    const u64 offset = ipa - region.ipa;
    if (offset < region.bytes) return pa + turned(offset, region.bytes, region.piece);
  }
  return std::nullopt;
}

std::optional<u64> GuestMemory::intermediate(u64 pa) const {
  for (const auto& [region, first] : placed_) {
    const u64 offset = pa - first;
    if (offset < region.bytes) return region.ipa + turned(offset, region.bytes, region.piece);
  }
  return std::nullopt;
}

}  // namespace iommucheck::oracle
