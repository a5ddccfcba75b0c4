// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>

#include "check/shrink.h"

namespace iommucheck::oracle::shrink_operations_test {
namespace {

using fuzz::Operation;
using fuzz::OperationKind;
using fuzz::Size;
using View = std::span<const Operation>;

std::vector<Operation> random_sequence(u64 seed, std::size_t count = 64) {
  std::mt19937_64 random(seed);
  std::vector<Operation> operations;
  while (operations.size() < count) operations.push_back(fuzz::random_operation(random()));
  return operations;
}

Operation parsed(std::string_view text) {
  const auto operation = fuzz::parse_operation(text);
  if (!operation) ADD_FAILURE() << operation.error().message;
  return operation.value_or(Operation{});
}

/// Whether `wanted` happen in this order, others between them or not.
bool in_order(View operations, std::initializer_list<OperationKind> wanted) {
  auto next = wanted.begin();
  for (const Operation& operation : operations) {
    if (next != wanted.end() && operation.kind == *next) ++next;
  }
  return next == wanted.end();
}

/// What ShrinkResult::minimal promises, tried out.
void expect_minimal(const ShrinkResult& result, const StillFails& fails) {
  ASSERT_TRUE(result.minimal);
  ASSERT_TRUE(fails(result.operations));
  for (std::size_t i = 0; i < result.operations.size(); ++i) {
    auto without = result.operations;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(fails(without)) << "operation " << i << " is not needed";
    for (const auto& field : fuzz::operation_fields()) {
      if (result.operations[i].*field.member == 0) continue;
      auto simpler = result.operations;
      simpler[i].*field.member = 0;
      EXPECT_FALSE(fails(simpler)) << field.name << " of operation " << i << " is not needed";
    }
  }
}

TEST(Shrink, ASubsequenceIsFound) {
  const StillFails fails = [](View operations) {
    return in_order(operations, {OperationKind::attach, OperationKind::map, OperationKind::unmap,
                                 OperationKind::access});
  };
  for (u64 seed = 1; seed <= 20; ++seed) {
    const auto given = random_sequence(seed);
    if (!fails(given)) continue;
    const auto result = shrink(given, fails);
    expect_minimal(result, fails);
    EXPECT_EQ(fuzz::print(result.operations), "attach\nmap\nunmap\naccess\n");
  }
}

// A bind stood where an attach does as well.
TEST(Shrink, AnOperationIsReplacedByASimplerKindThatDoes) {
  const auto attaches = [](const Operation& operation) {
    return operation.kind == OperationKind::bind || operation.kind == OperationKind::sva_alloc ||
           operation.kind == OperationKind::attach;
  };
  const StillFails fails = [&](View operations) {
    const auto first = std::ranges::find_if(operations, attaches);
    return std::any_of(first, operations.end(), [](const Operation& operation) {
      return operation.kind == OperationKind::unmap || operation.kind == OperationKind::unmap_fast;
    });
  };
  const auto result =
      shrink({parsed("bind device=2 choices=0x3"), parsed("unmap_fast fail=2")}, fails);
  EXPECT_EQ(fuzz::print(result.operations), "attach\nunmap\n");
  // What only that kind does stays.
  const StillFails alone = [](View operations) {
    return in_order(operations, {OperationKind::bind, OperationKind::unmap_fast});
  };
  const auto kept = shrink({parsed("bind device=2"), parsed("unmap_fast fail=2")}, alone);
  EXPECT_EQ(fuzz::print(kept.operations), "bind\nunmap_fast\n");
}

TEST(Shrink, FieldsThatMatterStayAndOthersGo) {
  const StillFails fails = [](View operations) {
    return std::ranges::any_of(operations, [](const Operation& operation) {
      return operation.kind == OperationKind::map && operation.size >= 8 &&
             (operation.choices & 0x24) == 0x24;
    });
  };
  auto given = random_sequence(3);
  given[40] = parsed(
      "map device=3 domain=5 aim=behind mapping=9 page=31 size=1G prot=rx fail=2 "
      "choices=0x7fd");
  const auto result = shrink(given, fails);
  expect_minimal(result, fails);
  EXPECT_EQ(fuzz::print(result.operations), "map size=2M choices=0x24\n");
}

/// Neither of the pair can go alone, as a domain and its free.
TEST(Shrink, PairsGoTogether) {
  const StillFails fails = [](View operations) {
    int open = 0;
    for (const Operation& operation : operations) {
      open += operation.kind == OperationKind::domain_alloc;
      open -= operation.kind == OperationKind::domain_free;
    }
    return open == 0 && in_order(operations, {OperationKind::map, OperationKind::map});
  };
  const std::vector<Operation> given = {
      parsed("domain_alloc"), parsed("map page=1"), parsed("access"),     parsed("domain_alloc"),
      parsed("domain_free"),  parsed("map page=2"), parsed("domain_free")};
  const auto result = shrink(given, fails);
  expect_minimal(result, fails);
  EXPECT_EQ(fuzz::print(result.operations), "map\nmap\n");
}

/// Planted: a random set of positions must all stay.
RC_GTEST_PROP(Shrink, planted_operations_are_all_that_stays, (u64 seed)) {
  std::mt19937_64 random(seed);
  auto given = random_sequence(seed, 1 + seed % 64);
  std::vector<u16> marks;
  for (auto& operation : given) {
    operation.choices = 0;
    if (random() % 8 != 0) continue;
    operation.choices = static_cast<u16>(marks.size() + 1);
    marks.push_back(operation.choices);
  }
  const StillFails fails = [&marks](View operations) {
    std::vector<u16> seen;
    for (const Operation& operation : operations) {
      if (operation.choices != 0) seen.push_back(operation.choices);
    }
    return seen == marks;
  };
  const auto result = shrink(given, fails);
  RC_ASSERT(result.minimal);
  RC_ASSERT(result.operations.size() == marks.size());
}

/// Any predicate, also one without sense: the result fails, is minimal, and comes again.
RC_GTEST_PROP(Shrink, arbitrary_predicates, (u64 seed)) {
  const auto given = random_sequence(seed, 1 + seed % 20);
  const std::vector<u8> original = fuzz::encode(given);
  const StillFails fails = [&](View operations) {
    const auto bytes = fuzz::encode(operations);
    if (bytes == original) return true;
    u64 hash = seed;
    for (const u8 byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
    return hash % 5 == 0;
  };
  const auto result = shrink(given, fails);
  RC_ASSERT(result.reproduced);
  expect_minimal(result, fails);
  RC_ASSERT(shrink(given, fails).operations == result.operations);
}

TEST(Shrink, WhatDoesNotFailIsLeftAlone) {
  const auto given = random_sequence(5);
  const auto result = shrink(given, [](View) { return false; });
  EXPECT_FALSE(result.reproduced);
  EXPECT_FALSE(result.minimal);
  EXPECT_EQ(result.operations, given);
  EXPECT_EQ(result.runs, 1U);
}

TEST(Shrink, TheBudgetIsKeptAndTheResultStillFails) {
  const StillFails fails = [](View operations) {
    return in_order(operations, {OperationKind::map, OperationKind::unmap});
  };
  const auto given = random_sequence(7);
  ASSERT_TRUE(fails(given));
  for (const u64 runs : {1U, 2U, 5U, 10U}) {
    const auto result = shrink(given, fails, {.runs_max = runs, .stop = {}});
    EXPECT_LE(result.runs, runs);
    EXPECT_FALSE(result.minimal);
    EXPECT_TRUE(fails(result.operations));
  }
  int asked = 0;
  const auto stopped = shrink(given, fails, {.stop = [&] { return ++asked > 3; }});
  EXPECT_EQ(stopped.runs, 3U);
  EXPECT_TRUE(fails(stopped.operations));
}

TEST(Shrink, SixtyFourOperationsTakeFewRuns) {
  const StillFails fails = [](View operations) {
    return in_order(operations, {OperationKind::map, OperationKind::unmap, OperationKind::map});
  };
  const auto result = shrink(random_sequence(9), fails);
  EXPECT_TRUE(result.minimal);
  EXPECT_LE(result.runs, 200U);
}

}  // namespace
}  // namespace iommucheck::oracle::shrink_operations_test
