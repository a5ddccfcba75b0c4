// SPDX-License-Identifier: MIT
// JUnit reports: valid XML whatever the texts hold, and they say what was found.
#include "report/junit.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "tests/report/xml_support.h"
#include "trace/utf8.h"

namespace iommucheck::oracle::report_junit_test {
namespace {

/// Text with everything that has to be escaped, often.
std::string any_text() {
  static const std::vector<std::string> parts = {"&",
                                                 "<",
                                                 ">",
                                                 "\"",
                                                 "'",
                                                 "]]>",
                                                 "\n",
                                                 "\r",
                                                 "\r\n",
                                                 "\t",
                                                 " ",
                                                 "a",
                                                 "0",
                                                 "\x1b",
                                                 std::string(1, '\0'),
                                                 "\x7f",
                                                 "\xff",
                                                 "\xc3\xa9",
                                                 "\xe2\x82\xac",
                                                 "\xf0\x9f\x98\x80",
                                                 "\xef\xbf\xbe",
                                                 "\xef\xbf\xbf",
                                                 "\xed\xa0\x80",
                                                 "\xc0\x80",
                                                 "&amp;",
                                                 "\\x1b",
                                                 "<![CDATA["};
  std::string text;
  const auto picks = *rc::gen::container<std::vector<unsigned>>(rc::gen::inRange(0U, 27U));
  for (const unsigned pick : picks) text += parts[pick % parts.size()];
  return text;
}

bool fits_xml(const std::string& text) {
  if (!trace::is_utf8(text)) return false;
  if (text.find("\xef\xbf\xbe") != std::string::npos) return false;
  if (text.find("\xef\xbf\xbf") != std::string::npos) return false;
  for (const char c : text) {
    const auto byte = static_cast<u8>(c);
    if (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') return false;
  }
  return true;
}

RC_GTEST_PROP(Junit, EveryTextIsEscapedAndComesBack, ()) {
  const std::string text = any_text();
  const auto between = parse_xml_text(xml_text(text), false);
  const auto quoted = parse_xml_text(xml_attribute(text), true);
  RC_ASSERT(between.has_value());
  RC_ASSERT(quoted.has_value());
  if (fits_xml(text)) {
    RC_ASSERT(*between == text);
    RC_ASSERT(*quoted == text);
  } else {
    RC_ASSERT(*between == *quoted);
    RC_ASSERT(between->find("\\x") != std::string::npos);
  }
}

RC_GTEST_PROP(Junit, EveryDocumentIsValid, ()) {
  JunitSuite suite;
  suite.name = any_text();
  suite.property(any_text(), any_text());
  for (const JunitStatus status :
       {JunitStatus::passed, JunitStatus::failed, JunitStatus::error, JunitStatus::skipped}) {
    suite.cases.push_back({.name = any_text(),
                           .group = any_text(),
                           .status = status,
                           .message = any_text(),
                           .type = any_text(),
                           .details = any_text(),
                           .output = any_text(),
                           .file = any_text(),
                           .line = *rc::gen::arbitrary<u64>(),
                           .seconds = 0.25});
  }
  const auto document = parse_xml(to_junit(suite));
  RC_ASSERT(document.has_value());
  RC_ASSERT(document->attributes.at("tests") == "4");
  RC_ASSERT(document->attributes.at("failures") == "1");
  RC_ASSERT(document->attributes.at("errors") == "1");
  RC_ASSERT(document->attributes.at("skipped") == "1");
  const auto suites = document->all("testsuite");
  RC_ASSERT(suites.size() == 1U);
  RC_ASSERT(suites[0]->all("testcase").size() == 4U);
}

TEST(Junit, TheReaderIsStrict) {
  const std::string head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  EXPECT_TRUE(parse_xml(head + "<a b=\"1\"><c/>x</a>\n"));
  for (const char* bad :
       {"<a>", "<a></b>", "<a b=1/>", "<a b=\"1\" b=\"2\"/>", "<a>&x;</a>", "<a>\x01</a>",
        "<a>]]></a>", "<a/><b/>", "<a b=\"<\"/>", "<a>\xff</a>", "<a>&#0;</a>", "<a>& </a>"}) {
    EXPECT_FALSE(parse_xml(head + bad)) << bad;
  }
}

TEST(Junit, RulesAreCasesByTheirVerdict) {
  const std::vector<RuleCount> rules = {
      {.rule = spec::rule::PAGE_REUSE,
       .verdict = RuleVerdict::broken,
       .kept = 3,
       .broken = 1,
       .why = {}},
      {.rule = spec::rule::TABLE_FREE,
       .verdict = RuleVerdict::holds,
       .kept = 5,
       .discriminating = 2,
       .why = {}},
      {.rule = spec::rule::TAG_STAGE2, .verdict = RuleVerdict::not_claimed, .why = "IDR0.S2P = 0"},
      {.rule = spec::rule::TORN_CD, .verdict = RuleVerdict::not_exercised, .why = "no CD"},
      {.rule = spec::rule::TORN_STE, .verdict = RuleVerdict::undetermined, .why = "barriers"}};
  Violation finding(finding_of(spec::rule::PAGE_REUSE, "a page <is> reached & given back"));
  finding.remarks = {"first line", "nearest miss: \x1b"};
  finding.trace_path = "out/x.trace";
  const Violation other(finding_of(spec::rule::CRASH_NEVER, "it crashed"));
  JunitSuite suite;
  suite.name = "iommucheck check mine.so";
  suite.seconds = 1.5;
  suite.property("seed", "42");
  add_rules(suite, rules, std::vector{finding, other}, "rules");
  const auto document = parse_xml(to_junit(suite));
  ASSERT_TRUE(document);
  const XmlElement& read = *document->all("testsuite").at(0);
  EXPECT_EQ(read.attributes.at("name"), "iommucheck check mine.so");
  EXPECT_EQ(read.attributes.at("time"), "1.500");
  EXPECT_EQ(read.attributes.at("tests"), "6");
  EXPECT_EQ(read.attributes.at("failures"), "2");
  EXPECT_EQ(read.attributes.at("skipped"), "3");
  const auto* property = read.all("properties").at(0)->all("property").at(0);
  EXPECT_EQ(property->attributes.at("name") + "=" + property->attributes.at("value"), "seed=42");
  const auto cases = read.all("testcase");
  ASSERT_EQ(cases.size(), 6u);
  EXPECT_EQ(cases[0]->attributes.at("name"), "PAGE_REUSE");
  EXPECT_EQ(cases[0]->attributes.at("classname"), "rules");
  const auto* failure = cases[0]->all("failure").at(0);
  EXPECT_EQ(failure->attributes.at("message"), finding.statement);
  EXPECT_EQ(failure->attributes.at("type"), "page-reuse");
  for (const char* part :
       {"at fault: driver", "first line", "nearest miss: \\x1b", "iommucheck replay out/x.trace"}) {
    EXPECT_NE(failure->text.find(part), std::string::npos) << part;
  }
  EXPECT_TRUE(cases[1]->all("failure").empty() && cases[1]->all("skipped").empty());
  EXPECT_EQ(cases[2]->all("skipped").at(0)->attributes.at("message"), "not claimed: IDR0.S2P = 0");
  EXPECT_EQ(cases[3]->all("skipped").at(0)->attributes.at("message"), "not exercised: no CD");
  EXPECT_EQ(cases[4]->all("skipped").at(0)->attributes.at("message"), "undetermined: barriers");
  EXPECT_EQ(cases[5]->attributes.at("name"), "CRASH_NEVER");
  EXPECT_EQ(cases[5]->all("failure").at(0)->attributes.at("message"), "it crashed");
}

}  // namespace
}  // namespace iommucheck::oracle::report_junit_test
