// SPDX-License-Identifier: MIT
// Traces that are damaged in any way: the verdict may be anything, but it comes, and its numbers
// are those of the events.
#include <gtest/gtest.h>

#include "check/record_case.h"
#include "impl/driver.h"
#include "import/smmu_watch.h"
#include "monitor/replay.h"
#include "tests/places.h"
#include "tests/trace/draw.h"
#include "trace/check.h"
#include "trace/members.h"

namespace iommucheck::oracle::replay_damage_test {
namespace {

using trace::Draw;
using trace::Event;
using trace::Trace;

/// One number of the event becomes another one, often a near one.
struct Scramble {
  Draw& draw;
  u64 target;

  template <class T>
  void one(T& value) {
    if (target-- != 0) return;
    if constexpr (std::is_same_v<T, bool>) {
      value = !value;
    } else {
      const u64 other = draw.below(2) == 0 ? draw.word() : u64{1} << draw.below(8 * sizeof(T));
      value = static_cast<T>(value ^ other);
    }
  }
  template <class T>
  void operator()(const trace::FieldInfo& /*field*/, T& value) {
    if constexpr (std::is_same_v<T, bool> || std::unsigned_integral<T>) {
      one(value);
    } else if constexpr (requires { value.has_value(); }) {
      using Inner = typename T::value_type;
      if constexpr (std::is_same_v<Inner, bool> || std::unsigned_integral<Inner>) {
        if (draw.below(8) == 0) {
          value.reset();  // a fact that is missing
        } else if (value) {
          one(*value);
        }
      } else if constexpr (std::is_same_v<Inner, trace::CommandWords>) {
        if (value) one(draw.below(2) == 0 ? value->low : value->high);
      }
    }
  }
};

void damage(Trace& trace, Draw& draw) {
  std::vector<Event>& events = trace.events;
  for (u64 n = 1 + draw.below(6); n != 0 && events.size() > 2; --n) {
    const std::size_t at = draw.below(events.size());
    switch (draw.below(4)) {
      case 0: events.erase(events.begin() + static_cast<std::ptrdiff_t>(at)); break;
      case 1: {
        const Event copy = events[at];
        events.insert(events.begin() + static_cast<std::ptrdiff_t>(draw.below(events.size())),
                      copy);
        break;
      }
      case 2: std::swap(events[at], events[draw.below(events.size())]); break;
      default: {
        Event changed = events[at];
        for_each_member(trace::members(changed.payload), Scramble{draw, draw.below(5)});
        if (!trace::check(changed)) events[at] = changed;
      }
    }
  }
}

ReplayResult expect_a_verdict(const Trace& trace) {
  const ReplayResult result = replay_trace(trace);
  EXPECT_EQ(result.accepted + result.flagged + result.undetermined, result.events);
  EXPECT_EQ(result.events + result.notes, trace.events.size());
  return result;
}

TEST(ReplayDamage, OfALinuxRecording) {
  const auto whole =
      import_smmu_watch(test::in_tree("tests/data/recordings/linux612_boot.jsonl.zst"));
  ASSERT_TRUE(whole);
  Trace begin = *whole;
  begin.events.resize(700);
  for (u64 seed = 0; seed < 150; ++seed) {
    Draw draw(seed);
    Trace trace = begin;
    damage(trace, draw);
    SCOPED_TRACE(seed);
    expect_a_verdict(trace);
  }
}

TEST(ReplayDamage, OfALockstep) {
  Sequence sequence;
  make_sequence(5, 2, 20, sequence);
  const CaseRecord record = record_case(*impl::builtin_driver(), {}, sequence);
  ASSERT_TRUE(record.findings.empty());
  u64 flagged = 0;
  for (u64 seed = 0; seed < 100; ++seed) {
    Draw draw(seed);
    Trace trace = record.trace;
    damage(trace, draw);
    SCOPED_TRACE(seed);
    flagged += expect_a_verdict(trace).flagged != 0;
  }
  EXPECT_GT(flagged, 20u);  // most damage makes another driver or device of it
}

TEST(ReplayDamage, EventsWithoutMeaningAreNotAccepted) {
  Trace trace;
  trace.events.push_back(
      {.agent = trace::device_agent(0), .payload = trace::AtsRequest{}, .origin = {}});
  trace.events.push_back(
      {.agent = trace::environment_agent, .payload = trace::Note{}, .origin = {}});
  const ReplayResult result = replay_trace(trace);
  EXPECT_EQ(result.events, 1u);
  EXPECT_EQ(result.notes, 1u);
  EXPECT_EQ(result.undetermined, 1u);
  ASSERT_EQ(result.missing.size(), 1u);
}

TEST(ReplayDamage, FilesThatAreNone) {
  ReplayOptions options;
  options.trace = "/nonexistent/trace";
  EXPECT_EQ(run_replay(options).error().code, ErrorCode::bad_input);
  options.trace = test::in_tree("tests/data/linux61_boot.syms");
  EXPECT_EQ(run_replay(options).error().code, ErrorCode::bad_input);
}

}  // namespace
}  // namespace iommucheck::oracle::replay_damage_test
