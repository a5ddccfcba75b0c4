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

LockstepOptions guest_options() {
  LockstepOptions options;
  options.machine.guest = true;
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

// ---- twins --------------------------------------------------------------------------------------

using Command = spec::sva::CommandWords;
constexpr u64 opcode(const Command& command) { return command.low & 0xff; }

/// One that a VMM's author gets wrong.
class Twin final : public VirtualSmmu {
 public:
  using Hands = std::function<bool(Command&)>;
  using Records = std::function<bool(Record&)>;
  Twin(HostSide& host, const GuestSetup& guest, Hands hands, Records records)
      : VirtualSmmu(host, guest), hands_(std::move(hands)), records_(std::move(records)) {}

 private:
  bool hands_on(Command& command) override { return !hands_ || hands_(command); }
  bool records(Record& record) override { return !records_ || records_(record); }
  Hands hands_;
  Records records_;
};

/// What is found first, of so many sequences.
std::string found_with(Twin::Hands hands, Twin::Records records = {}) {
  LockstepOptions options = guest_options();
  options.make_smmu = [&](HostSide& host, const GuestSetup& guest) {
    return std::make_unique<Twin>(host, guest, hands, records);
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
    EXPECT_EQ(found_with([op](Command& command) { return opcode(command) != op; }),
              "DEVICE_OUTCOME")
        << op;
  }
}

TEST(GuestTwins, AnotherAsid) {
  EXPECT_EQ(found_with([](Command& command) {
              if (opcode(command) == 0x11 || opcode(command) == 0x12) command.low ^= u64{1} << 48;
              return true;
            }),
            "DEVICE_OUTCOME");
}

TEST(GuestTwins, ARecordOfTheHostsStreamId) {
  EXPECT_EQ(found_with({},
                       [](OtherSmmu::Record& record) {
                         record[0] ^= u64{0x20} << 32;
                         return true;
                       }),
            "EVENT_RECORD");
}

}  // namespace
}  // namespace iommucheck::oracle::guest_test
