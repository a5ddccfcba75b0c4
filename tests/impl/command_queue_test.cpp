// SPDX-License-Identifier: MIT
#include "impl/smmuv3/command_queue.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "impl/smmuv3/registers.h"
#include "tests/impl/fake_world_support.h"

namespace iommucheck::impl {
namespace {

using test::any_in;

using test::FakeOptions;
using test::FakeWorld;

struct Queue {
  explicit Queue(unsigned lg2, unsigned polls = 0)
      : world(FakeOptions{.cmdq_lg2 = lg2, .polls = polls}), platform(world.platform()) {
    EXPECT_TRUE(queue.create(platform, lg2));
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

}  // namespace
}  // namespace iommucheck::impl
