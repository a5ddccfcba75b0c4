// SPDX-License-Identifier: MIT
// Callers that are older or newer than the library; events as bytes in pieces of any size; the last
// events alone; what a finding says as numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "capi/grow.h"
#include "iommucheck/monitor_report.h"
#include "monitor/replay.h"
#include "tests/capi/door_support.h"
#include "tests/own_path.h"
#include "tests/trace/draw.h"
#include "trace/json.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::door_growth_test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using trace::Event;
using trace::Trace;

std::string why(const MonitorPtr& monitor) { return iommucheck_monitor_last_error(monitor.get()); }

// ---- structs ------------------------------------------------------------------------------------

struct Old {
  u32 size, abi;
  u64 a;
};
struct New {
  u32 size, abi;
  u64 a, b;
};

TEST(DoorGrowth, AnOldCallerIsGivenWhatItHas) {
  struct {
    Old its{sizeof(Old), 7, 99};
    u64 behind = 0x1234;
  } caller;
  auto* out = reinterpret_cast<New*>(&caller.its);
  ASSERT_TRUE(give(out, New{0, 0, 1, 2}, sizeof(Old), 7));
  EXPECT_EQ(caller.its.a, 1U);
  EXPECT_EQ(caller.its.size, sizeof(Old));
  EXPECT_EQ(caller.behind, 0x1234U) << "written behind the caller's struct";
}

TEST(DoorGrowth, ANewCallerFindsZerosWhereTheLibraryKnowsLess) {
  New caller{sizeof(New), 7, 99, 99};
  ASSERT_TRUE(give(reinterpret_cast<Old*>(&caller), Old{0, 0, 1}, sizeof(Old), 7));
  EXPECT_EQ(caller.a, 1U);
  EXPECT_EQ(caller.b, 0U);
  EXPECT_EQ(caller.size, sizeof(New));
}

TEST(DoorGrowth, LessThanTheFirstVersionAndAnotherAbiAreRefused) {
  New caller{sizeof(Old) - 8, 7, 99, 99};
  EXPECT_FALSE(give(&caller, New{}, sizeof(Old), 7));
  caller.size = sizeof(New);
  for (const u32 abi : {0U, 6U, 8U}) {
    caller.abi = abi;
    EXPECT_FALSE(give(&caller, New{}, sizeof(Old), 7)) << abi;
  }
  EXPECT_EQ(caller.a, 99U);
}

/// `ask(struct)` of a real one: of its first version, larger, and too small.
template <class Struct, class Ask>
void expect_growth(u32 first_version, Ask&& ask) {
  struct {
    Struct its{};
    u64 later[2] = {99, 99};
  } caller;
  caller.its.abi = IOMMUCHECK_MONITOR_ABI;
  caller.its.size = first_version;
  EXPECT_EQ(ask(&caller.its), 0);
  EXPECT_EQ(caller.later[0], 99U);
  caller.its.size = sizeof caller;
  EXPECT_EQ(ask(&caller.its), 0);
  EXPECT_EQ(caller.later[0] | caller.later[1], 0U);
  EXPECT_EQ(caller.its.size, sizeof caller);
  caller.its.size = first_version - 8;
  EXPECT_EQ(ask(&caller.its), -IOMMUCHECK_EINVAL);
  caller.its.size = first_version;
  caller.its.abi = IOMMUCHECK_MONITOR_ABI + 1;
  EXPECT_EQ(ask(&caller.its), -IOMMUCHECK_EINVAL);
}

MonitorPtr fed(const Trace& trace) {
  MonitorPtr monitor = open_monitor(trace.header);
  for (const Event& event : trace.events) {
    EXPECT_GE(iommucheck_monitor_report(monitor.get(), EventStruct(event).get()), 0)
        << why(monitor);
  }
  return monitor;
}

/// The first finding that has causes.
u32 with_causes(iommucheck_monitor* m) {
  for (u32 i = 0; i < static_cast<u32>(iommucheck_monitor_findings(m)); ++i) {
    iommucheck_finding finding{};
    finding.size = sizeof finding;
    finding.abi = IOMMUCHECK_MONITOR_ABI;
    EXPECT_EQ(iommucheck_monitor_finding(m, i, &finding), 0);
    if (finding.causes != 0) return i;
  }
  ADD_FAILURE() << "no finding has a cause";
  return 0;
}

