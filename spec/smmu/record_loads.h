// SPDX-License-Identifier: MIT
// The driver's side of an output queue: a record may be loaded once PROD was seen to cover it, and
// until CONS gives its slot back. Loads are not in the order of the program, so that both need a
// barrier. IHI 0070 3.5.2; docs/semantics.md 1.
//
// The records that the driver loaded, as positions: indices with their wrap bit. CONS, `settled`,
// `loaded` follow each other, and `ordered` comes before PROD. Only loads that are told are judged:
// who reads records in a way that nobody sees loads none. Where the SMMU's accesses are not
// coherent (IDR0.COHACC = 0) and the CPU's mapping is cacheable, a line may have been fetched at
// any time, so that it leaves the caches behind the read of PROD.
#pragma once

#include <array>
#include <string_view>

#include "spec/smmu/ground.h"
#include "spec/smmu/queue.h"

namespace iommucheck::spec {

/// An output queue as the driver knows it.
struct SeenQueue {
  QueueGeometry queue;
  unsigned record_bytes = 0;
  u64 cons = 0;
  u64 seen = 0;                    ///< PROD as the driver last read or wrote it
  bool invalidations_told = true;  ///< else nothing is known of any line
  std::string_view name;
};

class RecordLoads {
 public:
  explicit RecordLoads(Ground& ground) : ground_(ground) {}

  /// The queue was set up: nothing of it is known to be loaded, and nothing is there.
  void begin(u64 position);
  /// A barrier that orders loads, behind a read of PROD that gave `seen`.
  void barrier(u64 seen);
  /// Up to 8 bytes at `pa` were loaded, which is in the queue.
  void load(const SeenQueue& its, u64 pa);
  /// Lines that have a part of [first, end) leave the caches of the driver's CPU.
  void invalidate(const SeenQueue& its, u64 first, u64 end);
  /// CONS is about to be written.
  void give_back(const SeenQueue& its, u64 value);

 private:
  /// Lines that were invalidated, for the records before `seen`: PROD as it had been read then.
  struct Invalidated {
    u64 first = 0, end = 0, seen = 0;
  };
  void remember(const Invalidated& lines);
  [[nodiscard]] bool is_fresh(const SeenQueue& its, u64 ahead) const;

  Ground& ground_;
  u64 ordered_ = 0;  // PROD as it was read before the last barrier: up to there loads are in order
  u64 loaded_ = 0;   // up to there records were loaded
  u64 settled_ = 0;  // and up to there before the last barrier
  u64 words_ = 0;    // a bit for each word that was loaded of the one before `loaded`
  u64 late_ = 0, late_end_ = 0;  // what CONS gave back last and nobody had loaded
  static constexpr std::size_t invalidated_max = 8;
  std::array<Invalidated, invalidated_max> invalidated_{};  // the latest first
};

}  // namespace iommucheck::spec
