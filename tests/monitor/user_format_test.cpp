// SPDX-License-Identifier: MIT
// Which words of an STE a user may hand over: IHI 0070 5.2, and INTERFACE "Nested".
#include "monitor/user_format.h"

#include <gtest/gtest.h>

namespace iommucheck::oracle::user_format_test {
namespace {

spec::Capabilities caps_with(unsigned ssidsize, bool ats = true) {
  spec::Capabilities caps;
  caps.s1p = caps.s2p = caps.cd2l = true;
  caps.ssidsize = ssidsize;
  caps.ats = ats;
  caps.oas_lg2 = 40;
  return caps;
}

constexpr u64 v = 1, stage1 = 5 << 1, bypass = 4 << 1, both = 7 << 1;
constexpr u64 s1cdmax(u64 bits) { return bits << 59; }
constexpr u64 eats(u64 value) { return value << 28; }
constexpr u64 cd = 0x40001000;

struct Words {
  const char* what;
  u64 word0, word1;
  bool legal;
};

TEST(UserFormat, WhatAUserMayChooseIsWhatIsLegal) {
  const Words cases[] = {
      {"one CD", v | stage1 | cd, 0, true},
      {"its address may be beyond the output size, an IPA is none", v | stage1 | 1ull << 50, 0,
       true},
      {"as many PASIDs as there are", v | stage1 | cd | s1cdmax(2), 0, true},
      {"one bit more", v | stage1 | cd | s1cdmax(3), 0, false},
      {"one bit more, split-stage ATS", v | stage1 | cd | s1cdmax(3), eats(2), false},
      {"split-stage ATS", v | stage1 | cd, eats(2), true},
      {"without stage 1", v | bypass, eats(2), false},
      {"a reserved EATS", v | stage1 | cd, eats(3), false},
      {"bypass", v | bypass, 0, true},
      {"not valid", bypass, 0, false},
      {"stage 2 is the host's", v | both | cd, 0, false},
      {"STRW is the host's", v | stage1 | cd, u64{2} << 30, false},
  };
  for (const Words& one : cases) {
    const Smmuv3UserFormat format(caps_with(2));
    EXPECT_EQ(format.route({one.word0, one.word1}).has_value(), one.legal) << one.what;
  }
  EXPECT_FALSE(Smmuv3UserFormat(caps_with(0)).route({v | stage1 | cd | s1cdmax(1), 0}));
  EXPECT_FALSE(Smmuv3UserFormat(caps_with(2, false)).route({v | stage1 | cd, eats(1)}));
}

}  // namespace
}  // namespace iommucheck::oracle::user_format_test
