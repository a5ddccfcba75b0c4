// SPDX-License-Identifier: MIT
// The command queue: what CMDQ_PROD exposes, which the SMMU may execute from then on, and what
// CMDQ_CONS shows to be consumed, which completes CMD_SYNCs. IHI 0070 3.5, 4.1, 6.3.26 to 6.3.28.
//
// Commands have numbers, counted from the beginning: consumed_total() <= exposed_total(), and
// CMD_SYNCs that are open are in their order. Which of them a device may refuse is in refusals.h,
// at which look one consumes them in consumption.h.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "spec/smmu/command_errors.h"
#include "spec/smmu/command_stops.h"
#include "spec/smmu/control_registers.h"
#include "spec/smmu/messages.h"
#include "spec/smmu/progress.h"
#include "spec/smmu/queue.h"
#include "spec/smmu/stalls.h"
#include "spec/smmu/sync_interrupts.h"

namespace iommucheck::spec {

class CommandQueue {
 public:
  CommandQueue(Ground& ground, const ControlRegisters& controls, CommandErrors& errors,
               Progress& progress, CommandStops& stops, SyncMessages& messages,
               SyncInterrupts& interrupts, Stalls& stalls)
      : ground_(ground),
        controls_(controls),
        errors_(errors),
        progress_(progress),
        stops_(stops),
        messages_(messages),
        interrupts_(interrupts),
        stalls_(stalls) {}

  // ---- registers --------------------------------------------------------------------------------
  [[nodiscard]] u64 prod() const { return prod_; }
  [[nodiscard]] u64 cons() const { return cons_; }
  [[nodiscard]] QueueGeometry geometry() const {
    return queue_geometry(base_, ground_.capabilities().cmdqs, command_bytes);
  }
  /// Where the register at `offset` keeps what is written; nothing: it is not one of these.
  u64* storage(u32 offset);
  void base_written();
  void cons_written(u64 value);
  void write_prod(u64 value);
  /// CMDQEN was written as 1, or as 0.
  void enable();
  void disable() { ground_.set(cons_known_, 0); }
  /// CMDQEN = 0 and acknowledged: nothing is consumed.
  [[nodiscard]] bool is_off() const { return controls_.surely_off(cr0::cmdqen); }

  // ---- commands ---------------------------------------------------------------------------------
  /// What CMDQ_PROD shows and no error stops may be executed.
  void process();
  /// GERRORN was written, and no command error is active: commands are read again.
  void go_on();
  /// The device took the command in `slot`; `words` absent: as memory says.
  void command_consumed(u32 slot, const std::optional<CommandWords>& words);
  /// CONS moved past commands of which nobody knows what they were.
  void skip_to(u64 cons);

  /// Index up to which commands may have been executed, and how many that are.
  [[nodiscard]] u64 exposed() const { return exposed_; }
  [[nodiscard]] u64 exposed_total() const { return exposed_total_; }
  /// What the driver has observed of CONS, counted likewise.
  [[nodiscard]] u64 consumed_total() const { return cons_total_; }
  /// As a device: up to there it has consumed, seen or not; and from there on ahead of the driver.
  [[nodiscard]] u64 done_total() const { return done_total_; }
  [[nodiscard]] u64 ahead() const {
    return done_total_ > cons_total_ ? done_total_ - cons_total_ : 0;
  }
  void consume_unseen(u64 commands) { ground_.set(done_total_, cons_total_ + commands); }
  /// Up to there one has ended a stall, which was seen.
  [[nodiscard]] u64 acted_total() const { return acted_total_; }

  // ---- what the driver sees ---------------------------------------------------------------------
  /// CMDQ_CONS.RD.
  void observe_cons(u64 cons);
  /// By a message or an interrupt: commands up to there are consumed.
  void observe_total(u64 total);
  /// A look at CMDQ_CONS. False: since CMDQEN = 0 is acknowledged it was looked at already.
  bool look_at_cons();
  /// The device stopped at the command at `cons`: those before are consumed, those from there on
  /// have no effect, and are read again once the error is acknowledged.
  void stop_at(u64 cons, u64 code);
  /// Smmu::why_stopped().
  [[nodiscard]] std::string why_stopped() const;
  /// Smmu::tell_endpoints().
  void tell_endpoints(std::function<void(u32, bool)> says) { endpoint_says_ = std::move(says); }

  // ---- slots ------------------------------------------------------------------------------------
  [[nodiscard]] bool is_slot(u64 pa) const { return pa - first_ < bytes_; }
  void before_store(u64 pa) {
    if (is_slot(pa)) check_slot(pa);
  }
  void before_store(u64 pa, u64 bytes) {
    if (pa >= first_ + bytes_ || pa + bytes <= first_) return;
    for (u64 word = pa; word < pa + bytes; word += 8) before_store(word);
  }

 private:
  struct SyncPoint {
    u64 position = 0;  // as exposed_total_
    u64 group = 0;
  };

  [[nodiscard]] std::optional<Rule> is_illegal(const Command& command) const;
  bool execute(const CommandWords& words, bool certain);
  void check_reserved(const Command& command, const CommandWords& words);
  void check_stall_term(const Command& command);
  [[nodiscard]] bool is_believed(const Command& command) const;
  void command_taken(const QueueGeometry& queue, u32 slot);
  void check_slot(u64 pa);
  void update_window();
  void complete_syncs();
  void forget_syncs();

  Ground& ground_;
  const ControlRegisters& controls_;
  CommandErrors& errors_;
  Progress& progress_;
  CommandStops& stops_;
  SyncMessages& messages_;
  SyncInterrupts& interrupts_;
  Stalls& stalls_;

  u64 base_ = 0, prod_ = 0, cons_ = 0;
  u64 first_ = 0, bytes_ = 0;  // memory of the slots
  u64 exposed_ = 0, exposed_total_ = 0;
  u64 taken_ = 0;  // index up to which events said that commands were consumed
  u64 cons_total_ = 0;
  u64 done_total_ = 0;
  u64 acted_total_ = 0;
  u64 cons_known_ = 0;  // CONS was read or written since CMDQEN = 0 was acknowledged
  u64 changed_ = 0;     // CONS, PROD or a slot that is not consumed is another since then
  TrailArray<SyncPoint> syncs_;
  u64 first_sync_ = 0;  // of syncs_: those before are complete
  std::function<void(u32, bool)> endpoint_says_;
  u64 endpoints_failed_ = 0;
};

}  // namespace iommucheck::spec
