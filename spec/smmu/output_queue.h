// SPDX-License-Identifier: MIT
// One output queue, of events or of page requests: its indices, of which the SMMU moves PROD and
// the driver CONS, and the overflow between the two. CONS moves over records that the driver can
// know of, and an overflow that it has met in an empty queue it has to acknowledge. IHI 0070 3.5.1,
// 6.3.29, 6.3.33, 7.4.
#pragma once

#include <array>

#include "spec/smmu/control_registers.h"
#include "spec/smmu/record_loads.h"

namespace iommucheck::spec {

class OutputQueue {
 public:
  struct Kind {
    std::string_view name;
    u64 enable = 0;        ///< of CR0
    unsigned largest = 0;  ///< LOG2SIZE, by IDR1
    unsigned record_bytes = 0;
  };

  OutputQueue(Ground& ground, const ControlRegisters& controls, const Kind& kind)
      : ground_(ground), controls_(controls), kind_(kind), loads_(ground) {}

  [[nodiscard]] QueueGeometry geometry() const {
    return queue_geometry(base_, kind_.largest, kind_.record_bytes);
  }
  [[nodiscard]] u64 prod() const { return prod_; }
  [[nodiscard]] u64 cons() const { return cons_; }
  /// Where registers keep what is written.
  u64* base() { return &base_; }
  u64* prod_place() { return &prod_; }

  // ---- the SMMU's side --------------------------------------------------------------------------
  [[nodiscard]] u64 used() const {
    return queue_used(geometry().lg2, prod_ & queue_index_mask, cons_ & queue_index_mask);
  }
  [[nodiscard]] bool is_empty() const {
    return static_cast<bool>(
        queue_empty(geometry().lg2, prod_ & queue_index_mask, cons_ & queue_index_mask));
  }
  [[nodiscard]] bool is_full() const {
    return static_cast<bool>(
        queue_full(geometry().lg2, prod_ & queue_index_mask, cons_ & queue_index_mask));
  }
  /// Where the next record goes.
  [[nodiscard]] u64 slot() const {
    return queue_slot(geometry(), kind_.record_bytes, prod_ & queue_index_mask);
  }
  /// A record is there.
  void advance();
  /// OVFLG toggled and OVACKFLG did not follow yet.
  [[nodiscard]] bool overflow_open() const { return ((prod_ ^ cons_) & queue_overflow_flag) != 0; }
  void toggle_overflow() { ground_.set(prod_, prod_ ^ queue_overflow_flag); }

  // ---- the driver's side ------------------------------------------------------------------------
  /// Its enable in CR0 is 1 from here on.
  void enabled();
  /// The memory is somebody else's from now on. `records`: something may still be recorded.
  void given_back(u64 pa, u64 bytes, bool records);
  /// PROD was written, before the queue is enabled.
  void prod_written(u64 value);
  /// PROD is what the driver reads. False: no device may answer so.
  bool observe_prod(u64 value);
  void set_seen(u64 value) { ground_.set(seen_, value); }
  /// `known`: it is known how far PROD is.
  void write_cons(u64 value, bool known);
  /// PROD was read, or CONS written. With the queue empty there is nothing else to do than to
  /// acknowledge an overflow.
  void note_overflow();
  /// The queue's next interrupt comes.
  void check_overflow();
  /// Likewise, beside interrupts: of a queue that is enabled and takes in nothing until then (8.1)
  /// none may come any more.
  void check_left() {
    if (drained_ != 0 && controls_.enables(kind_.enable)) check_overflow();
  }
  /// Up to 8 bytes at `pa` are loaded.
  void observe_load(u64 pa);
  void observe_load_barrier() { loads_.barrier(seen_); }
  /// Lines with a part of [first, end) leave the CPU's caches: nothing in them is written back any
  /// more, whichever memory the queue gets.
  void observe_invalidate(u64 first, u64 end);
  /// It is not known when they do.
  void invalidations_are_not_told() { invalidations_told_ = false; }

 private:
  void check_cons(u64 value, bool known);
  /// What the CPU's caches hold of the queue counts, and is known.
  [[nodiscard]] bool judges_lines() const {
    return !ground_.is_recording() && !ground_.capabilities().cohacc && invalidations_told_;
  }
  bool check_lines(u64 first, u64 end, std::string_view from_here_on);
  void check_slots(u64 value);
  [[nodiscard]] bool may_be_written_back(u64 pa) const;
  [[nodiscard]] SeenQueue as_seen() const {
    return {geometry(), kind_.record_bytes, cons_, seen_, invalidations_told_, kind_.name};
  }

  Ground& ground_;
  const ControlRegisters& controls_;
  Kind kind_;
  u64 base_ = 0, prod_ = 0, cons_ = 0;
  u64 seen_ = 0;     // PROD as the driver last read or wrote it
  u64 drained_ = 0;  // the driver saw an overflow, and emptied the queue without a word
  RecordLoads loads_;
  /// What left the caches last, and when; as one, what follows each other.
  struct Invalidated {
    u64 first = 0, end = 0, at = 0;
  };
  std::array<Invalidated, 8> invalidated_{};
  u64 invalidations_ = 0;
  bool invalidations_told_ = true;
};

}  // namespace iommucheck::spec
