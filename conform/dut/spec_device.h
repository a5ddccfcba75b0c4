// SPDX-License-Identifier: MIT
// The specification as a device under test: it does what its registers, memory and caches allow,
// by choice. Conform must find nothing in it, and everything that is broken in a wrapper of it.
#pragma once

#include <array>
#include <memory>
#include <utility>

#include "conform/dut/chosen_outcome.h"
#include "conform/dut/device.h"
#include "spec/smmu/flag_updates.h"
#include "spec/smmu/smmu.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::oracle {

/// What a spec device claims unless told otherwise: stage 1, 4 KiB, both stream table formats.
spec::IdRegisters spec_device_id();
/// By the seed, of four one each: the same; with page requests; a machine that is drawn; and such a
/// one that has page requests if it has ATS.
spec::IdRegisters drawn_spec_device_id(u64 seed);

class SpecDevice : public DeviceUnderTest {
 public:
  explicit SpecDevice(u64 seed, const spec::IdRegisters& id = spec_device_id(),
                      const spec::Profile& profile = {});

  [[nodiscard]] const DeviceIdentity& identity() const override { return identity_; }
  Expected<void> reset() override;
  void mmio_write(u32 offset, unsigned size, u64 value) override;
  Ticket mmio_read(u32 offset, unsigned size) override;
  void store(u64 pa, u64 value) override;
  void fill(u64 pa, u64 words, u64 value) override;
  Ticket load(u64 pa) override;
  Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override;
  Expected<void> settle() override { return {}; }
  [[nodiscard]] u64 value(Ticket ticket) const override { return answers_[ticket]; }
  [[nodiscard]] DmaSeen seen(Ticket ticket) const override { return seen_[answers_[ticket]]; }
  std::vector<Interrupt> take_interrupts() override { return std::exchange(interrupts_, {}); }
  spec::Outcome outcome_by_stage2(const spec::Access& access, const spec::Outcome& now);
  Ticket ats_request(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override;
  [[nodiscard]] AtsSeen answered(Ticket ticket) const override {
    return answered_[answers_[ticket]];
  }
  void invalidated(u32 tag) override;
  void invalidations_time_out() override;
  std::vector<AtcInvalidation> take_invalidations() override {
    return std::exchange(invalidations_, {});
  }
  void page_request(const spec::PageRequest& request) override;
  std::vector<spec::PageResponse> take_page_responses() override {
    return std::exchange(responses_, {});
  }

 protected:
  [[nodiscard]] spec::SmmuState state_now() const;
  /// A word of memory as it is now; nothing where none is: the fetch aborts.
  [[nodiscard]] std::optional<u64> word_now(u64 pa) const;
  /// What becomes of an access, which is recorded as it then is; nothing: no outcome is known. A
  /// device that is wrong in one thing answers otherwise, in tests.
  virtual std::optional<spec::Outcome> outcome_of(spec::Access& access);
  /// The same of a translation request.
  virtual spec::AtsCompletion completion_of(const spec::Access& access);
  /// The same of a page request: one of those that are allowed.
  virtual spec::PageRequestOutcome page_outcome_of(const spec::PageRequest& request);
  /// What an access that passes writes into descriptors; HTTU.
  virtual std::vector<spec::FlagUpdate> updates_of(const spec::Access& access,
                                                   const spec::Outcome& outcome);

 private:
  [[nodiscard]] std::optional<u32> place_of(u32 offset) const;
  [[nodiscard]] unsigned commands_lg2() const {
    return static_cast<unsigned>(bits(cmdq_base_, 4, 0));
  }
  [[nodiscard]] u64 command_slot(u64 index) const;
  [[nodiscard]] bool holds_commands() const;
  void record(const spec::Access& access, const spec::Outcome& outcome);
  void try_again();
  void resume();
  [[nodiscard]] bool reads_commands() const;
  void begin_commands(u64 cons);
  void expose_commands();
  void send_invalidation(const spec::Command& command);
  void send_response(const spec::Command& command);
  void interrupts_after(u32 offset, u64 value);
  void syncs_until(u64 cons);
  void raise(u64 error);
  void send(trace::IrqKind kind, u64 message_pa, u32 payload);
  void send_page_interrupt();
  void message(u64 pa, u32 payload);
  void write_flags(const spec::Access& granted);
  [[nodiscard]] u64 value_at(u64 pa) const;
  Ticket answer(u64 value) {
    answers_.push_back(value);
    return static_cast<Ticket>(answers_.size() - 1);
  }

  DeviceIdentity identity_;
  spec::Caches caches_;
  spec::Smmu smmu_;
  SeededChoices choices_;
  bool truncates_;  // what of a translated access is beyond the output size: IMPLEMENTATION DEFINED
  std::size_t booted_ = 0;
  EventIndex now_ = 0;
  std::vector<u64> answers_;  // by ticket: the value, or the place in what was seen or answered
  std::vector<DmaSeen> seen_;
  std::vector<AtsSeen> answered_;
  // Interrupts are sent when what caused them has been read: later than they might be.
  std::vector<Interrupt> interrupts_;
  u64 irq_ctrl_ = 0, irq_ctrlack_ = 0, shown_gerror_ = 0, gerrorn_ = 0;
  struct OutputQueue {
    u64 cons = 0, shown_prod = 0;
    bool has_news(u64 prod) {
      prod &= spec::queue_index_mask;
      return std::exchange(shown_prod, prod) != prod && prod != cons;
    }
  };
  OutputQueue events_, pages_;
  bool last_only_ = false;  // PRIQ_IRQ_CFG2.LO
  u64 cmdq_base_ = 0, eventq_base_ = 0, shown_cons_ = 0;
  // Commands are exposed to the engine no further than to a CMD_SYNC that waits for an endpoint.
  u64 cmdq_prod_ = 0, exposed_ = 0;
  std::optional<u64> refused_;                  // a command that is read again when it is mended
  std::vector<AtcInvalidation> invalidations_;  // sent, and not taken yet
  std::vector<u32> awaited_;                    // their tags, until the endpoints answer
  u32 next_tag_ = 0;
  std::vector<spec::Access> unrecorded_;  // they stall, and found no room for their record
  struct Stalled {
    u32 stag = 0;
    spec::Access access;
  };
  std::vector<Stalled> stalled_;               // recorded, until a command ends them
  std::vector<spec::PageResponse> responses_;  // sent, and not taken yet
  // Addresses and data, of the event queue, of global errors and of the PRI queue.
  std::array<u64, 6> messages_{};
};

}  // namespace iommucheck::oracle
