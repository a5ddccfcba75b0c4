// SPDX-License-Identifier: MIT
// A radix table in memory that an IOMMU may be walking: the verbs are map, unmap and detach.
//
// One algorithm for every format: what an entry looks like, how many a table of each level has, and
// where leaves may stand is the Format's (impl/vmsav8/format.h); whose memory it is, the Platform's
// (impl/platform/platform.h). Nothing here allocates but tables, and nothing throws.
//
// This library knows nothing of TLBs. It never frees a page that hardware may still point to:
// a table that leaves the tree is handed to the caller, who frees it (free_subtree) after an
// invalidation that covers it, pointers included, has completed. For the same reason a block is
// never split and a valid entry never overwritten: 0 -> valid and valid -> 0 are the only changes,
// so that break-before-make never arises (DDI 0487 D8.14, arch 7.4). Who visits leaves may change
// their permissions, which needs no break.
//
// Stores are visible to the IOMMU only after the caller's next barrier or ordered register write.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>

#include "base/types.h"
#include "impl/pgtable/progress.h"

namespace iommucheck::impl {

/// What a format says. Entries are 64-bit words, 0 is never valid; levels count from 0 down to
/// last_level, whose entries are leaves of the smallest page.
template <class F>
concept TableFormat = requires(u64 word, unsigned level) {
  { F::last_level } -> std::convertible_to<unsigned>;
  { F::level_shift(level) } -> std::same_as<unsigned>;  // log2 of what an entry covers
  { F::index_lg2(level) } -> std::same_as<unsigned>;    // log2 of the entries of a table
  { F::start_level(level) } -> std::same_as<unsigned>;  // of a space of so many input bits
  {
    F::table_lg2(level, level)
  } -> std::same_as<unsigned>;  // as index_lg2; of a root, what is used
  { F::table_index(word, level, level) } -> std::same_as<u64>;  // of an address, in so many bits
  { F::entry_address(word, word, level, level) } -> std::same_as<u64>;  // in a table
  { F::leaf_offset(word, level) } -> std::same_as<u64>;
  { F::block_at(level) } -> std::same_as<bool>;  // a leaf may stand above the last level
  { F::is_valid(word) } -> std::same_as<bool>;
  { F::is_table(word, level) } -> std::same_as<bool>;
  { F::address(word) } -> std::same_as<u64>;  // of the next table, or a leaf's output
  { F::make_table(word) } -> std::same_as<u64>;
  { F::make_leaf(word, word, level) } -> std::same_as<u64>;  // output, attributes
};

template <class P>
concept TablePlatform = requires(const P& p, u64 pa, u64 n) {
  { p.table_alloc(n) } -> std::same_as<u64>;
  p.table_free(pa, n);
  { p.words(pa) } -> std::same_as<const u64*>;
  p.store64(pa, n);
  p.fill64(pa, n, n);
  p.clean(pa, n);
  p.barrier();
};

/// The arithmetic that follows from a format's few numbers.
template <TableFormat Format>
struct TableLayout {
  static constexpr unsigned entry_lg2 = 3;
  static constexpr unsigned last_level = Format::last_level;
  static constexpr unsigned page_lg2 = Format::level_shift(last_level);
  static constexpr u64 page_bytes = u64{1} << page_lg2;
  static constexpr u64 level_bytes(unsigned level) { return u64{1} << Format::level_shift(level); }
  static constexpr u64 entries(unsigned level) { return u64{1} << Format::index_lg2(level); }
  static constexpr u64 table_bytes(unsigned level) { return entries(level) << entry_lg2; }
  static constexpr u64 leaf_offset(u64 iova, unsigned level) {
    return Format::leaf_offset(iova, level);
  }
};

template <TableFormat Format, TablePlatform Platform>
class PageTable {
 public:
  using Layout = TableLayout<Format>;

  /// Tables of the last level that left a tree and wait for their invalidation. When there is no
  /// room tables stay in the tree, empty.
  class Retired {
   public:
    static constexpr u32 capacity = 16;
    bool full() const { return count_ == capacity; }
    bool empty() const { return count_ == 0; }
    void push(u64 pa) { pages_[count_++] = pa; }
    /// To be called when no cache can hold a pointer to them any more.
    void free_all(const Platform& platform) {
      while (count_ > 0) platform.table_free(pages_[--count_], Layout::table_bytes(last_level));
    }

