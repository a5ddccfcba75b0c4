// SPDX-License-Identifier: MIT
// Drivers that take physical addresses for pointers: table memory lies where its physical address
// says if they say so, or whoever runs them does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "check/check_plugin.h"
#include "host/pages.h"
#include "spec/rules/interface.h"
#include "tests/places.h"

namespace iommucheck::oracle::identity_window_test {
namespace {

using testing::Contains;
using testing::Each;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

CheckOptions options_for(const std::string& driver) {
  CheckOptions options;
  options.driver = test::in_build("test-plugins/identity_") + driver + ".so";
  options.machine = "drawn";
  options.seed = 3;
  options.sequences = 400;
  return options;
}

CheckResult check(const CheckOptions& options) {
  auto result = run_check(options);
  EXPECT_TRUE(result) << result.error().message;
  return result ? std::move(*result) : CheckResult{};
}

TEST(IdentityWindow, ADriverThatSaysSoIsJudged) {
  const CheckResult result = check(options_for("says_so"));
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.sequences, 400U);
}

/// What it sees is another copy than the judge's: that one lies there.
TEST(IdentityWindow, AndOneThatWritesThroughPointers) {
  const CheckResult result = check(options_for("scans"));
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.sequences, 400U);
}

/// What is aligned by the address that the processor has is aligned by the SMMU's, and both are the
/// same ones in every run.
TEST(IdentityWindow, ElsewhereAddressesAreCongruent) {
  constexpr std::size_t bytes = std::size_t{16} << 20;
  constexpr u64 pa = 0x80401000;
  constexpr u64 gib = u64{1} << 30;
  const auto first = Pages::congruent_place(bytes, pa);
  ASSERT_TRUE(first);
  EXPECT_EQ(*first % gib, pa % gib);
  const Pages one(bytes, Pages::Kind::own, *first);
  EXPECT_EQ(reinterpret_cast<u64>(one.seen()), *first);
  const auto second = Pages::congruent_place(bytes, pa);
  ASSERT_TRUE(second);
  EXPECT_NE(*second, *first);
  EXPECT_EQ(*second % gib, pa % gib);
}

TEST(IdentityWindow, OrWhoRunsIt) {
  CheckOptions options = options_for("silent");
  options.identity_window = true;
  EXPECT_THAT(check(options).findings, IsEmpty());
}

/// The twin: what is wrong with it is found, and shows again in a process of its own.
TEST(IdentityWindow, AMistakeBehindItIsFound) {
  CheckOptions options = options_for("buggy");
  options.findings_max = 1;
  const CheckResult result = check(options);
  ASSERT_THAT(result.findings, Not(IsEmpty()));
  EXPECT_NE(result.findings[0].rule, spec::rule::STATE_RETURNS);
  EXPECT_THAT(result.findings[0].remarks, Each(Not(HasSubstr("not seen again"))));
}

TEST(IdentityWindow, WithoutItTheCrashSaysWhatTheDriverAssumes) {
  EXPECT_THAT(remark_on_address(0x80001000, 0x80000000, 16 << 20, false),
              HasSubstr("--window identity"));
  EXPECT_EQ(remark_on_address(0x80001000, 0x80000000, 16 << 20, true), "");
  EXPECT_EQ(remark_on_address(0x81000000, 0x80000000, 16 << 20, false), "") << "behind it";
  EXPECT_EQ(remark_on_address(0x10, 0x80000000, 16 << 20, false), "");
}

TEST(IdentityWindow, SeveralLieInOneProcess) {
  constexpr std::size_t bytes = std::size_t{16} << 20;
  const auto first = Pages::identity_place(bytes);
  ASSERT_TRUE(first);
  const Pages one(bytes, Pages::Kind::mirrored, *first);
  EXPECT_EQ(reinterpret_cast<u64>(one.seen()), *first);
  const auto second = Pages::identity_place(bytes);
  ASSERT_TRUE(second);
  EXPECT_NE(*second, *first);
  const Pages two(bytes, Pages::Kind::own, *second);
  EXPECT_EQ(reinterpret_cast<u64>(two.seen()), *second);
  *reinterpret_cast<u64*>(one.data()) = 7;
  EXPECT_EQ(*reinterpret_cast<const u64*>(one.seen()), 7U);
}

}  // namespace
}  // namespace iommucheck::oracle::identity_window_test
