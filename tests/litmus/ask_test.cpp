// SPDX-License-Identifier: MIT
// Questions of one line, and the words that they are read by.
#include "litmus/ask.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "litmus/agreement.h"
#include "litmus/parser.h"
#include "litmus/read_lines.h"
#include "litmus/words.h"
#include "tests/document.h"
#include "tests/places.h"

namespace iommucheck::litmus::ask_test {
namespace {

std::string text_of(std::string_view question) { return Question(question).text(); }

TEST(Ask, LinesAreWhatTheirFirstWordSays) {
  EXPECT_EQ(
      text_of("use std; store word B 1 0; barrier; access 1 0x1000 r"),
      "test question\ninit use std\nrun store word B 1 0\nrun barrier\naccess 1 0x1000 r -> ?\n");
  // Commands behind a `do` belong to it, an agent makes a step, `ats` behind the first step is one.
  EXPECT_EQ(text_of("ats 1; cpu1: do CFGI_ALL ; SYNC; ats 1 off\naccess 1 0 w ats -> denied"),
            "test question\ninit ats 1\nrun cpu1: do CFGI_ALL ; SYNC\n"
            "run ats 1 off\naccess 1 0 w ats -> denied\n");
}

TEST(Ask, NothingBehindTheArrowAsks) {
  const char* asks = "test question\naccess 1 0x1000 r -> ?\n";
  for (const char* text : {"access 1 0x1000 r", "access 1 0x1000 r ->", "access 1 0x1000 r -> ?"}) {
    EXPECT_EQ(text_of(text), asks);
  }
}

TEST(Ask, ADoTakesTheCommandsBehindIt) {
  EXPECT_EQ(text_of("do TLBI_NH_ALL ; SYNC ; mark"),
            "test question\nrun do TLBI_NH_ALL ; SYNC\nrun mark\n");
  EXPECT_EQ(text_of("run  cpu1: do CFGI_ALL;SYNC;run do CFGI_ALL ; SYNC"),
            "test question\nrun  cpu1: do CFGI_ALL ; SYNC\nrun do CFGI_ALL ; SYNC\n");
}

TEST(Ask, DmasAreStepsAtTheirEdges) {
  EXPECT_EQ(text_of("dma D begin 1 0x1000 r; dma D end; dma D"),
            "test question\nrun dma D begin 1 0x1000 r\nrun dma D end\ndma D -> ?\n");
}

TEST(Ask, TheAnswerIsTheSet) {
  const auto file = Question("use std; store word B 1 0; barrier; access 1 0x1000 r").read();
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tests.size(), 1U);
  EXPECT_TRUE(file->tests[0].accesses[0].asked);
  const auto got = judge_by_either(file->tests[0]);
  ASSERT_TRUE(got);
  EXPECT_THAT(got->judgement.allowed[0], testing::ElementsAre("F_TRANSLATION", "P1"));
}

TEST(Ask, NonsenseIsAnErrorWithItsPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "q:1:1: it asks nothing"},
      {";;;", "q:1:1: it asks nothing"},
      {" # a remark\n", "q:1:1: it asks nothing"},
      {"use std", "q:1:1: it asks nothing"},
      {"foo", "q:1:1: 'foo'"},
      {"use std;access 1 0x1000 r;  foo", "q:1:29: 'foo'"},
      {"use std\naccess 1 0x1000 r\n store word B 1 jump", "q:3:17: 'jump'"},
      {"access", "q:1:7: "},
      {"use std; access 1 0x1000 r -> ? P1", "q:1:33: 'P1'"},
      {"use std; access 1 0x1000 r -> P1 ?", "q:1:34: '?'"},
      {"use std; access 1 0x1000 r ?", "q:1:28: '?'"},
      {"use std; access 1 99999999999999999999 r", "q:1:19: '99999999999999999999'"},
      {"use nothing; access 1 0 r", "q:1:5: 'nothing'"},
      {"use std; do TLBI_NH_ALL;TLBI_NH_VA asid=5 vax=0 ; SYNC; access 1 0 r", "q:1:43: 'vax=0'"},
      {"use std; ste 1 cfg=s3; access 1 0 r", "q:1:20: 's3'"},
      {"use std; store word b 1 0; access 1 0x1000 r",
       "q:1:21: 'b': nothing leads to a table of this name; there are"},
      {"use std; access 1 0x1000 r; load ZZ 1", "q:1:34: 'ZZ': nothing leads to"},
      {"use std; store cd c1 asid=4; access 1 0x1000 r", "q:1:19: 'c1': nothing leads to"},
  };
  for (const auto& [text, message] : cases) {
    const auto file = Question(text, "q").read();
    ASSERT_FALSE(file) << text;
    EXPECT_EQ(file.error().code, ErrorCode::bad_input);
    EXPECT_THAT(file.error().message, testing::StartsWith(message)) << text;
  }
}

