// SPDX-License-Identifier: MIT
// Cached words of configuration by their place. Where a whole stream table is left behind at once,
// looking each word up among all others would take the square of its entries.
#pragma once

#include <unordered_map>

#include "base/pool.h"
#include "spec/smmu/items.h"

namespace iommucheck::spec {

/// The numbers of cached words by where they were read.
class ConfigIndex {
 public:
  explicit ConfigIndex(const TrailArray<ConfigItem>& items) {
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

}  // namespace iommucheck::spec
