// SPDX-License-Identifier: MIT
// Processes and private address spaces through the driver's door. INTERFACE "Bind", "Exit".

#include <algorithm>

#include "tests/impl/sva_support.h"

namespace iommucheck::test::sva_test {
namespace {

constexpr std::optional<u64> nothing;

/// The opcodes consumed since `from`, CMD_SYNC as 46.
std::vector<unsigned> ops(const FakeWorld& world, std::size_t from) {
  std::vector<unsigned> out;
  for (std::size_t i = from; i < world.commands.size(); ++i) out.push_back(world.commands[i].op());
  return out;
}

TEST(Sva, calls_before_init_are_errors_and_init_checks_what_it_is_told) {
  TwoDevices w;
  EXPECT_EQ(w.d.bind(0, 1), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.d.unbind(0, 1), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.d.unbind_all(0), 0);
  EXPECT_EQ(w.d.driver->sva_device_shutdown(w.d.self(), 0), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.d.init(7, 0), -IOMMUCHECK_ENODEV);
  EXPECT_EQ(w.d.init(0, 4), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.d.init(0, 0, 1024, 0), -IOMMUCHECK_EINVAL) << "beyond what the device can";
  EXPECT_EQ(w.d.init(0, 0, 5, 4), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.d.init(0, iopf), 0);
  EXPECT_EQ(w.d.init(0, iopf), -IOMMUCHECK_EEXIST);
  EXPECT_EQ(w.d.bind(0, 1, 2), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.d.alloc_private(w.a, 0), 0u);
  EXPECT_EQ(w.d.last_error, -IOMMUCHECK_EINVAL) << "not asked for";
  w.world.add_process(3, 0);
  EXPECT_EQ(w.d.bind(0, 3), -IOMMUCHECK_ESRCH);
  w.end();
}

TEST(Sva, bnd_02_the_same_pair_twice_and_as_many_unbinds) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  EXPECT_EQ(w.d.bind(0, 1, 0, 0x11), 1);
  EXPECT_EQ(w.d.bind(0, 1, 0, 0x12), 1);
  u64 drvdata = 0;
  EXPECT_EQ(w.d.driver->sva_drvdata(w.d.self(), 0, 1, &drvdata), 0);
  EXPECT_EQ(drvdata, 0x11u);
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  EXPECT_EQ(w.d.reach(0, 1, va), phys + page);
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  EXPECT_EQ(w.d.reach(0, 1, va), nothing);
  EXPECT_EQ(w.d.unbind(0, 1), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.d.driver->sva_drvdata(w.d.self(), 0, 1, &drvdata), -IOMMUCHECK_ENOENT);
  w.end();
}

TEST(Sva, bnd_08_further_pasids_and_invalidation_for_each) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.init(1, iopf), 0);
  EXPECT_EQ(w.d.bind(0, 1), 1);
  EXPECT_EQ(w.d.bind(0, 1, further, 0xb), 2);
  EXPECT_EQ(w.d.bind(0, 1, further, 0xc), 3);
  EXPECT_EQ(w.d.bind(1, 1), 1) << "a plain bind never returns a further one";
  for (u32 pasid = 1; pasid <= 3; ++pasid) EXPECT_EQ(w.d.reach(0, pasid, va), phys + page);
  EXPECT_EQ(w.d.reach(1, 1, va), phys + page);
  EXPECT_EQ(w.d.reach(1, 2, va), nothing) << "another domain";
  EXPECT_EQ(w.d.unmap_page(1, va), 0);
  for (u32 pasid = 1; pasid <= 3; ++pasid) EXPECT_EQ(w.d.reach(0, pasid, va), nothing);
  EXPECT_EQ(w.d.reach(1, 1, va), nothing);
  w.world.mm_map(1, va, phys + 7 * page);
  EXPECT_EQ(w.d.reach(0, 2, va), phys + 7 * page);
  EXPECT_EQ(w.world.processes[1].pins, 1u);
  w.end();
}

TEST(Sva, a_table_belongs_to_all_devices_of_its_domain_later_ones_too) {
  FakeOptions options = with_pasids();
  options.devices = 3;
  options.stalling_devices = 3;
  TwoDevices w(options);
  ASSERT_EQ(w.d.attach(w.b, 2), 0);
  ASSERT_EQ(w.d.init(1, iopf), 0);
  ASSERT_EQ(w.d.init(2, iopf), 0);
  EXPECT_EQ(w.d.bind(1, 1), 1);
  EXPECT_EQ(w.d.reach(2, 1, va), phys + page);
  EXPECT_EQ(w.d.bind(2, 1), 1);
  EXPECT_EQ(w.d.unbind(1, 1), 0);
  EXPECT_EQ(w.d.reach(1, 1, va), phys + page) << "until the last unbind of the domain";
  EXPECT_EQ(w.d.attach(w.a, 2), -IOMMUCHECK_EBUSY);
  EXPECT_EQ(w.d.attach(w.b, 0), 0) << "a later joiner";
  EXPECT_EQ(w.d.reach(0, 1, va), phys + page);
  EXPECT_EQ(w.d.attach(w.a, 0), 0);
  EXPECT_EQ(w.d.reach(0, 1, va), nothing);
  EXPECT_EQ(w.d.unbind(2, 1), 0);
  EXPECT_EQ(w.d.reach(1, 1, va), nothing);
  EXPECT_EQ(w.d.detach(w.b, 2), 0);
  w.end();
}

