// SPDX-License-Identifier: MIT
// Words put together by hand from arch 5.1 and 5.2.
#include "spec/smmu/command.h"

#include <gtest/gtest.h>
#include "spec/rules/commands.h"
#include "spec/smmu/command_legal.h"
#include "tests/spec/random_words.h"
#include "tests/spec/smmu_fixture.h"

namespace iommucheck::spec::smmu_command_test {
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
  EXPECT_EQ(why(0x12, 1 << 10), rule::CMD_TLBI_RANGE_RESERVED);
  EXPECT_EQ(why(0x12, 1 << 10 | 3 << 8), std::nullopt) << "TTL given";
  EXPECT_EQ(why(0x12 | 1 << 12, 1 << 10), std::nullopt) << "two pages";
  EXPECT_EQ(why(0x12 | 1 << 20, 1 << 10), std::nullopt);
  EXPECT_EQ(why(0x12, 2 << 10 | 1 << 8), rule::CMD_TLBI_RANGE_RESERVED) << "TTL 1 counts as 0";
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
  EXPECT_EQ(why(0x46 | 3 << 12, 0), rule::CMD_SYNC_CS);
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
  const auto none = rule::CMD_NOT_IMPLEMENTED;
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
  EXPECT_EQ(why(0x00, 0), rule::CMD_OPCODE);
  EXPECT_EQ(why(0x99, 0), rule::CMD_OPCODE);
  EXPECT_EQ(why(0x03 | 1 << 10, 0), rule::CMD_SSEC);
}

// 4.1.1, 4.2 to 4.7: what each opcode asks of the ID registers; a command that asks for what is not
// there is CERROR_ILL, whatever else is.
TEST(Command, EachOpcodeNeedsItsFeatures) {
  struct Feature {
    const char* name;
    void (*remove)(Capabilities&);
  };
  const Feature features[] = {
      {"S1P", [](Capabilities& c) { c.s1p = false; }},
      {"S2P", [](Capabilities& c) { c.s2p = false; }},
      {"Hyp", [](Capabilities& c) { c.hyp = false; }},
      {"ATS", [](Capabilities& c) { c.ats = false; }},
      {"PRI", [](Capabilities& c) { c.pri = false; }},
      {"MPAM", [](Capabilities& c) { c.mpam = false; }},
      {"stalls", [](Capabilities& c) { c.stall_model = StallModel::never; }},
  };
  struct Row {
    u64 opcode;
    std::string_view needs;
  };
  const Row rows[] = {
      {0x01, ""},       {0x02, ""},        {0x03, ""},        {0x04, ""},        {0x05, "S1P"},
      {0x06, "S1P"},    {0x07, "MPAM"},    {0x10, "S1P"},     {0x11, "S1P"},     {0x12, "S1P"},
      {0x13, "S1P"},    {0x20, "S1P Hyp"}, {0x21, "S1P Hyp"}, {0x22, "S1P Hyp"}, {0x23, "S1P Hyp"},
      {0x28, "S2P"},    {0x2a, "S2P"},     {0x30, ""},        {0x40, "ATS"},     {0x41, "PRI"},
      {0x44, "stalls"}, {0x45, "stalls"},  {0x46, ""},
  };
  Capabilities all = full_capabilities();
  all.pri = all.mpam = true;
  for (const Row& row : rows) {
    EXPECT_EQ(why(row.opcode, 0, all), std::nullopt) << row.opcode;
    for (const Feature& feature : features) {
      Capabilities c = all;
      feature.remove(c);
      const bool needed = row.needs.find(feature.name) != std::string_view::npos;
      EXPECT_EQ(why(row.opcode, 0, c),
                needed ? std::optional(rule::CMD_NOT_IMPLEMENTED) : std::nullopt)
          << std::hex << row.opcode << " without " << feature.name;
    }
  }
}

// The fields of each command, by bit number: what is not one of them is RES0.
TEST(Command, EachOpcodeDefinesItsFields) {
  constexpr u64 ssec = 1 << 10, ssv = 1 << 11, vmid = mask(47, 32), asid = mask(63, 48);
  constexpr u64 ssid = mask(31, 12), sid = mask(63, 32), va = mask(63, 12);
  constexpr u64 range = mask(16, 12) | mask(24, 20), level = mask(11, 8);
  struct Row {
    u64 opcode, dw0, dw1;
  };
  const Row rows[] = {
      {0x01, ssec | ssv | ssid | sid, 0},
      {0x03, ssec | sid, 1},
      {0x04, ssec | sid, mask(4, 0)},
      {0x05, ssec | ssid | sid, 1},
      {0x06, ssec | sid, 0},
      {0x07, ssec | vmid, 0},
      {0x10, vmid, 0},
      {0x11, vmid | asid, 0},
      {0x12, range | vmid | asid, 1 | level | va},
      {0x13, range | vmid, 1 | level | va},
      {0x20, 0, 0},
      {0x21, asid, 0},
      {0x22, range | asid, 1 | level | va},
      {0x23, range, 1 | level | va},
      {0x28, vmid, 0},
      {0x2a, range | vmid, 1 | level | mask(51, 12)},
      {0x30, 0, 0},
      {0x40, 1 << 9 | ssv | ssid | sid, mask(5, 0) | va},
      {0x41, ssv | ssid | sid, mask(8, 0) | mask(13, 12)},
      {0x44, ssec | mask(13, 12) | sid, mask(15, 0)},
      {0x45, ssec | sid, 0},
      {0x46, mask(13, 12) | mask(27, 22) | sid, mask(51, 2)},
  };
  const Capabilities with = full_capabilities();
  Capabilities without = with;
  without.ril = false;
  for (const Row& row : rows) {
    const CommandWords defined{row.dw0 | 0xff, row.dw1};
    EXPECT_EQ(defined_bits(static_cast<Opcode>(row.opcode), with), defined)
        << std::hex << row.opcode;
    const bool by_address =
        (row.dw1 & level) == level && (row.opcode & 0xf0) <= 0x20 && row.opcode >= 0x10;
    const CommandWords plain{defined.dw0 & ~(by_address ? range : 0),
                             defined.dw1 & ~(by_address ? level : 0)};
    EXPECT_EQ(defined_bits(static_cast<Opcode>(row.opcode), without), plain)
        << std::hex << row.opcode << " without RIL";
    for (unsigned n = 8; n < 128; ++n) {
      const bool first = n < 64;
      const CommandWords one{row.opcode | (first ? u64{1} << n : 0),
                             first ? 0 : u64{1} << (n - 64)};
      EXPECT_EQ(has_reserved_bits(one, with),
                !bit(first ? defined.dw0 : defined.dw1, first ? n : n - 64))
          << std::hex << row.opcode << " bit " << std::dec << n;
    }
  }
}

// IDR5.DS = 1 has six bits of SCALE, of which values above 39 act as 39; and 16 KiB at level 1.
TEST(Command, RangesUnderDs) {
  Capabilities c = full_capabilities();
  c.ds = true;
  EXPECT_EQ(decode(0x12 | u64{39} << 20, 3 << 8 | 1 << 10, c).scale, 39u);
  EXPECT_EQ(decode(0x12 | u64{63} << 20, 3 << 8 | 1 << 10, c).scale, 39u);
  EXPECT_EQ(decode(0x12 | u64{63} << 20, 3 << 8 | 1 << 10).scale, 31u);
  EXPECT_EQ(decode(0x12, 1 << 8 | 2 << 10, c).ttl, 1u);
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
}  // namespace iommucheck::spec::smmu_command_test
