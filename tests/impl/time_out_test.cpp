// SPDX-License-Identifier: MIT
// After a command that was not answered: nothing that a cache may still hold is used anew.
// INTERFACE "Timeouts and removal"; SEMANTICS 5, quarantine.
#include "tests/impl/sva_support.h"

namespace iommucheck::test::time_out_test {
namespace {

struct Mapped : TwoDevices {
  /// Pages 0, 2, 4 ... of device 0's domain, each looked at.
  explicit Mapped(u64 the_pages) : pages(the_pages) {
    for (u64 n = 0; n < pages; ++n) {
      EXPECT_EQ(map(n), 0);
      EXPECT_EQ(d.reach(0, 0, at(n)), phys + n * page);
    }
  }
  static u64 at(u64 n) { return va + 2 * n * page; }
  int map(u64 n, u64 pa = phys) {
    return d.driver->map(d.self(), a, at(n), pa + n * page, page, rw);
  }
  u64 pages;
};

// More ranges than are remembered one by one become "everything", and a flush of all is it.
TEST(TimeOut, whatever_was_to_be_invalidated_is_not_mapped_anew) {
  for (const bool flush : {false, true}) {
    Mapped w(6);
    for (u64 n = 0; n < w.pages; ++n) {
      ASSERT_EQ(w.d.driver->unmap_fast(w.d.self(), w.a, Mapped::at(n), page).bytes, page);
    }
    w.world.stuck = true;
    const auto sync = flush ? w.d.driver->flush_iotlb_all : w.d.driver->iotlb_sync;
    EXPECT_EQ(sync(w.d.self(), w.a), -IOMMUCHECK_ETIMEDOUT);
    EXPECT_EQ(sync(w.d.self(), w.a), -IOMMUCHECK_ETIMEDOUT) << "it is owed still";
    for (u64 n = 0; n < w.pages; ++n) {
      EXPECT_EQ(w.map(n, 2 * phys), -IOMMUCHECK_ETIMEDOUT) << n;
    }
    w.world.stuck = false;
    for (u64 n = 0; n < w.pages; ++n) {
      EXPECT_EQ(w.map(n, 2 * phys), 0);
      EXPECT_EQ(w.d.reach(0, 0, Mapped::at(n)), 2 * phys + n * page);
    }
    w.end();
  }
}

TEST(TimeOut, a_range_with_quarantine_anywhere_in_it_is_not_mapped) {
  Mapped w(2);
  w.world.stuck = true;
  EXPECT_EQ(w.d.driver->unmap(w.d.self(), w.a, Mapped::at(1), page).error, -IOMMUCHECK_ETIMEDOUT);
  const auto map = [&](u64 first, u64 end) {
    return w.d.driver->map(w.d.self(), w.a, first, 2 * phys, end - first, rw);
  };
  const u64 at = Mapped::at(1);
  EXPECT_EQ(map(at - page, at + page), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(map(at, at + 3 * page), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(map(at - page, at + 3 * page), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(map(at - page, at), 0) << "up to it";
  EXPECT_EQ(map(at + page, at + 2 * page), 0) << "and behind it";
  w.world.stuck = false;
  EXPECT_EQ(map(at, at + page), 0);
  EXPECT_EQ(w.d.reach(0, 0, at), 2 * phys);
  w.end();
}

// Break-before-make of an empty table that a block replaces.
TEST(TimeOut, a_table_in_the_way_of_a_block_stays_until_it_is_out_of_every_cache) {
  constexpr u64 mib2 = u64{2} << 20;
  Mapped w(1);
  const u64 block = va & ~(mib2 - 1);
  ASSERT_EQ(w.d.driver->unmap(w.d.self(), w.a, va, page).error, 0);
  const u64 live = w.world.live_tables();
  w.world.stuck = true;
  const auto map = [&] { return w.d.driver->map(w.d.self(), w.a, block, 2 * phys, mib2, rw); };
  EXPECT_EQ(map(), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(map(), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(w.world.live_tables(), live);
  w.world.stuck = false;
  EXPECT_EQ(w.d.driver->recover(w.d.self()), 0);
  EXPECT_EQ(map(), 0);
  EXPECT_EQ(w.world.live_tables(), live - 1);
  EXPECT_EQ(w.d.reach(0, 0, va), 2 * phys + va - block);
  w.end();
}

// The first PASID moves STEs to a table; if that times out they are back, and the table goes.
TEST(TimeOut, a_first_bind_that_times_out_leaves_the_device_as_it_was) {
  Mapped w(1);
  ASSERT_EQ(w.d.init(0, iopf), 0);
  const u64 live = w.world.live_tables();
  w.world.stuck = true;
  EXPECT_EQ(w.d.bind(0, 1), -IOMMUCHECK_ETIMEDOUT);
  w.world.stuck = false;
  ASSERT_EQ(w.d.driver->recover(w.d.self()), 0);
  EXPECT_EQ(w.world.live_tables(), live);
  EXPECT_EQ(w.d.reach(0, 0, va), phys);
  EXPECT_EQ(w.d.reach(0, 1, va), std::nullopt);
  w.end();
}

// The STE of a move that timed out may be cached, though memory says what it said before.
TEST(TimeOut, a_detach_ends_what_a_move_that_timed_out_has_begun) {
  Mapped w(1);
  const auto blocked = w.d.alloc(IOMMUCHECK_DOMAIN_BLOCKED);
  ASSERT_EQ(w.d.attach(blocked, 0), 0);
  ASSERT_EQ(w.d.reach(0, 0, va), std::nullopt);
  const u32 sid = w.world.stream_id(0, 0);
  w.world.on_command = [&](const FakeCommand& command) {
    if (command.op() != 0x03) return;
    EXPECT_FALSE(w.world.access(sid, va)) << "the invalidation acts with the CMD_SYNC";
    w.world.forget_configuration();
    EXPECT_TRUE(w.world.access(sid, va)) << "the new STE";
    w.world.stuck = true;  // before it
  };
  EXPECT_EQ(w.d.attach(w.a, 0), -IOMMUCHECK_ETIMEDOUT);
  w.world.on_command = nullptr;
  w.world.stuck = false;
  EXPECT_EQ(w.d.detach(blocked, 0), 0);
  EXPECT_EQ(w.d.reach(0, 0, va), std::nullopt);
  EXPECT_EQ(w.d.free(blocked), 0);
  ASSERT_EQ(w.d.attach(w.a, 0), 0);
  w.end();
}

// CERROR_ATC_INV_SYNC: the CMD_SYNC is tried again, and what the device still has nobody knows.
TEST(TimeOut, a_device_that_does_not_answer_is_asked_again) {
  for (u64 silent = 0; silent < 2; ++silent) {
    Mapped w(2);
    w.world.silent_after = silent;
    for (u64 n = 0; n < w.pages; ++n) {
      const iommucheck_result result = w.d.driver->unmap(w.d.self(), w.a, Mapped::at(n), page);
      EXPECT_EQ(result.bytes, page);
      EXPECT_EQ(result.error, 0);
      EXPECT_EQ(w.d.reach(0, 0, Mapped::at(n)), std::nullopt);
    }
    EXPECT_FALSE(w.world.silent_after);
    w.end();
  }
}

}  // namespace
}  // namespace iommucheck::test::time_out_test
