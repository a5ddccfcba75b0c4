// SPDX-License-Identifier: MIT
// IRQ_CTRL and the *_IRQ_CFG registers. An interrupt is enabled only once its message is
// configured, where IDR0.MSI = 1: the registers reset to UNKNOWN values. IRQ_CTRL is updated as
// CR0. IHI 0070 6.3.16, 6.3.18, 6.3.21 to 6.3.23.
#pragma once

#include "spec/smmu/ground.h"

namespace iommucheck::spec {

class InterruptRegisters {
 public:
  explicit InterruptRegisters(Ground& ground) : ground_(ground) {}

  /// Who writes from now on knows of MSI registers what it writes itself.
  void driver_begins();

  [[nodiscard]] u64 irq_ctrl() const { return ctrl_; }
  [[nodiscard]] u64 irq_ctrlack() const { return ctrlack_; }
  /// As written and acknowledged.
  [[nodiscard]] bool surely_enables(u64 sources) const { return (ctrl_ & ctrlack_ & sources) != 0; }
  [[nodiscard]] bool surely_off(u64 sources) const { return ((ctrl_ | ctrlack_) & sources) == 0; }
  void write_irq_ctrl(u64 value);
  /// Messages are written for it: enabled, with an address.
  [[nodiscard]] bool surely_sends(u64 source) const;
  /// One may have been written at some time since reset.
  [[nodiscard]] bool may_have_sent(u64 source) const { return (sent_ & source) != 0; }
  void acknowledge() { ground_.set(ctrlack_, ctrl_); }
  /// The answer is taken, if it may be; the bits that may not be so.
  u64 admit_irq_ctrlack(u64 value);

  /// Where the register at `offset` keeps what is written; nothing: it is not one of these.
  u64* storage(u32 offset);
  /// So many bytes at `offset` were written.
  void note_written(u32 offset, unsigned size);
  /// A write there was made while the source is enabled.
  void note_guarded(u32 offset);
  /// The SMMU is enabled: what was left on before the driver began sends messages from here on.
  void check_left_on() { check_configured(ctrl_, true); }

 private:
  void check_configured(u64 enabled, bool by_another = false);
  void note_sources(u64 enabled);
  [[nodiscard]] bool knows_address(unsigned source) const;

  Ground& ground_;
  u64 ctrl_ = 0, ctrlack_ = 0;
  u64 early_ = 0;    // fields of which a change was not acknowledged when they were changed again
  u64 cfg_[9] = {};  // GERROR, EVENTQ, PRIQ: CFG0, CFG1, CFG2
  u64 cfg_unknown_ = 0;  // their halves of 32 bits that are; four bits each
  u64 driver_began_ = 0;
  u64 written_ = 0;  // halves that were written since reset, as in cfg_unknown_
  u64 sent_ = 0;     // sources that were enabled with an address, or with one that nobody knows
};

}  // namespace iommucheck::spec
