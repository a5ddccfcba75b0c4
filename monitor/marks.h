// SPDX-License-Identifier: MIT
// What the SMMU that is played here writes by itself: marks in descriptors, messages of CMD_SYNCs.
#pragma once

#include <optional>
#include <vector>

#include "monitor/waits.h"

namespace iommucheck::oracle {

class Marks : public Waits {
 public:
  /// The driver looks for the message of a CMD_SYNC, or waits for one: the queue makes progress,
  /// and what is due is written (messages.cpp). What was.
  using Messages = std::vector<spec::Smmu::MessageWrite>;
  Messages look_for_messages(spec::Choices& choices);
  /// The driver waits for the interrupt of a CMD_SYNC: the queue makes progress. True: one comes
  /// now, and whoever tells the driver says irq().
  bool look_for_interrupt(spec::Choices& choices);
  /// A CPU is about to change the word by one atomic operation. Hardware does so, too: what an
  /// access that has ended was to set there is set, whether a CMD_SYNC has made it visible or not.
  void atomic_meets(u64 pa);
  /// The messages of what CMDQ_CONS has just shown to be consumed.
  Messages write_messages(spec::Choices& choices);

 protected:
  using Waits::Waits;

  void note_write(const spec::Access& access, std::optional<u64> pa, bool sure);
  void mark_descriptor(const spec::Access& access, const spec::Outcome& outcome,
                       spec::Choices& choices);
  void mark_walk(const spec::Access& access, const spec::Outcome& outcome);
  void forget_marked_before(std::vector<spec::Outcome>& outcomes) const;
  void settle_marks();
  /// Hardware has set a flag in the descriptor at `pa`, of the driver's or of a user's.
  void tell_flags(u64 pa);
  using Mark = Case::Mark;
  /// What such an outcome writes; `from` and `to` are the same where it is nothing.
  [[nodiscard]] Mark mark_of(const spec::Outcome& outcome) const;
  /// Now, where the word is still the one that a walk has read.
  void store_flags(const spec::FlagUpdate& update);

 private:
  void store_mark(const Mark& mark);
};

}  // namespace iommucheck::oracle
