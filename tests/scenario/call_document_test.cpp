// SPDX-License-Identifier: MIT
// docs/interface.md has a chapter for each call: what is generated in it is as the sources are, and
// what people say of it is there. `./dev generate` writes the generated parts anew.
#include "scenario/run/call_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/document.h"
#include "tests/places.h"
#include "tests/scenario/files_support.h"

namespace iommucheck::oracle::stories::call_document_test {
namespace {

using ::testing::HasSubstr;

/// What only people can say of a call: a sentence that begins with "Linux:".
bool says_linux(const std::string& by_hand) {
  const std::size_t at = by_hand.find("Linux: ");
  return at != std::string::npos && by_hand.size() - at >= sizeof "Linux: none.";
}

TEST(CallDocument, HasAChapterOfEachCall) {
  spec::sva::AnswerLog log;
  for (const scenario::Scenario& scenario : test::all_scenarios()) log_scenario(scenario, log);
  const auto chapters = call_chapters(coverage_of(log));
  EXPECT_GE(chapters.size(), 46U);
  test::Document document(test::in_tree("docs/interface.md"));
  for (const CallChapter& chapter : chapters) {
    document.put(chapter.call, chapter.text);
    EXPECT_TRUE(says_linux(document.behind(chapter.call))) << chapter.call;
  }
  document.check();
}

TEST(CallDocument, SaysEachAnswerOnceWithTheReasonsThatItHas) {
  const std::vector<CoverageLine> lines = {
      {.call = "detach", .answer = "ok: it was there", .shown = "ATT-01", .why = {}},
      {.call = "detach", .answer = "EIO: with a colon", .shown = {}, .why = "nobody can"},
      {.call = "detach", .answer = "ok: it was there", .shown = "ATT-02", .why = {}},
      {.call = "detach", .answer = "EIO: another", .shown = "ATT-02", .why = {}},
      {.call = "detach", .answer = "ok", .shown = "ANS-01", .why = {}},
      {.call = "detach",
       .answer = "during an exit: ok",
       .shown = "COV-03",
       .why = {},
       .beside = true},
      {.call = "detach",
       .answer = "ETIMEDOUT: the command queue was stuck",
       .shown = "ANS-03",
       .why = {}},
      {.call = "detach", .answer = "ENODEV: no such device", .shown = "ANS-08", .why = {}},
      {.call = "detach",
       .answer = "ENODEV: no IOMMU behind the device",
       .shown = "ANS-08",
       .why = {}},
      {.call = "attach", .answer = "ok: another call", .shown = "ATT-02", .why = {}}};
  const auto chapters = call_chapters(lines);
  const auto detach = std::ranges::find(chapters, "detach", &CallChapter::call);
  ASSERT_NE(detach, chapters.end());
  EXPECT_THAT(detach->text, HasSubstr("`detach(domain, device)` → "));
  EXPECT_THAT(detach->text, HasSubstr("\n\n- ok, ETIMEDOUT, ENODEV\n"
                                      "- EIO: with a colon; another\n"));
  EXPECT_THAT(detach->text, ::testing::Not(HasSubstr("during an exit")));
  EXPECT_THAT(detach->text, ::testing::Not(HasSubstr("another call")));
}

/// What a call shares with the one that it is as, nobody reads twice.
TEST(CallDocument, OfACallAsAnotherOnlyTheRestIsTold) {
  const auto text_of = [](const std::vector<CoverageLine>& lines) {
    const auto chapters = call_chapters(lines);
    return std::ranges::find(chapters, "sva_unmap", &CallChapter::call)->text;
  };
  std::vector<CoverageLine> lines = {
      {.call = "unmap", .answer = "ok", .shown = {}, .why = {}},
      {.call = "unmap", .answer = "EIO: one", .shown = {}, .why = {}},
      {.call = "sva_unmap", .answer = "ok: it was there", .shown = {}, .why = {}},
      {.call = "sva_unmap", .answer = "EIO: one", .shown = {}, .why = {}}};
  EXPECT_EQ(text_of(lines), "`sva_unmap(io_mm, iova, size)` → bytes: as unmap.\n");
  lines.push_back({.call = "sva_unmap", .answer = "EIO: two", .shown = {}, .why = {}});
  EXPECT_THAT(text_of(lines), ::testing::EndsWith("as unmap.\n\n- EIO: two\n"));
  lines.push_back({.call = "unmap", .answer = "ENOMEM: three", .shown = {}, .why = {}});
  EXPECT_THAT(text_of(lines), ::testing::EndsWith("as unmap.\n\n- ok\n- EIO: one; two\n"));
}

TEST(CallDocument, WhatNobodyHasSaidIsSeen) {
  EXPECT_TRUE(says_linux("<!-- end map -->\nPromise.\nLinux: `iommu_map`."));
  EXPECT_FALSE(says_linux("<!-- end map -->\nPromise."));
  EXPECT_FALSE(says_linux("<!-- end map -->\nLinux: "));
}

}  // namespace
}  // namespace iommucheck::oracle::stories::call_document_test
