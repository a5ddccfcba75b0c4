// SPDX-License-Identifier: MIT
// CDs of users that an SMMU is told to have fetched through stage 2 (Caches::fill_nested). A user's
// memory is not followed, so nothing else is known of what is cached of it; and what is told here
// is asked by NestedAccesses alone.
#pragma once

#include "spec/smmu/cd.h"
#include "spec/smmu/removal.h"
#include "spec/smmu/told_things.h"

namespace iommucheck::spec {

/// Which commands remove it is said by StreamID and SubstreamID, as of every CD.
struct ToldCd {
  u32 sid = 0;
  u32 ssid = 0;
  Group dies = immortal;
  u32 since = 0;  ///< event at which it was fetched last
  Cd<u64> cd{};
};

class ToldCds {
 public:
  explicit ToldCds(Trail& trail) : all_(trail) {}

  void add(const ToldCd& told);
  /// visit(const Cd<u64>&) for those of the stream's substream that may be cached.
  template <class Visit>
  void for_each_of(u32 sid, u32 ssid, Visit&& visit) const {
    for (u32 i = 0; i < all_.size(); ++i) {
      if (all_[i].sid == sid && all_[i].ssid == ssid) visit(all_[i].cd);
    }
  }
  /// A CFGI that may act.
  void remove(const InFlight& sent);
  /// The group is complete.
  void drop(Group group) { all_.drop(group); }
  /// Commands were lost.
  void revive(const Commands& commands);

 private:
  ToldThings<ToldCd> all_;
};

}  // namespace iommucheck::spec
