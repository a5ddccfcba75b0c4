// SPDX-License-Identifier: MIT
// What it says of an object with line tables is shown by tests/cc/cc_test.sh.
#include "process/source_lines.h"

#include <gtest/gtest.h>

namespace iommucheck::oracle::source_lines_test {
namespace {

TEST(SourceLines, WithoutAnObjectTheAddressIsSaid) {
  EXPECT_EQ(source_line_in("/nowhere/mine.so", 0x1234), "mine.so+0x1234");
}

TEST(SourceLines, AnAddressThatIsNoFunctionsIsSaid) {
  EXPECT_EQ(source_line_in("/dev/null", 0xfffffff0), "null+0xfffffff0");
}

}  // namespace
}  // namespace iommucheck::oracle::source_lines_test