TEST(Sva, the_first_pasid_moves_every_device_of_the_domain_to_a_table) {
  for (const bool two_level : {false, true}) {
    for (const u32 bits : {1u, 5u, 6u, 7u, 12u}) {
      FakeOptions options = with_pasids(bits);
      options.two_level_cds = two_level;
      TwoDevices w(options);
      const iommucheck_handle c = w.d.alloc();
      ASSERT_EQ(w.d.driver->map(w.d.self(), w.a, va, phys, page, rw), 0);
      ASSERT_EQ(w.d.detach(w.b, 1), 0);
      ASSERT_EQ(w.d.attach(w.a, 1), 0);
      ASSERT_EQ(w.d.reach(0, 0, va), phys);
      ASSERT_EQ(w.d.reach(1, 0, va), phys);
      bool undisturbed = true;
      w.world.on_command = [&](const FakeCommand&) {
        undisturbed &= w.world.access(w.world.stream_id(1, 0), va).has_value();
      };
      const u32 last = (1u << bits) - 1;
      ASSERT_EQ(w.d.init(0, private_pasids, last, last), 0);
      const auto m = w.d.alloc_private(w.a, 0);
      ASSERT_NE(m, 0u);
      EXPECT_EQ(w.d.pasid_of(m), last);
      EXPECT_EQ(w.d.map_private(m, va, phys + 3 * page), 0);
      w.world.on_command = nullptr;
      EXPECT_TRUE(undisturbed);
      for (u32 device = 0; device < 2; ++device) {
        EXPECT_EQ(w.d.reach(device, 0, va), phys);
        EXPECT_EQ(w.d.reach(device, last, va), phys + 3 * page);
        EXPECT_EQ(w.d.reach(device, last + 1, va), nothing);
      }
      EXPECT_EQ(w.d.detach(w.a, 1), 0);
      EXPECT_EQ(w.d.attach(w.b, 1), 0);
      EXPECT_EQ(w.d.free(c), 0);
      w.end();
    }
  }
}

TEST(Sva, bind_and_unbind_send_their_commands_in_this_order) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  std::size_t from = w.world.commands.size();
  ASSERT_EQ(w.d.bind(0, 2), 2);
  EXPECT_EQ(ops(w.world, from), (std::vector<unsigned>{0x05, 0x46, 0x05, 0x46}));
  from = w.world.commands.size();
  ASSERT_EQ(w.d.unbind(0, 2), 0);
  EXPECT_EQ(ops(w.world, from), (std::vector<unsigned>{0x05, 0x46, 0x11, 0x46, 0x40, 0x46}));
  EXPECT_EQ(w.world.commands[from].word0, u64{0x05} | 2u << 12 | u64{1} << 32);
  EXPECT_EQ(w.world.commands[from + 2].word0 >> 48, 0x102u);
  from = w.world.commands.size();
  ASSERT_EQ(w.d.unmap_page(1, va), 0);
  EXPECT_EQ(ops(w.world, from), (std::vector<unsigned>{0x12, 0x46, 0x40, 0x46}));
  EXPECT_EQ(w.world.commands[from].word1 & 1, 0u) << "tables may go";
  w.end();
}

TEST(Sva, v_is_written_last_and_with_one_store) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, private_pasids), 0);
  ASSERT_NE(w.d.alloc_private(w.a, 0), 0u);
  // Whatever looks at the CD while the driver waits sees it invalid, or whole.
  w.world.on_command = [&](const FakeCommand&) {
    const auto reached = w.world.access(w.world.stream_id(0, 0), va, 2);
    EXPECT_TRUE(!reached || reached->pa == phys + page);
  };
  ASSERT_EQ(w.d.init(1, iopf), 0);
  EXPECT_EQ(w.d.driver->sva_device_shutdown(w.d.self(), 0), 0);
  ASSERT_EQ(w.d.init(0, iopf), 0);
  for (int round = 0; round < 3; ++round) {
    const int pasid = w.d.bind(0, 1);
    ASSERT_GT(pasid, 0);
    EXPECT_EQ(w.d.reach(0, static_cast<u32>(pasid), va), phys + page);
    EXPECT_EQ(w.d.unbind(0, static_cast<u32>(pasid)), 0);
  }
  w.world.on_command = nullptr;
  w.end();
}

TEST(Sva, exi_01_exit_calls_waits_and_ends) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.init(1, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1, 0, 0x77), 1);
  ASSERT_EQ(w.d.bind(1, 1, 0, 0x78), 1);
  ASSERT_EQ(w.d.bind(0, 2), 2);
  ASSERT_EQ(w.d.reach(0, 1, va), phys + page);
  ASSERT_EQ(w.d.reach(1, 1, va), phys + page);
  int waits = 0;
  w.world.on_wait = [&] {
    EXPECT_EQ(w.world.exits.size(), 2u) << "all are called before any is waited for";
    EXPECT_EQ(w.d.reach(0, 1, va), nothing) << "quiet already";
    EXPECT_EQ(w.d.reach(0, 2, va), phys + 2 * page);
    EXPECT_EQ(w.d.bind(0, 1), -IOMMUCHECK_ESRCH);
    EXPECT_EQ(w.d.driver->pasid_free(w.d.self(), 1), -IOMMUCHECK_EINVAL);
    u32 pasid = 0;
    EXPECT_EQ(w.d.driver->pasid_alloc(w.d.self(), 1, 1, &pasid), -IOMMUCHECK_ENOSPC);
    u64 drvdata = 0;
    if (waits == 0) {
      EXPECT_EQ(w.d.driver->sva_drvdata(w.d.self(), 0, 1, &drvdata), 0);
      EXPECT_EQ(drvdata, 0x77u);
      EXPECT_EQ(w.d.done(0, 1), 0);
      EXPECT_EQ(w.d.done(0, 1), -IOMMUCHECK_EINVAL);
    } else {
      EXPECT_EQ(w.d.done(1, 1), 0);
    }
    return ++waits < 5;
  };
  EXPECT_EQ(w.d.release(1), 0);
  EXPECT_EQ(waits, 2);
  EXPECT_EQ(w.d.reach(0, 1, va), nothing);
  EXPECT_EQ(w.d.reach(1, 1, va), nothing);
  EXPECT_EQ(w.d.unbind(0, 1), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.world.processes[1].pins, 0u);
  EXPECT_EQ(w.d.held().pasids, 1u);
  EXPECT_EQ(w.d.release(1), 0);
  w.world.on_wait = nullptr;
  w.end();
}