   private:
    std::array<u64, capacity> pages_{};
    u32 count_ = 0;
  };

  /// Allocates an empty root for addresses of `input_bits`. False: no memory.
  bool create(const Platform& platform, unsigned input_bits) {
    return create(platform, input_bits, Format::start_level(input_bits));
  }
  /// At that level, where it may be several tables one behind the other.
  bool create(const Platform& platform, unsigned input_bits, unsigned start_level) {
    input_bits_ = input_bits;
    start_level_ = start_level;
    root_lg2_ = Format::table_lg2(start_level, input_bits);
    root_ = new_table(platform, allocated_lg2());
    return root_ != 0;
  }
  /// Frees every table. Nothing may reach the root any more, in memory or in caches.
  void destroy(const Platform& platform) {
    if (root_ != 0) free_tables(platform, root_, start_level_, allocated_lg2());
    root_ = 0;
  }

  u64 root() const { return root_; }
  unsigned input_bits() const { return input_bits_; }

  /// Maps multiples of the smallest page within the input range, with blocks where iova, pa and
  /// what is left allow it; `attributes` are the format's. What was mapped before the stop stays
  /// mapped: the caller unmaps it.
  MapProgress map(const Platform& platform, u64 iova, u64 pa, u64 bytes, u64 attributes) {
    u64 done = 0;
    while (done < bytes) {
      const MapProgress step = map_step(platform, iova + done, pa + done, bytes - done, attributes);
      done += step.bytes;
      if (step.stop != MapStop::done) return {done, step.stop};
    }
    return {done, MapStop::done};
  }

  /// Clears leaves from `iova` on until `bytes` are done, a hole, or a block of which only a part
  /// is asked for. Tables of the last level that this empties go to `retired`.
  UnmapProgress unmap(const Platform& platform, u64 iova, u64 bytes, Retired& retired) {
    UnmapProgress total;
    while (total.bytes < bytes) {
      const UnmapProgress step =
          unmap_step(platform, iova + total.bytes, bytes - total.bytes, retired);
      if (step.bytes == 0) break;
      total.bytes += step.bytes;
      total.leaf_levels |= step.leaf_levels;
      total.tables_left |= step.tables_left;
    }
    return total;
  }

  /// Takes out the empty table that made map() stop at `iova` with table_in_the_way.
  Detached detach(const Platform& platform, u64 iova, u64 pa, u64 bytes) {
    u64 table = root_;
    unsigned level = start_level_;
    while (!block_fits(level, iova, pa, bytes)) {
      table = Format::address(*platform.words(slot_of(table, iova, level)));
      ++level;
    }
    const u64 slot = slot_of(table, iova, level);
    const u64 word = *platform.words(slot);
    store(platform, slot, 0);
    return {Format::address(word), level + 1, slot, iova, iova + Layout::level_bytes(level)};
  }
  /// Hangs it back: a pointer over the same pointer conflicts with nothing.
  static void attach(const Platform& platform, const Detached& detached) {
    store(platform, detached.slot, Format::make_table(detached.table));
  }
  static void free_subtree(const Platform& platform, u64 table, unsigned level) {
    free_tables(platform, table, level, Format::index_lg2(level));
  }

  /// visit(slot, level, first) for each leaf of which [first, last] has a part, by its first
  /// address.
  template <class Visit>
  void for_each_leaf(const Platform& platform, u64 first, u64 last, Visit visit) const {
    visit_leaves(platform, root_, start_level_, first, last, visit);
  }

  /// Output address of `iova`, 0 if it is not mapped or out of range.
  u64 translate(const Platform& platform, u64 iova) const {
    if ((iova >> input_bits_) != 0) return 0;
    u64 table = root_;
    for (unsigned level = start_level_;; ++level) {
      const u64 word = *platform.words(slot_of(table, iova, level));
      if (!Format::is_valid(word)) return 0;
      if (!Format::is_table(word, level)) {
        return Format::address(word) | Layout::leaf_offset(iova, level);
      }
      table = Format::address(word);
    }
  }

 private:
  static constexpr unsigned last_level = Format::last_level;
  static constexpr u64 last_entries = Layout::entries(last_level);
  static constexpr u64 entry_bytes = u64{1} << Layout::entry_lg2;

