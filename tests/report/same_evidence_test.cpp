// SPDX-License-Identifier: MIT
// `check`, `replay` of the trace that it writes, and the C door fed with that trace print the same
// headline and the same evidence for the same finding; and each line of the trace that the evidence
// names is that event in the file. For every broken driver of the museum.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "check/check.h"
#include "monitor/replay.h"
#include "report/event_text.h"
#include "report/finding_text.h"
#include "tests/capi/door_support.h"
#include "tests/check/lockstep_support.h"
#include "trace/json.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::same_evidence_test {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> all_twins() {
  std::vector<std::string> names = test::twins();
  names.insert(names.end(), test::process_twins().begin(), test::process_twins().end());
  return names;
}

class SameEvidence : public ::testing::TestWithParam<std::string> {
 protected:
  SameEvidence()
      : folder_(std::filesystem::temp_directory_path() /
                ("iommucheck-evidence-" + GetParam() + "-" + std::to_string(::getpid()))) {}
  ~SameEvidence() override { std::filesystem::remove_all(folder_); }

  /// The first finding of a run, without what only the run knows.
  Violation checked() const {
    CheckOptions options;
    options.driver = test::museum(GetParam());
    options.seed = 1;
    options.sequences = 60'000;
    options.out_directory = folder_.string();
    auto result = run_check(options);
    if (!result || result->findings.empty()) {
      ADD_FAILURE() << (result ? "nothing found" : result.error().message);
      return {};
    }
    Violation found = std::move(result->findings.front());
    found.remarks.clear();
    return found;
  }

 private:
  std::filesystem::path folder_;
};

TEST_P(SameEvidence, InCheckReplayAndTheDoor) {
  const Violation found = checked();
  ASSERT_FALSE(found.trace_path.empty());

  ReplayOptions options;
  options.trace = found.trace_path;
  const auto again = run_replay(options);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  ASSERT_FALSE(again->findings.empty());
  EXPECT_EQ(headline(again->findings.front()), headline(found));
  EXPECT_EQ(evidence(again->findings.front()), evidence(found));

  const auto trace = trace::read_trace(found.trace_path);
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  const MonitorPtr monitor = open_monitor(trace->header);
  for (const trace::Event& event : trace->events) {
    EventStruct as_struct(event);
    iommucheck_monitor_report(monitor.get(), as_struct.get());
  }
  iommucheck_monitor_finish(monitor.get());
  ASSERT_GE(iommucheck_monitor_findings(monitor.get()), 1);
  EXPECT_EQ(iommucheck_monitor_finding_text(monitor.get(), 0, IOMMUCHECK_FINDING_TEXT),
            headline(found));
  std::vector<std::string> lines;
  while (const char* line =
             iommucheck_monitor_evidence(monitor.get(), 0, static_cast<u32>(lines.size()))) {
    lines.emplace_back(line);
  }
  EXPECT_EQ(lines, evidence(found));
}

TEST_P(SameEvidence, NamesLinesOfTheWrittenFile) {
  const Violation found = checked();
  ASSERT_FALSE(found.named.empty());
  std::ifstream file(found.trace_path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  for (const NamedEvent& named : found.named) {
    ASSERT_LE(named.line, lines.size());
    EXPECT_EQ(lines[named.line - 1], trace::to_json(named.event));
    EXPECT_THAT(event_line(named, true),
                HasSubstr("(line " + std::to_string(named.line) + " of the trace)"));
  }
}

INSTANTIATE_TEST_SUITE_P(Museum, SameEvidence, ::testing::ValuesIn(all_twins()),
                         [](const auto& its) { return its.param; });

/// What the evidence has to name where a TLBI has the wrong ASID: that TLBI, not the boot's.
TEST(Evidence, NamesTheCommandWithTheWrongAsid) {
  CheckOptions options;
  options.driver = test::museum("tlbi_wrong_asid");
  options.sequences = 20'000;
  const auto result = run_check(options);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  ASSERT_EQ(result->findings.size(), 1U);
  const std::vector<std::string> lines = evidence(result->findings.front());
  EXPECT_THAT(lines, ::testing::Contains(HasSubstr("; the entry has ASID")));
  EXPECT_THAT(lines, ::testing::Not(::testing::Contains(HasSubstr("nearest miss: TLBI_NSNH_ALL"))));
}

}  // namespace
}  // namespace iommucheck::oracle::same_evidence_test