TEST(Sva, while_exit_waits_for_others_who_is_done_has_its_bond) {
  for (const bool unbinds : {false, true}) {
    TwoDevices w;
    ASSERT_EQ(w.d.init(0, iopf, 1, 1), 0);
    ASSERT_EQ(w.d.init(1, iopf, 2, 2), 0);
    ASSERT_EQ(w.d.bind(0, 1, further), 1);
    ASSERT_EQ(w.d.bind(1, 1, further), 2);
    int waits = 0;
    w.world.on_wait = [&] {
      if (++waits == 2) {
        EXPECT_EQ(w.d.done(1, 2), 0);
        return true;
      }
      EXPECT_EQ(w.d.done(0, 1), 0);
      EXPECT_EQ(w.d.attach(w.b, 0), -IOMMUCHECK_EBUSY);
      u64 drvdata = 0;
      EXPECT_EQ(w.d.driver->sva_drvdata(w.d.self(), 0, 1, &drvdata), 0);
      u32 pasid = 0;
      EXPECT_EQ(w.d.driver->pasid_alloc(w.d.self(), 1, 1, &pasid), -IOMMUCHECK_ENOSPC);
      if (!unbinds) return true;
      EXPECT_EQ(w.d.unbind(0, 1), 0);
      EXPECT_EQ(w.d.unbind(0, 1), -IOMMUCHECK_EINVAL);
      EXPECT_EQ(w.d.bind(0, 2), 1) << "the number is free at once";
      EXPECT_EQ(w.d.reach(0, 1, va), phys + 2 * page);
      return true;
    };
    EXPECT_EQ(w.d.release(1), 0);
    EXPECT_EQ(waits, 2);
    w.world.on_wait = nullptr;
    EXPECT_EQ(w.d.held().bonds, unbinds ? 1u : 0u);
    EXPECT_EQ(w.d.held().pasids, unbinds ? 1u : 0u);
    EXPECT_EQ(w.world.processes[1].pins, 0u);
    w.end();
  }
}

TEST(Sva, a_move_that_times_out_leaves_it_to_others_whether_faults_wait) {
  FakeOptions options = with_pasids();
  options.devices = 3;  // the last one cannot stall
  TwoDevices w(options);
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  const u32 sid = w.world.stream_id(0, 0);
  ASSERT_TRUE(w.world.stalls(sid, 1));
  w.world.stuck = true;
  EXPECT_EQ(w.d.attach(w.a, 2), -IOMMUCHECK_ETIMEDOUT);
  w.world.stuck = false;
  ASSERT_EQ(w.d.driver->recover(w.d.self()), 0);
  EXPECT_TRUE(w.world.stalls(sid, 1)) << "the attach";
  ASSERT_EQ(w.d.attach(w.a, 2), 0);
  EXPECT_FALSE(w.world.stalls(sid, 1));
  w.world.stuck = true;
  EXPECT_EQ(w.d.detach(w.a, 2), -IOMMUCHECK_ETIMEDOUT);
  w.world.stuck = false;
  ASSERT_EQ(w.d.driver->recover(w.d.self()), 0);
  EXPECT_TRUE(w.world.stalls(sid, 1)) << "the detach";
  w.end();
}

TEST(Sva, exi_07_a_handler_that_never_returns_keeps_the_number) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf, 1, 1), 0);
  ASSERT_EQ(w.d.init(1, iopf, 1, 1), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  ASSERT_EQ(w.d.bind(1, 1), 1);
  EXPECT_EQ(w.d.release(1), 0);
  EXPECT_EQ(w.d.reach(0, 1, va), nothing);
  EXPECT_EQ(w.world.processes[1].pins, 0u) << "nothing carries its ASID any more";
  EXPECT_EQ(w.d.held().pasids, 1u);
  EXPECT_EQ(w.d.bind(0, 2), -IOMMUCHECK_ENOSPC);
  EXPECT_EQ(w.d.done(0, 1, -IOMMUCHECK_EIO), 0) << "an error is no \"done\"";
  EXPECT_EQ(w.d.done(1, 1), 0);
  EXPECT_EQ(w.d.bind(0, 2), -IOMMUCHECK_ENOSPC);
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  EXPECT_EQ(w.d.held().pasids, 0u);
  EXPECT_EQ(w.d.bind(0, 2), 1);
  EXPECT_EQ(w.d.reach(0, 1, va), phys + 2 * page);
  w.end();
}

TEST(Sva, a_null_handler_says_done_by_unbind_only) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf, 1, 1, false), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  EXPECT_EQ(w.d.release(1), 0);
  EXPECT_TRUE(w.world.exits.empty());
  EXPECT_EQ(w.d.held().bonds, 1u);
  EXPECT_EQ(w.d.bind(0, 2), -IOMMUCHECK_ENOSPC);
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  EXPECT_EQ(w.d.bind(0, 2), 1);
  w.end();
}

TEST(Sva, unbind_inside_the_handler_deadlocks_elsewhere_it_waits) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.init(1, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  ASSERT_EQ(w.d.bind(1, 1), 1);
  int depth = 0;
  w.world.on_wait = [&] {
    if (depth++ != 0) {  // inside unbind, called from the other handler
      w.world.context = 0;
      EXPECT_EQ(w.d.done(0, 1), 0);
      return true;
    }
    w.world.context = w.world.exits[0].context;
    EXPECT_EQ(w.d.unbind(0, 1), -IOMMUCHECK_EDEADLK);
    EXPECT_EQ(w.d.unbind_all(0), -IOMMUCHECK_EDEADLK);
    EXPECT_EQ(w.d.driver->sva_device_shutdown(w.d.self(), 0), -IOMMUCHECK_EDEADLK);
    EXPECT_EQ(w.d.detach(w.a, 0), -IOMMUCHECK_EDEADLK);
    w.world.context = w.world.exits[1].context;
    EXPECT_EQ(w.d.unbind(0, 1), 0) << "waits for that handler";
    EXPECT_EQ(depth, 2);
    w.world.context = 0;
    EXPECT_EQ(w.d.done(1, 1), 0);
    return true;
  };
  EXPECT_EQ(w.d.release(1), 0);
  EXPECT_EQ(w.d.held().pasids, 0u);
  w.world.on_wait = nullptr;
  w.end();
}

