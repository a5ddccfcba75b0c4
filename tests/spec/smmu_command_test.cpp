// SPDX-License-Identifier: MIT
// Words put together by hand from arch 5.1 and 5.2.
#include "spec/smmu/command.h"

#include <gtest/gtest.h>
#include "tests/spec/random_words.h"
#include "tests/spec/smmu_fixture.h"

namespace iommucheck::spec {
namespace {

Command decode(u64 dw0, u64 dw1, const Capabilities& c = full_capabilities()) {
  return decode_command(dw0, dw1, c);
}
std::optional<Rule> why(u64 dw0, u64 dw1, const Capabilities& c = full_capabilities()) {
  return check_command(decode(dw0, dw1, c), c);
}

TEST(Command, TlbiNhVaWithARange) {
  // NUM 3, SCALE 5, VMID 0x12, ASID 0x34; Leaf, TTL 3, TG 1 (4K), VA 0xffff800012345000.
  const u64 dw0 = 0x12 | (u64{3} << 12) | (u64{5} << 20) | (u64{0x12} << 32) | (u64{0x34} << 48);
  const u64 dw1 = 1 | (3 << 8) | (1 << 10) | 0xffff'8000'1234'5000;
  const Command c = decode(dw0, dw1);
  EXPECT_EQ(c.op, Opcode::tlbi_nh_va);
  EXPECT_EQ(c.num, 3u);
  EXPECT_EQ(c.scale, 5u);
  EXPECT_EQ(c.vmid, 0x12u);
  EXPECT_EQ(c.asid, 0x34u);
  EXPECT_TRUE(c.leaf);
  EXPECT_EQ(c.ttl, 3u);
  EXPECT_EQ(c.tg, 1u);
  EXPECT_EQ(c.address, 0xffff'8000'1234'5000u);
  EXPECT_EQ(why(dw0, dw1), std::nullopt);
}

TEST(Command, RangeFieldsNeedRilAndTg) {
  const u64 dw0 = 0x12 | (u64{3} << 12) | (u64{5} << 20);
  Capabilities c = full_capabilities();
  c.ril = false;
  EXPECT_EQ(decode(dw0, 3 << 8 | 1 << 10, c).tg, 0u);
  EXPECT_EQ(decode(dw0, 3 << 8 | 1 << 10, c).num, 0u);
  EXPECT_EQ(decode(dw0, 3 << 8).num, 0u) << "TG = 0";
  EXPECT_EQ(decode(dw0, 3 << 8).ttl, 0u);
  EXPECT_EQ(decode(dw0, 1 << 8 | 2 << 10).ttl, 0u) << "16K has no level 1 blocks";
}

TEST(Command, PointlessRangeIsIllegal) {
  EXPECT_EQ(why(0x12, 1 << 10), Rule::CMD_TLBI_RANGE_RESERVED);
  EXPECT_EQ(why(0x12, 1 << 10 | 3 << 8), std::nullopt) << "TTL given";
  EXPECT_EQ(why(0x12 | 1 << 12, 1 << 10), std::nullopt) << "two pages";
  EXPECT_EQ(why(0x12 | 1 << 20, 1 << 10), std::nullopt);
  EXPECT_EQ(why(0x12, 2 << 10 | 1 << 8), Rule::CMD_TLBI_RANGE_RESERVED) << "TTL 1 counts as 0";
  EXPECT_EQ(why(0x12, 0), std::nullopt);
}

TEST(Command, Configuration) {
  const Command ste = decode(0x03 | (u64{0x1234} << 32), 1);
  EXPECT_EQ(ste.op, Opcode::cfgi_ste);
  EXPECT_EQ(ste.sid, 0x1234u);
  EXPECT_TRUE(ste.leaf);
  const Command all = decode(0x04, 31);
  EXPECT_EQ(all.range, 31u);
  const Command cd = decode(0x05 | (u64{7} << 12) | (u64{9} << 32), 0);
  EXPECT_EQ(cd.ssid, 7u);
  EXPECT_EQ(cd.sid, 9u);
  EXPECT_FALSE(cd.leaf);
}

TEST(Command, SyncAndAtc) {
  const Command sync =
      decode(0x46 | (1 << 12) | (3 << 22) | (u64{0xf} << 24) | (u64{0xcafe} << 32), 0x8000'0004);
  EXPECT_EQ(sync.cs, 1u);
  EXPECT_EQ(sync.msi_data, 0xcafeu);
  EXPECT_EQ(sync.msi_address, 0x8000'0004u);
  EXPECT_EQ(why(0x46 | 3 << 12, 0), Rule::CMD_SYNC_CS);
  const Command atc = decode(0x40 | (1 << 11) | (u64{7} << 12) | (u64{9} << 32), 52 | 0x5000);
  EXPECT_TRUE(atc.ssv);
  EXPECT_EQ(atc.ssid, 7u);
  EXPECT_EQ(atc.size, 52u);
  EXPECT_EQ(atc.address, 0x5000u);
}

TEST(Command, IllegalWithoutTheFeature) {
  const auto without = [](auto change) {
    Capabilities c = full_capabilities();
    change(c);
    return c;
  };
  const auto none = Rule::CMD_NOT_IMPLEMENTED;
  EXPECT_EQ(why(0x10, 0, without([](Capabilities& c) { c.s1p = false; })), none);
  EXPECT_EQ(why(0x05, 0, without([](Capabilities& c) { c.s1p = false; })), none);
  EXPECT_EQ(why(0x03, 0, without([](Capabilities& c) { c.s1p = false; })), std::nullopt);
  EXPECT_EQ(why(0x20, 0, without([](Capabilities& c) { c.hyp = false; })), none);
  EXPECT_EQ(why(0x28, 0, without([](Capabilities& c) { c.s2p = false; })), none);
  EXPECT_EQ(why(0x40, 0, without([](Capabilities& c) { c.ats = false; })), none);
  EXPECT_EQ(why(0x44, 0, without([](Capabilities& c) { c.stall_model = StallModel::never; })),
            none);
  EXPECT_EQ(why(0x30, 0, without([](Capabilities& c) { c.s1p = c.s2p = false; })), std::nullopt);
  EXPECT_EQ(why(0x18, 0), none) << "EL3 on the Non-secure queue";
  EXPECT_EQ(why(0x00, 0), Rule::CMD_OPCODE);
  EXPECT_EQ(why(0x99, 0), Rule::CMD_OPCODE);
  EXPECT_EQ(why(0x03 | 1 << 10, 0), Rule::CMD_SSEC);
}

TEST(Command, ReservedBits) {
  const Capabilities c = full_capabilities();
  EXPECT_FALSE(has_reserved_bits({0x03 | (u64{5} << 32), 1}, c));
  EXPECT_TRUE(has_reserved_bits({0x03, 2}, c));
  EXPECT_TRUE(has_reserved_bits({0x12 | u64{1} << 25, 0}, c)) << "SCALE has 5 bits";
  EXPECT_TRUE(has_reserved_bits({0x30, 1}, c));
}

TEST(Command, Text) {
  EXPECT_EQ(describe(cmd_tlbi_nh_va(0, 5, 0x1000)), "TLBI_NH_VA vmid=0 asid=5 va=0x1000 leaf=1");
  EXPECT_EQ(describe(cmd_cfgi_cd(1, 2)), "CFGI_CD sid=1 ssid=2 leaf=1");
  EXPECT_EQ(describe(cmd_sync()), "SYNC");
  EXPECT_EQ(opcode_name(static_cast<Opcode>(0x99)), "reserved");
}

// Any words: decoding is total, and encoding gives back what decoding has understood.
RC_GTEST_PROP(Command, EncodeAndDecodeAreInverse, ()) {
  const Capabilities c = full_capabilities();
  const u64 dw0 = any_word() & ~u64{0xff}, dw1 = any_word();
  for (const Opcode op : known_opcodes) {
    const Command command = decode(dw0 | static_cast<u64>(op), dw1, c);
    const CommandWords words = encode_command(command);
    RC_ASSERT(decode(words.dw0, words.dw1, c) == command);
    RC_ASSERT(!has_reserved_bits(words, c));
    const CommandWords defined = defined_bits(op, c);
    if (command.tg != 0 && !(command.tg == 2 && bits(dw1, 9, 8) == 1)) {
      RC_ASSERT(words.dw0 == ((dw0 | static_cast<u64>(op)) & defined.dw0));
      RC_ASSERT(words.dw1 == (dw1 & defined.dw1));
    }
  }
}

}  // namespace
}  // namespace iommucheck::spec
