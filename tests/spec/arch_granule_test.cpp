// SPDX-License-Identifier: MIT
// Values computed by hand from the tables of arch 4.2.
#include "spec/arch/granule.h"

#include <gtest/gtest.h>

namespace iommucheck::spec::arch_granule_test {
namespace {

constexpr Granule g4k = Granule::g4k, g16k = Granule::g16k, g64k = Granule::g64k;

TEST(Granule, ShiftsAreThoseOfTheFigure) {
  EXPECT_EQ(level_shift(g4k, 0), 39u);
  EXPECT_EQ(level_shift(g4k, 1), 30u);
  EXPECT_EQ(level_shift(g4k, 2), 21u);
  EXPECT_EQ(level_shift(g4k, 3), 12u);
  EXPECT_EQ(level_shift(g16k, 1), 36u);
  EXPECT_EQ(level_shift(g16k, 2), 25u);
  EXPECT_EQ(level_shift(g16k, 3), 14u);
  EXPECT_EQ(level_shift(g64k, 1), 42u);
  EXPECT_EQ(level_shift(g64k, 2), 29u);
  EXPECT_EQ(level_shift(g64k, 3), 16u);
}

struct StartRow {
  Granule granule;
  unsigned first, last, level;
};

TEST(Granule, StartLevelsAreThoseOfTheTable) {
  const StartRow rows[] = {{g4k, 16, 24, 0},  {g4k, 25, 33, 1},  {g4k, 34, 42, 2},
                           {g4k, 43, 48, 3},  {g16k, 16, 16, 0}, {g16k, 17, 27, 1},
                           {g16k, 28, 38, 2}, {g16k, 39, 48, 3}, {g64k, 12, 21, 1},
                           {g64k, 22, 34, 2}, {g64k, 35, 47, 3}};
  for (const StartRow& row : rows) {
    for (unsigned tsz = row.first; tsz <= row.last; ++tsz) {
      EXPECT_EQ(start_level(row.granule, u64{tsz}), row.level)
          << page_shift(row.granule) << " " << tsz;
    }
  }
}

TEST(Granule, LegalSizesDependOnSttAndVax) {
  EXPECT_EQ(tsz_max(g4k, false), 39u);
  EXPECT_EQ(tsz_max(g4k, true), 48u);
  EXPECT_EQ(tsz_max(g64k, true), 47u);
  EXPECT_EQ(tsz_min(g64k, true), 12u);
  EXPECT_EQ(tsz_min(g64k, false), 16u);
  EXPECT_EQ(tsz_min(g4k, true), 16u);
}

TEST(Granule, BlocksOnlyWhereTheTableHasThem) {
  EXPECT_FALSE(block_allowed(g4k, 0));
  EXPECT_TRUE(block_allowed(g4k, 1));
  EXPECT_TRUE(block_allowed(g4k, 2));
  EXPECT_FALSE(block_allowed(g16k, 1));
  EXPECT_TRUE(block_allowed(g16k, 2));
  EXPECT_FALSE(block_allowed(g64k, 1));
  EXPECT_TRUE(block_allowed(g64k, 1, true));
  for (const Granule g : {g4k, g16k, g64k}) EXPECT_FALSE(block_allowed(g, 3)) << "pages are leaves";
}

TEST(Granule, ContiguousGroups) {
  EXPECT_EQ(contiguous_lg2(g4k, 3), 4u);
  EXPECT_EQ(contiguous_lg2(g4k, 1), 4u);
  EXPECT_EQ(contiguous_lg2(g4k, 0), 0u);
  EXPECT_EQ(contiguous_lg2(g16k, 3), 7u);
  EXPECT_EQ(contiguous_lg2(g16k, 2), 5u);
  EXPECT_EQ(contiguous_lg2(g64k, 3), 5u);
  EXPECT_EQ(contiguous_lg2(g64k, 2), 5u);
}

// 39 bits, 4 KiB: index 0x1ff at level 1 is bits 38:30; bit 39 takes no part.
TEST(Granule, TheIndexOfTheStartLevelIsCutAtTheInputSize) {
  EXPECT_EQ(table_index(g4k, 1, 1, u64{25}, u64{0xff'ffff'ffff}), 0x1ffu);
  EXPECT_EQ(table_index(g4k, 1, 1, u64{25}, u64{0x80'0000'0000}), 0u);
  EXPECT_EQ(table_index(g4k, 1, 1, u64{28}, u64{0x7f'ffff'ffff}), 0x3fu) << "36 bits: 64 entries";
  EXPECT_EQ(table_index(g4k, 1, 2, u64{25}, u64{0x40201000}), 1u);
  EXPECT_EQ(table_index(g4k, 1, 3, u64{25}, u64{0x40203000}), 3u);
  EXPECT_EQ(leaf_offset(g4k, 2, u64{0x40201234}), 0x1234u);
  EXPECT_EQ(start_entries_lg2(g4k, 1, u64{25}), 9u);
  EXPECT_EQ(start_entries_lg2(g64k, 1, u64{16}), 6u);
}

}  // namespace
}  // namespace iommucheck::spec::arch_granule_test