TEST(Sva, while_exit_waits_devices_and_domains_may_go) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.init(1, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  ASSERT_EQ(w.d.bind(1, 1), 1);
  bool first = true;
  w.world.on_wait = [&] {
    if (!first) return false;
    first = false;
    EXPECT_EQ(w.d.done(0, 1), 0);
    EXPECT_EQ(w.d.detach(w.a, 0), 0);
    EXPECT_EQ(w.d.free(w.a), 0);
    EXPECT_EQ(w.d.driver->device_remove(w.d.self(), 1), 0) << "nobody is waited for";
    EXPECT_EQ(w.d.bind(1, 2), -IOMMUCHECK_ENODEV);
    EXPECT_EQ(w.d.attach(w.b, 1), -IOMMUCHECK_ENODEV);
    EXPECT_EQ(w.d.done(1, 1), -IOMMUCHECK_EINVAL);
    return true;
  };
  EXPECT_EQ(w.d.release(1), 0);
  EXPECT_FALSE(first);
  const iommucheck_held held = w.d.held();
  EXPECT_EQ(held.pasids, 0u);
  EXPECT_EQ(held.bonds, 0u);
  EXPECT_EQ(w.world.processes[1].pins, 0u);
  EXPECT_EQ(w.d.free(w.b), 0);
  EXPECT_EQ(w.d.driver->shutdown(w.d.self()), 0);
  EXPECT_EQ(w.world.live_tables(), 0u);
}

