// SPDX-License-Identifier: MIT
// `ask` as people use it: questions in words, words of structures, what lies between two of them;
// as text, and as JSON by docs/ask.schema.json. And the questions that people ask in public.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "litmus/parser.h"
#include "litmus/words.h"
#include "tests/cli/command_support.h"
#include "tests/document.h"
#include "tests/places.h"
#include "tests/report/json_schema_support.h"
#include "trace/json_value.h"

namespace iommucheck::ask_command_test {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using trace::JsonValue;

class AskCommand : public Command {
 protected:
  AskCommand() {
    auto schema = trace::parse_json(slurp(test::in_tree("docs/ask.schema.json")));
    EXPECT_TRUE(schema.has_value()) << schema.error().message;
    if (schema) schema_ = std::move(*schema);
  }

  /// Answers of the JSON form, which is as the schema says.
  JsonValue json(const std::string& arguments, int status = 0) const {
    const Ran ran = run("ask --format json " + arguments);
    EXPECT_EQ(ran.status, status) << ran.err;
    auto value = trace::parse_json(ran.out);
    EXPECT_TRUE(value.has_value()) << ran.out;
    if (!value) return {};
    EXPECT_THAT(oracle::validate(*value, schema_), IsEmpty()) << ran.out;
    return std::move(*value);
  }

  JsonValue schema_;
};

std::set<std::string> texts(const JsonValue& value, const char* key) {
  std::set<std::string> all;
  for (const JsonValue& item : value.find(key)->value.items) all.insert(item.text);
  return all;
}

TEST_F(AskCommand, AnswersWithReasonsAndSections) {
  const Ran ran = run("ask 'use std; store word B 1 0; barrier; access 1 0x1000 r'");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, StartsWith("access 1 0x1000 r -> F_TRANSLATION P1\n  "));
  EXPECT_THAT(ran.out,
              AllOf(HasSubstr("  P1: a cached translation"), HasSubstr("[IHI 0070 3.21.1]"),
                    HasSubstr("; S1_DESCRIPTOR_VALID]\n"), EndsWith("driver ok\n")));
  const JsonValue got = json("'use std\nstore word B 1 0\nbarrier\naccess 1 0x1000 r'");
  const JsonValue& set = got.find("answers")->value.items.at(0).find("sets")->value.items.at(0);
  EXPECT_EQ(texts(set, "allowed"), (std::set<std::string>{"F_TRANSLATION", "P1"}));
  EXPECT_EQ(set.find("reasons")->value.items.size(), 2U);
}

/// What is refused is said as what is not so, and by which cached words.
TEST_F(AskCommand, NamesTheConfigurationThatIsCached) {
  const Ran ran = run("ask 'use std; store ste 1 v=0; barrier; access 1 0x1000 r'");
  EXPECT_THAT(ran.out, HasSubstr("  C_BAD_STE: does not hold: STE.V is 1. [IHI 0070 5.2.2"));
  EXPECT_THAT(ran.out, HasSubstr("  configuration: a cached STE of stream 0x1"));
}

/// Under stage 2 it is the literal model that answers: by which cache, and with the rule.
TEST_F(AskCommand, NamesTheCacheOfANestedAnswer) {
  const std::string unmapped =
      "'use nest; store word GB 7 0; barrier; do TLBI_S2_IPA vmid=9 va=0x7000 leaf=1 ; SYNC; ";
  const Ran ran = run("ask " + unmapped + "release M7; access 3 0x1000 r'");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(
      ran.out,
      AllOf(HasSubstr("  F_TRANSLATION: by memory as it may be read now"),
            HasSubstr("  M7: cached, and not in memory any more: a final translation of both "
                      "stages for 0x1000 (level 3; ASID 0x4, VMID 0x9)"),
            HasSubstr("4.4.3.1]\n"), HasSubstr("driver violation page-reuse\n  PAGE_REUSE ")));
  const std::string ats = "use nest; ste 3 cfg=nest cd=C3 vmid=9 s2ttb=G eats=1; ats 3; ";
  const Ran kept = run("ask '" + ats +
                       "store word GB 7 0; barrier; do TLBI_S2_IPA vmid=9 va=0x7000 leaf=1 ; SYNC; "
                       "do TLBI_NH_ALL vmid=9 ; SYNC; access 3 0x1000 r ats'");
  EXPECT_THAT(kept.out, HasSubstr("  M7: an ATC entry of stream 0x3 for 0x1000"));
  const Ran ste = run("ask 'use nest; store ste 3 v=0; barrier; access 3 0x1000 r'");
  EXPECT_THAT(ste.out, HasSubstr("  M7: cached words of stream 0x3 that memory no longer says"));
}

