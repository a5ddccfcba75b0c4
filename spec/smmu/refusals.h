// SPDX-License-Identifier: MIT
// Which commands a device may refuse although they are legal, and what CMDQ_CONS may answer, while
// a command error is active above all: RD stays at the command, and ERR has the code. IHI 0070
// 4.1.5, 4.5.1, 6.3.28, 7.1; arch 5.6.
#pragma once

#include "spec/smmu/command_queue.h"

namespace iommucheck::spec {

class Refusals {
 public:
  Refusals(Ground& ground, const GlobalErrors& global, CommandErrors& errors, CommandQueue& queue)
      : ground_(ground), global_(global), errors_(errors), queue_(queue) {}

  /// May the device refuse the command at `cons` although it is legal?
  [[nodiscard]] bool may_stop_at(u64 cons, u64 code) const;
  /// May it refuse any that it has not consumed yet?
  [[nodiscard]] bool may_stop() const;
  /// As a judge: what the device answered of CMDQ_CONS. False: no device may.
  bool admit_cons(u64 value);

 private:
  bool admit_claimed(u64 value);
  bool admit_stopped(u64 value, u64 limit);
  void report_refused(u64 cons, u64 code);
  [[nodiscard]] Command command_at(u64 cons) const;

  Ground& ground_;
  const GlobalErrors& global_;
  CommandErrors& errors_;
  CommandQueue& queue_;
};

}  // namespace iommucheck::spec
