// SPDX-License-Identifier: MIT
// The event queue and the page request queue as a driver of a case reads them.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "conform/case_log.h"

namespace iommucheck::oracle {

class CaseOutputQueues {
 public:
  CaseOutputQueues(CaseLog& log, const QueueLayout& queues) : log_(log), queues_(queues) {}

  /// The case has written a register.
  void written(u32 offset, u64 value);

  // Each is false if the device died.
  bool poll_events(bool keeps_overflow);
  bool poll_pages(bool keeps_overflow);

  /// StreamID and STAG of the stalls that records have shown since the last call.
  std::vector<std::pair<u32, u16>> take_stalled() { return std::exchange(stalled_, {}); }
  /// What a word of records was when it was read last; nothing: it is none.
  [[nodiscard]] std::optional<u64> as_read(u64 pa) const;

 private:
  std::optional<std::vector<u64>> load(const std::vector<u64>& places);
  void acknowledge_events(u64 prod, bool keeps_overflow);
  [[nodiscard]] bool is_memory(u64 pa, u64 bytes) const;

  CaseLog& log_;
  const QueueLayout& queues_;
  std::map<u64, u64> words_;  // of records, as they were read last
  std::vector<std::pair<u32, u16>> stalled_;
  u64 event_cons_ = 0, overflow_ = 0;
  u64 page_cons_ = 0, page_overflow_ = 0;
};

}  // namespace iommucheck::oracle
