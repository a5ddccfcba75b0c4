// SPDX-License-Identifier: MIT
// The command queue: batches of commands that end in CMD_SYNC, completion by its message where the
// SMMU has these (IHI 0070 4.7.3), else by polling CMDQ_CONS. IHI 0070 chapter 4 (errors: 7.1),
// arch 1.5 and 5.4.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/platform/platform.h"
#include "impl/smmuv3/commands.h"

namespace iommucheck::impl {

class CommandQueue {
 public:
  /// Allocates a ring of 2^lg2 commands (lg2 <= 19), and a word for `messages`. False: no memory.
  bool create(const Platform& platform, unsigned lg2, bool messages);
  void destroy(const Platform& platform);
  bool created() const { return ring_ != 0; }

  /// Writes CMDQ_BASE, PROD and CONS, while CMDQEN is 0 and acknowledged.
  void program(const Platform& platform);

  /// From here until program() every batch times out, without waiting.
  void stop() { stopped_ = true; }

  /// Forgets that commands of the batch so far are lost or were skipped: what follows makes up for
  /// all of them.
  void forgive() { lost_ = skipped_ = unanswered_ = false; }

  /// Puts a command at the end of the batch. Where the ring is full, exposes what it holds and
  /// waits; if the time is up the batch is lost and sync() says so.
  void add(const Platform& platform, Command command);

  /// Ends the batch with CMD_SYNC, exposes it, and waits for its completion. An empty batch costs
  /// a CMD_SYNC all the same.
  SyncResult sync(const Platform& platform);

  /// Waits for all that is in the ring, whatever is open of a batch: what that has lost or skipped
  /// its own sync tells.
  SyncResult sync_apart(const Platform& platform);

  /// The same behind one command. `placed`: whether it got into the ring.
  SyncResult sync_alone(const Platform& platform, Command command, bool& placed);

  /// GERROR.CMDQ_ERR, if it is active: an illegal command becomes a CMD_SYNC and is remembered as
  /// skipped, any other error is tried again (arch 5.4); after one that leaves an ATC_INV open the
  /// batch is told as skipped too. Returns whether it was active.
  bool handle_error(const Platform& platform);

  u64 capacity() const { return u64{1} << lg2_; }

 private:
  u64 slot(u64 position) const { return ring_ + ((position & (capacity() - 1)) << 4); }
  void write_slot(const Platform& platform, u64 position, Command command);
  void expose(const Platform& platform);
  enum class Look : u8 { cons, message };
  bool wait_until(const Platform& platform, u64 position, Look look);
  bool has_come_to(const Platform& platform, u64 position, Look look);
  void set_cons(u32 value);

  u64 ring_ = 0;
  u64 message_ = 0;  // the word that they are written to; 0: there are none
  u32 told_ = 0;     // what the last CMD_SYNC was to write: each another number
  // Positions count commands since program(); a register holds the low lg2 + 1 bits.
  u64 prod_ = 0;     // next slot to write
  u64 exposed_ = 0;  // CMDQ_PROD as the SMMU knows it
  u64 cons_ = 0;     // CMDQ_CONS as last read
  u32 lg2_ = 0;
  bool stopped_ = false;
  bool lost_ = false;        // the batch did not get into the ring
  bool skipped_ = false;     // a command had no effect since the last sync()
  bool unanswered_ = false;  // nor may a CMD_ATC_INV have had
};

}  // namespace iommucheck::impl
