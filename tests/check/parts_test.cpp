// SPDX-License-Identifier: MIT
// A run in parts: the same result for any number of processes, nothing lost, nobody left behind.
#include "check/parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include "check/merge.h"
#include "process/lanes.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "tests/own_path.h"
#include "tests/places.h"

namespace iommucheck::oracle::parts_test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string museum(const std::string& name) {
  return test::in_build("museum/museum_") + name + ".so";
}

/// Everything that a run says, the time aside.
std::string all_of(const CheckResult& result, const std::string& folder) {
  std::string text = std::to_string(result.sequences) + " sequences, next " +
                     std::to_string(result.next_sequence) + ", " + std::to_string(result.calls) +
                     " calls, " + std::to_string(result.outcomes_judged) + " outcomes\n";
  for (const RuleCount& rule : result.rules) {
    text += std::string(spec::rule_name(rule.rule)) + " " + std::string(to_string(rule.verdict)) +
            " " + std::to_string(rule.kept) + " " + std::to_string(rule.discriminating) + " " +
            std::to_string(rule.broken) + "\n";
  }
  for (const Violation& violation : result.findings) text += full_text(violation);
  std::vector<std::string> files;
  if (std::filesystem::exists(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      files.push_back(entry.path().filename().string());
    }
  }
  std::ranges::sort(files);
  for (const std::string& file : files) text += file + "\n";
  return text;
}

std::string run(CheckOptions options, u32 jobs) {
  options.jobs = jobs;
  options.out_directory = test::own_path("parts");
  const auto result = run_check(options);
  std::string text = result ? all_of(*result, options.out_directory) : result.error().message;
  std::filesystem::remove_all(options.out_directory);
  return text;
}

void is_the_same_for_any_number(const CheckOptions& options) {
  const std::string one = run(options, 1);
  EXPECT_EQ(run(options, 2), one);
  EXPECT_EQ(run(options, 5), one);
}

TEST(Parts, OfTheBuiltinDriverAreTheSameForAnyNumberOfProcesses) {
  CheckOptions options;
  options.machine = "drawn";
  options.seed = 11;
  options.first_sequence = 1000;
  options.sequences = 2 * CheckOptions::default_part_size + 77;
  is_the_same_for_any_number(options);
}

TEST(Parts, OfADriverThatBreaksManyRulesAreToo) {
  CheckOptions options;
  options.driver = museum("tlbi_wrong_asid");
  options.machine = "drawn";
  options.seed = 3;
  options.sequences = 3 * CheckOptions::default_part_size;
  for (const u32 findings : {1U, 2U, 3U}) {
    options.findings_max = findings;
    is_the_same_for_any_number(options);
  }
}

/// A part that was not run: its number of sequences, and findings of rules by their place.
struct Made {
  std::vector<spec::Rule> rules;
  u64 missing = 0;
};

class Merging : public testing::Test {
 protected:
  Merging() {
    options.sequences = 4 * CheckOptions::default_part_size;
    options.findings_max = 2;
  }
  static Expected<Part> part(const CheckOptions& its, const Made& made) {
    Part part;
    part.next = its.first_sequence + its.sequences - made.missing;
    part.tally.sequences = its.sequences - made.missing;
    for (const spec::Rule rule : made.rules)
      part.result.findings.emplace_back(finding_of(rule, "x"));
    return part;
  }
  CheckOptions options;
};

constexpr auto one = spec::rule::PAGE_REUSE;
constexpr auto other = spec::rule::TABLE_FREE;

TEST_F(Merging, APartThatDidNotKnowWhatWasFoundIsRunAgain) {
  Merge all(options);
  const auto first = all.options_of(0, {}, 0);
  EXPECT_TRUE(all.take(part(*first, {.rules = {one}})));
  EXPECT_THAT(all.told(), ElementsAre(key_of(one, FindingKind{})));
  const auto second = all.options_of(1, {}, 0);
  EXPECT_TRUE(all.fits(part(*second, {}), 0));
  EXPECT_FALSE(all.fits(part(*second, {.rules = {one}}), 0)) << "it told what is known";
  EXPECT_FALSE(all.fits(part(*second, {.rules = {other}}), 0)) << "it may have gone on too far";
  EXPECT_TRUE(all.fits(part(*second, {.rules = {other}}), 1));
  EXPECT_FALSE(all.take(part(*second, {.rules = {other}}))) << "that is enough";
  const auto result = all.result(1);
  ASSERT_TRUE(result);
  EXPECT_THAT(result->findings, SizeIs(2));
  EXPECT_EQ(result->sequences, 2 * CheckOptions::default_part_size);
}

TEST_F(Merging, WhereToGoOnIsBehindTheLastSequenceWithoutAGap) {
  Merge all(options);
  EXPECT_TRUE(all.take(part(*all.options_of(0, {}, 0), {})));
  EXPECT_TRUE(all.take(part(*all.options_of(1, {}, 0), {.rules = {}, .missing = 100})));
  EXPECT_TRUE(all.take(part(*all.options_of(2, {}, 0), {})));
  const auto result = all.result(1);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->next_sequence, 2 * CheckOptions::default_part_size - 100);
  EXPECT_EQ(result->sequences, 3 * CheckOptions::default_part_size - 100);
}

