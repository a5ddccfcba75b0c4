// SPDX-License-Identifier: MIT
#include "impl/pgtable/page_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "impl/pgtable/descriptor.h"
#include "tests/impl/fake_world_support.h"

namespace iommucheck::impl {
namespace {

using test::any_in;

using test::FakeWorld;

constexpr u64 attributes = descriptor::leaf_attributes(IOMMUCHECK_PROT_READ);
constexpr u64 mib2 = u64{2} << 20;
constexpr u64 gib = u64{1} << 30;

struct Table {
  explicit Table(unsigned input_bits = 48) : platform(world.platform()) {
    platform.set_coherent(true);
    EXPECT_TRUE(table.create(platform, input_bits));
  }
  FakeWorld world;
  Platform platform;
  PageTable table;
  RetiredTables retired;

  MapProgress map(u64 iova, u64 pa, u64 bytes) {
    return table.map(platform, iova, pa, bytes, attributes);
  }
  UnmapProgress unmap(u64 iova, u64 bytes) { return table.unmap(platform, iova, bytes, retired); }
  u64 at(u64 iova) const { return table.translate(platform, iova); }
};

RC_GTEST_PROP(Layout, indices_and_offset_give_the_address_back, ()) {
  const auto input_bits = any_in(input_bits_min, input_bits_max + 1);
  const u64 iova = *rc::gen::arbitrary<u64>() & ((u64{1} << input_bits) - 1);
  u64 built = leaf_offset(iova, last_level);
  for (unsigned level = start_level(input_bits); level <= last_level; ++level) {
    const u64 index = table_index(iova, level, table_lg2(level, input_bits));
    RC_ASSERT(index < (u64{1} << table_lg2(level, input_bits)));
    built += index << level_shift(level);
  }
  RC_ASSERT(built == iova);
}

TEST(PageTable, takes_the_largest_leaf_that_fits) {
  Table t;
  const u64 before = t.world.stores;
  EXPECT_EQ(t.map(gib, 4 * gib, gib).bytes, gib);
  EXPECT_EQ(t.world.stores - before, 512 + 1 + 1) << "one table, its link, one block";
  EXPECT_EQ(t.at(gib + 0x12345), 4 * gib + 0x12345);
  EXPECT_EQ(t.map(4 * gib - mib2, mib2, mib2 + page_bytes).bytes, mib2 + page_bytes);
  EXPECT_EQ(t.at(4 * gib - 1), 2 * mib2 - 1);
  EXPECT_EQ(t.at(4 * gib + page_bytes), 0u);
}

TEST(PageTable, a_part_of_a_block_ends_an_unmap_like_a_hole) {
  Table t;
  ASSERT_EQ(t.map(mib2, mib2, 2 * mib2).bytes, 2 * mib2);
  EXPECT_EQ(t.unmap(mib2, page_bytes).bytes, 0u);
  EXPECT_EQ(t.unmap(mib2 + page_bytes, mib2).bytes, 0u);
  EXPECT_EQ(t.unmap(mib2, mib2 + page_bytes).bytes, mib2);
  EXPECT_EQ(t.at(2 * mib2), 2 * mib2);
  EXPECT_EQ(t.at(mib2), 0u);
}

TEST(PageTable, an_address_beyond_the_input_size_is_not_translated) {
  for (const unsigned input_bits : {39U, 48U, 30U}) {
    Table t(input_bits);
    ASSERT_EQ(t.map(mib2, page_bytes, page_bytes).bytes, page_bytes);
    EXPECT_EQ(t.at(mib2), page_bytes);
    EXPECT_EQ(t.at((u64{1} << input_bits) + mib2), 0U) << input_bits;
    EXPECT_EQ(t.at((u64{1} << 63) + mib2), 0U) << input_bits;
  }
}

TEST(PageTable, a_full_table_leaves_with_one_store) {
  Table t;
  ASSERT_EQ(t.map(mib2, page_bytes, mib2).bytes, mib2);
  const u64 before = t.world.stores;
  const UnmapProgress progress = t.unmap(mib2, mib2);
  EXPECT_EQ(progress.bytes, mib2);
  EXPECT_TRUE(progress.tables_left);
  EXPECT_EQ(t.world.stores - before, 1u);
  const u64 live = t.world.live_tables();
  t.retired.free_all(t.platform);
  EXPECT_EQ(t.world.live_tables(), live - 1);
  EXPECT_EQ(t.at(mib2), 0u);
}

TEST(PageTable, without_room_to_retire_tables_stay_and_are_freed_at_the_end) {
  Table t;
  const u64 count = RetiredTables::capacity + 3;
  ASSERT_EQ(t.map(0, page_bytes, count * mib2).bytes, count * mib2);
  EXPECT_EQ(t.unmap(0, count * mib2).bytes, count * mib2);
  EXPECT_TRUE(t.retired.full());
  t.retired.free_all(t.platform);
  t.table.destroy(t.platform);
  EXPECT_EQ(t.world.live_tables(), 0u);
  EXPECT_TRUE(t.world.errors.empty());
}

TEST(PageTable, an_empty_table_in_the_way_of_a_block_is_handed_out) {
  Table t;
  ASSERT_EQ(t.map(gib + page_bytes, mib2, page_bytes).bytes, page_bytes);
  EXPECT_EQ(t.map(gib, gib, gib).stop, MapStop::exists);
  ASSERT_EQ(t.unmap(gib + page_bytes, page_bytes).bytes, page_bytes);
  EXPECT_EQ(t.map(gib, gib, gib).stop, MapStop::table_in_the_way);
  const PageTable::Detached table = t.table.detach(t.platform, gib, gib, gib);
  EXPECT_EQ(table.level, 2u);
  PageTable::attach(t.platform, table);
  EXPECT_EQ(t.map(gib, gib, gib).stop, MapStop::table_in_the_way);
  const PageTable::Detached again = t.table.detach(t.platform, gib, gib, gib);
  PageTable::free_subtree(t.platform, again.table, again.level);
  EXPECT_EQ(t.map(gib, gib, gib).bytes, gib);
  t.table.destroy(t.platform);
  EXPECT_EQ(t.world.live_tables(), 0u);
}

/// A page table against a map from page to page, blocks included.
struct Model {
  std::map<u64, u64> pages;   // iova -> pa, by 4 KiB
  std::map<u64, u64> blocks;  // first iova of a 2 MiB block -> pa

