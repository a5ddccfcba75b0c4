// SPDX-License-Identifier: MIT
// Completion of a CMD_SYNC by interrupt: CS = SIG_IRQ raises one on a wire of its own, whatever the
// MSIAddress says. Who observes it has observed that the CMD_SYNC is consumed; but nothing says of
// which one it is, it may come at any time, and one may stand for several. IHI 0070 3.18, 4.7.3;
// docs/semantics.md 3.
//
// Those that are open, in the order of their CMD_SYNCs; positions as in messages.h.
#pragma once

#include "base/pool.h"
#include "spec/choices.h"
#include "spec/smmu/ground.h"

namespace iommucheck::spec {

class SyncInterrupts {
 public:
  explicit SyncInterrupts(Ground& ground) : ground_(ground) {}

  /// A CMD_SYNC is exposed.
  void note(const Command& sync, u64 position, u64 consumed);
  /// Commands from `position` on are not in the queue any more.
  void drop_from(u64 position);
  /// The driver takes one. It is that of the first CMD_SYNC of which none has come: up to there
  /// commands are consumed; unless it may be a late one, or is nobody's: 0.
  u64 take(u64 consumed);
  /// As a device: one reaches the driver now, if commands are consumed up to `done`. One may come
  /// late where `may_wait`, or then come with the next, as one.
  bool due(u64 done, u64 consumed, bool may_wait, Choices& choices);

 private:
  struct Interrupt {
    u64 position = 0;  // of its CMD_SYNC
    u64 sent = 0;      // as a device: it has come, or another one for it
    u64 late = 0;      // as a device: it has put it off
  };

  void forget(u64 consumed);
  void set_first(u64 first);

  Ground& ground_;
  TrailArray<Interrupt> interrupts_;
  u64 first_ = 0;     // those before have come, or may come late
  u64 late_ = 0;      // one may, whose CMD_SYNC was seen to be consumed before
  u64 late_due_ = 0;  // as a device: it will
};

}  // namespace iommucheck::spec
