// SPDX-License-Identifier: MIT
#include "impl/device/config_cache.h"

#include "base/bits.h"

namespace iommucheck::device {

ConfigCache::ConfigCache(unsigned sets_lg2)
    : sets_(u64{1} << sets_lg2),
      place_(std::make_unique<Place[]>(ways * sets_)),
      next_(std::make_unique<u8[]>(sets_)) {}

u64 ConfigCache::set_of(u64 key) const {
  const u64 mixed = (key ^ key >> 37) * 0x9e3779b97f4a7c15;
  return mixed >> 40 & (sets_ - 1);
}

bool ConfigCache::find(u64 key, Context& out) const {
  const Place* set = &place_[ways * set_of(key)];
  for (unsigned way = 0; way < ways; ++way) {
    const Place& place = set[way];
    const u64 version = place.version.load(std::memory_order_acquire);
    if ((version & 1) != 0 || place.key.load(std::memory_order_acquire) != key) continue;
    std::array<u64, words> copy;
    for (std::size_t i = 0; i < words; ++i) {
      copy[i] = place.word[i].load(std::memory_order_acquire);
    }
    if (place.version.load(std::memory_order_relaxed) != version) continue;
    std::memcpy(static_cast<void*>(&out), copy.data(), sizeof out);
    return true;
  }
  return false;
}

void ConfigCache::fill(u64 key, const Context& context) {
  const u64 set = set_of(key);
  Place* its = &place_[ways * set];
  unsigned way = 0;
  while (way < ways && its[way].key.load(std::memory_order_relaxed) != key) ++way;
  for (unsigned i = 0; i < ways && way == ways; ++i) {
    if (its[i].key.load(std::memory_order_relaxed) == 0) way = i;
  }
  if (way == ways) {
    way = next_[set];
    next_[set] = static_cast<u8>((way + 1) % ways);
  }
  Place& place = its[way];
  std::array<u64, words> copy{};
  std::memcpy(copy.data(), &context, sizeof context);
  const u64 version = place.version.load(std::memory_order_relaxed);
  place.version.store(version + 1, std::memory_order_relaxed);
  place.key.store(key, std::memory_order_release);
  for (std::size_t i = 0; i < words; ++i) place.word[i].store(copy[i], std::memory_order_release);
  place.version.store(version + 2, std::memory_order_release);
}

void ConfigCache::clear(Place& place) {
  const u64 version = place.version.load(std::memory_order_relaxed);
  place.version.store(version + 1, std::memory_order_relaxed);
  place.key.store(0, std::memory_order_release);
  place.version.store(version + 2, std::memory_order_release);
}

template <class Goes>
void ConfigCache::clear_if(const Goes& goes) {
  for (u64 i = 0; i < places(); ++i) {
    const u64 key = place_[i].key.load(std::memory_order_relaxed);
    if (key != 0 && goes(key)) clear(place_[i]);
  }
}

void ConfigCache::invalidate_streams(u32 first, u32 last) {
  clear_if([&](u64 key) { return static_cast<u32>(key) - first <= last - first; });
}

/// Without a SubstreamID an access uses CD 0.
void ConfigCache::invalidate_cd(u32 sid, u32 ssid) {
  clear_if([&](u64 key) {
    return static_cast<u32>(key) == sid && bits(key, 59, 40) == (ssid & mask(19, 0));
  });
}

}  // namespace iommucheck::device
