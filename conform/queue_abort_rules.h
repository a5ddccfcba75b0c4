// SPDX-License-Identifier: MIT
// Queues that lie where no memory is, of a device whose memory answers so: the command that cannot
// be fetched is CERROR_ABT and is not passed over, a record that cannot be written is shown by its
// bit of GERROR, each time that the error before it was acknowledged. IHI 0070 7.1, 7.2.2, 8.2.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "conform/device_finding.h"
#include "spec/rules.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/smmu.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class QueueAbortRules {
 public:
  QueueAbortRules(spec::Caches& caches, const spec::Smmu& smmu) : caches_(caches), smmu_(smmu) {}

  void no_memory_at(u64 first, u64 bytes) {
    absent_first_ = first;
    absent_bytes_ = bytes;
  }
  /// From reset on.
  void begin();
  /// The next event, which caches and SMMU know already; what is wrong in it, if anything.
  std::optional<Finding> feed(const trace::Event& event);
  /// Of the case: how often an error had to be shown, and was.
  [[nodiscard]] u64 shown() const { return shown_; }

 private:
  enum Queue : u8 { commands, events, pages, queues };
  struct State {
    bool aborts = false;  ///< it lies where no memory is
    bool due = false;     ///< its error has to be shown
    unsigned reads = 0;   ///< of GERROR, that did not
  };
  void write(const trace::MmioWrite& write);
  std::optional<Finding> read(const trace::MmioRead& read);
  std::optional<Finding> gerror_read(u64 value);
  std::optional<Finding> cons_read(u64 value);
  void access(const trace::Dma& dma);
  void commands_may_be_due();
  [[nodiscard]] bool is_on(u64 fields) const;
  [[nodiscard]] bool is_active(Queue queue) const;

  spec::Caches& caches_;
  const spec::Smmu& smmu_;
  u64 absent_first_ = 0, absent_bytes_ = 0;
  std::array<State, queues> state_{};
  u64 cr0_ = 0, cr0_settled_ = 0, gerror_ = 0, gerrorn_ = 0;
  u64 prod_ = 0, cons_ = 0;  // of commands, as they were written
  u64 shown_ = 0;
};

}  // namespace iommucheck::oracle
