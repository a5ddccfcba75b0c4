// SPDX-License-Identifier: MIT
// A trace through the C door, by structs and by lines, says what `replay` says of its file.
#include <gtest/gtest.h>

#include "import/smmu_watch.h"
#include "monitor/replay.h"
#include "report/finding_text.h"
#include "tests/capi/door_support.h"
#include "tests/monitor/replay_support.h"
#include "tests/own_path.h"
#include "tests/places.h"
#include "trace/json.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::door_agreement_test {
namespace {

using trace::Event;
using trace::Trace;

enum class Way { structs, lines };

MonitorPtr feed(const Trace& trace, Way way) {
  MonitorPtr monitor = open_monitor(trace.header);
  if (!monitor) return monitor;
  for (const Event& event : trace.events) {
    const int answer =
        way == Way::structs
            ? iommucheck_monitor_report(monitor.get(), EventStruct(event).get())
            : iommucheck_monitor_report_json(monitor.get(), trace::to_json(event).c_str());
    EXPECT_GE(answer, 0) << iommucheck_monitor_last_error(monitor.get()) << trace::to_json(event);
    if (answer < 0) return monitor;
  }
  iommucheck_monitor_finish(monitor.get());
  return monitor;
}

std::string file_of(const Trace& trace, const std::string& name) {
  std::string path = test::own_path("door_" + name + ".trace.zst");
  EXPECT_TRUE(trace::write_trace(trace, path));
  return path;
}

ReplayResult replayed(const std::string& path) {
  ReplayOptions options;
  options.trace = path;
  options.findings_max = 1000;
  auto result = run_replay(options);
  EXPECT_TRUE(result) << result.error().message;
  return result ? std::move(*result) : ReplayResult{};
}

/// Findings, numbers, missing facts and rules are those of the replay; so is the evidence.
void expect_same(iommucheck_monitor* monitor, const ReplayResult& result) {
  ASSERT_EQ(static_cast<std::size_t>(iommucheck_monitor_findings(monitor)), result.findings.size());
  for (u32 i = 0; i < result.findings.size(); ++i) {
    const Violation& wanted = result.findings[i];
    EXPECT_EQ(iommucheck_monitor_finding_text(monitor, i, IOMMUCHECK_FINDING_RULE),
              spec::rule_name(wanted.rule));
    EXPECT_EQ(iommucheck_monitor_finding_text(monitor, i, IOMMUCHECK_FINDING_TEXT),
              headline(wanted));
    const std::vector<std::string> lines = evidence(wanted);
    for (u32 line = 0; line < lines.size(); ++line) {
      const char* its = iommucheck_monitor_evidence(monitor, i, line);
      ASSERT_NE(its, nullptr);
      EXPECT_EQ(its, lines[line]);
    }
    EXPECT_EQ(iommucheck_monitor_evidence(monitor, i, static_cast<u32>(lines.size())), nullptr);
  }
  iommucheck_summary all{};
  all.size = sizeof all;
  all.abi = IOMMUCHECK_MONITOR_ABI;
  ASSERT_EQ(iommucheck_monitor_summary(monitor, &all), 0);
  EXPECT_EQ(all.judged, result.events);
  EXPECT_EQ(all.reported, result.events + result.notes);
  EXPECT_EQ(all.accepted, result.accepted);
  EXPECT_EQ(all.flagged, result.flagged);
  EXPECT_EQ(all.undetermined, result.undetermined);
  for (u32 i = 0; i < result.missing.size(); ++i) {
    u64 events = 0;
    const char* fact = iommucheck_monitor_missing(monitor, i, &events);
    ASSERT_NE(fact, nullptr);
    EXPECT_EQ(fact, result.missing[i].fact);
    EXPECT_EQ(events, result.missing[i].events);
  }
  iommucheck_rule rule{};
  rule.size = sizeof rule;
  rule.abi = IOMMUCHECK_MONITOR_ABI;
  for (u32 i = 0; i < result.rules.size(); ++i) {
    ASSERT_EQ(iommucheck_monitor_rule(monitor, i, &rule), 0);
    EXPECT_EQ(rule.rule, spec::rule_name(result.rules[i].rule));
    EXPECT_EQ(rule.verdict, static_cast<u32>(result.rules[i].verdict)) << rule.rule;
    EXPECT_EQ(rule.kept, result.rules[i].kept) << rule.rule;
  }
  EXPECT_EQ(iommucheck_monitor_rule(monitor, static_cast<u32>(result.rules.size()), &rule),
            -IOMMUCHECK_ENOENT);
}

void expect_agreement(const Trace& trace, const std::string& name, bool broken) {
  const std::string path = file_of(trace, name);
  const ReplayResult result = replayed(path);
  EXPECT_EQ(!result.findings.empty(), broken) << name;
  const MonitorPtr by_structs = feed(trace, Way::structs);
  const MonitorPtr by_lines = feed(trace, Way::lines);
  ASSERT_TRUE(by_structs && by_lines);
  expect_same(by_structs.get(), result);
  expect_same(by_lines.get(), result);
  EXPECT_EQ(said(by_structs.get()), said(by_lines.get()));

  // What is saved is what was reported.
  const std::string saved = test::own_path("door_" + name + ".saved.trace.gz");
  ASSERT_EQ(iommucheck_monitor_save(by_structs.get(), saved.c_str()), 0)
      << iommucheck_monitor_last_error(by_structs.get());
  const auto again = trace::read_trace(saved);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, trace);
}

