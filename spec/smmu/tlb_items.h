// SPDX-License-Identifier: MIT
// What TLBs and walk caches may hold and memory no longer says, by tag. Which entries come, and
// when they die, says Fills; here they are kept, run together and taken apart.
#pragma once

#include <string>

#include "base/stable_array.h"
#include "spec/smmu/item_lists.h"
#include "spec/smmu/regimes.h"

namespace iommucheck::spec {

class TlbItems {
 public:
  explicit TlbItems(Trail& trail) : trail_(trail), items_(trail) {}

  /// Tags are numbered from 0: so many there are.
  void know_tags(u32 tags) {
    while (lists_.size() < tags) lists_.emplace_back();
  }

  [[nodiscard]] u64 count() const { return items_.count(); }
  [[nodiscard]] u64 count(u32 tag) const { return lists_[tag].items; }
  [[nodiscard]] u64 pointers(u32 tag) const { return lists_[tag].pointers; }
  [[nodiscard]] const Item& operator[](u32 index) const { return items_[index]; }
  /// Number of the tag's newest item, from which Item::next leads to the others; 0: none.
  [[nodiscard]] u32 first(u32 tag) const { return static_cast<u32>(lists_[tag].first); }
  /// visit(index) for the items of the tag that hold an address of [first, last], the newest first.
  /// A visit may insert items, which are not visited, and split the one it is about.
  template <class Visit>
  void for_each_in(u32 tag, u64 first, u64 last, Visit&& visit) const {
    items_.for_each_in(lists_[tag], first, last, visit);
  }
  /// Last address up to which the same items of the tag hold an address as hold `va`.
  [[nodiscard]] u64 constant_until(u32 tag, u64 va) const {
    return items_.constant_until(lists_[tag], va);
  }
  /// Tags that have items, in any order.
  [[nodiscard]] u32 tags() const { return tags_.size(); }
  [[nodiscard]] u32 tag(u32 i) const { return static_cast<u32>(tags_[i]); }

  /// An item that is there already could be filled until now, and of a run the next entry is no
  /// item of its own: then true, and nothing is left to insert.
  bool join(const Item& item) { return renew(item) || extend(item); }
  /// The number of the new item.
  u32 insert(const Item& item);
  /// Leaves of an item the entries [first, first + count); the others become items of their own.
  void split(u32 index, u64 first, u64 count);
  void set_dies(u32 index, Group group) { items_.edit(index).dies = group; }
  /// Removes the items that die with `group` or before: visit(index, const Item&) for each, while
  /// its number is not yet another's.
  template <class Visit>
  void drop(Group group, Visit&& visit) {
    for (u32 t = tags_.size(); t-- != 0;) {
      const auto dead = [&](const Item& item) { return item.dies <= group; };
      if (drop_from(lists_[tag(t)], dead, visit)) tags_.remove_unordered(trail_, t);
    }
  }
  /// Removes those of one tag for which removes(item) holds; visit as above.
  template <class Removes, class Visit>
  void drop_of(u32 tag, Removes&& removes, Visit&& visit) {
    if (lists_[tag].items == 0 || !drop_from(lists_[tag], removes, visit)) return;
    for (u32 t = 0; t < tags_.size(); ++t) {
      if (tags_[t] == tag) return tags_.remove_unordered(trail_, t);
    }
  }

  /// What must hold of it, recounted (consistent.cpp): the first disagreement, or nothing.
  [[nodiscard]] std::string consistent() const;

 private:
  struct List : ItemLists<Item>::List {
    u64 pointers = 0;
  };
  /// True: nothing is left.
  template <class Removes, class Visit>
  bool drop_from(List& list, Removes&& removes, Visit&& visit) {
    items_.drop(list, removes, [&](u32 index, const Item& item) {
      if (item.kind == ItemKind::pointer) trail_.set(list.pointers, list.pointers - 1);
      visit(index, item);
    });
    return list.items == 0;
  }
  [[nodiscard]] u32 same_as(const Item& item) const;
  bool renew(const Item& item);
  bool extend(const Item& item);

  Trail& trail_;
  ItemLists<Item> items_;
  StableArray<List> lists_;  // by tag
  TrailArray<u64> tags_;
};

/// The number of the regime; the lists of its tag are there from then on.
inline u32 intern(const Regime<u64>& regime, Regimes& regimes, TlbItems& items) {
  const u32 number = regimes.intern(regime);
  items.know_tags(regimes.tags());
  return number;
}

}  // namespace iommucheck::spec
