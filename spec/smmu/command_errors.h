// SPDX-License-Identifier: MIT
// The error at which the command queue stands, while GERROR.CMDQ_ERR is active: its code, the rule
// that made the command illegal, and how often the same command was refused. IHI 0070 7.1.
#pragma once

#include "spec/smmu/command.h"
#include "spec/smmu/global_errors.h"

namespace iommucheck::spec {

class CommandErrors {
 public:
  CommandErrors(Ground& ground, GlobalErrors& errors) : ground_(ground), errors_(errors) {}

  [[nodiscard]] u64 gerror() const { return errors_.gerror(); }
  [[nodiscard]] u64 gerrorn() const { return errors_.gerrorn(); }
  /// GERROR.CMDQ_ERR is: the queue is stopped.
  [[nodiscard]] bool active() const { return errors_.command_error(); }
  /// CMDQ_CONS.ERR.
  [[nodiscard]] u64 code() const { return code_; }
  /// 1 + the rule that made the command illegal; 0: none did.
  [[nodiscard]] u64 rule() const { return rule_; }
  /// The device shows CMDQ_ERR; CMDQ_CONS will say at which command.
  [[nodiscard]] bool is_claimed() const { return claimed_ != 0; }
  void claim() { ground_.set(claimed_, 1); }

  /// The next command has the error: it follows from what the driver did.
  void raise(CommandError code);
  /// It is illegal, command `number` of all.
  void refuse(const CommandWords& words, u64 number, Rule illegal);
  /// No memory is there to read it from.
  void refuse_slot() { ground_.set(rule_, 0); }
  /// The device stopped by itself, and says so in CMDQ_CONS. CMDQ_ERR is the caller's.
  void stopped(u64 code);
  /// GERRORN says that no error is active any more.
  void acknowledged();

  /// How often in a row: each time acknowledged and left as it is.
  [[nodiscard]] u64 refusals() const { return refusals_; }

 private:
  Ground& ground_;
  GlobalErrors& errors_;
  u64 code_ = 0;
  u64 rule_ = 0;
  u64 claimed_ = 0;
  u64 refused_[2] = {};  // words of the command that was refused last
  u64 refused_at_ = 0;   // 1 + its number; 0: none was
  u64 refusals_ = 0;
};

}  // namespace iommucheck::spec
