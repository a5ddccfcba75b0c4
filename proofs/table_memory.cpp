// SPDX-License-Identifier: MIT
#include "proofs/table_memory.h"

#include <algorithm>

namespace iommucheck::proofs {

TableMemory::TableMemory(u64 words)
    : words_(words),
      now_(words + widest_table, rubbish),
      before_(now_),
      newest_(now_.size(), none) {}

void TableMemory::clear() {
  undo();
  std::fill_n(now_.begin(), used_, rubbish);
  std::fill_n(before_.begin(), used_, rubbish);
  used_ = settled_ = 0;
}

u64 TableMemory::take(u64 bytes) {
  const u64 size = bytes / 8;
  const u64 at = (used_ + size - 1) / size * size;
  if (at + size > words_) return 0;
  used_ = at + size;
  return first + 8 * at;
}

u64 TableMemory::place_table(u64 bytes) {
  const u64 pa = take(bytes);
  std::fill_n(now_.begin() + static_cast<std::ptrdiff_t>(index(pa)), bytes / 8, 0);
  return pa;
}

void TableMemory::settle() {
  std::copy_n(now_.begin(), used_, before_.begin());
  for (const Pending& one : pending_) newest_[one.at] = none;
  pending_.clear();
  stores_.clear();
  settled_ = used_;
  allocations_ = 0;
}

void TableMemory::undo() {
  for (const Store& one : stores_) {
    now_[index(one.pa)] = before_[index(one.pa)];
    newest_[index(one.pa)] = none;
  }
  pending_.clear();
  stores_.clear();
  used_ = settled_;
  allocations_ = 0;
  strayed_ = false;
}

std::optional<u64> TableMemory::version(u64 pa, unsigned n) const {
  u64 word = now_[index(pa)];
  u32 at = newest_[index(pa)];
  for (; n != 0; --n) {
    if (at == none) return std::nullopt;
    word = pending_[at].was;
    at = pending_[at].older;
  }
  return word;
}

u64 TableMemory::allocate(u64 bytes) {
  if (memory_for && allocations_ == *memory_for) return 0;
  ++allocations_;
  return take(bytes);
}

const u64* TableMemory::words(u64 pa) const {
  static constexpr std::array<u64, 2 * widest_table> nothing{};
  if (has(pa)) return &now_[index(pa)];
  strayed_ = true;
  return nothing.data();
}

void TableMemory::store(u64 pa, u64 word) {
  if (!has(pa)) {
    strayed_ = true;
    return;
  }
  u64& place = now_[index(pa)];
  stores_.push_back({pa, place, word});
  add_pending(index(pa), place, false);
  place = word;
}

void TableMemory::add_pending(u64 at, u64 was, bool cleaned) {
  pending_.push_back({at, was, newest_[at], cleaned});
  newest_[at] = static_cast<u32>(pending_.size() - 1);
}

void TableMemory::clean(u64 pa, u64 bytes) {
  if (!has(pa)) return;
  for (u64 at = index(pa); at < index(pa) + bytes / 8; ++at) {
    for (u32 one = newest_[at]; one != none; one = pending_[one].older) {
      pending_[one].cleaned = true;
    }
  }
}

void TableMemory::barrier() {
  if (on_barrier) on_barrier();
  const std::vector<Pending> were = std::move(pending_);
  pending_.clear();
  for (const Pending& one : were) newest_[one.at] = none;
  // Those of a word that are cleaned are its first ones.
  for (const Pending& one : were) {
    if (!one.cleaned) add_pending(one.at, one.was, false);
  }
}

}  // namespace iommucheck::proofs
