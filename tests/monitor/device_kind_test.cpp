// SPDX-License-Identifier: MIT
// The kind of a device's finding: a value, and the words that are made of it.
#include <gtest/gtest.h>

#include "monitor/finding.h"

namespace iommucheck::oracle::device_kind_test {
namespace {

TEST(DeviceKind, WordsAreMadeOfItsParts) {
  EXPECT_EQ(text_of({}), "");
  EXPECT_EQ(text_of({.what = "OVFLG toggles by itself"}), "OVFLG toggles by itself");
  EXPECT_EQ(text_of({.what = "F_TRANSLATION", .field = "CLASS"}), "F_TRANSLATION.CLASS");
  DeviceKind kind{.what = "terminated as F_TRANSLATION",
                  .features = {"through TTB1", "the top byte is ignored"}};
  EXPECT_EQ(text_of(kind), "terminated as F_TRANSLATION (through TTB1, the top byte is ignored)");
  kind.features.pop_back();
  EXPECT_EQ(text_of(kind), "terminated as F_TRANSLATION (through TTB1)");
}

}  // namespace
}  // namespace iommucheck::oracle::device_kind_test
