// SPDX-License-Identifier: MIT
// The event queue: each record is read once, behind PROD, and its slot is given back behind the
// loads of it. What stalled becomes a fault that is answered; of the others a user is told what its
// device did, and the rest is logged. IHI 0070 3.12, 7.2, 7.3; arch 4.9, 6.1.
#pragma once

#include <algorithm>

#include "impl/core/backend.h"
#include "impl/platform/platform.h"
#include "impl/smmuv3/registers.h"
#include "impl/vmsav8/layout.h"

namespace iommucheck::impl {

class Events {
 public:
  explicit Events(const Platform& platform) : platform_(platform) {}

  bool create(const Features& features);
  /// Empty, while EVENTQEN = 0.
  void program();
  void destroy();

  /// Reads what is there now: so many records.
  u32 drain(FaultSink& sink);
  void set_number(Event& event, u32 number) const;

 private:
  struct Record {
    u64 word0 = 0, word1 = 0, iova = 0;
    bool stalled = false;
  };

  static constexpr u64 event_bytes = 32;
  [[nodiscard]] u64 ring_bytes() const {
    return std::max<u64>(page_bytes, event_bytes << event_lg2_);
  }
  Record read_record();
  static Fault fault_of(const Record& record);
  void log_record(const Record& record) const;
  static bool is_users(const Record& record);
  static Event event_of(const Record& record);

  const Platform& platform_;
  u64 event_ring_ = 0;
  u32 event_lg2_ = 0;
  u32 event_cons_ = 0;
  u32 event_cons_written_ = 0;  // with the overflow flag
  u32 event_prod_ = 0;          // as last read
};

}  // namespace iommucheck::impl
