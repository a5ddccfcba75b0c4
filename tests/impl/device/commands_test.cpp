// SPDX-License-Identifier: MIT
// What conform does not ask: how stalls end, how much a register write does, what is not taken.
#include <gtest/gtest.h>

#include "impl/device/door.h"
#include "tests/impl/device/device_support.h"

namespace iommucheck::device::commands_test {
namespace {

using test::Guest;

constexpr u64 megabyte = 1 << 20;
constexpr Access unmapped{.sid = Guest::sid, .address = 0x5000};
constexpr u64 resume(u64 stag_sid) { return 0x44 | stag_sid << 32; }

TEST(DeviceStalls, EndAsTheCommandSays) {
  Guest guest(megabyte, {.stalls = true});
  Port port(*guest.smmu);
  const Answer first = port.access(unmapped), second = port.access(unmapped);
  ASSERT_EQ(first.end, End::stalled);
  ASSERT_EQ(second.end, End::stalled);
  EXPECT_NE(first.stag, second.stag);
  guest.command(resume(Guest::sid + 1) | 1 << 12, first.stag);  // another stream's: none
  EXPECT_EQ(guest.world.ended_count, 0U);
  guest.command(resume(Guest::sid) | 1 << 12, first.stag);
  guest.command(resume(Guest::sid) | 1 << 12, first.stag);  // it is over
  ASSERT_EQ(guest.world.ended_count, 1U);
  EXPECT_EQ(guest.world.ended[0], std::pair(first.stag, StallEnd::retry));
  guest.command(resume(Guest::sid), second.stag);
  EXPECT_EQ(guest.world.ended[1].second, StallEnd::raz_wi);
  (void)port.access(unmapped);
  guest.command(0x45 | u64{Guest::sid} << 32);
  EXPECT_EQ(guest.world.ended[2].second, StallEnd::abort);
  (void)port.access(unmapped);
  guest.smmu->write(reg::cr0, 4, 0);
  EXPECT_EQ(guest.world.ended_count, 4U);
}

TEST(DeviceStalls, WaitWhereNoRoomIs) {
  Guest guest(megabyte, {.stalls = true, .features = {.stall_max = 2}});
  Port port(*guest.smmu);
  EXPECT_EQ(port.access(unmapped).end, End::stalled);
  const Answer second = port.access(unmapped);
  EXPECT_EQ(second.end, End::stalled);
  EXPECT_EQ(port.access(unmapped).end, End::waits);
  EXPECT_EQ(guest.smmu->read(reg::eventq_prod, 4), 2U);  // it has no record
  guest.command(resume(Guest::sid) | 1 << 13, second.stag);
  EXPECT_EQ(guest.world.ended[0].second, StallEnd::abort);
  EXPECT_EQ(port.access(unmapped).end, End::stalled);
  guest.smmu->write(reg::cr0, 4, cr0::smmuen | cr0::cmdqen);
  guest.command(0x45 | u64{Guest::sid} << 32);
  EXPECT_EQ(port.access(unmapped).end, End::waits);  // no event queue
}

TEST(DeviceCommands, ARegisterWriteDoesABoundedPart) {
  Guest guest(8 * megabyte);
  Port port(*guest.smmu);
  // Entries of one ASID, which commands of another one look at: about a thousand each.
  for (u64 i = 0; i < 1000; ++i) guest.map(i << 12, test::World::base + (i << 12));
  for (u64 i = 0; i < 1000; ++i) (void)port.access({.sid = Guest::sid, .address = i << 12});
  for (u64 i = 0; i < 100; ++i) {
    const u64 slot = Guest::commands + i * 16;
    guest.world.store(slot, 0x11 | u64{2} << 48);
    guest.world.store(slot + 8, 0);
  }
  guest.smmu->write(reg::cmdq_prod, 4, 100);
  EXPECT_TRUE(guest.smmu->work_left());
  unsigned more = 0;
  for (; guest.smmu->work_left() && more < 100; ++more) guest.smmu->work();
  EXPECT_GE(more, 1U);
  EXPECT_LT(more, 10U);
  EXPECT_EQ(guest.smmu->read(reg::cmdq_cons, 4), 100U);
}

TEST(DeviceCommands, ASyncWaitsForEndpoints) {
  Guest guest(megabyte);
  guest.command(0x40 | u64{Guest::sid} << 32, 0x5000);
  ASSERT_EQ(guest.world.sent_count, 1U);
  EXPECT_EQ(guest.world.sent[0].address, 0x5000U);
  EXPECT_EQ(guest.world.sent[0].bytes, 4096U);
  guest.sync();
  EXPECT_EQ(guest.smmu->read(reg::cmdq_cons, 4), 1U);
  guest.smmu->atc_done(guest.world.sent[0].tag + 1);
  EXPECT_EQ(guest.smmu->read(reg::cmdq_cons, 4), 1U);
  guest.smmu->atc_done(guest.world.sent[0].tag);
  EXPECT_EQ(guest.smmu->read(reg::cmdq_cons, 4), 2U);
  guest.command(0x40 | u64{Guest::sid} << 32, 0x5000);
  guest.sync();
  guest.smmu->atc_time_out();
  EXPECT_EQ(guest.smmu->read(reg::cmdq_cons, 4), 3U | 3U << 24);
  EXPECT_EQ(guest.smmu->read(reg::gerror, 4), gerror::cmdq_err);
  guest.smmu->write(reg::gerrorn, 4, gerror::cmdq_err);
  EXPECT_EQ(guest.smmu->read(reg::cmdq_cons, 4) & 0xfffff, 4U);
}

TEST(DeviceFeatures, WhatNoMachineHasIsRefused) {
  test::World world(4096);
  const auto refused = [&](Features features) {
    return !Smmu::create({.features = features, .caches = {}, .windows = {}}, world, world);
  };
  EXPECT_FALSE(refused({}));
  EXPECT_TRUE(refused({.s1p = false, .s2p = false, .hyp = false}));
  EXPECT_TRUE(refused({.minor = 4}));
  EXPECT_TRUE(refused({.ats = false}));  // PRI is left
  EXPECT_TRUE(refused({.ssidsize = 21}));
  EXPECT_TRUE(refused({.oas = 50}));
  EXPECT_TRUE(refused({.stall_max = 257}));
  EXPECT_TRUE(refused({.ril = false}));
  for (u64 seed = 0; seed < 200; ++seed) {
    const auto wrong = wrong_with(drawn_features(seed));
    EXPECT_FALSE(wrong) << seed << ": " << wrong.value_or("");
  }
}

TEST(DeviceState, AnotherMachineTakesNothing) {
  Guest guest(megabyte);
  Guest other(megabyte, {.features = {.httu = 1}});
  std::array<std::byte, Smmu::state_bytes> state{};
  const std::size_t bytes = guest.smmu->save(state);
  EXPECT_FALSE(other.smmu->restore(std::span(state).first(bytes)));
  EXPECT_FALSE(guest.smmu->restore(std::span(state).first(bytes - 1)));
  EXPECT_TRUE(guest.smmu->restore(std::span(state).first(bytes)));
}

}  // namespace
}  // namespace iommucheck::device::commands_test
