// SPDX-License-Identifier: MIT
// What a call gives back, on its way out and where it fails: memory, ASIDs, numbers, pins.
#include "impl/smmuv3/pools.h"
#include "tests/impl/sva_support.h"

namespace iommucheck::test::resources_test {
namespace {

constexpr u64 mib2 = u64{2} << 20;

TEST(Resources, domains_that_come_and_go_need_no_more_memory) {
  TwoDevices w;
  u64 live = 0;
  for (int i = 0; i < 200; ++i) {
    const auto domain = w.d.alloc();
    ASSERT_NE(domain, 0u);
    ASSERT_EQ(w.d.driver->map(w.d.self(), domain, mib2, phys + page, mib2, rw), 0);
    // A whole table of pages leaves the tree, and waits; nobody synchronises before the end.
    ASSERT_EQ(w.d.driver->unmap_fast(w.d.self(), domain, mib2, mib2).bytes, mib2);
    ASSERT_EQ(w.d.free(domain), 0);
    if (i == 0) live = w.world.live_tables();
    ASSERT_EQ(w.world.live_tables(), live) << i;
  }
  w.end();
}

// ASID 0 is nobody's. What is one too many is refused, and costs nothing; who is freed makes room.
TEST(Resources, there_are_as_many_domains_as_asids) {
  FakeOptions options = with_pasids();
  options.asid16 = false;
  TwoDevices w(options);
  std::vector<iommucheck_handle> domains{w.a, w.b};
  while (domains.size() < 0xff) {
    domains.push_back(w.d.alloc());
    ASSERT_NE(domains.back(), 0u) << domains.size();
  }
  const u64 live = w.world.live_tables();
  EXPECT_EQ(w.d.alloc(), 0u);
  EXPECT_EQ(w.d.last_error, -IOMMUCHECK_ENOSPC);
  EXPECT_EQ(w.world.live_tables(), live);
  // The last one is as good as the first.
  ASSERT_EQ(w.d.driver->map(w.d.self(), domains.back(), va, phys + page, page, rw), 0);
  ASSERT_EQ(w.d.attach(domains.back(), 1), 0);
  EXPECT_EQ(w.d.reach(1, 0, va), phys + page);
  EXPECT_EQ(w.d.reach(0, 0, va), std::nullopt);
  ASSERT_EQ(w.d.attach(w.b, 1), 0);
  ASSERT_EQ(w.d.free(domains[100]), 0);
  domains[100] = w.d.alloc();
  EXPECT_NE(domains[100], 0u);
  for (std::size_t i = 2; i < domains.size(); ++i) ASSERT_EQ(w.d.free(domains[i]), 0);
  w.end();
}

TEST(Resources, every_asid_of_16_bits_is_given_once) {
  FakeWorld world;
  impl::NumberAllocator asids;
  ASSERT_TRUE(asids.create(impl::Platform(world.platform()), 16));
  std::vector<bool> given(0x10000);
  given[0] = true;
  for (unsigned n = 1; n < 0x10000; ++n) {
    const u64 asid = asids.allocate();
    ASSERT_LT(asid, given.size());
    ASSERT_FALSE(given[asid]) << asid;
    given[asid] = true;
  }
  EXPECT_EQ(asids.allocate(), 0u);
  asids.release(0x8001);
  EXPECT_EQ(asids.allocate(), 0x8001u);
}

/// A process with that ASID can be bound, and reaches its own page and nobody else's.
void expect_asid_free(TwoDevices& w, u32 asid) {
  const iommucheck_handle mm = 0x1000 + asid;
  w.world.add_process(mm, asid);
  w.world.mm_map(mm, va, phys + 0x100 * page);
  const int pasid = w.d.bind(0, mm);
  ASSERT_GT(pasid, 0) << "ASID " << asid;
  EXPECT_EQ(w.d.reach(0, static_cast<u32>(pasid), va), phys + 0x100 * page);
  EXPECT_EQ(w.d.unbind(0, static_cast<u32>(pasid)), 0);
}

TEST(Resources, the_asid_of_a_space_that_was_freed_is_free) {
  TwoDevices w;  // its domains have 1 and 2
  ASSERT_EQ(w.d.init(0, iopf | private_pasids), 0);
  const auto c = w.d.alloc();
  const auto m = w.d.alloc_private(w.a, 0);
  ASSERT_NE(m, 0u);
  EXPECT_EQ(w.d.free(c), 0);
  EXPECT_EQ(w.d.free_private(w.a, m), 0);
  expect_asid_free(w, 3);
  expect_asid_free(w, 4);
  w.end();
}

/// With a process at PASID 1 that has ASID 1, another domain is made, and neither meets the other.
void expect_asid_is_the_processs(TwoDevices& w, iommucheck_handle mm) {
  const int pasid = w.d.bind(0, mm);
  ASSERT_GT(pasid, 0);
  ASSERT_EQ(w.d.driver->recover(w.d.self()), 0);
  ASSERT_EQ(w.d.driver->recover(w.d.self()), 0);
  const auto c = w.d.alloc();
  ASSERT_EQ(w.d.attach(c, 1), 0);
  EXPECT_EQ(w.d.reach(0, static_cast<u32>(pasid), va), phys + 9 * page);
  EXPECT_EQ(w.d.reach(1, 0, va), std::nullopt) << "the process's translation";
  EXPECT_EQ(w.d.attach(w.b, 1), 0);
  EXPECT_EQ(w.d.free(c), 0);
  EXPECT_EQ(w.d.unbind(0, static_cast<u32>(pasid)), 0);
}

TEST(Resources, an_asid_that_a_process_took_is_its_own_after_a_recovery) {
  for (const bool late : {false, true}) {
    TwoDevices w;
    ASSERT_EQ(w.d.init(0, iopf), 0);
    w.world.add_process(9, 1);  // that of the first domain
    w.world.mm_map(9, va, phys + 9 * page);
    w.world.stuck = late;
    if (late) {
      EXPECT_EQ(w.d.bind(0, 9), -IOMMUCHECK_ETIMEDOUT);
      EXPECT_EQ(w.world.processes[9].pins, 0u);
      w.world.stuck = false;
      ASSERT_EQ(w.d.driver->recover(w.d.self()), 0);
    }
    expect_asid_is_the_processs(w, 9);
    w.end();
  }
}

TEST(Resources, an_asid_that_was_not_needed_after_all_is_free) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.driver->map(w.d.self(), w.a, va, phys, page, rw), 0);
  ASSERT_EQ(w.d.driver->unmap_fast(w.d.self(), w.a, va, page).bytes, page);
  w.world.add_process(9, 1);
  w.world.stuck = true;
  EXPECT_EQ(w.d.bind(0, 9), -IOMMUCHECK_ETIMEDOUT) << "what is owed under ASID 1 comes first";
  w.world.stuck = false;
  ASSERT_EQ(w.d.driver->recover(w.d.self()), 0);
  expect_asid_free(w, 3);
  w.end();
}