TEST(DoorGrowth, EveryStructThatIsFilledGrows) {
  const MonitorPtr owner = fed(broken_trace());
  iommucheck_monitor* m = owner.get();
  const u32 found = with_causes(m);
  expect_growth<iommucheck_summary>(IOMMUCHECK_SUMMARY_SIZE_VER0, [&](iommucheck_summary* out) {
    return iommucheck_monitor_summary(m, out);
  });
  expect_growth<iommucheck_finding>(IOMMUCHECK_FINDING_SIZE_VER0, [&](iommucheck_finding* out) {
    return iommucheck_monitor_finding(m, found, out);
  });
  expect_growth<iommucheck_cause>(IOMMUCHECK_CAUSE_SIZE_VER0, [&](iommucheck_cause* out) {
    return iommucheck_monitor_cause(m, found, 0, out);
  });
  expect_growth<iommucheck_named>(IOMMUCHECK_NAMED_SIZE_VER0, [&](iommucheck_named* out) {
    return iommucheck_monitor_named(m, found, 0, out);
  });
  expect_growth<iommucheck_rule>(IOMMUCHECK_RULE_SIZE_VER0, [&](iommucheck_rule* out) {
    return iommucheck_monitor_rule(m, 0, out);
  });
}

/// Members that the library does not know are not looked at, in an event and in a call's arguments.
TEST(DoorGrowth, AnEventOfANewerCallerIsTaken) {
  const Trace trace = clean_trace();
  const MonitorPtr monitor = open_monitor(trace.header);
  u64 calls = 0;
  for (const Event& event : trace.events) {
    EventStruct its(event);
    its.members().push_back(0xdead);
    its.get()->size += 8;
    if (!its.arguments().empty()) {
      // The longer arguments lie elsewhere: the event has to point there.
      std::vector<u64> longer = its.arguments();
      longer.push_back(0xdead);
      const u32 size = static_cast<u32>(8 * longer.size());
      std::memcpy(longer.data(), &size, sizeof size);
      const u64* first = longer.data();
      std::memcpy(&its.members()[sizeof(iommucheck_event) / 8 + 2], &first, sizeof first);
      ASSERT_GE(iommucheck_monitor_report(monitor.get(), its.get()), 0) << why(monitor);
      ++calls;
      continue;
    }
    ASSERT_GE(iommucheck_monitor_report(monitor.get(), its.get()), 0) << why(monitor);
  }
  EXPECT_GT(calls, 5U);
  EXPECT_EQ(iommucheck_monitor_finish(monitor.get()), IOMMUCHECK_VERDICT_OK);
  EXPECT_EQ(said(monitor.get()), [&] {
    const MonitorPtr plain = fed(trace);
    iommucheck_monitor_finish(plain.get());
    return said(plain.get());
  }());
}

/// What another SMMU does is not taken for what the one that is followed does.
TEST(DoorIommus, AnotherIsNotFollowed) {
  const MonitorPtr owner = open_monitor();
  iommucheck_monitor* m = owner.get();
  const auto irq = [&](u64 known, u64 iommu) {
    return iommucheck_report_irq(m, IOMMUCHECK_CPU(0), known, IOMMUCHECK_IRQ_GLOBAL_ERROR, iommu);
  };
  EXPECT_EQ(irq(0, 0), IOMMUCHECK_VERDICT_OK);
  EXPECT_EQ(irq(IOMMUCHECK_IRQ_IOMMU, 0), IOMMUCHECK_VERDICT_OK);
  EXPECT_EQ(irq(IOMMUCHECK_IRQ_IOMMU, 1), IOMMUCHECK_VERDICT_UNDETERMINED);
  EXPECT_EQ(iommucheck_report_mmio_write(m, IOMMUCHECK_CPU(0), IOMMUCHECK_MMIO_WRITE_IOMMU, 0x20, 4,
                                         0, 0, 1, 0),
            IOMMUCHECK_VERDICT_UNDETERMINED);
  EXPECT_THAT(iommucheck_monitor_missing(m, 0, nullptr), HasSubstr("another SMMU"));
}

// ---- bytes --------------------------------------------------------------------------------------

std::vector<u8> as_bytes(const Trace& trace) {
  std::vector<u8> all;
  std::vector<u8> one(1 << 16);
  for (const Event& event : trace.events) {
    const EventStruct its(event);
    const int64_t count = iommucheck_monitor_encode(its.get(), one.data(), one.size());
    EXPECT_GT(count, 0) << iommucheck_monitor_last_error(nullptr);
    EXPECT_EQ(iommucheck_monitor_encode(its.get(), nullptr, 0), -IOMMUCHECK_ENOSPC);
    all.insert(all.end(), one.begin(), one.begin() + count);
  }
  return all;
}