TEST(Sva, rmv_01_a_device_vanishes_and_is_not_spoken_to) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf | private_pasids), 0);
  ASSERT_EQ(w.d.init(1, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  ASSERT_EQ(w.d.bind(1, 1), 1);
  const auto m = w.d.alloc_private(w.a, 0);
  ASSERT_NE(m, 0u);
  const std::size_t from = w.world.commands.size();
  EXPECT_EQ(w.d.driver->device_remove(w.d.self(), 0), 0);
  for (std::size_t i = from; i < w.world.commands.size(); ++i) {
    EXPECT_FALSE(w.world.commands[i].op() == 0x40 &&
                 w.world.commands[i].word0 >> 32 == w.world.stream_id(0, 0));
  }
  EXPECT_EQ(w.d.reach(1, 1, va), phys + page);
  EXPECT_EQ(w.d.unbind(0, 1), -IOMMUCHECK_ENODEV);
  EXPECT_EQ(w.d.map_private(m, va, phys), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.d.unmap_page(1, va), 0);
  EXPECT_EQ(w.d.reach(1, 1, va), nothing);
  EXPECT_EQ(w.d.unbind(1, 1), 0);
  EXPECT_EQ(w.d.free(w.a), 0);
  EXPECT_EQ(w.d.held().domains, 1u);
  EXPECT_EQ(w.d.held().io_mms + w.d.held().pasids + w.d.held().bonds, 0u);
}

TEST(Sva, prv_01_the_life_of_a_private_address_space) {
  TwoDevices w;
  ASSERT_EQ(w.d.driver->map(w.d.self(), w.a, page, phys + page, page, rw), 0);
  ASSERT_EQ(w.d.init(0, private_pasids, 1, 2), 0);
  const auto m = w.d.alloc_private(w.a, 0);
  const auto n = w.d.alloc_private(w.a, 0);
  EXPECT_EQ(w.d.alloc_private(w.a, 0), 0u);
  EXPECT_EQ(w.d.last_error, -IOMMUCHECK_ENOSPC);
  EXPECT_EQ(w.d.held().pasids, 2u);
  EXPECT_EQ(w.d.pasid_of(m), 1u);
  EXPECT_EQ(w.d.map_private(m, page, phys + 2 * page), 0);
  EXPECT_EQ(w.d.map_private(m, page, phys + 2 * page), -IOMMUCHECK_EEXIST);
  EXPECT_EQ(w.d.reach(0, 1, page), phys + 2 * page);
  EXPECT_EQ(w.d.reach(0, 0, page), phys + page);
  EXPECT_EQ(w.d.reach(0, 2, page), nothing);
  EXPECT_EQ(w.d.driver->sva_iova_to_phys(w.d.self(), m, page + 16), phys + 2 * page + 16);
  EXPECT_EQ(w.d.driver->sva_unmap_fast(w.d.self(), m, page, page).bytes, page);
  EXPECT_EQ(w.d.driver->sva_iova_to_phys(w.d.self(), m, page), 0u);
  EXPECT_EQ(w.d.driver->sva_iotlb_sync(w.d.self(), m), 0);
  EXPECT_EQ(w.d.reach(0, 1, page), nothing);
  EXPECT_EQ(w.d.reach(0, 0, page), phys + page);
  EXPECT_EQ(w.d.free_private(w.b, m), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.d.map_private(m, page, phys + 3 * page), 0);
  EXPECT_EQ(w.d.reach(0, 1, page), phys + 3 * page);
  EXPECT_EQ(w.d.free_private(w.a, m), 0);
  EXPECT_EQ(w.d.free_private(w.a, m), -IOMMUCHECK_EINVAL);
  const auto again = w.d.alloc_private(w.a, 0);
  EXPECT_EQ(w.d.pasid_of(again), 1u);
  EXPECT_EQ(w.d.reach(0, 1, page), nothing) << "same number, same ASID, nothing of before";
  EXPECT_EQ(w.d.unbind_all(0), 0);
  EXPECT_EQ(w.d.free_private(w.a, n), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(w.d.held().io_mms, 0u);
  w.end();
}

TEST(Sva, a_group_has_no_pasids_and_shares_domains_with_who_has) {
  FakeOptions options = with_pasids();
  options.devices = 3;
  options.stalling_devices = 3;
  options.grouped_devices = 2;
  FakeWorld world(options);
  Sva d(world);
  const auto a = d.alloc();
  ASSERT_EQ(d.attach(a, 2), 0);
  ASSERT_EQ(d.driver->map(d.self(), a, page, phys, page, rw), 0);
  world.add_process(1, 0x101);
  world.mm_map(1, va, phys + page);
  ASSERT_EQ(d.init(2, iopf | private_pasids), 0);
  ASSERT_EQ(d.bind(2, 1), 1);
  ASSERT_EQ(d.attach(a, 0), 0);
  for (u32 device = 0; device < 2; ++device) {
    EXPECT_EQ(d.init(device, 0), -IOMMUCHECK_EINVAL);
    EXPECT_EQ(d.bind(device, 1), -IOMMUCHECK_EINVAL);
    EXPECT_EQ(d.alloc_private(a, device), 0u);
    EXPECT_EQ(d.last_error, -IOMMUCHECK_EINVAL);
    EXPECT_EQ(d.reach(device, 0, page), phys);
    EXPECT_EQ(d.reach(device, 1, va), std::nullopt);
    iommucheck_handle io_mm = 0;
    EXPECT_EQ(d.driver->io_mm_of(d.self(), device, 1, &io_mm), -IOMMUCHECK_ENOENT);
  }
  EXPECT_EQ(d.reach(2, 1, va), phys + page);
  EXPECT_EQ(d.detach(a, 1), 0);
  EXPECT_EQ(d.reach(0, 0, page), std::nullopt);
  EXPECT_EQ(d.reach(2, 1, va), phys + page);
  EXPECT_EQ(d.detach(a, 2), 0);
  EXPECT_EQ(d.free(a), 0);
  EXPECT_EQ(d.driver->shutdown(d.self()), 0);
  EXPECT_EQ(world.live_tables(), 0u);
  EXPECT_TRUE(world.errors.empty());
}

TEST(Sva, calls_of_private_spaces_are_refused_on_a_process) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  iommucheck_handle io_mm = 0;
  EXPECT_EQ(w.d.driver->io_mm_of(w.d.self(), 0, 2, &io_mm), -IOMMUCHECK_ENOENT);
  ASSERT_EQ(w.d.driver->io_mm_of(w.d.self(), 0, 1, &io_mm), 0);
  EXPECT_EQ(w.d.map_private(io_mm, page, phys), -IOMMUCHECK_ENODEV);
  EXPECT_EQ(w.d.driver->sva_unmap(w.d.self(), io_mm, page, page).bytes, 0u);
  EXPECT_EQ(w.d.driver->sva_flush_tlb_all(w.d.self(), io_mm), -IOMMUCHECK_ENODEV);
  EXPECT_EQ(w.d.driver->sva_iova_to_phys(w.d.self(), io_mm, page), 0u);
  EXPECT_EQ(w.d.free_private(w.a, io_mm), -IOMMUCHECK_EINVAL);
  w.end();
}

TEST(Sva, a_process_takes_an_asid_and_whoever_has_it_moves) {
  TwoDevices w;
  ASSERT_EQ(w.d.driver->map(w.d.self(), w.a, va, phys, page, rw), 0);
  ASSERT_EQ(w.d.init(0, iopf | private_pasids), 0);
  const auto m = w.d.alloc_private(w.a, 0);
  ASSERT_EQ(w.d.map_private(m, va, phys + 5 * page), 0);
  for (u32 asid = 1; asid <= 3; ++asid) {  // those of the domains and of m
    const iommucheck_handle mm = 10 + asid;
    w.world.add_process(mm, asid);
    w.world.mm_map(mm, va, phys + (10 + asid) * page);
    ASSERT_EQ(w.d.reach(0, 0, va), phys);
    ASSERT_EQ(w.d.reach(0, 1, va), phys + 5 * page);
    const int pasid = w.d.bind(0, mm);
    ASSERT_GT(pasid, 0);
    EXPECT_EQ(w.d.reach(0, static_cast<u32>(pasid), va), phys + (10 + asid) * page);
    EXPECT_EQ(w.d.reach(0, 0, va), phys);
    EXPECT_EQ(w.d.reach(0, 1, va), phys + 5 * page);
  }
  EXPECT_EQ(w.d.driver->unmap(w.d.self(), w.a, va, page).error, 0);
  EXPECT_EQ(w.d.reach(0, 0, va), nothing);
  w.end();
}

TEST(Sva, faults_wait_only_where_every_device_can_and_asked) {
  FakeOptions options = with_pasids();
  options.devices = 3;  // the third one cannot stall
  TwoDevices w(options);
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  EXPECT_TRUE(w.world.stalls(w.world.stream_id(0, 0), 1));
  EXPECT_FALSE(w.world.stalls(w.world.stream_id(0, 0), 0)) << "DMA aborts";
  ASSERT_EQ(w.d.attach(w.a, 2), 0);
  EXPECT_FALSE(w.world.stalls(w.world.stream_id(0, 0), 1));
  EXPECT_EQ(w.d.reach(2, 1, va), phys + page);
  ASSERT_EQ(w.d.detach(w.a, 2), 0);
  EXPECT_TRUE(w.world.stalls(w.world.stream_id(0, 0), 1));
  ASSERT_EQ(w.d.detach(w.b, 1), 0);
  ASSERT_EQ(w.d.attach(w.a, 1), 0);
  ASSERT_EQ(w.d.init(1, 0), 0);
  ASSERT_EQ(w.d.bind(1, 1), 1);
  EXPECT_FALSE(w.world.stalls(w.world.stream_id(0, 0), 1));
  ASSERT_EQ(w.d.unbind(1, 1), 0);
  EXPECT_TRUE(w.world.stalls(w.world.stream_id(0, 0), 1));
  ASSERT_EQ(w.d.detach(w.a, 1), 0);
  ASSERT_EQ(w.d.attach(w.b, 1), 0);
  w.end();
}

TEST(Sva, stalled_faults_are_answered_and_end_with_the_bond) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  const u64 sid = w.world.stream_id(0, 0);
  const auto stall = [&](u64 stag, bool read) {
    w.world.post_event(0x10 | 1 << 11 | 1 << 12 | sid << 32,
                       stag | u64{1} << 31 | (read ? u64{1} << 35 : 0), va + 8);
  };
  stall(7, true);
  stall(8, false);
  const std::size_t from = w.world.commands.size();
  w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  ASSERT_EQ(w.world.faults.size(), 2u);
  EXPECT_EQ(w.world.faults[0], std::make_tuple(0u, 1u, va + 8, u32{IOMMUCHECK_PROT_READ}));
  EXPECT_EQ(std::get<3>(w.world.faults[1]), u32{IOMMUCHECK_PROT_WRITE});
  ASSERT_EQ(ops(w.world, from), (std::vector<unsigned>{0x44, 0x46, 0x44, 0x46}));
  EXPECT_EQ(w.world.commands[from].word0, 0x44u | 1u << 12 | sid << 32) << "again";
  EXPECT_EQ(w.world.commands[from].word1, 7u);
  w.world.fault_response = IOMMUCHECK_FAULT_INVALID;
  stall(9, true);
  w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  EXPECT_EQ(w.world.commands[w.world.commands.size() - 2].word0, 0x44u | 1u << 13 | sid << 32);
  stall(10, true);
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  EXPECT_EQ(w.world.faults.size(), 3u) << "nobody is asked any more";
  EXPECT_EQ(w.world.commands[w.world.commands.size() - 2].word0, 0x44u | 1u << 13 | sid << 32);
  EXPECT_EQ(w.world.commands[w.world.commands.size() - 2].word1, 10u);
  w.end();
}

