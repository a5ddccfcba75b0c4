// SPDX-License-Identifier: MIT
// Table descriptors of users' stage 1 that an SMMU is told to have fetched (Caches::fill_nested): a
// walk may go on behind one of them, whatever memory says there by now. As of ToldCds, nothing else
// is known of what is cached of a user's memory, and NestedAccesses alone asks.
#pragma once

#include "spec/smmu/controls.h"
#include "spec/smmu/removal.h"
#include "spec/smmu/told_things.h"

namespace iommucheck::spec {

/// Which commands remove it is said by its tag and its slot, as of every entry of a walk cache.
struct ToldPointer {
  Tag<u64> tag{};
  Item item{};    ///< as a TLB would list it; `since`: the event at which it was fetched last
  u32 apart = 0;  ///< CD.ASET: broadcasts that match ASIDs spare it
  Group dies = immortal;
};

class ToldPointers {
 public:
  ToldPointers(Trail& trail, const Controls& controls) : controls_(controls), all_(trail) {}

  void add(const ToldPointer& told);
  [[nodiscard]] const ToldPointer& operator[](u32 i) const { return all_[i]; }
  /// visit(i) for those under the tag that a walk of the address may go on behind.
  template <class Visit>
  void for_each_at(const Tag<u64>& tag, u64 va, Visit&& visit) const {
    for (u32 i = 0; i < all_.size(); ++i) {
      if (all_[i].tag == tag && all_[i].item.holds(va)) visit(i);
    }
  }
  /// A TLBI that may act.
  void remove(const InFlight& sent);
  /// The group is complete.
  void drop(Group group) { all_.drop(group); }
  /// Commands were lost.
  void revive(const Commands& commands);

 private:
  [[nodiscard]] bool ends(const InFlight& sent, const ToldPointer& told) const;

  const Controls& controls_;
  ToldThings<ToldPointer> all_;
};

}  // namespace iommucheck::spec
