// SPDX-License-Identifier: MIT
// After a command that was not answered: nothing that a cache may still hold is used anew.
// INTERFACE "Timeouts and removal"; SEMANTICS 5, quarantine.
#include "tests/impl/sva_support.h"

namespace iommucheck::test {
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
}  // namespace iommucheck::test