  u64 at(u64 iova) const {
    if (const auto it = blocks.find(iova & ~(mib2 - 1)); it != blocks.end()) {
      return it->second + (iova & (mib2 - 1));
    }
    const auto it = pages.find(iova & ~u64{0xfff});
    return it == pages.end() ? 0 : it->second + (iova & 0xfff);
  }
  bool any(u64 iova, u64 bytes) const {
    for (u64 n = 0; n < bytes; n += page_bytes) {
      if (at(iova + n) != 0) return true;
    }
    return false;
  }
  void map(u64 iova, u64 pa, u64 bytes) {
    while (bytes > 0) {
      const bool block = ((iova | pa) & (mib2 - 1)) == 0 && bytes >= mib2;
      const u64 step = block ? mib2 : page_bytes;
      (block ? blocks : pages)[iova] = pa;
      iova += step;
      pa += step;
      bytes -= step;
    }
  }
  u64 unmap(u64 iova, u64 bytes) {
    u64 done = 0;
    while (done < bytes) {
      if (pages.erase(iova + done) != 0) {
        done += page_bytes;
      } else if (bytes - done >= mib2 && blocks.erase(iova + done) != 0) {
        done += mib2;
      } else {
        break;
      }
    }
    return done;
  }
};

RC_GTEST_PROP(PageTable, agrees_with_a_map_of_pages, ()) {
  const auto input_bits = *rc::gen::element(25u, 30u, 31u, 39u, 40u, 48u);
  Table t(input_bits);
  Model model;
  // A few places: the beginning, the end, and across a boundary of every level below the root.
  const u64 top = u64{1} << input_bits;
  const std::vector<u64> bases = {0, top / 2 - mib2, top - 3 * mib2};
  const auto steps = any_in(1, 40);
  for (int i = 0; i < steps; ++i) {
    const u64 base = *rc::gen::elementOf(bases);
    const u64 page = *rc::gen::element<u64>(0, 1, 510, 511, 512, 513, 1022, 1024);
    const u64 pages = *rc::gen::element<u64>(1, 2, 3, 511, 512, 513);
    const u64 iova = base + page * page_bytes;
    const u64 bytes = std::min(pages * page_bytes, top - iova);
    if (any_in(0, 3) != 0) {
      const u64 skew = *rc::gen::element<u64>(0, 0, page_bytes);
      const u64 pa = 8 * gib + (iova & (gib - 1)) + skew;
      MapProgress progress = t.map(iova, pa, bytes);
      while (progress.stop == MapStop::table_in_the_way) {
        const u64 done = progress.bytes;
        const auto table = t.table.detach(t.platform, iova + done, pa + done, bytes - done);
        PageTable::free_subtree(t.platform, table.table, table.level);
        progress = t.map(iova + done, pa + done, bytes - done);
        progress.bytes += done;
      }
      if (model.any(iova, bytes)) {
        RC_ASSERT(progress.stop == MapStop::exists);
        const u64 back = t.unmap(iova, progress.bytes).bytes;
        RC_ASSERT(back == progress.bytes);
      } else {
        RC_ASSERT(progress.bytes == bytes);
        model.map(iova, pa, bytes);
      }
    } else {
      RC_ASSERT(t.unmap(iova, bytes).bytes == model.unmap(iova, bytes));
      t.retired.free_all(t.platform);
    }
    for (u64 probe = base; probe < base + 3 * mib2 && probe < top; probe += 0x3f001) {
      RC_ASSERT(t.at(probe) == model.at(probe));
    }
    RC_ASSERT(t.at(iova) == model.at(iova));
    RC_ASSERT(t.at(iova + bytes - 1) == model.at(iova + bytes - 1));
  }
  t.retired.free_all(t.platform);
  t.table.destroy(t.platform);
  RC_ASSERT(t.world.live_tables() == 0u);
  RC_ASSERT(t.world.errors.empty());
}

}  // namespace
}  // namespace iommucheck::impl
