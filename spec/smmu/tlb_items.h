// SPDX-License-Identifier: MIT
// What TLBs and walk caches may hold and memory no longer says, by tag. Which entries come, and
// when they die, says Fills; here they are kept, run together and taken apart.
#pragma once

#include <deque>
#include <string>

#include "base/pool.h"
#include "spec/smmu/regimes.h"

namespace iommucheck::spec {

class TlbItems {
 public:
  explicit TlbItems(Trail& trail) : trail_(trail) {}

  /// Tags are numbered from 0: so many there are.
  void know_tags(u32 tags) {
    while (lists_.size() < tags) lists_.emplace_back();
  }

  [[nodiscard]] u64 count() const { return count_; }
  [[nodiscard]] u64 count(u32 tag) const { return lists_[tag].items; }
  [[nodiscard]] u64 pointers(u32 tag) const { return lists_[tag].pointers; }
  [[nodiscard]] const Item& operator[](u32 index) const { return items_[index]; }
  /// Number of the tag's newest item, from which Item::next leads to the others; 0: none.
  [[nodiscard]] u32 first(u32 tag) const { return static_cast<u32>(lists_[tag].first); }
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
  void set_dies(u32 index, Group group) { items_.edit(trail_, index).dies = group; }
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
  struct List {
    u64 first = 0;
    u64 items = 0;
    u64 pointers = 0;
  };
  /// True: nothing is left.
  template <class Removes, class Visit>
  bool drop_from(List& list, Removes&& removes, Visit&& visit) {
    u32 before = 0;
    for (u32 i = static_cast<u32>(list.first); i != 0;) {
      const Item item = items_[i];
      if (!removes(item)) {
        before = i;
      } else {
        remove_behind(before, i);
        visit(i, item);
        items_.release(trail_, i);
      }
      i = item.next;
    }
    return list.items == 0;
  }
  bool renew(const Item& item);
  bool extend(const Item& item);
  void remove_behind(u32 before, u32 index);

  Trail& trail_;
  TrailPool<Item> items_;
  std::deque<List> lists_;  // by tag
  TrailArray<u64> tags_;
  u64 count_ = 0;
};

/// The number of the regime; the lists of its tag are there from then on.
inline u32 intern(const Regime<u64>& regime, Regimes& regimes, TlbItems& items) {
  const u32 number = regimes.intern(regime);
  items.know_tags(regimes.tags());
  return number;
}

}  // namespace iommucheck::spec