  u64 slot_of(u64 table, u64 iova, unsigned level) const {
    const unsigned lg2 = level == start_level_ ? root_lg2_ : Format::index_lg2(level);
    return Format::entry_address(table, iova, level, lg2);
  }
  /// Of the entries of a table of the last level.
  unsigned last_lg2() const {
    return start_level_ == last_level ? root_lg2_ : Format::index_lg2(last_level);
  }
  /// Of the memory of the root.
  unsigned allocated_lg2() const { return std::max(root_lg2_, Format::index_lg2(start_level_)); }

  /// Levels bound the recursion.
  static void free_tables(const Platform& platform, u64 table, unsigned level, unsigned lg2) {
    const u64* words = platform.words(table);
    const u64 entries = u64{1} << lg2;
    if (level != last_level) {
      for (u64 i = 0; i < entries; ++i) {
        if (!Format::is_table(words[i], level)) continue;
        free_subtree(platform, Format::address(words[i]), level + 1);
      }
    }
    platform.table_free(table, entries << Layout::entry_lg2);
  }

  /// Levels bound the recursion.
  template <class Visit>
  void visit_leaves(const Platform& platform, u64 table, unsigned level, u64 first, u64 last,
                    Visit& visit) const {
    const u64 below = Layout::level_bytes(level) - 1;
    for (u64 at = first;; at = (at | below) + 1) {
      const u64 slot = slot_of(table, at, level);
      const u64 word = *platform.words(slot);
      if (Format::is_table(word, level)) {
        visit_leaves(platform, Format::address(word), level + 1, at, std::min(at | below, last),
                     visit);
      } else if (Format::is_valid(word)) {
        visit(slot, level, at & ~below);
      }
      if ((at | below) >= last) return;
    }
  }

  /// A table of invalid entries that may be linked at once: its zeros are visible first.
  static u64 new_table(const Platform& platform, unsigned lg2) {
    const u64 entries = u64{1} << lg2;
    const u64 pa = platform.table_alloc(entries << Layout::entry_lg2);
    if (pa == 0) return 0;
    platform.fill64(pa, entries, 0);
    platform.clean(pa, entries << Layout::entry_lg2);
    platform.barrier();
    return pa;
  }

  /// One entry; visible at the caller's next barrier.
  static void store(const Platform& platform, u64 entry_pa, u64 word) {
    platform.store64(entry_pa, word);
    platform.clean(entry_pa, entry_bytes);
  }

  /// Whether a block of `level` may stand at iova -> pa with `bytes` to map.
  static bool block_fits(unsigned level, u64 iova, u64 pa, u64 bytes) {
    if (level == last_level || !Format::block_at(level)) return false;
    return Layout::leaf_offset(iova | pa, level) == 0 && bytes >= Layout::level_bytes(level);
  }

  /// No leaf anywhere below. Levels bound the recursion.
  static bool subtree_empty(const Platform& platform, u64 table, unsigned level) {
    const u64* words = platform.words(table);
    return std::all_of(words, words + Layout::entries(level), [&](u64 word) {
      if (!Format::is_valid(word)) return true;
      return Format::is_table(word, level) &&
             subtree_empty(platform, Format::address(word), level + 1);
    });
  }

  /// How many of the `limit` entries from `words` on are valid, up to the first that is not.
  static u64 valid_run(const u64* words, u64 limit) {
    u64 count = 0;
    while (count < limit && Format::is_valid(words[count])) ++count;
    return count;
  }

  MapProgress map_step(const Platform& platform, u64 iova, u64 pa, u64 bytes, u64 attributes);
  static MapProgress map_pages(const Platform& platform, u64 table, unsigned lg2, u64 iova, u64 pa,
                               u64 bytes, u64 attributes);
  UnmapProgress unmap_step(const Platform& platform, u64 iova, u64 bytes, Retired& retired);
  static UnmapProgress unmap_pages(const Platform& platform, u64 table, unsigned lg2,
                                   u64 parent_slot, u64 iova, u64 bytes, Retired& retired);

