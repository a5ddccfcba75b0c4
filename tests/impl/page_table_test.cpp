// SPDX-License-Identifier: MIT
#include "impl/pgtable/page_table.h"

#include <map>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "impl/platform/platform.h"
#include "impl/vmsav8/format.h"
#include "tests/impl/fake_world_support.h"
#include "tests/impl/table_formats_support.h"

namespace iommucheck::impl::page_table_test {
namespace {

using test::any_in;

using test::FakeWorld;
using test::WideFormat;

constexpr u64 mib2 = u64{2} << 20;
constexpr u64 gib = u64{1} << 30;

/// What the tests have to know of a format beside what the algorithm does.
template <class Format>
struct Known;
template <>
struct Known<Vmsav8Granule4k> {
  static constexpr u64 attributes = descriptor::leaf_attributes(IOMMUCHECK_PROT_READ);
  static constexpr std::array input_bits = {25u, 30u, 31u, 39u, 40u, 48u};
};
template <>
struct Known<Vmsav8Granule16k> : Known<Vmsav8Granule4k> {
  static constexpr std::array input_bits = {25u, 26u, 36u, 37u, 47u, 48u};
};
template <>
struct Known<Vmsav8Granule64k> : Known<Vmsav8Granule4k> {
  static constexpr std::array input_bits = {25u, 29u, 30u, 42u, 43u, 48u};
};
template <>
struct Known<WideFormat> {
  static constexpr u64 attributes = WideFormat::leaf_attributes();
  static constexpr std::array input_bits = {23u, 24u, 32u, 33u, 36u, 41u};
};

template <class Format>
struct TableIn {
  using Pages = PageTable<Format, Platform>;
  static constexpr u64 attributes = Known<Format>::attributes;

  explicit TableIn(unsigned input_bits = 48) : platform(world.platform()) {
    platform.set_coherent(true);
    EXPECT_TRUE(table.create(platform, input_bits));
  }
  FakeWorld world;
  Platform platform;
  Pages table;
  typename Pages::Retired retired;

  MapProgress map(u64 iova, u64 pa, u64 bytes) {
    return table.map(platform, iova, pa, bytes, attributes);
  }
  UnmapProgress unmap(u64 iova, u64 bytes) { return table.unmap(platform, iova, bytes, retired); }
  u64 at(u64 iova) const { return table.translate(platform, iova); }
};
using Table = TableIn<Vmsav8Granule4k>;

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
  const u64 count = Table::Pages::Retired::capacity + 3;
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
  const Detached table = t.table.detach(t.platform, gib, gib, gib);
  EXPECT_EQ(table.level, 2u);
  EXPECT_EQ(table.first, gib);
  EXPECT_EQ(table.end, 2 * gib);
  Table::Pages::attach(t.platform, table);
  EXPECT_EQ(t.map(gib, gib, gib).stop, MapStop::table_in_the_way);
  const Detached again = t.table.detach(t.platform, gib, gib, gib);
  Table::Pages::free_subtree(t.platform, again.table, again.level);
  EXPECT_EQ(t.map(gib, gib, gib).bytes, gib);
  t.table.destroy(t.platform);
  EXPECT_EQ(t.world.live_tables(), 0u);
}

TEST(PageTable, tables_of_another_format_have_their_own_sizes) {
  TableIn<WideFormat> t(41);
  constexpr u64 mib4 = u64{4} << 20;
  const u64 before = t.world.stores;
  EXPECT_EQ(t.map(mib4, mib4, mib4 + page_bytes).bytes, mib4 + page_bytes);
  EXPECT_EQ(t.world.stores - before, 1024 + 1 + 1 + 1024 + 1 + 1)
      << "two tables of 1,024 with their links, a block and a page";
  EXPECT_EQ(t.at(2 * mib4 - 1), 2 * mib4 - 1);
  EXPECT_EQ(t.at(2 * mib4 + 5), 2 * mib4 + 5);
  EXPECT_EQ(t.at(2 * mib4 + page_bytes), 0u);
  t.table.destroy(t.platform);
  EXPECT_EQ(t.world.live_tables(), 0u);
  EXPECT_TRUE(t.world.errors.empty());
}

/// What a table of the format maps: leaves of every size, each for itself.
template <class Format>
struct Model {
  using Layout = TableLayout<Format>;
  unsigned start_level = 0;
  std::map<u64, u64> leaves[Layout::last_level + 1];  // by level: first iova -> pa

