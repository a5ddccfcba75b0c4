// SPDX-License-Identifier: MIT
// What an event may have changed for accesses, so that nobody compares what stayed as it was. Notes
// on the way, no part of the state: going back leaves them.
#pragma once

#include <algorithm>
#include <vector>

#include "base/bits.h"
#include "base/types.h"
#include "spec/smmu/stream_parts.h"

namespace iommucheck::spec {

/// The ATC of one (StreamID, PASID) is asked for like a tag, by a number of this kind: collect(),
/// constant_until(), streams_of(), DirtyInterval::tag. It holds what the device can use beyond what
/// the tags of its stream yield. Of the addresses under top-byte-ignore it knows those whose top
/// byte is as VA[55]; an alias of any counts there.
inline constexpr u32 atc_tag_bit = u32{1} << 31;
constexpr bool is_atc_tag(u32 tag) { return (tag & atc_tag_bit) != 0; }

/// An interval of input addresses of one tag, or of one ATC, whose outcomes may have changed.
struct DirtyInterval {
  u32 tag = 0;
  u64 first = 0;
  u64 last = 0;
};

class Changes {
 public:
  /// Until then, and after follow(false), marking does nothing.
  void follow(bool on) { followed_ = on; }
  [[nodiscard]] bool followed() const { return followed_; }

  void mark(u32 tag, u64 first, u64 last) {
    if (!followed_) return;
    if (!intervals_.empty()) {
      DirtyInterval& before = intervals_.back();
      if (before.tag == tag && before.first <= first && last <= before.last) return;
      if (before.tag == tag && before.last + 1 == first) {
        before.last = last;
        return;
      }
    }
    intervals_.push_back({tag, first, last});
  }
  /// The block of so many bytes in which the address lies.
  void mark_extent(u32 tag, u64 va, unsigned extent_lg2) {
    const u64 first = align_down(va, extent_lg2);
    mark(tag, first, first + (pow2(extent_lg2) - 1));
  }
  void mark(const StreamPart& part) {
    if (followed_) streams_.add(part);
  }
  /// StreamID ~0 stands for every stream. Whether changes are followed or not.
  void mark_all_streams() { streams_.add_all(); }

  /// A descriptor of the word at `pa` stopped being visible. What comes after it and goes before
  /// the changes are forgotten was never looked at.
  void note_replaced(u64 pa) {
    if (!followed_) return;
    for (Words& words : replaced_) {
      if (pa + 8 < words.first || pa > words.last + 8) continue;
      words.first = std::min(words.first, pa);
      words.last = std::max(words.last, pa);
      return;
    }
    if (replaced_.size() < replaced_max) return replaced_.push_back({pa, pa});
    replaced_.back() = {0, ~u64{0} - 8};  // more than are told apart
  }
  [[nodiscard]] bool any_replaced() const { return !replaced_.empty(); }
  [[nodiscard]] bool is_replaced(u64 pa) const {
    return std::ranges::any_of(
        replaced_, [&](const Words& words) { return words.first <= pa && pa <= words.last; });
  }

  std::vector<DirtyInterval>& intervals() { return intervals_; }
  StreamParts& streams() { return streams_; }
  void clear() {
    intervals_.clear();
    streams_.clear();
    replaced_.clear();
  }

 private:
  /// Addresses of words, inclusive.
  struct Words {
    u64 first = 0;
    u64 last = 0;
  };
  static constexpr std::size_t replaced_max = 32;

  bool followed_ = false;
  std::vector<DirtyInterval> intervals_;
  StreamParts streams_;
  std::vector<Words> replaced_;
};

}  // namespace iommucheck::spec
