// SPDX-License-Identifier: MIT
// Items in lists, the newest first, over one pool. A list that is long is kept by address too, so
// that what is asked about an address costs no look at each of them.
#pragma once

#include <algorithm>
#include <string>

#include "base/inline_vector.h"
#include "spec/smmu/item_tree.h"

namespace iommucheck::spec {

/// `Of`: see ItemTree; it has a member `u32 next`. Who has items keeps the List of each of their
/// owners, and passes it.
template <class Of>
class ItemLists {
 public:
  /// So many of one list are kept by address too, until half of them are gone.
  static constexpr u64 many = 32;

  struct List {
    u64 first = 0;  ///< number of the newest item, from which Of::next leads to the others; 0: none
    u64 items = 0;
    u64 tree = 0;    ///< its top; 0: there are few
    u64 orders = 0;  ///< that were given in it
  };

  explicit ItemLists(Trail& trail) : trail_(trail) {}

  /// In all lists.
  [[nodiscard]] u64 count() const { return count_; }
  [[nodiscard]] const Of& operator[](u32 index) const { return items_[index]; }
  /// The item, saved, whose addresses and `next` stay as they are.
  Of& edit(u32 index) { return items_.edit(trail_, index); }

  /// visit(index) for all. A visit may insert items, which are not visited, and replace the one it
  /// is about.
  template <class Visit>
  void for_each(const List& list, Visit&& visit) const {
    for (u32 i = static_cast<u32>(list.first); i != 0; i = items_[i].next) visit(i);
  }
  /// The same for those that hold an address of [first, last].
  template <class Visit>
  void for_each_in(const List& list, u64 first, u64 last, Visit&& visit) const {
    if (list.tree == 0 || (first == 0 && last == ~u64{0})) {
      return for_each(list, [&](u32 i) {
        if (first_address(items_[i]) <= last && last_address(items_[i]) >= first) visit(i);
      });
    }
    Found found;
    tree_.for_each_in(top(list), first, last, [&](u32 i) { found.push_back(i); });
    const auto newer = [&](u32 a, u32 b) { return tree_.order(a) > tree_.order(b); };
    if (found.size() > 1) std::sort(found.begin(), found.end(), newer);
    for (const u32 i : found) visit(i);
  }
  /// The newest of those that hold the address for which is(const Of&) holds; 0: there is none.
  template <class Is>
  [[nodiscard]] u32 newest_at(const List& list, u64 address, Is&& is) const {
    if (list.tree == 0) {
      u32 i = static_cast<u32>(list.first);
      while (i != 0 && !(holds(i, address) && is(items_[i]))) i = items_[i].next;
      return i;
    }
    u32 found = 0;
    tree_.for_each_in(top(list), address, address, [&](u32 i) {
      if (!is(items_[i])) return;
      if (found == 0 || tree_.order(i) > tree_.order(found)) found = i;
    });
    return found;
  }
  /// Last address up to which the same items hold an address as hold `address`.
  [[nodiscard]] u64 constant_until(const List& list, u64 address) const {
    u64 last = ~u64{0};
    if (list.tree == 0) {
      for_each(list, [&](u32 i) {
        const u64 first = first_address(items_[i]);
        if (first > address) last = std::min(last, first - 1);
        if (holds(i, address)) last = std::min(last, last_address(items_[i]));
      });
      return last;
    }
    last = tree_.first_behind(top(list), address, 0) - 1;
    tree_.for_each_in(top(list), address, address,
                      [&](u32 i) { last = std::min(last, last_address(items_[i])); });
    return last;
  }

