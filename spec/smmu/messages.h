// SPDX-License-Identifier: MIT
// Completion of a CMD_SYNC by message: CS = SIG_IRQ with an MSIAddress, where IDR0.MSI = 1. The
// SMMU writes MSIData there once the CMD_SYNC is complete, and whoever observes that has observed
// its consumption. IHI 0070 3.18, 3.18.1, 4.7.3; docs/semantics.md 3.
//
// Those that are open, in the order of their CMD_SYNCs; positions are those of the command queue
// (CommandQueue::exposed_total()), `consumed` is up to where the driver saw them consumed.
#pragma once

#include <optional>

#include "base/pool.h"
#include "spec/choices.h"
#include "spec/smmu/ground.h"

namespace iommucheck::spec {

class SyncMessages {
 public:
  struct Attributes {
    u64 pa = 0;
    u64 shareability = 0;  ///< MSH
    u64 memory = 0;        ///< MSIAttr, as STE.MemAttr
  };
  struct Write {
    u64 pa = 0;    ///< aligned to 4 bytes
    u64 data = 0;  ///< of 32 bits
  };

  explicit SyncMessages(Ground& ground) : ground_(ground) {}

  /// A CMD_SYNC is exposed. Its message proves its completion if nothing else could have put that
  /// value there: neither whoever stored the word last, nor the message of another CMD_SYNC.
  void note(const Command& sync, u64 position, u64 consumed);
  /// A command is exposed of which nobody knows what it says: it may be a CMD_SYNC with a message.
  void note_unknown() { ground_.set(may_abort_, 1); }
  /// The write of one may have been tried at some time, and so aborted. IHI 0070 7.5.
  [[nodiscard]] bool any_was_sent() const { return may_abort_ != 0; }
  /// Those that are written, and whose CMD_SYNC was seen to be consumed, say nothing any more.
  void forget(u64 consumed);
  /// Commands from `position` on are not in the queue any more.
  void drop_from(u64 position);

  [[nodiscard]] bool any() const { return first_ != messages_.size(); }
  [[nodiscard]] bool awaits() const;
  [[nodiscard]] bool is_word(u64 pa, u64 bytes) const;
  /// The driver loaded `value`: up to there commands are consumed, by the last message that this
  /// shows; 0: none.
  [[nodiscard]] u64 shown_by(u64 pa, u64 bytes, u64 value) const;
  /// Memory has it: the first that such a write can be of. True: there is one.
  bool write(u64 pa, u64 data);
  /// As a device: what it is to write now, if commands are consumed up to `done`. A message may
  /// come late where `may_wait`, but not behind what the queue consumes after its CMD_SYNC.
  std::optional<Write> due(u64 done, bool may_wait, Choices& choices);
  /// As a device: the next one is lost, since its write aborts.
  void abort_next(bool aborts = true) { ground_.set(aborts_next_, aborts ? 1 : 0); }
  /// It is this one: nobody ever sees it.
  bool is_lost(const Write& write);

  /// Those of the last CMD_SYNC with a message.
  [[nodiscard]] std::optional<Attributes> attributes() const {
    if (attributes_ == 0) return std::nullopt;
    return Attributes{pa_, (attributes_ - 1) >> 4, (attributes_ - 1) & 15};
  }

 private:
  struct Message {
    u64 pa = 0;
    u64 data = 0;
    u64 position = 0;  // of its CMD_SYNC
    u64 proves = 0;    // nothing else can have put that value there
    u64 written = 0;
    u64 late = 0;  // as a device: it has put it off
  };

  Ground& ground_;
  TrailArray<Message> messages_;
  u64 first_ = 0;       // those before are written, and seen
  u64 attributes_ = 0;  // 1 + MSH and MSIAttr of the last CMD_SYNC with a message
  u64 pa_ = 0;
  u64 may_abort_ = 0;
  u64 aborts_next_ = 0;
};

}  // namespace iommucheck::spec