/// The handler of a fault unbinds, and with the bond its own fault ends, and
/// every other that waits there.
TEST(Sva, an_unbind_inside_of_a_fault_handler_ends_the_faults) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  const u64 sid = w.world.stream_id(0, 0);
  for (const u64 stag : {u64{7}, u64{8}}) {
    w.world.post_event(0x10 | 1 << 11 | 1 << 12 | sid << 32, stag | u64{1} << 31, va + 8);
  }
  const auto aborted = [&](u64 stag) {
    u64 times = 0;
    for (const FakeCommand& command : w.world.commands) {
      times += command.word0 == (0x44u | 1u << 13 | sid << 32) && command.word1 == stag ? 1 : 0;
    }
    return times;
  };
  w.world.on_fault = [&] {
    w.world.on_fault = nullptr;
    EXPECT_EQ(w.d.unbind(0, 1), 0);
    EXPECT_EQ(aborted(7), 1u);
    EXPECT_EQ(aborted(8), 1u);
    EXPECT_EQ(w.d.held().pasids, 0u);
  };
  w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  EXPECT_EQ(w.world.faults.size(), 1u) << "nobody is asked for the second one";
  EXPECT_EQ(aborted(7), 1u) << "and the first is not answered twice";
  EXPECT_EQ(aborted(8), 1u);
  const int pasid = w.d.bind(0, 2);
  ASSERT_GT(pasid, 0);
  EXPECT_EQ(w.d.unbind(0, static_cast<u32>(pasid)), 0);
  w.end();
}

/// The caller's handler answers by a call: from inside, or later; and may end the very fault.
TEST(Sva, a_fault_handler_of_the_callers_is_replaced_and_taken_away) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  const iommucheck_driver& driver = *w.d.driver;
  const u64 sid = w.world.stream_id(0, 0);
  const auto stall = [&](u64 stag) {
    w.world.post_event(0x10 | 1 << 11 | 1 << 12 | sid << 32, stag | u64{1} << 31, va + 8);
    driver.handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  };
  const auto resumed = [&](u64 stag, bool again) {
    return std::ranges::count_if(w.world.commands, [&](const FakeCommand& command) {
      return command.word0 == (0x44u | 1u << (again ? 12 : 13) | sid << 32) &&
             command.word1 == stag;
    });
  };
  const auto respond = [&](u32 group, u32 response) {
    return driver.fault_queue_respond(w.d.self(), 0, 0, 1, group, response);
  };
  EXPECT_EQ(driver.fault_handler_set(w.d.self(), 9, 1, 1, 0xa), -IOMMUCHECK_ENODEV);
  EXPECT_EQ(driver.fault_handler_set(w.d.self(), 0, 2, 1, 0xa), -IOMMUCHECK_EINVAL);
  ASSERT_EQ(driver.fault_handler_set(w.d.self(), 0, 1, 1, 0xa), 0);
  stall(7);
  ASSERT_EQ(w.world.told, (std::vector<FakeWorld::Told>{{1, 1, 0xa}}));
  ASSERT_EQ(driver.fault_handler_set(w.d.self(), 0, 1, 1, 0xb), 0);
  stall(8);
  ASSERT_EQ(w.world.told.size(), 2u);
  EXPECT_EQ(w.world.told[1], (FakeWorld::Told{1, 2, 0xb}));
  EXPECT_EQ(respond(1, IOMMUCHECK_FAULT_SUCCESS), 0) << "by the one before";
  EXPECT_EQ(resumed(7, true), 1);
  EXPECT_EQ(respond(1, IOMMUCHECK_FAULT_SUCCESS), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(resumed(8, false), 0);
  EXPECT_EQ(driver.fault_handler_set(w.d.self(), 0, 1, 0, 0), 0);
  EXPECT_EQ(resumed(8, false), 1);
  EXPECT_EQ(respond(2, IOMMUCHECK_FAULT_SUCCESS), -IOMMUCHECK_EINVAL);
  EXPECT_TRUE(w.world.faults.empty()) << "the process's own handler was asked";
  stall(9);
  EXPECT_EQ(w.world.faults.size(), 1u);
  ASSERT_EQ(driver.fault_handler_set(w.d.self(), 0, 1, 1, 0xc), 0);
  w.world.on_handled = [&](FakeWorld::Told told) {
    EXPECT_EQ(respond(told.group, IOMMUCHECK_FAULT_FAILURE), 0);
  };
  stall(10);
  EXPECT_EQ(resumed(10, false), 1);
  w.world.on_handled = [&](FakeWorld::Told told) {
    EXPECT_EQ(w.d.unbind(0, 1), 0);
    EXPECT_EQ(resumed(11, false), 1);
    EXPECT_EQ(respond(told.group, IOMMUCHECK_FAULT_SUCCESS), -IOMMUCHECK_EINVAL);
  };
  stall(11);
  EXPECT_EQ(resumed(11, false), 1) << "and not twice";
  EXPECT_EQ(w.d.held().pasids, 0u);
  w.end();
}

