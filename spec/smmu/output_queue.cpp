// SPDX-License-Identifier: MIT
#include "spec/smmu/output_queue.h"

#include <algorithm>

#include "base/text.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

void OutputQueue::advance() {
  ground_.set(prod_, (prod_ & queue_overflow_flag) | queue_next(geometry().lg2, prod_ & 0xfffff));
}

void OutputQueue::prod_written(u64 value) {
  ground_.set(seen_, value);
  loads_.begin(value);
}

void OutputQueue::given_back(u64 pa, u64 bytes, bool records) {
  const QueueGeometry ring = geometry();
  const u64 end = ring.base + (u64{kind_.record_bytes} << ring.lg2);
  if (base_ == 0 || pa >= end || ring.base >= pa + bytes) return;
  ground_.count(rule::QUEUE_FREE);
  if (!records) return;
  ground_.report(rule::QUEUE_FREE,
                 "the page at " + hex(pa) + " is given back, and the SMMU may record in the " +
                     std::string(kind_.name) + " there: its enable in CR0ACK is not 0");
}

/// PROD moves on, and not past the room that CONS left.
bool OutputQueue::observe_prod(u64 value) {
  const unsigned lg2 = geometry().lg2;
  const u64 used = queue_used(lg2, value, cons_);
  const u64 before = queue_used(lg2, seen_, cons_);
  ground_.set(seen_, value);
  if (ground_.is_recording()) return true;
  return used <= pow2(lg2) && (before > pow2(lg2) || used >= before);
}

/// CONS moves forward, over records that the driver can know of: those that were seen to be
/// recorded, and those that PROD showed when it was read.
void OutputQueue::check_cons(u64 value, bool known) {
  ground_.count(rule::QUEUE_CONS_RANGE);
  if (!known) return;
  const unsigned lg2 = geometry().lg2;
  u64 there = 0;
  for (const u64 shown : {prod_, seen_}) {
    const u64 used = queue_used(lg2, shown, cons_);
    if (used <= pow2(lg2)) there = std::max(there, used);
  }
  if (queue_used(lg2, value, cons_) <= there) return;
  ground_.report(rule::QUEUE_CONS_RANGE, std::string(kind_.name) + "_CONS = " + hex(value) +
                                             " is not between its last value and PROD");
}

void OutputQueue::write_cons(u64 value, bool known) {
  value &= queue_overflow_flag | 0xfffff;
  if (controls_.enables(kind_.enable)) {
    check_cons(value, known);
    loads_.give_back(as_seen(), value);
  } else {
    loads_.begin(value);
  }
  ground_.set(cons_, value);
  note_overflow();
}

void OutputQueue::note_overflow() {
  const bool open = ((cons_ ^ seen_) & queue_overflow_flag) != 0;
  if (!open) {
    ground_.set(drained_, 0);
  } else if (controls_.enables(kind_.enable) &&
             static_cast<bool>(queue_empty(geometry().lg2, seen_, cons_))) {
    ground_.set(drained_, 1);
  }
}

void OutputQueue::check_overflow() {
  ground_.count(rule::EVENT_OVERFLOW_ACK);
  if (drained_ == 0) return;
  ground_.set(drained_, 0);
  const std::string name(kind_.name);
  ground_.report(rule::EVENT_OVERFLOW_ACK,
                 name + "_PROD.OVFLG was read as " + std::to_string(bit(seen_, 31) ? 1 : 0) +
                     ", the queue was emptied, and " + name + "_CONS.OVACKFLG is still " +
                     std::to_string(bit(cons_, 31) ? 1 : 0) + ": the next overflow cannot be seen");
}

void OutputQueue::observe_load(u64 pa) {
  if (!controls_.enables(kind_.enable)) return;
  const QueueGeometry queue = geometry();
  if (pa - queue.base < pow2(queue.lg2) * kind_.record_bytes) loads_.load(as_seen(), pa);
}

}  // namespace iommucheck::spec
