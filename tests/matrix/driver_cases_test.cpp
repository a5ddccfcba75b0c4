// SPDX-License-Identifier: MIT
// Cases that drivers make: right devices hold on them, wrong ones are found, and what the driver
// itself breaks is never the device's.
#include "matrix/driver_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "conform/case_worker.h"
#include "matrix/device_machine.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "tests/cases.h"
#include "tests/conform/conform_support.h"
#include "tests/conform/words.h"
#include "tests/matrix/matrix_support.h"

namespace iommucheck::oracle::driver_cases_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

namespace rule = spec::rule;

DriverCases cases_of(const std::string& driver, const DeviceIdentity& device, u64 sequences,
                     u64 seed = 1) {
  auto cases = cases_of_driver(driver_run(driver, sequences, seed), device);
  if (!cases) {
    ADD_FAILURE() << cases.error().message;
    return {};
  }
  return std::move(*cases);
}

/// A machine that is drawn; where the builtin is not for it, with what it is for.
spec::IdRegisters for_the_builtin(u64 seed) {
  spec::Capabilities caps = spec::parse_capabilities(drawn_spec_device_id(seed));
  if (caps.stall_model == spec::StallModel::always) caps.stall_model = spec::StallModel::both;
  if (caps.ttendian == 3) caps.ttendian = 0;
  return spec::make_id_registers(caps);
}

TEST(DriverCases, TheSpecificationHoldsOnTheBuiltins) {
  for (u64 seed = 1; seed <= test::cases(2, 8); ++seed) {
    CountingDevice device(seed, for_the_builtin(seed));
    const DriverCases made = cases_of("builtin", device.identity(), 40, seed);
    EXPECT_EQ(made.cannot_run, "") << seed;
    EXPECT_THAT(made.faults, IsEmpty()) << seed;
    EXPECT_EQ(made.sequences, 40U);
    EXPECT_GT(made.calls, 100U);
    auto result = run_conform(device, options_with(made.cases));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << seed << "\n" << words(*result);
    EXPECT_EQ(result->given, made.cases.size());
    EXPECT_GT(result->accesses, 1000U);
    EXPECT_EQ(result->any, 0U) << "the driver keeps its promises, so that each access is judged";
    EXPECT_GT(device.translated, 100U) << seed;
    EXPECT_GT(device.terminated, 100U) << seed;
  }
}

TEST(DriverCases, TheFastModelHoldsOnThem) {
  u64 stale_allowed = 0;
  for (const char* driver : {"builtin", "builtin-per-device"}) {
    for (const u64 seed : {1U, 2U, 4U}) {
      auto device = open_device("fast", 1);
      ASSERT_TRUE(device) << device.error().message;
      const DriverCases made = cases_of(driver, (*device)->identity(), test::cases(40, 200), seed);
      auto result = run_conform(**device, options_with(made.cases));
      ASSERT_TRUE(result) << result.error().message;
      EXPECT_TRUE(result->held()) << words(*result);
      EXPECT_GT(result->accesses, 1000U);
      stale_allowed += result->stale_allowed;
    }
  }
  EXPECT_GT(stale_allowed, 0U) << "it uses what it may still have cached";
}

TEST(DriverCases, AreTheSameForTheSameSeed) {
  const SpecDevice device(1);
  const auto steps = [&](u64 seed) {
    std::vector<std::vector<Step>> all;
    for (const Case& one : cases_of("builtin", device.identity(), 20, seed).cases) {
      all.push_back(one.steps);
    }
    return all;
  };
  EXPECT_EQ(steps(3), steps(3));
  EXPECT_NE(steps(3), steps(4));
}

/// What the first case shows that shows anything.
std::vector<Divergence> first_found(DeviceUnderTest& device, const DriverCases& made) {
  CaseWorker worker(device);
  for (const Case& one : made.cases) {
    auto result = worker.run(one, false);
    if (!result) ADD_FAILURE() << result.error().message;
    if (!result || !result->found.empty())
      return result ? result->found : std::vector<Divergence>();
  }
  return {};
}

/// Mistakes that a driver's ordinary use of a device meets.
TEST(DriverCases, FindWrongDevices) {
  constexpr Fault faults[] = {Fault::forgets_tlbi,       Fault::forgets_range,
                              Fault::ignores_cfgi,       Fault::wrong_address,
                              Fault::ignores_permission, Fault::wrong_event_type,
                              Fault::loses_events,       Fault::sync_is_early,
                              Fault::stuck_cons,         Fault::dies,
                              Fault::never_acknowledges, Fault::drops_substream,
                              Fault::writes_structure};
  for (const Fault fault : faults) {
    BrokenDevice device(fault, 1);
    const DriverCases made = cases_of("builtin", device.identity(), 60);
    EXPECT_THAT(first_found(device, made), Not(IsEmpty())) << static_cast<int>(fault);
    EXPECT_THAT(made.faults, IsEmpty());
  }
}

TEST(DriverCases, NameTheInvalidationThatIsMissing) {
  BrokenDevice device(Fault::forgets_tlbi, 1);
  const DriverCases made = cases_of("builtin", device.identity(), 60);
  auto result = run_conform(device, options_with(made.cases));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(std::ranges::any_of(result->divergences, [](const FoundDivergence& found) {
    return found.divergence.called.contains("leaves what it covers");
  })) << words(*result);
}

