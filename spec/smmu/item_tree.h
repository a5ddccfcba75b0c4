// SPDX-License-Identifier: MIT
// Items by address, where a tag has so many that looking at each would cost too much: a binary tree
// over the pool that keeps them, each change of which is trailed. Who stands above whom follows
// from the numbers of the items, so that the tree is the same in each run.
#pragma once

#include <string>
#include <utility>

#include "base/pool.h"
#include "spec/smmu/atc.h"
#include "spec/smmu/items.h"

namespace iommucheck::spec {

/// A tree is the number of the item at its top; 0: it is empty. An item is in one tree at most, and
/// its addresses stay as they are while it is in one, but for what touch() says. `Of`: Item or
/// AtcItem.
template <class Of>
class ItemTree {
 public:
  ItemTree(Trail& trail, const TrailPool<Of>& items) : trail_(trail), items_(items) {}

  /// `order`: what order() says from now on. The top then, likewise of remove().
  [[nodiscard]] u32 add(u32 top, u32 item, u64 order);
  [[nodiscard]] u32 remove(u32 top, u32 item);
  /// The item has got a new end.
  void touch(u32 top, u32 item);
  [[nodiscard]] u64 order(u32 item) const { return places_[item].order; }

  /// visit(index) for the items that hold an address of [first, last], by their first addresses.
  template <class Visit>
  void for_each_in(u32 top, u64 first, u64 last, Visit&& visit) const {
    if (top == 0 || places_[top].last < first) return;
    for_each_in(places_[top].left, first, last, visit);
    if (first_address(items_[top]) > last) return;
    if (last_address(items_[top]) >= first) visit(top);
    for_each_in(places_[top].right, first, last, visit);
  }
  /// The first of the addresses behind `va` at which an item begins; `none` where there is no such.
  [[nodiscard]] u64 first_behind(u32 top, u64 va, u64 none) const;

  /// What must hold of it, recounted: the first disagreement, or nothing.
  [[nodiscard]] std::string consistent(u32 top, u64 items) const;

 private:
  struct Place {
    u32 left = 0;
    u32 right = 0;
    u64 last = 0;  // of the item and all below it
    u64 order = 0;
  };
  [[nodiscard]] bool is_before(u32 a, u32 b) const;
  [[nodiscard]] static bool is_above(u32 a, u32 b);
  [[nodiscard]] u64 last_of(u32 item, u32 left, u32 right) const;
  void place(u32 item, u32 left, u32 right);
  std::pair<u32, u32> cut(u32 top, u32 item);
  u32 add_below(u32 top, u32 item);
  u32 join(u32 left, u32 right);
  std::string recount(u32 top, u64& items, u32& before) const;

  Trail& trail_;
  const TrailPool<Of>& items_;
  TrailArray<Place> places_;  // by item
};

}  // namespace iommucheck::spec
