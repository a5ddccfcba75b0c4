// SPDX-License-Identifier: MIT
// What the environment says about a process: ranges that change, and its end. INTERFACE "Exit",
// "Timeouts and removal"; driver.h mm_invalidate, mm_release.
#include <utility>

#include "tests/impl/sva_support.h"

namespace iommucheck::test::sva_process_test {
namespace {

constexpr std::optional<u64> nothing;

// Whatever start and size: every page that the range touches has changed.
TEST(SvaProcess, an_invalidation_covers_every_page_that_it_touches) {
  struct Case {
    u64 start, bytes;
    u64 pages;  // from `va` on
  };
  for (const Case& c : {Case{va, 1, 1}, Case{va, page - 1, 1}, Case{va, page, 1},
                        Case{va, page + 1, 2}, Case{va + page - 1, 1, 1}, Case{va + 8, page, 2},
                        Case{va + page - 1, 2, 2}, Case{va + 1, 2 * page - 1, 2}}) {
    for (const bool ranges : {true, false}) {
      FakeOptions options = with_pasids();
      options.range_invalidation = ranges;
      TwoDevices w(options);
      w.world.mm_map(1, va + page, phys + 2 * page);
      ASSERT_EQ(w.d.init(0, iopf), 0);
      ASSERT_EQ(w.d.bind(0, 1), 1);
      for (u64 n = 0; n < 2; ++n) ASSERT_EQ(w.d.reach(0, 1, va + n * page), phys + (n + 1) * page);
      for (u64 n = 0; n < c.pages; ++n) w.world.mm_map(1, va + n * page, phys + (8 + n) * page);
      EXPECT_EQ(w.d.driver->mm_invalidate(w.d.self(), 1, c.start, c.bytes), 0);
      for (u64 n = 0; n < c.pages; ++n) {
        EXPECT_EQ(w.d.reach(0, 1, va + n * page), phys + (8 + n) * page)
            << c.start << " + " << c.bytes << ", page " << n;
      }
      EXPECT_EQ(w.d.unbind(0, 1), 0);
      w.end();
    }
  }
}

// The same of a range that the caller adds to a gather.
TEST(SvaProcess, a_range_that_joins_a_gather_covers_every_page_that_it_touches) {
  for (const bool ranges : {true, false}) {
    FakeOptions options = with_pasids();
    options.range_invalidation = ranges;
    TwoDevices w(options);
    ASSERT_EQ(w.d.init(0, private_pasids), 0);
    const auto io_mm = w.d.alloc_private(w.a, 0);
    ASSERT_NE(io_mm, 0u);
    const u32 pasid = w.d.pasid_of(io_mm);
    for (u64 n = 0; n < 3; ++n) {
      ASSERT_EQ(w.d.map_private(io_mm, va + n * page, phys + n * page), 0);
      ASSERT_EQ(w.d.reach(0, pasid, va + n * page), phys + n * page);
    }
    EXPECT_EQ(w.d.driver->sva_tlb_range_add(w.d.self(), io_mm, va + 0x800, 2 * page), 0);
    EXPECT_TRUE(w.world.holds_page(va + 2 * page));
    EXPECT_EQ(w.d.driver->sva_iotlb_sync(w.d.self(), io_mm), 0);
    EXPECT_FALSE(w.world.holds_page(va)) << ranges;
    EXPECT_FALSE(w.world.holds_page(va + page)) << ranges;
    EXPECT_FALSE(w.world.holds_page(va + 2 * page)) << ranges;
    EXPECT_EQ(w.d.free_private(w.a, io_mm), 0);
    w.end();
  }
}

// As long as a CD that may be cached has the ASID, the CPUs must not give it to another process.
TEST(SvaProcess, an_exit_that_times_out_keeps_the_asid_until_recovery) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  ASSERT_EQ(w.d.reach(0, 1, va), phys + page);
  w.world.stuck = true;
  EXPECT_EQ(w.d.release(1), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(w.world.processes[1].pins, 1u);
  // The handler did not return in time; and what the exit left open is so still.
  EXPECT_EQ(w.d.unbind(0, 1), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(w.d.held().pasids, 1u);
  EXPECT_EQ(w.world.processes[1].pins, 1u);
  w.world.stuck = false;
  EXPECT_EQ(w.d.driver->recover(w.d.self()), 0);
  EXPECT_EQ(w.world.processes[1].pins, 0u);
  EXPECT_EQ(w.d.held().pasids, 0u);
  EXPECT_EQ(w.d.reach(0, 1, va), nothing);
  w.end();
}

// Whoever has not said "done" keeps the number; what the CPUs gave goes back all the same.
TEST(SvaProcess, after_recovery_the_asid_is_back_though_a_handler_runs) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  w.world.stuck = true;
  EXPECT_EQ(w.d.release(1), -IOMMUCHECK_ETIMEDOUT);
  w.world.stuck = false;
  EXPECT_EQ(w.d.driver->recover(w.d.self()), 0);
  EXPECT_EQ(w.world.processes[1].pins, 0u);
  EXPECT_EQ(w.d.held().pasids, 1u);
  EXPECT_EQ(w.d.done(0, 1), 0);
  EXPECT_EQ(w.d.held().pasids, 0u);
  w.end();
}

// Nobody is bound any more when the handlers have returned, and yet nothing was invalidated.
TEST(SvaProcess, an_exit_tells_that_an_unbind_meanwhile_timed_out) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  w.world.stuck = true;
  bool first = true;
  w.world.on_wait = [&] {
    if (!std::exchange(first, false)) return false;
    EXPECT_EQ(w.d.done(0, 1, -IOMMUCHECK_EIO), 0);
    EXPECT_EQ(w.d.unbind(0, 1), -IOMMUCHECK_ETIMEDOUT);
    return true;
  };
  EXPECT_EQ(w.d.release(1), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_FALSE(first);
  EXPECT_EQ(w.world.processes[1].pins, 1u);
  w.world.on_wait = nullptr;
  w.world.stuck = false;
  EXPECT_EQ(w.d.driver->recover(w.d.self()), 0);
  EXPECT_EQ(w.world.processes[1].pins, 0u);
  w.end();
}

}  // namespace
}  // namespace iommucheck::test::sva_process_test
