// SPDX-License-Identifier: MIT
#include "impl/smmuv3/invalidation.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/impl/fake_world_support.h"

namespace iommucheck::impl::invalidation_test {
namespace {

using test::any_in;

struct Span {
  u64 first;
  u64 end;
};

/// What a TLBI_NH_VA covers, decoded here anew from arch 5.2.
Span covered_by(Command c) {
  const u64 first = c.word1 >> 12 << 12;
  if ((c.word1 >> 10 & 3) == 0) return {first, first + page_bytes};
  const u64 num = c.word0 >> 12 & 31;
  const u64 scale = c.word0 >> 20 & 31;
  return {first, first + ((num + 1) << scale << 12)};
}

std::vector<Command> commands_for(const Gather& gather, bool ranges) {
  std::vector<Command> out;
  emit_invalidation(gather, u64{7}, ranges, page_lg2, [&](Command c) { out.push_back(c); });
  return out;
}

RC_GTEST_PROP(Invalidation, range_commands_cover_exactly_what_was_asked, ()) {
  const u64 first = (*rc::gen::arbitrary<u64>() >> 16) & ~u64{0xfff};
  const u64 lg2 = any_in<u64>(1, 37);
  const u64 pages = 1 + (*rc::gen::arbitrary<u64>() >> (64 - lg2));
  const bool tables = *rc::gen::arbitrary<bool>();
  const LevelSet levels = *rc::gen::element<LevelSet>(level_bit(3), any_level);
  Gather gather;
  gather.add({first, first + pages * page_bytes, levels, tables});
  const std::vector<Command> commands = commands_for(gather, true);
  RC_ASSERT(commands.size() <= 8u);
  u64 next = first;
  for (const Command& c : commands) {
    RC_ASSERT((c.word0 & 0xff) == 0x12u);
    RC_ASSERT((c.word0 >> 48) == 7u);
    const Span span = covered_by(c);
    RC_ASSERT(span.first == next);
    next = span.end;
    const bool leaf_only = (c.word1 & 1) != 0;
    RC_ASSERT(leaf_only == !tables);
    const u64 ttl = c.word1 >> 8 & 3;
    RC_ASSERT(ttl == (levels == level_bit(3) && !tables && (c.word1 >> 10 & 3) != 0 ? 3u : 0u));
    const bool reserved = (c.word1 >> 10 & 3) != 0 && (c.word0 >> 12 & 31) == 0 &&
                          (c.word0 >> 20 & 31) == 0 && ttl == 0;
    RC_ASSERT(!reserved);
  }
  RC_ASSERT(next == first + pages * page_bytes);
}

// Of larger pages as well, in their own units and with their TG.
RC_GTEST_PROP(Invalidation, range_commands_are_of_the_granule, ()) {
  const auto page = *rc::gen::element<unsigned>(12, 14, 16);
  const u64 first = any_in<u64>(0, 100) << page;
  const u64 pages = any_in<u64>(1, 100'000);
  Gather gather;
  gather.add({first, first + (pages << page), level_bit(3), false});
  u64 next = first;
  emit_invalidation(gather, 7, true, page, [&](Command c) {
    RC_ASSERT((c.word1 & ~u64{0xfff}) == next);
    RC_ASSERT((c.word1 >> 10 & 3) == (page - 10) / 2);
    next += ((c.word0 >> 12 & 31) + 1) << (c.word0 >> 20 & 31) << page;
  });
  RC_ASSERT(next == first + (pages << page));
}

TEST(Invalidation, without_range_commands_each_page_of_the_granule_is_met) {
  Gather gather;
  gather.add({0, u64{3} << 14, level_bit(3), false});
  std::vector<u64> addresses;
  emit_invalidation(gather, 7, false, 14, [&](Command c) { addresses.push_back(c.word1 >> 12); });
  EXPECT_EQ(addresses, (std::vector<u64>{0, 4, 8}));
}

TEST(Invalidation, one_block_without_range_commands_is_one_command) {
  Gather gather;
  gather.add({u64{2} << 20, u64{6} << 20, level_bit(2), false});
  EXPECT_EQ(commands_for(gather, false).size(), 2u);
}

// Leaves of several levels in one range: each of them is met by an address of some command.
RC_GTEST_PROP(Invalidation, without_range_commands_every_leaf_is_met, ()) {
  const LevelSet levels =
      *rc::gen::element<LevelSet>(level_bit(3), level_bit(2), level_bit(1), 6, 10, 12, any_level);
  const bool tables = any_in(0, 4) == 0;
  // In units of the smallest leaf there is.
  const unsigned finest = (levels & level_bit(3)) != 0 ? 3 : (levels & level_bit(2)) != 0 ? 2 : 1;
  const u64 first = any_in<u64>(0, 600) * level_bytes(finest);
  const u64 end = first + any_in<u64>(1, 80) * level_bytes(finest);
  Gather gather;
  gather.add({first, end, levels, tables});
  const std::vector<Command> commands = commands_for(gather, false);
  RC_ASSERT(commands.size() <= by_address_max);
  if (commands.size() == 1 && (commands[0].word0 & 0xff) == 0x11) RC_SUCCEED("the whole ASID");
  for (unsigned level = 1; level <= 3; ++level) {
    if ((levels & level_bit(level)) == 0) continue;
    const u64 bytes = level_bytes(level);
    for (u64 leaf = (first + bytes - 1) / bytes * bytes; leaf + bytes <= end; leaf += bytes) {
      const bool met = std::any_of(commands.begin(), commands.end(), [&](Command c) {
        const u64 address = c.word1 & ~u64{0xfff};
        return address >= leaf && address < leaf + bytes;
      });
      RC_ASSERT(met);
    }
  }
  for (const Command& c : commands) RC_ASSERT((c.word1 & 1) == (tables ? 0u : 1u));
}

TEST(Invalidation, pointers_without_range_commands_take_the_asid) {
  Gather gather;
  gather.add({0, u64{2} << 20, level_bit(3), true});
  const std::vector<Command> commands = commands_for(gather, false);
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(commands[0].word0 & 0xff, 0x11u);
}

RC_GTEST_PROP(Invalidation, a_gather_covers_every_range_added, ()) {
  Gather gather;
  std::vector<TlbRange> added;
  const auto count = any_in(1, 12);
  for (int i = 0; i < count; ++i) {
    const u64 first = any_in<u64>(0, 64) * page_bytes;
    const u64 bytes = any_in<u64>(0, 8) * page_bytes;
    const bool tables = any_in(0, 4) == 0;
    const LevelSet levels = *rc::gen::element<LevelSet>(level_bit(3), any_level);
    added.push_back({first, first + bytes, levels, tables});
    gather.add(added.back());
  }
  if (gather.all()) RC_SUCCEED("everything");
  for (const TlbRange& range : added) {
    if (range.first == range.end) continue;
    const bool covered = std::any_of(gather.begin(), gather.end(), [&](const TlbRange& g) {
      return g.first <= range.first && range.end <= g.end &&
             (g.leaf_levels & range.leaf_levels) == range.leaf_levels &&
             (g.tables || !range.tables);
    });
    RC_ASSERT(covered);
  }
}

}  // namespace
}  // namespace iommucheck::impl::invalidation_test
