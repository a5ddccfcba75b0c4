// SPDX-License-Identifier: MIT
// A corpus: it is run first, the same is kept for any number of processes, and what it holds shows
// all that the run that filled it has shown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "check/check.h"
#include "check/given.h"
#include "tests/own_path.h"
#include "tests/places.h"

namespace iommucheck::oracle::corpus_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string museum(const std::string& name) {
  return test::in_build("museum/museum_") + name + ".so";
}

class Corpus : public testing::Test {
 protected:
  Corpus() : folder_(test::own_path("corpus")) {
    std::filesystem::remove_all(folder_);
    options_.seed = 4;
    options_.machine = "drawn";
    options_.corpus = folder_;
  }
  ~Corpus() override { std::filesystem::remove_all(folder_); }

  /// What is there is given to the run first.
  CheckResult run() {
    auto folder = read_folder(options_.corpus);
    EXPECT_TRUE(folder);
    options_.given = std::make_shared<const std::vector<GivenCase>>(std::move(folder->cases));
    auto result = run_check(options_);
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : CheckResult{};
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }
  std::string folder_;
  CheckOptions options_;
};

TEST_F(Corpus, IsTheSameForAnyNumberOfProcesses) {
  options_.sequences = CheckOptions::default_part_size + 200;
  std::vector<std::string> of_one;
  for (const u32 jobs : {1U, 3U}) {
    std::filesystem::remove_all(folder_);
    options_.jobs = jobs;
    const CheckResult first = run();
    EXPECT_EQ(first.given, 0U);
    EXPECT_EQ(files().size(), first.corpus.kept.size());
    options_.seed = 5;
    options_.sequences = 300;
    const CheckResult second = run();
    EXPECT_EQ(second.given, first.corpus.kept.size() * 8) << "each on every machine";
    EXPECT_EQ(second.sequences - second.given, options_.sequences);
    EXPECT_GT(second.corpus.features, first.corpus.features);
    options_.seed = 4;
    options_.sequences = first.sequences;
    if (jobs == 1) of_one = files();
    EXPECT_EQ(files(), of_one) << jobs;
  }
  EXPECT_GT(of_one.size(), 150U);
  EXPECT_LT(of_one.size(), 2 * options_.sequences / 3);
}

TEST_F(Corpus, ShowsAllThatItsRunHasShown) {
  options_.machine = "default";
  options_.sequences = 3000;
  const CheckResult filled = run();
  options_.sequences = 0;
  const CheckResult again = run();
  EXPECT_EQ(again.given, filled.corpus.kept.size());
  EXPECT_EQ(again.sequences, again.given) << "nothing but what is given";
  EXPECT_EQ(again.corpus.features, filled.corpus.features);
  EXPECT_THAT(again.corpus.kept, IsEmpty());
  EXPECT_EQ(end_of(options_, again).verdict(), Verdict::held);
}

TEST_F(Corpus, TellsWhatShowsNothingOfItsOwn) {
  options_.machine = "default";
  options_.sequences = 500;
  run();
  options_.sequences = 0;
  const CheckResult before = run();
  auto folder = read_folder(folder_);
  ASSERT_TRUE(folder);
  std::ofstream(folder_ + "/mine.ops") << "# the same again\n" << print(folder->cases[7].sequence);
  const CheckResult after = run();
  EXPECT_EQ(after.given, before.given + 1);
  EXPECT_EQ(after.corpus.features, before.corpus.features);
  EXPECT_THAT(after.corpus.redundant, SizeIs(before.corpus.redundant.size() + 1));
  EXPECT_THAT(after.corpus.redundant, testing::Contains(HasSubstr("mine.ops")));
  for (const std::string& path : after.corpus.redundant) std::filesystem::remove(path);
  const CheckResult small = run();
  EXPECT_EQ(small.corpus.features, after.corpus.features) << "nothing is lost";
  EXPECT_THAT(small.corpus.redundant, IsEmpty());
}

TEST_F(Corpus, ThatIsFullSaysSo) {
  options_.machine = "default";
  options_.sequences = 500;
  options_.corpus_max = 20;
  const CheckResult result = run();
  EXPECT_THAT(result.corpus.kept, SizeIs(20));
  EXPECT_THAT(files(), SizeIs(20));
  EXPECT_GT(result.corpus.not_kept, 10U);
}

/// The twin: a driver that breaks a rule does so again by its corpus alone, on another seed.
TEST_F(Corpus, OfADriverThatIsWrongFindsItAgain) {
  options_.machine = "default";
  options_.driver = museum("tlbi_wrong_asid");
  options_.sequences = 400;
  options_.findings_max = 50;
  const CheckResult filled = run();
  ASSERT_FALSE(filled.findings.empty());
  options_.seed = 99;
  options_.sequences = 0;
  const CheckResult again = run();
  EXPECT_EQ(again.findings.size(), filled.findings.size());
  EXPECT_EQ(end_of(options_, again).verdict(), Verdict::violated);
  for (const Violation& violation : again.findings) {
    EXPECT_THAT(violation.remarks, testing::Contains(HasSubstr("first in " + folder_)));
  }
}

}  // namespace
}  // namespace iommucheck::oracle::corpus_test
