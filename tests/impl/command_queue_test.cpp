// SPDX-License-Identifier: MIT
#include "impl/smmuv3/command_queue.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "impl/smmuv3/registers.h"
#include "tests/impl/fake_world_support.h"

namespace iommucheck::impl::command_queue_test {
namespace {

using test::any_in;

using test::FakeOptions;
using test::FakeWorld;

struct Queue {
  explicit Queue(unsigned lg2, unsigned polls = 0)
      : world(FakeOptions{.cmdq_lg2 = lg2, .polls = polls}), platform(world.platform()) {
    EXPECT_TRUE(queue.create(platform, lg2, false));
    queue.program(platform);
    platform.write32(reg::cr0, reg::cr0_cmdqen);
  }
  FakeWorld world;
  Platform platform;
  CommandQueue queue;

  void add(u64 asid) { queue.add(platform, command::tlbi_nh_asid(asid)); }
  SyncResult sync() { return queue.sync(platform); }
};

RC_GTEST_PROP(CommandQueue, every_command_arrives_once_and_in_order, ()) {
  const auto lg2 = any_in(0u, 5u);
  Queue q(lg2, any_in(0u, 3u));
  const auto batches = any_in(1, 30);
  u64 next = 0;
  std::vector<u64> words;
  for (int i = 0; i < batches; ++i) {
    const auto commands = any_in(0, 40);
    for (int n = 0; n < commands; ++n) {
      q.add(next % 65536);
      words.push_back(command::tlbi_nh_asid(next % 65536).word0);
      ++next;
    }
    words.push_back(command::sync().word0);
    RC_ASSERT(q.sync() == SyncResult::complete);
  }
  RC_ASSERT(q.world.commands.size() == words.size());
  for (std::size_t i = 0; i < words.size(); ++i) RC_ASSERT(q.world.commands[i].word0 == words[i]);
}

TEST(CommandQueue, a_refused_command_is_told_and_the_rest_goes_on) {
  Queue q(4);
  q.world.illegal_after = 1;
  q.add(1);
  q.add(2);
  q.add(3);
  EXPECT_EQ(q.sync(), SyncResult::skipped);
  ASSERT_EQ(q.world.commands.size(), 4u);
  EXPECT_EQ(q.world.commands[1].op(), command::op_sync);
  EXPECT_EQ(q.world.commands[2].word0, command::tlbi_nh_asid(u64{3}).word0);
  q.add(4);
  EXPECT_EQ(q.sync(), SyncResult::complete);
}

TEST(CommandQueue, acknowledges_its_own_error_and_no_other) {
  Queue q(4);
  constexpr u32 event_abort = 1 << 2;
  q.world.set_register(reg::gerror, event_abort);
  q.world.illegal_after = 0;
  q.add(1);
  EXPECT_EQ(q.sync(), SyncResult::skipped);
  EXPECT_EQ(q.world.register_value(reg::gerror) ^ q.world.register_value(reg::gerrorn),
            event_abort);
}

TEST(CommandQueue, a_position_beyond_what_was_exposed_is_not_believed) {
  Queue q(4);
  q.world.stuck = true;
  q.add(1);
  q.world.set_register(reg::cmdq_cons, 9);
  EXPECT_EQ(q.sync(), SyncResult::timed_out);
  EXPECT_TRUE(q.world.commands.empty());
}

TEST(CommandQueue, commands_reach_an_smmu_that_does_not_look_into_caches) {
  FakeWorld world(FakeOptions{.coherent = false});
  Platform platform{world.platform()};
  platform.set_coherent(false);
  CommandQueue queue;
  ASSERT_TRUE(queue.create(platform, 2, false));
  queue.program(platform);
  platform.write32(reg::cr0, reg::cr0_cmdqen);
  for (u64 asid = 1; asid < 20; ++asid) queue.add(platform, command::tlbi_nh_asid(asid));
  EXPECT_EQ(queue.sync(platform), SyncResult::complete);
  ASSERT_EQ(world.commands.size(), 20U);
  EXPECT_EQ(world.commands[7].word0, command::tlbi_nh_asid(u64{8}).word0);
  EXPECT_TRUE(world.errors.empty());
}

TEST(CommandQueue, a_stuck_queue_times_out_full_or_not_and_recovers) {
  Queue q(2);
  q.world.stuck = true;
  q.add(1);
  EXPECT_EQ(q.sync(), SyncResult::timed_out);
  for (u64 i = 0; i < 9; ++i) q.add(i);
  EXPECT_EQ(q.sync(), SyncResult::timed_out);
  EXPECT_TRUE(q.world.commands.empty());
  q.world.stuck = false;
  q.add(9);
  EXPECT_EQ(q.sync(), SyncResult::complete);
  EXPECT_EQ(q.world.commands.back().op(), command::op_sync);
}

// The batch is incomplete, though what comes after finds place again.
TEST(CommandQueue, a_command_that_found_no_place_is_told) {
  Queue q(2);
  q.world.stuck = true;
  for (u64 i = 0; i < 5; ++i) q.add(i);
  q.world.stuck = false;
  EXPECT_EQ(q.sync(), SyncResult::timed_out);
  q.add(9);
  EXPECT_EQ(q.sync(), SyncResult::complete);
}

// An answer to a fault does not fail of what an earlier batch has lost, and hides nothing of it.
TEST(CommandQueue, a_batch_of_its_own_leaves_the_open_one_as_it_is) {
  Queue q(2);
  q.world.stuck = true;
  for (u64 i = 0; i < 5; ++i) q.add(i);
  bool placed = true;
  EXPECT_EQ(q.queue.sync_alone(q.platform, command::tlbi_nh_asid(u64{6}), placed),
            SyncResult::timed_out);
  EXPECT_FALSE(placed);
  q.world.stuck = false;
  EXPECT_EQ(q.queue.sync_alone(q.platform, command::tlbi_nh_asid(u64{7}), placed),
            SyncResult::complete);
  EXPECT_TRUE(placed);
  EXPECT_EQ(q.sync(), SyncResult::timed_out) << "one of the batch before was lost";
  EXPECT_EQ(q.sync(), SyncResult::complete);
}

// Nor does waiting for answers that are in the ring.
TEST(CommandQueue, waiting_apart_leaves_the_open_batch_as_it_is) {
  Queue q(2);
  q.world.stuck = true;
  for (u64 i = 0; i < 5; ++i) q.add(i);
  EXPECT_EQ(q.queue.sync_apart(q.platform), SyncResult::timed_out);
  q.world.stuck = false;
  EXPECT_EQ(q.queue.sync_apart(q.platform), SyncResult::complete);
  EXPECT_EQ(q.sync(), SyncResult::timed_out) << "one of the batch was lost";
  EXPECT_EQ(q.sync(), SyncResult::complete);
}

TEST(CommandQueue, a_queue_that_cannot_be_read_times_out) {
  Queue q(4);
  q.world.broken_queue = true;
  q.add(1);
  EXPECT_EQ(q.sync(), SyncResult::timed_out);
  q.world.broken_queue = false;
  q.add(2);
  EXPECT_EQ(q.sync(), SyncResult::complete);
}

/// The time is up for who did not run, and the SMMU was done long ago.
TEST(CommandQueue, looks_once_more_when_the_time_is_up) {
  Queue q(4, 5);
  q.world.preempted = true;
  q.add(1);
  EXPECT_EQ(q.sync(), SyncResult::complete);
  EXPECT_EQ(q.world.commands.size(), 2u);
}

TEST(CommandQueue, a_queue_that_was_stopped_times_out_at_once) {
  Queue q(4);
  q.queue.stop();
  q.add(1);
  EXPECT_EQ(q.sync(), SyncResult::timed_out);
  EXPECT_TRUE(q.world.commands.empty());
  q.queue.program(q.platform);
  q.add(1);
  EXPECT_EQ(q.sync(), SyncResult::complete);
}

}  // namespace
}  // namespace iommucheck::impl::command_queue_test
