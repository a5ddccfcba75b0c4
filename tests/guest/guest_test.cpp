// SPDX-License-Identifier: MIT
// Our driver as a guest's, over the SMMU that a host plays with our driver: both levels are judged,
// and what stands between them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "check/lockstep.h"
#include "check/sequence.h"
#include "impl/driver.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "tests/cases.h"

namespace iommucheck::oracle::guest_test {
namespace {

std::string text_of(const std::vector<Finding>& findings) {
  if (findings.empty()) return "";
  return std::string(spec::rule_name(findings[0].rule)) + ": " + one_line(findings[0]);
}

LockstepOptions guest_options(unsigned httu = 0) {
  LockstepOptions options;
  options.machine.guest = true;
  options.machine.caps.httu = httu;
  return options;
}

TEST(Guest, OurDriverHoldsOnBothLevels) {
  Lockstep lockstep(*impl::builtin_driver(), guest_options());
  ASSERT_EQ(lockstep.boot(), "");
  ASSERT_EQ(text_of(lockstep.monitor().findings()), "");
  Sequence sequence;
  for (u64 number = 0; number < test::cases(400, 20'000); ++number) {
    make_sequence(1, number, 20, sequence);
    lockstep.run(sequence.operations, sequence.ends);
    ASSERT_EQ(text_of(lockstep.monitor().findings()), "")
        << "sequence " << number << " " << lockstep.doing();
    ASSERT_EQ(text_of(lockstep.guest()->host().monitor().findings()), "");
  }
  const VirtualSmmu::Numbers& numbers = lockstep.guest()->smmu().numbers();
  EXPECT_GT(numbers.installed, 500U);
  EXPECT_GT(numbers.handed_on, 1'000U);
  EXPECT_GT(numbers.records, 500U);
  EXPECT_GT(numbers.compared, 50'000U);
  EXPECT_EQ(numbers.unknown, 0U);
  EXPECT_EQ(numbers.refused, 0U);
}

TEST(Guest, HardwareMarksItsDescriptors) {
  for (const unsigned httu : {1U, 2U}) {
    Lockstep lockstep(*impl::builtin_driver(), guest_options(httu));
    ASSERT_EQ(lockstep.boot(), "");
    Sequence sequence;
    for (u64 number = 0; number < test::cases(400, 20'000); ++number) {
      make_sequence(2, number, 20, sequence);
      lockstep.run(sequence.operations, sequence.ends);
      ASSERT_EQ(text_of(lockstep.monitor().findings()), "")
          << "sequence " << number << " " << lockstep.doing();
      ASSERT_EQ(text_of(lockstep.guest()->host().monitor().findings()), "");
    }
    const VirtualSmmu::Numbers& numbers = lockstep.guest()->smmu().numbers();
    EXPECT_EQ(numbers.unknown, 0U);
    if (httu == 2) {
      EXPECT_GT(numbers.marks, 20U);
    }
  }
}

// ---- twins --------------------------------------------------------------------------------------

using Command = spec::sva::CommandWords;
constexpr u64 opcode(const Command& command) { return command.low & 0xff; }

/// One that a VMM's author gets wrong.
class Twin final : public VirtualSmmu {
 public:
  struct Wrong {
    std::function<bool(Command&)> hands{};
    std::function<bool(Record&)> records{};
    std::function<bool(spec::FlagUpdate&)> marks{};
  };
  Twin(HostSide& host, const GuestSetup& guest, Wrong wrong)
      : VirtualSmmu(host, guest), wrong_(std::move(wrong)) {}

 private:
  bool hands_on(Command& command) override { return !wrong_.hands || wrong_.hands(command); }
  bool records(Record& record) override { return !wrong_.records || wrong_.records(record); }
  bool marks(spec::FlagUpdate& mark) override { return !wrong_.marks || wrong_.marks(mark); }
  Wrong wrong_;
};

/// What is found first, of so many sequences.
std::string found_with(const Twin::Wrong& wrong, unsigned httu = 0) {
  LockstepOptions options = guest_options(httu);
  options.make_smmu = [&](HostSide& host, const GuestSetup& guest) {
    return std::make_unique<Twin>(host, guest, wrong);
  };
  Lockstep lockstep(*impl::builtin_driver(), options);
  EXPECT_EQ(lockstep.boot(), "");
  Sequence sequence;
  for (u64 number = 0; number < 3'000; ++number) {
    make_sequence(1, number, 20, sequence);
    lockstep.run(sequence.operations, sequence.ends);
    EXPECT_EQ(text_of(lockstep.guest()->host().monitor().findings()), "");
    if (lockstep.monitor().findings().empty()) continue;
    return std::string(spec::rule_name(lockstep.monitor().findings()[0].rule));
  }
  return "nothing";
}

TEST(GuestTwins, AnInvalidationThatIsNotHandedOn) {
  for (const u64 op : {0x03U, 0x05U, 0x11U, 0x12U}) {  // CFGI_STE, CFGI_CD, NH_ASID, NH_VA
    EXPECT_EQ(found_with({.hands = [op](Command& command) { return opcode(command) != op; }}),
              "DEVICE_OUTCOME")
        << op;
  }
}

TEST(GuestTwins, AnotherAsid) {
  EXPECT_EQ(found_with({.hands =
                            [](Command& command) {
                              const bool tagged =
                                  opcode(command) == 0x11 || opcode(command) == 0x12;
                              if (tagged) command.low ^= u64{1} << 48;
                              return true;
                            }}),
            "DEVICE_OUTCOME");
}

TEST(GuestTwins, ARecordOfTheHostsStreamId) {
  EXPECT_EQ(found_with({.records =
                            [](OtherSmmu::Record& record) {
                              record[0] ^= u64{0x20} << 32;
                              return true;
                            }}),
            "EVENT_RECORD");
}

TEST(GuestTwins, AMarkThatTheGuestDoesNotSee) {
  EXPECT_EQ(found_with({.marks = [](spec::FlagUpdate&) { return false; }}, 2), "FLAG_UPDATES");
}

TEST(GuestTwins, AMarkOfAnotherDescriptor) {
  EXPECT_EQ(found_with({.marks =
                            [](spec::FlagUpdate& mark) {
                              mark.pa ^= 8;
                              return true;
                            }},
                       2),
            "FLAG_UPDATES");
}

}  // namespace
}  // namespace iommucheck::oracle::guest_test
