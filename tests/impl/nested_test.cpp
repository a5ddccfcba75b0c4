// SPDX-License-Identifier: MIT
// Users over domains of stage 2: their routes, numbers and commands, in the small world.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "impl/driver.h"
#include "tests/impl/fake_world_support.h"

namespace iommucheck::test::nested_test {
namespace {

constexpr u64 page = 0x1000;
constexpr u64 phys = u64{4} << 30;
constexpr u32 rw = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE;
constexpr unsigned cfgi_cd = 0x05, nh_all = 0x10, nh_asid = 0x11, s12_vmall = 0x28, s2_ipa = 0x2a,
                   atc_inv = 0x40, sync = 0x46;
constexpr u64 v = 1, bypass = 4 << 1, stage1 = 5 << 1;
constexpr u64 full_ats = u64{1} << 28, stalld = u64{1} << 27;

u64 table_of(unsigned cdmax) { return v | stage1 | u64{cdmax} << 59; }

struct Driver : Booted {
  explicit Driver(FakeWorld& w) : Booted(impl::builtin_driver(), w) {
    outer = alloc(IOMMUCHECK_DOMAIN_PAGING_S2);
    EXPECT_EQ(driver->map(self(), outer, 0, phys, 16 * page, rw), 0);
  }
  iommucheck_handle user(u64 word0, u64 word1 = 0, u32 kind = IOMMUCHECK_DOMAIN_NESTED,
                         iommucheck_handle parent = 0, u32 format = IOMMUCHECK_FORMAT_SMMUV3) {
    const iommucheck_nested_params nested = {.size = sizeof nested,
                                             .abi = IOMMUCHECK_DRIVER_ABI,
                                             .parent = parent != 0 ? parent : outer,
                                             .format = format,
                                             .reserved = 0,
                                             .table = word0,
                                             .config = word1};
    const iommucheck_domain_params params = {.size = sizeof params,
                                             .abi = IOMMUCHECK_DRIVER_ABI,
                                             .kind = kind,
                                             .input_bits = 0,
                                             .iommu = 0,
                                             .reserved = 0,
                                             .of_kind = &nested};
    iommucheck_handle domain = 0;
    last_error = driver->domain_alloc(self(), &params, &domain);
    return last_error == 0 ? domain : 0;
  }
  int refused(u64 word0, u64 word1 = 0, u32 kind = IOMMUCHECK_DOMAIN_NESTED) {
    EXPECT_EQ(user(word0, word1, kind), 0u);
    return last_error;
  }
  int attach(iommucheck_handle d, u32 device = 0) { return driver->attach(self(), d, device); }
  int detach(iommucheck_handle d, u32 device = 0) { return driver->detach(self(), d, device); }
  int free(iommucheck_handle d) { return driver->domain_free(self(), d); }
  int call(u32 device, u64 number) { return driver->vdevice(self(), outer, device, number); }
  iommucheck_result give(iommucheck_handle d, const std::vector<u64>& words) {
    return driver->cache_invalidate(self(), d, words.data(), words.size() / 2);
  }
  std::optional<u64> reach(u64 iova, u32 device = 0, u32 n = 0) {
    const auto access = world.access(world.stream_id(device, n), iova);
    return access ? std::optional(access->pa) : std::nullopt;
  }
  std::array<u64, 4> ste(u32 device = 0) { return world.ste_words(world.stream_id(device, 0)); }
  /// What was sent, without repetitions of one operation.
  std::vector<unsigned> sent() const {
    std::vector<unsigned> ops;
    for (const FakeCommand& command : world.commands) {
      if (ops.empty() || ops.back() != command.op()) ops.push_back(command.op());
    }
    return ops;
  }
  iommucheck_handle outer = 0;
};

FakeOptions both_stages(FakeOptions options = {}) {
  options.stage2 = true;
  return options;
}

TEST(Nested, StructuresAreThoseOfUsers) {
  FakeWorld world(both_stages({.ssid_bits = 8, .ats = true, .stalling_devices = 1}));
  Driver d(world);
  EXPECT_NE(d.user(v | stage1 | 0x1000), 0u);
  EXPECT_NE(d.user(v | bypass), 0u);
  EXPECT_NE(d.user(v), 0u) << "abort";
  EXPECT_NE(d.user(v | stage1, 0xff | stalld | full_ats), 0u);
  EXPECT_NE(d.user(table_of(8) | 1 << 4, 0, IOMMUCHECK_DOMAIN_NESTED_PASID), 0u);
  EXPECT_EQ(d.refused(stage1), -IOMMUCHECK_EINVAL) << "V = 0";
  EXPECT_EQ(d.refused(v | 6 << 1), -IOMMUCHECK_EINVAL) << "stage 2 is the host's";
  EXPECT_EQ(d.refused(v | 7 << 1), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.refused(v | stage1 | u64{1} << 52), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.refused(v | stage1, u64{2} << 30), -IOMMUCHECK_EINVAL) << "STRW";
  EXPECT_EQ(d.refused(v | stage1, u64{3} << 28), -IOMMUCHECK_EINVAL) << "EATS";
  EXPECT_EQ(d.refused(v | bypass, u64{2} << 28), -IOMMUCHECK_EINVAL) << "split without stage 1";
  EXPECT_EQ(d.refused(table_of(4)), -IOMMUCHECK_EINVAL) << "a table, and not of that kind";
  EXPECT_EQ(d.refused(v | stage1, 0, IOMMUCHECK_DOMAIN_NESTED_PASID), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.refused(table_of(9), 0, IOMMUCHECK_DOMAIN_NESTED_PASID), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.refused(table_of(4), 3, IOMMUCHECK_DOMAIN_NESTED_PASID), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.refused(v | stage1 | u64{1} << 50), -IOMMUCHECK_EOPNOTSUPP) << "beyond the IPAs";
  EXPECT_EQ(d.user(v | stage1, 0, IOMMUCHECK_DOMAIN_NESTED, d.outer, 2), 0u);
  EXPECT_EQ(d.last_error, -IOMMUCHECK_EINVAL) << "another format";
  const iommucheck_handle paging = d.alloc();
  EXPECT_EQ(d.user(v | stage1, 0, IOMMUCHECK_DOMAIN_NESTED, paging), 0u);
  EXPECT_EQ(d.last_error, -IOMMUCHECK_EINVAL) << "no parent";
}

TEST(Nested, WhatTheSmmuDoesNotHaveIsRefused) {
  FakeWorld world(both_stages());
  Driver d(world);
  EXPECT_EQ(d.refused(v | stage1, full_ats), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.refused(v | stage1, stalld), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.refused(table_of(1), 0, IOMMUCHECK_DOMAIN_NESTED_PASID), -IOMMUCHECK_EOPNOTSUPP);
  FakeWorld linear(both_stages({.ssid_bits = 8, .two_level_cds = false}));
  Driver flat(linear);
  EXPECT_NE(flat.user(table_of(4), 0, IOMMUCHECK_DOMAIN_NESTED_PASID), 0u);
  EXPECT_EQ(flat.refused(table_of(4) | 1 << 4, 0, IOMMUCHECK_DOMAIN_NESTED_PASID),
            -IOMMUCHECK_EINVAL);
}

TEST(Nested, TheHostsWordsStay) {
  FakeWorld world(both_stages({.devices = 3, .ssid_bits = 8, .ats = true}));
  Driver d(world);
  ASSERT_EQ(d.attach(d.outer, 1), 0);
  const auto hosts = d.ste(1);
  const iommucheck_handle user =
      d.user(table_of(8) | 0x4000, 0x5 | full_ats, IOMMUCHECK_DOMAIN_NESTED_PASID);
  ASSERT_EQ(d.attach(user), 0);
  const auto words = d.ste();
  EXPECT_EQ(words[0], v | 7 << 1 | 0x4000 | u64{8} << 59);
  EXPECT_EQ(words[1], (hosts[1] & ~u64{0xff}) | 0x5);
  EXPECT_EQ(words[2], hosts[2]);
  EXPECT_EQ(words[3], hosts[3]);
  ASSERT_EQ(d.attach(d.user(v | bypass)), 0);
  EXPECT_EQ(d.ste()[0], v | 6 << 1);
  EXPECT_EQ(d.ste()[1] & full_ats, 0u) << "bypass has no ATS";
  ASSERT_EQ(d.attach(d.user(v | stage1)), 0);
  EXPECT_EQ(d.ste()[1] & full_ats, 0u) << "nor who does not ask for it";
  ASSERT_EQ(d.attach(d.user(v)), 0);
  EXPECT_EQ(d.ste()[0], v);
}

TEST(Nested, AUserReachesWhatTheHostHasMapped) {
  FakeWorld world(both_stages());
  Driver d(world);
  world.users_stage1 = {{0x7000, page}, {0x8000, 64 * page}};
  const iommucheck_handle user = d.user(v | stage1);
  ASSERT_EQ(d.attach(user), 0);
  EXPECT_EQ(d.reach(0x7000), phys + page);
  EXPECT_FALSE(d.reach(0x8000));
  EXPECT_EQ(d.driver->map(d.self(), user, 0, phys, page, rw), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.driver->unmap(d.self(), user, 0, page).bytes, 0u);
  EXPECT_EQ(d.driver->iova_to_phys(d.self(), user, page), 0u);
  world.commands.clear();
  EXPECT_EQ(d.driver->unmap(d.self(), d.outer, page, page).bytes, page);
  EXPECT_EQ(d.sent(), (std::vector{s2_ipa, sync, nh_all, sync}));
  EXPECT_FALSE(d.reach(0x7000));
  world.commands.clear();
  EXPECT_EQ(d.driver->flush_iotlb_all(d.self(), d.outer), 0);
  EXPECT_EQ(d.sent(), (std::vector{s12_vmall, sync})) << "that is all of both";
  EXPECT_TRUE(world.errors.empty());
}

TEST(Nested, WhatDevicesHaveCachedGoesForAllPasids) {
  FakeWorld world(both_stages({.devices = 3, .ssid_bits = 4, .ats = true}));
  Driver d(world);
  world.users_stage1 = {{0x7000, page}};
  ASSERT_EQ(d.attach(d.user(v | stage1, full_ats)), 0);
  ASSERT_EQ(d.attach(d.outer, 1), 0);
  const u32 stream = world.stream_id(0, 0);
  EXPECT_TRUE(world.ats_access(stream, 0x7000));
  EXPECT_TRUE(world.ats_access(stream, 0x7000, 5));
  EXPECT_TRUE(world.ats_access(world.stream_id(1, 0), page));
  world.commands.clear();
  EXPECT_EQ(d.driver->unmap(d.self(), d.outer, page, page).bytes, page);
  EXPECT_EQ(d.sent(), (std::vector{s2_ipa, sync, nh_all, sync, atc_inv, sync}));
  EXPECT_FALSE(world.ats_access(stream, 0x7000));
  EXPECT_FALSE(world.ats_access(stream, 0x7000, 5));
  EXPECT_FALSE(world.ats_access(world.stream_id(1, 0), page));
  EXPECT_TRUE(world.errors.empty());
}

TEST(Nested, LeavesNothingInDevicesBehind) {
  FakeWorld world(both_stages({.ssid_bits = 4, .ats = true}));
  Driver d(world);
  world.users_stage1 = {{0x7000, page}};
  const iommucheck_handle user = d.user(v | stage1, full_ats);
  ASSERT_EQ(d.attach(user), 0);
  EXPECT_TRUE(world.ats_access(world.stream_id(0, 0), 0x7000, 5));
  ASSERT_EQ(d.detach(user), 0);
  EXPECT_FALSE(world.holds_anything() && world.ats_access(world.stream_id(0, 0), 0x7000, 5));
  EXPECT_EQ(d.free(d.outer), -IOMMUCHECK_EBUSY) << "it is a parent";
  EXPECT_EQ(d.free(user), 0);
  EXPECT_EQ(d.free(d.outer), 0);
  EXPECT_EQ(d.driver->shutdown(d.self()), 0);
  EXPECT_EQ(world.live_tables(), 0u);
}

TEST(Nested, HasNoPasidsOfTheHosts) {
  FakeWorld world(both_stages({.ssid_bits = 4}));
  Driver d(world);
  const iommucheck_handle user = d.user(table_of(4), 2, IOMMUCHECK_DOMAIN_NESTED_PASID);
  const iommucheck_handle paging = d.alloc();
  u32 pasid = 0;
  ASSERT_EQ(d.driver->pasid_alloc(d.self(), 1, 7, &pasid), 0);
  ASSERT_EQ(d.attach(user), 0);
  EXPECT_EQ(d.driver->attach_pasid(d.self(), paging, 0, pasid), -IOMMUCHECK_EBUSY);
  ASSERT_EQ(d.attach(paging), 0);
  EXPECT_EQ(d.driver->attach_pasid(d.self(), user, 0, pasid), -IOMMUCHECK_EOPNOTSUPP);
  ASSERT_EQ(d.driver->attach_pasid(d.self(), paging, 0, pasid), 0);
  EXPECT_EQ(d.attach(user), -IOMMUCHECK_EBUSY);
}

TEST(Nested, NumbersOfDevices) {
  FakeWorld world(both_stages({.devices = 3}));
  Driver d(world);
  EXPECT_EQ(d.call(0, 7), 0);
  EXPECT_EQ(d.call(0, 8), -IOMMUCHECK_EEXIST);
  EXPECT_EQ(d.call(1, 7), -IOMMUCHECK_EEXIST);
  EXPECT_EQ(d.call(1, u64{1} << 32), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.call(9, 1), -IOMMUCHECK_ENODEV);
  EXPECT_EQ(d.driver->vdevice(d.self(), d.alloc(), 1, 1), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.driver->vdevice(d.self(), d.alloc(IOMMUCHECK_DOMAIN_PAGING_S2), 1, 7), 0);
  ASSERT_EQ(d.driver->device_remove(d.self(), 0), 0);
  EXPECT_EQ(d.call(1, 7), 0) << "it ends with the device";
}

TEST(Nested, CommandsOfAUser) {
  FakeWorld world(both_stages({.devices = 3, .ssid_bits = 4, .ats = true}));
  Driver d(world);
  const iommucheck_handle user = d.user(table_of(4), full_ats, IOMMUCHECK_DOMAIN_NESTED_PASID);
  ASSERT_EQ(d.attach(user), 0);
  ASSERT_EQ(d.attach(d.alloc(), 1), 0);
  ASSERT_EQ(d.call(0, 0x70), 0);
  ASSERT_EQ(d.call(1, 0x71), 0);
  const u64 vmid = d.ste()[2] & 0xffff;
  world.commands.clear();
  const auto done = d.give(user, {cfgi_cd | 5 << 12 | u64{0x70} << 32, 1,  //
                                  nh_asid | u64{9} << 48, 0,               //
                                  atc_inv | u64{0x70} << 32, 52});
  EXPECT_EQ(done.error, 0);
  EXPECT_EQ(done.bytes, 3u);
  EXPECT_EQ(d.sent(), (std::vector{cfgi_cd, sync, nh_asid, sync, atc_inv, sync}))
      << "each can refill the next";
  EXPECT_EQ(world.commands[0].word0 >> 32, world.stream_id(0, 0));
  EXPECT_EQ(world.commands[1].word0 >> 32, world.stream_id(0, 1)) << "all its streams";
  EXPECT_EQ(world.commands[3].word0, nh_asid | vmid << 32 | u64{9} << 48);

  world.commands.clear();
  const std::vector<std::pair<u64, u64>> forbidden = {
      {cfgi_cd | u64{0x71} << 32, 0},  // of a device that is not the user's
      {cfgi_cd | u64{0x72} << 32, 0},  // of none
      {0x03 | u64{0x70} << 32, 1},     // CFGI_STE
      {0x04, 31},                      // CFGI_ALL
      {sync, 0},                       //
      {s2_ipa | vmid << 32, 0},        //
      {s12_vmall | vmid << 32, 0},     //
      {0x44 | u64{0x70} << 32, 0},     // RESUME
      {nh_asid | 1 << 8, 0},           // a reserved bit
  };
  for (const auto& [word0, word1] : forbidden) {
    const auto some = d.give(user, {nh_all, 0, word0, word1, nh_asid, 0});
    EXPECT_EQ(some.error, -IOMMUCHECK_EIO) << word0;
    EXPECT_EQ(some.bytes, 1u);
    EXPECT_EQ(d.sent(), (std::vector{nh_all, sync}));
    world.commands.clear();
  }
  EXPECT_EQ(d.give(user, {cfgi_cd | 16 << 12 | u64{0x70} << 32, 0}).bytes, 1u);
  EXPECT_EQ(d.sent(), std::vector<unsigned>{}) << "its table has no such entry";
  world.commands.clear();
  EXPECT_EQ(d.give(user, {}).error, 0);
  EXPECT_EQ(d.give(d.outer, {nh_all, 0}).error, -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.give(d.alloc(), {nh_all, 0}).error, -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.sent(), std::vector<unsigned>{});
  EXPECT_TRUE(world.errors.empty());
}

TEST(Nested, CommandsThatTimeOut) {
  FakeWorld world(both_stages());
  Driver d(world);
  const iommucheck_handle user = d.user(v | stage1);
  ASSERT_EQ(d.attach(user), 0);
  std::vector<u64> words;
  for (int i = 0; i < 100; ++i) words.insert(words.end(), {nh_all, 0});
  u64 seen = 0;
  world.on_command = [&](const FakeCommand&) { world.stuck |= ++seen == 70; };
  const auto done = d.give(user, words);
  world.on_command = nullptr;
  EXPECT_EQ(done.error, -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(done.bytes, 64u) << "one batch is known to be complete";
  EXPECT_EQ(d.give(user, words).bytes, 0u);
  world.stuck = false;
  EXPECT_EQ(d.driver->recover(d.self()), 0);
  EXPECT_EQ(d.give(user, words).bytes, 100u);
  EXPECT_TRUE(world.errors.empty());
}

// Each command is a moment at which the SMMU reads what it likes.
RC_GTEST_PROP(Nested, IsLeftAndReachedFromAnyOther, ()) {
  FakeWorld world(both_stages({.coherent = *rc::gen::arbitrary<bool>()}));
  Driver d(world);
  world.users_stage1 = {{0, page}};
  const iommucheck_handle paging = d.alloc();
  RC_ASSERT(d.driver->map(d.self(), paging, 0, 9 * phys, page, rw) == 0);
  const std::vector<std::pair<iommucheck_handle, std::optional<u64>>> domains{
      {paging, 9 * phys},
      {d.outer, phys},
      {d.user(v | stage1 | 0x1000), phys + page},
      {d.user(v | stage1 | 0x2000, 0x14), phys + page},
      {d.user(v | bypass), phys},
      {d.user(v), std::nullopt},
      {d.alloc(IOMMUCHECK_DOMAIN_IDENTITY), 0},
  };
  std::optional<u64> before;
  for (int i = 0; i < 12; ++i) {
    const auto& [to, outcome] = domains[any_in<std::size_t>(0, domains.size())];
    world.on_command = [&](const FakeCommand&) {
      for (const u32 n : {0u, 1u}) {
        const std::optional<u64> at = d.reach(0, 0, n);
        RC_ASSERT(!at || at == before || at == outcome);
      }
    };
    RC_ASSERT(d.attach(to) == 0);
    world.on_command = nullptr;
    RC_ASSERT(d.reach(0) == outcome);
    before = outcome;
  }
  RC_ASSERT(world.errors.empty());
}

TEST(Nested, TimesOutAtAnyStepOfAMove) {
  for (u64 after = 0; after < 8; ++after) {
    for (const auto& [from, to] : {std::pair{0, 1}, {1, 0}, {1, 2}, {2, 1}, {1, 3}, {3, 1}}) {
      FakeWorld world(both_stages());
      Driver d(world);
      world.users_stage1 = {{0, page}};
      const iommucheck_handle paging = d.alloc();
      ASSERT_EQ(d.driver->map(d.self(), paging, 0, 9 * phys, page, rw), 0);
      const std::pair<iommucheck_handle, u64> domains[] = {
          {paging, 9 * phys},
          {d.user(v | stage1 | 0x1000), phys + page},
          {d.user(v | stage1 | 0x2000, 0x14), phys + page},
          {d.outer, phys}};
      ASSERT_EQ(d.attach(domains[from].first), 0);
      u64 seen = 0;
      world.on_command = [&](const FakeCommand&) { world.stuck |= seen++ == after; };
      const int error = d.attach(domains[to].first);
      world.on_command = nullptr;
      world.stuck = false;
      ASSERT_EQ(d.driver->recover(d.self()), 0);
      EXPECT_EQ(d.reach(0), domains[error == 0 ? to : from].second) << after << ", " << error;
      EXPECT_EQ(d.attach(domains[to].first), 0);
      EXPECT_EQ(d.reach(0), domains[to].second);
      EXPECT_TRUE(world.errors.empty());
    }
  }
}

TEST(Nested, FreedWhileTheQueueSticks) {
  FakeWorld world(both_stages());
  Driver d(world);
  const iommucheck_handle user = d.user(v | stage1);
  ASSERT_EQ(d.attach(user), 0);
  world.stuck = true;
  EXPECT_EQ(d.detach(user), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(d.free(user), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(d.free(d.outer), -IOMMUCHECK_ETIMEDOUT) << "it is nobody's parent any more";
  world.stuck = false;
  EXPECT_EQ(d.driver->recover(d.self()), 0);
  EXPECT_EQ(d.driver->shutdown(d.self()), 0);
  EXPECT_EQ(world.live_tables(), 0u);
}

/// What event_read gives: the words, or nothing. `lost` is counted.
struct Reader {
  std::optional<std::array<u64, 4>> next() {
    iommucheck_user_event event = {};
    event.size = sizeof event;
    event.abi = IOMMUCHECK_DRIVER_ABI;
    if (d.driver->event_read(d.self(), queue, &event) != 0) return std::nullopt;
    lost += event.lost;
    if (event.lost != 0) return next();
    return std::array<u64, 4>{event.record[0], event.record[1], event.record[2], event.record[3]};
  }
  Driver& d;
  iommucheck_handle queue = 0;
  unsigned lost = 0;
};

TEST(Nested, OfItsEventsAUserIsToldWhatIsItsOwn) {
  FakeWorld world(both_stages({.ssid_bits = 8}));
  Driver d(world);
  const iommucheck_handle n = d.user(v | stage1 | 0x1000);
  ASSERT_EQ(d.attach(n), 0);
  ASSERT_EQ(d.call(0, 0x42), 0);
  Reader reader{d};
  ASSERT_EQ(d.driver->event_queue_open(d.self(), d.outer, 16, &reader.queue), 0);
  iommucheck_handle another = 0;
  EXPECT_EQ(d.driver->event_queue_open(d.self(), d.outer, 16, &another), -IOMMUCHECK_EBUSY);
  EXPECT_EQ(d.driver->event_queue_open(d.self(), n, 16, &another), -IOMMUCHECK_EINVAL);
  const u64 sid = u64{world.stream_id(0, 0)} << 32;
  const u64 at_pasid = u64{1} << 11 | u64{5} << 12 | sid;
  const u64 access = u64{7} << 33 | u64{2} << 40;       // PnU, InD, RnW, CLASS
  const u64 hosts = 0x77 | u64{1} << 44 | u64{1} << 4;  // STAG, TTRnW
  const auto interrupted = [&] { d.driver->handle_irq(d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE); };
  for (const u64 type : {0x10ULL, 0x11ULL, 0x12ULL, 0x13ULL}) {
    world.post_event(type | at_pasid, access | hosts, 0x1234'5678);
    world.post_event(type | at_pasid, access | hosts | u64{1} << 39, 0x1234'5678);
  }
  for (const u64 type : {0x06ULL, 0x08ULL, 0x0aULL})
    world.post_event(type | at_pasid, ~u64{0}, ~u64{0});
  world.post_event(0x10 | u64{5} << 12 | sid, access, 0x1000);
  for (const u64 type : {0x01ULL, 0x02ULL, 0x03ULL, 0x04ULL, 0x05ULL, 0x07ULL, 0x09ULL, 0x0bULL,
                         0x20ULL, 0x21ULL, 0x24ULL, 0x25ULL}) {
    world.post_event(type | at_pasid, access, 0x1000);
  }
  const std::size_t logged = world.log.size();
  interrupted();
  EXPECT_EQ(world.log.size(), logged + 4 + 12) << "the host's";
  const u64 told = u64{0x42} << 32;
  const u64 with_pasid = told | u64{1} << 11 | u64{5} << 12;
  using Words = std::array<u64, 4>;
  for (const u64 type : {0x10ULL, 0x11ULL, 0x12ULL, 0x13ULL}) {
    EXPECT_EQ(reader.next(), (Words{type | with_pasid, access, 0x1234'5678, 0}));
  }
  EXPECT_EQ(reader.next(), (Words{0x06 | told, 0, 0, 0}));
  EXPECT_EQ(reader.next(), (Words{0x08 | told | u64{5} << 12, 0, 0, 0}));
  EXPECT_EQ(reader.next(), (Words{0x0a | with_pasid, 0, 0, 0}));
  EXPECT_EQ(reader.next(), (Words{0x10 | told, access, 0x1000, 0}));
  EXPECT_EQ(reader.next(), std::nullopt);
  EXPECT_EQ(reader.lost, 0U);
  EXPECT_EQ(d.detach(n), 0);
  EXPECT_EQ(d.free(n), 0);
  EXPECT_EQ(d.free(d.outer), -IOMMUCHECK_EBUSY);
  EXPECT_EQ(d.driver->fault_queue_close(d.self(), reader.queue), 0);
  EXPECT_EQ(d.driver->fault_queue_close(d.self(), reader.queue), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(d.free(d.outer), 0);
}

TEST(Nested, AFullEventQueueSaysOnceWhatIsLost) {
  FakeWorld world(both_stages());
  Driver d(world);
  const iommucheck_handle n = d.user(v | stage1 | 0x1000);
  ASSERT_EQ(d.attach(n), 0);
  ASSERT_EQ(d.call(0, 1), 0);
  Reader reader{d};
  ASSERT_EQ(d.driver->event_queue_open(d.self(), d.outer, 2, &reader.queue), 0);
  const auto post = [&](u64 iova) {
    world.post_event(0x10 | u64{world.stream_id(0, 0)} << 32, 0, iova);
    d.driver->handle_irq(d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  };
  for (const u64 iova : {1ULL, 2ULL, 3ULL, 4ULL}) post(iova * page);
  EXPECT_EQ(reader.next()->at(2), page);
  post(5 * page);
  EXPECT_EQ(reader.next()->at(2), 2 * page);
  EXPECT_EQ(reader.lost, 0U);
  EXPECT_EQ(reader.next()->at(2), 5 * page);
  EXPECT_EQ(reader.lost, 1U);
  EXPECT_EQ(reader.next(), std::nullopt);
  for (const u64 iova : {1ULL, 2ULL, 3ULL}) post(iova * page);
  for (unsigned i = 0; i < 2; ++i) reader.next();
  EXPECT_EQ(reader.lost, 1U);
  EXPECT_EQ(reader.next(), std::nullopt);
  EXPECT_EQ(reader.lost, 2U);
  EXPECT_EQ(reader.next(), std::nullopt);
  EXPECT_EQ(reader.lost, 2U);
}

// An event that nobody has read when its device goes to another user is not told to that one.
TEST(Nested, EventsStayWithTheUserThatTheDeviceWasWith) {
  FakeWorld world(both_stages());
  Driver d(world);
  const iommucheck_handle other = d.alloc(IOMMUCHECK_DOMAIN_PAGING_S2);
  const iommucheck_handle from = d.user(v | stage1 | 0x1000);
  const iommucheck_handle to = d.user(v | stage1 | 0x1000, 0, IOMMUCHECK_DOMAIN_NESTED, other);
  ASSERT_EQ(d.attach(from), 0);
  ASSERT_EQ(d.call(0, 1), 0);
  ASSERT_EQ(d.driver->vdevice(d.self(), other, 0, 2), 0);
  Reader first{d};
  Reader second{d};
  ASSERT_EQ(d.driver->event_queue_open(d.self(), d.outer, 2, &first.queue), 0);
  ASSERT_EQ(d.driver->event_queue_open(d.self(), other, 2, &second.queue), 0);
  world.post_event(0x10 | u64{world.stream_id(0, 0)} << 32, 0, page);
  ASSERT_EQ(d.attach(to), 0);
  d.driver->handle_irq(d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  EXPECT_EQ(second.next(), std::nullopt);
  EXPECT_EQ(first.next(), (std::array<u64, 4>{0x10 | u64{1} << 32, 0, page, 0}));
}

}  // namespace
}  // namespace iommucheck::test::nested_test
