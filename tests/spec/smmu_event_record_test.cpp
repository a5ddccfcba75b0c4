// SPDX-License-Identifier: MIT
// Records put together by hand from arch 6.1 and 6.2.
#include "spec/smmu/event_record.h"

#include <gtest/gtest.h>

namespace iommucheck::spec::smmu_event_record_test {
namespace {

using Words = std::array<u64, event_words>;

EventFields access() {
  EventFields f;
  f.sid = 0x12;
  f.input_address = 0xdead'beef;
  return f;
}

TEST(EventRecord, Stage1TranslationFault) {
  // RnW bit 35, CLASS = IN (2) at 41:40; STAG and IPA are open.
  const Words w{0x0000'0012'0000'0010, (u64{1} << 35) | (u64{2} << 40), 0xdead'beef, 0};
  const EventRecord r = record_of(EventType::f_translation, access());
  EXPECT_TRUE(matches(r, w)) << describe_mismatch(r, w);
  Words other = w;
  other[0] |= u64{0xabcde} << 12;
  EXPECT_TRUE(matches(r, other)) << "SSV = 0: SSID is UNKNOWN";
  other = w;
  other[1] |= 0x77;
  other[3] |= 0x5000;
  EXPECT_TRUE(matches(r, other)) << "STAG without a stall, IPA without stage 2";
  EventFields stray = access();
  stray.stag = 0x11;
  EXPECT_TRUE(matches(record_of(EventType::f_translation, stray), other)) << "no stall, no STAG";
}

TEST(EventRecord, EachFixedFieldCounts) {
  const Words w{0x0000'0012'0000'0010, (u64{1} << 35) | (u64{2} << 40), 0xdead'beef, 0};
  const EventRecord r = record_of(EventType::f_translation, access());
  const std::pair<unsigned, unsigned> fixed[] = {{0, 0},  {0, 11}, {0, 32}, {0, 63}, {1, 31},
                                                 {1, 33}, {1, 34}, {1, 35}, {1, 39}, {1, 40},
                                                 {2, 0},  {2, 63}, {1, 50}, {3, 3}};
  for (const auto& [word, n] : fixed) {
    Words other = w;
    other[word] ^= u64{1} << n;
    EXPECT_FALSE(matches(r, other)) << word << ":" << n;
    EXPECT_FALSE(describe_mismatch(r, other).empty());
  }
  Words other = w;
  other[2] = 0xdead'bee0;
  EXPECT_EQ(describe_mismatch(r, other), "InputAddr is 0xdeadbee0, expected 0xdeadbeef");
}

TEST(EventRecord, SubstreamWriteStall) {
  EventFields f = access();
  f.ssid = 3;
  f.read = false;
  f.instruction = true;  // a write is data
  f.privileged = true;
  f.stall = true;
  f.stag = 0x99;
  const EventRecord r = record_of(EventType::f_permission, f);
  const Words w{0x12'0000'3813, 0x99 | (u64{1} << 31) | (u64{1} << 33) | (u64{2} << 40),
                0xdead'beef, 0};
  EXPECT_TRUE(matches(r, w)) << describe_mismatch(r, w);
  Words other = w;
  other[1] ^= 1;
  EXPECT_FALSE(matches(r, other)) << "STAG";
  f.stag.reset();
  EXPECT_TRUE(matches(record_of(EventType::f_permission, f), other)) << "any STAG";
}

TEST(EventRecord, Stage2OfATableWalk) {
  EventFields f = access();
  f.stage2 = true;
  f.event_class = EventClass::tt;
  f.ipa = 0x4000'1238;
  f.descriptor_read = false;
  const EventRecord r = record_of(EventType::f_permission, f);
  const Words w{0x12'0000'0013, (u64{1} << 35) | (u64{1} << 39) | (u64{1} << 40), 0xdead'beef,
                0x4000'1000};
  EXPECT_TRUE(matches(r, w)) << describe_mismatch(r, w);
  Words other = w;
  other[1] |= u64{1} << 44;
  EXPECT_FALSE(matches(r, other)) << "TTRnW";
  other = w;
  other[3] = 0x4000'2000;
  EXPECT_FALSE(matches(r, other)) << "IPA";
}

/// TTRnW counts where the access was a table walk's only (IHI 0070 7.3.16).
TEST(EventRecord, TTRnWOfAPermissionFault) {
  EventFields f = access();
  const auto either = [&] {
    const EventRecord r = record_of(EventType::f_permission, f);
    Words w{};
    for (unsigned i = 0; i < event_words; ++i) w[i] = r.dw[i];
    Words other = w;
    other[1] ^= u64{1} << 44;
    EXPECT_TRUE(matches(r, w));
    return matches(r, other);
  };
  EXPECT_TRUE(either()) << "of the access itself";
  f.event_class = EventClass::tt;
  EXPECT_FALSE(either());
}

TEST(EventRecord, Configuration) {
  EventFields f;
  f.sid = 7;
  f.ssid = 5;
  EXPECT_TRUE(matches(record_of(EventType::c_bad_cd, f), Words{0x7'0000'580a, 0, 0, 0}));
  EXPECT_TRUE(matches(record_of(EventType::c_bad_substreamid, f), Words{0x7'0000'5008, 0, 0, 0}))
      << "no SSV bit";
  EXPECT_FALSE(matches(record_of(EventType::c_bad_substreamid, f), Words{0x7'0000'5808, 0, 0, 0}));
  EXPECT_TRUE(matches(record_of(EventType::f_stream_disabled, f), Words{0x7'0000'0006, 0, 0, 0}));
  EXPECT_FALSE(matches(record_of(EventType::c_bad_cd, f), Words{0x7'0000'580a, 0, 1, 0})) << "RES0";
}

TEST(EventRecord, Fetch) {
  EventFields f = access();
  f.fetch_address = 0x8000'0048;
  const Words cd{0x12'0000'0009, 0x1234, 0, 0x8000'0048};
  EXPECT_TRUE(matches(record_of(EventType::f_cd_fetch, f), cd)) << "Reason is free; DW3";
  EXPECT_FALSE(matches(record_of(EventType::f_cd_fetch, f), Words{cd[0], 0, 0x8000'0048, 0}));
  f.event_class = EventClass::tt;
  const Words walk{0x12'0000'000b, 0x55 | (u64{1} << 35) | (u64{1} << 40), 0xdead'beef,
                   0x8000'0048};
  EXPECT_TRUE(matches(record_of(EventType::f_walk_eabt, f), walk));
}

TEST(EventRecord, Text) {
  EXPECT_EQ(describe(record_of(EventType::f_translation, access()).dw),
            "F_TRANSLATION sid=18 va=0xdeadbeef read unprivileged stage 1");
  EXPECT_EQ(event_name(EventType::c_bad_ste), "C_BAD_STE");
  EXPECT_EQ(event_name(static_cast<EventType>(0x99)), "reserved");
}

}  // namespace
}  // namespace iommucheck::spec::smmu_event_record_test
