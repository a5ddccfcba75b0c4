// SPDX-License-Identifier: MIT
// What an SMMU is given, and how it is left.
#include "tests/impl/sva_support.h"

namespace iommucheck::test {
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
    world.on_command = [&](const FakeCommand&) { world.access(sid, va); };
    EXPECT_TRUE(world.holds_anything());
    EXPECT_EQ(d.driver->shutdown(d.self()), 0);
    EXPECT_FALSE(world.holds_anything());
    EXPECT_EQ(world.live_tables(), 0u);
  }
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
}  // namespace iommucheck::test
