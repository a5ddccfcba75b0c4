// SPDX-License-Identifier: MIT
// What a run tells, in its order.
#include "conform/runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "conform/dut/spec_device.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle::runner_test {
namespace {

namespace reg = spec::reg;

/// Each access has an interrupt at once.
class Interrupting final : public SpecDevice {
 public:
  Interrupting() : SpecDevice(1) {}
  Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override {
    interrupts_.push_back({trace::IrqKind::event_queue});
    return SpecDevice::dma(engine, iova, write, attributes);
  }
  std::vector<Interrupt> take_interrupts() override { return std::exchange(interrupts_, {}); }

 private:
  std::vector<Interrupt> interrupts_;
};

/// One that came before it was disabled is not told behind that, however late it is known.
TEST(Runner, AnInterruptIsToldBeforeWhatDisablesIt) {
  Interrupting device;
  CaseBuilder b(device.identity(), "an interrupt, then disabled");
  b.write(reg::irq_ctrl, spec::irq_ctrl::eventq_irqen);
  b.access(0x1000);
  b.write(reg::irq_ctrl, 0);
  const auto run = run_case(device, b.take());
  ASSERT_TRUE(run) << run.error().message;
  const auto& events = run->trace.events;
  const auto interrupt = std::ranges::find_if(events, [](const trace::Event& event) {
    return std::holds_alternative<trace::Irq>(event.payload);
  });
  const auto disabled = std::ranges::find_if(events, [](const trace::Event& event) {
    const auto* write = std::get_if<trace::MmioWrite>(&event.payload);
    return write != nullptr && write->offset == reg::irq_ctrl && write->value == 0;
  });
  ASSERT_NE(interrupt, events.end());
  ASSERT_NE(disabled, events.end());
  EXPECT_LT(interrupt - events.begin(), disabled - events.begin());
}

}  // namespace
}  // namespace iommucheck::oracle::runner_test
