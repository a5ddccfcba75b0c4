// SPDX-License-Identifier: MIT
// What the message of a CMD_SYNC proves, and when an SMMU writes it. IHI 0070 3.18.1, 4.7.3;
// SEMANTICS 3, "Signals".
#include <gtest/gtest.h>

#include "smmu_device_support.h"

namespace iommucheck::spec::smmu_completion_message_test {
namespace {

constexpr u64 word = DriverMachine::eventq + 0x800;  // of nobody
constexpr unsigned by_message = 1;

Capabilities with_messages() {
  Capabilities caps = full_capabilities();
  caps.msi = true;
  return caps;
}

/// Page 1 is unmapped, and its TLBI rung with a CMD_SYNC that is to write `data`.
struct CompletionMessage : ::testing::Test {
  DriverMachine m{with_messages()};

  void SetUp() override {
    m.boot();
    m.memory.store(word, 0);
    m.memory.store(SmallMachine::leaves + 8, 0);
  }
  void sync(u32 data, u64 pa = word) {
    m.slot(cmd_tlbi_nh_va(0, 5, 0x1000));
    m.slot(cmd_sync(by_message, pa, data));
    m.ring();
  }
  /// The SMMU's, and the word as memory has it then.
  void written(u32 data, u64 pa = word) {
    m.caches().device_store(pa, data);
    m.smmu.message_written(pa, data);
  }
  void load(u64 value) { m.smmu.observe_message(word, 4, value); }
  [[nodiscard]] bool is_removed() const { return m.at(0x1000) == "F_TRANSLATION"; }
};

TEST_F(CompletionMessage, SeenIsComplete) {
  sync(7);
  EXPECT_TRUE(m.smmu.is_message_word(word, 8));
  load(0);
  EXPECT_FALSE(is_removed()) << "it has not come";
  written(7);
  EXPECT_FALSE(is_removed()) << "nobody has looked";
  load(0);
  EXPECT_FALSE(is_removed()) << "an older value";
  load(7);
  EXPECT_TRUE(is_removed());
  EXPECT_FALSE(m.smmu.is_message_word(word, 8));
  // Its consumption is observable then, too: the slots are the driver's again.
  m.smmu.before_store(DriverMachine::cmdq);
  EXPECT_EQ(m.broken(), "");
}

TEST_F(CompletionMessage, InAPartOfALoad) {
  sync(0x1234);
  written(0x1234);
  m.smmu.observe_message(word + 4, 4, 0x1234);
  EXPECT_FALSE(is_removed()) << "the bytes beside it";
  m.smmu.observe_message(word + 1, 1, 0x12);
  EXPECT_TRUE(is_removed());
}

TEST_F(CompletionMessage, ProvesNothingWhereTheValueWasThere) {
  m.memory.store(word, 7);
  sync(7);
  written(7);
  load(7);
  EXPECT_FALSE(is_removed());
}

TEST_F(CompletionMessage, OfTwoAlikeTheFirst) {
  m.slot(cmd_sync(by_message, word, 7));
  sync(7);
  written(7);
  load(7);
  EXPECT_FALSE(is_removed()) << "it may be the one before the TLBI";
}

TEST_F(CompletionMessage, OfALaterOneIsOfAllBefore) {
  sync(7);
  sync(8);
  written(7);
  written(8);
  load(8);
  EXPECT_TRUE(is_removed());
}

TEST_F(CompletionMessage, WhereThereAreNoneNothingIsWritten) {
  DriverMachine other;
  other.boot();
  other.slot(cmd_sync(by_message, word, 7));
  other.ring();
  EXPECT_FALSE(other.smmu.awaits_messages());
}

// ---- as a device --------------------------------------------------------------------------------

TEST_F(CompletionMessage, IsWrittenWhenTheDriverLooksForIt) {
  sync(7);
  EXPECT_FALSE(m.smmu.due_message(m.choices)) << "nothing is consumed";
  m.smmu.consume_unseen(m.choices);
  const auto message = m.smmu.due_message(m.choices);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->pa, word);
  EXPECT_EQ(message->data, 7U);
  EXPECT_FALSE(is_removed()) << "the driver has seen nothing of it";
  EXPECT_EQ(m.read(reg::cmdq_cons), m.prod) << "and what is consumed stays consumed";
}

TEST_F(CompletionMessage, MayComeBehindCmdqCons) {
  sync(7);
  EXPECT_EQ(m.read(reg::cmdq_cons), m.prod);
  m.choices.answers = {1};
  EXPECT_FALSE(m.smmu.due_message(m.choices));
  EXPECT_TRUE(m.smmu.due_message(m.choices)) << "once it is put off, not for ever";
}

TEST_F(CompletionMessage, DoesNotComeBehindWhatFollowsIt) {
  sync(7);
  m.slot(cmd_sync());
  m.ring();
  EXPECT_EQ(m.read(reg::cmdq_cons), m.prod);
  m.choices.answers = {1};
  EXPECT_TRUE(m.smmu.due_message(m.choices));
}

TEST_F(CompletionMessage, OfACommandThatIsDroppedNeverComes) {
  sync(7);
  m.cr0(cr0::eventqen | cr0::smmuen);
  m.write(reg::cmdq_prod, 0);
  m.write(reg::cmdq_cons, 0);
  m.prod = 0;
  m.cr0(cr0::eventqen | cr0::smmuen | cr0::cmdqen);
  EXPECT_FALSE(m.smmu.awaits_messages());
}

}  // namespace
}  // namespace iommucheck::spec::smmu_completion_message_test
