// SPDX-License-Identifier: MIT
// A machine that caches against one that has nothing cached: where memory does not change, all
// answers, records and memory are the same. And what is invalidated is not used any more.
#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/impl/device/device_support.h"

namespace iommucheck::device::coherence_test {
namespace {

using test::Guest;

constexpr u64 megabyte = 1 << 20;

/// Descriptors of all sorts at 64 addresses.
void fill_tables(Guest& guest, u64 seed) {
  SplitMix64 draw(seed);
  for (u64 i = 0; i < 64; ++i) {
    if (draw.below(8) == 0) continue;
    u64 word = Guest::page_rw | draw.below(2) << 7 | draw.below(2) << 54 | draw.below(2) << 51;
    if (draw.below(4) == 0) word ^= 1 << 6;
    if (draw.below(6) == 0) word ^= 1 << 10;
    if (draw.below(4) == 0) word ^= 1 << 11;
    guest.map(i << 12, test::World::base + (draw.below(64) << 12), word);
  }
}

Access an_access(SplitMix64& draw) {
  return {.sid = draw.below(32) == 0 ? Guest::sid + 1 : Guest::sid,
          .ssv = draw.below(32) == 0,
          .address = draw.below(66) << 12 | draw.below(512) * 8,
          .type = static_cast<Type>(draw.below(3)),
          .privileged = draw.below(2) != 0};
}

TEST(DeviceCoherence, CachesChangeNoAnswer) {
  for (u64 seed = 1; seed <= 24; ++seed) {
    const Guest::Options options{
        .stage2 = seed % 2 == 0,
        .dirty_state = seed % 4 < 2,
        .window = seed % 3 != 0,
        .caches = {.tlb_lg2 = static_cast<unsigned>(seed % 5), .config_lg2 = 0}};
    Guest cached(megabyte, options), fresh(megabyte, options);
    fill_tables(cached, seed);
    fill_tables(fresh, seed);
    Port port(*cached.smmu), other(*fresh.smmu);
    SplitMix64 draw(seed);
    std::array<std::byte, Smmu::state_bytes> state{};
    unsigned passed = 0;
    for (unsigned step = 0; step < 300; ++step) {
      const Access access = an_access(draw);
      const Answer answer = port.access(access);
      const std::size_t bytes = fresh.smmu->save(state);
      ASSERT_TRUE(fresh.smmu->restore(std::span(state).first(bytes)));
      const Answer right = other.access(access);
      ASSERT_EQ(answer.end, right.end) << "seed " << seed << ", step " << step;
      EXPECT_EQ(answer.event, right.event) << "seed " << seed << ", step " << step;
      EXPECT_EQ(answer.pa, right.pa) << "seed " << seed << ", step " << step;
      EXPECT_EQ(answer.attributes, right.attributes);
      passed += answer.end == End::passed ? 1 : 0;
    }
    EXPECT_GT(passed, 30U) << "seed " << seed;
    EXPECT_EQ(cached.smmu->read(reg::eventq_prod, 4), fresh.smmu->read(reg::eventq_prod, 4));
    for (u64 at = test::World::base; at < test::World::base + megabyte; at += 8) {
      ASSERT_EQ(cached.world.load(at), fresh.world.load(at)) << "seed " << seed << ", at " << at;
    }
  }
}

TEST(DeviceCoherence, AHitReadsNothing) {
  Guest guest(megabyte, {.window = false});
  guest.map(0x5000, test::World::base + 0x9000);
  Port port(*guest.smmu);
  EXPECT_EQ(port.access({.sid = Guest::sid, .address = 0x5008}).pa, test::World::base + 0x9008);
  const u64 before = guest.world.reads;
  EXPECT_EQ(port.access({.sid = Guest::sid, .address = 0x5010}).pa, test::World::base + 0x9010);
  EXPECT_EQ(guest.world.reads, before);
}

TEST(DeviceCoherence, WhatIsInvalidatedIsGone) {
  for (const bool stage2 : {false, true}) {
    Guest guest(megabyte, {.stage2 = stage2});
    Port port(*guest.smmu);
    const auto leads_to = [&](u64 va) {
      return port.access({.sid = Guest::sid, .address = va}).pa;
    };
    const u64 a = test::World::base + 0xa0000, b = test::World::base + 0xb0000;
    guest.map(0x5000, a);
    EXPECT_EQ(leads_to(0x5000), a);
    guest.map(0x5000, b);
    EXPECT_EQ(leads_to(0x5000), a);  // what may be cached is
    guest.invalidate(0x6000);
    guest.command(0x11 | u64{2} << 48);  // NH_ASID of another
    EXPECT_EQ(leads_to(0x5000), a);
    guest.invalidate(0x5000);
    EXPECT_EQ(leads_to(0x5000), b);
    // The CD: another ASID meets nothing of this one.
    guest.map(0x5000, a);
    guest.world.store(Guest::cd, guest.world.load(Guest::cd) ^ u64{3} << 48);
    EXPECT_EQ(leads_to(0x5000), b);
    guest.command(0x05 | u64{Guest::sid} << 32, 1);
    EXPECT_EQ(leads_to(0x5000), a);
  }
}

TEST(DeviceCoherence, DirtyStateIsWrittenOnce) {
  for (const bool stage2 : {false, true}) {
    Guest guest(megabyte, {.stage2 = stage2, .dirty_state = true});
    Port port(*guest.smmu);
    constexpr u64 dbm = u64{1} << 51, af = 1 << 10, ap2 = 1 << 7;
    const u64 clean = (Guest::page_rw | dbm | ap2) & ~af;
    guest.map(0x5000, test::World::base + 0xa0000, clean);
    const auto word = [&] { return guest.world.load(guest.leaf(0x5000)); };
    EXPECT_EQ(port.access({.sid = Guest::sid, .address = 0x5000}).end, End::passed);
    EXPECT_EQ(word() & (af | ap2), af | ap2);
    EXPECT_EQ(port.access({.sid = Guest::sid, .address = 0x5000, .type = Type::write}).end,
              End::passed);
    EXPECT_EQ(word() & (af | ap2), af);
  }
}

constexpr u64 block_2m = Guest::page_rw & ~u64{2};

TEST(DeviceCoherence, AnEntryOfBothStagesCoversTheSmallerOne) {
  Guest guest(4 * megabyte, {.stage2 = true});
  Port port(*guest.smmu);
  const u64 ipa = test::World::base + 2 * megabyte;
  guest.map_block(0x200000, ipa | block_2m);
  guest.map_stage2(ipa + 0x1000, test::World::base + 0x5000);
  const auto leads_to = [&](u64 va) { return port.access({.sid = Guest::sid, .address = va}).pa; };
  EXPECT_EQ(leads_to(0x200010), ipa + 0x10);
  EXPECT_EQ(leads_to(0x201010), test::World::base + 0x5010);
}

TEST(DeviceCoherence, S2ptwIsAskedOfWhatIsCached) {
  Guest guest(megabyte, {.stage2 = true});
  // Stage 1's first table lies in Device memory of stage 2, which data accesses have cached.
  constexpr u64 device_rw = 0x3 | 3 << 6 | 1 << 10;
  guest.map(0x5000, guest.root());
  guest.map_stage2(guest.root(), guest.root(), device_rw);
  Port port(*guest.smmu);
  EXPECT_EQ(port.access({.sid = Guest::sid, .address = 0x5000}).end, End::passed);
  const u64 ste = Guest::structures + u64{Guest::sid} * 64 + 16;
  guest.world.store(ste, guest.world.load(ste) | u64{1} << 54);
  guest.command(0x03 | u64{Guest::sid} << 32, 1);
  guest.map(u64{1} << 39, test::World::base);  // below another entry of the first table
  const Answer answer = port.access({.sid = Guest::sid, .address = u64{1} << 39});
  EXPECT_EQ(answer.event, Event::f_permission);
}

TEST(DevicePermissions, PanAndEpan) {
  constexpr u64 pan = u64{1} << 40, epan = u64{1} << 59, uxn = u64{1} << 54, user = 1 << 6;
  for (const bool with_epan : {false, true}) {
    Guest guest(megabyte, {.features = {.epan = true}});
    guest.world.store(Guest::cd, guest.world.load(Guest::cd) | pan);
    guest.world.store(Guest::cd + 8, guest.world.load(Guest::cd + 8) | (with_epan ? epan : 0));
    guest.map(0x5000, test::World::base, Guest::page_rw & ~user);          // users may execute
    guest.map(0x6000, test::World::base, (Guest::page_rw & ~user) | uxn);  // users may do nothing
    guest.map(0x7000, test::World::base);
    Port port(*guest.smmu);
    const auto may = [&](u64 va) {
      return port.access({.sid = Guest::sid, .address = va, .privileged = true}).end == End::passed;
    };
    EXPECT_EQ(may(0x5000), !with_epan);
    EXPECT_TRUE(may(0x6000));
    EXPECT_FALSE(may(0x7000));
  }
}

}  // namespace
}  // namespace iommucheck::device::coherence_test
