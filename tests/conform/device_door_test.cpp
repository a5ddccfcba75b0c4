// SPDX-License-Identifier: MIT
// The device door: what goes through it loses nothing, and whatever stands behind it, the tester
// says what happened, in time, and goes on. tests/device_door has the devices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "conform/conform.h"
#include "conform/dut/door_device.h"
#include "spec/rules/commands.h"
#include "spec/rules/records.h"
#include "tests/cases.h"
#include "tests/conform/conform_support.h"
#include "tests/conform/door_tests.h"
#include "tests/own_path.h"
#include "tests/places.h"

namespace iommucheck::oracle::device_door_test {
namespace {

using namespace door_tests;
using spec::Rule;
namespace rule = spec::rule;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string spec_device = test::in_build("devices/spec_device.so");
const std::string twin_device = test::in_build("devices/twin_device.so");
const std::string minimal_device = test::in_build("examples/minimal_device.so");
const std::string source = test::in_tree();

// ---- nothing is lost ----------------------------------------------------------------------------

/// The same choices, so the same numbers to the last, and the same verdicts.
TEST(DeviceDoor, TheSpecificationIsTheSameThroughIt) {
  SpecDevice direct(7);
  const auto expected = run_conform(direct, some(test::cases(100, 300)));
  ASSERT_TRUE(expected) << expected.error().message;
  for (const std::string& name : {spec_device, over_stdio(spec_device)}) {
    const auto device = opened(name);
    ASSERT_TRUE(device);
    const auto result = run_conform(*device, some(test::cases(100, 300)));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << name << ::testing::PrintToString(kinds(*result));
    EXPECT_EQ(numbers(*result), numbers(*expected)) << name;
    ASSERT_EQ(result->rules.size(), expected->rules.size());
    for (std::size_t i = 0; i < result->rules.size(); ++i) {
      EXPECT_EQ(result->rules[i].verdict, expected->rules[i].verdict);
      EXPECT_EQ(result->rules[i].kept, expected->rules[i].kept);
      EXPECT_EQ(result->rules[i].discriminating, expected->rules[i].discriminating);
    }
    EXPECT_EQ(device->counts().restarts, 0U);
  }
}

/// Page requests go through it, and responses come back.
TEST(DeviceDoor, PageRequestsAreTheSameThroughIt) {
  SpecDevice direct(7, drawn_spec_device_id(7));
  ASSERT_TRUE(direct.identity().pri);
  ConformOptions options = some(0);
  options.random = false;
  options.only = "pages:*";
  const auto expected = run_conform(direct, options);
  ASSERT_TRUE(expected) << expected.error().message;
  const Variable variable("IOMMUCHECK_DRAWN_DEVICE", "1");
  const auto device = opened(spec_device);
  ASSERT_TRUE(device);
  const auto result = run_conform(*device, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->held()) << ::testing::PrintToString(kinds(*result));
  for (const Rule rule :
       {rule::PAGE_REQUEST_RECORD, rule::PAGE_REQUEST_OVERFLOW, rule::PAGE_REQUEST_RESPONSE}) {
    const auto its = [&](const RuleCount& count) { return count.rule == rule; };
    const auto here = std::ranges::find_if(result->rules, its);
    const auto there = std::ranges::find_if(expected->rules, its);
    ASSERT_NE(here, result->rules.end());
    EXPECT_EQ(here->verdict, RuleVerdict::holds) << spec::rule_name(rule);
    EXPECT_EQ(here->kept, there->kept) << spec::rule_name(rule);
  }
}

TEST(DeviceDoor, ABrokenDeviceIsTheSameThroughIt) {
  const std::pair<Fault, ConformOptions> runs[] = {
      {Fault::forgets_tlbi, options_of(7, 0, "sequence: a leaf*")},
      {Fault::loses_events, options_of(7, 0, "ste:*")},
      {Fault::claims_version, some(25)}};
  for (const auto& [fault, options] : runs) {
    BrokenDevice direct(fault, 7);
    const auto expected = run_conform(direct, options);
    ASSERT_TRUE(expected) << expected.error().message;
    ASSERT_FALSE(expected->divergences.empty());
    const Variable variable("IOMMUCHECK_FAULT", std::to_string(static_cast<int>(fault)));
    const auto device = opened(spec_device);
    ASSERT_TRUE(device);
    const auto result = run_conform(*device, options);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(kinds(*result), kinds(*expected)) << static_cast<int>(fault);
  }
}

/// The example passes, in this machine's memory and over frames, and as a device that moves data.
TEST(DeviceDoor, TheSmallDevicePasses) {
  std::array<u64, 9> expected{};
  for (const std::string& name : {minimal_device, over_stdio(minimal_device)}) {
    const auto device = opened(name);
    ASSERT_TRUE(device);
    const auto result = run_conform(*device, some(200));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << name << ::testing::PrintToString(kinds(*result));
    EXPECT_EQ(result->undetermined, 0U);  // it says where each access went
    EXPECT_GT(result->records, 500U);
    EXPECT_GT(device->counts().interrupts, 0U);
    EXPECT_EQ(device->counts().memory_frames != 0, name != minimal_device);
    if (name == minimal_device) expected = numbers(*result);
    EXPECT_EQ(numbers(*result), expected);
  }
  const Variable moves("IOMMUCHECK_TWIN", "moves data");
  const auto device = opened(twin_device);
  ASSERT_TRUE(device);
  const auto result = run_conform(*device, some(200));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->held()) << ::testing::PrintToString(kinds(*result));
  EXPECT_LE(result->accesses, expected[2]);  // what would be written over structures is left out
  EXPECT_GT(result->accesses, expected[2] - expected[2] / 100);
  EXPECT_GT(result->undetermined, 0U);  // it went to where no data is
  EXPECT_LT(result->undetermined, result->accesses / 8);
}

// ---- whatever stands behind it ------------------------------------------------------------------

struct Bad {
  const char* twin;
  Rule rule;
  const char* text;  ///< in what is found
};

class DeviceDoorTwin : public testing::TestWithParam<Bad> {};

TEST_P(DeviceDoorTwin, IsFoundAndTheRunGoesOn) {
  const Variable twin("IOMMUCHECK_TWIN", GetParam().twin);
  const bool loops = std::string_view(GetParam().twin) == "loops";
  const auto device = opened(twin_device, loops ? 0.3 : 5);
  ASSERT_TRUE(device);
  ConformOptions options = some(20);
  options.only = "st*";
  const auto began = std::chrono::steady_clock::now();
  const auto result = run_conform(*device, options);
  const auto took = std::chrono::steady_clock::now() - began;
  ASSERT_TRUE(result) << result.error().message;
  const auto its = [](const FoundDivergence& found) {
    return found.divergence.rule == GetParam().rule &&
           found.divergence.statement.find(GetParam().text) != std::string::npos;
  };
  std::string texts;
  for (const FoundDivergence& found : result->divergences)
    texts += found.divergence.statement + "\n";
  EXPECT_TRUE(std::ranges::any_of(result->divergences, its)) << texts;
  EXPECT_LT(took, std::chrono::seconds(120));
  if (GetParam().rule != rule::DEVICE_SURVIVES) return;
  // It is a new one each time, so nothing else is wrong with it.
  for (const FoundDivergence& found : result->divergences) {
    EXPECT_EQ(found.divergence.rule, rule::DEVICE_SURVIVES) << found.divergence.statement;
    EXPECT_LE(found.divergence.called.size(), 200U);
  }
  EXPECT_GE(result->deaths, 2U);
  EXPECT_GT(result->directed, 20U);
  EXPECT_GE(device->counts().restarts + 1, result->deaths);
}

INSTANTIATE_TEST_SUITE_P(
    All, DeviceDoorTwin,
    testing::Values(Bad{"crashes", rule::DEVICE_SURVIVES, "it crashed with SIGSEGV"},
                    Bad{"loops", rule::DEVICE_SURVIVES, "it gives no answer for 0.3 s"},
                    Bad{"exits", rule::DEVICE_SURVIVES,
                        "ended with exit status 3; it printed: out of patience"},
                    Bad{"panics", rule::DEVICE_SURVIVES, "assertion failed: tlb.len() == 0"},
                    Bad{"counts too many", rule::DEVICE_SURVIVES, "run() returned"},
                    Bad{"counts below zero", rule::DEVICE_SURVIVES, "run() returned -1 for"},
                    Bad{"goes too far", rule::DEVICE_SURVIVES, "it crashed with SIGSEGV"},
                    Bad{"forgets the status", rule::DEVICE_SURVIVES, "has no reply"},
                    Bad{"unknown status", rule::DEVICE_SURVIVES, "has the unknown status 77"},
                    Bad{"refuses", rule::DEVICE_SURVIVES, "it refuses a DMA"},
                    Bad{"answers another", rule::DEVICE_SURVIVES, "is to another operation"},
                    Bad{"wide answer", rule::DEVICE_SURVIVES,
                        "the 4-byte read of CMDQ_CONS has the value"},
                    Bad{"beyond 52 bits", rule::DEVICE_SURVIVES, "went to 0x1000"},
                    Bad{"bad interrupt", rule::DEVICE_SURVIVES, "interrupt line 9, level 1"},
                    Bad{"reset fails", rule::DEVICE_SURVIVES, "did not survive the reset"},
                    Bad{"drops sync", rule::REGISTER_PROGRESS, "CMDQ_CONS"}),
    [](const testing::TestParamInfo<Bad>& bad) {
      std::string name = bad.param.twin;
      std::ranges::replace_if(name, [](char c) { return std::isalnum(c) == 0; }, '_');
      return name;
    });

/// Hole: what goes outside of the data is compared, too, if the device says where it went.
TEST(DeviceDoor, AWrongPlaceOutsideOfTheDataIsFound) {
  const Variable twin("IOMMUCHECK_TWIN", "wrong outside");
  const auto device = opened(twin_device);
  ASSERT_TRUE(device);
  const auto result = run_conform(*device, some(100));
  ASSERT_TRUE(result) << result.error().message;
  const Kinds found = kinds(*result);
  EXPECT_TRUE(std::ranges::any_of(found, [](const auto& one) {
    return one.second == "reached another address";
  })) << ::testing::PrintToString(found);
  // A trace says so itself: another judge comes to the same.
  const std::string folder = test::own_path("door_traces");
  ConformOptions options = some(0);
  options.random = false;
  options.report = folder;
  const auto written = run_conform(*device, options);
  ASSERT_TRUE(written) << written.error().message;
  ASSERT_FALSE(written->divergences.empty());
  ConformOptions again = some(0);
  again.replay = written->divergences[0].trace_path;
  const auto replayed = run_conform(*device, again);
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_TRUE(replayed->divergences[0].divergence.same(written->divergences[0].divergence));
  std::filesystem::remove_all(folder);
}

/// A register that says no more than who made it is not what a device hangs on.
TEST(DeviceDoor, ADeviceWithoutIidrIsJudged) {
  const Variable twin("IOMMUCHECK_TWIN", "has no IIDR");
  const auto device = opened(twin_device);
  ASSERT_TRUE(device);
  EXPECT_EQ(device->identity().id.iidr, 0U);
  EXPECT_NE(device->identity().id.idr[5], 0U);
  ConformOptions options = some(0);
  options.only = "registers: identification";
  const auto result = run_conform(*device, options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_FALSE(result->divergences.empty());
  EXPECT_THAT(result->divergences[0].divergence.statement,
              HasSubstr("refuses the 4-byte read of IIDR"));
  options.only = "ste*";
  const auto others = run_conform(*device, options);
  ASSERT_TRUE(others) << others.error().message;
  EXPECT_TRUE(others->divergences.empty()) << ::testing::PrintToString(kinds(*others));
  EXPECT_GT(others->accesses, 100U);
}

TEST(DeviceDoor, ADeviceWithoutIdr1IsNone) {
  const Variable twin("IOMMUCHECK_TWIN", "has no IDR1");
  const auto device = DoorDevice::start({.device = twin_device});
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().message, HasSubstr("it refuses the 4-byte read of IDR1"));
}

/// One that is saved in the middle is as one that never stopped, or it is found.
TEST(DeviceDoor, ADeviceThatIsSavedGoesOn) {
  for (const bool forgets : {false, true}) {
    const Variable twin("IOMMUCHECK_TWIN", forgets ? "forgets when saved" : "saves");
    const auto device = opened(twin_device);
    ASSERT_TRUE(device);
    const std::vector<std::string> names = case_names(*device);
    EXPECT_EQ(std::ranges::count(names, "saved: tables, queues and events"), 1);
    const auto result = run_conform(*device, some(100));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->held(), !forgets) << ::testing::PrintToString(kinds(*result));
    EXPECT_EQ(result->deaths, 0U);
    if (!forgets) continue;
    // What is found has the step, and its trace does it again.
    ConformOptions options = some(0);
    options.only = "saved: *";
    options.report = test::own_path("saved");
    const auto found = run_conform(*device, options);
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_FALSE(found->divergences.empty());
    EXPECT_THAT(found->divergences[0].steps,
                ::testing::Contains("save, and go on from what was saved"));
    ConformOptions again = some(0);
    again.replay = found->divergences[0].trace_path;
    const auto replayed = run_conform(*device, again);
    ASSERT_TRUE(replayed) << replayed.error().message;
    ASSERT_FALSE(replayed->divergences.empty());
    EXPECT_TRUE(replayed->divergences[0].divergence.same(found->divergences[0].divergence));
    std::filesystem::remove_all(options.report);
  }
}

