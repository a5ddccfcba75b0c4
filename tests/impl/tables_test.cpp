// SPDX-License-Identifier: MIT
// Context descriptors in memory: what is stored of one, and in which steps. That these are right is
// shown by tests/explain/cd_writer_test.cpp.
#include "impl/smmuv3/tables.h"

#include <gtest/gtest.h>

#include "tests/impl/fake_world_support.h"

namespace iommucheck::impl::tables_test {
namespace {

using test::FakeWorld;

constexpr u32 pasid = 3;

struct TablesIn {
  TablesIn() : platform(world.platform()) {
    platform.set_coherent(true);
    features.stage1 = true;
    EXPECT_TRUE(tables.create(1, 6));
    table = tables.open_table();
    a.tag.inner = 1;
    a.table_pa = 0x8100'0000;
    a.input_bits = 39;
    b.tag.inner = 2;
    b.table_pa = 0x8200'0000;
    b.input_bits = 48;
  }
  Entry of(const Space& space) const { return {.space = &space, .tag = space.tag}; }
  /// The SMMU's view: the CD of `pasid`.
  cd::Words at(u32 its) {
    const u64* words = platform.words(static_cast<SmmuTable*>(table)->cds.entry(platform, its));
    return {words[0], words[1], words[2], words[3]};
  }
  u64 stores_of(auto change) {
    const u64 before = world.stores;
    change();
    return world.stores - before;
  }

  FakeWorld world;
  Platform platform;
  Features features;
  Tables tables{platform, features};
  Table* table = nullptr;
  Space a, b;
};

// Behind a time-out all tables are gone through: devices go on using those that are right.
TEST(Tables, a_first_cd_that_says_so_already_is_not_stored_again) {
  TablesIn t;
  Entry entry = t.of(t.a);
  ASSERT_EQ(t.tables.set_first_entry(*t.table, &entry), Stored::changed);
  EXPECT_EQ(t.stores_of(
                [&] { EXPECT_EQ(t.tables.set_first_entry(*t.table, &entry), Stored::unchanged); }),
            0U);
  entry.tag.inner = 5;
  EXPECT_EQ(
      t.stores_of([&] { EXPECT_EQ(t.tables.set_first_entry(*t.table, &entry), Stored::changed); }),
      1U);
  EXPECT_EQ(t.at(0)[0] >> 48, 5U);
}

TEST(Tables, a_place_that_is_empty_takes_one_step_and_one_store) {
  TablesIn t;
  ASSERT_EQ(t.tables.set_first_entry(*t.table, nullptr), Stored::changed);
  ASSERT_EQ(t.tables.grow(*t.table), Backend::Growth::moved);
  const Entry entry = t.of(t.a);
  EXPECT_EQ(t.tables.prepare_entry(*t.table, pasid, entry), Prepared::ready);
  EXPECT_EQ(t.at(pasid)[0], 0U);
  EXPECT_EQ(t.at(pasid)[1], t.a.table_pa);
  EXPECT_EQ(t.stores_of([&] { t.tables.store_entry(*t.table, pasid, entry); }), 1U);
  EXPECT_EQ(t.tables.clear_entry(*t.table, pasid), Stored::changed);
  EXPECT_EQ(t.tables.clear_entry(*t.table, pasid), Stored::unchanged);
}

// Nobody asks for that today: the driver takes one away before it makes another one.
TEST(Tables, a_cd_that_is_used_becomes_another_one_through_none) {
  TablesIn t;
  ASSERT_EQ(t.tables.set_first_entry(*t.table, nullptr), Stored::changed);
  ASSERT_EQ(t.tables.grow(*t.table), Backend::Growth::moved);
  t.tables.prepare_entry(*t.table, pasid, t.of(t.a));
  t.tables.store_entry(*t.table, pasid, t.of(t.a));
  const Entry other = t.of(t.b);
  EXPECT_EQ(t.tables.prepare_entry(*t.table, pasid, other), Prepared::again);
  EXPECT_EQ(t.at(pasid)[0], 0U);
  EXPECT_EQ(t.at(pasid)[1], t.a.table_pa);
  EXPECT_EQ(t.tables.prepare_entry(*t.table, pasid, other), Prepared::ready);
  EXPECT_EQ(t.at(pasid)[0], 0U);
  EXPECT_EQ(t.at(pasid)[1], t.b.table_pa);
  EXPECT_EQ(t.tables.store_entry(*t.table, pasid, other), Stored::changed);
  EXPECT_EQ(t.at(pasid)[0] >> 48, t.b.tag.inner);
}

// Unprepared it is taken away, and is no mixture.
TEST(Tables, a_store_that_nobody_prepared_leaves_none) {
  TablesIn t;
  Entry entry = t.of(t.a);
  ASSERT_EQ(t.tables.set_first_entry(*t.table, &entry), Stored::changed);
  const Entry other = t.of(t.b);
  EXPECT_EQ(t.tables.store_entry(*t.table, no_pasid, other), Stored::changed);
  EXPECT_EQ(t.at(0)[0], 0U);
}

}  // namespace
}  // namespace iommucheck::impl::tables_test