/// A RESUME that does not get through is sent again, once the queue goes on.
TEST(Sva, a_fault_whose_answer_timed_out_is_answered_later) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  const u64 sid = w.world.stream_id(0, 0);
  w.world.post_event(0x10 | 1 << 11 | 1 << 12 | sid << 32, 7 | u64{1} << 31, va + 8);
  w.world.stuck = true;
  w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  w.world.stuck = false;
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  EXPECT_EQ(w.d.held().pasids, 0u) << "the fault is no longer counted";
  w.end();
}

/// Whoever asks for faults that wait needs a device and an SMMU that stall.
TEST(Sva, faults_wait_only_by_stalls) {
  FakeOptions pri_only = with_pasids();
  pri_only.stalling_devices = 0;
  pri_only.pri_devices = 2;
  FakeOptions never = with_pasids();
  never.never_stalls = true;
  for (const FakeOptions& options : {pri_only, never}) {
    TwoDevices w(options);
    EXPECT_EQ(w.d.init(0, iopf), -IOMMUCHECK_EINVAL);
    EXPECT_EQ(w.d.init(0, 0), 0);
    w.end();
  }
}

TEST(Sva, a_time_out_keeps_what_it_must_and_recovery_frees_it) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf | private_pasids, 1, 2), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  const auto m = w.d.alloc_private(w.a, 0);
  ASSERT_EQ(w.d.map_private(m, va, phys), 0);
  ASSERT_EQ(w.d.reach(0, 1, va), phys + page);
  ASSERT_EQ(w.d.reach(0, 2, va), phys);
  const u64 live = w.world.live_tables();
  w.world.stuck = true;
  EXPECT_EQ(w.d.driver->mm_invalidate(w.d.self(), 1, va, page), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(w.d.unbind(0, 1), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(w.d.free_private(w.a, m), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(w.d.held().bonds, 0u) << "unbind is \"done\" by the device";
  EXPECT_EQ(w.d.held().io_mms, 0u);
  EXPECT_EQ(w.d.held().pasids, 2u);
  EXPECT_EQ(w.world.processes[1].pins, 1u);
  EXPECT_EQ(w.world.live_tables(), live);
  EXPECT_EQ(w.d.bind(0, 2), -IOMMUCHECK_ETIMEDOUT);
  EXPECT_EQ(w.d.driver->recover(w.d.self()), -IOMMUCHECK_ETIMEDOUT);
  w.world.stuck = false;
  EXPECT_EQ(w.d.driver->recover(w.d.self()), 0);
  EXPECT_EQ(w.d.held().pasids, 0u);
  EXPECT_EQ(w.world.processes[1].pins, 0u);
  EXPECT_LT(w.world.live_tables(), live);
  EXPECT_EQ(w.d.reach(0, 1, va), nothing);
  EXPECT_EQ(w.d.reach(0, 2, va), nothing);
  EXPECT_EQ(w.d.bind(0, 2), 1);
  w.end();
}

TEST(Sva, a_bind_that_times_out_leaves_nothing_to_be_reached) {
  for (int after = 0; after < 6; ++after) {
    TwoDevices w;
    ASSERT_EQ(w.d.init(0, iopf), 0);
    int syncs = 0;
    w.world.on_command = [&](const FakeCommand& c) {
      if (c.op() == 0x46 && syncs++ == after) w.world.stuck = true;
    };
    const int result = w.d.bind(0, 1);
    const bool reached = result > 0;
    w.world.stuck = false;
    w.world.on_command = nullptr;
    EXPECT_TRUE(reached || result == -IOMMUCHECK_ETIMEDOUT);
    EXPECT_EQ(w.d.driver->recover(w.d.self()), 0);
    EXPECT_EQ(w.d.held().pasids, reached ? 1u : 0u);
    EXPECT_EQ(w.d.held().bonds, reached ? 1u : 0u);
    if (!reached) {
      EXPECT_EQ(w.d.reach(0, 1, va), nothing);
    }
    EXPECT_GT(w.d.bind(0, 1), 0);
    w.end();
  }
}

TEST(Sva, a_refused_or_unanswered_command_is_made_good) {
  for (u64 at = 0; at < 6; ++at) {
    TwoDevices w;
    ASSERT_EQ(w.d.init(0, iopf), 0);
    ASSERT_EQ(w.d.bind(0, 1), 1);
    ASSERT_EQ(w.d.reach(0, 1, va), phys + page);
    w.world.illegal_after = at;
    EXPECT_EQ(w.d.unbind(0, 1), 0);
    EXPECT_EQ(w.d.reach(0, 1, va), nothing);
    EXPECT_EQ(w.d.held().pasids, 0u);
    w.end();
  }
}

/// Allocation number `n` of one bind and one private space fails: the state is as before.
bool fails_at(u64 n) {
  TwoDevices w;
  EXPECT_EQ(w.d.init(0, iopf | private_pasids, 70, 200), 0);
  w.world.fail_allocation = n;
  int pasid = w.d.bind(0, 1);
  if (pasid < 0) {
    EXPECT_EQ(pasid, -IOMMUCHECK_ENOMEM);
    EXPECT_EQ(w.d.held().pasids + w.d.held().bonds, 0u);
    EXPECT_EQ(w.world.processes[1].pins, 0u);
    pasid = w.d.bind(0, 1);
  }
  EXPECT_GT(pasid, 0);
  auto m = w.d.alloc_private(w.a, 0);
  if (m == 0) {
    EXPECT_EQ(w.d.last_error, -IOMMUCHECK_ENOMEM);
    EXPECT_EQ(w.d.held().io_mms, 0u);
    EXPECT_EQ(w.d.held().pasids, 1u);
    m = w.d.alloc_private(w.a, 0);
  }
  EXPECT_NE(m, 0u);
  EXPECT_EQ(w.d.reach(0, static_cast<u32>(pasid), va), phys + page);
  const bool failed = !w.world.fail_allocation;
  w.world.fail_allocation = 0;
  EXPECT_EQ(w.d.unbind(0, static_cast<u32>(pasid)), 0) << "never for want of memory";
  EXPECT_EQ(w.d.free_private(w.a, m), 0);
  w.world.fail_allocation.reset();
  w.end();
  return failed;
}

TEST(Sva, every_allocation_may_fail) {
  u64 n = 0;
  while (fails_at(n)) ++n;
  EXPECT_EQ(n, 4u) << "first leaf, root, leaf of the number, private table";
}

// Any bond whose handler is the caller's makes it a deadlock, not only the one that is looked at
// last.
TEST(Sva, a_call_from_either_of_two_handlers_of_a_device_is_a_deadlock) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, 0), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  ASSERT_EQ(w.d.bind(0, 2), 2);
  int depth = 0;
  w.world.on_wait = [&] {
    if (depth++ == 0) {
      EXPECT_EQ(w.d.release(2), 0);  // its handler begins while the first one runs
      return true;
    }
    if (depth == 2) {
      for (const auto& exit : w.world.exits) {
        w.world.context = exit.context;
        EXPECT_EQ(w.d.unbind_all(0), -IOMMUCHECK_EDEADLK) << "inside of PASID " << exit.pasid;
      }
      w.world.context = 0;
      EXPECT_EQ(w.d.done(0, 1), 0);
      EXPECT_EQ(w.d.done(0, 2), 0);
    }
    return true;
  };
  EXPECT_EQ(w.d.release(1), 0);
  EXPECT_EQ(w.world.exits.size(), 2U);
  w.world.on_wait = nullptr;
  EXPECT_EQ(w.d.held().pasids, 0U);
  w.end();
}

