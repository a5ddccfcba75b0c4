// SPDX-License-Identifier: MIT
// The environment's side of shared address spaces: it does what it owes, and no more.
#include "host/processes.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "spec/rules/interface.h"

namespace iommucheck::oracle::processes_test {
namespace {

constexpr u64 page = 4096;
constexpr u64 block = u64{2} << 20;
constexpr u32 rw = spec::sva::prot_read | spec::sva::prot_write;
constexpr u64 tables = u64{1} << 32;

struct World {
  Monitor monitor{setup()};
  Processes processes;

  explicit World(u64 table_bytes = u64{4} << 20) : processes(monitor, tables, table_bytes) {}
  static Setup setup() {
    Setup setup;
    setup.id = default_id_registers();
    setup.devices = {{.stream_ids = {1}}};
    return setup;
  }
};

TEST(Processes, MapsPagesAndBlocks) {
  World world;
  Processes& p = world.processes;
  const u64 mm = p.create();
  ASSERT_EQ(mm, 1U);
  EXPECT_TRUE(p.map(mm, 0x400000, 0x1000'0000, block, rw));
  EXPECT_TRUE(p.map(mm, 0x7000, 0x9000, 2 * page, spec::sva::prot_read));
  const auto mappings = p.mappings(mm);
  ASSERT_EQ(mappings.size(), 3U);
  EXPECT_EQ(mappings[0].va, 0x7000U);
  EXPECT_EQ(mappings[1].pa, 0xa000U);
  EXPECT_EQ(mappings[1].rights, spec::sva::prot_read);
  EXPECT_EQ(mappings[2].bytes, block);
  EXPECT_EQ(mappings[2].rights, rw);
  EXPECT_FALSE(p.map(mm, 0x401000, 0x1000, page, rw)) << "inside the block";
  EXPECT_FALSE(p.map(mm, 0x801, 0x1000, page, rw)) << "not aligned";
  EXPECT_FALSE(p.map(mm, u64{1} << 48, 0x1000, page, rw)) << "beyond the input size";
}

TEST(Processes, UnmapTakesWholeBlocksAndGivesTablesBack) {
  World world;
  Processes& p = world.processes;
  const u64 mm = p.create();
  ASSERT_TRUE(p.map(mm, 0x400000, 0x1000'0000, block, rw));
  p.unmap(mm, 0x401000, page);
  EXPECT_TRUE(p.mappings(mm).empty());
  // The place is a page's now: its table is new.
  EXPECT_TRUE(p.map(mm, 0x401000, 0x5000, page, rw));
  p.unmap(mm, 0, ~u64{0});
  EXPECT_TRUE(p.mappings(mm).empty());
  p.exit_begins(mm);
  p.exit_ends(mm);
  EXPECT_FALSE(p.alive(mm));
  EXPECT_TRUE(world.monitor.findings().empty());
}

TEST(Processes, ForkSharesWhatNeitherCanWrite) {
  World world;
  Processes& p = world.processes;
  const u64 mm = p.create();
  ASSERT_TRUE(p.map(mm, 0x7000, 0x9000, page, rw));
  const u64 child = p.fork(mm);
  ASSERT_NE(child, 0U);
  for (const u64 each : {mm, child}) {
    const auto mappings = p.mappings(each);
    ASSERT_EQ(mappings.size(), 1U);
    EXPECT_EQ(mappings[0].rights, spec::sva::prot_read);
  }
  p.protect(mm, 0x7000, page, rw);
  EXPECT_EQ(p.mappings(mm)[0].rights, rw);
  EXPECT_EQ(p.mappings(child)[0].rights, spec::sva::prot_read);
}

TEST(Processes, AsidsArePinnedAndGivenAnewAtOnce) {
  World world;
  Processes& p = world.processes;
  const u64 a = p.create();
  const u64 b = p.create();
  const u32 first = p.pin(a);
  EXPECT_NE(first, 0U);
  EXPECT_EQ(p.pin(a), first);
  EXPECT_NE(p.pin(b), first);
  p.unpin(b);
  p.unpin(a);
  EXPECT_TRUE(p.pinned(a));
  p.unpin(a);
  EXPECT_FALSE(p.pinned(a));
  EXPECT_EQ(p.pin(b), first) << "what was unpinned last is given first";
  p.prefer_asid(77);
  EXPECT_EQ(p.pin(a), 77U);
  EXPECT_TRUE(world.monitor.findings().empty());
  p.exit_begins(a);
  EXPECT_EQ(p.pin(a), 0U) << "it is dying";
}

TEST(Processes, WhatADriverKnowsOneByIsAnothersWhenItIsOver) {
  World world;
  Processes& p = world.processes;
  const u64 a = p.create();
  const u64 b = p.create();
  const u64 handle = p.handle_of(a);
  EXPECT_NE(p.handle_of(b), handle);
  p.pin(a);
  p.exit_begins(a);
  EXPECT_NE(p.handle_of(p.create()), handle) << "it is not over";
  p.exit_ends(a);
  EXPECT_NE(p.handle_of(p.create()), handle) << "it is pinned";
  EXPECT_EQ(p.of_handle(handle), a);
  p.unpin(a);
  const u64 next = p.create();
  EXPECT_EQ(p.handle_of(next), handle);
  EXPECT_EQ(p.of_handle(handle), next);
  EXPECT_EQ(p.of_handle(p.handle_of(a)), 0U) << "the dead one has none that anybody has";
}

TEST(Processes, ADriverThatUnpinsTooOftenIsFound) {
  World world;
  const u64 mm = world.processes.create();
  world.processes.unpin(mm);
  ASSERT_EQ(world.monitor.findings().size(), 1U);
  EXPECT_EQ(world.monitor.findings()[0].rule, spec::rule::CRASH_NEVER);
}

TEST(Processes, ShortMemoryLeavesWhatIsToldAndNoChild) {
  World world(8 * page);
  Processes& p = world.processes;
  const u64 mm = p.create();
  ASSERT_TRUE(p.map(mm, 0, 0x1000, page, rw));  // root and three tables
  EXPECT_EQ(p.fork(mm), 2U);
  EXPECT_EQ(p.fork(mm), 0U);
  EXPECT_EQ(p.mappings(mm).size(), 1U);
  EXPECT_FALSE(p.map(mm, u64{1} << 40, 0x1000, page, rw));
  EXPECT_EQ(p.mappings(mm).size(), 1U);
}

/// Against a map of pages; and undoing goes back to the same tables.
RC_GTEST_PROP(Processes, AreAMapOfPages, ()) {
  World world;
  Processes& p = world.processes;
  const u64 mm = p.create();
  std::map<u64, std::pair<u64, u32>> model;
  const auto steps = *rc::gen::inRange(1, 30);
  for (int i = 0; i < steps; ++i) {
    const u64 va = *rc::gen::inRange<u64>(0, 24) * page;
    const u64 pages = *rc::gen::inRange<u64>(1, 6);
    const u64 pa = *rc::gen::inRange<u64>(1, 100) * page;
    const u32 rights = *rc::gen::element(u32{1}, u32{3}, u32{5}, u32{7});
    switch (*rc::gen::inRange(0, 3)) {
      case 0: {
        bool free = true;
        for (u64 n = 0; n < pages; ++n) free &= !model.contains(va + n * page);
        RC_ASSERT(p.map(mm, va, pa, pages * page, rights) == free);
        for (u64 n = 0; n < pages && free; ++n) model[va + n * page] = {pa + n * page, rights};
        break;
      }
      case 1:
        p.unmap(mm, va, pages * page);
        for (u64 n = 0; n < pages; ++n) model.erase(va + n * page);
        break;
      default:
        p.protect(mm, va, pages * page, rights);
        for (u64 n = 0; n < pages; ++n) {
          if (model.contains(va + n * page)) model[va + n * page].second = rights;
        }
    }
    const auto mappings = p.mappings(mm);
    RC_ASSERT(mappings.size() == model.size());
    for (const Processes::Mapping& m : mappings) {
      RC_ASSERT(model.contains(m.va));
      RC_ASSERT(model[m.va] == (std::pair<u64, u32>{m.pa, m.rights}));
    }
    RC_ASSERT(world.monitor.findings().empty());
  }
}

}  // namespace
}  // namespace iommucheck::oracle::processes_test
