// SPDX-License-Identifier: MIT
// The allocator of PASIDs against a simple model, and the steps of one number.
#include "impl/pasid/allocator.h"

#include <map>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/impl/fake_world_support.h"

namespace iommucheck::impl::pasid_test {
namespace {

using test::any_in;

/// INTERFACE "PASID numbers", in the plainest way: when each number was freed, 0 for never given.
struct Model {
  std::set<u32> used;
  std::map<u32, u32> freed_at;
  u32 time = 0;
  u32 cursor = 0;

  u32 allocate(u32 min, u32 max) {
    const u64 count = u64{max} - min + 1;
    const u32 start = cursor >= min && cursor < max ? cursor + 1 : min;
    u32 best = 0;
    for (u64 i = 0; i < count; ++i) {
      const auto pasid = static_cast<u32>(min + (start - min + i) % count);
      if (used.contains(pasid)) continue;
      if (best == 0 || freed_at[pasid] < freed_at[best]) best = pasid;
    }
    if (best != 0) {
      used.insert(best);
      cursor = best;
    }
    return best;
  }
  void free(u32 pasid) {
    used.erase(pasid);
    freed_at[pasid] = ++time;
  }
};

struct Numbers {
  test::FakeWorld world;
  Platform platform{world.platform()};
  PasidAllocator pasids;

  u32 allocate(u32 min, u32 max) {
    u32 pasid = 0;
    const int error = pasids.allocate(platform, min, max, pasid::plain, &pasid);
    RC_ASSERT(error == 0 || error == -IOMMUCHECK_ENOSPC);
    return error == 0 ? pasid : 0;
  }
  bool release(u32 pasid) { return pasids.apply(pasid, pasid::release<u64>); }
};

RC_GTEST_PROP(Pasid, the_allocator_agrees_with_a_set, ()) {
  Numbers n;
  Model model;
  // Ranges at the edges of words, blocks and groups, and few numbers so that they run out.
  const u32 base = *rc::gen::element(1u, 60u, 500u, 32760u, PasidAllocator::last - 70);
  std::vector<u32> given;
  const auto steps = any_in(1, 200);
  for (int i = 0; i < steps; ++i) {
    if (given.empty() || any_in(0, 3) != 0) {
      const u32 min = base + any_in(0u, 40u);
      const u32 max = min + any_in(0u, 30u);
      const u32 expected = model.allocate(min, max);
      RC_ASSERT(n.allocate(min, max) == expected);
      if (expected != 0) given.push_back(expected);
    } else {
      const auto which = any_in<std::size_t>(0, given.size());
      RC_ASSERT(n.release(given[which]));
      RC_ASSERT(!n.release(given[which]));
      model.free(given[which]);
      given.erase(given.begin() + static_cast<std::ptrdiff_t>(which));
    }
    RC_ASSERT(n.pasids.held() == model.used.size());
  }
}

TEST(Pasid, the_whole_space_is_given_once_each) {
  Numbers n;
  // With an arena that has place for a part of it only: what is freed is used again.
  for (u32 round = 0; round < 2; ++round) {
    for (u32 pasid = 1; pasid <= PasidAllocator::last; ++pasid) {
      u32 given = 0;
      ASSERT_EQ(n.pasids.allocate(n.platform, 1, PasidAllocator::last, pasid::plain, &given), 0);
      ASSERT_EQ(given, pasid);
      if (pasid > 1000) {
        ASSERT_TRUE(n.release(pasid - 1000));
      }
    }
    for (u32 pasid = PasidAllocator::last - 999; pasid <= PasidAllocator::last; ++pasid) {
      ASSERT_TRUE(n.release(pasid));
    }
  }
  EXPECT_EQ(n.pasids.held(), 0u);
}

TEST(Pasid, the_one_that_is_free_for_longest_comes_first) {
  Numbers n;
  for (u32 i = 1; i <= 4; ++i) EXPECT_EQ(n.allocate(1, 4), i);
  for (const u32 freed : {3u, 1u, 4u}) EXPECT_TRUE(n.release(freed));
  EXPECT_EQ(n.allocate(4, 9), 5u) << "never given";
  EXPECT_EQ(n.allocate(1, 2), 1u);
  EXPECT_EQ(n.allocate(1, 4), 3u);
  EXPECT_EQ(n.allocate(1, 4), 4u);
  EXPECT_EQ(n.allocate(1, 4), 0u);
}

TEST(Pasid, both_ends_of_a_run_of_freed_numbers_that_was_split_are_given_again) {
  Numbers n;
  for (u32 i = 1; i <= 20; ++i) EXPECT_EQ(n.allocate(1, 20), i);
  for (u32 i = 1; i <= 10; ++i) EXPECT_TRUE(n.release(i));
  EXPECT_TRUE(n.release(15));
  EXPECT_EQ(n.allocate(5, 5), 5u);
  EXPECT_EQ(n.allocate(7, 7), 7u);
  for (const u32 pasid : {1u, 2u, 3u, 4u, 6u, 8u, 9u, 10u, 15u})
    EXPECT_EQ(n.allocate(1, 20), pasid);
  EXPECT_EQ(n.allocate(1, 20), 0u);
}

TEST(Pasid, a_full_range_says_so) {
  Numbers n;
  for (u32 i = 0; i < 3000; ++i) EXPECT_EQ(n.allocate(500, 3499), 500 + i);
  EXPECT_EQ(n.allocate(500, 3499), 0u);
  EXPECT_EQ(n.allocate(3499, 3500), 3500u);
  EXPECT_TRUE(n.release(2047));
  EXPECT_EQ(n.allocate(500, 3499), 2047u);
}

TEST(Pasid, a_number_is_free_when_nothing_is_left_of_it) {
  u64 state = 0;
  const auto does = [&](pasid::Step<u64> step) {
    state = step.state;
    return static_cast<bool>(step.ok);
  };
  EXPECT_TRUE(does(pasid::take(state, pasid::process)));
  EXPECT_FALSE(does(pasid::take(state, pasid::plain)));
  EXPECT_TRUE(does(pasid::bind(state)));
  EXPECT_TRUE(does(pasid::enter(state)));
  EXPECT_TRUE(does(pasid::fault(state)));
  EXPECT_FALSE(does(pasid::forgotten(state)));
  EXPECT_TRUE(does(pasid::release(state)));
  EXPECT_FALSE(does(pasid::bind(state)));
  EXPECT_FALSE(does(pasid::enter(state)));
  EXPECT_TRUE(does(pasid::clear(state)));
  EXPECT_TRUE(does(pasid::answered(state)));
  EXPECT_TRUE(does(pasid::forgotten(state)));
  EXPECT_NE(state, 0u);
  EXPECT_TRUE(does(pasid::done(state)));
  EXPECT_EQ(state, 0u);
  EXPECT_FALSE(does(pasid::done(state)));
  EXPECT_FALSE(does(pasid::release(state)));
}

}  // namespace
}  // namespace iommucheck::impl::pasid_test