  u64 root_ = 0;
  unsigned input_bits_ = 0;
  unsigned start_level_ = 0;
  unsigned root_lg2_ = 0;  // of the entries of the root that are used
};

template <TableFormat Format, TablePlatform Platform>
MapProgress PageTable<Format, Platform>::map_step(const Platform& platform, u64 iova, u64 pa,
                                                  u64 bytes, u64 attributes) {
  u64 table = root_;
  for (unsigned level = start_level_; level != last_level; ++level) {
    const u64 slot = slot_of(table, iova, level);
    const u64 word = *platform.words(slot);
    const bool block = block_fits(level, iova, pa, bytes);
    if (!Format::is_valid(word)) {
      if (block) {
        store(platform, slot, Format::make_leaf(pa, attributes, level));
        return {Layout::level_bytes(level), MapStop::done};
      }
      const u64 next = new_table(platform, Format::index_lg2(level + 1));
      if (next == 0) return {0, MapStop::no_memory};
      store(platform, slot, Format::make_table(next));
      table = next;
      continue;
    }
    if (!Format::is_table(word, level)) return {0, MapStop::exists};
    if (block) {
      const bool empty = subtree_empty(platform, Format::address(word), level + 1);
      return {0, empty ? MapStop::table_in_the_way : MapStop::exists};
    }
    table = Format::address(word);
  }
  return map_pages(platform, table, last_lg2(), iova, pa, bytes, attributes);
}

/// Pages in a row within one table of the last level.
template <TableFormat Format, TablePlatform Platform>
MapProgress PageTable<Format, Platform>::map_pages(const Platform& platform, u64 table,
                                                   unsigned lg2, u64 iova, u64 pa, u64 bytes,
                                                   u64 attributes) {
  const u64 first = Format::table_index(iova, last_level, lg2);
  const u64 count = std::min<u64>(bytes >> Layout::page_lg2, (u64{1} << lg2) - first);
  const u64* words = platform.words(table) + first;
  const u64 slots = table + (first << Layout::entry_lg2);
  u64 n = 0;
  MapStop stop = MapStop::done;
  for (; n < count; ++n) {
    if (Format::is_valid(words[n])) {
      stop = MapStop::exists;
      break;
    }
    platform.store64(slots + (n << Layout::entry_lg2),
                     Format::make_leaf(pa + (n << Layout::page_lg2), attributes, last_level));
  }
  platform.clean(slots, n << Layout::entry_lg2);
  return {n << Layout::page_lg2, stop};
}

template <TableFormat Format, TablePlatform Platform>
UnmapProgress PageTable<Format, Platform>::unmap_step(const Platform& platform, u64 iova, u64 bytes,
                                                      Retired& retired) {
  u64 table = root_;
  u64 parent_slot = 0;
  for (unsigned level = start_level_; level != last_level; ++level) {
    const u64 slot = slot_of(table, iova, level);
    const u64 word = *platform.words(slot);
    if (Format::is_table(word, level)) {
      parent_slot = slot;
      table = Format::address(word);
      continue;
    }
    const bool whole = Layout::leaf_offset(iova, level) == 0 && bytes >= Layout::level_bytes(level);
    if (!Format::is_valid(word) || !whole) return {};
    store(platform, slot, 0);
    return {Layout::level_bytes(level), level_bit(level), false};
  }
  return unmap_pages(platform, table, last_lg2(), parent_slot, iova, bytes, retired);
}

template <TableFormat Format, TablePlatform Platform>
UnmapProgress PageTable<Format, Platform>::unmap_pages(const Platform& platform, u64 table,
                                                       unsigned lg2, u64 parent_slot, u64 iova,
                                                       u64 bytes, Retired& retired) {
  const u64 first = Format::table_index(iova, last_level, lg2);
  const u64 limit = std::min<u64>(bytes >> Layout::page_lg2, (u64{1} << lg2) - first);
  const u64 run = valid_run(platform.words(table) + first, limit);
  if (run == 0) return {};
  const u64 run_bytes = run << Layout::page_lg2;
  if (run == last_entries && parent_slot != 0 && !retired.full()) {
    // All its pages go: one store instead of one each, and the table comes back.
    store(platform, parent_slot, 0);
    retired.push(table);
    return {run_bytes, level_bit(last_level), true};
  }
  const u64 slots = table + (first << Layout::entry_lg2);
  if (run == 1) {
    platform.store64(slots, 0);
  } else {
    platform.fill64(slots, run, 0);
  }
  platform.clean(slots, run << Layout::entry_lg2);
  return {run_bytes, level_bit(last_level), false};
}

}  // namespace iommucheck::impl
