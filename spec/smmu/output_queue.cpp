// SPDX-License-Identifier: MIT
#include "spec/smmu/output_queue.h"

#include <algorithm>

#include "base/text.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

namespace {

constexpr unsigned page_lg2 = 12;  // of Memory's frames

}  // namespace

void OutputQueue::advance() {
  ground_.set(prod_,
              (prod_ & queue_overflow_flag) | queue_next(geometry().lg2, prod_ & queue_index_mask));
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

/// A store of the driver to the word may be in its CPU's caches only.
bool OutputQueue::may_be_written_back(u64 pa) const {
  const Memory& memory = ground_.caches().memory();
  if (!memory.is_dirty(pa)) return false;
  const u64 stored_at = memory.pending_since(pa).value_or(0);
  return std::ranges::none_of(invalidated_, [&](const Invalidated& lines) {
    return pa >= lines.first && pa < lines.end && lines.at > stored_at;
  });
}

/// [first, end) is the SMMU's `from_here_on`. What the driver stored there and its CPU's caches may
/// still hold can be written back over a record. IHI 0070 3.5.2, 6.3.1 (COHACC). False: so it is.
bool OutputQueue::check_lines(u64 first, u64 end, std::string_view from_here_on) {
  const Memory& memory = ground_.caches().memory();
  ground_.count(rule::QUEUE_RECORD_ORDER);
  for (u64 page = first; page < end; page = align_down(page, page_lg2) + pow2(page_lg2)) {
    const Frame* frame = memory.find(page);
    if (frame == nullptr || !frame->any_pending()) continue;
    const u64 page_end = std::min(end, align_down(page, page_lg2) + pow2(page_lg2));
    for (u64 pa = page; pa < page_end; pa += sizeof(u64)) {
      if (!may_be_written_back(pa)) continue;
      ground_.report(rule::QUEUE_RECORD_ORDER,
                     "what the driver stored at " + hex(pa) + " of the " + std::string(kind_.name) +
                         " is not cleaned from the caches (IDR0.COHACC = 0) " +
                         std::string(from_here_on) +
                         ": it may be written back over a record there");
      return false;
    }
  }
  return true;
}

/// CONS is about to be `value`.
void OutputQueue::check_slots(u64 value) {
  const QueueGeometry ring = geometry();
  const u64 given = queue_used(ring.lg2, value, cons_);
  for (u64 i = 0; i < given && given <= pow2(ring.lg2); ++i) {
    const u64 slot = ring.base + queue_index(ring.lg2, cons_ + i) * kind_.record_bytes;
    if (!check_lines(slot, slot + kind_.record_bytes, "when CONS gives its slot back")) return;
  }
}

void OutputQueue::observe_invalidate(u64 first, u64 end) {
  const u64 now = ground_.caches().now();
  Invalidated& last = invalidated_.at(invalidations_ % invalidated_.size());
  if (last.end == first) {
    ground_.set(last.end, end);
    ground_.set(last.at, now);
  } else {
    ground_.set(invalidations_, invalidations_ + 1);
    Invalidated& next = invalidated_.at(invalidations_ % invalidated_.size());
    ground_.set(next.first, first);
    ground_.set(next.end, end);
    ground_.set(next.at, now);
  }
  if (controls_.enables(kind_.enable)) loads_.invalidate(as_seen(), first, end);
}

void OutputQueue::enabled() {
  if (!judges_lines()) return;
  const QueueGeometry ring = geometry();
  check_lines(ring.base, ring.base + (u64{kind_.record_bytes} << ring.lg2), "when it is enabled");
}

void OutputQueue::write_cons(u64 value, bool known) {
  value &= queue_overflow_flag | queue_index_mask;
  if (controls_.enables(kind_.enable)) {
    check_cons(value, known);
    if (judges_lines()) check_slots(value);
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
