// SPDX-License-Identifier: MIT
#include "impl/pgtable/page_table.h"

#include <algorithm>

#include "impl/pgtable/descriptor.h"

namespace iommucheck::impl {

namespace {

using descriptor::address;
using descriptor::is_table;
using descriptor::is_valid;
using descriptor::make_leaf;
using descriptor::make_table;

constexpr u64 entry_bytes = u64{1} << entry_lg2;

/// A page of invalid descriptors that may be linked at once: its zeros are visible first.
u64 new_table(const Platform& platform) {
  const u64 pa = platform.table_alloc(table_bytes);
  if (pa == 0) return 0;
  platform.fill64(pa, table_entries, 0);
  platform.clean(pa, table_bytes);
  platform.barrier();
  return pa;
}

/// One descriptor; visible at the caller's next barrier.
void store(const Platform& platform, u64 entry_pa, u64 word) {
  platform.store64(entry_pa, word);
  platform.clean(entry_pa, entry_bytes);
}

/// Whether a block of `level` may stand at iova -> pa with `bytes` to map.
bool block_fits(unsigned level, u64 iova, u64 pa, u64 bytes) {
  if (level < first_block_level || level == last_level) return false;
  return leaf_offset(iova | pa, level) == 0 && bytes >= level_bytes(level);
}

/// No leaf anywhere below. Levels bound the recursion to 3.
bool subtree_empty(const Platform& platform, u64 table, unsigned level) {
  const u64* words = platform.words(table);
  return std::all_of(words, words + table_entries, [&](u64 word) {
    if (!is_valid(word)) return true;
    return is_table(word, level) && subtree_empty(platform, address(word), level + 1);
  });
}

/// How many of the `limit` descriptors from `words` on are valid, up to the first that is not.
u64 valid_run(const u64* words, u64 limit) {
  u64 count = 0;
  while (count < limit && is_valid(words[count])) ++count;
  return count;
}

/// Pages in a row within one table of level 3.
MapProgress map_pages(const Platform& platform, u64 table, u64 iova, u64 pa, u64 bytes,
                      u64 attributes) {
  const u64 first = table_index(iova, last_level);
  const u64 count = std::min<u64>(bytes >> page_lg2, table_entries - first);
  const u64* words = platform.words(table) + first;
  const u64 slots = table + (first << entry_lg2);
  u64 n = 0;
  MapStop stop = MapStop::done;
  for (; n < count; ++n) {
    if (is_valid(words[n])) {
      stop = MapStop::exists;
      break;
    }
    platform.store64(slots + (n << entry_lg2),
                     make_leaf(pa + (n << page_lg2), attributes, last_level));
  }
  platform.clean(slots, n << entry_lg2);
  return {n << page_lg2, stop};
}

}  // namespace

bool PageTable::create(const Platform& platform, unsigned input_bits) {
  input_bits_ = input_bits;
  start_level_ = start_level(input_bits);
  root_ = new_table(platform);
  return root_ != 0;
}

void PageTable::destroy(const Platform& platform) {
  if (root_ != 0) free_subtree(platform, root_, start_level_);
  root_ = 0;
}

void PageTable::free_subtree(const Platform& platform, u64 table, unsigned level) {
  const u64* words = platform.words(table);
  if (level != last_level) {
    for (unsigned i = 0; i < table_entries; ++i) {
      if (is_table(words[i], level)) free_subtree(platform, address(words[i]), level + 1);
    }
  }
  platform.table_free(table, table_bytes);
}

MapProgress PageTable::map_step(const Platform& platform, u64 iova, u64 pa, u64 bytes,
                                u64 attributes) {
  u64 table = root_;
  for (unsigned level = start_level_; level != last_level; ++level) {
    const u64 index = table_index(iova, level, lg2_of(level));
    const u64 word = platform.words(table)[index];
    const u64 slot = table + (index << entry_lg2);
    const bool block = block_fits(level, iova, pa, bytes);
    if (!is_valid(word)) {
      if (block) {
        store(platform, slot, make_leaf(pa, attributes, level));
        return {level_bytes(level), MapStop::done};
      }
      const u64 next = new_table(platform);
      if (next == 0) return {0, MapStop::no_memory};
      store(platform, slot, make_table(next));
      table = next;
      continue;
    }
    if (!is_table(word, level)) return {0, MapStop::exists};
    if (block) {
      const bool empty = subtree_empty(platform, address(word), level + 1);
      return {0, empty ? MapStop::table_in_the_way : MapStop::exists};
    }
    table = address(word);
  }
  return map_pages(platform, table, iova, pa, bytes, attributes);
}

MapProgress PageTable::map(const Platform& platform, u64 iova, u64 pa, u64 bytes, u64 attributes) {
  u64 done = 0;
  while (done < bytes) {
    const MapProgress step = map_step(platform, iova + done, pa + done, bytes - done, attributes);
    done += step.bytes;
    if (step.stop != MapStop::done) return {done, step.stop};
  }
  return {done, MapStop::done};
}

PageTable::Detached PageTable::detach(const Platform& platform, u64 iova, u64 pa, u64 bytes) {
  u64 table = root_;
  unsigned level = start_level_;
  while (!block_fits(level, iova, pa, bytes)) {
    table = address(platform.words(table)[table_index(iova, level, lg2_of(level))]);
    ++level;
  }
  const u64 index = table_index(iova, level, lg2_of(level));
  const u64 word = platform.words(table)[index];
  const u64 slot = table + (index << entry_lg2);
  store(platform, slot, 0);
  return {address(word), level + 1, slot};
}

void PageTable::attach(const Platform& platform, const Detached& detached) {
  store(platform, detached.slot, make_table(detached.table));
}

UnmapProgress PageTable::unmap_step(const Platform& platform, u64 iova, u64 bytes,
                                    RetiredTables& retired) {
  u64 table = root_;
  u64 parent_slot = 0;
  for (unsigned level = start_level_; level != last_level; ++level) {
    const u64 index = table_index(iova, level, lg2_of(level));
    const u64 word = platform.words(table)[index];
    const u64 slot = table + (index << entry_lg2);
    if (is_table(word, level)) {
      parent_slot = slot;
      table = address(word);
      continue;
    }
    const bool whole = leaf_offset(iova, level) == 0 && bytes >= level_bytes(level);
    if (!is_valid(word) || !whole) return {};
    store(platform, slot, 0);
    return {level_bytes(level), level_bit(level), false};
  }
  const u64 first = table_index(iova, last_level);
  const u64 limit = std::min<u64>(bytes >> page_lg2, table_entries - first);
  const u64 run = valid_run(platform.words(table) + first, limit);
  if (run == 0) return {};
  const u64 run_bytes = run << page_lg2;
  if (run == table_entries && !retired.full()) {
    // All 512 pages go: one store instead of 512, and the page comes back.
    store(platform, parent_slot, 0);
    retired.push(table);
    return {run_bytes, level_bit(last_level), true};
  }
  const u64 slots = table + (first << entry_lg2);
  if (run == 1) {
    platform.store64(slots, 0);
  } else {
    platform.fill64(slots, run, 0);
  }
  platform.clean(slots, run << entry_lg2);
  return {run_bytes, level_bit(last_level), false};
}

UnmapProgress PageTable::unmap(const Platform& platform, u64 iova, u64 bytes,
                               RetiredTables& retired) {
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

u64 PageTable::translate(const Platform& platform, u64 iova) const {
  if ((iova >> input_bits_) != 0) return 0;
  u64 table = root_;
  for (unsigned level = start_level_;; ++level) {
    const u64 word = platform.words(table)[table_index(iova, level, lg2_of(level))];
    if (!is_valid(word)) return 0;
    if (!is_table(word, level)) return address(word) | leaf_offset(iova, level);
    table = address(word);
  }
}

}  // namespace iommucheck::impl