TEST_F(AskCommand, BlamesTheDriverByRule) {
  const JsonValue got = json("'use std; store word B 1 0; barrier; release P1; access 1 0x1000 r'");
  const JsonValue& test = got.find("answers")->value.items.at(0);
  EXPECT_EQ(texts(test, "broken"), (std::set<std::string>{"page-reuse"}));
  EXPECT_EQ(test.find("evidence")->value.items.at(0).find("rule")->value.text, "PAGE_REUSE");
}

TEST_F(AskCommand, ASetThatIsNamedIsCompared) {
  EXPECT_EQ(run("ask 'use std; access 1 0x1000 r -> P1'").status, 0);
  EXPECT_EQ(run("ask 'use std; access 1 0x1000 r -> P2'").status, 1);
  (void)json("'use std; access 1 0x1000 r -> P2'", 1);
}

TEST_F(AskCommand, WhatTheSpecificationHasNotGotIsNoAnswer) {
  const JsonValue got = json("'use std; wait irq; access 1 0x1000 r'", 2);
  EXPECT_EQ(got.find("verdict")->value.text, "undecided");
  EXPECT_EQ(got.find("answers")->value.items.at(0).find("status")->value.text, "unsupported");
}

TEST_F(AskCommand, WhatCannotBeReadHasItsPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "a question is required, or --ste, --cd or --hitless"},
      {"''", "the question:1:1: it asks nothing"},
      {"';;'", "the question:1:1: it asks nothing"},
      {"'use std; jump; access 1 0x1000 r'", "the question:1:10: 'jump'"},
      {"'use std; access 1 0x1000 r -> ? P1'", "the question:1:33: 'P1'"},
      {"'use std; access 1 99999999999999999999 r'", "the question:1:19: '99999999999999999999'"},
      {"'use std; access 1 0 r' --ste 1", "not both"},
      {"--ste ''", "a question is required"},
      {"--ste 1,zz", "--ste:1:3: 'zz'"},
      {"--ste 1,-5", "--ste:1:3: '-5'"},
      {"--ste 0x10000000000000000", "--ste:1:1: "},
      {"--ste 1,2,3,4,5,6,7,8,9", "--ste:1:17: a structure has 8 words"},
      {"--ste 0x9 --cd 0", "--cd: no CD is fetched: Config of its STE says bypass"},
      {"--ste 1 --machine nope=1", "nope"},
      {"--ste 1 --smmu nope=1", "nope"},
      {"--order 1 'use std'", "--order and --of go with --hitless"},
      {"--hitless 1", "--hitless"},
      {"--hitless 1 2,x", "NEW:1:3: 'x'"},
      {"--hitless 1 9 --ste 1", "--ste says by which STE CDs are reached"},
      {"--hitless 1 9 --order 0,jump", "the order:1:3: 'jump'"},
      {"--hitless 1 9 --of ate", "--of: ate not in {ste,cd}"},
  };
  for (const auto& [arguments, message] : cases) {
    const Ran ran = run(std::string("ask ") + arguments);
    EXPECT_EQ(ran.status, 2) << arguments;
    EXPECT_THAT(ran.err, AllOf(StartsWith("iommucheck"), HasSubstr(message))) << arguments;
    EXPECT_EQ(ran.out, "") << arguments;
  }
}

