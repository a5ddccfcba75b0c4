// SPDX-License-Identifier: MIT
// Who is asked about a fault that waits, and when it ends. INTERFACE "Faults", "Exit".
#include <algorithm>

#include "tests/impl/sva_support.h"

namespace iommucheck::test::sva_fault_test {
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

// One that had no place in the event queue until now.
TEST(SvaFault, a_device_that_is_done_has_no_fault_left) {
  TwoDevices w;
  for (u32 device = 0; device < 2; ++device) {
    ASSERT_EQ(w.d.init(device, iopf), 0);
    ASSERT_EQ(w.d.bind(device, 1), 1);
  }
  int waits = 0;
  w.world.on_wait = [&] {
    const u32 device = waits == 0 ? 0 : 1;
    stall(w, device, 1);
    EXPECT_EQ(w.d.done(device, 1), 0);
    EXPECT_EQ(answers(w, device, abort), 1) << device;
    return ++waits < 3;
  };
  EXPECT_EQ(w.d.release(1), 0);
  EXPECT_EQ(waits, 2);
  EXPECT_TRUE(w.world.faults.empty());
  w.world.on_wait = nullptr;
  w.end();
}

// More than the event queue holds: stalls behind it are written when there is place again.
TEST(SvaFault, an_unbind_ends_the_faults_behind_a_full_queue_as_well) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  const u64 sid = w.world.stream_id(0, 0);
  constexpr u64 stalled = 300;
  for (u64 i = 0; i < stalled; ++i) {
    w.world.post_stall(0x10 | 1 << 11 | 1 << 12 | sid << 32, i | u64{1} << 31, va);
  }
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  EXPECT_TRUE(w.world.faults.empty());
  for (u64 i = 0; i < stalled; ++i) {
    EXPECT_EQ(std::ranges::count(w.world.commands, FakeCommand{0x44 | abort | sid << 32, i}), 1)
        << i;
  }
  w.end();
}

// A device that shares the entry and has not asked for faults that wait is bound in vain.
TEST(SvaFault, after_a_bind_that_timed_out_faults_wait_as_before) {
  TwoDevices w;
  ASSERT_EQ(w.d.detach(w.b, 1), 0);
  ASSERT_EQ(w.d.attach(w.a, 1), 0);
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.init(1, 0), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  w.world.stuck = true;
  EXPECT_EQ(w.d.bind(1, 1), -IOMMUCHECK_ETIMEDOUT);
  w.world.stuck = false;
  ASSERT_EQ(w.d.driver->recover(w.d.self()), 0);
  EXPECT_TRUE(w.world.stalls(w.world.stream_id(0, 0), 1));
  ASSERT_EQ(w.d.bind(1, 1), 1);
  EXPECT_FALSE(w.world.stalls(w.world.stream_id(0, 0), 1));
  ASSERT_EQ(w.d.detach(w.a, 1), 0);
  ASSERT_EQ(w.d.attach(w.b, 1), 0);
  w.end();
}

// RnW, InD and PnU of the record (IHI 0070 7.3), and all 16 bits of the STAG.
TEST(SvaFault, what_was_tried_is_told_and_the_stag_comes_back_whole) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  const u64 sid = w.world.stream_id(0, 0);
  constexpr u64 rnw = u64{1} << 35, ind = u64{1} << 34, pnu = u64{1} << 33;
  constexpr u32 privileged = IOMMUCHECK_PROT_PRIVILEGED;
  for (const auto& [bits, prot] : {std::pair<u64, u32>{0, IOMMUCHECK_PROT_WRITE},
                                   {rnw, IOMMUCHECK_PROT_READ},
                                   {rnw | ind, IOMMUCHECK_PROT_EXEC},
                                   {pnu, IOMMUCHECK_PROT_WRITE | privileged},
                                   {rnw | pnu, IOMMUCHECK_PROT_READ | privileged},
                                   {rnw | ind | pnu, IOMMUCHECK_PROT_EXEC | privileged}}) {
    w.world.post_event(0x10 | 1 << 11 | 1 << 12 | sid << 32, 0xabcd | u64{1} << 31 | bits, va);
    w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
    EXPECT_EQ(std::get<3>(w.world.faults.back()), prot);
    EXPECT_EQ(w.world.commands[w.world.commands.size() - 2],
              (FakeCommand{0x44 | retry | sid << 32, 0xabcd}));
  }
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  w.end();
}

}  // namespace
}  // namespace iommucheck::test::sva_fault_test
