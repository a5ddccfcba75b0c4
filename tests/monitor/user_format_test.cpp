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
      {"without stage 1, where EATS is ignored", v | bypass, eats(2), true},
      {"a reserved EATS, which acts like 0", v | stage1 | cd, eats(3), true},
      {"a reserved Config, which acts like abort", v | 1 << 1, 0, true},
      {"bypass", v | bypass, 0, true},
      {"not valid", bypass, 0, false},
      {"stage 2 is the host's", v | both | cd, 0, false},
      {"STRW is the host's", v | stage1 | cd, u64{2} << 30, false},
  };
  for (const Words& one : cases) {
    const Smmuv3UserFormat format(caps_with(2));
    EXPECT_EQ(format.route({one.word0, one.word1}).has_value(), one.legal) << one.what;
  }
  // Without substreams S1CDMax is IGNORED, and S1ContextPtr points to one CD. IHI 0070 5.2.
  for (const u64 config : {stage1, bypass}) {
    const auto ignored = Smmuv3UserFormat(caps_with(0)).route({v | config | cd | s1cdmax(1), 0});
    ASSERT_TRUE(ignored);
    EXPECT_EQ(ignored->pasid_bits, 0U);
    EXPECT_TRUE(ignored->may_be_refused && ignored->table_is_ignored);
  }
  EXPECT_TRUE(Smmuv3UserFormat(caps_with(2, false)).route({v | stage1 | cd, eats(1)}));
  spec::Capabilities no_split = caps_with(2);
  no_split.ns1ats = true;
  EXPECT_FALSE(Smmuv3UserFormat(no_split).route({v | stage1 | cd, eats(2)}));
}

/// As Linux does, which takes three Configs and two of EATS, whatever the SMMU has.
TEST(UserFormat, WhatIsReservedOrIgnoredAHostMayRefuse) {
  const auto refused = [](u64 word0, u64 word1, bool ats = true) {
    const auto route = Smmuv3UserFormat(caps_with(2, ats)).route({word0, word1});
    return route && route->may_be_refused;
  };
  const u64 table = v | stage1 | cd | s1cdmax(2);
  EXPECT_TRUE(refused(v | 1 << 1, 0)) << "Config 001";
  EXPECT_FALSE(refused(v, 0)) << "Config 000";
  EXPECT_TRUE(refused(v | stage1 | cd, eats(1), false)) << "no ATS";
  EXPECT_FALSE(refused(v | stage1 | cd, eats(1)));
  EXPECT_TRUE(refused(v | stage1 | cd, eats(2))) << "split-stage";
  EXPECT_TRUE(refused(v | bypass, eats(1))) << "ignored";
  EXPECT_TRUE(refused(v | stage1 | u64{1} << 40, 0)) << "beyond what stage 2 takes";
  EXPECT_FALSE(refused(v | stage1 | u64{1} << 39, 0));
  EXPECT_TRUE(refused(table, 3)) << "S1DSS 11";
  EXPECT_TRUE(refused(table | 3 << 4, 0)) << "S1Fmt 11";
  EXPECT_TRUE(refused(v | stage1 | cd, u64{1} << 6)) << "S1CSH 01";
  EXPECT_FALSE(refused(v | stage1 | cd, u64{3} << 6));
  EXPECT_FALSE(refused(v | bypass, u64{1} << 6)) << "nobody looks at it";
  EXPECT_FALSE(refused(table, 2));
}

TEST(UserFormat, ATableThatNothingLooksAtIsOfEitherKind) {
  const Smmuv3UserFormat format(caps_with(2));
  EXPECT_TRUE(format.route({v | bypass | s1cdmax(2), 0})->table_is_ignored);
  EXPECT_FALSE(format.route({v | bypass, 0})->table_is_ignored);
  EXPECT_FALSE(format.route({v | stage1 | cd | s1cdmax(2), 0})->table_is_ignored);
}

