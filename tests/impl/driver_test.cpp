// SPDX-License-Identifier: MIT
// The whole driver through its door, in a world that caches everything it ever saw.
#include "impl/driver.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/impl/fake_world_support.h"

namespace iommucheck::test::driver_test {
namespace {

constexpr u64 page = 0x1000;
constexpr u64 mib2 = u64{2} << 20;
constexpr u64 phys = u64{4} << 30;
constexpr u32 ro = IOMMUCHECK_PROT_READ;
constexpr u32 rw = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE;

struct Driver : Booted {
  explicit Driver(FakeWorld& w) : Booted(impl::builtin_driver(), w) {}
  int attach(iommucheck_handle d, u32 device) { return driver->attach(self(), d, device); }
  int detach(iommucheck_handle d, u32 device) { return driver->detach(self(), d, device); }
  int free(iommucheck_handle d) { return driver->domain_free(self(), d); }
  int map(iommucheck_handle d, u64 iova, u64 pa, u64 bytes, u32 prot = rw) {
    return driver->map(self(), d, iova, pa, bytes, prot);
  }
  iommucheck_result unmap(iommucheck_handle d, u64 iova, u64 bytes) {
    return driver->unmap(self(), d, iova, bytes);
  }
  iommucheck_result unmap_fast(iommucheck_handle d, u64 iova, u64 bytes) {
    return driver->unmap_fast(self(), d, iova, bytes);
  }
  int sync(iommucheck_handle d) { return driver->iotlb_sync(self(), d); }
  int flush(iommucheck_handle d) { return driver->flush_iotlb_all(self(), d); }
  int shutdown() { return driver->shutdown(self()); }
  u64 phys_of(iommucheck_handle d, u64 iova) { return driver->iova_to_phys(self(), d, iova); }
  std::optional<FakeWorld::Access> reach(u32 device, u64 iova, u32 n = 0) {
    return world.access(world.stream_id(device, n), iova);
  }
};

TEST(Driver, brings_an_smmu_up_with_everything_blocked) {
  for (const bool two_level : {false, true}) {
    FakeWorld world({.stream_id_bits = two_level ? 16u : 6u, .two_level = two_level});
    Driver d(world);
    ASSERT_EQ(d.error(), 0);
    EXPECT_FALSE(d.reach(0, 0));
    EXPECT_FALSE(d.reach(1, page));
    EXPECT_EQ(d.shutdown(), 0);
    EXPECT_EQ(world.live_tables(), 0u);
    EXPECT_FALSE(d.reach(0, 0)) << "GBPA.ABORT";
    EXPECT_TRUE(world.errors.empty());
  }
}

TEST(Driver, acknowledges_errors_that_are_active_from_before) {
  constexpr u64 gerror = 0x60, gerrorn = 0x64;
  FakeWorld world;
  world.set_register(gerror, 1 << 2 | 1 << 8);
  Driver d(world);
  ASSERT_EQ(d.error(), 0);
  EXPECT_EQ(world.register_value(gerrorn), world.register_value(gerror));
}

// An SMMU that does not look into the CPU's caches reads what was cleaned, and nothing else.
TEST(Driver, cleans_what_an_smmu_without_coherency_reads) {
  for (const bool two_level : {false, true}) {
    FakeWorld world(
        {.stream_id_bits = two_level ? 16u : 6u, .two_level = two_level, .coherent = false});
    Driver d(world);
    ASSERT_EQ(d.error(), 0);
    const auto domain = d.alloc();
    ASSERT_EQ(d.map(domain, page, phys, 3 * page), 0);
    ASSERT_EQ(d.attach(domain, 0), 0);
    ASSERT_EQ(d.map(domain, mib2 - page, 2 * phys - page, mib2 + 11 * page), 0);
    for (u64 n = 0; n < 3; ++n) {
      EXPECT_EQ(d.reach(0, (n + 1) * page), (FakeWorld::Access{phys + n * page, true})) << n;
    }
    for (const u64 at : {mib2 - page, mib2, 2 * mib2 - page, 2 * mib2, 2 * mib2 + 9 * page}) {
      EXPECT_EQ(d.reach(0, at), (FakeWorld::Access{2 * phys + at - mib2, true})) << at;
    }
    EXPECT_EQ(d.unmap(domain, 2 * page, page).bytes, page);
    EXPECT_FALSE(d.reach(0, 2 * page));
    EXPECT_EQ(d.unmap(domain, mib2 - page, mib2 + 2 * page).bytes, mib2 + 2 * page);
    for (const u64 at : {mib2 - page, mib2, 2 * mib2 - page, 2 * mib2}) {
      EXPECT_FALSE(d.reach(0, at)) << at;
    }
    EXPECT_EQ(d.reach(0, 2 * mib2 + page), (FakeWorld::Access{2 * phys + mib2 + page, true}));
    ASSERT_EQ(d.detach(domain, 0), 0);
    EXPECT_FALSE(d.reach(0, page));
    EXPECT_EQ(d.shutdown(), 0);
    EXPECT_TRUE(world.errors.empty());
  }
}

TEST(Driver, every_stream_of_a_device_follows) {
  FakeWorld world;
  Driver d(world);
  const auto domain = d.alloc();
  ASSERT_EQ(d.map(domain, page, phys, page, ro), 0);
  ASSERT_EQ(d.attach(domain, 1), 0);
  for (u32 n = 0; n < 2; ++n) {
    EXPECT_EQ(d.reach(1, page + 8, n), (FakeWorld::Access{phys + 8, false}));
    EXPECT_FALSE(d.reach(0, page, n));
  }
  EXPECT_EQ(d.detach(domain, 1), 0);
  for (u32 n = 0; n < 2; ++n) EXPECT_FALSE(d.reach(1, page, n));
}

TEST(Driver, errors_are_those_of_the_interface) {
  FakeWorld world;
  Driver d(world);
  const auto a = d.alloc();
  const auto small = d.alloc(IOMMUCHECK_DOMAIN_PAGING, 25);
  const auto blocked = d.alloc(IOMMUCHECK_DOMAIN_BLOCKED);
  const auto identity = d.alloc(IOMMUCHECK_DOMAIN_IDENTITY);
  EXPECT_EQ(d.alloc(IOMMUCHECK_DOMAIN_PAGING, 24), 0u);
  EXPECT_EQ(d.alloc(IOMMUCHECK_DOMAIN_PAGING, 49), 0u);
  EXPECT_EQ(d.attach(a, 9), -IOMMUCHECK_ENODEV);
  EXPECT_EQ(d.attach(77, 0), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.attach(a, 0), 0);
  EXPECT_EQ(d.attach(a, 0), 0);
  EXPECT_EQ(d.detach(small, 0), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.detach(a, 1), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.free(a), -IOMMUCHECK_EBUSY);

  EXPECT_EQ(d.map(a, 1, phys, page), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.map(a, page, phys + 8, page), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.map(a, page, phys, page + 1), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.map(a, page, phys, page, 0), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.map(a, page, phys, 0), 0);
  EXPECT_EQ(d.map(a, u64{1} << 48, phys, page), -IOMMUCHECK_ERANGE);
  EXPECT_EQ(d.map(a, page, u64{1} << 48, page), -IOMMUCHECK_ERANGE);
  EXPECT_EQ(d.map(a, (u64{1} << 48) - page, phys, 2 * page), -IOMMUCHECK_ERANGE);
  EXPECT_EQ(d.map(a, ~u64{0xfff}, phys, 2 * page), -IOMMUCHECK_ERANGE);
  EXPECT_EQ(d.map(small, 1 << 25, phys, page), -IOMMUCHECK_ERANGE);
  EXPECT_EQ(d.map(small, (1 << 25) - page, phys, page), 0);
  EXPECT_EQ(d.map(blocked, page, phys, page), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.map(identity, page, phys, page), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.unmap(blocked, page, page).bytes, 0u);
  EXPECT_EQ(d.phys_of(identity, 0x1234), 0x1234u);
  EXPECT_EQ(d.phys_of(blocked, 0x1234), 0u);

  EXPECT_EQ(d.map(a, 3 * page, phys, page), 0);
  EXPECT_EQ(d.map(a, page, phys, 4 * page), -IOMMUCHECK_EEXIST);
  EXPECT_FALSE(d.reach(0, page)) << "unrolled";
  EXPECT_FALSE(d.reach(0, 4 * page));
  EXPECT_TRUE(d.reach(0, 3 * page));
  EXPECT_EQ(d.unmap(a, 3 * page, 2 * page).bytes, page);
  EXPECT_EQ(d.unmap(a, 3 * page + 1, page).bytes, 0u);
  EXPECT_EQ(d.free(small), 0);
  EXPECT_EQ(d.free(small), -IOMMUCHECK_EINVAL) << "a handle of a freed object names nothing";
  EXPECT_EQ(d.shutdown(), 0);
  EXPECT_EQ(world.live_tables(), 0u);
}

TEST(Driver, kinds_replace_each_other) {
  FakeWorld world;
  Driver d(world);
  const auto a = d.alloc();
  const auto b = d.alloc();
  const auto identity = d.alloc(IOMMUCHECK_DOMAIN_IDENTITY);
  const auto blocked = d.alloc(IOMMUCHECK_DOMAIN_BLOCKED);
  d.map(a, page, phys, page);
  d.map(b, page, phys + page, page);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(d.attach(a, 0), 0);
    EXPECT_EQ(d.reach(0, page)->pa, phys);
    EXPECT_EQ(d.attach(b, 0), 0);
    EXPECT_EQ(d.reach(0, page)->pa, phys + page);
    EXPECT_EQ(d.attach(identity, 0), 0);
    EXPECT_EQ(d.reach(0, page)->pa, page);
    EXPECT_EQ(d.attach(blocked, 0), 0);
    EXPECT_FALSE(d.reach(0, page));
  }
  EXPECT_EQ(d.free(a), 0);
  EXPECT_EQ(d.free(b), 0);
  EXPECT_EQ(d.free(blocked), -IOMMUCHECK_EBUSY);
}

TEST(Driver, a_table_page_is_freed_only_after_its_invalidation) {
  FakeWorld world;
  Driver d(world);
  const auto domain = d.alloc();
  ASSERT_EQ(d.attach(domain, 0), 0);
  ASSERT_EQ(d.map(domain, mib2, phys + page, mib2), 0);
  ASSERT_TRUE(d.reach(0, mib2));
  const u64 live = world.live_tables();
  world.on_command = [&](const FakeCommand& c) {
    if (c.op() == 0x46) return;
    EXPECT_EQ(world.live_tables(), live) << "freed before CMD_SYNC";
  };
  EXPECT_EQ(d.unmap_fast(domain, mib2, mib2).bytes, mib2);
  EXPECT_EQ(world.live_tables(), live);
  EXPECT_EQ(d.sync(domain), 0);
  EXPECT_EQ(world.live_tables(), live - 1);

  world.on_command = nullptr;
  ASSERT_EQ(d.map(domain, mib2 + page, phys, page), 0);
  ASSERT_TRUE(d.reach(0, mib2 + page));
  ASSERT_EQ(d.unmap(domain, mib2 + page, page).bytes, page);
  EXPECT_EQ(world.live_tables(), live);
  EXPECT_EQ(d.map(domain, mib2, phys, mib2), 0) << "a block in place of the empty table";
  EXPECT_EQ(world.live_tables(), live - 1);
  EXPECT_EQ(d.reach(0, mib2 + 5 * page)->pa, phys + 5 * page);
}

TEST(Driver, pages_beside_blocks_leave_together) {
  for (const bool ranges : {true, false}) {
    FakeWorld world({.range_invalidation = ranges});
    Driver d(world);
    const auto domain = d.alloc();
    ASSERT_EQ(d.attach(domain, 0), 0);
    const u64 first = mib2 - 3 * page;
    const u64 bytes = 2 * mib2 + 5 * page;  // pages, two blocks, pages
    ASSERT_EQ(d.map(domain, first, phys + first, bytes), 0);
    for (u64 at = first; at < first + bytes; at += page) ASSERT_TRUE(d.reach(0, at));
    EXPECT_EQ(d.unmap(domain, first, bytes).bytes, bytes);
    for (u64 at = first; at < first + bytes; at += page) ASSERT_FALSE(d.reach(0, at)) << at;
  }
}

// What a walk remembers of tables that are gone is gone with them, at every level.
TEST(Driver, pointers_to_tables_that_left_are_invalidated) {
  constexpr u64 gib = u64{1} << 30;
  for (const bool ranges : {true, false}) {
    FakeWorld world({.range_invalidation = ranges});
    Driver d(world);
    const auto domain = d.alloc();
    ASSERT_EQ(d.attach(domain, 0), 0);
    // A whole table of pages, and then a page of the next one, in one unmap.
    ASSERT_EQ(d.map(domain, mib2, phys + page, mib2 + page), 0);
    for (u64 at = mib2; at <= 2 * mib2; at += page) ASSERT_TRUE(d.reach(0, at));
    EXPECT_EQ(d.unmap(domain, mib2, mib2 + page).bytes, mib2 + page);
    for (u64 at = mib2; at <= 2 * mib2; at += page) ASSERT_FALSE(d.reach(0, at)) << at;
    // Empty tables of two levels below a block of 1 GiB.
    for (const u64 at : {gib, gib + 5 * mib2, 2 * gib - page}) {
      ASSERT_EQ(d.map(domain, at, phys + page, page), 0);
      ASSERT_TRUE(d.reach(0, at));
      ASSERT_EQ(d.unmap(domain, at, page).bytes, page);
    }
    ASSERT_EQ(d.map(domain, gib, phys, gib), 0);
    for (const u64 at : {2 * gib - page, gib + 5 * mib2, gib}) {
      EXPECT_EQ(d.reach(0, at), (FakeWorld::Access{phys + at - gib, true})) << at;
    }
    EXPECT_TRUE(world.errors.empty());
  }
}

TEST(Driver, a_time_out_quarantines_and_recovery_frees) {
  FakeWorld world;
  Driver d(world);
  const auto domain = d.alloc();
  const auto other = d.alloc();
  ASSERT_EQ(d.attach(domain, 0), 0);
  ASSERT_EQ(d.attach(other, 1), 0);
  ASSERT_EQ(d.map(domain, page, phys, page), 0);
  ASSERT_TRUE(d.reach(0, page));
  world.stuck = true;
  const iommucheck_result late = d.unmap(domain, page, page);
  EXPECT_EQ(late.bytes, page);
  EXPECT_EQ(late.error, -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(d.map(domain, page, phys + page, page), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(d.map(domain, 2 * page, phys + page, page), 0) << "beside it nothing is the matter";
  EXPECT_EQ(d.sync(other), 0);
  EXPECT_EQ(d.attach(other, 0), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(d.detach(domain, 0), -IOMMUCHECK_ETIMEDOUT);
  const u64 live = world.live_tables();
  EXPECT_EQ(d.free(domain), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(d.free(domain), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(world.live_tables(), live) << "held";
  EXPECT_EQ(d.shutdown(), -IOMMUCHECK_ETIMEDOUT);
  world.stuck = false;
  EXPECT_EQ(d.attach(other, 0), 0);
  EXPECT_LT(world.live_tables(), live) << "freed by the recovery";
  EXPECT_FALSE(d.reach(0, page));
  EXPECT_EQ(d.shutdown(), 0);
  EXPECT_EQ(world.live_tables(), 0u);
}

TEST(Driver, a_refused_invalidation_is_made_good) {
  FakeWorld world;
  Driver d(world);
  const auto domain = d.alloc();
  ASSERT_EQ(d.map(domain, page, phys, 3 * page), 0);
  ASSERT_EQ(d.attach(domain, 0), 0);
  ASSERT_TRUE(d.reach(0, page));
  world.illegal_after = 0;
  EXPECT_EQ(d.unmap(domain, page, page).error, 0);
  EXPECT_FALSE(d.reach(0, page));
  EXPECT_TRUE(d.reach(0, 2 * page));
}

TEST(Driver, events_are_read_once_and_an_overflow_is_acknowledged) {
  FakeWorld world;
  Driver d(world);
  for (u64 i = 0; i < 200; ++i) world.post_event(0x10 | i << 32);
  d.driver->handle_irq(d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  EXPECT_EQ(world.log.size(), 128u);
  EXPECT_EQ(world.register_value(0x100a8), world.register_value(0x100ac));
  world.post_event(0x10 | u64{7} << 32);
  d.driver->handle_irq(d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  ASSERT_EQ(world.log.size(), 129u);
  EXPECT_EQ(world.log.back().substr(0, 27), "event 0x10 of stream 0x7, a");
  d.driver->handle_irq(d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  EXPECT_EQ(world.log.size(), 129u);
}

/// GERROR beside the command queue's error.
TEST(Driver, global_errors_are_told_before_they_are_acknowledged) {
  FakeWorld world;
  Booted d(impl::builtin_driver(), world);
  ASSERT_EQ(d.error(), 0);
  const auto said = [&](const std::string& what) {
    return std::ranges::any_of(
        world.log, [&](const std::string& line) { return line.find(what) != std::string::npos; });
  };
  world.raise_global_error(1 << 2 | 1 << 5);  // EVENTQ_ABT_ERR, MSI_EVENTQ_ABT_ERR
  d.driver->handle_irq(d.self(), IOMMUCHECK_IRQ_GLOBAL_ERROR);
  EXPECT_TRUE(said("EVENTQ_ABT_ERR"));
  EXPECT_TRUE(said("MSI"));
  EXPECT_EQ(world.register_value(0x60), world.register_value(0x64));
  EXPECT_EQ(world.register_value(0x20) & 1, 1u) << "it goes on";
  const iommucheck_handle domain = d.alloc();
  EXPECT_EQ(d.driver->attach(d.self(), domain, 0), 0);
}

TEST(Driver, service_failure_mode_switches_the_smmu_off) {
  FakeWorld world;
  Booted d(impl::builtin_driver(), world);
  ASSERT_EQ(d.error(), 0);
  const iommucheck_handle domain = d.alloc();
  world.raise_global_error(1 << 8);  // SFM_ERR
  d.driver->handle_irq(d.self(), IOMMUCHECK_IRQ_GLOBAL_ERROR);
  EXPECT_FALSE(world.log.empty());
  EXPECT_EQ(world.register_value(0x20), 0u) << "CR0";
  EXPECT_EQ(d.driver->attach(d.self(), domain, 0), -IOMMUCHECK_ETIMEDOUT);
}

/// The 1,025th paging domain.
TEST(Driver, has_as_many_domains_as_memory) {
  FakeWorld world;
  Booted d(impl::builtin_driver(), world);
  ASSERT_EQ(d.error(), 0);
  std::vector<iommucheck_handle> domains;
  for (int i = 0; i < 1100; ++i) {
    domains.push_back(d.alloc());
    ASSERT_NE(domains.back(), 0u) << "domain " << i;
  }
  EXPECT_EQ(d.driver->attach(d.self(), domains.back(), 0), 0);
  EXPECT_EQ(d.driver->map(d.self(), domains.back(), 0x1000, 0x1000, 0x1000, 3), 0);
  EXPECT_TRUE(world.access(world.stream_id(0, 0), 0x1000));
  EXPECT_EQ(d.driver->detach(d.self(), domains.back(), 0), 0);
  for (const iommucheck_handle domain : domains) {
    EXPECT_EQ(d.driver->domain_free(d.self(), domain), 0);
  }
  EXPECT_EQ(d.driver->shutdown(d.self()), 0);
  EXPECT_EQ(world.live_tables(), 0u);
}

TEST(Driver, a_device_that_could_not_be_added_leaves_nothing_half_known) {
  FakeWorld world({.stream_id_bits = 16, .devices = 1, .streams_per_device = 6});
  // Ring, stream table, event queue and the first leaf table succeed; the second leaf fails.
  world.fail_allocation = 4;
  Driver d(world);
  ASSERT_EQ(d.error(), -IOMMUCHECK_ENOMEM);
  EXPECT_EQ(world.commands.at(world.commands.size() - 2).op(), 0x03u) << "CFGI_STE for the first";
  EXPECT_EQ(d.driver->device_add(d.self(), 0), 0);
  const auto domain = d.alloc();
  ASSERT_EQ(d.map(domain, page, phys, page), 0);
  ASSERT_EQ(d.attach(domain, 0), 0);
  for (u32 n = 0; n < 6; ++n) EXPECT_TRUE(d.reach(0, page, n));
}

TEST(Driver, an_attach_that_times_out_changes_nothing) {
  FakeWorld world;
  Driver d(world);
  const auto a = d.alloc();
  const auto b = d.alloc();
  ASSERT_EQ(d.map(a, page, phys, page), 0);
  ASSERT_EQ(d.map(b, page, phys + page, page), 0);
  ASSERT_EQ(d.attach(a, 0), 0);
  ASSERT_EQ(d.reach(0, page)->pa, phys);
  world.stuck = true;
  EXPECT_EQ(d.attach(b, 0), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(d.free(b), -IOMMUCHECK_ETIMEDOUT) << "the SMMU may have seen it";
  EXPECT_EQ(d.free(a), -IOMMUCHECK_EBUSY);
  world.stuck = false;
  EXPECT_EQ(d.detach(a, 0), 0);
  EXPECT_FALSE(d.reach(0, page));
  EXPECT_EQ(d.shutdown(), 0);
  EXPECT_EQ(world.live_tables(), 0u);
}

/// GRP-01, with every stream of every member, and a stranger.
TEST(Driver, a_group_moves_as_one) {
  FakeWorld world({.devices = 3, .ats = true, .grouped_devices = 2});
  Driver d(world);
  ASSERT_EQ(d.error(), 0);
  const auto a = d.alloc();
  const auto b = d.alloc();
  ASSERT_EQ(d.map(a, page, phys, page), 0);
  ASSERT_EQ(d.map(b, page, phys + page, page), 0);
  const auto all_reach = [&](std::optional<u64> pa) {
    for (u32 device = 0; device < 2; ++device) {
      for (u32 n = 0; n < 2; ++n) {
        const auto direct = d.reach(device, page, n);
        EXPECT_EQ(direct ? std::optional<u64>(direct->pa) : std::nullopt, pa) << device << n;
        EXPECT_EQ(world.ats_access(world.stream_id(device, n), page), direct) << device << n;
      }
    }
  };
  EXPECT_EQ(d.attach(a, 1), 0);
  all_reach(phys);
  EXPECT_FALSE(d.reach(2, page));
  EXPECT_EQ(d.attach(a, 0), 0) << "it is there already";
  EXPECT_EQ(d.attach(b, 0), 0) << "replaces, for both";
  all_reach(phys + page);
  EXPECT_EQ(d.free(a), 0) << "nobody is left on it";
  EXPECT_EQ(d.detach(b, 1), 0);
  all_reach(std::nullopt);
  EXPECT_EQ(d.detach(b, 0), -IOMMUCHECK_EINVAL) << "it has gone along";
  EXPECT_EQ(d.free(b), 0);
  EXPECT_EQ(d.shutdown(), 0);
  EXPECT_EQ(world.live_tables(), 0u);
  EXPECT_TRUE(world.errors.empty());
}

TEST(Driver, when_the_attach_of_a_group_fails_all_are_back) {
  FakeWorld world({.grouped_devices = 2});
  Driver d(world);
  const auto a = d.alloc();
  const auto b = d.alloc();
  ASSERT_EQ(d.map(a, page, phys, page), 0);
  ASSERT_EQ(d.map(b, page, phys + page, page), 0);
  ASSERT_EQ(d.attach(a, 0), 0);
  world.stuck = true;
  EXPECT_EQ(d.attach(b, 1), -IOMMUCHECK_ETIMEDOUT);
  world.stuck = false;
  ASSERT_EQ(d.driver->recover(d.self()), 0);
  for (u32 device = 0; device < 2; ++device) EXPECT_EQ(d.reach(device, page)->pa, phys) << device;
  EXPECT_EQ(d.free(b), 0);
  EXPECT_EQ(d.free(a), -IOMMUCHECK_EBUSY);
  world.stuck = true;
  EXPECT_EQ(d.detach(a, 1), -IOMMUCHECK_ETIMEDOUT) << "off for the caller, both of them";
  EXPECT_EQ(d.detach(a, 0), -IOMMUCHECK_EINVAL);
  world.stuck = false;
  EXPECT_EQ(d.free(a), 0);
  for (u32 device = 0; device < 2; ++device) EXPECT_FALSE(d.reach(device, page)) << device;
  EXPECT_EQ(d.shutdown(), 0);
  EXPECT_EQ(world.live_tables(), 0u);
}

TEST(Driver, removal_of_a_member_leaves_the_others_and_it_joins_again) {
  FakeWorld world({.devices = 4, .grouped_devices = 3});
  Driver d(world);
  const auto a = d.alloc();
  ASSERT_EQ(d.map(a, page, phys, page), 0);
  ASSERT_EQ(d.attach(a, 2), 0);
  EXPECT_EQ(d.driver->device_remove(d.self(), 0), 0);
  EXPECT_FALSE(d.reach(0, page));
  EXPECT_TRUE(d.reach(1, page));
  EXPECT_TRUE(d.reach(2, page));
  EXPECT_EQ(d.attach(a, 0), -IOMMUCHECK_ENODEV);
  ASSERT_EQ(d.driver->device_add(d.self(), 0), 0);
  EXPECT_FALSE(d.reach(0, page)) << "blocked until somebody attaches";
  EXPECT_EQ(d.attach(a, 1), 0) << "moves only who is not there";
  EXPECT_TRUE(d.reach(0, page));
  EXPECT_EQ(d.detach(a, 0), 0);
  for (u32 device = 0; device < 4; ++device) EXPECT_FALSE(d.reach(device, page)) << device;
  EXPECT_EQ(d.free(a), 0);
  EXPECT_EQ(d.shutdown(), 0);
  EXPECT_EQ(world.live_tables(), 0u);
}

/// One run of a fixed scenario in which allocation number `n` fails. Returns whether one did.
bool run_with_failure(u64 n) {
  FakeWorld world({.stream_id_bits = 16});
  world.fail_allocation = n;
  Driver d(world);
  if (d.error() != 0) {
    EXPECT_EQ(d.error(), -IOMMUCHECK_ENOMEM);
    EXPECT_EQ(d.shutdown(), 0);
    EXPECT_EQ(world.live_tables(), 0u);
    return true;
  }
  iommucheck_handle domain = d.alloc();
  if (domain == 0) domain = d.alloc();
  EXPECT_NE(domain, 0u);
  EXPECT_EQ(d.attach(domain, 0), 0);
  const std::vector<std::pair<u64, u64>> ranges = {
      {page, page}, {mib2 - page, 2 * page}, {(u64{1} << 39) - page, 3 * page}, {4 * mib2, mib2}};
  for (const auto& [iova, bytes] : ranges) {
    int error = d.map(domain, iova, phys + page, bytes);
    if (error != 0) {
      EXPECT_EQ(error, -IOMMUCHECK_ENOMEM);
      for (u64 at = iova; at < iova + bytes; at += page) EXPECT_FALSE(d.reach(0, at));
      error = d.map(domain, iova, phys + page, bytes);
    }
    EXPECT_EQ(error, 0);
    for (u64 at = iova; at < iova + bytes; at += page) {
      EXPECT_EQ(d.reach(0, at)->pa, phys + page + (at - iova));
    }
  }
  for (const auto& [iova, bytes] : ranges) EXPECT_EQ(d.unmap(domain, iova, bytes).bytes, bytes);
  const bool failed = !world.fail_allocation;
  EXPECT_EQ(d.detach(domain, 0), 0);
  EXPECT_EQ(d.free(domain), 0);
  EXPECT_EQ(d.shutdown(), 0);
  EXPECT_EQ(world.live_tables(), 0u);
  EXPECT_TRUE(world.errors.empty());
  return failed;
}

TEST(Driver, every_allocation_may_fail) {
  u64 n = 0;
  while (run_with_failure(n)) ++n;
  EXPECT_GT(n, 10u);
}

/// Random calls against a model of pages; every device tries every page after every call, so that
/// all that can be cached is.
struct World {
  explicit World(const FakeOptions& options) : fake(options), driver(fake) {}

  struct Space {
    iommucheck_handle handle = 0;
    std::map<u64, FakeWorld::Access> pages;
    std::map<u64, FakeWorld::Access> open;  // unmapped, not yet synchronised
  };

  static constexpr u64 slots = 6;
  /// Pages in two tables, and in both halves of a block.
  static u64 iova(u64 slot) { return mib2 * (slot / 3) + (slot % 3) * 300 * page + page; }

  void check() {
    for (u32 device = 0; device < 2; ++device) {
      for (u32 n = 0; n < 2; ++n) {
        for (u64 slot = 0; slot < slots; ++slot) check_one(device, n, iova(slot));
      }
    }
    RC_ASSERT(fake.errors.empty());
  }

  void check_one(u32 device, u32 n, u64 at) {
    const auto reached = driver.reach(device, at, n);
    const Space* space = on[device] < 0 ? nullptr : &spaces[static_cast<std::size_t>(on[device])];
    std::optional<FakeWorld::Access> expected;
    if (space != nullptr && space->pages.contains(at)) expected = space->pages.at(at);
    if (reached == expected) return;
    // Until the sync the old translation is right as well.
    RC_ASSERT(space != nullptr);
    RC_ASSERT(reached.has_value());
    RC_ASSERT(space->open.contains(at));
    RC_ASSERT(space->open.at(at) == *reached);
  }

  FakeWorld fake;
  Driver driver;
  std::array<Space, 3> spaces;
  std::array<int, 2> on{-1, -1};
};

void random_call(World& w) {
  const auto which = any_in<std::size_t>(0, 3);
  World::Space& space = w.spaces[which];
  const auto device = any_in<u32>(0, 2);
  const u64 at = World::iova(any_in<u64>(0, World::slots));
  if (space.handle == 0) {
    space.handle = w.driver.alloc(IOMMUCHECK_DOMAIN_PAGING, *rc::gen::element(25u, 39u, 48u));
    RC_ASSERT(space.handle != 0u);
    return;
  }
  switch (any_in(0, 10)) {
    case 0:
    case 1:
      RC_ASSERT(w.driver.attach(space.handle, device) == 0);
      if (w.on[device] >= 0 && w.on[device] != static_cast<int>(which)) {
        w.spaces[static_cast<std::size_t>(w.on[device])].open.clear();
      }
      w.on[device] = static_cast<int>(which);
      break;
    case 2: {
      const bool mine = w.on[device] == static_cast<int>(which);
      const int expected = mine ? 0 : -IOMMUCHECK_EINVAL;
      RC_ASSERT(w.driver.detach(space.handle, device) == expected);
      if (mine) {
        w.on[device] = -1;
        space.open.clear();
      }
      break;
    }
    case 3:
    case 4:
    case 5: {
      if (space.open.contains(at)) break;  // the caller may not
      const u64 pa = phys + any_in<u64>(0, 16) * page;
      const bool writable = *rc::gen::arbitrary<bool>();
      const int expected = space.pages.contains(at) ? -IOMMUCHECK_EEXIST : 0;
      RC_ASSERT(w.driver.map(space.handle, at, pa, page, writable ? rw : ro) == expected);
      if (expected == 0) space.pages[at] = {pa, writable};
      break;
    }
    case 6: {
      const u64 expected = space.pages.erase(at) * page;
      RC_ASSERT(w.driver.unmap(space.handle, at, page).bytes == expected);
      break;
    }
    case 7: {
      const auto it = space.pages.find(at);
      const u64 expected = it == space.pages.end() ? 0 : page;
      RC_ASSERT(w.driver.unmap_fast(space.handle, at, page).bytes == expected);
      if (expected != 0) {
        space.open[at] = it->second;
        space.pages.erase(it);
      }
      break;
    }
    case 8: {
      const bool all = *rc::gen::arbitrary<bool>();
      RC_ASSERT((all ? w.driver.flush(space.handle) : w.driver.sync(space.handle)) == 0);
      space.open.clear();
      break;
    }
    default: {
      const bool busy = w.on[0] == static_cast<int>(which) || w.on[1] == static_cast<int>(which);
      RC_ASSERT(w.driver.free(space.handle) == (busy ? -IOMMUCHECK_EBUSY : 0));
      if (!busy) space = {};
      break;
    }
  }
}

RC_GTEST_PROP(Driver, devices_reach_what_is_mapped_and_nothing_else, ()) {
  const FakeOptions options = {.stream_id_bits = *rc::gen::element(6u, 16u),
                               .two_level = true,
                               .range_invalidation = *rc::gen::arbitrary<bool>(),
                               .coherent = *rc::gen::arbitrary<bool>(),
                               .cmdq_lg2 = *rc::gen::element(1u, 3u, 8u),
                               .polls = any_in(0u, 3u)};
  World w(options);
  RC_ASSERT(w.driver.error() == 0);
  const auto steps = any_in(1, 60);
  for (int i = 0; i < steps; ++i) {
    random_call(w);
    w.check();
  }
  RC_ASSERT(w.driver.shutdown() == 0);
  RC_ASSERT(w.fake.live_tables() == 0u);
  RC_ASSERT(w.fake.errors.empty());
}

}  // namespace
}  // namespace iommucheck::test::driver_test