TEST(DriverCases, ATraceReplaysAlone) {
  const std::string folder = testing::TempDir() + "iommucheck_driver_cases";
  std::filesystem::remove_all(folder);
  BrokenDevice device(Fault::wrong_address, 1);
  ConformOptions options = options_with(cases_of("builtin", device.identity(), 10).cases);
  options.report = folder;
  auto result = run_conform(device, options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_FALSE(result->divergences.empty());
  const FoundDivergence& found = result->divergences.front();
  ASSERT_NE(found.trace_path, "") << words(*result);
  ConformOptions replay;
  replay.use_known = false;
  replay.replay = found.trace_path;
  BrokenDevice again(Fault::wrong_address, 1);
  auto shown = run_conform(again, replay);
  ASSERT_TRUE(shown) << shown.error().message;
  EXPECT_TRUE(std::ranges::any_of(
      shown->divergences,
      [&](const FoundDivergence& one) { return one.divergence.same(found.divergence); }))
      << "wanted " << found.divergence.called << "; " << words(*shown);
  SpecDevice right(1);
  auto held = run_conform(right, replay);
  ASSERT_TRUE(held) << held.error().message;
  EXPECT_TRUE(held->held()) << words(*held);
  std::filesystem::remove_all(folder);
}

TEST(DriverCases, WhatTheDriverBreaksIsTheDrivers) {
  auto device = open_device("fast", 1);
  ASSERT_TRUE(device) << device.error().message;
  const DriverCases made = cases_of(test_plugin("faulty_wide_buggy"), (*device)->identity(), 100);
  ASSERT_FALSE(made.faults.empty());
  EXPECT_EQ(made.faults.front().found.rule, rule::PAGE_REUSE);
  EXPECT_THAT(made.faults.front().first, HasSubstr("of seed 1"));
  auto result = run_conform(**device, options_with(made.cases));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->held()) << words(*result);
  EXPECT_GT(result->accesses, 0U);
}

TEST(DriverCases, ACrashIsCountedAndOthersGoOn) {
  const SpecDevice device(1);
  const DriverCases made = cases_of(test_plugin("faulty_crash"), device.identity(), 60);
  ASSERT_EQ(made.faults.size(), 1U);
  EXPECT_EQ(made.faults.front().found.rule, rule::CRASH_NEVER);
  EXPECT_EQ(made.faults.front().found.kind.end, FindingKind::End::signal);
  EXPECT_EQ(made.sequences, 60U);
  EXPECT_GT(made.cases.size(), 30U);
}

TEST(DriverCases, ACallWithoutEndIsCounted) {
  const SpecDevice device(1);
  DriverRun run = driver_run(test_plugin("faulty_spin"), 40);
  run.hang_seconds = 1;
  const auto made = cases_of_driver(run, device.identity());
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(made->faults.size(), 1U);
  EXPECT_EQ(made->faults.front().found.rule, rule::HANG_RETURNS);
  EXPECT_EQ(made->sequences < 40, made->ended_early.contains("ends of the driver"));
}

TEST(DriverCases, OneThatIsNotForTheMachineSaysSo) {
  const SpecDevice device(1);  // stage 1 alone
  const DriverCases made = cases_of(test_plugin("stage2"), device.identity(), 10);
  EXPECT_THAT(made.cannot_run, HasSubstr("answered -19 (ENODEV)"));
  EXPECT_THAT(made.cases, IsEmpty());
}

TEST(DriverCases, AFileThatIsNoDriverIsBadInput) {
  const SpecDevice device(1);
  const auto made = cases_of_driver(driver_run("/nowhere.so", 1), device.identity());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::bad_input);
  EXPECT_THAT(made.error().message, HasSubstr("/nowhere.so"));
}

TEST(DeviceMachine, HasWhatTheEnginesCanSend) {
  DeviceIdentity device = SpecDevice(1).identity();
  auto with = machine_of(device);
  ASSERT_TRUE(with) << with.error().message;
  EXPECT_GT(with->machine.devices.front().ssid_bits, 0U);
  EXPECT_EQ(with->machine.devices.front().stream_ids.front(), device.sids.front());
  EXPECT_EQ(with->place.window_pa, device.structures_pa);
  device.sends_substreams = device.ats = false;
  auto without = machine_of(device);
  ASSERT_TRUE(without) << without.error().message;
  for (const spec::sva::DeviceSetup& one : without->machine.devices) {
    EXPECT_EQ(one.ssid_bits, 0U);
    EXPECT_FALSE(one.ats || one.stall || one.pri);
  }
}

TEST(DeviceMachine, RefusesWhatItCannotPlaceOrDescribe) {
  DeviceIdentity small = SpecDevice(1).identity();
  small.structures_bytes = 0x10000;
  EXPECT_EQ(machine_of(small).error().code, ErrorCode::bad_input);
  DeviceIdentity askew = SpecDevice(1).identity();
  askew.data_pa += 0x1000;
  EXPECT_THAT(machine_of(askew).error().message, HasSubstr("a multiple of 0x200000"));
  DeviceIdentity unknown = SpecDevice(1).identity();
  spec::Capabilities caps = spec::parse_capabilities(unknown.id);
  caps.ds = true;
  unknown.id = spec::make_id_registers(caps);
  EXPECT_EQ(machine_of(unknown).error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace iommucheck::oracle::driver_cases_test
