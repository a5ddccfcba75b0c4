// SPDX-License-Identifier: MIT
// Cached words of configuration by their place, and by whom they lead to. Where a whole stream
// table is cached, looking each word up among all others would take the square of its entries.
#pragma once

#include <algorithm>
#include <map>
#include <unordered_map>
#include <vector>

#include "spec/smmu/config_cache.h"

namespace iommucheck::spec {

/// The numbers of cached words by where they were read.
class ConfigIndex {
 public:
  explicit ConfigIndex(const ConfigCache& items) {
    for (u32 i = 0; i < items.size(); ++i) add(items[i], i);
  }
  void add(const ConfigItem& item, u32 number) { numbers_.emplace(key(item), number); }
  /// Calls `visit` with each that was read from the same word.
  template <class Visit>
  void at(const ConfigItem& item, Visit visit) const {
    const auto [first, last] = numbers_.equal_range(key(item));
    for (auto it = first; it != last; ++it) visit(it->second);
  }

 private:
  static u64 key(const ConfigItem& item) { return item.place + 8 * item.word; }
  std::unordered_multimap<u64, u32> numbers_;
};

/// Cached L1STDs and L1CDs by the StreamIDs and SubstreamIDs that they stand for.
class DescriptorIndex {
 public:
  explicit DescriptorIndex(const ConfigCache& items) {
    for (u32 i = 0; i < items.size(); ++i) {
      const ConfigItem& item = items[i];
      if (item.kind == ConfigKind::l1std) {
        streams_.emplace(item.sid, i);
        widest_ = std::max(widest_, item.sid_count);
      } else if (item.kind == ConfigKind::l1cd) {
        substreams_.emplace(item.sid, i);
      }
    }
  }
  /// Numbers of those that a fetch of `item`, an STE or a CD, may have gone through; perhaps
  /// others.
  void above(const ConfigItem& item, std::vector<u32>& found) const {
    found.clear();
    const bool ste = item.kind == ConfigKind::ste;
    const auto& all = ste ? streams_ : substreams_;
    const u32 first = ste ? item.sid - std::min(item.sid, widest_) : item.sid;
    for (auto it = all.lower_bound(first); it != all.end() && it->first <= item.sid; ++it) {
      found.push_back(it->second);
    }
  }

 private:
  std::multimap<u32, u32> streams_, substreams_;
  u32 widest_ = 1;
};

}  // namespace iommucheck::spec