// Whatever the format of its table: with 6 bits or fewer only the first 64 CDs are its own.
TEST(Sva, a_device_of_few_pasid_bits_shares_the_table_of_one_with_many) {
  for (const u32 bits : {1U, 5U, 6U, 7U}) {
    FakeOptions options = with_pasids();
    options.last_ssid_bits = bits;
    TwoDevices w(options);
    ASSERT_EQ(w.d.detach(w.b, 1), 0);
    ASSERT_EQ(w.d.attach(w.a, 1), 0);
    ASSERT_EQ(w.d.init(0, 0), 0);
    ASSERT_EQ(w.d.init(1, 0), 0);
    ASSERT_EQ(w.d.bind(0, 1), 1);
    ASSERT_EQ(w.d.bind(1, 1), 1);
    EXPECT_EQ(w.d.reach(0, 1, va), phys + page);
    EXPECT_EQ(w.d.reach(1, 1, va), phys + page);
    const u64 word0 = w.world.ste_word0(w.world.stream_id(1, 0));
    EXPECT_EQ(word0 >> 59, bits) << "S1CDMax";
    EXPECT_EQ(w.d.unbind_all(1), 0);
    EXPECT_EQ(w.d.unbind_all(0), 0);
    ASSERT_EQ(w.d.detach(w.a, 1), 0);
    ASSERT_EQ(w.d.attach(w.b, 1), 0);
    w.end();
  }
}

TEST(Sva, tables_of_cds_are_cleaned_for_an_smmu_without_coherency) {
  for (const bool two_level : {false, true}) {
    FakeOptions options = with_pasids();
    options.coherent = false;
    options.two_level_cds = two_level;
    TwoDevices w(options);
    ASSERT_EQ(w.d.init(0, iopf | private_pasids), 0);
    ASSERT_EQ(w.d.bind(0, 1), 1);
    EXPECT_EQ(w.d.reach(0, 1, va), phys + page);
    const auto io_mm = w.d.alloc_private(w.a, 0);
    ASSERT_NE(io_mm, 0U) << w.d.last_error;
    ASSERT_EQ(w.d.map_private(io_mm, va, phys + 7 * page), 0);
    EXPECT_EQ(w.d.reach(0, w.d.pasid_of(io_mm), va), phys + 7 * page);
    w.world.post_event(0x10 | 1 << 11 | 1 << 12 | u64{w.world.stream_id(0, 0)} << 32,
                       u64{1} << 31 | u64{1} << 35 | 5, va);
    w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
    ASSERT_EQ(w.world.faults.size(), 1U);
    EXPECT_EQ(std::get<2>(w.world.faults[0]), va);
    EXPECT_EQ(w.d.unbind(0, 1), 0);
    EXPECT_EQ(w.d.reach(0, 1, va), std::nullopt);
    EXPECT_EQ(w.d.free_private(w.a, io_mm), 0);
    w.end();
  }
}

}  // namespace
}  // namespace iommucheck::test::sva_test
