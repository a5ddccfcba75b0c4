// SPDX-License-Identifier: MIT
// Interrupts of the page request queue: a device that is right holds with either PRIQ_IRQ_CFG2.LO,
// by wire and by message, and each mistake is found.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "conform/conform.h"
#include "conform/dut/spec_device.h"
#include "spec/rules/records.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"

namespace iommucheck::oracle::page_interrupts_test {
namespace {

namespace reg = spec::reg;
using spec::Rule;
namespace rule = spec::rule;

enum class Mistake {
  none,
  sends_none,
  loses_message,
  ignores_last_only,    ///< LO = 1 is taken as 0
  always_last_only,     ///< LO = 0 is taken as 1
  last_when_empty,      ///< with LO = 1 none is sent of what finds another record
  sends_when_disabled,  ///< each message sends one where IRQ_CTRL.PRIQ_IRQEN = 0
};

spec::IdRegisters machine(bool msi) {
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  caps.msi = msi;
  caps.pri = true;
  caps.priqs = 4;
  return spec::make_id_registers(caps);
}

class Device final : public SpecDevice {
 public:
  Device(Mistake mistake, bool msi) : SpecDevice(7, machine(msi)), mistake_(mistake) {}
  Expected<void> reset() override {
    auto done = SpecDevice::reset();
    waiting_ = 0;
    kept_.clear();
    if (mistake_ == Mistake::always_last_only) SpecDevice::mmio_write(reg::priq_irq_cfg2, 4, last);
    return done;
  }
  void mmio_write(u32 offset, unsigned size, u64 value) override {
    if (mistake_ == Mistake::loses_message && offset == reg::priq_irq_cfg0) value = 0;
    if (mistake_ == Mistake::ignores_last_only && offset == reg::priq_irq_cfg2) value &= ~last;
    if (mistake_ == Mistake::always_last_only && offset == reg::priq_irq_cfg2) value |= last;
    if (offset == reg::priq_cons) waiting_ = 0;
    if (offset == reg::irq_ctrl) disabled_ = (value & spec::irq_ctrl::priq_irqen) == 0;
    SpecDevice::mmio_write(offset, size, value);
  }
  void page_request(const spec::PageRequest& request) override {
    kept_ = take_interrupts();
    const u64 before = std::exchange(waiting_, waiting_ + 1);
    SpecDevice::page_request(request);
    std::vector<Interrupt> sent = SpecDevice::take_interrupts();
    if (mistake_ == Mistake::last_when_empty && before != 0 && before < queue_size) {
      std::erase_if(sent, is_its);
    }
    kept_.insert(kept_.end(), sent.begin(), sent.end());
    extra_ |= mistake_ == Mistake::sends_when_disabled && disabled_;
  }
  std::vector<Interrupt> take_interrupts() override {
    std::vector<Interrupt> all = std::exchange(kept_, {});
    const std::vector<Interrupt> sent = SpecDevice::take_interrupts();
    all.insert(all.end(), sent.begin(), sent.end());
    if (std::exchange(extra_, false)) all.push_back({trace::IrqKind::page_request_queue});
    if (mistake_ == Mistake::sends_none) std::erase_if(all, is_its);
    return all;
  }

 private:
  static constexpr u64 last = u64{1} << 31;
  static constexpr u64 queue_size = 4;  // of the cases
  static bool is_its(const Interrupt& one) {
    return one.kind == trace::IrqKind::page_request_queue;
  }
  Mistake mistake_;
  bool disabled_ = true, extra_ = false;
  u64 waiting_ = 0;  // messages since PRIQ_CONS was written
  std::vector<Interrupt> kept_;
};

struct Twin {
  Mistake mistake;
  bool msi;
  Rule rule;
};

class PageInterrupts : public testing::TestWithParam<Twin> {};

TEST_P(PageInterrupts, AMistakeIsFoundByItsRule) {
  const auto& [mistake, msi, rule] = GetParam();
  Device device(mistake, msi);
  const auto result = run_conform(device, options_of(7, 0, "interrupts: page*"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->directed, msi ? 14U : 4U);
  const auto its = [&](const FoundDivergence& found) { return found.divergence.rule == rule; };
  EXPECT_TRUE(std::ranges::any_of(result->divergences, its)) << words(*result);
}

INSTANTIATE_TEST_SUITE_P(
    All, PageInterrupts,
    testing::Values(Twin{Mistake::sends_none, false, rule::INTERRUPT_SENT},
                    Twin{Mistake::sends_none, true, rule::INTERRUPT_SENT},
                    Twin{Mistake::loses_message, true, rule::INTERRUPT_SENT},
                    Twin{Mistake::ignores_last_only, true, rule::INTERRUPT_CAUSE},
                    Twin{Mistake::always_last_only, false, rule::INTERRUPT_SENT},
                    Twin{Mistake::always_last_only, true, rule::INTERRUPT_SENT},
                    Twin{Mistake::last_when_empty, true, rule::INTERRUPT_SENT},
                    Twin{Mistake::sends_when_disabled, false, rule::INTERRUPT_CAUSE},
                    Twin{Mistake::sends_when_disabled, true, rule::INTERRUPT_CAUSE}));

TEST(ConformPageInterrupts, ADeviceThatIsRightHolds) {
  for (const bool msi : {false, true}) {
    Device device(Mistake::none, msi);
    const auto result = run_conform(device, options_of(9, 20));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << words(*result);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::page_interrupts_test