TEST(DoorAgreement, ARecordingOfLinux) {
  const auto trace =
      import_smmu_watch(test::in_tree("tests/data/recordings/linux612_boot.jsonl.zst"));
  ASSERT_TRUE(trace) << trace.error().message;
  Trace begin = *trace;
  begin.events.resize(std::min<std::size_t>(begin.events.size(), 6000));
  expect_agreement(begin, "linux", false);
}

TEST(DoorAgreement, ARecordingWithoutItsInvalidations) {
  const auto whole =
      import_smmu_watch(test::in_tree("tests/data/recordings/linux61_boot.jsonl.zst"));
  ASSERT_TRUE(whole) << whole.error().message;
  Trace trace = *whole;
  trace.events.resize(std::min<std::size_t>(trace.events.size(), 3000));
  for (Event& event : trace.events) {
    auto* consumed = std::get_if<trace::CommandConsumed>(&event.payload);
    if (consumed == nullptr || !consumed->command) continue;
    const u64 opcode = consumed->command->low & 0xff;
    if (opcode == 0x12 || opcode == 0x11) consumed->command = trace::CommandWords{0x01, 0};
  }
  expect_agreement(trace, "broken_linux", true);
}

TEST(DoorAgreement, ARecordingOfTwoSmmus) {
  EditedRecording recording = EditedRecording::read("linux61_boot");
  const auto sites = unmap_sites(recording);
  ASSERT_FALSE(sites.empty());
  recording.cut(sites.front().remap + 50);
  const Trace right = recording.imported();
  const std::size_t tlbi = sites.front().tlbi;
  recording.set_hex(tlbi, "hi", recording.hex(tlbi, "hi") ^ 0x4000'0000);
  expect_agreement(of_two(right, right), "two_smmus", false);
  expect_agreement(of_two(right, recording.imported()), "forgetful_smmu", true);
}

TEST(DoorAgreement, ALockstep) { expect_agreement(clean_trace(), "clean", false); }

TEST(DoorAgreement, ATwin) { expect_agreement(broken_trace(), "broken", true); }

/// Where the broken one is found, the report's number is its line in the trace.
TEST(DoorAgreement, FindingsNameTheReport) {
  const Trace trace = broken_trace();
  const MonitorPtr monitor = open_monitor(trace.header);
  u64 reported = 0;
  for (const Event& event : trace.events) {
    const int answer = iommucheck_monitor_report(monitor.get(), EventStruct(event).get());
    ++reported;
    if (answer == IOMMUCHECK_VERDICT_VIOLATION) break;
  }
  ASSERT_GE(iommucheck_monitor_findings(monitor.get()), 1);
  EXPECT_EQ(iommucheck_monitor_finding_report(monitor.get(), 0), reported);
  EXPECT_EQ(iommucheck_monitor_verdict(monitor.get()), IOMMUCHECK_VERDICT_VIOLATION);
  const std::string all = iommucheck_monitor_finding_text(monitor.get(), 0, IOMMUCHECK_FINDING_ALL);
  EXPECT_NE(all.find("line " + std::to_string(reported + 1) + " of the trace"), std::string::npos)
      << all;
}

}  // namespace
}  // namespace iommucheck::oracle::door_agreement_test
