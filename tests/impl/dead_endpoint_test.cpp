// SPDX-License-Identifier: MIT
// A device that never answers CMD_ATC_INV: it is isolated, and costs the others a sync at most.
// INTERFACE "Timeouts and removal"; IHI 0070 4.5, 7.1 (CERROR_ATC_INV_SYNC).
#include <algorithm>

#include "tests/impl/sva_support.h"

namespace iommucheck::test::dead_endpoint_test {
namespace {

constexpr unsigned op_sync = 0x46;

FakeOptions three_devices() {
  FakeOptions options = with_pasids();
  options.devices = 3;
  options.stalling_devices = 3;
  return options;
}

/// Device 0 on `a`, 1 and 2 on `b`; pages 0 to 7 of both mapped, and looked at by all.
struct Endpoints : TwoDevices {
  Endpoints() : TwoDevices(three_devices()) {
    EXPECT_EQ(d.attach(b, 2), 0);
    for (const iommucheck_handle domain : {a, b}) {
      for (u64 n = 0; n < 8; ++n) EXPECT_EQ(map(domain, n), 0);
    }
    for (u32 device = 0; device < 3; ++device) look(device);
  }
  static u64 at(u64 n) { return va + 2 * n * page; }
  int map(iommucheck_handle domain, u64 n, u64 pa = phys) {
    return d.driver->map(d.self(), domain, at(n), pa + n * page, page, rw);
  }
  void look(u32 device) {
    for (u64 n = 0; n < 8; ++n) EXPECT_EQ(d.reach(device, 0, at(n)), phys + n * page);
  }
  void unmap(iommucheck_handle domain, u64 n) {
    const iommucheck_result result = d.driver->unmap(d.self(), domain, at(n), page);
    EXPECT_EQ(result.bytes, page);
    EXPECT_EQ(result.error, 0);
  }
  void dies(u32 device) { world.dead_streams.insert(world.stream_id(device, 0)); }
  void lives() { world.dead_streams.clear(); }
  /// How many of them were sent since `from`.
  u64 count(std::size_t from, unsigned op) const {
    return static_cast<u64>(
        std::count_if(world.commands.begin() + static_cast<std::ptrdiff_t>(from),
                      world.commands.end(), [&](const auto& c) { return c.op() == op; }));
  }
  /// Syncs of one unmap.
  u64 syncs(iommucheck_handle domain, u64 n) {
    const std::size_t from = world.commands.size();
    unmap(domain, n);
    return count(from, op_sync);
  }
};

TEST(DeadEndpoint, costs_who_shares_its_domain_one_sync_and_later_calls_nothing) {
  Endpoints w;
  const u64 alone = w.syncs(w.b, 0);
  w.dies(1);
  // Both devices of the batch are asked by themselves, and the route of the dead one changes.
  EXPECT_EQ(w.syncs(w.b, 1), alone + 3);
  EXPECT_EQ(w.d.reach(2, 0, Endpoints::at(1)), std::nullopt);
  EXPECT_EQ(w.d.reach(2, 0, Endpoints::at(2)), phys + 2 * page);
  for (u64 n = 1; n < 8; ++n) {
    EXPECT_EQ(w.d.reach(1, 0, Endpoints::at(n)), std::nullopt)
        << "isolated, whatever it has cached";
  }
  EXPECT_EQ(w.syncs(w.b, 2), alone) << "it is told nothing any more";
  EXPECT_EQ(w.syncs(w.a, 0), alone);
  EXPECT_EQ(w.d.reach(0, 0, Endpoints::at(1)), phys + page);
  EXPECT_EQ(w.map(w.b, 1, 2 * phys), 0) << "nothing is in quarantine";
  EXPECT_EQ(w.d.reach(2, 0, Endpoints::at(1)), 2 * phys + page);
  EXPECT_EQ(w.d.detach(w.b, 2), 0);
  EXPECT_EQ(w.d.detach(w.b, 1), 0) << "nobody waits for it";
  EXPECT_EQ(w.d.attach(w.b, 1), -IOMMUCHECK_ETIMEDOUT) << "what it has cached would live again";
  EXPECT_EQ(w.d.attach(w.b, 2), 0);
  w.lives();
  EXPECT_EQ(w.d.attach(w.b, 1), 0);
  EXPECT_EQ(w.d.reach(1, 0, Endpoints::at(1)), 2 * phys + page);
  EXPECT_EQ(w.d.detach(w.b, 2), 0);
  w.end();
}

TEST(DeadEndpoint, reaches_its_domain_again_once_it_answers) {
  Endpoints w;
  w.dies(0);
  w.unmap(w.a, 0);
  EXPECT_EQ(w.d.reach(0, 0, Endpoints::at(1)), std::nullopt);
  EXPECT_EQ(w.d.driver->recover(w.d.self()), 0) << "nothing is owed";
  EXPECT_EQ(w.d.reach(0, 0, Endpoints::at(1)), std::nullopt) << "it does not answer yet";
  w.lives();
  EXPECT_EQ(w.d.driver->recover(w.d.self()), 0);
  EXPECT_EQ(w.d.reach(0, 0, Endpoints::at(0)), std::nullopt);
  EXPECT_EQ(w.d.reach(0, 0, Endpoints::at(1)), phys + page);
  EXPECT_EQ(w.d.detach(w.b, 2), 0);
  w.end();
}

TEST(DeadEndpoint, keeps_no_number_and_no_process) {
  Endpoints w;
  for (u32 device : {1u, 2u}) ASSERT_EQ(w.d.init(device, iopf), 0);
  const int pasid = w.d.bind(1, 1);
  ASSERT_EQ(w.d.bind(2, 1), pasid);
  EXPECT_EQ(w.d.reach(1, static_cast<u32>(pasid), va), phys + page);
  w.dies(1);
  EXPECT_EQ(w.d.unmap_page(1, va), 0) << "munmap";
  EXPECT_EQ(w.d.reach(1, static_cast<u32>(pasid), va), std::nullopt);
  EXPECT_EQ(w.d.unbind(1, static_cast<u32>(pasid)), 0);
  EXPECT_EQ(w.d.unbind(2, static_cast<u32>(pasid)), 0);
  EXPECT_EQ(w.d.held().pasids, 0u);
  EXPECT_EQ(w.d.driver->device_remove(w.d.self(), 1), 0);
  EXPECT_EQ(w.d.driver->device_add(w.d.self(), 1), 0);
  EXPECT_EQ(w.d.attach(w.b, 1), -IOMMUCHECK_ETIMEDOUT);
  w.lives();
  EXPECT_EQ(w.d.attach(w.b, 1), 0);
  EXPECT_EQ(w.d.reach(1, 0, Endpoints::at(1)), phys + page);
  EXPECT_EQ(w.d.detach(w.b, 2), 0);
  w.end();
}

}  // namespace
}  // namespace iommucheck::test::dead_endpoint_test