TEST(DoorBytes, PiecesOfAnySizeSayWhatStructsSay) {
  const Trace trace = broken_trace();
  const std::vector<u8> bytes = as_bytes(trace);
  const MonitorPtr wanted = fed(trace);
  for (const u64 most : {u64{1}, u64{7}, u64{300}, u64{bytes.size()}}) {
    trace::Draw draw(most);
    const MonitorPtr monitor = open_monitor(trace.header);
    int worst = IOMMUCHECK_VERDICT_OK;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t piece = std::min<std::size_t>(1 + draw.below(most), bytes.size() - at);
      const int answer = iommucheck_monitor_report_bytes(monitor.get(), bytes.data() + at, piece);
      ASSERT_GE(answer, 0) << why(monitor);
      if (answer == IOMMUCHECK_VERDICT_VIOLATION) worst = answer;
      at += piece;
    }
    EXPECT_EQ(worst, IOMMUCHECK_VERDICT_VIOLATION);
    EXPECT_EQ(said(monitor.get()), said(wanted.get())) << most;
  }
}

TEST(DoorBytes, WhatIsNoEventEndsTheStream) {
  const Trace trace = clean_trace();
  const std::vector<u8> bytes = as_bytes(trace);
  const MonitorPtr monitor = open_monitor(trace.header);
  iommucheck_monitor* m = monitor.get();
  // The beginning of an event is not lost, and not forgotten silently.
  ASSERT_GE(iommucheck_monitor_report_bytes(m, bytes.data(), bytes.size() - 1), 0) << why(monitor);
  EXPECT_EQ(iommucheck_monitor_finish(m), -IOMMUCHECK_EINVAL);
  EXPECT_THAT(why(monitor), HasSubstr("ends within an event"));
  ASSERT_GE(iommucheck_monitor_report_bytes(m, bytes.data() + bytes.size() - 1, 1), 0);
  // Garbage: refused, and so is what follows, until another stream begins.
  const u8 garbage[] = {2, 0xff, 0x7f};
  EXPECT_EQ(iommucheck_monitor_report_bytes(m, garbage, sizeof garbage), -IOMMUCHECK_EINVAL);
  EXPECT_THAT(why(monitor), HasSubstr("stream of events, byte " + std::to_string(bytes.size())));
  EXPECT_EQ(iommucheck_monitor_report_bytes(m, bytes.data(), 10), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(iommucheck_monitor_report_bytes(m, nullptr, 1), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(iommucheck_monitor_restart_bytes(m), 0);
  // One byte more than the event has.
  ASSERT_LT(bytes[0], 0x7f);
  std::vector<u8> longer(bytes.begin(), bytes.begin() + 1 + bytes[0]);
  ++longer[0];
  longer.push_back(0);
  EXPECT_EQ(iommucheck_monitor_report_bytes(m, longer.data(), longer.size()), -IOMMUCHECK_EINVAL);
  EXPECT_THAT(why(monitor), HasSubstr("shorter than its length says"));
  EXPECT_EQ(iommucheck_monitor_restart_bytes(m), 0);
  const u8 large[] = {0xff, 0xff, 0xff, 0xff, 1};
  EXPECT_EQ(iommucheck_monitor_report_bytes(m, large, sizeof large), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(iommucheck_monitor_restart_bytes(m), 0);
  EXPECT_EQ(iommucheck_monitor_report_bytes(m, nullptr, 0), IOMMUCHECK_VERDICT_OK);
  EXPECT_EQ(iommucheck_monitor_finish(m), IOMMUCHECK_VERDICT_OK);
}

// ---- the last events ----------------------------------------------------------------------------

TEST(DoorKeep, TheLastEventsAloneAreReadAndNotJudged) {
  const Trace trace = clean_trace();
  ASSERT_GT(trace.events.size(), 60U);
  const std::string path = test::own_path("door_kept.trace");
  for (const u64 most : {u64{1}, u64{50}, u64{trace.events.size()}}) {
    const MonitorPtr monitor = open_monitor(trace.header);
    ASSERT_EQ(iommucheck_monitor_keep(monitor.get(), most), 0);
    for (const Event& event : trace.events) {
      ASSERT_GE(iommucheck_monitor_report(monitor.get(), EventStruct(event).get()), 0);
    }
    ASSERT_EQ(iommucheck_monitor_save(monitor.get(), path.c_str()), 0) << why(monitor);
    const auto saved = trace::read_trace(path);
    ASSERT_TRUE(saved) << saved.error().message;
    ASSERT_EQ(saved->events.size(), most);
    EXPECT_TRUE(std::equal(saved->events.begin(), saved->events.end(),
                           trace.events.end() - static_cast<std::ptrdiff_t>(most)));
    ReplayOptions options;
    options.trace = path;
    const auto replayed = run_replay(options);
    const bool whole = most == trace.events.size();
    ASSERT_EQ(replayed.has_value(), whole);
    if (whole) continue;
    EXPECT_THAT(replayed.error().message,
                HasSubstr("the first " + std::to_string(trace.events.size() - most) + " events"));
    EXPECT_EQ(iommucheck_monitor_open_file(path.c_str()), nullptr);
    EXPECT_THAT(iommucheck_monitor_last_error(nullptr), HasSubstr("are missing"));
  }
  std::filesystem::remove(path);
}

/// Bytes that this process has from the system for its heap and maps.
u64 resident_bytes() {
  std::ifstream in("/proc/self/statm");
  u64 all = 0;
  u64 resident = 0;
  in >> all >> resident;
  return resident * 4096;
}

/// A bench without calls: tables are written, commands sent, devices access. What is undetermined
/// (the direction of the accesses) is remembered of the last events only.
TEST(DoorKeep, MemoryDoesNotGrowWithTheLengthOfALife) {
  trace::Header header = door_header();
  header.not_reported = trace::Names{"Call", "Return", "Barrier"};
  const MonitorPtr owner = open_monitor(header);
  iommucheck_monitor* m = owner.get();
  ASSERT_EQ(iommucheck_monitor_keep(m, 1000), 0);
  const auto run = [&](u64 rounds) {
    for (u64 i = 0; i < rounds; ++i) {
      const u64 pa = 0x80000000 + 8 * (i % 4096);
      ASSERT_GE(iommucheck_report_store(m, IOMMUCHECK_CPU(0), IOMMUCHECK_STORE_VALUE, pa, 8, i, 0,
                                        0, 0, 0),
                0);
      ASSERT_GE(iommucheck_report_dma(m, IOMMUCHECK_DEVICE(0), 0, 1, 0, 0x1000 * (i % 64), 0, 0, 0,
                                      0, IOMMUCHECK_DMA_RESULT_ABORT, 0, 0, 0, 0, 0, 0),
                0);
    }
  };
  run(300'000);  // more than is remembered for evidence
  const u64 before = resident_bytes();
  run(300'000);
  const u64 after = resident_bytes();
  EXPECT_LT(after, before + (u64{4} << 20)) << before << " bytes, and then " << after;
  iommucheck_summary all{};
  all.size = sizeof all;
  all.abi = IOMMUCHECK_MONITOR_ABI;
  ASSERT_EQ(iommucheck_monitor_summary(m, &all), 0);
  EXPECT_EQ(all.reported, 1'200'000U);
}

// ---- facts of a finding -------------------------------------------------------------------------

TEST(DoorFinding, CausesAndEventsAreNumbers) {
  const MonitorPtr owner = fed(broken_trace());
  iommucheck_monitor* m = owner.get();
  const u32 found = with_causes(m);
  iommucheck_finding finding{};
  finding.size = sizeof finding;
  finding.abi = IOMMUCHECK_MONITOR_ABI;
  ASSERT_EQ(iommucheck_monitor_finding(m, found, &finding), 0);
  ASSERT_GT(finding.causes, 0U);
  ASSERT_GT(finding.named, 0U);
  const std::string all = iommucheck_monitor_finding_text(m, found, IOMMUCHECK_FINDING_ALL);
  u64 misses = 0;
  u64 dated = 0;
  for (u32 i = 0; i < finding.causes; ++i) {
    iommucheck_cause cause{};
    cause.size = sizeof cause;
    cause.abi = IOMMUCHECK_MONITOR_ABI;
    ASSERT_EQ(iommucheck_monitor_cause(m, found, i, &cause), 0);
    EXPECT_THAT(all, HasSubstr(cause.text));
    if ((cause.known & IOMMUCHECK_CAUSE_MISS) != 0) {
      ++misses;
      EXPECT_STRNE(cause.miss, "");
      EXPECT_NE(cause.command_low & 0xff, 0U);
    } else {
      EXPECT_STREQ(cause.miss, "");
    }
    if ((cause.known & IOMMUCHECK_CAUSE_STORED_AT) == 0) continue;
    for (u32 n = 0; n < finding.named; ++n) {
      iommucheck_named named{};
      named.size = sizeof named;
      named.abi = IOMMUCHECK_MONITOR_ABI;
      ASSERT_EQ(iommucheck_monitor_named(m, found, n, &named), 0);
      if (named.event != cause.stored_at) continue;
      ++dated;
      EXPECT_THAT(named.text, AnyOf(HasSubstr("the driver "), HasSubstr("the environment ")));
      EXPECT_THAT(all, HasSubstr("line " + std::to_string(named.report + 1) + " of the trace"));
    }
  }
  EXPECT_GT(misses, 0U);
  EXPECT_GT(dated, 0U);
  iommucheck_cause none{};
  EXPECT_EQ(iommucheck_monitor_cause(m, found, finding.causes, &none), -IOMMUCHECK_ENOENT);
  const std::string json = iommucheck_monitor_finding_text(m, found, IOMMUCHECK_FINDING_JSON);
  EXPECT_THAT(json, HasSubstr(std::string("\"rule\":\"") + finding.rule + "\""));
}

}  // namespace
}  // namespace iommucheck::oracle::door_growth_test
