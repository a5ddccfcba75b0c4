// SPDX-License-Identifier: MIT
#include "impl/smmuv3/command_queue.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "impl/smmuv3/registers.h"

namespace iommucheck::impl {

namespace {

constexpr u64 command_bytes = 16;
constexpr u32 errors_max = 8;  // of one wait: a queue that only produces errors is stuck

u64 ring_bytes(u32 lg2) { return std::max<u64>(page_bytes, command_bytes << lg2); }

}  // namespace

bool CommandQueue::create(const Platform& platform, unsigned lg2, bool messages) {
  lg2_ = lg2;
  ring_ = platform.table_alloc(ring_bytes(lg2_));
  if (ring_ == 0 || !messages) return ring_ != 0;
  message_ = platform.table_alloc(page_bytes);
  if (message_ != 0) {
    platform.store64(message_, told_);
    return true;
  }
  destroy(platform);
  return false;
}

void CommandQueue::destroy(const Platform& platform) {
  if (ring_ != 0) platform.table_free(ring_, ring_bytes(lg2_));
  if (message_ != 0) platform.table_free(message_, page_bytes);
  ring_ = message_ = 0;
}

void CommandQueue::program(const Platform& platform) {
  platform.write64(reg::cmdq_base, reg::base_allocate | ring_ | lg2_);
  platform.write32(reg::cmdq_prod, 0);
  platform.write32(reg::cmdq_cons, 0);
  prod_ = exposed_ = cons_ = 0;
  stopped_ = lost_ = skipped_ = unanswered_ = false;
}

void CommandQueue::write_slot(const Platform& platform, u64 position, Command command) {
  const u64 pa = slot(position);
  platform.store64(pa, command.word0);
  platform.store64(pa + 8, command.word1);
  platform.clean(pa, command_bytes);
}

void CommandQueue::expose(const Platform& platform) {
  if (exposed_ == prod_) return;
  // The ordered write makes the slots, and the table changes that they are about, visible first.
  platform.write32(reg::cmdq_prod, static_cast<u32>(prod_ & (2 * capacity() - 1)));
  exposed_ = prod_;
}

void CommandQueue::set_cons(u32 value) {
  const u64 index = value & reg::cons_index_mask;
  const u64 moved = (index - cons_) & (2 * capacity() - 1);
  // More than was exposed cannot have been consumed: ignore a value that makes no sense.
  if (moved <= exposed_ - cons_) cons_ += moved;
}

bool CommandQueue::has_come_to(const Platform& platform, u64 position, Look look) {
  if (look == Look::cons) set_cons(platform.read32(reg::cmdq_cons));
  if (look == Look::message && static_cast<u32>(platform.load64(message_)) == told_) {
    cons_ = position;
  }
  return cons_ >= position;
}

/// Waits until every command before `position` is consumed; false when the time is up. By message:
/// the one before it is the last CMD_SYNC.
bool CommandQueue::wait_until(const Platform& platform, u64 position, Look look) {
  u32 errors = 0;
  // Who was kept from running looks once more before it says that the time is up.
  for (bool in_time = true;; in_time = platform.wait(IOMMUCHECK_WAIT_CMDQ)) {
    if (has_come_to(platform, position, look)) return true;
    while (handle_error(platform)) {
      if (++errors > errors_max) return false;
      if (has_come_to(platform, position, look)) return true;
    }
    if (in_time) continue;
    // The message may have been lost, where CMDQ_CONS says what is consumed. IHI 0070 3.18.1, 7.5.
    return look == Look::message && has_come_to(platform, position, Look::cons);
  }
}

void CommandQueue::add(const Platform& platform, Command command) {
  lost_ |= stopped_;
  if (lost_) return;
  if (prod_ - cons_ == capacity()) {
    expose(platform);
    if (!wait_until(platform, prod_ - capacity() + 1, Look::cons)) {
      lost_ = true;
      return;
    }
  }
  write_slot(platform, prod_, command);
  ++prod_;
}

SyncResult CommandQueue::sync(const Platform& platform) {
  add(platform, message_ == 0 ? command::sync() : command::sync_with_message(message_, ++told_));
  const Look look = message_ == 0 ? Look::cons : Look::message;
  const bool in_time = !lost_ && (expose(platform), wait_until(platform, prod_, look));
  const bool refused = skipped_;
  const bool unanswered = unanswered_;
  lost_ = false;
  if (!in_time) return SyncResult::timed_out;
  skipped_ = unanswered_ = false;
  if (refused) return SyncResult::skipped;
  return unanswered ? SyncResult::unanswered : SyncResult::complete;
}

SyncResult CommandQueue::sync_alone(const Platform& platform, Command command, bool& placed) {
  const bool lost = std::exchange(lost_, false);
  const u64 before = prod_;
  add(platform, command);
  placed = prod_ != before;
  const SyncResult result = placed ? sync_apart(platform) : SyncResult::timed_out;
  lost_ = lost;
  return result;
}

SyncResult CommandQueue::sync_apart(const Platform& platform) {
  const bool lost = std::exchange(lost_, false);
  const bool skipped = std::exchange(skipped_, false);
  const bool unanswered = std::exchange(unanswered_, false);
  const SyncResult result = sync(platform);
  lost_ |= lost;
  skipped_ |= skipped;
  // No device is waited for on behalf of the command: those of the batch before it.
  unanswered_ |= unanswered || result == SyncResult::unanswered;
  return result;
}

bool CommandQueue::handle_error(const Platform& platform) {
  const u32 error = platform.read32(reg::gerror);
  const u32 acknowledged = platform.read32(reg::gerrorn);
  if (((error ^ acknowledged) & reg::gerror_cmdq_err) == 0) return false;
  const u32 cons = platform.read32(reg::cmdq_cons);
  const u32 code = (cons >> reg::cons_error_lsb) & reg::cons_error_mask;
  set_cons(cons);
  if (code == reg::error_ill && cons_ < exposed_) {
    write_slot(platform, cons_, command::sync());
    skipped_ = true;
    platform.log(IOMMUCHECK_LOG_ERROR, "CERROR_ILL: command replaced by CMD_SYNC");
  }
  // The CMD_SYNC is tried again, but what the invalidations of ATCs have done nobody knows
  // (SEMANTICS 3); all others have taken effect.
  if (code == reg::error_atc_inv_sync) unanswered_ = true;
  platform.write32(reg::gerrorn, acknowledged ^ reg::gerror_cmdq_err);
  return true;
}

}  // namespace iommucheck::impl
