// SPDX-License-Identifier: MIT
// What is said of a register that does not read as it has to: a write that had to be ignored is
// blamed only where the register has what it wrote.
#include "conform/cases/register_contents.h"

#include <gtest/gtest.h>

#include "conform/dut/spec_device.h"

namespace iommucheck::oracle::register_contents_test {
namespace {

namespace reg = spec::reg;

class Contents : public testing::Test {
 protected:
  static spec::IdRegisters id() {
    spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
    caps.minor = 2;
    return spec::make_id_registers(caps);
  }
  /// STRTAB_BASE is written, then SMMUEN = 1, then it is written again.
  Contents() : contents_(id()) {
    contents_.reset();
    write(reg::strtab_base, 8, 0x4000'0000);
    write(reg::cr0, 4, spec::cr0::smmuen);
    EXPECT_FALSE(read(reg::cr0ack, 4, spec::cr0::smmuen));
  }
  void write(u32 offset, u8 size, u64 value) {
    contents_.write({.offset = offset, .size = size, .value = value});
  }
  /// What is wrong with that answer; empty: nothing.
  std::string kind(u32 offset, u8 size, u64 value) {
    const auto wrong = read(offset, size, value);
    return wrong ? wrong->kind : std::string();
  }
  std::optional<RegisterContents::Mismatch> read(u32 offset, u8 size, u64 value) {
    return contents_.read({.offset = offset, .size = size, .value = value});
  }

  RegisterContents contents_;
};

TEST_F(Contents, AWriteThatHasToBeIgnoredIsBlamedForWhatItWrote) {
  write(reg::strtab_base, 8, 0x5000'0000);
  EXPECT_EQ(kind(reg::strtab_base, 8, 0x4000'0000), "");
  EXPECT_EQ(kind(reg::strtab_base, 8, 0x5000'0000),
            "STRTAB_BASE reads as a write left it that has to be ignored");
  EXPECT_EQ(kind(reg::strtab_base, 8, 0), "STRTAB_BASE does not read as it was written: ADDR");
}

TEST_F(Contents, AndOnlyOfTheHalfThatItWrote) {
  write(reg::strtab_base + 4, 4, 0x5000'0000);
  EXPECT_EQ(kind(reg::strtab_base, 4, 0),
            "STRTAB_BASE by its lower half does not read as it was written: ADDR");
  write(reg::strtab_base, 4, 0);
  EXPECT_EQ(kind(reg::strtab_base, 4, 0),
            "STRTAB_BASE by its lower half reads as a write left it that has to be ignored");
}

/// Who knows of one field is told of another one.
TEST_F(Contents, EachFieldIsNamed) {
  write(reg::cr0, 4, 0);
  EXPECT_FALSE(read(reg::cr0ack, 4, 0));
  write(reg::cr1, 4, 0xd75);
  EXPECT_EQ(kind(reg::cr1, 4, 0xd75), "");
  EXPECT_EQ(kind(reg::cr1, 4, 0xd74), "CR1 does not read as it was written: QUEUE_IC");
  EXPECT_EQ(kind(reg::cr1, 4, 0x534),
            "CR1 does not read as it was written: QUEUE_IC, TABLE_IC, TABLE_SH");
}

}  // namespace
}  // namespace iommucheck::oracle::register_contents_test
