// SPDX-License-Identifier: MIT
// What TLBs and walk caches may hold and memory no longer says, by tag. Which entries come, and
// when they die, says Fills; here they are kept, run together and taken apart.
#pragma once

#include <algorithm>
#include <deque>
#include <string>

#include "base/inline_vector.h"
#include "spec/smmu/item_tree.h"
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
  /// visit(index) for the items of the tag that hold an address of [first, last], the newest first.
  /// A visit may insert items, which are not visited, and split the one it is about.
  template <class Visit>
  void for_each_in(u32 tag, u64 first, u64 last, Visit&& visit) const {
    const List& list = lists_[tag];
    if (list.tree == 0 || (first == 0 && last == ~u64{0})) {
      for (u32 i = static_cast<u32>(list.first); i != 0; i = items_[i].next) {
        if (items_[i].va <= last && items_[i].last() >= first) visit(i);
      }
      return;
    }
    Found found;
    tree_.for_each_in(static_cast<u32>(list.tree), first, last, [&](u32 i) { found.push_back(i); });
    const auto newer = [&](u32 a, u32 b) { return tree_.order(a) > tree_.order(b); };
    if (found.size() > 1) std::sort(found.begin(), found.end(), newer);
    for (const u32 i : found) visit(i);
  }
  /// Last address up to which the same items of the tag hold an address as hold `va`.
  [[nodiscard]] u64 constant_until(u32 tag, u64 va) const;
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
  /// So many of one tag are kept by address too, until half of them are gone.
  static constexpr u64 many = 32;
  using Found = InlineVector<u32, 16>;
  struct List {
    u64 first = 0;
    u64 items = 0;
    u64 pointers = 0;
    u64 tree = 0;    // its top; 0: there are few
    u64 orders = 0;  // that were given in it
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
  [[nodiscard]] u32 same_as(const Item& item) const;
  bool renew(const Item& item);
  bool extend(const Item& item);
  void remove_behind(u32 before, u32 index);
  void add_to_tree(List& list, u32 index);
  void plant(List& list);
  void remove_from_tree(List& list, u32 index);

  Trail& trail_;
  TrailPool<Item> items_;
  ItemTree tree_{trail_, items_};
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