  /// The number of the new item.
  u32 insert(List& list, const Of& item) {
    Of entry = item;
    entry.next = static_cast<u32>(list.first);
    const u32 index = items_.allocate(trail_, entry);
    trail_.set(list.first, u64{index});
    trail_.set(list.items, list.items + 1);
    trail_.set(count_, count_ + 1);
    if (list.tree != 0) {
      add_to_tree(list, index);
    } else if (list.items >= many) {
      plant(list);
    }
    return index;
  }
  /// An item of the list has got a new last address, set by `edit`.
  void extended(List& list, u32 index) {
    if (list.tree != 0) tree_.touch(top(list), index);
  }
  /// The item is this from now on, at the same place of the list.
  void replace(List& list, u32 index, const Of& item) {
    const bool moves = list.tree != 0 && (first_address(item) != first_address(items_[index]) ||
                                          last_address(item) != last_address(items_[index]));
    const u32 others = moves ? tree_.remove(top(list), index) : 0;
    Of& place = edit(index);
    const u32 next = place.next;
    place = item;
    place.next = next;
    if (moves) trail_.set(list.tree, u64{tree_.add(others, index, tree_.order(index))});
  }
  /// Removes those for which gone(const Of&) holds; visit(index, const Of&) for each, while its
  /// number is not yet another's.
  template <class Gone, class Visit>
  void drop(List& list, Gone&& gone, Visit&& visit) {
    u32 before = 0;
    for (u32 i = static_cast<u32>(list.first); i != 0;) {
      const Of item = items_[i];
      if (!gone(item)) {
        before = i;
      } else {
        remove_behind(list, before, i);
        visit(i, item);
        items_.release(trail_, i);
      }
      i = item.next;
    }
  }

  /// What must hold of a list, recounted; each(index): what else is wrong with an item. The first
  /// disagreement, or nothing.
  template <class Each>
  [[nodiscard]] std::string consistent(const List& list, Each&& each) const {
    u64 items = 0;
    for (u32 i = static_cast<u32>(list.first); i != 0; i = items_[i].next) {
      if (++items > items_.bound()) return "the items form a circle";
      if (std::string wrong = each(i); !wrong.empty()) return wrong;
    }
    if (items != list.items) {
      return std::to_string(items) + " items, counted " + std::to_string(list.items);
    }
    if (list.tree == 0) return items >= many ? "items without a tree" : "";
    return tree_.consistent(top(list), items);
  }
  /// The same of the pool, of whose items `all` are in lists.
  [[nodiscard]] std::string consistent(u64 all) const {
    if (all != count_) return "items in lists are " + std::to_string(all) + ", not as counted";
    const bool whole = items_.bound() == 0 || all + items_.released() + 1 == items_.bound();
    return whole ? "" : "an item is neither in a list nor free";
  }

 private:
  using Found = InlineVector<u32, 16>;

  static u32 top(const List& list) { return static_cast<u32>(list.tree); }

  [[nodiscard]] bool holds(u32 index, u64 address) const {
    return first_address(items_[index]) <= address && last_address(items_[index]) >= address;
  }
  void add_to_tree(List& list, u32 index) {
    trail_.set(list.orders, list.orders + 1);
    trail_.set(list.tree, u64{tree_.add(top(list), index, list.orders)});
  }
  void plant(List& list) {
    Found found;
    for_each(list, [&](u32 i) { found.push_back(i); });
    for (std::size_t k = found.size(); k != 0; --k) add_to_tree(list, found[k - 1]);
  }
  /// Item `index` follows `before` in the list, or is the first of it.
  void remove_behind(List& list, u32 before, u32 index) {
    const u32 next = items_[index].next;
    if (before == 0) {
      trail_.set(list.first, u64{next});
    } else {
      edit(before).next = next;
    }
    trail_.set(list.items, list.items - 1);
    trail_.set(count_, count_ - 1);
    if (list.tree == 0) return;
    const bool few = list.items < many / 2;
    trail_.set(list.tree, few ? u64{0} : u64{tree_.remove(top(list), index)});
  }

  Trail& trail_;
  TrailPool<Of> items_;
  ItemTree<Of> tree_{trail_, items_};
  u64 count_ = 0;
};

}  // namespace iommucheck::spec
