// SPDX-License-Identifier: MIT
// Arguments, results and stores that make no sense are the driver's fault: a finding, and the
// checker lives on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <variant>

#include "check/check.h"
#include "host/limits.h"
#include "monitor/replay.h"
#include "report/finding_text.h"
#include "spec/rules/interface.h"
#include "spec/rules/protocol.h"
#include "tests/places.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::plugin_boundary_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;
using ::testing::HasSubstr;

struct Nonsense {
  const char* fault;
  Rule rule;
  const char* headline;
};

class PluginBoundary : public ::testing::TestWithParam<Nonsense> {};

TEST_P(PluginBoundary, IsAFinding) {
  const Nonsense& nonsense = GetParam();
  CheckOptions options;
  options.driver = test::in_build("test-plugins/faulty_") + nonsense.fault + ".so";
  options.sequences = 100;
  options.hang_seconds = 10;
  options.shrink = false;
  const auto result = run_check(options);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  ASSERT_EQ(result->findings.size(), 1U);
  EXPECT_EQ(result->findings.front().rule, nonsense.rule) << headline(result->findings.front());
  EXPECT_THAT(headline(result->findings.front()), HasSubstr(nonsense.headline));
}

constexpr const char* not_given = "not in memory that table_alloc gave";
constexpr const char* no_block = "no block that table_alloc gave";
constexpr const char* no_size = "has to be a power of two, 4096 at least";
constexpr const char* dies = "the driver ";  // a signal, or a sanitizer's exit

INSTANTIATE_TEST_SUITE_P(
    All, PluginBoundary,
    ::testing::Values(
        Nonsense{"store_unaligned", rule::CRASH_NEVER, "not aligned to 8 bytes"},
        Nonsense{"store_outside", rule::CRASH_NEVER, not_given},
        Nonsense{"store_freed", rule::CRASH_NEVER, not_given},
        Nonsense{"load_freed", rule::CRASH_NEVER, not_given},
        Nonsense{"fill_huge", rule::CRASH_NEVER, not_given},
        Nonsense{"exchange_outside", rule::CRASH_NEVER, not_given},
        Nonsense{"clean_huge", rule::CRASH_NEVER, not_given},
        Nonsense{"alloc_zero", rule::CRASH_NEVER, no_size},
        Nonsense{"alloc_huge", rule::CRASH_NEVER, no_size},
        Nonsense{"free_twice", rule::CRASH_NEVER, no_block},
        Nonsense{"free_part", rule::CRASH_NEVER, no_block},
        Nonsense{"free_nowhere", rule::CRASH_NEVER, no_block},
        Nonsense{"arena_align", rule::CRASH_NEVER, "has to be a power of two up to 4096"},
        Nonsense{"arena_overflow", rule::CRASH_NEVER, dies},
        Nonsense{"window_write", rule::CRASH_NEVER, dies},
        Nonsense{"window_beyond", rule::CRASH_NEVER, dies},
        Nonsense{"scan_window_beyond", rule::CRASH_NEVER, dies},
        Nonsense{"scan_store_freed", rule::CRASH_NEVER, "has not got (any more)"},
        Nonsense{"register_beyond", rule::CRASH_NEVER, "beyond the SMMU's two pages"},
        Nonsense{"other_iommu", rule::CRASH_NEVER, "of IOMMU 1: there is one only, 0"},
        Nonsense{"store_size", rule::CRASH_NEVER, "has to be a power of two up to 16"},
        Nonsense{"store_askew", rule::CRASH_NEVER, "not aligned to its 16 bytes"},
        Nonsense{"load_wide", rule::CRASH_NEVER, "has to be a power of two up to 8"},
        Nonsense{"atomic_unknown", rule::CRASH_NEVER, "there is no operation 77"},
        Nonsense{"barrier_unknown", rule::CRASH_NEVER, "barrier(0x205): there is no such kind"},
        Nonsense{"ats_unknown", rule::CRASH_NEVER, "ats_enable(1000): there are"},
        Nonsense{"load_nowhere", rule::CRASH_NEVER, "load64 at 0x10: no memory is there"},
        Nonsense{"load_unaligned", rule::CRASH_NEVER, "not aligned to 8 bytes"},
        Nonsense{"invalidate_wraps", rule::CRASH_NEVER, "they wrap around"},
        Nonsense{"exit_pasid", rule::CRASH_NEVER, "mm_exit of PASID 0x100000"},
        Nonsense{"fault_pasid", rule::CRASH_NEVER, "handle_fault of PASID 0xffffffff"},
        Nonsense{"handler_pasid", rule::CRASH_NEVER, "fault_handler of PASID 0xffffffff"},
        Nonsense{"register_unaligned", rule::REGISTER_WIDTH, "CR1 is written at 0x29"},
        Nonsense{"result_bytes", rule::RESULT_EXACT, "value 0xffffffffffffffff"},
        Nonsense{"result_error", rule::RESULT_EXACT, "returned -12345"},
        Nonsense{"handle_zero", rule::RESULT_EXACT, "domain_alloc"},
        Nonsense{"handle_again", rule::RESULT_EXACT, "domain_alloc"},
        Nonsense{"info", rule::RESULT_EXACT, "domain_alloc"}),
    [](const auto& test) { return std::string(test.param.fault); });