/// One that is filled before something leads to it, or that the question itself declares.
TEST(Ask, ANewTableMayBeNamed) {
  for (const char* text : {"use std; store word N 0 page P9 rw; barrier; store word B 7 table N; "
                           "access 1 0x1000 r",
                           "use std; word N 0 page P9 rw; access 1 0x1000 r",
                           "use std; store word B 1 0; access 1 0x1000 r"}) {
    const auto file = Question(text, "q").read();
    EXPECT_TRUE(file) << text << ": " << file.error().message;
  }
}

/// Whatever it is: an error with a place, or an answer.
TEST(Ask, NoTextIsTooMuch) {
  for (const char* text : {"do ; ; SYNC", "init", "run run", "test two; use std; access 1 0 r",
                           "use std; wait; access 1 0 r", "use std; free Nobody; access 1 0 r",
                           "use std; use std; use pasid; access 1.0xfffff 0xffffffffffffffff x",
                           "use std; store word B 511 page P1 rw; store word B 512 0"}) {
    const Question question(text, "q");
    const auto file = question.read();
    if (!file) {
      EXPECT_THAT(file.error().message, testing::StartsWith("q:1:")) << text;
      continue;
    }
    for (const litmus::Test& test : file->tests) {
      const auto got = judge_by_either(test);
      if (got) continue;
      EXPECT_THAT(question.placed(got.error()).message, testing::StartsWith("q:1:")) << text;
    }
  }
}

/// What the tables have the parser takes, if not what follows.
TEST(Words, AreTheParsers) {
  const auto error_of = [](const std::string& line) {
    const auto file = parse("test t\n" + line + "\n");
    return file ? std::string() : file.error().message;
  };
  for (const std::string_view word : step_words) {
    EXPECT_THAT(error_of(fmt::format("run {}", word)),
                testing::Not(testing::HasSubstr("not a step")))
        << word;
  }
  for (const std::string_view word : init_words) {
    EXPECT_THAT(error_of(fmt::format("init {}", word)),
                testing::Not(testing::HasSubstr("not a line of init")))
        << word;
  }
  EXPECT_THAT(error_of("run jump"), testing::HasSubstr("not a step"));
  EXPECT_THAT(error_of("init jump 1"), testing::HasSubstr("not a line of init"));
}

/// What the parser says that it has where a line has something else: those words, and no others.
TEST(Words, OfALineAreWhatTheParserSays) {
  const auto known_behind = [](const std::string& line) {
    const auto file = parse("test t\n" + line + "\n");
    EXPECT_FALSE(file) << line;
    const std::string message = file ? std::string() : file.error().message;
    std::istringstream words(message.substr(std::min(message.find("it has") + 6, message.size())));
    std::vector<std::string> known;
    for (std::string word; words >> word;) {
      known.push_back(word.ends_with('=') ? word.substr(0, word.size() - 1) : word);
    }
    return known;
  };
  const auto is = [&](const std::string& line, const auto& words) {
    EXPECT_THAT(known_behind(line), testing::ElementsAreArray(words)) << line;
  };
  is("init ste 1 nope=1", ste_field_names);
  is("init cd C nope=1", cd_field_names);
  is("init l1std T 0 nope=1", l1std_field_names);
  is("init l1cd T 0 nope=1", l1cd_field_names);
  is("init cont B 0 G rw nope=1", group_field_names);
  is("run fillcont B 0 G rw nope=1", group_field_names);
  is("init word B 0 page P rw nope", leaf_flag_names);
  is("run cmd ATC_INV 1 nope=1", atc_inv_field_names);
  is("run cmd SYNC nope=1", sync_field_names);
  is("run cmd TLBI_VA", command_names);
  for (const std::string_view name : command_names) {
    if (name.starts_with("TLBI_")) is(fmt::format("run cmd {} nope=1", name), tlbi_field_names);
  }
}

/// Where people slip, it is said what to write.
TEST(Words, OfSlipsSayWhatIsMeant) {
  const std::pair<const char*, const char*> cases[] = {
      {"use foo; access 1 0 r",
       "'foo': no prelude of this name in the file, in preludes.litmus "
       "beside it, or built in; there are std two pasid nest s2 ats"},
      {"use std; load word B 1", "'word': a load names the table and the index alone"},
      {"use std; dma D begin 1 0 r; dma D end -> ?", "in a line of its own: dma D -> ?"},
      {"use std; store cd C1 v=1 ttb=R; access 1 0 r", "one store, one word (`store16`: two)"},
  };
  for (const auto& [asked, message] : cases) {
    const Question question(asked, "q");
    const auto file = question.read();
    ASSERT_FALSE(file) << asked;
    EXPECT_THAT(file.error().message, testing::HasSubstr(message)) << asked;
  }
}

TEST(WordsDocument, HasThem) {
  std::string table = "| of | words |\n|---|---|\n";
  for (const WordList& list : word_lists()) {
    table += fmt::format("| {} | `{}` |\n", list.of, fmt::join(list.words, "` `"));
  }
  test::Document document(test::in_tree("docs/litmus.md"));
  document.put("words", table);
  document.check();
}

}  // namespace
}  // namespace iommucheck::litmus::ask_test
