// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/number_map.h"
#include "base/types.h"

namespace iommucheck::spec {

/// Substreams first to last of a stream; by default all, and with them its STE.
struct StreamPart {
  u32 sid = 0;
  u32 first = 0;
  u32 last = ~u32{0};

  [[nodiscard]] bool whole() const { return first == 0 && last == ~u32{0}; }
};

/// Parts of streams in the order in which they came, without those that lie in one before them. One
/// command may concern each of 2^16 streams, or substreams.
class StreamParts {
 public:
  void add(const StreamPart& part) {
    if (has(part)) return;
    parts_.push_back(part);
    if (parts_.size() <= few) return;
    for (; in_known_ < parts_.size(); ++in_known_) {
      const StreamPart& one = parts_[in_known_];
      if (one.first == one.last || one.whole()) {
        known_[key(one)] = true;
      } else {
        ranges_.push_back(one);
      }
    }
  }
  /// StreamID ~0 stands for every stream.
  void add_all() { parts_.push_back({~u32{0}}); }

  [[nodiscard]] bool empty() const { return parts_.empty(); }
  [[nodiscard]] std::size_t size() const { return parts_.size(); }
  [[nodiscard]] auto begin() const { return parts_.begin(); }
  [[nodiscard]] auto end() const { return parts_.end(); }
  void clear() {
    parts_.clear();
    known_.clear();
    ranges_.clear();
    in_known_ = 0;
  }

 private:
  static constexpr std::size_t few = 16;  ///< are looked at one by one

  static bool lies_in(const StreamPart& part, const StreamPart& known) {
    return known.sid == part.sid && known.first <= part.first && part.last <= known.last;
  }
  /// Of one substream, or of all: no SubstreamID is ~0.
  static u64 key(const StreamPart& part) { return u64{part.sid} << 32 | part.last; }

  [[nodiscard]] bool has(const StreamPart& part) const {
    const auto in = [&](const StreamPart& known) { return lies_in(part, known); };
    if (parts_.size() <= few) return std::ranges::any_of(parts_, in);
    const bool one = part.first == part.last || part.whole();
    return (one && known_.contains(key(part))) || known_.contains(key({part.sid})) ||
           std::ranges::any_of(ranges_, in);
  }

  std::vector<StreamPart> parts_;
  NumberMap<bool> known_;           ///< those of one substream, and whole ones, once there are many
  std::vector<StreamPart> ranges_;  ///< the others
  std::size_t in_known_ = 0;        ///< parts that are in these two
};

}  // namespace iommucheck::spec
