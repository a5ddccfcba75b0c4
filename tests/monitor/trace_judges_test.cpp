// SPDX-License-Identifier: MIT
// Recordings of two SMMUs over one memory: that of a real driver, made one of two that do the same.
#include "monitor/trace_judges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "report/finding_text.h"
#include "tests/monitor/replay_support.h"
#include "trace/agent.h"

namespace iommucheck::oracle::trace_judges_test {
namespace {

using trace::Event;
using trace::Trace;

class TwoSmmus : public ::testing::TestWithParam<const char*> {
 protected:
  /// Up to a page that is unmapped, invalidated and mapped again elsewhere, and a little behind.
  void SetUp() override {
    recording_ = EditedRecording::read(GetParam());
    const auto sites = unmap_sites(recording_);
    ASSERT_FALSE(sites.empty());
    site_ = sites[sites.size() / 4];
    recording_.cut(site_.remap + 50);
    right_ = recording_.imported();
    recording_.set_hex(site_.tlbi, "hi", recording_.hex(site_.tlbi, "hi") ^ 0x4000'0000);
    wrong_ = recording_.imported();  // invalidates another page
  }
  static std::string text_of(const ReplayResult& result) {
    std::string text;
    for (const Violation& one : result.findings) text += headline(one) + "\n";
    return text;
  }

  EditedRecording recording_;
  UnmapSite site_;
  Trace right_, wrong_;
};

TEST_P(TwoSmmus, TheSameOfBothHolds) {
  const ReplayResult alone = replay_trace(right_);
  const Trace both = of_two(right_, right_);
  const ReplayResult result = replay_trace(both);
  EXPECT_EQ(result.flagged, 0U) << text_of(result);
  EXPECT_EQ(result.events + result.notes, both.events.size());
  EXPECT_EQ(result.accepted + result.undetermined, result.events);
  EXPECT_GT(result.accepted, alone.accepted);
  EXPECT_EQ(result.missing.size(), alone.missing.size());
  for (std::size_t i = 0; i < alone.rules.size(); ++i) {
    EXPECT_EQ(result.rules[i].verdict, alone.rules[i].verdict) << i;
    EXPECT_EQ(result.rules[i].kept, 2 * alone.rules[i].kept) << i;
  }
}

TEST_P(TwoSmmus, WhatOneForgetsIsFoundThere) {
  const ReplayResult of_first = replay_trace(of_two(wrong_, right_));
  ASSERT_FALSE(of_first.findings.empty());
  for (const Violation& one : of_first.findings) {
    EXPECT_EQ(one.smmu, 0U) << headline(one);
  }
  const ReplayResult of_second = replay_trace(of_two(right_, wrong_));
  ASSERT_EQ(of_second.findings.size(), of_first.findings.size());
  EXPECT_EQ(of_second.flagged, of_first.flagged);
  for (std::size_t i = 0; i < of_second.findings.size(); ++i) {
    EXPECT_EQ(of_second.findings[i].rule, of_first.findings[i].rule);
    EXPECT_EQ(of_second.findings[i].smmu, 1U);
  }
}

/// A finding names lines of the whole trace, with events of both.
TEST_P(TwoSmmus, LinesAreThoseOfTheTrace) {
  const Trace both = of_two(right_, wrong_);
  const ReplayResult result = replay_trace(both);
  ASSERT_FALSE(result.findings.empty());
  u64 named = 0;
  for (const NamedEvent& one : result.findings.front().named) {
    if (one.line == 0) continue;
    ASSERT_LE(one.line - 1, both.events.size());
    const Event& there = both.events[one.line - 2];
    EXPECT_EQ(trace::kind_of(one.event), trace::kind_of(there));
    ++named;
  }
  EXPECT_GT(named, 0U);
}

TEST_P(TwoSmmus, OneThatNoDeviceIsBehindIsNotFollowed) {
  for (Trace trace : {right_, of_two(right_, right_)}) {
    const u64 before = replay_trace(trace).undetermined;
    trace.events.push_back({trace::cpu_agent(0),
                            trace::MmioWrite{.offset = 0x20, .size = 4, .value = 0, .iommu = 7},
                            std::nullopt});
    trace.events.push_back({trace::smmu_agent(7), trace::CommandConsumed{.slot = 1}, std::nullopt});
    EXPECT_EQ(replay_trace(trace).undetermined, before + 2);
  }
  Trace trace = of_two(right_, right_);
  const u64 before = replay_trace(trace).undetermined;
  trace::Dma dma{.sid = trace.header.devices->front().sids.front(), .iova = 0};
  dma.result = trace::DmaResult::bypass;
  for (const AgentId by : {trace::unknown_device_agent, trace::device_agent(77)}) {
    trace.events.push_back({by, dma, std::nullopt});
  }
  EXPECT_EQ(replay_trace(trace).undetermined, before + 2);
}

TEST_P(TwoSmmus, WhatOneWritesTheOtherFinds) {
  constexpr u64 pa = 0x7'0000'0000;
  for (const u16 writer : {u16{0}, u16{1}}) {
    for (const u64 loaded : {u64{7}, u64{6}}) {
      Trace trace = of_two(right_, right_);
      const auto add = [&](AgentId by, trace::Payload payload) {
        trace.events.push_back({by, std::move(payload), std::nullopt});
      };
      add(trace::cpu_agent(0), trace::Store{.pa = pa, .size = 8, .value = 5});
      add(trace::smmu_agent(writer), trace::DeviceStore{.pa = pa, .size = 8, .value = 7});
      add(trace::cpu_agent(0), trace::Load{.pa = pa, .size = 8, .value = loaded});
      std::vector<std::string> facts;
      for (const MissingFact& one : replay_trace(trace).missing) facts.push_back(one.fact);
      const std::string fact = "a store that made the loaded value";
      EXPECT_EQ(std::ranges::count(facts, fact), loaded == 7 ? 0 : 1) << writer;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Linux, TwoSmmus, ::testing::Values("linux61_boot", "linux612_boot"));

}  // namespace
}  // namespace iommucheck::oracle::trace_judges_test
