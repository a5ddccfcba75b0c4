// SPDX-License-Identifier: MIT
// A system that goes down: shutdown ends what is live (driver.h), and gives it back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/given.h"
#include "check/lockstep.h"
#include "check/machine.h"
#include "check/sequence.h"
#include "impl/driver.h"
#include "report/finding_text.h"

namespace iommucheck::oracle::shutdown_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> findings_of(const iommucheck_driver& driver, std::string_view sequence,
                                     std::string_view machine) {
  LockstepOptions options;
  options.machine = parse_machine(machine).value();
  Lockstep lockstep(driver, options);
  EXPECT_EQ(lockstep.boot(), "");
  const auto read = parse_sequence(sequence, "t");
  EXPECT_TRUE(read) << (read ? "" : read.error().message);
  if (!read) return {};
  EXPECT_TRUE(read->ends.shutdown && !read->ends.teardown);
  lockstep.run(read->operations, read->ends);
  std::vector<std::string> all;
  for (const Finding& finding : lockstep.monitor().findings()) all.push_back(one_line(finding));
  return all;
}

// Hooks hear of each process and private space that is attached: "bind", "sva_alloc".
constexpr std::string_view live =
    "attach\nmap\nbind\nsva_alloc\nattach device=1\nbind device=1\nmap page=3\nend shutdown\n";

TEST(Shutdown, OurDriverEndsWhatIsLive) {
  for (const char* machine : {"default", "s1p=0,s2p=1", "ats=0", "st2l=0", "cohacc=0"}) {
    EXPECT_THAT(findings_of(*impl::builtin_driver(), live, machine), IsEmpty()) << machine;
  }
}

TEST(Shutdown, WhatItLeavesIsFound) {
  iommucheck_driver forgets = *impl::builtin_driver();
  forgets.shutdown = [](void*) { return 0; };
  EXPECT_THAT(findings_of(forgets, "attach\nmap\nend shutdown\n", "default"),
              ElementsAre(HasSubstr("passes"), HasSubstr("not given back by shutdown")));
}

}  // namespace
}  // namespace iommucheck::oracle::shutdown_test
