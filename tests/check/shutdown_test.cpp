// SPDX-License-Identifier: MIT
// A system that goes down: shutdown ends what is live (driver.h), and gives it back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "impl/driver.h"
#include "tests/check/lines_support.h"

namespace iommucheck::oracle::shutdown_test {
namespace {

using test::findings_of_lines;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Hooks hear of each process and private space that is attached: "bind", "sva_alloc".
constexpr std::string_view live =
    "attach\nmap\nbind\nsva_alloc\nattach device=1\nbind device=1\nmap page=3\nend shutdown\n";

TEST(Shutdown, OurDriverEndsWhatIsLive) {
  for (const char* machine : {"default", "s1p=0,s2p=1", "ats=0", "st2l=0", "cohacc=0"}) {
    EXPECT_THAT(findings_of_lines(*impl::builtin_driver(), live, machine), IsEmpty()) << machine;
  }
}

TEST(Shutdown, WhatItLeavesIsFound) {
  iommucheck_driver forgets = *impl::builtin_driver();
  forgets.shutdown = [](void*) { return 0; };
  EXPECT_THAT(findings_of_lines(forgets, "attach\nmap\nend shutdown\n"),
              ElementsAre(HasSubstr("passes"), HasSubstr("not given back by shutdown")));
}

}  // namespace
}  // namespace iommucheck::oracle::shutdown_test
