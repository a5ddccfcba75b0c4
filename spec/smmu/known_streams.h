// SPDX-License-Identifier: MIT
// Streams whose STE was seen to be anything but invalid or abort since reset: those that have to be
// looked at where the configuration of all changes.
#pragma once

#include "base/pool.h"
#include "base/types.h"

namespace iommucheck::spec {

class KnownStreams {
 public:
  explicit KnownStreams(Trail& trail) : trail_(trail) {}

  [[nodiscard]] u32 size() const { return sids_.size(); }
  [[nodiscard]] u32 operator[](u32 i) const { return static_cast<u32>(sids_[i]); }
  [[nodiscard]] bool has(u32 sid) const {
    bool known = false;
    for (u32 i = 0; i < sids_.size(); ++i) known |= sids_[i] == sid;
    return known;
  }
  void add(u32 sid) {
    if (!has(sid)) sids_.push(trail_, sid);
  }

 private:
  Trail& trail_;
  TrailArray<u64> sids_;
};

}  // namespace iommucheck::spec
