// SPDX-License-Identifier: MIT
// Table descriptors of users' stage 1 that an SMMU is told to have fetched (Caches::fill_nested): a
// walk may go on behind one of them, whatever memory says there by now. As of ToldCds, nothing else
// is known of what is cached of a user's memory, and NestedAccesses alone asks.
#pragma once

#include "base/pool.h"
#include "spec/smmu/commands.h"
#include "spec/smmu/controls.h"
#include "spec/smmu/space.h"

namespace iommucheck::spec {

/// Which commands remove it is said by its tag and its slot, as of every entry of a walk cache.
struct ToldPointer {
  Tag<u64> tag{};
  u32 tag_number = 0;  ///< of Regimes, for whoever explains
  Space space{};
  u32 level = 0;  ///< of the table in which it stands
  Group dies = immortal;
  u32 since = 0;  ///< event at which it was fetched last
  u32 apart = 0;  ///< CD.ASET: broadcasts that match ASIDs spare it
  u64 va = 0;     ///< first address that it translates
  u64 place = 0;  ///< where it stands in memory
  u64 value = 0;

  [[nodiscard]] bool holds(u64 address) const {
    return address - va < space.geometry.entry_bytes(level);
  }
};

class ToldPointers {
 public:
  /// More are not remembered.
  static constexpr u32 max = 256;

  ToldPointers(Trail& trail, const Controls& controls) : trail_(trail), controls_(controls) {}

  void add(const ToldPointer& told);
  [[nodiscard]] const ToldPointer& operator[](u32 i) const { return all_[i]; }
  /// visit(i) for those under the tag that a walk of the address may go on behind.
  template <class Visit>
  void for_each_at(const Tag<u64>& tag, u64 va, Visit&& visit) const {
    for (u32 i = 0; i < all_.size(); ++i) {
      if (all_[i].tag == tag && all_[i].holds(va)) visit(i);
    }
  }
  /// A TLBI that may act.
  void remove(const InFlight& sent);
  /// The group is complete.
  void drop(Group group);
  /// Commands were lost.
  void revive(const Commands& commands);

 private:
  [[nodiscard]] bool ends(const InFlight& sent, const ToldPointer& told) const;

  Trail& trail_;
  const Controls& controls_;
  TrailArray<ToldPointer> all_;
};

}  // namespace iommucheck::spec
