// SPDX-License-Identifier: MIT
// What a device that is played here writes through an answer of before: where its request would
// have marked the page, and the page is unmarked, there was no such request. IHI 0070 3.13, 13.7.
#include <gtest/gtest.h>

#include "impl/driver.h"
#include "tests/check/lines_support.h"

namespace iommucheck::oracle::marks_test {
namespace {

/// The attach behind which the queue is stuck has ended the answers, and not taken them back.
TEST(Marks, NothingIsWrittenByAnAnswerThatNobodyAskedFor) {
  constexpr std::string_view sequence =
      "domain_alloc\ndomain_alloc variant=stage2\ndirty domain=1\nqueue choices=0x4\nattach\n"
      "dirty domain=1 choices=0x102\n";
  EXPECT_EQ(test::findings_of_lines(
                *impl::builtin_driver(), sequence,
                "ril=0,httu=2,cd2l=0,s2p=1,hyp=1,msi=1,gran64k=1,sidsize=10,cmdqs=3,"
                "eventqs=2,oas=40,devices=0x25a+0x1c:10:ats:group=1/0xe+0x3:0:ats:group=1"),
            std::vector<std::string>{});
}

}  // namespace
}  // namespace iommucheck::oracle::marks_test
