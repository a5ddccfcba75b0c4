// SPDX-License-Identifier: MIT
// A backend of an IOMMU like virtio's: domains that an attach makes, maps by request, few numbers,
// no privilege, no right to execute, nothing in memory. It holds; without the flags that say so it
// is accused, and what is planted is found.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/named.h"
#include "report/finding_text.h"
#include "scenario/format/parser.h"
#include "scenario/run/alone.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "tests/backends/checked_support.h"
#include "tests/cases.h"
#include "tests/places.h"

namespace iommucheck::oracle::stories::virtio_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace rule = spec::rule;

const std::string virtio = test::in_build("test-plugins/virtio_backend");

CheckResult checked(const std::string& name, u64 runs) {
  return test::checked_backend(virtio + name + ".so", 1, runs);
}

TEST(VirtioBackend, Holds) { test::expect_held(checked("", test::cases(60, 1024)), "virtio"); }

/// Pages are drawn that the hardware can output: as many calls succeed as with 52 bits.
TEST(VirtioBackend, FewOutputBitsAreAskedNoLess) {
  const u64 runs = test::cases(60, 1024);
  const CheckResult wide = checked("", runs);
  for (const char* name : {"_of_36_bits", "_of_32_bits"}) {
    const CheckResult narrow = checked(name, runs);
    test::expect_held(narrow, name);
    EXPECT_GT(10 * narrow.calls_succeeded * wide.calls, 9 * wide.calls_succeeded * narrow.calls)
        << name;
  }
}

/// What the flags are for.
TEST(VirtioBackend, WhatIsNotSaidIsNotExcused) {
  const std::pair<const char*, const char*> all[] = {{"_hides_privilege", "access of"},
                                                     {"_hides_execution", "execute access of"},
                                                     {"_hides_filling", "may fault"}};
  for (const auto& [name, text] : all) {
    const CheckResult result = checked(name, 300);
    ASSERT_EQ(result.findings.size(), 1U) << name;
    EXPECT_EQ(result.findings.front().rule, rule::PROMISE_TRANSIENT) << name;
    EXPECT_THAT(headline(result.findings.front()), HasSubstr(text)) << name;
  }
}

TEST(VirtioBackend, WhatIsPlantedIsFound) {
  for (const char* name : {"_not_filled", "_first_page", "_no_wait"}) {
    const CheckResult result = checked(name, 300);
    ASSERT_EQ(result.findings.size(), 1U) << name;
    EXPECT_EQ(result.findings.front().party, spec::Keeper::backend) << name;
  }
}

ScenarioResult told(const std::string& name, const std::string& text) {
  const auto file = scenario::parse(text);
  EXPECT_TRUE(file) << file.error().message;
  AloneOptions options;
  options.subjects = [name] { return subjects_of_backend(virtio + name + ".so"); };
  auto result = run_alone(file->scenarios.at(0), options);
  EXPECT_TRUE(result) << result.error().message;
  return std::move(*result);
}

/// Seven numbers: the eighth domain is ENOSPC, and no sooner.
TEST(VirtioBackend, NumbersRunOut) {
  std::string all = "@ FEW numbers of domains\n  dev D0 pasids=0\n";
  std::string again = "@ AGAIN each number comes back\n  dev D0 pasids=0\n";
  for (int i = 0; i < 8; ++i) {
    all += fmt::format("  d{} = domain_alloc(paging) -> {}\n", i, i < 7 ? "ok" : "ENOSPC");
    again += fmt::format("  d{} = domain_alloc(paging) -> ok\n  domain_free(d{}) -> ok\n", i, i);
  }
  using Status = ScenarioResult::Status;
  EXPECT_EQ(told("", all).status, Status::passed);
  EXPECT_EQ(told("", again).status, Status::passed);
  EXPECT_EQ(told("_no_memory", all).status, Status::failed) << "ENOMEM, and there is memory";
  EXPECT_EQ(told("_numbers_lost", again).status, Status::failed) << "ENOSPC of the first";
}

/// Where a leaf may be larger than a page an unmap of a part of it may end there: who expects the
/// one and meets the other has got no verdict, and what is neither is wrong.
TEST(VirtioBackend, WhatMayBeALeafMayStayWhole) {
  const auto unmaps = [](const std::string& name, const std::string& result) {
    return told(name,
                "@ PART of what may be a leaf\n"
                "  dev D0 pasids=0\n"
                "  run R 8\n"
                "  d = domain_alloc(paging) -> ok\n"
                "  attach(d, D0) -> ok\n"
                "  map(d, 0x10000, R, 0x8000, rw) -> ok\n"
                "  unmap(d, 0x13000, 0x1000) -> " +
                    result + "\n");
  };
  using Status = ScenarioResult::Status;
  EXPECT_EQ(unmaps("_whole_blocks", "0").status, Status::passed);
  EXPECT_EQ(unmaps("_whole_blocks", "0x2000").status, Status::failed);
  EXPECT_EQ(unmaps("", "0x1000").status, Status::passed);
  EXPECT_EQ(unmaps("", "0").status, Status::failed) << "it has no such leaves";
  const ScenarioResult other = unmaps("_whole_blocks", "0x1000");
  EXPECT_EQ(other.status, Status::needs);
  EXPECT_THAT(other.needs, ElementsAre(HasSubstr("it answers 0x0, as it may")));
}

/// A map that has timed out is taken back.
TEST(VirtioBackend, AMapMayTimeOut) {
  const std::string text =
      "@ LATE a map times out\n"
      "  dev D0 pasids=0\n"
      "  page P\n"
      "  d = domain_alloc(paging) -> ok\n"
      "  attach(d, D0) -> ok\n"
      "  stuck\n"
      "  map(d, 0x1000, P, 0x1000, rw) -> any\n"
      "  unstuck\n"
      "  map(d, 0x5000, P, 0x1000, rw) -> ok\n"
      "  ? D0 0x1000 r -> F.unmapped\n";
  using Status = ScenarioResult::Status;
  EXPECT_EQ(told("", text).status, Status::passed);
  EXPECT_EQ(told("_timed_out_stays", text).status, Status::failed);
}

}  // namespace
}  // namespace iommucheck::oracle::stories::virtio_test
