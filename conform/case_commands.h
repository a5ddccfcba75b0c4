// SPDX-License-Identifier: MIT
// The command queue as a driver of a case uses it: batches, CMD_SYNC, and a command in error.
#pragma once

#include <utility>
#include <vector>

#include "conform/case_endpoints.h"
#include "conform/case_log.h"

namespace iommucheck::oracle {

/// How often a register is read for what a device that needs time has to show: CMDQ_CONS for a
/// CMD_SYNC, CR0ACK for CR0.
inline constexpr unsigned reads_max = 8;

class CaseCommands {
 public:
  CaseCommands(CaseLog& log, CaseEndpoints& endpoints, const QueueLayout& queues)
      : log_(log), endpoints_(endpoints), queues_(queues) {}

  /// The case has written a register.
  void written(u32 offset, u64 value);

  // Each is false if the device died.
  /// `exposes`: it is the last of its batch.
  bool command(u64 low, u64 high, bool exposes);
  bool sync();
  /// Until no more than `most` commands are before CMDQ_CONS.
  bool drain(u64 most);
  bool mend(u64 low, u64 high);
  /// CMD_RESUME of each, by StreamID and STAG, and CMD_SYNC.
  bool resume(const std::vector<std::pair<u32, u16>>& stalled, bool ac, bool ab);
  /// CMDQ_CONS, until it is at the end; `answering`: endpoints do what they are sent meanwhile.
  bool look_until_done(bool answering);

 private:
  void expose();
  void store_command(u64 index, u64 low, u64 high);
  bool look_at_cons();

  CaseLog& log_;
  CaseEndpoints& endpoints_;
  const QueueLayout& queues_;
  u64 prod_ = 0, cons_ = 0;
  u64 exposed_ = 0;  // what was written to CMDQ_PROD last
};

}  // namespace iommucheck::oracle
