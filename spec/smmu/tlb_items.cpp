// SPDX-License-Identifier: MIT
#include "spec/smmu/tlb_items.h"

#include <algorithm>

namespace iommucheck::spec {

/// The same item again: it could be filled until now.
bool TlbItems::renew(const Item& item) {
  for (u32 i = first(item.tag); i != 0; i = items_[i].next) {
    const Item& old = items_[i];
    if (old.kind != item.kind || old.va != item.va || old.level != item.level ||
        old.value != item.value || old.space != item.space || old.count != item.count ||
        old.shadow != item.shadow || old.hierarchical != item.hierarchical) {
      continue;
    }
    Item& again = items_.edit(trail_, i);
    again.since = item.since;
    again.vanished_at = item.vanished_at;
    // Of a global entry the newest store counts, of another the oldest: see Lookups::conflict().
    again.stored_at = not_global(item.value).value ? std::min(again.stored_at, item.stored_at)
                                                   : std::max(again.stored_at, item.stored_at);
    again.dies = std::max(again.dies, item.dies);
    return true;
  }
  return false;
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
  return index;
}

void TlbItems::split(u32 index, u64 first, u64 count) {
  const Item whole = items_[index];
  if (first == 0 && count == whole.count) return;
  if (first != 0) insert(whole.part(0, first));
  if (first + count != whole.count) {
    insert(whole.part(first + count, whole.count - first - count));
  }
  const u32 next = items_[index].next;
  Item& left = items_.edit(trail_, index);
  left = whole.part(first, count);
  left.next = next;
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
}

}  // namespace iommucheck::spec
