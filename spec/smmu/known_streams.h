// SPDX-License-Identifier: MIT
// Streams whose STE was seen to be anything but invalid or abort since reset: those that have to be
// looked at where the configuration of all changes.
#pragma once

#include "base/number_map.h"
#include "base/pool.h"
#include "base/types.h"

namespace iommucheck::spec {

class KnownStreams {
 public:
  explicit KnownStreams(Trail& trail) : trail_(trail) {}

  [[nodiscard]] u32 size() const { return sids_.size(); }
  [[nodiscard]] u32 operator[](u32 i) const { return static_cast<u32>(sids_[i]); }
  [[nodiscard]] bool has(u32 sid) const {
    const u32* place = places_.find(sid);
    return place != nullptr && *place < size() && sids_[*place] == sid;
  }
  void add(u32 sid) {
    if (!has(sid)) places_[sid] = sids_.push(trail_, sid);
  }

 private:
  Trail& trail_;
  TrailArray<u64> sids_;
  NumberMap<u32> places_;  ///< where it was put; undo leaves what is not there any more
};

}  // namespace iommucheck::spec
