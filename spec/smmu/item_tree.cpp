// SPDX-License-Identifier: MIT
#include "spec/smmu/item_tree.h"

#include <algorithm>

namespace iommucheck::spec {

bool ItemTree::is_before(u32 a, u32 b) const {
  return items_[a].va != items_[b].va ? items_[a].va < items_[b].va : a < b;
}

/// As if by chance, whatever the order in which items come: then the tree is low.
bool ItemTree::is_above(u32 a, u32 b) {
  const auto rank = [](u32 item) { return static_cast<u32>(item * u64{0x9e3779b97f4a7c15} >> 32); };
  return rank(a) != rank(b) ? rank(a) > rank(b) : a > b;
}

u64 ItemTree::last_of(u32 item, u32 left, u32 right) const {
  u64 last = items_[item].last();
  if (left != 0) last = std::max(last, places_[left].last);
  if (right != 0) last = std::max(last, places_[right].last);
  return last;
}

void ItemTree::place(u32 item, u32 left, u32 right) {
  const u64 last = last_of(item, left, right);
  const Place& is = places_[item];
  if (is.left == left && is.right == right && is.last == last) return;
  places_.edit(trail_, item) = {.left = left, .right = right, .last = last, .order = is.order};
}

/// Those before and those behind the item.
std::pair<u32, u32> ItemTree::cut(u32 top, u32 item) {
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

u32 ItemTree::add(u32 top, u32 item, u64 order) {
  while (places_.size() <= item) places_.push(trail_, {});
  places_.edit(trail_, item) = {.last = items_[item].last(), .order = order};
  return add_below(top, item);
}

u32 ItemTree::add_below(u32 top, u32 item) {
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

u32 ItemTree::join(u32 left, u32 right) {
  if (left == 0 || right == 0) return left + right;
  if (is_above(left, right)) {
    place(left, places_[left].left, join(places_[left].right, right));
    return left;
  }
  place(right, join(left, places_[right].left), places_[right].right);
  return right;
}

u32 ItemTree::remove(u32 top, u32 item) {
  const auto [left, right, last, order] = places_[top];
  if (top == item) return join(left, right);
  if (is_before(item, top)) {
    place(top, remove(left, item), right);
  } else {
    place(top, left, remove(right, item));
  }
  return top;
}

void ItemTree::touch(u32 top, u32 item) {
  const auto [left, right, last, order] = places_[top];
  if (top != item) touch(is_before(item, top) ? left : right, item);
  place(top, left, right);
}

u64 ItemTree::first_behind(u32 top, u64 va, u64 none) const {
  u64 first = none;
  while (top != 0) {
    const bool behind = items_[top].va > va;
    if (behind) first = items_[top].va;
    top = behind ? places_[top].left : places_[top].right;
  }
  return first;
}

}  // namespace iommucheck::spec