/// Where the traces of one test lie.
class PluginTraces : public ::testing::Test {
 protected:
  ~PluginTraces() override { std::filesystem::remove_all(folder_); }
  CheckOptions options_of(const char* fault) const {
    CheckOptions options;
    options.driver = test::in_build("test-plugins/faulty_") + fault + ".so";
    options.sequences = 100;
    options.shrink = false;
    options.out_directory = folder_.string();
    return options;
  }

 private:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() /
                                  ("iommucheck-boundary-" + std::to_string(::getpid()));
};

/// A call that has a finding ends its case when it returns, whatever it has still to do.
TEST_F(PluginTraces, WhoHasAFindingIsNotWaitedForMuchLonger) {
  const auto result = run_check(options_of("dawdles"));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  ASSERT_EQ(result->findings.size(), 1U);
  EXPECT_EQ(result->findings.front().rule, rule::CRASH_NEVER);
  const auto trace = trace::read_trace(result->findings.front().trace_path);
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  EXPECT_LT(trace->events.size(), 100'000U);
}

/// What a call breaks before it dies is told beside that.
TEST_F(PluginTraces, WhatIsBrokenBeforeADeathIsToldToo) {
  CheckOptions options = options_of("breaks_and_dies");
  options.findings_max = 3;
  const auto result = run_check(options);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  ASSERT_EQ(result->findings.size(), 2U);
  EXPECT_EQ(result->findings[0].rule, rule::CRASH_NEVER);
  EXPECT_EQ(result->findings[1].rule, rule::REGISTER_GUARDED);
  EXPECT_EQ(result->findings[1].trace_path, result->findings[0].trace_path);
}

/// Behind a breach its platform is gone at some time: what it makes of that is not its own.
TEST_F(PluginTraces, WhatItMakesOfAPlatformThatIsGoneIsNotTold) {
  CheckOptions options = options_of("breaks_and_asserts");
  options.findings_max = 3;
  const auto result = run_check(options);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  ASSERT_EQ(result->findings.size(), 1U);
  EXPECT_EQ(result->findings[0].rule, rule::REGISTER_GUARDED);
}

/// A trace has small numbers in the place of handles: 0, which is none, is 0 there too.
TEST_F(PluginTraces, HandleZeroIsFoundInIts) {
  const auto result = run_check(options_of("handle_zero"));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  ASSERT_EQ(result->findings.size(), 1U);
  ReplayOptions again;
  again.trace = result->findings.front().trace_path;
  const auto replayed = run_replay(again);
  ASSERT_TRUE(replayed.has_value()) << replayed.error().message;
  ASSERT_FALSE(replayed->findings.empty());
  EXPECT_EQ(replayed->findings.front().rule, rule::RESULT_EXACT);
}

/// What its case may ask for more, by the longest range that a call had.
u64 steps_of_ranges(const trace::Trace& of) {
  u64 longest = 0;
  for (const trace::Event& event : of.events) {
    const auto* call = std::get_if<trace::Call>(&event.payload);
    if (call == nullptr) continue;
    trace::visit(
        [&](const auto& its) {
          if constexpr (requires { u64{its.size}; }) longest = std::max<u64>(longest, its.size);
        },
        call->call);
  }
  return steps_of_range(longest);
}

/// A thing that is many words counts for more than one: who fills memory for ever is found after
/// as many words as who stores them one by one, or nobody would wait for it.
TEST_F(PluginTraces, WhoFillsForEverHasFewOfThem) {
  CheckOptions options = options_of("fills");
  options.steps_max = 3000;
  options.hang_seconds = 3;  // it goes on for ever, whatever it is answered
  const auto result = run_check(options);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  ASSERT_FALSE(result->findings.empty());
  EXPECT_EQ(result->findings.front().rule, rule::HANG_RETURNS);
  const auto trace = trace::read_trace(result->findings.front().trace_path);
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  const auto fills = std::ranges::count_if(trace->events, [](const trace::Event& event) {
    return std::holds_alternative<trace::Fill>(event.payload);
  });
  EXPECT_GT(fills, 100);
  // A read, a fill, and what the fill's 512 words count for.
  EXPECT_LE(3 * static_cast<u64>(fills), options.steps_max + steps_of_ranges(*trace) + 3);
}

/// Accesses that say their size, atomics and locks are what the plain ones are: right drivers hold,
/// and what the buggy ones forget is found. Barriers that order loads make no store visible.
TEST(PluginAccesses, OtherWaysAreJudgedAlike) {
  const auto rules_of = [](const std::string& name) {
    CheckOptions options;
    options.driver = test::in_build("test-plugins/faulty_") + name + ".so";
    options.sequences = 400;
    options.hang_seconds = 20;
    options.shrink = false;
    const auto result = run_check(options);
    EXPECT_TRUE(result.has_value()) << name << ": " << result.error().message;
    std::string rules;
    if (!result) return rules;
    for (const Violation& finding : result->findings) {
      rules += std::string(spec::rule_name(finding.rule)) + " ";
    }
    if (result->findings.empty()) {
      EXPECT_GT(result->calls_succeeded, 100U) << name;
    }
    return rules;
  };
  for (const char* right : {"wide", "atomics", "locks", "scan_locks"}) {
    EXPECT_EQ(rules_of(right), "") << right;
  }
  EXPECT_EQ(rules_of("wide_buggy"), "PAGE_REUSE ");
  EXPECT_EQ(rules_of("atomics_buggy"), "PAGE_REUSE ");
  EXPECT_NE(rules_of("rmb"), "");
}

}  // namespace
}  // namespace iommucheck::oracle::plugin_boundary_test
