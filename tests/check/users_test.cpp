// SPDX-License-Identifier: MIT
// Users of stage 2 domains in campaigns: what was once held against a driver that was right is not
// again, and what is wrong with how one serves them is found and shows again by its trace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "check/given.h"
#include "report/finding_text.h"
#include "tests/places.h"

namespace iommucheck::test::users_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

CheckResult check(const CheckOptions& options) {
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

struct Accused {
  const char* why;
  const char* driver;
  const char* machine;
  const char* sequence;
};

TEST(Users, ADriverThatIsRightIsNotAccused) {
  const Accused cases[] = {
      {"stage 2 that may be written may be read", "builtin",
       "httu=2,vmid16=1,s2p=1,xnx=1,devices=0xf:8",
       "user pa_page=1 choices=0xa\nunmap aim=inside page=1\nmap aim=behind prot=w\n"
       "user mapping=1 choices=0x2fd\n"},
      {"a device that a time-out left between a user's route and none", "builtin-per-device",
       "s2p=1,gran64k=1,devices=0x2:10:ats/0x4+0x1+0x0:0",
       "user device=1\nuser variant=entry choices=0xc2\ndomain_alloc variant=identity\n"
       "hardware variant=stop\nattach device=1 domain=1\nuser choices=0x80\n"},
      {"more PASIDs than the SMMU has are no route", "builtin",
       "s2p=1,ssidsize=1,devices=0x2+0x1:1:ats/0x3:1", "user choices=0x4be\n"},
      {"old entries of a device's meet a route by split-stage ATS", "builtin-per-device",
       "httu=2,vmid16=1,s2p=1,gran64k=1,ssidsize=11,sidsize=4,devices=0x3:10:ats:stall/0x0:3:stall",
       "dirty\nuser choices=0x4be\n"},
      {"a device on its way to stage 2 says nothing of how a walker beside it reads", "builtin",
       "minor=3,s2p=1,fwb=1,gran16k=1,ssidsize=1,sidsize=5,devices=0x2+0x1:1:ats/0x3:1",
       "gpu_switch\ndomain_alloc variant=stage2\nqueue choices=0x4\nattach\nmap domain=1\n"
       "gpu_switch\ndomain_alloc\n"},
      {"a user that changes its mind often", "builtin", "s2p=1,devices=0x1:8/0x2:8",
       "user choices=0x1\nuser choices=0x1\nuser choices=0x20\nuser choices=0x1\nuser\n"
       "user choices=0x20\nuser choices=0x1\nuser\nuser choices=0x20\nattach\n"},
  };
  for (const Accused& one : cases) {
    auto sequence = oracle::parse_sequence(one.sequence, one.why);
    ASSERT_TRUE(sequence) << sequence.error().message;
    CheckOptions options;
    options.driver = one.driver;
    options.machine = one.machine;
    options.given = std::make_shared<const std::vector<oracle::GivenCase>>(
        std::vector<oracle::GivenCase>{{one.why, *sequence}});
    const CheckResult result = check(options);
    EXPECT_EQ(result.sequences, 1U) << one.why;
    EXPECT_EQ(result.without_verdict, 0U) << one.why;
    for (const auto& finding : result.findings) {
      ADD_FAILURE() << one.why << ": " << oracle::headline(finding);
    }
  }
}

/// What is compared with what a user's tables say is an event of the trace.
TEST(Users, AFindingShowsAgainByItsTraceAlone) {
  CheckOptions options;
  options.driver = test::in_build("museum/museum_user_vmid_kept.so");
  options.machine = "s2p=1,httu=2";
  options.sequences = 1500;
  options.operations_max = 32;
  options.seed = 3;
  options.findings_max = 1;
  const CheckResult result = check(options);
  ASSERT_THAT(result.findings, Not(IsEmpty()));
  const oracle::Violation& found = result.findings[0];
  EXPECT_EQ(found.rule, spec::Rule::PROMISE_OUTCOME) << oracle::headline(found);
  EXPECT_THAT(found.remarks, Each(Not(HasSubstr("the trace alone does not show it"))));
}

}  // namespace
}  // namespace iommucheck::test::users_test
