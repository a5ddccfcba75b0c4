// SPDX-License-Identifier: MIT
// Commands and routes of users of the second IOMMU, as the environment writes them, the driver
// reads them and the specification does: three ways that share nothing.
#include <gtest/gtest.h>

#include "base/random.h"
#include "host/user_words.h"
#include "impl/two/user_commands.h"
#include "monitor/user_format.h"
#include "tests/cases.h"

namespace iommucheck::oracle::two_user_format_test {
namespace {

using Kind = spec::sva::UserCommand::Kind;
using impl::two::Command;

const TwoUserFormat format;
constexpr u64 root = 0x40003000;

TEST(TwoUserFormat, WhatAUserMayGive) {
  const UserWords& words = two_user_words();
  const auto page = format.command(words.va(0x5123));
  EXPECT_EQ(page.kind, Kind::translations);
  EXPECT_EQ(page.first, 0x5000U);
  EXPECT_EQ(page.last, 0x5fffU);
  EXPECT_FALSE(page.table);
  const auto range = format.command(two_user_command::drop_range(root, 0x8000, 3));
  EXPECT_EQ(range.last, 0xffffU);
  EXPECT_EQ(range.table, root);
  EXPECT_EQ(format.command(words.all()).last, ~u64{0});
  const auto device = format.command(words.device(7, 3, 0x1000));
  EXPECT_EQ(device.kind, Kind::nothing_owed);
  EXPECT_EQ(device.stream, 7U);
  EXPECT_TRUE(device.at_pasid);
  EXPECT_EQ(device.pasid, 3U);
  EXPECT_FALSE(format.command(words.device(7, std::nullopt, 0x1000)).at_pasid);
}

TEST(TwoUserFormat, WhatAUserMayNotGive) {
  const UserWords& words = two_user_words();
  for (const auto& one : {words.all_of_host(), words.sync(), words.resume(), words.reserved(),
                          words.entry(1, 0), two_user_command::drop_range(root, 0x9000, 3),
                          two_user_command::drop_range(root, 0x1000, 52),
                          two_user_command::drop_range(root, 0, 53)}) {
    EXPECT_EQ(format.command(one).kind, Kind::forbidden) << one.low << " " << one.high;
  }
}

TEST(TwoUserFormat, ARouteIsWhatOfAnEntryIsTheUsers) {
  const auto stage1 = format.route({root | 1, 0});
  ASSERT_TRUE(stage1);
  EXPECT_EQ(stage1->table, root);
  EXPECT_EQ(stage1->table_bits, 39U);
  EXPECT_EQ(format.route({root | 16 | 1, 0})->table_bits, 48U);
  EXPECT_EQ(format.route({32 | 1, 0})->kind, spec::sva::UserRoute::Kind::bypass);
  EXPECT_EQ(format.route({root, 0})->kind, spec::sva::UserRoute::Kind::abort);
  for (const u64 others : {u64{2}, u64{4}, u64{8}, u64{64}, u64{1} << 11, u64{1} << 52}) {
    EXPECT_FALSE(format.route({root | 1 | others, 0})) << others;
  }
  EXPECT_FALSE(format.route({root | 1, 1}));
}

TEST(TwoUserFormat, OfARecordTheUserIsToldWhatIsItsOwn) {
  constexpr u64 of_stream_5 = u64{5} << 32;
  constexpr u64 written_at_pasid_3 = u64{3} << 12 | u64{1} << 11 | u64{2} << 3 | 2;
  const auto told = format.event({of_stream_5 | written_at_pasid_3, 0x7008, 0x90000}, 7);
  ASSERT_TRUE(told);
  EXPECT_EQ(*told, (spec::sva::EventWords{u64{7} << 32 | written_at_pasid_3, 0x7008}));
  const UserWords::Event event = two_user_words().event(*told);
  EXPECT_EQ(event.number, 7U);
  EXPECT_EQ(event.pasid, 3U);
  EXPECT_EQ(event.iova, 0x7008U);
  EXPECT_EQ(event.access, 'w');
  EXPECT_EQ(event.fault, "F.perm");
  EXPECT_FALSE(format.event({of_stream_5 | 4 | 1, 0x7008, 0x90000}, 7)) << "of the outer table";
}

/// Random words, most of them near one that is a command.
TEST(TwoUserFormat, DriverAndSpecificationReadTheSame) {
  SplitMix64 random(1);
  u64 allowed = 0;
  const u64 count = test::cases(200000, 2000000);
  for (u64 i = 0; i < count; ++i) {
    const u64 pages = random.below(4) == 0 ? random.below(64) : random.below(2) * 52;
    u64 low = random.below(9) | pages << 6;
    if (random.below(2) == 0) low |= random.next() & mask(51, 12);
    if (random.below(4) == 0) low |= random.next() & mask(63, 32);
    if (random.below(8) == 0) low ^= u64{1} << random.below(64);
    u64 high = random.below(2) == 0 ? 0 : random.next() << (12 + random.below(40));
    if (random.below(4) == 0) high |= 1;
    if (random.below(8) == 0) high ^= u64{1} << random.below(64);
    const auto said = format.command({low, high});
    const auto read = impl::two::read_users_command(low, high);
    ASSERT_EQ(said.kind != Kind::forbidden, read.has_value()) << low << " " << high;
    if (!read) continue;
    ++allowed;
    if (said.kind == Kind::nothing_owed) {
      ASSERT_EQ(read->kind, Command::drop_device);
      ASSERT_EQ(said.stream, read->number);
      ASSERT_EQ(said.at_pasid ? said.pasid.value_or(0) : impl::no_pasid, read->pasid);
    } else {
      ASSERT_EQ(said.first, read->first) << low << " " << high;
      ASSERT_EQ(said.last, read->last) << low << " " << high;
      ASSERT_EQ(said.table.value_or(impl::two::every_root), read->root);
    }
  }
  EXPECT_GT(allowed, count / 100);
}

}  // namespace
}  // namespace iommucheck::oracle::two_user_format_test