TEST(Resources, a_bind_that_fails_leaves_no_pin_and_no_io_mm) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf, 1, 1), 0);
  w.world.add_process(9, 0x10000);
  EXPECT_EQ(w.d.bind(0, 9), -IOMMUCHECK_ENOSPC) << "an ASID that the SMMU cannot do";
  EXPECT_EQ(w.world.processes[9].pins, 0u);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  EXPECT_EQ(w.d.bind(0, 2), -IOMMUCHECK_ENOSPC);
  EXPECT_EQ(w.world.processes[2].pins, 0u);
  EXPECT_EQ(w.d.held().io_mms, 0u);
  EXPECT_EQ(w.d.held().bonds, 1u);
  EXPECT_EQ(w.d.held().pasids, 1u);
  w.end();
}

// Even where no number near it was ever given.
TEST(Resources, pasid_0_is_never_given) {
  TwoDevices w(with_pasids(16));
  u32 high = 0;
  EXPECT_EQ(w.d.driver->pasid_alloc(w.d.self(), 40000, 40000, &high), 0);
  u32 pasid = 0;
  EXPECT_EQ(w.d.driver->pasid_alloc(w.d.self(), 0, 2, &pasid), 0);
  EXPECT_EQ(pasid, 1u);
  for (const u32 given : {high, pasid}) EXPECT_EQ(w.d.driver->pasid_free(w.d.self(), given), 0);
  w.end();

  TwoDevices other(with_pasids(16));
  EXPECT_EQ(other.d.driver->pasid_alloc(other.d.self(), 40000, 40000, &high), 0);
  ASSERT_EQ(other.d.init(0, iopf, 0, 2), 0);
  EXPECT_EQ(other.d.bind(0, 1), 1);
  EXPECT_EQ(other.d.unbind(0, 1), 0);
  EXPECT_EQ(other.d.driver->pasid_free(other.d.self(), high), 0);
  other.end();
}

}  // namespace
}  // namespace iommucheck::test::resources_test
