// SPDX-License-Identifier: MIT
#include "proofs/proofs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "tests/proofs/proved_support.h"

namespace iommucheck::proofs::proofs_test {
namespace {

class Proof : public ::testing::TestWithParam<std::string> {};

TEST_P(Proof, IsProvedAndItsTwinsRefuted) {
  static const test::ProvedBefore before = test::ProvedBefore::of_this_executable();
  if (before.has(GetParam())) {
    std::printf("this executable has shown it before\n");
    return;
  }
  Options options;
  options.only = GetParam();
  std::map<std::string, unsigned> twins;
  for (const ProofResult& r : run_proofs(options)) {
    if (r.name != GetParam()) continue;  // its name has this one in it
    EXPECT_TRUE(r.as_expected()) << describe(r);
    twins[r.name] += r.twin.empty() ? 0 : 1;
  }
  EXPECT_GE(twins[GetParam()], 1u) << "has no twin";
  if (!HasFailure()) before.note(GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, Proof, ::testing::ValuesIn(proof_names()), [](const auto& proof) {
  std::string name = proof.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(Proofs, ThereAreSome) { EXPECT_GE(proof_names().size(), 10u); }

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
