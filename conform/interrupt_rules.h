// SPDX-License-Identifier: MIT
// Interrupts as far as the manual fixes them: which ones have to come, and which may not. An
// interrupt is a pulse on a wire of its own, or a message where IDR0.MSI = 1; several causes may
// share one that comes after the last of them. IHI 0070 3.18, 4.7.3, 6.3.18 on.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "conform/case.h"
#include "conform/device_finding.h"
#include "spec/rules.h"
#include "spec/smmu/registers.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class InterruptRules {
 public:
  /// `wired`: each interrupt of the device is seen on its wire.
  InterruptRules(const spec::IdRegisters& id, bool wired);

  /// Nothing answers there: a message that is sent there ends in an external abort.
  void no_memory_at(u64 first, u64 bytes) {
    absent_first_ = first;
    absent_bytes_ = bytes;
  }

  /// From reset on: everything is off, and the queues are where `queues` says.
  void begin(const QueueLayout& queues);
  /// The next event of the case; what is wrong in it, if anything.
  std::optional<Finding> feed(const trace::Event& event);
  /// The case is over: what did not come now does not come.
  std::vector<Finding> finish() const;

  /// What the word of four bytes at `pa` may hold where a message may have been written; `surely`,
  /// if one was.
  struct Message {
    u32 payload = 0;
    bool surely = false;
  };
  [[nodiscard]] std::optional<Message> message_at(u64 pa) const;
  /// Of the case: how often an interrupt had to come; how often one came, or had a cause and was
  /// disabled.
  [[nodiscard]] u64 due() const { return due_count_; }
  [[nodiscard]] u64 could_be_wrong() const { return came_count_ + masked_count_; }

 private:
  enum Source : u8 { event_queue, page_requests, global_error, command_sync, sources };

  struct State {
    u64 causes = 0;                  ///< conditions that were observed, at most one interrupt each
    u64 came = 0;                    ///< interrupts
    std::optional<u64> last_came{};  ///< event number
    std::optional<u64> due_since{};  ///< an interrupt has to come after that event
    u64 due_at = 0;                  ///< the event that showed so
    u64 message_pa = 0;              ///< 0: no message
    u32 payload = 0;
    bool addressed = false;  ///< IRQ_CFG0 was written: it resets to an UNKNOWN value
  };

  InterruptRules(const spec::Capabilities& caps, bool wired) : caps_(caps), wired_(wired) {}
  void write(const trace::MmioWrite& write);
  void addressed(Source source, u64 value);
  void acknowledged(u64 value);
  void errors_shown(u64 value);
  void records_shown(Source source, u64 value);
  void moved(Source source);
  void sent(const trace::PageRequest& request);
  std::optional<Finding> read(const trace::MmioRead& read);
  std::optional<Finding> irq(trace::IrqKind kind);
  std::optional<Finding> too_many(Source source) const;
  void exposed(u64 prod);
  void consumed(u64 cons);
  void due(Source source, u64 since);
  [[nodiscard]] bool surely_on(Source source) const;
  [[nodiscard]] bool surely_off(Source source) const;
  [[nodiscard]] bool takes_page_requests() const;
  [[nodiscard]] static const char* name_of(Source source);
  [[nodiscard]] bool aborts(u64 pa) const { return pa - absent_first_ < absent_bytes_; }
  [[nodiscard]] std::optional<Finding> abort_not_shown(Source source, u64 at) const;

  spec::Capabilities caps_;
  bool wired_;
  QueueLayout queues_;
  u64 now_ = 0;
  std::array<State, sources> state_{};
  u64 enables_ = 0, settled_ = ~u64{0};  // IRQ_CTRL, and fields of it that are acknowledged
  std::array<u64, sources> on_since_{};  // event at which the enable was acknowledged
  std::map<u64, u64> words_;             // of the command queue
  struct Command {
    bool interrupts = false;
    bool may_interrupt = false;  ///< CS is reserved
    u64 exposed_at = 0;
    u64 consumed_at = 0;
    u64 message_pa = 0;
    u32 payload = 0;
  };
  std::vector<Command> commands_;  // exposed, in order
  u64 prod_ = 0, consumed_ = 0;    // index with wrap; commands of commands_ that were consumed
  struct OutputQueue {
    u64 cons = 0, prod = 0;         ///< as they were written and read last
    u64 read_at = 0;                ///< event at which PROD was
    u64 records = 0;                ///< that PROD showed
    u64 emptied = 1;                ///< so often at most it was empty: at first, and by CONS
    std::optional<u64> empty_at{};  ///< event at which it was seen to be empty
    bool set = false;
    bool unsure = false;  ///< it was set up anew, or an index makes no sense
  };
  [[nodiscard]] unsigned lg2_of(Source source) const {
    return source == event_queue ? queues_.eventq_lg2 : queues_.priq_lg2;
  }
  std::array<OutputQueue, 2> output_{};  // by Source
  u64 cr0_ = 0, cr0_settled_ = ~u64{0};  // and fields of it that are acknowledged
  bool last_only_ = false;               // PRIQ_IRQ_CFG2.LO
  // Messages that were sent and no record was seen for, but those with Last while it was enabled.
  u64 other_messages_ = 0;
  u64 gerror_ = 0, gerror_at_ = 0;  // as it was read last
  u64 errors_ = 0;                  // bits of it that were seen to toggle
  u64 absent_first_ = 0, absent_bytes_ = 0;
  bool queue_broken_ = false;      // a command error: what is consumed is not followed
  std::vector<Command> messages_;  // of CMD_SYNCs that were consumed
  u64 due_count_ = 0, came_count_ = 0, masked_count_ = 0;
};

}  // namespace iommucheck::oracle
