// SPDX-License-Identifier: MIT
// The one place where exit statuses are decided, as a table.
#include "monitor/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace iommucheck::oracle::verdict_test {
namespace {

using testing::ElementsAre;

TEST(Verdict, NumbersAreTheExitStatuses) {
  EXPECT_EQ(exit_status(Verdict::held), 0);
  EXPECT_EQ(exit_status(Verdict::violated), 1);
  EXPECT_EQ(exit_status(Verdict::undecided), 2);
  EXPECT_EQ(exit_status(Verdict::environment), 3);
  EXPECT_EQ(to_string(Verdict::held), "holds");
  EXPECT_EQ(to_string(Verdict::violated), "violated");
  EXPECT_EQ(to_string(Verdict::undecided), "undecided");
  EXPECT_EQ(to_string(Verdict::environment), "environment");
}

TEST(Verdict, WhatWasFoundBeatsTheRestAndTheMachineBeatsTheUndecided) {
  for (unsigned facts = 0; facts < 8; ++facts) {
    const bool found = (facts & 1) != 0;
    const bool environment = (facts & 2) != 0;
    const bool undecided = (facts & 4) != 0;
    RunEnd end;
    if (undecided) end.undecided("stopped");
    if (environment) end.environment("disk full");
    if (found) end.found();
    const Verdict wanted = found         ? Verdict::violated
                           : environment ? Verdict::environment
                           : undecided   ? Verdict::undecided
                                         : Verdict::held;
    EXPECT_EQ(end.verdict(), wanted) << facts;
    EXPECT_EQ(end.why().size(), std::size_t{environment} + std::size_t{undecided}) << facts;
    if (environment && undecided) {
      EXPECT_THAT(end.why(), ElementsAre("disk full", "stopped"));
    }
  }
}

TEST(Verdict, ErrorsByTheirCodes) {
  const std::pair<ErrorCode, Verdict> rows[] = {{ErrorCode::bad_input, Verdict::undecided},
                                                {ErrorCode::unsupported, Verdict::undecided},
                                                {ErrorCode::gave_up, Verdict::undecided},
                                                {ErrorCode::environment, Verdict::environment}};
  for (const auto& [code, wanted] : rows) {
    EXPECT_EQ(verdict_of(code), wanted);
    RunEnd end;
    end.error({code, "why"});
    EXPECT_EQ(end.verdict(), wanted);
    EXPECT_THAT(end.why(), ElementsAre("why"));
    end.found();
    EXPECT_EQ(end.verdict(), Verdict::violated);
  }
}

TEST(Verdict, TestsThatWereNotRunDoNotHold) {
  struct Row {
    u64 passed, failed, not_run;
    Verdict wanted;
  };
  for (const Row& row : {Row{0, 0, 0, Verdict::undecided},  // an empty file
                         Row{0, 0, 3, Verdict::undecided},  // all unsupported, all "need"
                         Row{2, 0, 0, Verdict::held}, Row{2, 0, 3, Verdict::held},
                         Row{0, 1, 0, Verdict::violated}, Row{2, 1, 3, Verdict::violated}}) {
    RunEnd end;
    add_tests(end, {row.passed, row.failed, row.not_run, "are unsupported"});
    EXPECT_EQ(end.verdict(), row.wanted) << row.passed << ' ' << row.failed << ' ' << row.not_run;
    EXPECT_EQ(end.why().empty(), row.wanted != Verdict::undecided);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::verdict_test
