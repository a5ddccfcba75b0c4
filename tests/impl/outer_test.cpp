// SPDX-License-Identifier: MIT
// Domains of stage 2 beside those of stage 1 (paging_s2), in the small world.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "impl/driver.h"
#include "tests/impl/fake_world_support.h"

namespace iommucheck::test::outer_test {
namespace {

constexpr u64 page = 0x1000;
constexpr u64 phys = u64{4} << 30;
constexpr u32 rw = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE;
constexpr unsigned s12_vmall = 0x28, s2_ipa = 0x2a;

struct Driver : Booted {
  explicit Driver(FakeWorld& w) : Booted(impl::builtin_driver(), w) {}
  iommucheck_handle mapped(u32 kind, u64 pa, u64 bytes = page) {
    const iommucheck_handle domain = alloc(kind);
    EXPECT_EQ(driver->map(self(), domain, 0, pa, bytes, rw), 0);
    return domain;
  }
  int attach(iommucheck_handle d, u32 device = 0) { return driver->attach(self(), d, device); }
  int attach_pasid(iommucheck_handle d, u32 device, u32 pasid) {
    return driver->attach_pasid(self(), d, device, pasid);
  }
  std::optional<u64> reach(u64 iova, u32 device = 0, u32 n = 0) {
    const auto access = world.access(world.stream_id(device, n), iova);
    return access ? std::optional(access->pa) : std::nullopt;
  }
  u64 sent(unsigned op) const {
    return static_cast<u64>(std::ranges::count_if(
        world.commands, [&](const FakeCommand& command) { return command.op() == op; }));
  }
};

TEST(Outer, IsThereWhereTheSmmuHasStage2) {
  FakeWorld without;
  Driver none(without);
  EXPECT_EQ(none.alloc(IOMMUCHECK_DOMAIN_PAGING_S2), 0u);
  EXPECT_EQ(none.last_error, -IOMMUCHECK_EOPNOTSUPP);
  FakeWorld world({.stage2 = true});
  Driver d(world);
  EXPECT_EQ(d.alloc(IOMMUCHECK_DOMAIN_PAGING_S2, 24), 0u);
  EXPECT_EQ(d.last_error, -IOMMUCHECK_EINVAL);
  const iommucheck_handle domain = d.mapped(IOMMUCHECK_DOMAIN_PAGING_S2, phys);
  ASSERT_EQ(d.attach(domain), 0);
  EXPECT_EQ(d.reach(0x10), phys + 0x10);
  EXPECT_EQ(d.driver->iova_to_phys(d.self(), domain, 0x10), phys + 0x10);
  EXPECT_EQ(d.driver->domain_free(d.self(), domain), -IOMMUCHECK_EBUSY);
  EXPECT_EQ(d.driver->shutdown(d.self()), 0);
  EXPECT_EQ(world.live_tables(), 0u);
  EXPECT_TRUE(world.errors.empty());
}

TEST(Outer, UnmapIsByIpa) {
  for (const bool ranges : {false, true}) {
    FakeWorld world({.range_invalidation = ranges, .stage2 = true});
    Driver d(world);
    const iommucheck_handle domain = d.mapped(IOMMUCHECK_DOMAIN_PAGING_S2, phys, 4 * page);
    ASSERT_EQ(d.attach(domain), 0);
    EXPECT_EQ(d.reach(page), phys + page);
    world.commands.clear();
    EXPECT_EQ(d.driver->unmap(d.self(), domain, page, page).bytes, page);
    EXPECT_FALSE(d.reach(page));
    EXPECT_EQ(d.sent(s2_ipa), 1u);
    EXPECT_EQ(d.sent(s12_vmall), 0u);
    EXPECT_EQ(d.driver->detach(d.self(), domain, 0), 0);
    EXPECT_EQ(d.sent(s12_vmall), 1u) << "nobody is left there";
    EXPECT_TRUE(world.errors.empty());
  }
}

// Each command is a moment at which the SMMU reads what it likes: it meets the old domain, the new
// one or nothing, and afterwards the new one.
RC_GTEST_PROP(Outer, IsLeftAndReachedFromAnyOther, ()) {
  FakeWorld world({.coherent = *rc::gen::arbitrary<bool>(), .stage2 = true});
  Driver d(world);
  const std::vector<iommucheck_handle> domains{
      d.mapped(IOMMUCHECK_DOMAIN_PAGING, phys),
      d.mapped(IOMMUCHECK_DOMAIN_PAGING, 2 * phys),
      d.mapped(IOMMUCHECK_DOMAIN_PAGING_S2, 3 * phys),
      d.mapped(IOMMUCHECK_DOMAIN_PAGING_S2, 4 * phys),
      d.alloc(IOMMUCHECK_DOMAIN_IDENTITY),
      d.alloc(IOMMUCHECK_DOMAIN_BLOCKED),
  };
  const auto outcome = [&](std::size_t i) -> std::optional<u64> {
    if (i < 4) return (i + 1) * phys;
    return i == 4 ? std::optional<u64>(0) : std::nullopt;
  };
  std::optional<u64> before;
  for (int i = 0; i < 12; ++i) {
    const auto to = any_in<std::size_t>(0, domains.size());
    world.on_command = [&](const FakeCommand&) {
      for (const u32 n : {0u, 1u}) {
        const std::optional<u64> at = d.reach(0, 0, n);
        RC_ASSERT(!at || at == before || at == outcome(to));
      }
    };
    RC_ASSERT(d.attach(domains[to]) == 0);
    world.on_command = nullptr;
    RC_ASSERT(d.reach(0) == outcome(to));
    before = outcome(to);
  }
  RC_ASSERT(world.errors.empty());
}

TEST(Outer, HasNoPasids) {
  FakeWorld world({.ssid_bits = 4, .stage2 = true});
  Driver d(world);
  const iommucheck_handle outer = d.mapped(IOMMUCHECK_DOMAIN_PAGING_S2, phys);
  const iommucheck_handle inner = d.mapped(IOMMUCHECK_DOMAIN_PAGING, 2 * phys);
  u32 pasid = 0;
  ASSERT_EQ(d.driver->pasid_alloc(d.self(), 1, 7, &pasid), 0);
  ASSERT_EQ(d.attach(inner), 0);
  EXPECT_EQ(d.attach_pasid(outer, 0, pasid), -IOMMUCHECK_EOPNOTSUPP);
  ASSERT_EQ(d.attach_pasid(inner, 0, pasid), 0);
  EXPECT_EQ(d.attach(outer), -IOMMUCHECK_EBUSY);
  EXPECT_EQ(d.reach(0), 2 * phys);
  ASSERT_EQ(d.driver->detach_pasid(d.self(), inner, 0, pasid), 0);
  ASSERT_EQ(d.attach(outer), 0);
  EXPECT_EQ(d.attach_pasid(inner, 0, pasid), -IOMMUCHECK_EOPNOTSUPP);
  EXPECT_EQ(d.reach(0), phys);
}

// Wherever the queue sticks: behind recovery the device is where the caller was told.
TEST(Outer, TimesOutAtAnyStepOfAMove) {
  for (u64 after = 0; after < 8; ++after) {
    for (const auto& [from, to] : {std::pair{0, 1}, {1, 2}, {2, 1}, {1, 0}}) {
      FakeWorld world({.stage2 = true});
      Driver d(world);
      const iommucheck_handle domains[] = {d.mapped(IOMMUCHECK_DOMAIN_PAGING, phys),
                                           d.mapped(IOMMUCHECK_DOMAIN_PAGING_S2, 2 * phys),
                                           d.mapped(IOMMUCHECK_DOMAIN_PAGING_S2, 3 * phys)};
      ASSERT_EQ(d.attach(domains[from]), 0);
      u64 seen = 0;
      world.on_command = [&](const FakeCommand&) { world.stuck |= seen++ == after; };
      const int error = d.attach(domains[to]);
      world.on_command = nullptr;
      world.stuck = false;
      ASSERT_EQ(d.driver->recover(d.self()), 0);
      const int now = error == 0 ? to : from;
      EXPECT_EQ(d.reach(0), (static_cast<u64>(now) + 1) * phys) << after << ", " << error;
      EXPECT_EQ(d.attach(domains[to]), 0);
      EXPECT_EQ(d.reach(0), (static_cast<u64>(to) + 1) * phys);
      EXPECT_TRUE(world.errors.empty());
    }
  }
}

TEST(Outer, RunsOutOfVmidsAndUsesThemAgain) {
  FakeWorld world({.stage2 = true});
  Driver d(world);
  std::set<iommucheck_handle> domains;
  while (const iommucheck_handle domain = d.alloc(IOMMUCHECK_DOMAIN_PAGING_S2)) {
    domains.insert(domain);
  }
  EXPECT_EQ(d.last_error, -IOMMUCHECK_ENOSPC);
  EXPECT_EQ(domains.size(), 255u) << "0 is that of stage 1";
  EXPECT_NE(d.alloc(IOMMUCHECK_DOMAIN_PAGING), 0u) << "ASIDs are others";
  EXPECT_EQ(d.driver->domain_free(d.self(), *domains.begin()), 0);
  EXPECT_NE(d.alloc(IOMMUCHECK_DOMAIN_PAGING_S2), 0u);
}

}  // namespace
}  // namespace iommucheck::test::outer_test
