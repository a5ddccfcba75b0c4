// SPDX-License-Identifier: MIT
// Reading the event queue: which words of a record count, and when they may be read.
#include "tests/impl/sva_support.h"

namespace iommucheck::test::events_test {
namespace {

constexpr u64 ssv = 1 << 11;
constexpr u64 stall = u64{1} << 31;
constexpr u64 translation_fault = 0x10;

// The CPU may load the words of a record before it reads EVENTQ_PROD, unless a barrier stands
// between them (driver.h, barrier): slots that are used again hold an older record until then. If
// the SMMU does not look into caches the line is invalidated first, and is so at a barrier too; and
// what is dirty since before comes over the record.
TEST(Events, a_record_is_read_after_the_register_that_says_it_is_there) {
  for (const bool coherent : {true, false}) {
    FakeOptions options = with_pasids();
    options.coherent = coherent;
    TwoDevices w(options);
    for (u64 i = 0; i < 300; ++i) {
      w.world.post_event(translation_fault | (0x100 + i) << 32, 0, i * page);
      w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
      ASSERT_EQ(w.world.log.size(), i + 1);
      char line[80];
      std::snprintf(line, sizeof line, "event 0x10 of stream 0x%x, address 0x%llx",
                    static_cast<unsigned>(0x100 + i), static_cast<unsigned long long>(i * page));
      ASSERT_EQ(w.world.log.back(), line);
    }
    w.end();
  }
}

// Where SSV is 0 the field SubstreamID says nothing (IHI 0070 7.3), though a process may be at that
// number: the fault is the device's own, and aborts.
TEST(Events, without_ssv_a_fault_is_no_processs) {
  TwoDevices w;
  ASSERT_EQ(w.d.init(0, iopf), 0);
  ASSERT_EQ(w.d.bind(0, 1), 1);
  const u64 sid = w.world.stream_id(0, 0);
  for (const u64 valid : {u64{0}, ssv}) {
    w.world.faults.clear();
    w.world.post_event(translation_fault | valid | 1 << 12 | sid << 32, 7 | stall, va);
    w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
    EXPECT_EQ(w.world.faults.size(), valid != 0 ? 1u : 0u);
    const FakeCommand answer = w.world.commands[w.world.commands.size() - 2];
    EXPECT_EQ(answer.word0, 0x44u | (valid != 0 ? 1u << 12 : 1u << 13) | sid << 32);
    EXPECT_EQ(answer.word1, 7u);
  }
  EXPECT_EQ(w.d.unbind(0, 1), 0);
  w.end();
}

// INTERFACE "Faults": one of a device that cannot wait is told with its PASID, and nobody is asked.
TEST(Events, what_nobody_can_answer_is_logged_with_its_pasid) {
  TwoDevices w;
  const u64 sid = w.world.stream_id(0, 0);
  w.world.post_event(translation_fault | ssv | u64{0xf'ffff} << 12 | sid << 32, 0, va);
  w.d.driver->handle_irq(w.d.self(), IOMMUCHECK_IRQ_EVENT_QUEUE);
  EXPECT_TRUE(w.world.faults.empty());
  ASSERT_FALSE(w.world.log.empty());
  EXPECT_EQ(w.world.log.back(),
            "event 0x10 of stream 0x" + std::to_string(sid) + ", PASID 1048575, address 0x400000");
  w.end();
}

}  // namespace
}  // namespace iommucheck::test::events_test