TEST(UserFormat, WhatHardwareIgnoresMayBeRefused) {
  using Kind = spec::sva::UserCommand::Kind;
  spec::Capabilities caps = caps_with(2);
  caps.ril = true;
  const Smmuv3UserFormat format(caps);
  const u64 nh_vaa = 0x13 | u64{4} << 12 | u64{1} << 20;
  const auto range = [&](u64 ttl, u64 tg) {
    return format.command({nh_vaa, 0x18000 | ttl << 8 | tg << 10});
  };
  EXPECT_EQ(range(1, 2).kind, Kind::nothing_owed);
  EXPECT_TRUE(range(1, 2).may_be_refused) << "TTL = 1 of 16 KiB counts as 0";
  EXPECT_FALSE(range(2, 2).may_be_refused);
  EXPECT_EQ(range(1, 0).kind, Kind::forbidden) << "without TG there is no TTL";
  const auto ste = format.command({0x03 | u64{7} << 32, 1});
  EXPECT_EQ(ste.kind, Kind::nothing_owed);
  EXPECT_TRUE(ste.may_be_refused && ste.stream == u64{7});
  EXPECT_FALSE(format.command({0x40 | u64{7} << 32, 0}).may_be_refused);
  EXPECT_FALSE(format.command({0x40 | u64{7} << 32, 52}).may_be_refused);
  EXPECT_TRUE(format.command({0x40 | u64{7} << 32, 53}).may_be_refused) << "it may be ILLEGAL";
}

/// SSV, SSID 5, host's StreamID 9; STAG and Stall; PnU, InD, RnW; CLASS IN; an address of the
/// host's.
spec::sva::EventWords record(u64 type, bool stage2 = false) {
  return {type | u64{1} << 11 | u64{5} << 12 | u64{9} << 32,
          0x77 | u64{1} << 31 | u64{7} << 33 | u64{stage2 ? 1U : 0U} << 39 | u64{2} << 40 |
              u64{1} << 44,
          0x1234'5678, 0x8000'0000};
}

TEST(UserFormat, OfAnEventAUserIsToldWhatIsItsOwn) {
  const Smmuv3UserFormat format(caps_with(2));
  const u64 access = u64{7} << 33 | u64{2} << 40;
  const u64 of_pasid = u64{1} << 11 | u64{5} << 12 | u64{0x42} << 32;
  using Words4 = spec::sva::EventWords;
  for (const u64 type : {0x10ULL, 0x11ULL, 0x12ULL, 0x13ULL}) {
    EXPECT_EQ(format.event(record(type), 0x42), (Words4{type | of_pasid, access, 0x1234'5678, 0}));
    EXPECT_FALSE(format.event(record(type, true), 0x42)) << "of stage 2";
  }
  EXPECT_EQ(format.event(record(0x0a), 0x42), (Words4{0x0a | of_pasid, 0, 0, 0}));
  EXPECT_EQ(format.event(record(0x08), 1), (Words4{0x08 | u64{5} << 12 | u64{1} << 32, 0, 0, 0}))
      << "SSV is no field of it";
  EXPECT_EQ(format.event(record(0x06), 1), (Words4{0x06 | u64{1} << 32, 0, 0, 0}));
  Words4 unknown = record(0x10);
  unknown[0] &= ~(u64{1} << 11);
  EXPECT_EQ(format.event(unknown, 2), (Words4{0x10 | u64{2} << 32, access, 0x1234'5678, 0}))
      << "without SSV the SSID is UNKNOWN";
  for (const u64 type : {0x01ULL, 0x02ULL, 0x03ULL, 0x04ULL, 0x05ULL, 0x07ULL, 0x09ULL, 0x0bULL,
                         0x20ULL, 0x21ULL, 0x24ULL, 0x25ULL}) {
    EXPECT_FALSE(format.event(record(type), 1)) << type;
  }
}

}  // namespace
}  // namespace iommucheck::oracle::user_format_test
