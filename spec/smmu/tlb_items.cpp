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
  return items_.newest_at(lists_[item.tag], item.va, same);
}

/// The same item again: it could be filled until now.
bool TlbItems::renew(const Item& item) {
  const u32 i = same_as(item);
  if (i == 0) return false;
  Item& again = items_.edit(i);
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
  ++items_.edit(newest).count;
  items_.extended(lists_[item.tag], newest);
  return true;
}

u32 TlbItems::insert(const Item& item) {
  List& list = lists_[item.tag];
  if (list.items == 0) tags_.push(trail_, item.tag);
  if (item.kind == ItemKind::pointer) trail_.set(list.pointers, list.pointers + 1);
  return items_.insert(list, item);
}

void TlbItems::split(u32 index, u64 first, u64 count) {
  const Item whole = items_[index];
  if (first == 0 && count == whole.count) return;
  if (first != 0) insert(whole.part(0, first));
  if (first + count != whole.count) {
    insert(whole.part(first + count, whole.count - first - count));
  }
  items_.replace(lists_[whole.tag], index, whole.part(first, count));
}

}  // namespace iommucheck::spec