TEST_F(Merging, PartsCoverTheRunAndNoMore) {
  options.first_sequence = 100;
  options.sequences = CheckOptions::default_part_size;
  const Merge all(options);
  const auto first = all.options_of(0, {}, 0);
  const auto second = all.options_of(1, {}, 0);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->first_sequence, 100U);
  EXPECT_EQ(first->sequences, CheckOptions::default_part_size - 100);
  EXPECT_EQ(second->first_sequence, CheckOptions::default_part_size);
  EXPECT_EQ(second->sequences, 100U);
  EXPECT_FALSE(all.options_of(2, {}, 0));
}

TEST(Parts, ComeBackFromBytesAndDamageIsNoPart) {
  Part part;
  part.next = 7;
  part.tally.calls = 3;
  part.tally.rules.broken[4] = 5;
  part.result.driver_name = "d";
  part.result.stopped = true;
  part.result.ended_early = "e";
  part.result.environment = {"f", "g"};
  part.novel = {{.feature = 9, .place = 1}, {.feature = 3, .place = 2}};
  part.tally.excused[7] = 2;
  part.result.findings.emplace_back(finding_of(one, "h"));
  part.result.gave_up.push_back({.bound = "i", .operations = {}, .sequence = 1, .trace_path = "j"});
  const std::string bytes = encode(Expected<Part>(part));
  const auto back = decode_part(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode(back), bytes);
  EXPECT_EQ(back->tally.rules.broken[4], 5U);
  EXPECT_EQ(back->result.environment, part.result.environment);
  EXPECT_EQ(back->novel, part.novel);
  EXPECT_EQ(back->tally.excused[7], 2U);
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(decode_part(bytes.substr(0, n))) << n;
  EXPECT_FALSE(decode_part(bytes + "x"));
  const auto error = decode_part(encode(Expected<Part>(fail(ErrorCode::environment, "k"))));
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().message, "k");
}

TEST(Parts, AProcessThatIsKilledIsToldAndBlamesNobody) {
  CheckOptions options;
  options.jobs = 2;
  options.sequences = 8 * CheckOptions::default_part_size;
  const pid_t here = ::getpid();
  const auto result = run_parts(options, [&](const CheckOptions& part) -> Expected<Part> {
    if (part.first_sequence != 0 && ::getpid() != here) ::kill(::getpid(), SIGKILL);
    Part done;
    done.next = part.first_sequence + part.sequences;
    done.tally.sequences = part.sequences;
    return done;
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::environment);
  EXPECT_THAT(result.error().message, HasSubstr("signal 9"));
}

TEST(Parts, ARunThatIsStoppedSaysSoAndKeepsWhatItHas) {
  CheckOptions options;
  options.machine = "default";
  options.jobs = 2;
  options.sequences = u64{1} << 40;
  std::atomic<bool> stop = false;
  options.stop = [&] { return stop.load(); };
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    stop = true;
  });
  const auto result = run_check(options);
  later.join();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->stopped);
  EXPECT_GT(result->sequences, 0U);
  EXPECT_LE(result->next_sequence, result->sequences);
  EXPECT_EQ(end_of(options, *result).verdict(), Verdict::undecided);
}

TEST(Parts, ARunThatIsStoppedBetweenTwoOfThemSaysSo) {
  CheckOptions options;
  options.machine = "default";
  options.jobs = 2;
  options.sequences = u64{1} << 40;
  const auto began = std::chrono::steady_clock::now();
  options.stop = [&] {
    return std::chrono::steady_clock::now() - began > std::chrono::milliseconds(200);
  };
  const auto result = run_parts(options, [](const CheckOptions& part) -> Expected<Part> {
    Part done;
    done.next = part.first_sequence + part.sequences;
    done.tally.sequences = part.sequences;
    return done;
  });
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->stopped);
  EXPECT_THAT(end_of(options, *result).why(), Contains(HasSubstr("stopped after")));
}

TEST(Lanes, TakeEachNumberOnceAndSendWholeMessages) {
  auto lanes = Lanes::start(3, 5, [](Lane& lane) {
    for (u64 n = lane.take_number(); n < 105; n = lane.take_number()) {
      lane.counter(1) += 2;
      lane.send(std::to_string(n) + std::string(20000, 'x'));
    }
  });
  ASSERT_TRUE(lanes);
  std::vector<int> seen(105);
  while (const auto messages = lanes->wait(0.1)) {
    for (const std::string& message : *messages) {
      EXPECT_GT(message.size(), 20000U);
      ++seen[static_cast<std::size_t>(std::stoi(message))];
    }
  }
  for (std::size_t n = 0; n < seen.size(); ++n) EXPECT_EQ(seen[n], n < 5 ? 0 : 1) << n;
  EXPECT_EQ(lanes->sum(1), 200U);
  EXPECT_THAT(lanes->end(), IsEmpty());
}

TEST(Lanes, ThatDoNotStopAreKilledAndNumbersAreTold) {
  auto lanes = Lanes::start(2, 0, [](Lane& lane) {
    while (lane.told() != std::vector<u64>{200, 7}) ::usleep(1000);
    lane.send("seen");
    while (lane.take_number() != ~u64{0}) ::usleep(1000);
  });
  ASSERT_TRUE(lanes);
  lanes->tell(200);
  lanes->tell(7);
  std::size_t messages = 0;
  for (int tries = 0; tries < 200 && messages < 2; ++tries) messages += lanes->wait(0.1)->size();
  EXPECT_EQ(messages, 2U);
  lanes->ask_to_stop();
  EXPECT_THAT(lanes->end(), IsEmpty()) << "killed by us";
}

}  // namespace
}  // namespace iommucheck::oracle::parts_test
