// SPDX-License-Identifier: MIT
// What becomes of a user's commands, whatever it writes.
#include "impl/smmuv3/user_commands.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/impl/fake_world_support.h"

namespace iommucheck::test::user_commands_test {
namespace {

using impl::Command;
using impl::Features;

constexpr Features all{.range_invalidation = true, .ats = true};
constexpr u64 vmid = 0x77;
constexpr u64 sid = 0x12345;

std::optional<Command> sent_for(u64 word0, u64 word1, const Features& features = all) {
  return impl::translated({word0, word1}, features, vmid, sid);
}

bool is(const std::optional<Command>& command, u64 word0, u64 word1) {
  return command && command->word0 == word0 && command->word1 == word1;
}

TEST(UserCommands, BecomeTheHosts) {
  EXPECT_TRUE(is(sent_for(0x10 | 0x5ull << 32, 0), 0x10 | vmid << 32, 0)) << "NH_ALL";
  EXPECT_TRUE(is(sent_for(0x30, 0), 0x10 | vmid << 32, 0)) << "NSNH_ALL is of the user alone";
  EXPECT_TRUE(is(sent_for(0x11 | 0x9ull << 48, 0), 0x11 | vmid << 32 | 0x9ull << 48, 0));
  EXPECT_TRUE(is(sent_for(0x12 | 0x9ull << 48, 0x1001), 0x12 | vmid << 32 | 0x9ull << 48, 0x1001));
  EXPECT_TRUE(is(sent_for(0x13 | 3 << 12, 0x1400), 0x13 | 3 << 12 | vmid << 32, 0x1400)) << "range";
  EXPECT_TRUE(is(sent_for(0x05 | 3 << 12 | 1ull << 32, 1), 0x05 | 3 << 12 | sid << 32, 1));
  EXPECT_TRUE(is(sent_for(0x06 | 1ull << 32, 0), 0x06 | sid << 32, 0));
  EXPECT_TRUE(
      is(sent_for(0x40 | 1 << 11 | 4 << 12, 0x3000), 0x40 | 1 << 11 | 4 << 12 | sid << 32, 0x3000));
  EXPECT_TRUE(is(sent_for(0x40 | 1 << 9 | 4 << 12, 60), 0x40 | sid << 32, 52))
      << "without SSV no PASID is meant; sizes above 52 are all";
}

TEST(UserCommands, OthersAreRefused) {
  for (u64 op = 0; op < 256; ++op) {
    const bool users =
        op == 0x05 || op == 0x06 || (op >= 0x10 && op <= 0x13) || op == 0x30 || op == 0x40;
    EXPECT_EQ(sent_for(op, 0).has_value(), users) << op;
  }
  EXPECT_FALSE(sent_for(0x10 | 1ull << 48, 0)) << "NH_ALL has no ASID";
  EXPECT_FALSE(sent_for(0x13 | 1ull << 48, 0)) << "nor has NH_VAA";
  EXPECT_FALSE(sent_for(0x30 | 1ull << 32, 0)) << "NSNH_ALL has no VMID";
  EXPECT_FALSE(sent_for(0x05 | 1 << 10, 0)) << "SSec";
  EXPECT_FALSE(sent_for(0x12, 2)) << "bit 1 beside Leaf";
  EXPECT_FALSE(sent_for(0x12, 0x1400)) << "TG alone is CERROR_ILL";
  EXPECT_FALSE(sent_for(0x12 | 1 << 12, 0x1000)) << "NUM without TG";
  EXPECT_FALSE(sent_for(0x12 | 1 << 12, 0x1900)) << "TTL 1 of 16 KiB";
  EXPECT_FALSE(sent_for(0x12 | 1 << 12, 0x1400, {.range_invalidation = false}));
  EXPECT_FALSE(sent_for(0x40, 0, {.ats = false}));
  EXPECT_FALSE(sent_for(0x12 | 1 << 12 | 1 << 25, 0x1400)) << "SCALE has five bits";
  EXPECT_TRUE(sent_for(0x12 | 1 << 12 | 1 << 25, 0x1400,
                       {.range_invalidation = true, .wide_ranges = true}));
}

// Any 16 bytes: refused, or of these kinds, of that VMID and that stream, with no bit that means
// nothing; what the user's says of VMID and stream changes nothing.
RC_GTEST_PROP(UserCommands, NameNobodyElse, ()) {
  const std::pair<u64, u64> noises[] = {{~u64{0}, ~u64{0}},
                                        {mask(63, 32), mask(63, 12) | 1},
                                        {mask(63, 11), mask(63, 12) | 0x3f},
                                        {mask(63, 32) | mask(16, 12), mask(63, 8) | 1},
                                        {mask(63, 32), 0},
                                        {0, 0}};
  const auto [noise0, noise1] = noises[any_in<std::size_t>(0, std::size(noises))];
  const u64 ops[] = {0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x30, 0x40, any_in<u64>(0, 256)};
  const u64 op = ops[any_in<std::size_t>(0, std::size(ops))];
  const auto word = [] { return *rc::gen::arbitrary<u64>() * *rc::gen::arbitrary<u64>(); };
  const Command user = {(word() & noise0 & ~u64{0xff}) | op, word() & noise1};
  const Features features{.range_invalidation = *rc::gen::arbitrary<bool>(),
                          .ats = *rc::gen::arbitrary<bool>()};
  const auto made = impl::translated(user, features, vmid, sid);
  RC_CLASSIFY(made.has_value());
  if (!made) return;
  switch (made->word0 & 0xff) {
    case 0x10: RC_ASSERT(made->word0 == (0x10 | vmid << 32) && made->word1 == 0); break;
    case 0x11: RC_ASSERT(made->word1 == 0); [[fallthrough]];
    case 0x12:
    case 0x13:
      RC_ASSERT(bits(made->word0, 47, 32) == vmid);
      RC_ASSERT((made->word0 & mask(11, 8)) == 0);
      break;
    case 0x05:
    case 0x06:
    case 0x40:
      RC_ASSERT((made->word0 >> 32) == sid);
      RC_ASSERT((made->word0 & (1 << 10 | 1 << 8)) == 0);
      break;
    default: RC_FAIL("no command that a user may cause");
  }
}

}  // namespace
}  // namespace iommucheck::test::user_commands_test
