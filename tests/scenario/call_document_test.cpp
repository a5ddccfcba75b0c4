// SPDX-License-Identifier: MIT
// docs/interface.md has a chapter for each call: what is generated in it is as the sources are, and
// what people say of it is there. IOMMUCHECK_UPDATE_DOCS=1 writes the generated parts anew.
#include "scenario/run/call_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/scenario/files_support.h"

namespace iommucheck::oracle::stories::call_document_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string path = IOMMUCHECK_SOURCE_DIR "/docs/interface.md";

std::string read_document() {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(CallDocument, HasAChapterOfEachCall) {
  spec::sva::AnswerLog log;
  for (const scenario::Scenario& scenario : test::all_scenarios()) log_scenario(scenario, log);
  const auto chapters = call_chapters(coverage_of(log));
  EXPECT_GE(chapters.size(), 46U);
  const std::string document = read_document();
  std::vector<std::string> missing;
  const std::string wanted = with_chapters(document, chapters, missing);
  EXPECT_THAT(missing, IsEmpty()) << "give each a heading and its two markers";
  EXPECT_THAT(calls_without_linux(document, chapters), IsEmpty());
  if (std::getenv("IOMMUCHECK_UPDATE_DOCS") != nullptr) std::ofstream(path) << wanted;
  const auto [is, should] = std::ranges::mismatch(document, wanted);
  const auto line = 1 + std::count(document.begin(), is, '\n');
  EXPECT_TRUE(document == wanted) << path << ':' << line << ": run this test with "
                                  << "IOMMUCHECK_UPDATE_DOCS=1";
}

TEST(CallDocument, SaysWhatShowsAnAnswerOrWhyNothingDoes) {
  const std::vector<CoverageLine> lines = {
      {.call = "detach", .answer = "ok: it was there", .shown = "ATT-01", .why = {}},
      {.call = "detach", .answer = "EIO: with a colon", .shown = {}, .why = "nobody can"},
      {.call = "detach", .answer = "during an exit", .shown = "COV-03", .why = {}},
      {.call = "attach", .answer = "ok: another call", .shown = "ATT-02", .why = {}}};
  const auto chapters = call_chapters(lines);
  const auto detach = std::ranges::find(chapters, "detach", &CallChapter::call);
  ASSERT_NE(detach, chapters.end());
  EXPECT_THAT(detach->text, HasSubstr("`detach(domain, device)` → "));
  EXPECT_THAT(detach->text, HasSubstr("\n| ok: it was there | ATT-01 |\n"));
  EXPECT_THAT(detach->text, HasSubstr("\n| EIO: with a colon | none: nobody can |\n"));
  EXPECT_THAT(detach->text, HasSubstr("\nAlso seen during an exit (COV-03).\n"));
  EXPECT_THAT(detach->text, ::testing::Not(HasSubstr("another call")));
}

TEST(CallDocument, WhatIsMissingOrOldIsSeen) {
  const std::vector<CallChapter> chapters = {{.call = "map", .text = "new\n"},
                                             {.call = "unmap", .text = "new\n"}};
  std::vector<std::string> missing;
  const std::string document =
      "### map\n<!-- begin map -->\nold\n<!-- end map -->\nLinux: `iommu_map`.\n### other\n"
      "Linux: `other`.\n";
  EXPECT_EQ(with_chapters(document, chapters, missing),
            "### map\n<!-- begin map -->\nnew\n<!-- end map -->\nLinux: `iommu_map`.\n### other\n"
            "Linux: `other`.\n");
  EXPECT_THAT(missing, ElementsAre("unmap"));
  EXPECT_THAT(calls_without_linux(document, chapters), ElementsAre("unmap"));
  const std::string silent = "<!-- begin map -->\n<!-- end map -->\n### next\nLinux: `next`.\n";
  EXPECT_THAT(calls_without_linux(silent, chapters), ElementsAre("map", "unmap"));
}

}  // namespace
}  // namespace iommucheck::oracle::stories::call_document_test
