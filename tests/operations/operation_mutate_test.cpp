// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "operations/mutate.h"

namespace iommucheck::fuzz::operation_mutate_test {
namespace {

std::vector<Operation> some_operations() {
  std::vector<Operation> operations;
  for (const u64 word : *rc::gen::arbitrary<std::vector<u64>>()) {
    if (operations.size() < operations_max) operations.push_back(random_operation(word));
  }
  return operations;
}

RC_GTEST_PROP(OperationMutate, results_are_cases, (u64 seed)) {
  const auto operations = some_operations();
  const auto mutated = mutate(operations, seed);
  RC_ASSERT(!mutated.empty());
  RC_ASSERT(mutated.size() <= operations_max);
  RC_ASSERT(decode(encode(mutated)) == mutated);
  RC_ASSERT(mutate(operations, seed) == mutated);
}

RC_GTEST_PROP(OperationMutate, crosses_are_a_head_and_a_tail, (u64 seed)) {
  const auto first = some_operations();
  const auto second = some_operations();
  const auto crossed = cross(first, second, seed);
  RC_ASSERT(crossed.size() <= operations_max);
  RC_ASSERT(decode(encode(crossed)) == crossed);
  std::size_t head = 0;
  while (head < crossed.size() && head < first.size() && crossed[head] == first[head]) ++head;
  RC_ASSERT(crossed.size() - head <= second.size());
}

/// A mutator that gets stuck explores nothing.
TEST(OperationMutate, ManySeedsGiveManyCases) {
  const std::vector<Operation> operations(5);
  std::set<std::vector<u8>> cases;
  std::set<std::size_t> sizes;
  for (u64 seed = 0; seed < 1000; ++seed) {
    const auto mutated = mutate(operations, seed);
    cases.insert(encode(mutated));
    sizes.insert(mutated.size());
  }
  EXPECT_GT(cases.size(), 500U);
  EXPECT_GE(sizes.size(), 5U);
}

}  // namespace
}  // namespace iommucheck::fuzz::operation_mutate_test
