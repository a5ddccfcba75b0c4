// SPDX-License-Identifier: MIT
// A replay that was stopped says so: what follows has not been judged.
#include <gtest/gtest.h>

#include <string>

#include "monitor/replay.h"
#include "tests/places.h"

namespace iommucheck::oracle::replay_stop_test {
namespace {

TEST(ReplayStop, IsSaid) {
  ReplayOptions options;
  options.trace = test::in_tree("tests/data/linux612_boot.trace.jsonl.zst");
  u32 asked = 0;
  options.stop = [&] { return ++asked > 1; };
  const auto stopped = run_replay(options);
  ASSERT_TRUE(stopped) << stopped.error().message;
  EXPECT_TRUE(stopped->stopped);
  options.stop = [] { return false; };
  const auto whole = run_replay(options);
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_FALSE(whole->stopped);
  EXPECT_GT(whole->events + whole->notes, stopped->events + stopped->notes);
}

}  // namespace
}  // namespace iommucheck::oracle::replay_stop_test