/// A device without end or sense over frames: tests/device_door/rude_device.py.
struct Rude {
  const char* how;
  const char* text;
};
class DeviceDoorRude : public testing::TestWithParam<Rude> {};

TEST_P(DeviceDoorRude, IsFoundInTime) {
  if (std::system("python3 -c pass 2>/dev/null") != 0) GTEST_SKIP() << "there is no python3";
  const auto device = opened(
      "exec:exec python3 " + source + "/tests/device_door/rude_device.py " + GetParam().how, 0.6);
  ASSERT_TRUE(device);
  ConformOptions options = some(0);
  options.only = "ste*";
  const auto began = std::chrono::steady_clock::now();
  options.stop = [&] { return std::chrono::steady_clock::now() - began > std::chrono::seconds(2); };
  const auto result = run_conform(*device, options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->divergences.size(), 1U);
  const Divergence& found = result->divergences[0].divergence;
  EXPECT_EQ(found.rule, rule::DEVICE_SURVIVES);
  EXPECT_THAT(found.statement, HasSubstr(GetParam().text));
  EXPECT_GE(result->deaths, 2U);
}

INSTANTIATE_TEST_SUITE_P(
    All, DeviceDoorRude,
    testing::Values(Rude{"half-and-exit", "stopped in the middle of a frame (20 of "},
                    Rude{"half-and-wait", "stopped in the middle of a frame (20 of "},
                    Rude{"garbage", "answers nonsense: a frame of"},
                    Rude{"short", "bytes of answers to"}, Rude{"type", "a frame of type 99"},
                    Rude{"reads-for-ever", "gives no answer"},
                    Rude{"bad-write", "WRITE of 64 bytes"}, Rude{"traceback", "ZeroDivisionError"}),
    [](const testing::TestParamInfo<Rude>& rude) {
      std::string name = rude.param.how;
      std::ranges::replace(name, '-', '_');
      return name;
    });