TEST_F(AskCommand, SaysByWhichSentenceAStructureIsLegal) {
  const Ran good = run("ask --ste 0xd,0,0x40c355900000001");
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_THAT(good.out, AllOf(StartsWith("STE: legal: stage 2\n"), HasSubstr("[IHI 0070 5.2.2"),
                              HasSubstr("S2VMID=0x1 S2T0SZ=25")));
  const Ran bad = run("ask --ste 0xb --cd 0");
  EXPECT_EQ(bad.status, 0);
  EXPECT_THAT(
      bad.out,
      AllOf(HasSubstr("STE: legal: stage 1\n"),
            HasSubstr("CD: ILLEGAL: C_BAD_CD\n  does not hold: CD.V is 1. [IHI 0070 5.4.2")));
  const Ran machine = run("ask --ste 0xd,0,0x40c355900000001 --smmu s2p=0");
  EXPECT_THAT(machine.out,
              HasSubstr("does not hold: STE.Config selects stage 2 only where IDR0.S2P = 1."));
  const JsonValue got = json("--ste 0xb --cd 0x80000000");
  EXPECT_EQ(got.find("answers")->value.items.size(), 2U);
}

TEST_F(AskCommand, SaysWhatMayBeMetBetweenTwoStes) {
  const std::string stes = "ask --hitless 0x1 0x8000000b,0x10000000";
  const Ran right = run(stes + " --order 1,sync,0,sync");
  EXPECT_EQ(right.status, 0) << right.err;
  EXPECT_THAT(right.out, AllOf(StartsWith("before\n  old     abort [IHI 0070 5.2"),
                               EndsWith("hitless: yes [IHI 0070 3.21.3]\n")));
  const Ran wrong = run(stes + " --order 0,1,sync");
  EXPECT_EQ(wrong.status, 0);
  EXPECT_THAT(wrong.out, AllOf(HasSubstr("  neither stage 1: word 0 new, word 1 old"),
                               HasSubstr("\nhitless: no: behind 'store word 0")));
  const Ran open = run(stes + " --order 1,sync,0");
  EXPECT_THAT(open.out, HasSubstr("\nnot settled: "));
  EXPECT_THAT(run(stes).out, HasSubstr("\norder: 1,sync,0,sync\n"));
  const JsonValue got = json("--hitless 0x1 0x8000000b,0x10000000 --order 0,1,sync");
  EXPECT_FALSE(got.find("hitless")->value.boolean);
  EXPECT_EQ(got.find("steps")->value.items.size(), 4U);
  const JsonValue cd = json("--of cd --hitless 0x80000000 0x80000000,0x1000 --ste 0xb");
  EXPECT_EQ(cd.find("structure")->value.text, "CD");
}

class AskDocument : public AskCommand {};

/// Each transcript of the page is what the program prints.
TEST_F(AskDocument, ShowsWhatIsPrinted) {
  const std::pair<const char*, const char*> shown[] = {
      {"ask-access", "ask 'use std; store word B 1 0; barrier; access 1 0x1000 r'"},
      {"ask-legality", "ask --ste 0x8000000b,0x10000000 --cd 0x56205c000350c,0x80002000,0,0xff"},
      {"ask-hitless", "ask --hitless 0x1 0x8000000b,0x10000000 --order 0,1,sync"},
      {"ask-plan",
       "ask --of cd --hitless 0x56205c0003519,0x80002000,0,0xff "
       "0x66205c0003519,0x80002000,0,0xff"},
  };
  test::Document document(test::in_tree("docs/litmus.md"));
  for (const auto& [name, arguments] : shown) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.status, 0) << ran.err;
    document.put(name, fmt::format("```\n$ iommucheck {}\n{}```\n", arguments, ran.out));
  }
  document.check();
}

