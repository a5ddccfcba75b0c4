// SPDX-License-Identifier: MIT
// Deadlines of a device behind the door, on a machine that is busy with others.
#include "conform/dut/frames.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

namespace iommucheck::oracle::frames_test {
namespace {

constexpr double soon = 0.02;

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    tester = FrameChannel(Descriptor(ends[0]));
    device = FrameChannel(Descriptor(ends[1]));
  }
  FrameChannel tester, device;
};

TEST(Frames, SilenceIsNoAnswer) {
  Pair pair;
  Deadline until = in_seconds(soon);
  const auto frame = pair.tester.receive(until);
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().message, "gives no answer");
}

/// It had no processor until the deadline, and answers when it has one.
TEST(Frames, ADeadlineIsLaterByWhatTheDeviceHadNoProcessorFor) {
  Pair pair;
  int asked = 0;
  pair.tester.excuse([&] {
    if (++asked == 1) return 3600.0;
    return 0.0;
  });
  Deadline until = in_seconds(soon);
  EXPECT_TRUE(pair.device.send(7, {}, no_deadline));
  ASSERT_TRUE(pair.tester.receive(until));
  EXPECT_EQ(asked, 0);  // it was in time
  until = in_seconds(0);
  EXPECT_TRUE(pair.device.send(8, {}, no_deadline));
  const auto late = pair.tester.receive(until);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->type, 8U);
  EXPECT_GT(until, in_seconds(3000)) << "the next frame of the same answer has that time, too";
  until = in_seconds(0);
  EXPECT_FALSE(pair.tester.receive(until));
}

/// What it waited for while nobody asked it anything excuses no answer.
TEST(Frames, WhatWasLostBeforeTheQuestionDoesNotCount) {
  Pair pair;
  double lost = 3600;
  pair.tester.excuse([&] { return std::exchange(lost, 0); });
  Deadline until = pair.tester.deadline(soon);
  EXPECT_FALSE(pair.tester.receive(until));
}

}  // namespace
}  // namespace iommucheck::oracle::frames_test