  u64 at(u64 iova) const {
    for (unsigned level = 0; level <= Layout::last_level; ++level) {
      const auto it = leaves[level].find(iova - Layout::leaf_offset(iova, level));
      if (it != leaves[level].end()) return it->second + Layout::leaf_offset(iova, level);
    }
    return 0;
  }
  bool any(u64 iova, u64 bytes) const {
    for (u64 n = 0; n < bytes; n += Layout::page_bytes) {
      if (at(iova + n) != 0) return true;
    }
    return false;
  }
  void map(u64 iova, u64 pa, u64 bytes) {
    while (bytes > 0) {
      unsigned level = start_level;
      const auto fits = [&] {
        if (level == Layout::last_level) return true;
        return Format::block_at(level) && Layout::leaf_offset(iova | pa, level) == 0 &&
               bytes >= Layout::level_bytes(level);
      };
      while (!fits()) ++level;
      leaves[level][iova] = pa;
      iova += Layout::level_bytes(level);
      pa += Layout::level_bytes(level);
      bytes -= Layout::level_bytes(level);
    }
  }
  u64 unmap(u64 iova, u64 bytes) {
    u64 done = 0;
    for (bool found = true; found && done < bytes;) {
      found = false;
      for (unsigned level = 0; level <= Layout::last_level && !found; ++level) {
        found = bytes - done >= Layout::level_bytes(level) && leaves[level].erase(iova + done) != 0;
        if (found) done += Layout::level_bytes(level);
      }
    }
    return done;
  }
};

/// A table and its model do the same things, at a few places: the beginning, the end, and across a
/// boundary of every level below the root.
template <class Format>
void agrees_with_a_model() {
  using Layout = TableLayout<Format>;
  constexpr u64 page = Layout::page_bytes;
  constexpr u64 row = Layout::entries(Layout::last_level);
  constexpr u64 block = row * page;
  const auto input_bits = *rc::gen::elementOf(
      std::vector<unsigned>(Known<Format>::input_bits.begin(), Known<Format>::input_bits.end()));
  TableIn<Format> t(input_bits);
  Model<Format> model{.start_level = Format::start_level(input_bits), .leaves = {}};
  const u64 top = u64{1} << input_bits;
  std::vector<u64> bases = {0};
  if (top >= 8 * block) bases = {0, top / 2 - block, top - 3 * block};
  const auto steps = any_in(1, row > 512 ? 10 : 40);  // larger tables: fewer
  for (int i = 0; i < steps; ++i) {
    const u64 base = *rc::gen::elementOf(bases);
    const u64 first =
        *rc::gen::element<u64>(0, 1, row - 2, row - 1, row, row + 1, 2 * row - 2, 2 * row);
    const u64 pages = *rc::gen::element<u64>(1, 2, 3, row - 1, row, row + 1);
    const u64 iova = std::min(base + first * page, top - page);
    const u64 bytes = std::min(pages * page, top - iova);
    if (any_in(0, 3) != 0) {
      const u64 skew = *rc::gen::element<u64>(0, 0, page);
      const u64 pa = 8 * gib + (iova & (gib - 1)) + skew;
      MapProgress progress = t.map(iova, pa, bytes);
      while (progress.stop == MapStop::table_in_the_way) {
        const u64 done = progress.bytes;
        const Detached table = t.table.detach(t.platform, iova + done, pa + done, bytes - done);
        RC_ASSERT(table.first == iova + done);
        TableIn<Format>::Pages::free_subtree(t.platform, table.table, table.level);
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
    for (u64 probe = base; probe < base + 3 * block && probe < top; probe += 0x3f001) {
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

RC_GTEST_PROP(PageTable, agrees_with_a_map_of_pages, ()) { agrees_with_a_model<Vmsav8Granule4k>(); }

RC_GTEST_PROP(PageTable, agrees_with_a_map_of_pages_of_16_kib, ()) {
  agrees_with_a_model<Vmsav8Granule16k>();
}

RC_GTEST_PROP(PageTable, agrees_with_a_map_of_pages_of_64_kib, ()) {
  agrees_with_a_model<Vmsav8Granule64k>();
}

/// A root that is pages already stays, whatever goes; and stage 2 may have two tables for one.
TEST(PageTable, a_root_of_another_size_is_given_back_whole) {
  TableIn<Vmsav8Granule64k> pages(25);
  constexpr u64 all = u64{1} << 25;
  EXPECT_EQ(pages.map(0, 8 * gib, all).bytes, all);
  EXPECT_EQ(pages.unmap(0, all).bytes, all);
  EXPECT_EQ(pages.world.live_tables(), 1U);
  pages.table.destroy(pages.platform);
  EXPECT_EQ(pages.world.live_tables(), 0U);

  TableIn<Vmsav8Granule16k> two;
  two.table.destroy(two.platform);
  ASSERT_TRUE(two.table.create(two.platform, 48, stage2_start_level(48, 14)));
  const u64 top = (u64{1} << 48) - (u64{1} << 14);
  EXPECT_EQ(two.map(top, 8 * gib, u64{1} << 14).bytes, u64{1} << 14);
  EXPECT_EQ(two.at(top), 8 * gib);
  EXPECT_EQ(two.at(top & ~(u64{1} << 47)), 0U);
  two.table.destroy(two.platform);
  EXPECT_EQ(two.world.live_tables(), 0U);
  EXPECT_TRUE(two.world.errors.empty());
}

RC_GTEST_PROP(PageTable, agrees_with_a_map_of_pages_in_another_format, ()) {
  agrees_with_a_model<WideFormat>();
}

}  // namespace
}  // namespace iommucheck::impl::page_table_test