/// `litmus --list-words` has what docs/litmus.md has, which a test of the words makes.
TEST_F(AskCommand, WordsAreThoseOfTheDocument) {
  std::istringstream words(run("litmus --list-words").out);
  const std::string page = slurp(test::in_tree("docs/litmus.md"));
  u64 lines = 0;
  for (std::string line; std::getline(words, line); ++lines) {
    const std::size_t colon = line.find(": ");
    ASSERT_NE(colon, std::string::npos) << line;
    const std::string row = "| " + line.substr(0, colon) + " | `" +
                            std::regex_replace(line.substr(colon + 2), std::regex(" "), "` `") +
                            "` |\n";
    EXPECT_THAT(page, HasSubstr(row));
  }
  EXPECT_EQ(lines, litmus::word_lists().size());
}

TEST_F(AskCommand, PreludesAreListed) {
  const Ran ran = run("litmus --list-preludes");
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.out, litmus::built_in_preludes());
}

// ---- questions that are asked in public ---------------------------------------------------------

/// One of litmus/files/questions.litmus: what is said of it, and its lines without the answers.
struct Asked {
  std::string cited, lines;
};

std::vector<Asked> all_asked() {
  std::vector<Asked> all;
  std::ifstream in(test::in_tree("litmus/files/questions.litmus"));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("test ")) {
      all.emplace_back();
    } else if (all.empty() || line.starts_with("says") || line.starts_with("driver")) {
      continue;
    } else if (line.starts_with("#")) {
      all.back().cited += line;
    } else {
      all.back().lines += line.substr(0, line.find("->")) + "\n";
    }
  }
  return all;
}

/// The answer that the file gives, or what the program says instead.
std::string difference(const litmus::Test& test, const JsonValue& answer) {
  const auto& sets = answer.find("sets")->value.items;
  const std::size_t accesses = test.accesses.size();
  if (sets.size() != accesses + test.dmas.size()) return "other accesses";
  for (std::size_t i = 0; i < sets.size(); ++i) {
    std::set<std::string> expected;
    const auto& said = i < accesses ? test.accesses[i].allowed : test.dmas[i - accesses].allowed;
    for (const auto& outcome : said) expected.insert(outcome.text);
    if (!sets[i].find("asked")->value.boolean) return "it was told the answer";
    if (texts(sets[i], "allowed") != expected) return sets[i].find("what")->value.text;
    const std::size_t reasons = sets[i].find("reasons")->value.items.size();
    if (i < accesses && reasons != expected.size()) return "its reasons";
  }
  const std::set<std::string> broken = texts(answer, "broken");
  if (!test.driver) return "it does not say what becomes of the driver";
  const bool fits = test.driver->ok ? broken.empty() : broken.contains(test.driver->rule);
  return fits ? "" : "the driver";
}

/// Processor time, which a busy machine does not change.
double seconds_of_children() {
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

TEST_F(AskCommand, PublicQuestionsHaveTheirAnswers) {
  const auto file = litmus::parse_file(test::in_tree("litmus/files/questions.litmus"));
  ASSERT_TRUE(file) << file.error().message;
  const std::vector<Asked> all = all_asked();
  ASSERT_EQ(all.size(), file->tests.size());
  EXPECT_GE(all.size(), 20U);
  static const std::regex section("IHI 0070 [0-9]+\\.[0-9]");
  for (std::size_t i = 0; i < all.size(); ++i) {
    const litmus::Test& test = file->tests[i];
    EXPECT_TRUE(std::regex_search(all[i].cited, section)) << test.name << " cites no section";
    EXPECT_THAT(test.says, HasSubstr("? ")) << test.name;
    const double before = seconds_of_children();
    const JsonValue got = json("- <" + write("question", all[i].lines));
    EXPECT_LT(seconds_of_children() - before, 1) << test.name;
    EXPECT_EQ(difference(test, got.find("answers")->value.items.at(0)), "") << test.name;
  }
  // A wrong answer is noticed.
  litmus::Test wrong = file->tests[0];
  wrong.accesses[0].allowed = file->tests[1].accesses[0].allowed;
  const JsonValue got = json("- <" + write("question", all[0].lines));
  EXPECT_NE(difference(wrong, got.find("answers")->value.items.at(0)), "");
}

}  // namespace
}  // namespace iommucheck::ask_command_test
