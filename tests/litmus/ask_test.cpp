// SPDX-License-Identifier: MIT
// Questions of one line, and the words that they are read by.
#include "litmus/ask.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "litmus/agreement.h"
#include "litmus/parser.h"
#include "litmus/read_lines.h"
#include "litmus/words.h"
#include "tests/document.h"
#include "tests/places.h"

namespace iommucheck::litmus::ask_test {
namespace {

TEST(Ask, LinesAreWhatTheirFirstWordSays) {
  EXPECT_EQ(
      question_text("use std; store word B 1 0; barrier; access 1 0x1000 r"),
      "test question\ninit use std\nrun store word B 1 0\nrun barrier\naccess 1 0x1000 r -> ?\n");
  // Commands behind a `do` belong to it, an agent makes a step, `ats` behind the first step is one.
  EXPECT_EQ(question_text("ats 1; cpu1: do CFGI_ALL ; SYNC; ats 1 off\naccess 1 0 w ats -> denied"),
            "test question\ninit ats 1\nrun cpu1: do CFGI_ALL ; SYNC\n"
            "run ats 1 off\naccess 1 0 w ats -> denied\n");
}

TEST(Ask, ADoTakesTheCommandsBehindIt) {
  EXPECT_EQ(question_text("do TLBI_NH_ALL ; SYNC ; mark"),
            "test question\nrun do TLBI_NH_ALL ; SYNC\nrun mark\n");
}

TEST(Ask, DmasAreStepsAtTheirEdges) {
  EXPECT_EQ(question_text("dma D begin 1 0x1000 r; dma D end; dma D"),
            "test question\nrun dma D begin 1 0x1000 r\nrun dma D end\ndma D -> ?\n");
}

TEST(Ask, TheAnswerIsTheSet) {
  const auto file = parse(question_text("use std; store word B 1 0; barrier; access 1 0x1000 r"));
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tests.size(), 1U);
  EXPECT_TRUE(file->tests[0].accesses[0].asked);
  const auto got = judge_by_either(file->tests[0]);
  ASSERT_TRUE(got);
  EXPECT_THAT(got->judgement.allowed[0], testing::ElementsAre("F_TRANSLATION", "P1"));
}

TEST(Ask, NonsenseIsAnErrorWithItsPlace) {
  for (const char* text : {"", ";;;", "foo", "access", "do ; ; SYNC", "init", "run run",
                           "use std; access 1 0x1000 r ->"}) {
    const auto file = parse(question_text(text), "q");
    if (file) {
      for (const litmus::Test& test : file->tests) (void)judge_by_either(test);
    } else {
      EXPECT_THAT(file.error().message, testing::HasSubstr("q:")) << text;
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

TEST(Words, StandInTheDocument) {
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
