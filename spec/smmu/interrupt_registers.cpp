// SPDX-License-Identifier: MIT
#include "spec/smmu/interrupt_registers.h"

#include <string_view>

#include "base/text.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

namespace {

struct IrqCfg {
  u64 enable;
  u32 first;  ///< CFG0, of 64 bits; CFG1 and CFG2 stand behind it
  std::string_view name;
};
/// In the order of `cfg_`.
constexpr IrqCfg irq_cfgs[] = {{irq_ctrl::gerror_irqen, reg::gerror_irq_cfg0, "GERROR"},
                               {irq_ctrl::eventq_irqen, reg::eventq_irq_cfg0, "EVENTQ"},
                               {irq_ctrl::priq_irqen, reg::priq_irq_cfg0, "PRIQ"}};
constexpr unsigned irq_sources = 3;
constexpr unsigned irq_cfg_words = 4;

}  // namespace

void InterruptRegisters::driver_begins() {
  if (driver_began_ != 0) return;
  ground_.set(driver_began_, 1);
  ground_.set(cfg_unknown_,
              ground_.capabilities().msi ? low_mask(u64{irq_sources * irq_cfg_words}) : 0);
}

u64* InterruptRegisters::storage(u32 offset) {
  switch (offset) {
    case reg::gerror_irq_cfg0: return &cfg_[0];
    case reg::gerror_irq_cfg1: return &cfg_[1];
    case reg::gerror_irq_cfg2: return &cfg_[2];
    case reg::eventq_irq_cfg0: return &cfg_[3];
    case reg::eventq_irq_cfg1: return &cfg_[4];
    case reg::eventq_irq_cfg2: return &cfg_[5];
    case reg::priq_irq_cfg0: return &cfg_[6];
    case reg::priq_irq_cfg1: return &cfg_[7];
    case reg::priq_irq_cfg2: return &cfg_[8];
    default: return nullptr;
  }
}

void InterruptRegisters::note_written(u32 offset, unsigned size) {
  for (unsigned i = 0; i < irq_sources; ++i) {
    const u32 first = irq_cfgs[i].first;
    if (offset < first || offset >= first + 4 * irq_cfg_words) continue;
    const u64 words = low_mask(u64{size / 4}) << (offset - first) / 4;
    ground_.set(cfg_unknown_, cfg_unknown_ & ~(words << i * irq_cfg_words));
    ground_.set(written_, written_ | words << i * irq_cfg_words);
  }
}

/// Before SMMUv3.2 the register may then have any value.
void InterruptRegisters::note_guarded(u32 offset) {
  for (const IrqCfg& each : irq_cfgs) {
    if (offset == each.first) ground_.set(sent_, sent_ | each.enable);
  }
}

/// A message goes to the address of CFG0, unless that is 0, with the data and the attributes of
/// CFG1 and CFG2. IHI 0070 6.3.16, 6.3.21 to 6.3.23.
void InterruptRegisters::check_configured(u64 enabled, bool by_another) {
  if (!ground_.capabilities().msi) return;
  for (unsigned i = 0; i < irq_sources; ++i) {
    if ((enabled & irq_cfgs[i].enable) == 0) continue;
    ground_.count(rule::UNKNOWN_AFTER_RESET);
    const u64 unknown = cfg_unknown_ >> i * irq_cfg_words & low_mask(u64{irq_cfg_words});
    const bool of_address = (unknown & 3) != 0;
    if (!of_address && (unknown == 0 || cfg_[3 * i] == 0)) continue;
    const std::string name(irq_cfgs[i].name);
    ground_.report(
        rule::UNKNOWN_AFTER_RESET,
        name + " interrupts are enabled" +
            (by_another ? " in IRQ_CTRL since before the driver began," : "") +
            " where IDR0.MSI = 1, and " + name +
            (of_address ? "_IRQ_CFG0 was not written: it resets to an UNKNOWN value, so messages "
                          "may be written to any address"
                        : "_IRQ_CFG1 or CFG2 was not written: they reset to UNKNOWN values, so "
                          "messages may have any data or attributes"));
  }
}

/// Both halves of the address were written since reset.
bool InterruptRegisters::knows_address(unsigned source) const {
  return (written_ >> source * irq_cfg_words & 3) == 3;
}

/// Where the address is guarded it does not change from here on. IHI 0070 6.3.21.
void InterruptRegisters::note_sources(u64 enabled) {
  if (!ground_.capabilities().msi) return;
  for (unsigned i = 0; i < irq_sources; ++i) {
    const bool none = knows_address(i) && cfg_[3 * i] == 0;
    if ((enabled & irq_cfgs[i].enable) == 0 || none) continue;
    ground_.set(sent_, sent_ | irq_cfgs[i].enable);
  }
}

bool InterruptRegisters::surely_sends(u64 source) const {
  if (!ground_.capabilities().msi || !surely_enables(source)) return false;
  for (unsigned i = 0; i < irq_sources; ++i) {
    if (irq_cfgs[i].enable == source) return knows_address(i) && cfg_[3 * i] != 0;
  }
  return false;
}

/// Its fields are updated as those of CR0. IHI 0070 6.3.16.
void InterruptRegisters::write_irq_ctrl(u64 value) {
  ground_.count(rule::REGISTER_ACK);
  value &= irq_ctrl_fields(ground_.capabilities());
  const u64 early = (ctrl_ ^ value) & (ctrl_ ^ ctrlack_);
  ground_.set(early_, (early_ & ~(ctrl_ ^ value)) | early);
  if (early != 0) {
    ground_.report(
        rule::REGISTER_ACK,
        "IRQ_CTRL bits " + hex(early) + " are changed before IRQ_CTRLACK showed their last change");
  }
  check_configured(value & ~ctrl_);
  note_sources(value);
  ground_.set(ctrl_, value);
}

/// A field that was changed too early shows either change: nobody saw whether the first one was
/// complete.
u64 InterruptRegisters::admit_irq_ctrlack(u64 value) {
  const u64 open = (ctrl_ ^ ctrlack_) | early_;
  const u64 wrong = (value ^ ctrlack_) & ~open;
  if (wrong == 0) ground_.set(ctrlack_, value);
  return wrong;
}

}  // namespace iommucheck::spec
