// SPDX-License-Identifier: MIT
// Devices that delegate translation: the example is held, over the SMMU of a host that may have
// anything cached that is legal, and each way to tell that host the wrong thing, or the guest, is
// found by its rule. tests/device_door/delegating_twin.c has the ways.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "conform/case_program.h"
#include "conform/conform.h"
#include "conform/dut/door_device.h"
#include "spec/rules/commands.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "tests/conform/door_tests.h"
#include "tests/own_path.h"
#include "tests/places.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::delegating_device_test {
namespace {

using namespace door_tests;
using spec::Rule;
namespace rule = spec::rule;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string delegating_device = test::in_build("examples/delegating_device.so");
const std::string delegating_twin = test::in_build("devices/delegating_twin.so");
const std::string source = test::in_tree();

/// Directed cases.
constexpr const char* leaf = "sequence: a leaf*";
constexpr const char* ste_changes = "sequence: an STE *";

std::string texts(const ConformResult& result) {
  std::string all;
  for (const FoundDivergence& found : result.divergences) {
    all += std::string(spec::rule_name(found.divergence.rule)) + ": " + found.divergence.called +
           "\n    " + found.divergence.statement + "\n";
  }
  return all;
}

/// Over several seeds; and over frames it is the same to the last number.
TEST(DelegatingDevice, TheExampleIsHeld) {
  for (const u64 seed : {7U, 8U}) {
    auto device = DoorDevice::start({.device = delegating_device, .seed = seed});
    ASSERT_TRUE(device) << device.error().message;
    ConformOptions options = some(60);
    options.seed = seed;
    const auto result = run_conform(**device, options);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << texts(*result);
    EXPECT_EQ(result->undetermined, 0U);  // the host says where each access went
    EXPECT_GT(result->accesses, 3000U);
    EXPECT_GT(result->records, 1000U);
    EXPECT_GT(result->stale_allowed, 20U);  // its host uses what it may still have
    const DoorDevice::Counts& counts = (*device)->counts();
    EXPECT_EQ(counts.restarts, 0U);
    EXPECT_GT(counts.installed, 1000U);
    EXPECT_GT(counts.handed_on, 500U);
    EXPECT_GT(counts.host_records, 1000U);
  }
}

TEST(DelegatingDevice, ItIsTheSameOverFrames) {
  std::array<u64, 9> expected{};
  for (const std::string& name : {delegating_device, over_stdio(delegating_device)}) {
    const auto device = opened(name);
    ASSERT_TRUE(device);
    ConformOptions options = some(0);
    options.only = leaf;
    const auto result = run_conform(*device, options);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << texts(*result);
    if (name == delegating_device) expected = numbers(*result);
    EXPECT_EQ(numbers(*result), expected);
    EXPECT_GT(result->accesses, 0U);
  }
}

/// What the engine of the caches does not follow is walked by its host all the same.
TEST(DelegatingDevice, EveryGranuleIsWalkedByItsHost) {
  const Variable twin("IOMMUCHECK_TWIN", "claims every granule");
  const auto device = opened(delegating_twin);
  ASSERT_TRUE(device);
  ConformOptions options = some(0);
  options.only = "walk: granule 16*";
  const auto result = run_conform(*device, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->held()) << texts(*result);
  EXPECT_GT(result->accesses, 50U);
  EXPECT_GT(result->records, 20U);
}

// ---- what is told wrongly -----------------------------------------------------------------------

struct Twin {
  const char* how;
  const char* only;  ///< directed cases that have to show it
  Rule rule;
  const char* text = "";  ///< in its kind or text
};

class DelegatingTwin : public testing::TestWithParam<Twin> {};

TEST_P(DelegatingTwin, IsFoundByItsRule) {
  const Variable twin("IOMMUCHECK_TWIN", GetParam().how);
  const auto device = opened(delegating_twin);
  ASSERT_TRUE(device);
  ConformOptions options = some(0);
  options.only = GetParam().only;
  const auto result = run_conform(*device, options);
  ASSERT_TRUE(result) << result.error().message;
  const auto its = [](const FoundDivergence& found) {
    const std::string all = found.divergence.called + "\n" + found.divergence.statement;
    return found.divergence.rule == GetParam().rule &&
           all.find(GetParam().text) != std::string::npos;
  };
  EXPECT_TRUE(std::ranges::any_of(result->divergences, its)) << texts(*result);
  EXPECT_EQ(result->deaths, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    All, DelegatingTwin,
    testing::Values(
        // What is to be handed on. IHI 0070 4.3.7, 4.4, 4.7.3
        Twin{"forgets TLBI", leaf, rule::TLBI_TAGS},
        Twin{"forgets TLBI_NH_VAA", leaf, rule::TLBI_TAGS, "TLBI_NH_VAA"},
        Twin{"loses the ASID", leaf, rule::TLBI_TAGS, "TLBI_NH_ASID"},
        Twin{"loses the address", leaf, rule::TLBI_TAGS, "TLBI_NH_VA"},
        Twin{"CMD_SYNC is early", leaf, rule::TLBI_TAGS},
        Twin{"forgets CFGI_CD", "sequence: a CD *", rule::CFGI_SCOPE, "CFGI_CD"},
        // What is to be installed. 4.3.1, 4.3.2, 4.3.6, 5.2, 6.3.14
        Twin{"ignores CFGI_STE", ste_changes, rule::CFGI_SCOPE, "CFGI_STE"},
        Twin{"ignores CFGI_ALL", ste_changes, rule::CFGI_SCOPE, "CFGI_STE_RANGE"},
        Twin{"installs late", ste_changes, rule::CFGI_SCOPE},
        Twin{"bypass for abort", "ste*", rule::STE_ABORT},
        Twin{"abort for bypass", "ste*", rule::STE_BYPASS},
        Twin{"installs two words", "attributes: PRIVCFG*", rule::S1_PERMISSION},
        Twin{"ignores SMMUEN = 0", "disabled*", rule::DISABLED_PASSES},
        Twin{"ignores GBPA", "disabled: GBPA*", rule::DISABLED_PASSES},
        Twin{"aborts when disabled", "disabled*", rule::DISABLED_PASSES},
        // What the guest is told. 7.2, 7.3
        Twin{"drops records", "ste*", rule::EVENT_LOST},
        Twin{"records twice", "walk*", rule::EVENT_ONCE},
        Twin{"another StreamID", "walk*", rule::EVENT_RECORD, "SID is 0x18, expected 0x10"},
        Twin{"loses the input address", "walk*", rule::EVENT_RECORD, "InputAddr"},
        Twin{"loses the SubstreamID", "substreams*", rule::EVENT_RECORD},
        Twin{"C_BAD_STE is C_BAD_STE", "external abort*", rule::STE_FETCH}),
    [](const testing::TestParamInfo<Twin>& twin) {
      std::string name = twin.param.how;
      std::ranges::replace_if(name, [](char c) { return std::isalnum(c) == 0; }, '_');
      return name;
    });

// ---- what is nonsense ---------------------------------------------------------------------------

/// Said in words, and the run goes on with a device that is opened anew.
TEST(DelegatingDevice, NonsenseIsSaidInWords) {
  const std::pair<const char*, const char*> twins[] = {
      {"installs for a stranger", "it installs for StreamID 0x30, which none of its engines has"},
      {"installs far away", "StreamID 0xffffffff"},
      {"installs what is nothing", "it installs 9, which is no STE, bypass or abort"},
      {"installs no words", "INSTALL of 8 bytes"},
      {"hands on a CMD_SYNC", "CMD_SYNC"},
      {"hands on for a stranger", "none of its engines has that StreamID"},
      {"hands on for EL2", "none that a host takes"},
      {"hands on what is illegal", "not legal by its ID registers"},
      {"hands on nothing", "it hands on 0 commands at once, 1 to 4096 can be"},
      {"hands on too many", "it hands on 1000000 commands at once"},
      {"changes a record", "the answer to a record of its host's SMMU is to another operation"}};
  for (const auto& [how, text] : twins) {
    const Variable variable("IOMMUCHECK_TWIN", how);
    const auto device = opened(delegating_twin);
    ASSERT_TRUE(device);
    ConformOptions options = some(0);
    options.only = ste_changes;
    const auto result = run_conform(*device, options);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_GE(result->deaths, 1U) << how;
    ASSERT_EQ(result->divergences.size(), 1U) << how << "\n" << texts(*result);
    EXPECT_EQ(result->divergences[0].divergence.rule, rule::DEVICE_SURVIVES);
    EXPECT_THAT(result->divergences[0].divergence.statement, HasSubstr(text));
  }
}

TEST(DelegatingDevice, WhatItSaysOfItselfIsLookedAt) {
  const std::pair<const char*, const char*> twins[] = {
      {"installs when opened", "it installs something, without the flag DELEGATES"},
      {"without the flag", "it installs something, without the flag DELEGATES"},
      {"holds memory", "DELEGATES with HOLDS_MEMORY, ATS or PRI"},
      {"has ATS", "DELEGATES with HOLDS_MEMORY, ATS or PRI"},
      {"has PRI", "DELEGATES with HOLDS_MEMORY, ATS or PRI"},
      {"claims stalls", "DELEGATES without IDR0.STALL_MODEL = 1"}};
  for (const auto& [how, text] : twins) {
    const Variable variable("IOMMUCHECK_TWIN", how);
    const std::string said = error_of(delegating_twin);
    EXPECT_THAT(said, HasSubstr(text)) << how;
    EXPECT_THAT(said, StartsWith(delegating_twin)) << how;
  }
}

/// Frames that are none, of a device that is written by hand.
TEST(DelegatingDevice, FramesThatAreNoneAreSaidInWords) {
  if (std::system("python3 -c pass 2>/dev/null") != 0) GTEST_SKIP() << "there is no python3";
  const std::pair<const char*, const char*> rude[] = {
      {"install", "INSTALL of 16 bytes"},
      {"invalidate", "INVALIDATE of 4 bytes"},
      {"invalidate-more", "INVALIDATE of 3 commands in 24 bytes"}};
  for (const auto& [how, text] : rude) {
    const auto device =
        opened("exec:exec python3 " + source + "/tests/device_door/rude_device.py " + how);
    ASSERT_TRUE(device);
    ASSERT_TRUE(device->reset());
    device->mmio_write(spec::reg::cr0, 4, 0);
    const auto settled = device->settle();
    ASSERT_FALSE(settled);
    EXPECT_THAT(settled.error().message, HasSubstr(text));
  }
}

// ---- what is left of a finding ------------------------------------------------------------------

/// Its trace is run again; a program of its own it cannot be, which is said.
TEST(DelegatingDevice, AFindingIsReplayed) {
  const Variable twin("IOMMUCHECK_TWIN", "forgets CFGI_CD");
  const auto device = opened(delegating_twin);
  ASSERT_TRUE(device);
  ConformOptions options = some(0);
  options.device = delegating_twin;
  options.only = "sequence: a CD *";
  options.report = test::own_path("delegating");
  const auto result = run_conform(*device, options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_FALSE(result->divergences.empty());
  const FoundDivergence& found = result->divergences[0];
  std::filesystem::path program = found.trace_path;
  program.replace_extension(".c");
  EXPECT_FALSE(std::filesystem::exists(program));
  const auto trace = trace::read_trace(found.trace_path);
  ASSERT_TRUE(trace) << trace.error().message;
  const auto exported = case_program(*trace, "");
  ASSERT_FALSE(exported);
  EXPECT_THAT(exported.error().message, HasSubstr("conform --replay"));
  ConformOptions again = some(0);
  again.replay = found.trace_path;
  const auto replayed = run_conform(*device, again);
  ASSERT_TRUE(replayed) << replayed.error().message;
  ASSERT_FALSE(replayed->divergences.empty());
  EXPECT_TRUE(replayed->divergences[0].divergence.same(found.divergence));
  std::filesystem::remove_all(options.report);
}

}  // namespace
}  // namespace iommucheck::oracle::delegating_device_test
