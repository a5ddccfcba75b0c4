// SPDX-License-Identifier: MIT
// What a driver's author reads of a mistake has the fact that is looked for next: the ID field
// without which a command is none, the bit of CR0 that is never acknowledged, whose walk it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "smmu_device_support.h"

namespace iommucheck::spec::smmu_messages_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// The one violation since the last call.
std::string told(DriverMachine& m) {
  EXPECT_EQ(m.caches().violations().size(), 1U);
  std::string text = m.caches().violations().empty() ? "" : m.caches().violations().front().text;
  m.caches().violations().clear();
  return text;
}

std::string told_of(const Capabilities& caps, const Command& command) {
  DriverMachine m(caps);
  m.boot();
  m.slot(command);
  m.ring();
  return told(m);
}

TEST(Messages, AnIllegalCommandNamesTheFieldThatForbidsIt) {
  struct Row {
    bool Capabilities::* feature;
    Opcode op;
    const char* text;
  };
  constexpr Row rows[] = {{&Capabilities::hyp, Opcode::tlbi_el2_all, ": IDR0.Hyp = 0)"},
                          {&Capabilities::hyp, Opcode::tlbi_el2_vaa, ": IDR0.Hyp = 0)"},
                          {&Capabilities::s2p, Opcode::tlbi_s12_vmall, ": IDR0.S2P = 0)"},
                          {&Capabilities::ats, Opcode::atc_inv, ": IDR0.ATS = 0)"},
                          {&Capabilities::pri, Opcode::pri_resp, ": IDR0.PRI = 0)"}};
  for (const Row& row : rows) {
    Capabilities caps = full_capabilities();
    caps.*row.feature = false;
    Command command;
    command.op = row.op;
    EXPECT_THAT(told_of(caps, command), HasSubstr(row.text));
  }
  Capabilities caps = full_capabilities();
  caps.stall_model = StallModel::never;
  Command resume;
  resume.op = Opcode::resume;
  EXPECT_THAT(told_of(caps, resume), HasSubstr(": IDR0.STALL_MODEL = 1)"));
  Command sync = cmd_sync();
  sync.cs = 3;
  EXPECT_THAT(told_of(full_capabilities(), sync), HasSubstr("(CMD_SYNC_CS: "));
}

TEST(Messages, ReservedBitsOfCr0AreNamed) {
  Capabilities caps = full_capabilities();
  DriverMachine with(caps);
  with.boot();
  with.write(reg::cr0, cr0::cmdqen | cr0::eventqen | cr0::smmuen | cr0::atschk);
  EXPECT_EQ(with.smmu.reserved_in_cr0(), "");
  caps.ats = caps.pri = false;
  DriverMachine without(caps);
  without.boot();
  EXPECT_EQ(without.smmu.reserved_in_cr0(), "");
  without.write(reg::cr0, cr0::cmdqen | cr0::eventqen | cr0::smmuen | cr0::atschk);
  EXPECT_THAT(without.smmu.reserved_in_cr0(),
              ::testing::AllOf(HasSubstr("0x10 in reserved bits (ATSCHK, since IDR0.ATS = 0)"),
                               Not(HasSubstr("PRIQEN"))));
  without.write(reg::cr0, cr0::cmdqen | cr0::eventqen | cr0::smmuen | cr0::priqen);
  EXPECT_THAT(without.smmu.reserved_in_cr0(), HasSubstr("(PRIQEN, since IDR0.PRI = 0)"));
}

TEST(Messages, AWalkOfUnknownMemorySaysWhoseItIs) {
  DriverMachine m;
  m.boot();
  EXPECT_EQ(m.broken(), "");
  m.memory.store(SmallMachine::middle + 8, 0x900000 | 3);
  EXPECT_THAT(told(m), HasSubstr("a walk of ASID 0x5 from the root in the CD at 0x200000 can now "
                                 "reach 0x900000 as an entry "
                                 "of level 3"));
}

}  // namespace
}  // namespace iommucheck::spec::smmu_messages_test
