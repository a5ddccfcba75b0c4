// SPDX-License-Identifier: MIT
// What an SMMU is given, and how it is left.
#include "tests/impl/sva_support.h"

namespace iommucheck::test::bring_up_test {
namespace {

// Nothing is filled any more when the caches are emptied: whoever enables the SMMU next, and
// forgets to invalidate, does not reach memory that this driver gave back.
TEST(BringUp, after_shutdown_no_cache_holds_anything) {
  for (const bool ats : {false, true}) {
    FakeOptions options = with_pasids();
    options.ats = ats;
    FakeWorld world(options);
    Sva d(world);
    ASSERT_EQ(d.error(), 0);
    const auto domain = d.alloc();
    ASSERT_EQ(d.driver->map(d.self(), domain, va, phys, page, rw), 0);
    ASSERT_EQ(d.attach(domain, 0), 0);
    const u32 sid = world.stream_id(0, 0);
    ASSERT_TRUE(world.access(sid, va));
    const auto look = [&] { ats ? world.ats_access(sid, va) : world.access(sid, va); };
    look();
    world.on_command = [&](const FakeCommand&) { look(); };
    EXPECT_TRUE(world.holds_anything());
    EXPECT_EQ(d.driver->shutdown(d.self()), 0);
    EXPECT_FALSE(world.holds_anything());
    EXPECT_EQ(world.live_tables(), 0u);
  }
}

TEST(BringUp, a_second_life_begins_from_nothing) {
  FakeOptions options = with_pasids();
  options.polls = 3;
  FakeWorld world(options);
  Sva d(world);
  ASSERT_EQ(d.error(), 0);
  for (int life = 0; life < 3; ++life) {
    const auto domain = d.alloc();
    ASSERT_EQ(d.attach(domain, 0), 0);
    ASSERT_EQ(d.driver->map(d.self(), domain, va, phys, page, rw), 0);
    EXPECT_EQ(d.reach(0, 0, va), phys);
    world.log.clear();
    for (u64 i = 0; i < 5; ++i) world.post_event(0x10 | i << 32);
    d.driver->handle_irq(d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
    EXPECT_EQ(world.log.size(), 5u) << life;
    EXPECT_EQ(d.driver->shutdown(d.self()), 0);
    EXPECT_EQ(world.live_tables(), 0u);
    ASSERT_EQ(d.driver->reset(d.self()), 0);
    for (u32 device = 0; device < 2; ++device) {
      ASSERT_EQ(d.driver->device_add(d.self(), device), 0);
      EXPECT_EQ(d.reach(device, 0, va), std::nullopt);
    }
  }
  EXPECT_TRUE(world.errors.empty()) << world.errors.front();
}

// Somebody has left it on: with SMMUEN = 0 every stream would pass, those that it had blocked too.
TEST(BringUp, an_smmu_that_translates_is_not_opened_by_a_reset) {
  FakeWorld world(with_pasids());
  Sva d(world);
  ASSERT_EQ(d.error(), 0);
  constexpr u64 cr0 = 0x20;
  constexpr u64 gbpa = 0x44;
  constexpr u32 abort = 1U << 20;
  world.set_register(gbpa, 0);
  u64 switched_off = 0;
  world.on_write = [&](u64 offset, u32 value) {
    if (offset != cr0 || (value & 1) != 0) return;
    ++switched_off;
    EXPECT_EQ(world.register_value(gbpa) & abort, abort);
  };
  EXPECT_EQ(d.driver->reset(d.self()), 0);
  EXPECT_GT(switched_off, 0u);
}

// A StreamID between those of devices is nobody's: it is denied, and no record says so.
TEST(BringUp, neighbours_of_a_stream_are_blocked_without_a_record) {
  for (const bool two_level : {true, false}) {
    FakeOptions options = with_pasids();
    options.two_level = two_level;
    FakeWorld world(options);
    Sva d(world);
    ASSERT_EQ(d.error(), 0);
    const u32 sid = world.stream_id(0, 0);
    u64 neighbours = 0;
    for (u32 other = sid & ~7U; other < (sid | 7U); ++other) {
      if (other == world.stream_id(0, 0) || other == world.stream_id(1, 0)) continue;
      constexpr u64 valid_and_config = 0xf;
      EXPECT_EQ(world.ste_word0(other) & valid_and_config, 1u) << other;
      ++neighbours;
    }
    EXPECT_GT(neighbours, 4u);
  }
}

// IDR1.CMDQS and EVENTQS: a longer queue than the SMMU has wraps elsewhere for it.
TEST(BringUp, queues_are_as_long_as_the_smmu_can) {
  FakeOptions options = with_pasids();
  options.cmdq_lg2 = 2;
  options.eventq_lg2 = 2;
  TwoDevices w(options);
  for (u64 i = 0; i < 9; ++i) {
    w.world.post_event(0x10 | i << 32);
    w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  }
  EXPECT_EQ(w.world.log.size(), 9u);
  w.end();
}

// GERRORN is toggled, whatever was active and acknowledged before.
TEST(BringUp, every_global_error_is_told_once) {
  TwoDevices w;
  std::size_t told = 0;
  for (const u32 error : {1u << 2, 1u << 3, 1u << 2, 1u << 5}) {
    w.world.raise_global_error(error);
    for (int i = 0; i < 2; ++i) w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_GLOBAL_ERROR);
    EXPECT_EQ(w.world.log.size(), ++told);
    EXPECT_EQ(w.world.register_value(0x60), w.world.register_value(0x64));
  }
  w.end();
}

// The SMMU may have cached an L1STD while it was invalid (IHI 0070 3.21.3).
TEST(BringUp, a_stream_that_was_tried_before_its_device_was_added_works) {
  FakeWorld world({.stream_id_bits = 16, .streams_per_device = 3});
  const iommucheck_driver* driver = impl::builtin_driver();
  void* self = nullptr;
  ASSERT_EQ(driver->init(&world.platform(), &world.config(), &self), 0);
  ASSERT_EQ(driver->reset(self), 0);
  for (u32 n = 0; n < 3; ++n) EXPECT_FALSE(world.access(world.stream_id(1, n), va));
  ASSERT_EQ(driver->device_add(self, 1), 0);
  const iommucheck_domain_params params = {.size = sizeof params,
                                           .abi = IOMMUCHECK_DRIVER_ABI,
                                           .kind = IOMMUCHECK_DOMAIN_IDENTITY,
                                           .input_bits = 0,
                                           .iommu = 0,
                                           .reserved = 0,
                                           .of_kind = nullptr};
  iommucheck_handle domain = 0;
  ASSERT_EQ(driver->domain_alloc(self, &params, &domain), 0);
  ASSERT_EQ(driver->attach(self, domain, 1), 0);
  for (u32 n = 0; n < 3; ++n) EXPECT_TRUE(world.access(world.stream_id(1, n), va)) << n;
}

// Nobody spoke to it when it went, and its ATC may hold what it was told before.
TEST(BringUp, a_device_that_comes_again_has_nothing_of_before) {
  TwoDevices w;
  ASSERT_EQ(w.d.driver->map(w.d.self(), w.a, va, phys, page, rw), 0);
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.reach(0, 0, va), phys);
  ASSERT_EQ(w.d.driver->device_remove(w.d.self(), 0), 0);
  ASSERT_EQ(w.d.driver->unmap(w.d.self(), w.a, va, page).bytes, page);
  ASSERT_EQ(w.d.driver->device_add(w.d.self(), 0), 0);
  EXPECT_EQ(w.d.attach(w.a, 0), 0);
  EXPECT_EQ(w.d.reach(0, 0, va), std::nullopt);
  EXPECT_EQ(w.d.bind(0, 1), -IOMMUCHECK_EINVAL) << "no sva_device_init";
  EXPECT_EQ(w.d.init(0, iopf), 0);
  EXPECT_EQ(w.d.bind(0, 1), 1);
  EXPECT_EQ(w.d.reach(0, 1, va), phys + page);
  w.end();
}

// S1CDMax beyond IDR1.SSIDSIZE is illegal, whatever the device can send.
TEST(BringUp, pasids_are_as_wide_as_device_and_smmu_can) {
  FakeOptions options = with_pasids(10);
  options.smmu_ssid_bits = 2;
  TwoDevices w(options);
  ASSERT_EQ(w.d.init(0, iopf), 0);
  for (int pasid = 1; pasid <= 3; ++pasid) {
    EXPECT_EQ(w.d.bind(0, 1, further), pasid);
    EXPECT_EQ(w.d.reach(0, static_cast<u32>(pasid), va), phys + page);
  }
  EXPECT_EQ(w.d.bind(0, 1, further), -IOMMUCHECK_ENOSPC);
  w.end();
}

// Its StreamIDs have no place in the stream table (INTERFACE: a device without IOMMU is ENODEV).
TEST(BringUp, a_device_with_a_stream_that_the_smmu_has_not_is_refused) {
  for (const bool two_level : {false, true}) {
    FakeOptions options;
    options.two_level = two_level;
    options.stream_id_bits = two_level ? 7 : 3;
    options.streams_per_device = two_level ? 30 : 2;
    FakeWorld world(options);  // the second device's last stream is the first one beyond
    Sva d(world);
    ASSERT_GE(world.stream_id(1, options.streams_per_device - 1), 1u << options.stream_id_bits);
    ASSERT_LT(world.stream_id(0, options.streams_per_device - 1), 1u << options.stream_id_bits);
    EXPECT_EQ(d.error(), -IOMMUCHECK_ENODEV);
    const auto domain = d.alloc();
    ASSERT_EQ(d.driver->map(d.self(), domain, va, phys, page, rw), 0);
    EXPECT_EQ(d.attach(domain, 0), 0) << "the other one works";
    EXPECT_TRUE(world.access(world.stream_id(0, 0), va));
    EXPECT_EQ(d.attach(domain, 1), -IOMMUCHECK_ENODEV);
    EXPECT_FALSE(world.access(world.stream_id(1, 0), va));
    EXPECT_EQ(d.detach(domain, 0), 0);
    EXPECT_EQ(d.free(domain), 0);
    EXPECT_EQ(d.driver->shutdown(d.self()), 0);
    EXPECT_EQ(world.live_tables(), 0u);
    EXPECT_TRUE(world.errors.empty()) << world.errors.front();
  }
}

}  // namespace
}  // namespace iommucheck::test::bring_up_test
