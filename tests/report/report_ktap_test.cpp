// SPDX-License-Identifier: MIT
// KTAP: what a strict reader takes whatever the texts hold, and it says what was found.
#include "report/ktap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/report/ktap_support.h"

namespace iommucheck::oracle::report_ktap_test {
namespace {

using ::testing::Contains;

std::string any_text() {
  static const std::vector<std::string> parts = {"#",
                                                 "# ",
                                                 "\n",
                                                 "\r",
                                                 "\t",
                                                 " ",
                                                 "-",
                                                 "a",
                                                 "0",
                                                 "ok 1 ",
                                                 "not",
                                                 "Subtest:",
                                                 "1..3",
                                                 "\xff",
                                                 "\x1b",
                                                 "\xc3\xa9",
                                                 "\x7f",
                                                 "# SKIP",
                                                 "\xf0\x9f\x98\x80",
                                                 std::string(1, '\0')};
  std::string text;
  const auto picks = *rc::gen::container<std::vector<unsigned>>(rc::gen::inRange(0U, 20U));
  for (const unsigned pick : picks) text += parts[pick % parts.size()];
  return text;
}

RC_GTEST_PROP(Ktap, EveryDocumentIsRead, ()) {
  JunitSuite suite;
  suite.name = any_text();
  suite.property(any_text(), any_text());
  const unsigned count = *rc::gen::inRange(0U, 12U);
  u64 wrong = 0;
  for (unsigned i = 0; i < count; ++i) {
    const auto status = static_cast<JunitStatus>(*rc::gen::inRange(0, 4));
    wrong += status == JunitStatus::failed || status == JunitStatus::error ? 1U : 0U;
    suite.cases.push_back({.name = any_text(),
                           .group = i % 2 == 0 ? any_text() : "other",
                           .status = status,
                           .message = any_text(),
                           .type = any_text(),
                           .details = any_text(),
                           .output = any_text(),
                           .file = any_text(),
                           .line = i});
  }
  const auto read = parse_ktap(to_ktap(suite));
  RC_ASSERT(read.has_value());
  u64 cases = 0, not_ok = 0;
  for (const KtapTest& group : read->subtests) {
    cases += group.subtests.size();
    not_ok += group.count(false);
  }
  RC_ASSERT(cases == count);
  RC_ASSERT(not_ok == wrong);
}

TEST(Ktap, SaysWhatWasFound) {
  JunitSuite suite;
  suite.name = "iommucheck check mine";
  suite.property("seed", "1");
  const auto add = [&](const char* name, const char* group, JunitStatus status, const char* why) {
    JunitCase& one = suite.cases.emplace_back();
    one.name = name;
    one.group = group;
    one.status = status;
    one.message = why;
    return &one;
  };
  JunitCase* broken = add("PAGE_REUSE", "check mine", JunitStatus::failed, "it may reach 0x1000");
  broken->details = "why\n  nearest miss";
  broken->file = "driver.c";
  broken->line = 7;
  add("TABLE_FREE", "check mine", JunitStatus::passed, "");
  add("TORN_CD", "check mine", JunitStatus::skipped, "not exercised: no #2");
  add("sequence 3", "", JunitStatus::error, "a bound");
  add("known", "known findings", JunitStatus::skipped, "");
  EXPECT_EQ(to_ktap(suite), R"(KTAP version 1
1..3
# iommucheck check mine
# seed: 1
  KTAP version 1
  # Subtest: check mine
  1..3
  # it may reach 0x1000
  # driver.c:7
  # why
  #   nearest miss
  not ok 1 PAGE_REUSE
  ok 2 TABLE_FREE
  ok 3 TORN_CD # SKIP not exercised: no \x232
not ok 1 check mine
  KTAP version 1
  # Subtest: iommucheck check mine
  1..1
  # a bound
  not ok 1 sequence 3 # ERROR a bound
not ok 2 iommucheck check mine
  KTAP version 1
  # Subtest: known findings
  1..1
  ok 1 known # SKIP
ok 3 known findings # SKIP
)");
  const auto read = parse_ktap(to_ktap(suite));
  ASSERT_TRUE(read.has_value()) << read.error();
  const KtapTest rule = read->find("check mine").find("PAGE_REUSE");
  EXPECT_FALSE(rule.ok);
  EXPECT_THAT(rule.diagnostics, Contains("  nearest miss"));
  EXPECT_EQ(read->find("check mine").find("TORN_CD").directive, "SKIP");
}

TEST(Ktap, TheReaderIsStrict) {
  const std::string head = "KTAP version 1\n";
  EXPECT_TRUE(parse_ktap(head + "1..1\n# x\nok 1 a # SKIP why\n"));
  EXPECT_TRUE(parse_ktap(head + "1..1\n  KTAP version 1\n  1..1\n  not ok 1 a\nnot ok 1 b\n"));
  for (const char* bad :
       {"", "1..2\nok 1 a\n", "1..1\nok 2 a\n", "1..1\nok 1 a\nok 2 b\n", "1..1\nok 1\n",
        "1..1\nfine 1 a\n", "1..1\nok 1 a# b\n", "1..1\nok 1 a # ERROR x\n", "ok 1 a\n",
        "1..1\nok 1 a", "1..1\nnoise\nok 1 a\n", "1..1\nok 1 a # b # c\n", "1..1\nok 1 - a\n",
        "1..1\n  KTAP version 1\n  1..1\n  not ok 1 a\nok 1 b\n", "1..1\nok 1 \x01\n",
        "1..1\n  KTAP version 1\n  # Subtest: c\n  1..1\n  ok 1 a\nok 1 b\n",
        "1..1\nok 1 \xff\n"}) {
    EXPECT_FALSE(parse_ktap(head + bad)) << bad;
  }
  EXPECT_FALSE(parse_ktap("TAP version 13\n1..1\nok 1 a\n"));
}

}  // namespace
}  // namespace iommucheck::oracle::report_ktap_test
