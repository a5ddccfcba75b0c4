// SPDX-License-Identifier: MIT
// Contexts by StreamID and SubstreamID: a bounded, set-associative cache that many threads read
// without a lock while one, who holds the cache lock of its owner, fills and invalidates. Each
// place has a version, odd while it is written: who reads one that has changed has read nothing.
//
// Failures are never kept: an STE or CD that is no good is fetched again by each access.
#pragma once

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <type_traits>

#include "impl/device/context.h"

namespace iommucheck::device {

class ConfigCache {
 public:
  /// 4 * 2^sets_lg2 places.
  explicit ConfigCache(unsigned sets_lg2);

  /// What accesses of a stream say: the key of a Context.
  static constexpr u64 key_of(u32 sid, bool ssv, u32 ssid) {
    return u64{1} << 63 | u64{ssv ? ssid : 0} << 40 | u64{ssv} << 60 | sid;
  }
  /// From any thread.
  bool find(u64 key, Context& out) const;

  // Under the lock.
  void fill(u64 key, const Context& context);
  /// All of StreamIDs [first, last].
  void invalidate_streams(u32 first, u32 last);
  /// Of one CD.
  void invalidate_cd(u32 sid, u32 ssid);
  [[nodiscard]] u64 places() const { return ways * sets_; }

 private:
  static constexpr unsigned ways = 4;
  static constexpr std::size_t words = (sizeof(Context) + 7) / 8;
  static_assert(std::is_trivially_copyable_v<Context>);
  struct alignas(64) Place {
    std::atomic<u64> version{0}, key{0};
    std::array<std::atomic<u64>, words> word{};
  };
  [[nodiscard]] u64 set_of(u64 key) const;
  void clear(Place& place);
  template <class Goes>
  void clear_if(const Goes& goes);

  u64 sets_;
  std::unique_ptr<Place[]> place_;
  std::unique_ptr<u8[]> next_;  // of each set: the way that is replaced next
};

}  // namespace iommucheck::device
