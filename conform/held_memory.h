// SPDX-License-Identifier: MIT
// What the tester's own stores left in memory, so that words that a device wrote can be told.
#pragma once

#include <array>
#include <bitset>
#include <map>

#include "base/bits.h"
#include "base/types.h"

namespace iommucheck::oracle {

class HeldMemory {
 public:
  /// `pa` is aligned to 8 bytes.
  void store(u64 pa, u64 value) {
    Page& page = pages_[pa >> page_lg2];
    const auto index = static_cast<std::size_t>(bits(pa, page_lg2 - 1, 3));
    page.words[index] = value;
    page.stored.set(index);
  }
  void fill(u64 pa, u64 words, u64 value) {
    for (u64 i = 0; i < words; ++i) store(pa + 8 * i, value);
  }
  /// visit(pa, value) for each word that was stored, in ascending order.
  template <class Visit>
  void visit(Visit&& visit) const {
    for (const auto& [number, page] : pages_) {
      for (std::size_t i = 0; i < page.words.size(); ++i) {
        if (page.stored.test(i)) visit((number << page_lg2) + 8 * i, page.words[i]);
      }
    }
  }

 private:
  static constexpr unsigned page_lg2 = 12;
  struct Page {
    std::array<u64, pow2(page_lg2 - 3)> words{};
    std::bitset<pow2(page_lg2 - 3)> stored;
  };
  std::map<u64, Page> pages_;
};

}  // namespace iommucheck::oracle
