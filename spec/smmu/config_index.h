// SPDX-License-Identifier: MIT
// Cached words of configuration by their place, and by whom they lead to. Where a whole stream
// table is cached, looking each word up among all others would take the square of its entries.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "base/number_map.h"
#include "spec/smmu/config_cache.h"

namespace iommucheck::spec {

/// The numbers of cached words by where they were read.
class ConfigIndex {
 public:
  explicit ConfigIndex(const ConfigCache& items) {
    for (u32 i = 0; i < items.size(); ++i) add(items[i], i);
  }
  /// They come in the order of their numbers.
  void add(const ConfigItem& item, u32 number) {
    u32& last = last_[key(item)];
    before_.resize(number + 1);
    before_[number] = last;
    last = number + 1;
  }
  /// Calls `visit` with each that was read from the same word.
  template <class Visit>
  void at(const ConfigItem& item, Visit visit) const {
    const u32* last = last_.find(key(item));
    for (u32 i = last == nullptr ? 0 : *last; i != 0; i = before_[i - 1]) visit(i - 1);
  }

 private:
  static u64 key(const ConfigItem& item) { return item.place + 8 * item.word; }
  NumberMap<u32> last_;      ///< of a place, plus one
  std::vector<u32> before_;  ///< of each number, that before it at its place, plus one
};

/// Cached L1STDs and L1CDs by the StreamIDs and SubstreamIDs that they stand for; read when first
/// asked, and right as long as no descriptor comes or goes and no word changes its number.
class DescriptorIndex {
 public:
  explicit DescriptorIndex(const ConfigCache& items) : items_(items) {}
  /// Numbers of those that a fetch of `item`, an STE or a CD, may have gone through; perhaps
  /// others.
  void above(const ConfigItem& item, std::vector<u32>& found) {
    if (!read_) read();
    found.clear();
    const bool ste = item.kind == ConfigKind::ste;
    const auto& all = ste ? streams_ : substreams_;
    const u32 first = ste ? item.sid - std::min(item.sid, widest_) : item.sid;
    auto it = std::lower_bound(all.begin(), all.end(), Entry{first, 0});
    for (; it != all.end() && it->first <= item.sid; ++it) found.push_back(it->second);
  }

 private:
  using Entry = std::pair<u32, u32>;  ///< first StreamID, number

  void read() {
    read_ = true;
    for (u32 i = 0; i < items_.size(); ++i) {
      const ConfigItem& item = items_[i];
      if (item.kind == ConfigKind::l1std) {
        streams_.emplace_back(item.sid, i);
        widest_ = std::max(widest_, item.sid_count);
      } else if (item.kind == ConfigKind::l1cd) {
        substreams_.emplace_back(item.sid, i);
      }
    }
    std::ranges::sort(streams_);
    std::ranges::sort(substreams_);
  }

  const ConfigCache& items_;
  std::vector<Entry> streams_, substreams_;
  u32 widest_ = 1;
  bool read_ = false;
};

}  // namespace iommucheck::spec
