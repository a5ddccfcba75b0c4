// SPDX-License-Identifier: MIT
// Who is asked about a fault that waits, and when it ends. INTERFACE "Faults", "Exit".
#include <algorithm>

#include "tests/impl/sva_support.h"

namespace iommucheck::test {
namespace {

constexpr u32 retry = 1 << 12, abort = 1 << 13;

/// A fault of the device at PASID `pasid` that waits, with the device's number as its STAG.
void stall(TwoDevices& w, u32 device, u64 pasid) {
  w.world.post_event(0x10 | 1 << 11 | pasid << 12 | u64{w.world.stream_id(device, 0)} << 32,
                     device | u64{1} << 31 | u64{1} << 35, va);
}

/// How often the device's fault was answered so.
auto answers(const TwoDevices& w, u32 device, u32 how) {
  return std::ranges::count(
      w.world.commands,
      FakeCommand{0x44 | how | u64{w.world.stream_id(device, 0)} << 32, u64{device}});
}

// The entry stays for another device of the domain, whose faults go on being handled.
TEST(SvaFault, an_unbind_ends_the_devices_faults_though_another_is_bound_there) {
  TwoDevices w;
  ASSERT_EQ(w.d.detach(w.b, 1), 0);
  ASSERT_EQ(w.d.attach(w.a, 1), 0);
  for (u32 device = 0; device < 2; ++device) {
    ASSERT_EQ(w.d.init(device, iopf), 0);
    ASSERT_EQ(w.d.bind(device, 1), 1);
  }
  stall(w, 0, 1);
  stall(w, 1, 1);
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  EXPECT_EQ(answers(w, 0, abort), 1) << "before the call returns";
  EXPECT_EQ(answers(w, 1, retry), 1);
  ASSERT_EQ(w.world.faults.size(), 1u) << "nobody is asked for who was unbound";
  EXPECT_EQ(std::get<0>(w.world.faults[0]), 1u);
  EXPECT_EQ(w.d.unbind(1, 1), 0);
  EXPECT_EQ(w.d.held().pasids, 0u);
  ASSERT_EQ(w.d.detach(w.a, 1), 0);
  ASSERT_EQ(w.d.attach(w.b, 1), 0);
  w.end();
}

// Its handler of faults works on an address space that is being taken down.
TEST(SvaFault, a_process_that_exits_is_not_asked) {
  TwoDevices w;
  for (u32 device = 0; device < 2; ++device) {
    ASSERT_EQ(w.d.init(device, iopf), 0);
    ASSERT_EQ(w.d.bind(device, 1), 1);
  }
  // On two domains, which end one after the other: whoever comes first reads both records.
  stall(w, 1, 1);
  stall(w, 0, 1);
  EXPECT_EQ(w.d.release(1), 0);
  EXPECT_TRUE(w.world.faults.empty());
  for (u32 device = 0; device < 2; ++device) EXPECT_EQ(answers(w, device, abort), 1) << device;
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  EXPECT_EQ(w.d.unbind(1, 1), 0);
  w.end();
}

}  // namespace
}  // namespace iommucheck::test
