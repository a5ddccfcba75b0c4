// SPDX-License-Identifier: MIT
// A case that is kept: evidence names the lines of the file that its trace becomes.
#include "check/record_case.h"

#include <gtest/gtest.h>

#include "impl/driver.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle::record_case_test {
namespace {

// The header is line 1.
TEST(RecordCase, EvidenceNamesLinesOfTheFile) {
  Sequence sequence;
  make_sequence(1, 1, 5, sequence);
  const CaseRecord record = record_case(*impl::builtin_driver(), {}, sequence);
  ASSERT_EQ(record.failed, "");
  ASSERT_TRUE(record.findings.empty());
  ASSERT_GT(record.trace.events.size(), 2U);
  for (const std::size_t which : {std::size_t{1}, record.trace.events.size() - 1}) {
    Finding finding = finding_of(spec::rule::TABLE_FREE, "made up");
    finding.at = record.at[which];
    const Violation violation = told(finding, record);
    ASSERT_FALSE(violation.named.empty());
    const NamedEvent& named = violation.named.back();
    // The line after the header's and those of the events before.
    EXPECT_EQ(named.event, record.trace.events[named.line - 2]);
    EXPECT_EQ(named.number, record.at[named.line - 2]);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::record_case_test
