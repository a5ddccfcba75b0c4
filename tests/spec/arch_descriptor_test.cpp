// SPDX-License-Identifier: MIT
// Values computed by hand from arch 4.3.
#include "spec/arch/descriptor.h"

#include <gtest/gtest.h>

namespace iommucheck::spec::arch_descriptor_test {
namespace {

constexpr Granule g4k = Granule::g4k, g64k = Granule::g64k;

TEST(Descriptor, TypesByLevel) {
  EXPECT_EQ(descriptor_type(g4k, 1, u64{0b11}), DescriptorType::table);
  EXPECT_EQ(descriptor_type(g4k, 1, u64{0b01}), DescriptorType::leaf);
  EXPECT_EQ(descriptor_type(g4k, 3, u64{0b11}), DescriptorType::leaf);
  EXPECT_EQ(descriptor_type(g4k, 2, u64{0b10}), DescriptorType::invalid);
  EXPECT_EQ(descriptor_type(g4k, 2, ~u64{1}), DescriptorType::invalid);
}

TEST(Descriptor, ReservedAndMisplacedBlocksAreInvalid) {
  EXPECT_EQ(descriptor_type(g4k, 3, u64{0b01}), DescriptorType::invalid) << "reserved at level 3";
  EXPECT_EQ(descriptor_type(g4k, 0, u64{0b01}), DescriptorType::invalid) << "512 GiB block";
  EXPECT_EQ(descriptor_type(g64k, 1, u64{0b01}), DescriptorType::invalid);
  EXPECT_EQ(descriptor_type(g64k, 1, u64{0b01}, true), DescriptorType::leaf);
}

TEST(Descriptor, Addresses) {
  EXPECT_EQ(next_table_address(g4k, u64{0xf800'1234'5678'9fff}), 0x1234'5678'9000u);
  EXPECT_EQ(output_address(g4k, 2, u64{0xffff'1234'5678'9fff}), 0x1234'5660'0000u);
  EXPECT_EQ(output_address(g4k, 1, u64{0x0000'0001'7fff'f701}), 0x1'4000'0000u);
  EXPECT_EQ(output_address(g4k, 3, u64{0x000f'0000'0000'0003}), 0u) << "bits 51:48 are ignored";
  // 64 KiB: bits 15:12 are address bits 51:48 with a 52-bit output size only.
  EXPECT_EQ(output_address(g64k, 3, u64{0x0000'0000'0001'5003}, true), 0x0005'0000'0001'0000u);
  EXPECT_EQ(output_address(g64k, 3, u64{0x0000'0000'0001'5003}, false), 0x1'0000u);
}

TEST(Descriptor, FieldsOfThePageInTheHeader) {
  const u64 page = 0x0060'0000'8000'0f43;
  EXPECT_EQ(descriptor_type(g4k, 3, page), DescriptorType::leaf);
  EXPECT_EQ(output_address(g4k, 3, page), 0x8000'0000u);
  EXPECT_TRUE(uxn(page) & pxn(page) & not_global(page) & access_flag(page) & ap1(page));
  EXPECT_FALSE(ap2(page));
  EXPECT_EQ(shareability(page), 3u);
  EXPECT_EQ(attr_indx(page), 0u);
  EXPECT_FALSE(dirty_bit_modifier(page) | contiguous_hint(page));
}

// Each flag alone, by its bit number in arch 4.3: a shifted field shows.
TEST(Descriptor, BitNumbers) {
  const auto only = [](unsigned n) { return u64{1} << n; };
  EXPECT_TRUE(ap1(only(6)));
  EXPECT_TRUE(ap2(only(7)));
  EXPECT_TRUE(access_flag(only(10)));
  EXPECT_TRUE(not_global(only(11)));
  EXPECT_TRUE(no_translation(only(16)));
  EXPECT_TRUE(dirty_bit_modifier(only(51)));
  EXPECT_TRUE(contiguous_hint(only(52)));
  EXPECT_TRUE(pxn(only(53)));
  EXPECT_TRUE(uxn(only(54)));
  EXPECT_TRUE(pxn_table(only(59)));
  EXPECT_TRUE(uxn_table(only(60)));
  EXPECT_TRUE(ap_table0(only(61)));
  EXPECT_TRUE(ap_table1(only(62)));
  EXPECT_TRUE(ns_table(only(63)));
  EXPECT_EQ(attr_indx(u64{0x1c}), 7u);
}

}  // namespace
}  // namespace iommucheck::spec::arch_descriptor_test
