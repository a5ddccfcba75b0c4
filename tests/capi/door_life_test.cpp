// SPDX-License-Identifier: MIT
// The C door's life: opening, errors with their texts, ends, files, several monitors at a time.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "iommucheck/monitor_report.h"
#include "report/coverage.h"
#include "tests/capi/door_support.h"
#include "tests/own_path.h"
#include "tests/report/xml_support.h"
#include "trace/json.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::door_life_test {
namespace {

using trace::Event;
using trace::Trace;

std::string slurp(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}
std::string temporary(const std::string& name) {
  std::string path = test::own_path("door_life_" + name);
  std::filesystem::remove(path);
  return path;
}
std::string why(const MonitorPtr& monitor) { return iommucheck_monitor_last_error(monitor.get()); }
int report(const MonitorPtr& monitor, const Event& event) {
  return iommucheck_monitor_report(monitor.get(), EventStruct(event).get());
}
MonitorPtr fed(const Trace& trace) {
  MonitorPtr monitor = open_monitor(trace.header);
  for (const Event& event : trace.events) EXPECT_GE(report(monitor, event), 0) << why(monitor);
  return monitor;
}

TEST(DoorLife, NothingIsRefused) {
  EXPECT_EQ(iommucheck_monitor_open(nullptr), nullptr);
  EXPECT_NE(std::string(iommucheck_monitor_last_error(nullptr)), "");
  EXPECT_EQ(iommucheck_monitor_open_file(nullptr), nullptr);
  iommucheck_monitor_close(nullptr);
  const int refused = -IOMMUCHECK_EINVAL;
  EXPECT_EQ(iommucheck_monitor_report(nullptr, nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_report_json(nullptr, nullptr), refused);
  EXPECT_EQ(iommucheck_report_exit(nullptr, 0, 0, 0), refused);
  EXPECT_EQ(iommucheck_monitor_flush(nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_finish(nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_verdict(nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_summary(nullptr, nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_findings(nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_finding(nullptr, 0, nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_evidence(nullptr, 0, 0), nullptr);
  EXPECT_EQ(iommucheck_monitor_finding_text(nullptr, 0, 0), nullptr);
  EXPECT_EQ(iommucheck_monitor_finding_report(nullptr, 0), 0u);
  EXPECT_EQ(iommucheck_monitor_missing(nullptr, 0, nullptr), nullptr);
  EXPECT_EQ(iommucheck_monitor_rule(nullptr, 0, nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_keep(nullptr, 1), refused);
  EXPECT_EQ(iommucheck_monitor_save(nullptr, "x"), refused);
  EXPECT_EQ(iommucheck_monitor_add_coverage(nullptr, "x"), refused);
  EXPECT_EQ(iommucheck_monitor_save_junit(nullptr, "x", nullptr), refused);

  const MonitorPtr monitor = open_monitor();
  EXPECT_EQ(iommucheck_monitor_report(monitor.get(), nullptr), refused);
  EXPECT_NE(why(monitor).find("the event is NULL"), std::string::npos);
  EXPECT_EQ(iommucheck_monitor_report_json(monitor.get(), nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_summary(monitor.get(), nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_save(monitor.get(), nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_add_coverage(monitor.get(), nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_save_junit(monitor.get(), nullptr, nullptr), refused);
  EXPECT_EQ(iommucheck_monitor_finding(monitor.get(), 0, nullptr), -IOMMUCHECK_ENOENT);
  iommucheck_summary summary{};  // size and abi are not set
  EXPECT_EQ(iommucheck_monitor_summary(monitor.get(), &summary), refused);
  EXPECT_EQ(iommucheck_monitor_verdict(monitor.get()), IOMMUCHECK_VERDICT_OK);
}

TEST(DoorLife, AProfileIsCheckedBeforeItOpens) {
  const std::pair<const char*, const char*> bad[] = {
      {"", "profile:1:1"},
      {"{}", "iommucheck-trace"},
      {R"({"iommucheck-trace":2,"versions":{}})", "version"},
      {R"({"iommucheck-trace":1,"versions":{},"nonsense":true})", "nonsense"},
      {R"({"iommucheck-trace":1,"versions":{}})", "IDR0 is missing"},
      {R"({"iommucheck-trace":1,"versions":{},"id_registers":{"IDR0":"0x2","IDR1":"0x0"}})",
       "IDR5 is missing"},
      {R"({"iommucheck-trace":1,"versions":{},"id_registers":{"IDR0":"0x100000000","IDR1":"0x0","IDR5":"0x0"}})",
       "more than 32 bits"},
  };
  for (const auto& [profile, message] : bad) {
    EXPECT_EQ(iommucheck_monitor_open(profile), nullptr) << profile;
    const std::string error = iommucheck_monitor_last_error(nullptr);
    EXPECT_NE(error.find(message), std::string::npos) << error;
  }
  // Over several lines, and the first line of a trace.
  const std::string path = temporary("profile.json");
  std::string text = trace::to_json(door_header());
  for (std::size_t i = text.find(','); i != std::string::npos; i = text.find(',', i + 2)) {
    text.insert(i + 1, "\n");
  }
  std::ofstream(path) << text << "\n";
  EXPECT_NE(MonitorPtr(iommucheck_monitor_open_file(path.c_str())), nullptr)
      << iommucheck_monitor_last_error(nullptr);
  const std::string whole = temporary("whole.trace.gz");
  ASSERT_TRUE(trace::write_trace(clean_trace(), whole));
  EXPECT_NE(MonitorPtr(iommucheck_monitor_open_file(whole.c_str())), nullptr);
  EXPECT_EQ(iommucheck_monitor_open_file("/nowhere"), nullptr);
  EXPECT_NE(std::string(iommucheck_monitor_last_error(nullptr)).find("/nowhere"),
            std::string::npos);
}

TEST(DoorLife, OrderAndNumbersMayBeAnything) {
  const MonitorPtr monitor = open_monitor();
  // A return without a call, an access before anything, a queue that is not there.
  EXPECT_EQ(iommucheck_report_return(monitor.get(), 0, 0, 99, IOMMUCHECK_OK, 0, nullptr, 0, 0),
            IOMMUCHECK_VERDICT_UNDETERMINED);
  EXPECT_GE(iommucheck_report_command_consumed(monitor.get(), IOMMUCHECK_SMMU(0), 0, 7, 0, 0), 0);
  EXPECT_GE(iommucheck_report_call_unmap(monitor.get(), 0, 0, 1, 12345, 0, 4096), 0);
  EXPECT_EQ(iommucheck_report_note(monitor.get(), 0, 0, IOMMUCHECK_NOTE_TEXT, nullptr, 0, 0),
            -IOMMUCHECK_EINVAL);
  EXPECT_NE(why(monitor).find("`text` (Text) is NULL"), std::string::npos) << why(monitor);
  EXPECT_EQ(iommucheck_report_note(monitor.get(), 0, 0, IOMMUCHECK_NOTE_TEXT, "here", 0, 0),
            IOMMUCHECK_VERDICT_OK);
  EXPECT_NE(iommucheck_monitor_missing(monitor.get(), 0, nullptr), nullptr);
  EXPECT_GE(iommucheck_monitor_finish(monitor.get()), 0);
  EXPECT_EQ(iommucheck_report_note(monitor.get(), 0, 0, IOMMUCHECK_NOTE_TEXT, "late", 0, 0),
            -IOMMUCHECK_EPIPE);
  EXPECT_EQ(iommucheck_monitor_flush(monitor.get()), -IOMMUCHECK_EPIPE);
  EXPECT_GE(iommucheck_monitor_finish(monitor.get()), 0);
}

TEST(DoorLife, MonitorsShareNothing) {
  const Trace good = clean_trace();
  const Trace bad = broken_trace();
  const MonitorPtr first = open_monitor(good.header);
  const MonitorPtr second = open_monitor(bad.header);
  for (std::size_t i = 0; i < std::max(good.events.size(), bad.events.size()); ++i) {
    if (i < good.events.size()) {
      EXPECT_GE(report(first, good.events[i]), 0);
    }
    if (i < bad.events.size()) {
      EXPECT_GE(report(second, bad.events[i]), 0);
    }
  }
  EXPECT_EQ(iommucheck_monitor_finish(first.get()), IOMMUCHECK_VERDICT_OK);
  EXPECT_EQ(iommucheck_monitor_finish(second.get()), IOMMUCHECK_VERDICT_VIOLATION);

  std::vector<std::string> wanted = said(second.get());
  std::vector<std::vector<std::string>> got(4);
  std::vector<std::thread> threads;
  for (auto& lines : got) {
    threads.emplace_back([&lines, &bad] {
      const MonitorPtr own = fed(bad);
      iommucheck_monitor_finish(own.get());
      lines = said(own.get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& lines : got) EXPECT_EQ(lines, wanted);
}

TEST(DoorLife, CoverageIsAddedOnceARun) {
  const std::string path = temporary("coverage.json");
  const Trace trace = broken_trace();
  const MonitorPtr monitor = fed(trace);
  ASSERT_EQ(iommucheck_monitor_add_coverage(monitor.get(), path.c_str()), 0) << why(monitor);
  ASSERT_EQ(iommucheck_monitor_add_coverage(monitor.get(), path.c_str()), 0) << why(monitor);
  const auto once = coverage_from_json(slurp(path), path);
  ASSERT_TRUE(once) << once.error().message;
  EXPECT_EQ(once->runs, 1u);
  u64 asked = 0;
  u64 broken = 0;
  for (const auto& [name, counts] : once->rules) {
    asked += counts.asked;
    broken += counts.broken;
  }
  EXPECT_GT(asked, 0u);
  EXPECT_GT(broken, 0u);
  ASSERT_EQ(iommucheck_monitor_add_coverage(fed(trace).get(), path.c_str()), 0);
  const auto twice = coverage_from_json(slurp(path), path);
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->runs, 2u);
  for (const auto& [name, counts] : twice->rules) {
    EXPECT_EQ(counts.asked, 2 * once->rules.at(name).asked) << name;
  }
  std::ofstream(path) << "mine";
  EXPECT_EQ(iommucheck_monitor_add_coverage(monitor.get(), path.c_str()), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(iommucheck_monitor_add_coverage(monitor.get(), "/nowhere/x"), -IOMMUCHECK_EIO);
}

TEST(DoorLife, KeepingMayBeSwitchedOff) {
  const Trace trace = broken_trace();
  const std::string path = temporary("kept.trace");
  const MonitorPtr kept = fed(trace);
  const MonitorPtr forgetful = open_monitor(trace.header);
  EXPECT_EQ(iommucheck_monitor_keep(forgetful.get(), 0), 0);
  for (const Event& event : trace.events) EXPECT_GE(report(forgetful, event), 0);
  EXPECT_EQ(iommucheck_monitor_save(forgetful.get(), path.c_str()), -IOMMUCHECK_EINVAL);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(iommucheck_monitor_keep(forgetful.get(), IOMMUCHECK_KEEP_ALL), 0);
  EXPECT_EQ(iommucheck_monitor_save(forgetful.get(), path.c_str()), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(iommucheck_monitor_save(kept.get(), path.c_str()), 0);
  EXPECT_EQ(iommucheck_monitor_keep(kept.get(), 0), 0);
  EXPECT_EQ(iommucheck_monitor_save(kept.get(), path.c_str()), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(iommucheck_monitor_save(kept.get(), "/nowhere/x"), -IOMMUCHECK_EINVAL);
  // The violation is the same without the events, its evidence shorter.
  ASSERT_GE(iommucheck_monitor_findings(forgetful.get()), 1);
  EXPECT_STREQ(iommucheck_monitor_finding_text(forgetful.get(), 0, IOMMUCHECK_FINDING_TEXT),
               iommucheck_monitor_finding_text(kept.get(), 0, IOMMUCHECK_FINDING_TEXT));
}

TEST(DoorLife, JunitHasEachRule) {
  const std::string path = temporary("report.xml");
  const MonitorPtr monitor = fed(broken_trace());
  iommucheck_monitor_finish(monitor.get());
  ASSERT_EQ(iommucheck_monitor_save_junit(monitor.get(), path.c_str(), "my <bench>"), 0);
  const auto document = parse_xml(slurp(path));
  ASSERT_TRUE(document) << slurp(path);
  const XmlElement& suite = *document->all("testsuite").at(0);
  EXPECT_EQ(suite.attributes.at("name"), "my <bench>");
  const std::string rule =
      iommucheck_monitor_finding_text(monitor.get(), 0, IOMMUCHECK_FINDING_RULE);
  bool found = false;
  for (const XmlElement* one : suite.all("testcase")) {
    if (one->attributes.at("name") != rule) continue;
    found = true;
    ASSERT_EQ(one->all("failure").size(), 1u);
    EXPECT_NE(one->all("failure")[0]->text.find("of the trace"), std::string::npos);
  }
  EXPECT_TRUE(found) << rule;
}

/// A device that tells of the commands that it takes, to a monitor that also sees the slots: right
/// if in order, and wrong if one is left out or taken before it is there.
TEST(DoorLife, ConsumedCommandsAreFollowedBesideTheSlots) {
  Trace trace = clean_trace();
  std::vector<Event> events;
  u32 prod = 0;
  u32 lg2 = 0;
  for (const Event& event : trace.events) {
    events.push_back(event);
    const auto* write = std::get_if<trace::MmioWrite>(&event.payload);
    if (write == nullptr) continue;
    if (write->offset == 0x90) lg2 = static_cast<u32>(write->value & 31);
    if (write->offset != 0x98) continue;
    for (; prod != write->value; prod = (prod + 1) & ((2U << lg2) - 1)) {
      events.push_back(
          {.agent = trace::smmu_agent(),
           .payload = trace::CommandConsumed{.slot = prod & ((1U << lg2) - 1), .command = {}},
           .origin = {}});
    }
  }
  ASSERT_GT(events.size(), trace.events.size() + 5);
  trace.events = events;
  const MonitorPtr right = fed(trace);
  EXPECT_EQ(iommucheck_monitor_finish(right.get()), IOMMUCHECK_VERDICT_OK)
      << iommucheck_monitor_finding_text(right.get(), 0, IOMMUCHECK_FINDING_ALL);

  const auto is_consumed = [](const Event& event) {
    return std::holds_alternative<trace::CommandConsumed>(event.payload);
  };
  const auto third =
      std::find_if(std::next(std::find_if(events.begin(), events.end(), is_consumed)), events.end(),
                   is_consumed);
  trace.events.erase(trace.events.begin() + (third - events.begin()));
  const MonitorPtr skipped = fed(trace);
  ASSERT_EQ(iommucheck_monitor_findings(skipped.get()), 1);
  EXPECT_STREQ(iommucheck_monitor_finding_text(skipped.get(), 0, IOMMUCHECK_FINDING_RULE),
               "QUEUE_CONSUMED_ORDER");
  EXPECT_STREQ(iommucheck_monitor_finding_text(skipped.get(), 0, IOMMUCHECK_FINDING_PARTY),
               "device");
}

}  // namespace
}  // namespace iommucheck::oracle::door_life_test