/// The examples in other languages do what they can; what they cannot is found.
TEST(DeviceDoor, TheExampleInPython) {
  if (std::system("python3 -c pass 2>/dev/null") != 0) GTEST_SKIP() << "there is no python3";
  const auto device = opened("exec:exec python3 " + source + "/examples/devices/bypass_device.py");
  ASSERT_TRUE(device);
  ConformOptions options = some(0);
  options.only = "registers: *";
  const auto result = run_conform(*device, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->held()) << ::testing::PrintToString(kinds(*result));
  options.only = "ste*";
  const auto streams = run_conform(*device, options);
  ASSERT_TRUE(streams) << streams.error().message;
  EXPECT_FALSE(streams->held());  // it has no stage 1, which every SMMUv3 of this kind has
  EXPECT_EQ(streams->deaths, 0U);
}

TEST(DeviceDoor, TheExampleInRust) {
  if (std::system("rustc --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no rustc";
  const std::string program = test::own_path("bypass_device");
  const std::string build = "rustc -O --edition 2021 -o " + program + " " + source +
                            "/examples/devices/bypass_device.rs 2>&1";
  ASSERT_EQ(std::system(build.c_str()), 0) << build;
  const auto device = opened("exec:exec " + program);
  ASSERT_TRUE(device);
  ConformOptions options = some(0);
  options.only = "registers: *";
  const auto result = run_conform(*device, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->held()) << ::testing::PrintToString(kinds(*result));
  std::filesystem::remove(program);
}

/// What --out leaves of a finding is a program that shows it without iommucheck, and shows that a
/// device that is right does something else.
TEST(DeviceDoor, AFindingIsAProgramThatRunsByItself) {
  const std::string folder = test::own_path("programs");
  const std::string compile = IOMMUCHECK_DEVICE_C_COMPILER " -Wall -Wextra -Werror -I " + source +
                              "/include -I " + source + " -o " + folder + "/";
  for (const char* twin : {"wrong outside", "drops sync"}) {
    const Variable variable("IOMMUCHECK_TWIN", twin);
    std::filesystem::remove_all(folder);
    ConformOptions options = some(0);
    options.device = twin_device;
    options.report = folder;
    const auto result = run_conform(options);
    ASSERT_TRUE(result) << result.error().message;
    ASSERT_FALSE(result->divergences.empty());
    // Plain ones: those of the build may need the sanitizers that they were compiled with.
    for (const char* device : {"twin.so -shared -fPIC tests/device_door/twin_device.c",
                               "right.so -shared -fPIC examples/devices/minimal_device.c"}) {
      const std::string build = "cd " + source + " && " + compile + device;
      ASSERT_EQ(std::system(build.c_str()), 0) << build;
    }
    for (const FoundDivergence& found : result->divergences) {
      std::filesystem::path program = found.trace_path;
      program.replace_extension(".c");
      ASSERT_EQ(std::system((compile + "case " + program.string() + " -ldl").c_str()), 0)
          << program;
      const std::string run = folder + "/case " + folder;
      EXPECT_EQ(WEXITSTATUS(std::system((run + "/twin.so > /dev/null").c_str())), 0);
      EXPECT_EQ(WEXITSTATUS(std::system((run + "/right.so > /dev/null").c_str())), 1);
      EXPECT_EQ(WEXITSTATUS(std::system((run + "/none.so 2> /dev/null").c_str())), 2);
    }
  }
  std::filesystem::remove_all(folder);
}

// ---- opening it ---------------------------------------------------------------------------------

TEST(DeviceDoor, WhatADeviceSaysOfItselfIsLookedAt) {
  const std::pair<const char*, const char*> twins[] = {
      {"crashes when opened", "crashed with SIGABRT"},
      {"opens nothing", "it came to an end: open returned NULL\nno licence"},
      {"one stream", "sid_count 1, it must be 2 to 16"},
      {"equal streams", "not distinct"},
      {"far streams", "not below 1024"},
      {"first stream is far", "64 as the StreamID of engine 1, which has to be below 64"},
      {"beyond SIDSIZE", "engine 3 has StreamID 0x3e8, and IDR1.SIDSIZE is"},
      {"unknown flag", "flags 0x8083, of which this program knows"},
      {"holds memory without pa", "HOLDS_MEMORY without GIVES_PA"},
      {"name is a path", "a name or release"},
      {"no name", "a name or release"},
      {"name without end", "a name or release"},
      {"one page", "mmio_bytes 0x10000"},
      {"other abi of info", "its info has abi 99"},
      {"other abi", "its device has abi 99"},
      {"no device", "returned NULL"},
      {"no run", "no open, no reset or no run"},
      {"too small", "its device has size 24"}};
  for (const auto& [twin, text] : twins) {
    const Variable variable("IOMMUCHECK_TWIN", twin);
    const std::string said = error_of(twin_device);
    EXPECT_THAT(said, HasSubstr(text));
    EXPECT_THAT(said, StartsWith(twin_device)) << twin;
  }
  // The first version of the struct ends behind run.
  const Variable variable("IOMMUCHECK_TWIN", "first version");
  EXPECT_EQ(error_of(twin_device), "it came up");
}

TEST(DeviceDoor, FilesAndCommandsThatAreNoDevice) {
  EXPECT_THAT(error_of("./nowhere.so"), HasSubstr("No such file"));
  EXPECT_THAT(error_of(test::in_build("examples/simple_driver.so")),
              HasSubstr("exports no function iommucheck_device_entry"));
  const std::string text = test::own_path("text.so");
  std::ofstream(text) << "no object\n";
  EXPECT_THAT(error_of(text), HasSubstr("no ELF header"));
  std::filesystem::remove(text);
  EXPECT_THAT(error_of("exec:nothing_of_this_name"), HasSubstr("the command was not found"));
  EXPECT_THAT(error_of("exec:echo hello there, everyone"), HasSubstr("answers nonsense"));
  EXPECT_THAT(error_of("exec:true"), HasSubstr("ended with exit status 0"));
  EXPECT_THAT(error_of("unix:" + std::string(200, 'x')), HasSubstr("no path of a socket"));
  const auto nobody = open_device("unix:" + test::own_path("nobody"), 1, 0.2);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, ErrorCode::environment);
  EXPECT_EQ(open_device("./nowhere.so", 1).error().code, ErrorCode::bad_input);
}

TEST(DeviceDoor, ASocketIsConnectedToAnew) {
  const std::string path = test::own_path("device_socket");
  const Variable twin("IOMMUCHECK_TWIN", "crashes");
  const pid_t server = ::fork();
  if (server == 0) {
    const std::string program = test::in_build("devices/serve_plugin");
    ::execl(program.c_str(), program.c_str(), twin_device.c_str(), path.c_str(), nullptr);
    ::_exit(127);
  }
  const auto device = opened("unix:" + path, 20);  // waits until somebody listens
  ASSERT_TRUE(device);
  ConformOptions options = some(0);
  options.only = "ste*";
  const auto result = run_conform(*device, options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->divergences.size(), 1U);
  EXPECT_THAT(result->divergences[0].divergence.statement, HasSubstr("it closed the connection"));
  EXPECT_GE(result->deaths, 2U);
  ::kill(server, SIGKILL);
  ::waitpid(server, nullptr, 0);
  std::filesystem::remove(path);
}

// ---- one case -----------------------------------------------------------------------------------

TEST(DeviceDoor, OneCaseIsRunAlone) {
  const auto device = opened(minimal_device);
  ASSERT_TRUE(device);
  const std::vector<std::string> names = case_names(*device);
  ASSERT_GT(names.size(), 300U);
  ConformOptions options = some(50);
  options.only = names[17];
  const auto one = run_conform(*device, options);
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->directed, 1U);
  EXPECT_EQ(one->random, 0U);
  options.only = "no such case";
  EXPECT_FALSE(run_conform(*device, options));
  options.only.clear();
  options.one_case = 3;
  const auto third = run_conform(*device, options);
  ASSERT_TRUE(third) << third.error().message;
  EXPECT_EQ(third->directed, 0U);
  EXPECT_EQ(third->random, 1U);
}

}  // namespace
}  // namespace iommucheck::oracle::device_door_test
