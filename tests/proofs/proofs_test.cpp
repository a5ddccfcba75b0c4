// SPDX-License-Identifier: MIT
#include "proofs/proofs.h"

#include <gtest/gtest.h>

#include <map>

namespace iommucheck::proofs::proofs_test {
namespace {

TEST(Proofs, AreProvedAndTheirTwinsRefuted) {
  std::map<std::string, unsigned> twins;
  for (const ProofResult& r : run_proofs({})) {
    EXPECT_TRUE(r.as_expected()) << describe(r);
    twins[r.name] += r.twin.empty() ? 0 : 1;
  }
  EXPECT_GE(twins.size(), 4u);
  for (const auto& [name, count] : twins) EXPECT_GE(count, 2u) << name << " has no twin";
}

TEST(Proofs, SelectionByName) {
  Options options;
  options.only = "input-range";
  options.twins = false;
  const auto results = run_proofs(options);
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].name, "input-range");
  options.only = "no such proof";
  EXPECT_TRUE(run_proofs(options).empty());
}

}  // namespace
}  // namespace iommucheck::proofs::proofs_test
