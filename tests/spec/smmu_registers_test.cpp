// SPDX-License-Identifier: MIT
#include "spec/smmu/registers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/spec/smmu_fixture.h"

namespace iommucheck::spec::smmu_registers_test {
namespace {

// IDR0, IDR1, IDR5 put together by hand from arch 1.2.
TEST(Registers, CapabilitiesOfHandMadeWords) {
  IdRegisters id;
  // S1P 1, TTF 2 (bit 3), COHACC 4, HTTU 2 (7:6), ASID16 12, CD2L 19, TTENDIAN 2 (22:21),
  // STALL_MODEL 1 (25:24), TERM_MODEL 26, ST_LEVEL 1 (28:27).
  id.idr[0] =
      0x2 | 0x8 | 0x10 | 0x80 | 0x1000 | 0x80000 | 0x400000 | 0x1000000 | 0x4000000 | 0x8000000;
  id.idr[1] = 16 | (20 << 6) | (7 << 16) | (8 << 21);
  id.idr[3] = (1 << 2) | (1 << 10) | (2 << 11);
  id.idr[5] = 5 | (1 << 4) | (1 << 6) | (1 << 10);
  id.aidr = 0x02;
  const Capabilities c = parse_capabilities(id);
  EXPECT_TRUE(c.s1p && !c.s2p && c.aarch64 && !c.aarch32 && c.cohacc && c.asid16 && !c.vmid16);
  EXPECT_EQ(c.httu, 2u);
  EXPECT_TRUE(c.cd2l && c.two_level_stream_table && c.term_model);
  EXPECT_EQ(c.ttendian, 2u);
  EXPECT_EQ(c.stall_model, StallModel::never);
  EXPECT_EQ(c.sidsize, 16u);
  EXPECT_EQ(c.ssidsize, 20u);
  EXPECT_EQ(c.eventqs, 7u);
  EXPECT_EQ(c.cmdqs, 8u);
  EXPECT_TRUE(c.had && c.ril && !c.stt);
  EXPECT_EQ(c.bbml, 2u);
  EXPECT_EQ(c.oas_lg2, 48u);
  EXPECT_TRUE(c.gran4k && !c.gran16k && c.gran64k);
  EXPECT_EQ(c.vax, 1u);
  EXPECT_EQ(c.minor, 2u);
}

TEST(Registers, ThoseThatAreOnlyReadHaveNumbers) {
  using testing::ElementsAre;
  const u64 some = read_only_register(reg::idr0) | read_only_register(reg::cr0ack + 2) |
                   read_only_register(reg::gerror);
  EXPECT_THAT(read_only_names(some), ElementsAre("IDR0", "CR0ACK", "GERROR"));
  for (const u32 offset : {reg::cr0, reg::cr2, reg::gerrorn, reg::cmdq_prod, reg::eventq_cons}) {
    EXPECT_EQ(read_only_register(offset), 0U) << std::hex << offset;
  }
  EXPECT_EQ(read_only_names(~u64{0}).size(), 12U);
}

TEST(Registers, GarbageIsBounded) {
  IdRegisters id;
  for (u32& w : id.idr) w = 0xffff'ffff;
  const Capabilities c = parse_capabilities(id);
  EXPECT_LE(c.sidsize, 32u);
  EXPECT_LE(c.ssidsize, 20u);
  EXPECT_LE(c.cmdqs, 19u);
  EXPECT_LE(c.oas_lg2, 52u);
}

TEST(Registers, MakeAndParseAreInverse) {
  Capabilities c = full_capabilities();
  EXPECT_EQ(parse_capabilities(make_id_registers(c)), c);
  c.stall_model = StallModel::always;
  c.oas_lg2 = 44;
  c.stall_max = 77;
  c.bbml = 1;
  EXPECT_EQ(parse_capabilities(make_id_registers(c)), c);
}

TEST(Registers, WhatIsNotDescribedIsSaid) {
  Capabilities c = full_capabilities();
  EXPECT_FALSE(unsupported_feature(c));
  c.ds = true;
  EXPECT_TRUE(unsupported_feature(c));
  c = full_capabilities();
  c.aarch64 = false;
  EXPECT_TRUE(unsupported_feature(c));
}

// Features that change what a walk or a queue does, where the ID registers have
// them.
TEST(Registers, WhatIsNotDescribedIsParsed) {
  struct Bit {
    unsigned idr, bit;
    const char* name;
  };
  for (const Bit& b :
       {Bit{0, 30, "RME_IMPL"}, Bit{1, 29, "QUEUES_PRESET"}, Bit{1, 30, "TABLES_PRESET"},
        Bit{1, 31, "ECMDQ"}, Bit{3, 15, "DPT"}, Bit{3, 16, "PASIDTT"}, Bit{3, 18, "S1PI"},
        Bit{3, 21, "THE"}, Bit{3, 23, "AIE"}, Bit{5, 7, "DS"}, Bit{5, 8, "D128"}}) {
    IdRegisters id = make_id_registers(full_capabilities());
    id.idr[b.idr] |= u32{1} << b.bit;
    const Capabilities caps = parse_capabilities(id);
    const auto feature = unsupported_feature(caps);
    ASSERT_TRUE(feature) << b.name;
    EXPECT_NE(feature->find(b.name), std::string_view::npos) << *feature;
    EXPECT_EQ(parse_capabilities(make_id_registers(caps)), caps) << b.name;
  }
}

TEST(Registers, OffsetsAndGuards) {
  EXPECT_EQ(register_at(0x80)->name, "STRTAB_BASE");
  EXPECT_EQ(register_at(0x84)->name, "STRTAB_BASE") << "the upper half";
  EXPECT_EQ(register_at(0x84)->offset, 0x80u);
  EXPECT_EQ(register_at(0x88)->guard, Guard::smmuen);
  EXPECT_EQ(register_at(0x98)->guard, Guard::none);
  EXPECT_EQ(register_at(0x9c)->guard, Guard::cmdqen);
  EXPECT_EQ(register_at(0x100a8)->guard, Guard::eventqen);
  EXPECT_EQ(register_at(0x100ac)->guard, Guard::none);
  EXPECT_EQ(register_at(0x24)->access, RegisterAccess::read_only);
  EXPECT_FALSE(register_at(0x30));
  EXPECT_FALSE(register_at(0xa8)) << "page 0 has no queue indices";
  EXPECT_FALSE(register_at(0x20000));
}

TEST(Registers, AddressSizes) {
  EXPECT_EQ(address_size_lg2(0), 32u);
  EXPECT_EQ(address_size_lg2(3), 42u);
  EXPECT_EQ(address_size_lg2(5), 48u);
  EXPECT_EQ(address_size_encoding(48), 5u);
  EXPECT_EQ(address_size_encoding(44), 4u);
  EXPECT_EQ(address_size_encoding(39), 1u) << "rounded down to 36";
}

}  // namespace
}  // namespace iommucheck::spec::smmu_registers_test
