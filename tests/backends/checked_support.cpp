// SPDX-License-Identifier: MIT
#include "tests/backends/checked_support.h"

#include <gtest/gtest.h>

#include "report/finding_kind_text.h"

namespace iommucheck::test {

oracle::CheckResult checked_backend(const std::string& path, u64 seed, u64 runs, u32 findings,
                                    const std::string& machine) {
  oracle::CheckOptions options;
  options.backend = path;
  options.machine = machine;
  options.seed = seed;
  options.sequences = runs;
  options.findings_max = findings;
  options.hang_seconds = 60;
  options.shrink = false;
  auto result = oracle::run_check(options);
  EXPECT_TRUE(result) << result.error().message;
  return result ? std::move(*result) : oracle::CheckResult{};
}

void expect_held(const oracle::CheckResult& result, const std::string& what) {
  for (const oracle::Violation& finding : result.findings) {
    ADD_FAILURE() << what << ": " << spec::rule_name(finding.rule) << " " << text_of(finding.kind);
  }
  EXPECT_NE(result.sequences, 0U) << what;
}

}  // namespace iommucheck::test
