// SPDX-License-Identifier: MIT
#include "report/terminal_text.h"

#include <gtest/gtest.h>

namespace iommucheck::oracle::terminal_text_test {
namespace {

TEST(TerminalText, LongLinesAreFoldedBetweenWordsAndIndented) {
  EXPECT_EQ(folded("short", 20), "short");
  EXPECT_EQ(folded("  one two three four", 12), "  one two\n      three\n      four");
  EXPECT_EQ(folded("exactly twelve", 14), "exactly twelve");
  EXPECT_EQ(folded("aligned    words here", 16), "aligned    words\n    here");
  EXPECT_EQ(folded("", 10), "");
  EXPECT_EQ(folded("                    deep words", 20),
            "                    deep\n          words");
  // A word that is longer than a line stays whole; bytes are no columns.
  EXPECT_EQ(folded("0x0123456789abcdef0123456789", 10), "0x0123456789abcdef0123456789");
  EXPECT_EQ(folded("\xc3\xa4\xc3\xa4 \xc3\xa4\xc3\xa4", 5), "\xc3\xa4\xc3\xa4 \xc3\xa4\xc3\xa4");
}

TEST(TerminalText, WhatIsCopiedStaysOneLine) {
  for (const char* line :
       {"  again: iommucheck replay out/finding.jsonl", "iommucheck check --seed 1",
        "stopped; to go on: iommucheck check --seed 1"}) {
    EXPECT_EQ(folded(line, 10), line);
  }
}

TEST(TerminalText, VerdictsAreInColour) {
  const TerminalForm form{.columns = 100, .colour = true};
  EXPECT_EQ(terminal_text("VIOLATION PAGE_REUSE", form), "\x1b[1;31mVIOLATION\x1b[0m PAGE_REUSE");
  EXPECT_EQ(terminal_text("  nearest miss: x", form), "  \x1b[33mnearest miss\x1b[0m: x");
  EXPECT_EQ(terminal_text("driver against spec: holds, 3", form),
            "driver against spec: \x1b[32mholds\x1b[0m, 3");
  // Names that only have such a word in them, and the same without colour.
  EXPECT_EQ(terminal_text("FAILED_ONE rule: it holds", form), "FAILED_ONE rule: it holds");
  EXPECT_EQ(terminal_text("VIOLATION", {.columns = 100, .colour = false}), "VIOLATION");
}

}  // namespace
}  // namespace iommucheck::oracle::terminal_text_test
