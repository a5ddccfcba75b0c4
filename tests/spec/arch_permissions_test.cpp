// SPDX-License-Identifier: MIT
// The tables of arch 4.4 and 4.5, row by row.
#include "spec/arch/walk.h"

#include <gtest/gtest.h>

namespace iommucheck::spec::arch_permissions_test {
namespace {

namespace b = descriptor_bits;
constexpr u64 base_word = b::valid | b::table_or_page | b::af;
constexpr AccessKind user_read{AccessType::read, false}, user_write{AccessType::write, false},
    user_execute{AccessType::execute, false}, kernel_read{AccessType::read, true},
    kernel_write{AccessType::write, true}, kernel_execute{AccessType::execute, true};

Regime<u64> plain() { return {}; }

Leaf<u64> leaf(const Regime<u64>& regime, u64 word, const HierarchicalAttributes<u64>& above = {}) {
  return std::get<Leaf<u64>>(step(regime, 0, 3, base_word | word, above));
}

bool allows(const Regime<u64>& regime, u64 word, AccessKind access) {
  return !check_access(leaf(regime, word), access, regime).fault;
}

TEST(Permissions, FourCombinationsOfAp) {
  // AP[2:1]: 00 privileged RW; 01 RW for all; 10 privileged R; 11 R for all.
  const u64 words[4] = {0, b::ap1, b::ap2, b::ap1 | b::ap2};
  const bool reads[4] = {false, true, false, true}, writes[4] = {false, true, false, false};
  const bool kernel_writes[4] = {true, true, false, false};
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_TRUE(allows(plain(), words[i], kernel_read)) << i;
    EXPECT_EQ(allows(plain(), words[i], kernel_write), kernel_writes[i]) << i;
    EXPECT_EQ(allows(plain(), words[i], user_read), reads[i]) << i;
    EXPECT_EQ(allows(plain(), words[i], user_write), writes[i]) << i;
  }
}

TEST(Permissions, ExecuteNever) {
  EXPECT_TRUE(allows(plain(), 0, user_execute)) << "UXN = 0 even where data reads are refused";
  EXPECT_FALSE(allows(plain(), b::uxn, user_execute));
  EXPECT_TRUE(allows(plain(), 0, kernel_execute));
  EXPECT_FALSE(allows(plain(), b::pxn, kernel_execute));
  EXPECT_FALSE(allows(plain(), b::ap1, kernel_execute)) << "unprivileged-writable";
  EXPECT_TRUE(allows(plain(), b::ap1 | b::ap2, kernel_execute));
}

TEST(Permissions, WxnRefusesWritablePages) {
  Regime<u64> r = plain();
  r.wxn = true;
  EXPECT_FALSE(allows(r, 0, kernel_execute));
  EXPECT_TRUE(allows(r, b::ap2, kernel_execute));
  EXPECT_FALSE(allows(r, b::ap1, user_execute));
  EXPECT_TRUE(allows(r, b::ap1 | b::ap2, user_execute));
  EXPECT_TRUE(allows(r, 0, user_execute)) << "not writable by unprivileged code";
}

TEST(Permissions, PanRefusesPrivilegedDataAccessToUserPages) {
  Regime<u64> r = plain();
  r.pan = true;
  EXPECT_FALSE(allows(r, b::ap1, kernel_read));
  EXPECT_TRUE(allows(r, 0, kernel_read));
  EXPECT_TRUE(allows(r, b::ap1 | b::ap2, kernel_execute)) << "instruction reads are unaffected";
  EXPECT_TRUE(allows(r, b::ap1, user_read));
  r.epan = true;
  EXPECT_FALSE(allows(r, 0, kernel_read)) << "UXN = 0: user-executable";
  EXPECT_TRUE(allows(r, b::uxn, kernel_read));
}

TEST(Permissions, El2HasOneExecuteNeverAndIgnoresPanAndPxn) {
  Regime<u64> r = plain();
  r.world = StreamWorld::el2;
  r.pan = true;
  EXPECT_TRUE(allows(r, 0, user_read)) << "everything is privileged";
  EXPECT_TRUE(allows(r, b::pxn, user_execute));
  EXPECT_FALSE(allows(r, b::uxn, user_execute));
  EXPECT_FALSE(allows(r, b::ap2, user_write));
}

TEST(Permissions, TablesTakeAway) {
  HierarchicalAttributes<u64> above;
  above = accumulate(above, b::ap_table1);
  above = accumulate(above, b::uxn_table | b::pxn_table);
  const Leaf<u64> l = leaf(plain(), b::ap1, above);
  EXPECT_FALSE(l.unprivileged.write | l.privileged.write);
  EXPECT_FALSE(l.unprivileged.execute | l.privileged.execute);
  EXPECT_TRUE(l.unprivileged.read);
}

struct HttuRow {
  bool ha, hd, affd;
  bool clean_write_faults, af0_faults, sets_af, sets_dirty;
};

TEST(AccessFlag, RowsOfTheTable) {
  const HttuRow rows[] = {{false, false, false, true, true, false, false},
                          {false, false, true, true, false, false, false},
                          {true, false, false, true, false, true, false},
                          {true, true, false, false, false, true, true}};
  for (const HttuRow& row : rows) {
    Regime<u64> r = plain();
    r.ha = row.ha;
    r.hd = row.hd;
    r.affd = row.affd;
    const Leaf<u64> clean = leaf(r, b::ap1 | b::ap2 | b::dbm);
    const auto write = check_access(clean, user_write, r);
    EXPECT_EQ(write.fault.has_value(), row.clean_write_faults);
    EXPECT_EQ(write.sets_dirty.value, row.sets_dirty);
    EXPECT_FALSE(check_access(clean, user_read, r).sets_dirty);
    Leaf<u64> old = leaf(r, b::ap1);
    old.af = false;
    const auto read = check_access(old, user_read, r);
    EXPECT_EQ(read.fault.has_value(), row.af0_faults);
    if (read.fault) {
      EXPECT_EQ(read.fault->event, EventType::f_access);
    }
    EXPECT_EQ(read.sets_af.value, row.sets_af);
  }
}

TEST(AccessFlag, ComesBeforePermission) {
  Leaf<u64> l = leaf(plain(), b::ap2);
  l.af = false;
  EXPECT_EQ(check_access(l, user_write, plain()).fault->event, EventType::f_access);
  l.af = true;
  EXPECT_EQ(check_access(l, user_write, plain()).fault->event, EventType::f_permission);
}

TEST(AccessFlag, PermissionFaultLeavesTheUpdateOpen) {
  Regime<u64> r = plain();
  r.ha = true;
  Leaf<u64> l = leaf(r, b::ap2);
  l.af = false;
  const auto result = check_access(l, user_write, r);
  EXPECT_EQ(result.fault->event, EventType::f_permission);
  EXPECT_TRUE(result.may_set_af);
  EXPECT_FALSE(result.sets_af);
}

TEST(DirtyState, NeedsTheLeafAloneToBeTheReason) {
  Regime<u64> r = plain();
  r.ha = r.hd = true;
  HierarchicalAttributes<u64> above;
  above.read_only = true;
  const Leaf<u64> l = leaf(r, b::ap1 | b::ap2 | b::dbm, above);
  EXPECT_FALSE(l.writable_clean);
  EXPECT_EQ(check_access(l, user_write, r).fault->event, EventType::f_permission);
  EXPECT_TRUE(leaf(r, b::ap1 | b::ap2 | b::dbm).writable_clean);
  EXPECT_FALSE(leaf(r, b::ap1 | b::dbm).writable_clean) << "already dirty";
  EXPECT_TRUE(check_access(leaf(r, b::ap2 | b::dbm), user_write, r).fault) << "AP[1] = 0";
}

}  // namespace
}  // namespace iommucheck::spec::arch_permissions_test
