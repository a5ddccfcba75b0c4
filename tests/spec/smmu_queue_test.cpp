// SPDX-License-Identifier: MIT
#include "spec/smmu/queue.h"

#include <gtest/gtest.h>

namespace iommucheck::spec::smmu_queue_test {
namespace {

TEST(Queue, EmptyAndFull) {
  EXPECT_TRUE(queue_empty(2, u64{5}, u64{5}));
  EXPECT_FALSE(queue_empty(2, u64{1}, u64{5})) << "same index, other wrap";
  EXPECT_TRUE(queue_full(2, u64{1}, u64{5}));
  EXPECT_TRUE(queue_full(2, u64{4}, u64{0}));
  EXPECT_FALSE(queue_full(2, u64{4}, u64{1}));
  EXPECT_TRUE(queue_empty(2, u64{0x8000'0001}, u64{1})) << "OVFLG takes no part";
}

TEST(Queue, WrapsWithinItsBits) {
  EXPECT_EQ(queue_next(2, u64{3}), 4u);
  EXPECT_EQ(queue_next(2, u64{7}), 0u);
  EXPECT_EQ(queue_index(2, u64{7}), 3u);
  EXPECT_TRUE(queue_wrap(2, u64{7}));
  EXPECT_EQ(queue_next(0, u64{0}), 1u) << "one entry: only the wrap bit toggles";
  EXPECT_EQ(queue_next(0, u64{1}), 0u);
  EXPECT_TRUE(queue_full(0, u64{1}, u64{0}));
}

TEST(Queue, Used) {
  EXPECT_EQ(queue_used(2, u64{1}, u64{6}), 3u);
  EXPECT_TRUE(queue_consistent(2, u64{1}, u64{6}));
  EXPECT_EQ(queue_used(2, u64{6}, u64{1}), 5u);
  EXPECT_FALSE(queue_consistent(2, u64{6}, u64{1})) << "more than 4 entries";
}

TEST(Queue, GeometryCapsAndAligns) {
  // LOG2SIZE 8 of commands: 4 KiB. RA (bit 62) is no address.
  EXPECT_EQ(queue_geometry((u64{1} << 62) | 0x8000'0fe0 | 8, 19, command_bytes),
            (QueueGeometry{0x8000'0000, 8}));
  EXPECT_EQ(queue_geometry(0x8000'0fe0 | 8, 4, command_bytes), (QueueGeometry{0x8000'0f00, 4}));
  EXPECT_EQ(queue_geometry(0x8000'0fe0, 19, command_bytes), (QueueGeometry{0x8000'0fe0, 0}));
  EXPECT_EQ(queue_geometry(0x8000'0fe0 | 7, 19, event_bytes), (QueueGeometry{0x8000'0000, 7}));
}

TEST(Queue, Slots) {
  const QueueGeometry q{0x8000'0000, 2};
  EXPECT_EQ(queue_slot(q, command_bytes, u64{5}), 0x8000'0010u);
  EXPECT_EQ(queue_slot(q, event_bytes, u64{7}), 0x8000'0060u);
}

}  // namespace
}  // namespace iommucheck::spec::smmu_queue_test
