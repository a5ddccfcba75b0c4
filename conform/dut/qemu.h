// SPDX-License-Identifier: MIT
// QEMU's SMMUv3 as a device under test, over qtest, with edu devices as DMA engines.
//
// Every word of the data memory holds its own address, so a read of four bytes tells where it went;
// what an engine read lies in its buffer until settle(), which copies it out through a DMA with
// SMMUEN = 0 (of which the judge is not told: on QEMU that touches no cache, and on any SMMU it may
// not make anything stale). A write carries a word that no other has, and is looked for in the data
// memory. An engine sees 0 where its read was terminated.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <utility>

#include "conform/dut/device.h"
#include "conform/dut/process.h"

namespace iommucheck::oracle {

class QemuDevice final : public DeviceUnderTest {
 public:
  /// Errors: environment: no QEMU, too old, or it is not as expected.
  static Expected<std::unique_ptr<QemuDevice>> start(const QemuOptions& options);

  [[nodiscard]] const DeviceIdentity& identity() const override { return identity_; }
  Expected<void> reset() override;
  Expected<void> renew() override;
  void mmio_write(u32 offset, unsigned size, u64 value) override;
  Ticket mmio_read(u32 offset, unsigned size) override;
  void store(u64 pa, u64 value) override;
  void fill(u64 pa, u64 words, u64 value) override;
  Ticket load(u64 pa) override;
  Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override;
  Expected<void> settle() override;
  [[nodiscard]] u64 value(Ticket ticket) const override { return values_[ticket]; }
  [[nodiscard]] DmaSeen seen(Ticket ticket) const override { return seen_[values_[ticket]]; }
  std::vector<Interrupt> take_interrupts() override { return std::exchange(interrupts_, {}); }

  /// Numbers since it was started.
  struct Counts {
    u64 system_resets = 0, restarts = 0, commands = 0, dmas = 0;
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// Each reset() is the machine's, whatever was changed.
  void always_system_reset(bool always) { always_system_reset_ = always; }
  /// While true, what is asked does not concern DMAs that still run, nor what is stored commands
  /// that are not answered: nothing waits for them but settle() and finish_dmas().
  void set_independent(bool independent) { independent_ = independent; }
  /// Waits until every DMA has ended and everything is answered. What reads brought is fetched by
  /// settle().
  void finish_dmas();
  /// Makes the process end itself.
  void break_for_test();

 private:
  explicit QemuDevice(std::unique_ptr<QemuProcess> process);
  Expected<void> hear_interrupts();
  Expected<void> set_up_engines();
  Expected<void> identify();
  void tag_memory();
  void command(std::string_view name, u64 address, u64 value);
  Ticket question(std::string_view name, u64 address);
  void sent(Ticket ticket);
  void note_interrupt(std::string_view line);
  Expected<void> drain(std::size_t most = ~std::size_t{0});
  void before_next();
  void start_engine(unsigned engine, u64 source, u64 destination, u64 bytes, u64 direction);
  void look_at_engines();
  void read_back(unsigned engine);
  void read_back_all();
  bool run_engine(unsigned engine, u64 source, u64 destination, u64 bytes, u64 direction);
  void look_for(unsigned engine);
  void failed(const Error& error);
  void note_stored(u64 pa, u64 bytes);
  void clear_structures();
  [[nodiscard]] volatile u32* word(u64 pa) const;

  static constexpr Ticket no_ticket = ~Ticket{0};
  static constexpr u64 buffer_words = 512;  // of the half with words to write
  static constexpr u64 read_slots = 511;    // of the other half; edu refuses its last word

  struct Engine {
    bool running = false, write = false;
    Ticket ticket = no_ticket;
    u64 iova = 0;
    u64 next_word = 0;                     // of those to write
    std::vector<Ticket> reads;             // whose data is in the buffer, in order of slots
    std::array<u64, buffer_words> went{};  // where each word was last found
  };

  std::unique_ptr<QemuProcess> process_;
  DeviceIdentity identity_;
  std::vector<Engine> engine_;
  unsigned last_started_ = 0;
  std::vector<Ticket> expected_;  // of each answer that is still to come, or no_ticket
  std::vector<u64> values_;
  std::vector<DmaSeen> seen_;
  std::vector<Interrupt> interrupts_;
  std::deque<u64> recent_;  // pages that were written last
  u64 cr0_ = 0, gbpa_ = 0;
  u64 stored_bytes_ = 0;  // of the structures, from their beginning: cleared before the next case
  bool gbpa_used_ = false;
  bool two_level_ = false;
  bool always_system_reset_ = false;
  bool independent_ = false;
  bool broken_ = false;
  std::string why_broken_;
  Counts counts_;
};

}  // namespace iommucheck::oracle
