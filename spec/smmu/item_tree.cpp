// SPDX-License-Identifier: MIT
#include "spec/smmu/item_tree.h"

#include <algorithm>

namespace iommucheck::spec {

template <class Of>
bool ItemTree<Of>::is_before(u32 a, u32 b) const {
  return first_address(items_[a]) != first_address(items_[b])
             ? first_address(items_[a]) < first_address(items_[b])
             : a < b;
}

/// As if by chance, whatever the order in which items come: then the tree is low.
template <class Of>
bool ItemTree<Of>::is_above(u32 a, u32 b) {
  const auto rank = [](u32 item) { return static_cast<u32>(item * u64{0x9e3779b97f4a7c15} >> 32); };
  return rank(a) != rank(b) ? rank(a) > rank(b) : a > b;
}

template <class Of>
u64 ItemTree<Of>::last_of(u32 item, u32 left, u32 right) const {
  u64 last = last_address(items_[item]);
  if (left != 0) last = std::max(last, places_[left].last);
  if (right != 0) last = std::max(last, places_[right].last);
  return last;
}

template <class Of>
void ItemTree<Of>::place(u32 item, u32 left, u32 right) {
  const u64 last = last_of(item, left, right);
  const Place& is = places_[item];
  if (is.left == left && is.right == right && is.last == last) return;
  places_.edit(trail_, item) = {.left = left, .right = right, .last = last, .order = is.order};
}

/// Those before and those behind the item.
template <class Of>
std::pair<u32, u32> ItemTree<Of>::cut(u32 top, u32 item) {
  if (top == 0) return {0, 0};
  const auto [left, right, last, order] = places_[top];
  if (is_before(top, item)) {
    const auto [before, behind] = cut(right, item);
    place(top, left, before);
    return {top, behind};
  }
  const auto [before, behind] = cut(left, item);
  place(top, behind, right);
  return {before, top};
}

template <class Of>
u32 ItemTree<Of>::add(u32 top, u32 item, u64 order) {
  while (places_.size() <= item) places_.push(trail_, {});
  places_.edit(trail_, item) = {.last = last_address(items_[item]), .order = order};
  return add_below(top, item);
}

template <class Of>
u32 ItemTree<Of>::add_below(u32 top, u32 item) {
  if (top == 0) return item;
  if (is_above(item, top)) {
    const auto [before, behind] = cut(top, item);
    place(item, before, behind);
    return item;
  }
  const auto [left, right, last, order] = places_[top];
  if (is_before(item, top)) {
    place(top, add_below(left, item), right);
  } else {
    place(top, left, add_below(right, item));
  }
  return top;
}

template <class Of>
u32 ItemTree<Of>::join(u32 left, u32 right) {
  if (left == 0 || right == 0) return left + right;
  if (is_above(left, right)) {
    place(left, places_[left].left, join(places_[left].right, right));
    return left;
  }
  place(right, join(left, places_[right].left), places_[right].right);
  return right;
}

template <class Of>
u32 ItemTree<Of>::remove(u32 top, u32 item) {
  const auto [left, right, last, order] = places_[top];
  if (top == item) return join(left, right);
  if (is_before(item, top)) {
    place(top, remove(left, item), right);
  } else {
    place(top, left, remove(right, item));
  }
  return top;
}

template <class Of>
void ItemTree<Of>::touch(u32 top, u32 item) {
  const auto [left, right, last, order] = places_[top];
  if (top != item) touch(is_before(item, top) ? left : right, item);
  place(top, left, right);
}

template <class Of>
u64 ItemTree<Of>::first_behind(u32 top, u64 va, u64 none) const {
  u64 first = none;
  while (top != 0) {
    const bool behind = first_address(items_[top]) > va;
    if (behind) first = first_address(items_[top]);
    top = behind ? places_[top].left : places_[top].right;
  }
  return first;
}

/// By address, those above as is_above() has it; each knows the last address of those below it.
template <class Of>
std::string ItemTree<Of>::recount(u32 top, u64& items, u32& before) const {
  if (top == 0) return {};
  if (items++ > items_.bound()) return "a tree of items has a circle";
  const Place& place = places_[top];
  for (const u32 below : {place.left, place.right}) {
    if (below != 0 && !is_above(top, below)) return "an item is not below the one above it";
  }
  if (auto wrong = recount(place.left, items, before); !wrong.empty()) return wrong;
  if (before != 0 && !is_before(before, top)) return "items are not in order";
  before = top;
  if (last_of(top, place.left, place.right) != place.last) {
    return "the last address of items in a tree is another";
  }
  return recount(place.right, items, before);
}

template <class Of>
std::string ItemTree<Of>::consistent(u32 top, u64 items) const {
  u64 counted = 0;
  u32 before = 0;
  if (auto wrong = recount(top, counted, before); !wrong.empty()) return wrong;
  return counted == items ? "" : "a tree has more or fewer items than its list";
}

template class ItemTree<Item>;
template class ItemTree<AtcItem>;

}  // namespace iommucheck::spec
