// SPDX-License-Identifier: MIT
// The trace of a lockstep says the same when it is fed again: drivers with one thing broken are
// found at the same event by the same rule, a correct one is not.
#include <gtest/gtest.h>

#include "check/record_case.h"
#include "impl/driver.h"
#include "monitor/recorder.h"
#include "monitor/replay.h"
#include "monitor/trace_setup.h"
#include "report/finding_text.h"
#include "tests/own_path.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::replay_lockstep_test {
namespace {

constexpr u64 tlbi_nh_va = 0x12;
constexpr u64 cmd_sync = 0x46;
constexpr u64 prefetch = 0x01;

/// What is broken between the driver and its platform.
enum class Fault { none, wrong_asid, no_tlbi, no_sync, no_barrier, leak, wrong_result };

struct Broken {
  Fault fault = Fault::none;
  iommucheck_platform real{};
  iommucheck_platform platform{};
  bool skipped = false;
};
Broken broken;

/// Words of commands are told from descriptors by their low bits.
u64 altered(u64 value) {
  const u64 opcode = value & 0xff;
  switch (broken.fault) {
    case Fault::wrong_asid: return opcode == tlbi_nh_va ? value ^ (u64{1} << 48) : value;
    case Fault::no_tlbi: return opcode == tlbi_nh_va ? prefetch : value;
    case Fault::no_sync: return opcode == cmd_sync ? prefetch : value;
    default: return value;
  }
}

int broken_init(const iommucheck_platform* platform, const iommucheck_config* config, void** self) {
  broken.real = *platform;
  broken.platform = *platform;
  iommucheck_platform& p = broken.platform;
  p.store64 = [](void* ctx, uint64_t pa, uint64_t value) {
    broken.real.store64(ctx, pa, altered(value));
  };
  if (broken.fault == Fault::no_barrier) {
    p.barrier = [](void*, std::uint32_t) {};
    p.mmio_write32 = [](void* ctx, uint64_t offset, uint32_t value, uint32_t) {
      broken.real.mmio_write32(ctx, offset, value, 0);
    };
  }
  if (broken.fault == Fault::leak) {
    p.table_free = [](void* ctx, uint64_t pa, uint64_t bytes) {
      if (broken.skipped) broken.real.table_free(ctx, pa, bytes);
      broken.skipped = true;
    };
  }
  return impl::builtin_driver()->init(&p, config, self);
}

iommucheck_driver driver_with(Fault fault) {
  broken = {.fault = fault, .real = {}, .platform = {}, .skipped = false};
  iommucheck_driver driver = *impl::builtin_driver();
  driver.name = "broken";
  driver.init = broken_init;
  if (fault == Fault::wrong_result) {
    driver.unmap = [](void* self, iommucheck_handle domain, uint64_t iova, uint64_t bytes) {
      iommucheck_result result = impl::builtin_driver()->unmap(self, domain, iova, bytes);
      result.bytes += 4096;
      return result;
    };
  }
  return driver;
}

/// The first sequence on which `fault` shows, as a record.
std::optional<CaseRecord> first_case(Fault fault) {
  for (u64 number = 0; number < 400; ++number) {
    Sequence sequence;
    make_sequence(7, number, 20, sequence);
    if (fault == Fault::leak) sequence.ends = {.whole_space = false, .teardown = true};
    const iommucheck_driver driver = driver_with(fault);
    CaseRecord record = record_case(driver, {}, sequence);
    if (!record.failed.empty() || !record.findings.empty()) return record;
  }
  return std::nullopt;
}

std::vector<Finding> fed(const trace::Trace& trace) {
  Monitor monitor(setup_of(trace.header));
  for (const trace::Event& event : trace.events) monitor.feed(event);
  monitor.finish();
  EXPECT_TRUE(monitor.undetermined().empty()) << monitor.undetermined().front().missing;
  return monitor.findings();
}

class Faults : public testing::TestWithParam<Fault> {};

TEST_P(Faults, AreFoundAgainAtTheSameEvent) {
  const auto record = first_case(GetParam());
  ASSERT_TRUE(record) << "the fault was not found in the first place";
  ASSERT_FALSE(record->findings.empty()) << record->failed;
  const Finding& first = record->findings.front();
  const std::vector<Finding> again = fed(record->trace);
  ASSERT_FALSE(again.empty()) << spec::rule_name(first.rule) << ": " << one_line(first);
  EXPECT_EQ(again.front().rule, first.rule) << one_line(again.front()) << "\n" << one_line(first);
  EXPECT_EQ(again.front().at, first.at) << one_line(again.front()) << "\n" << one_line(first);

  // And through a file.
  const std::string path =
      test::own_path("fault" + std::to_string(static_cast<int>(GetParam())) + ".jsonl.gz");
  TraceRecorder recorder(record->trace.header);
  for (const trace::Event& event : record->trace.events) recorder.event(event);
  ASSERT_TRUE(recorder.write(path));
  ReplayOptions options;
  options.trace = path;
  const auto replayed = run_replay(options);
  ASSERT_TRUE(replayed) << replayed.error().message;
  ASSERT_FALSE(replayed->findings.empty());
  EXPECT_EQ(replayed->findings.front().rule, first.rule);
  EXPECT_GE(replayed->flagged, 1u);
}

INSTANTIATE_TEST_SUITE_P(Broken, Faults,
                         testing::Values(Fault::wrong_asid, Fault::no_tlbi, Fault::no_sync,
                                         Fault::no_barrier, Fault::leak, Fault::wrong_result));

TEST(ReplayLockstep, CleanRunsReplayClean) {
  u64 calls = 0;
  for (u64 number = 0; number < 60; ++number) {
    Sequence sequence;
    make_sequence(3, number, 20, sequence);
    sequence.ends = {.whole_space = number % 2 == 0, .teardown = number % 3 == 0};
    const iommucheck_driver driver = driver_with(Fault::none);
    const CaseRecord record = record_case(driver, {}, sequence);
    ASSERT_TRUE(record.findings.empty()) << one_line(record.findings.front());
    const std::vector<Finding> again = fed(record.trace);
    ASSERT_TRUE(again.empty()) << "sequence " << number << ": "
                               << spec::rule_name(again.front().rule) << ", event "
                               << again.front().at << ": " << one_line(again.front());
    calls += record.calls;
  }
  EXPECT_GT(calls, 300u);
}

TEST(ReplayLockstep, HashesTellRunsApart) {
  const auto hash = [](u64 number) {
    Sequence sequence;
    make_sequence(3, number, 20, sequence);
    const iommucheck_driver driver = driver_with(Fault::none);
    Lockstep lockstep(driver, {});
    HashRecorder recorder;
    EXPECT_EQ(lockstep.boot(&recorder), "");
    lockstep.run(sequence.operations, sequence.ends);
    return recorder.value();
  };
  EXPECT_EQ(hash(1), hash(1));
  EXPECT_NE(hash(1), hash(2));
}

}  // namespace
}  // namespace iommucheck::oracle::replay_lockstep_test
