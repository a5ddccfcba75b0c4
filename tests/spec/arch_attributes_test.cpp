// SPDX-License-Identifier: MIT
#include "spec/arch/attributes.h"

#include <gtest/gtest.h>

namespace iommucheck::spec::arch_attributes_test {
namespace {

constexpr auto nc = Cacheability::none;
constexpr auto wt = Cacheability::write_through;
constexpr auto wb = Cacheability::write_back;

TEST(Attributes, OfAByteOfMair) {
  struct Row {
    u64 byte;
    MemoryType type;
    Cacheability outer, inner;
  };
  const Row rows[] = {{0xff, MemoryType::normal, wb, wb},  {0x77, MemoryType::normal, wb, wb},
                      {0xee, MemoryType::normal, wb, wb},  {0xbb, MemoryType::normal, wt, wt},
                      {0x33, MemoryType::normal, wt, wt},  {0x44, MemoryType::normal, nc, nc},
                      {0x4f, MemoryType::normal, nc, wb},  {0xf4, MemoryType::normal, wb, nc},
                      {0x40, MemoryType::normal, nc, nc},  {0xa0, MemoryType::normal, wt, wt},
                      {0xf0, MemoryType::normal, wb, wb},  {0x80, MemoryType::reserved, nc, nc},
                      {0x06, MemoryType::reserved, nc, nc}};
  for (const Row& row : rows) {
    const MemoryAttributes attributes = attributes_of_mair(row.byte, 3);
    EXPECT_EQ(attributes.type, row.type) << row.byte;
    if (row.type != MemoryType::normal) continue;
    EXPECT_EQ(attributes.outer, row.outer) << row.byte;
    EXPECT_EQ(attributes.inner, row.inner) << row.byte;
  }
}

TEST(Attributes, OfDevices) {
  for (u64 kind = 0; kind < 4; ++kind) {
    const MemoryAttributes attributes = attributes_of_mair(kind << 2, 0);
    EXPECT_EQ(attributes.type, MemoryType::device);
    EXPECT_EQ(attributes.device, kind);
    EXPECT_EQ(attributes_of_mair(kind << 2 | 1, 0), attributes) << "XS";
  }
}

/// IHI 0070 13.1.7.
TEST(Attributes, WhatIsNotCachedIsOuterShareable) {
  for (u64 sh = 0; sh < 4; ++sh) {
    EXPECT_EQ(attributes_of_mair(0x44, sh).sh, Shareability::outer);
    EXPECT_EQ(attributes_of_mair(0x04, sh).sh, Shareability::outer);
    EXPECT_EQ(attributes_of_mair(0xff, sh).sh, static_cast<Shareability>(sh));
    EXPECT_EQ(attributes_of_mair(0x4f, sh).sh, static_cast<Shareability>(sh));
  }
}

/// IHI 0070 5.2: MTCFG, MemAttr, SHCFG; SHCFG = 1 takes what came.
TEST(Attributes, OfAnInputThatIsOverridden) {
  EXPECT_EQ(attributes_of_input({}), MemoryAttributes{});
  const MemoryAttributes unshared = attributes_of_input({.sh = Shareability::none});
  EXPECT_EQ(unshared.type, MemoryType::incoming);
  EXPECT_FALSE(unshared.incoming_sh);
  EXPECT_EQ(unshared.sh, Shareability::none);
  const MemoryAttributes device =
      attributes_of_input({.type = true, .memattr = 2, .sh = Shareability::none});
  EXPECT_EQ(device.type, MemoryType::device);
  EXPECT_EQ(device.device, 2);
  EXPECT_EQ(device.sh, Shareability::outer);
  EXPECT_EQ(attributes_of_input({.type = true, .memattr = 8}).type, MemoryType::device);
  const MemoryAttributes mixed = attributes_of_input({.type = true, .memattr = 0xe});
  EXPECT_EQ(mixed.outer, wb);
  EXPECT_EQ(mixed.inner, wt);
  EXPECT_EQ(attributes_of_input({.type = true, .memattr = 5}).sh, Shareability::outer);
}

}  // namespace
}  // namespace iommucheck::spec::arch_attributes_test
