// SPDX-License-Identifier: MIT
// Anyone's device behind the door of include/iommucheck/device.h. It is in another process; what it
// answers is looked at before it is believed, and every end of it is one that settle() tells.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conform/dut/device.h"
#include "conform/dut/host_smmu.h"
#include "conform/dut/peer.h"
#include "conform/dut/tester_memory.h"
#include "iommucheck/device.h"

namespace iommucheck::oracle {

class DoorDevice final : public DeviceUnderTest {
 public:
  struct Options {
    std::string device;  ///< as Peer takes it
    u64 seed = 1;
    double hang_seconds = 5;  ///< for one batch of operations or a reset; 10 at least to begin
  };
  /// Errors: bad_input: the file, or what the device says of itself; environment.
  static Expected<std::unique_ptr<DoorDevice>> start(const Options& options);

  [[nodiscard]] const DeviceIdentity& identity() const override { return identity_; }
  Expected<void> reset() override;
  void mmio_write(u32 offset, unsigned size, u64 value) override;
  Ticket mmio_read(u32 offset, unsigned size) override;
  void store(u64 pa, u64 value) override;
  void fill(u64 pa, u64 words, u64 value) override;
  Ticket load(u64 pa) override;
  Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override;
  Ticket ats_request(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override;
  void invalidated(u32 tag) override;
  void invalidations_time_out() override;
  [[nodiscard]] AtsSeen answered(Ticket ticket) const override { return answers_[ticket].ats; }
  std::vector<AtcInvalidation> take_invalidations() override {
    return std::exchange(invalidations_, {});
  }
  void page_request(const spec::PageRequest& request) override;
  std::vector<spec::PageResponse> take_page_responses() override {
    return std::exchange(responses_, {});
  }
  void save_restore() override;
  Expected<void> settle() override;
  [[nodiscard]] u64 value(Ticket ticket) const override { return answers_[ticket].value; }
  [[nodiscard]] DmaSeen seen(Ticket ticket) const override { return answers_[ticket].seen; }
  std::vector<Interrupt> take_interrupts() override { return std::exchange(interrupts_, {}); }

  /// Since it was started.
  struct Counts {
    u64 batches = 0, operations = 0, memory_frames = 0, interrupts = 0, restarts = 0;
    u64 installed = 0, handed_on = 0, host_records = 0;  ///< of one that delegates
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  explicit DoorDevice(const Options& options) : options_(options), peer_(options.device) {}
  Expected<void> begin();
  Expected<void> take_info(const std::vector<char>& bytes);
  Expected<void> read_id_registers();
  Expected<void> begin_host();
  Expected<void> ask_for_reset();
  void ask(const iommucheck_dut_op& op, Ticket ticket);
  void flush();
  Expected<void> take_answers(const std::vector<char>& bytes);
  Expected<void> take_answer(const iommucheck_dut_op& asked, const iommucheck_dut_op& answer,
                             Ticket ticket);
  void take_access(const iommucheck_dut_op& answer, Ticket ticket);
  Expected<std::vector<char>> wait_for(u32 type, double seconds);
  [[nodiscard]] iommucheck_dut_op sent_by(unsigned engine, u64 iova, bool write,
                                          DmaAttributes attributes) const;
  Expected<void> take_grant(const iommucheck_dut_op& answer, Ticket ticket);
  Expected<void> take_interrupt(const std::vector<char>& bytes);
  Expected<void> take_invalidation(const std::vector<char>& bytes);
  Expected<void> take_response(const std::vector<char>& bytes);
  Expected<void> take_install(const std::vector<char>& bytes);
  Expected<void> take_handed_on(const std::vector<char>& bytes);
  Ticket dma_at_host(unsigned engine, u64 iova, bool write, const DmaAttributes& attributes);
  Expected<void> serve_memory(const Frame& frame, Deadline until);
  Ticket ticket();
  [[nodiscard]] bool says(u32 flag) const { return (info_.flags & flag) != 0; }
  [[nodiscard]] std::string post_mortem(const std::string& what);

  struct Answer {
    u64 value = 0;
    DmaSeen seen;
    AtsSeen ats;
  };

  Options options_;
  std::unique_ptr<TesterMemory> memory_;
  std::unique_ptr<HostSmmu> host_;  // of one that delegates, once its ID registers are known
  Peer peer_;
  DeviceIdentity identity_;
  iommucheck_dut_info info_{};
  std::vector<iommucheck_dut_op> pending_;
  std::vector<Ticket> tickets_;  // of each that is pending, or no_ticket
  std::vector<Answer> answers_;
  std::vector<Interrupt> interrupts_;
  std::vector<AtcInvalidation> invalidations_;
  std::vector<spec::PageResponse> responses_;
  std::array<bool, 4> high_{};  // levels of the lines
  u32 marks_ = 0;               // words that a DMA wrote, all different
  bool broken_ = false;
  std::string why_broken_;
  std::optional<u32> refused_read_;  // why it is broken: it refused to read this register
  Counts counts_;
};

}  // namespace iommucheck::oracle
