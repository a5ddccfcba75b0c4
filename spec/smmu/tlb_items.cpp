// SPDX-License-Identifier: MIT
#include "spec/smmu/tlb_items.h"

#include <algorithm>

namespace iommucheck::spec {

/// The newest that was filled from the same and reaches as far; 0: there is none.
u32 TlbItems::same_as(const Item& item) const {
  const auto same = [&](const Item& old) {
    return old.kind == item.kind && old.va == item.va && old.level == item.level &&
           old.value == item.value && old.space == item.space && old.count == item.count &&
           old.shadow == item.shadow && old.hierarchical == item.hierarchical;
  };
  const List& list = lists_[item.tag];
  if (list.tree == 0) {
    u32 i = static_cast<u32>(list.first);
    while (i != 0 && !same(items_[i])) i = items_[i].next;
    return i;
  }
  u32 found = 0;
  tree_.for_each_in(static_cast<u32>(list.tree), item.va, item.va, [&](u32 i) {
    if (!same(items_[i])) return;
    if (found == 0 || tree_.order(i) > tree_.order(found)) found = i;
  });
  return found;
}

/// The same item again: it could be filled until now.
bool TlbItems::renew(const Item& item) {
  const u32 i = same_as(item);
  if (i == 0) return false;
  Item& again = items_.edit(trail_, i);
  again.since = item.since;
  again.vanished_at = item.vanished_at;
  // Of a global entry the newest store counts, of another the oldest: see Lookups::conflict().
  again.stored_at = not_global(item.value).value ? std::min(again.stored_at, item.stored_at)
                                                 : std::max(again.stored_at, item.stored_at);
  again.dies = std::max(again.dies, item.dies);
  return true;
}

/// The entry after those of the newest item: one item more is not needed.
bool TlbItems::extend(const Item& item) {
  const u32 newest = first(item.tag);
  if (newest == 0 || item.kind != ItemKind::final || item.count != 1) return false;
  const Item& before = items_[newest];
  const Item next = before.part(before.count, 1);
  if (before.kind != item.kind || next.va != item.va || next.value != item.value ||
      before.level != item.level || before.space != item.space || before.shadow != item.shadow ||
      before.hierarchical != item.hierarchical || before.dies != item.dies ||
      before.vanished_at != item.vanished_at || next.origin != item.origin) {
    return false;
  }
  ++items_.edit(trail_, newest).count;
  const u64 tree = lists_[item.tag].tree;
  if (tree != 0) tree_.touch(static_cast<u32>(tree), newest);
  return true;
}

u32 TlbItems::insert(const Item& item) {
  List& list = lists_[item.tag];
  Item entry = item;
  entry.next = static_cast<u32>(list.first);
  const u32 index = items_.allocate(trail_, entry);
  if (list.items == 0) tags_.push(trail_, item.tag);
  trail_.set(list.first, index);
  trail_.set(list.items, list.items + 1);
  trail_.set(count_, count_ + 1);
  if (item.kind == ItemKind::pointer) trail_.set(list.pointers, list.pointers + 1);
  if (list.tree != 0) {
    add_to_tree(list, index);
  } else if (list.items >= many) {
    plant(list);
  }
  return index;
}

void TlbItems::add_to_tree(List& list, u32 index) {
  trail_.set(list.orders, list.orders + 1);
  trail_.set(list.tree, tree_.add(static_cast<u32>(list.tree), index, list.orders));
}

void TlbItems::plant(List& list) {
  Found found;
  for (u32 i = static_cast<u32>(list.first); i != 0; i = items_[i].next) found.push_back(i);
  for (std::size_t k = found.size(); k != 0; --k) add_to_tree(list, found[k - 1]);
}

void TlbItems::remove_from_tree(List& list, u32 index) {
  const bool few = list.items < many / 2;
  trail_.set(list.tree, few ? 0 : tree_.remove(static_cast<u32>(list.tree), index));
}

void TlbItems::split(u32 index, u64 first, u64 count) {
  const Item whole = items_[index];
  if (first == 0 && count == whole.count) return;
  if (first != 0) insert(whole.part(0, first));
  if (first + count != whole.count) {
    insert(whole.part(first + count, whole.count - first - count));
  }
  const u32 next = items_[index].next;
  List& list = lists_[whole.tag];
  u32 top = static_cast<u32>(list.tree);
  if (top != 0) top = tree_.remove(top, index);
  Item& left = items_.edit(trail_, index);
  left = whole.part(first, count);
  left.next = next;
  if (list.tree != 0) trail_.set(list.tree, tree_.add(top, index, tree_.order(index)));
}

/// Item `index` follows `before` in the list of its tag, or is the first of it.
void TlbItems::remove_behind(u32 before, u32 index) {
  const Item& item = items_[index];
  List& list = lists_[item.tag];
  if (before == 0) {
    trail_.set(list.first, item.next);
  } else {
    items_.edit(trail_, before).next = item.next;
  }
  if (item.kind == ItemKind::pointer) trail_.set(list.pointers, list.pointers - 1);
  trail_.set(list.items, list.items - 1);
  trail_.set(count_, count_ - 1);
  if (list.tree != 0) remove_from_tree(list, index);
}

u64 TlbItems::constant_until(u32 tag, u64 va) const {
  u64 last = ~u64{0};
  const List& list = lists_[tag];
  for (u32 i = list.tree == 0 ? first(tag) : 0; i != 0; i = items_[i].next) {
    const Item& item = items_[i];
    if (item.va > va) last = std::min(last, item.va - 1);
    if (item.va <= va && item.holds(va)) last = std::min(last, item.last());
  }
  if (list.tree == 0) return last;
  const u32 top = static_cast<u32>(list.tree);
  last = tree_.first_behind(top, va, 0) - 1;
  tree_.for_each_in(top, va, va, [&](u32 i) { last = std::min(last, items_[i].last()); });
  return last;
}

}  // namespace iommucheck::spec
