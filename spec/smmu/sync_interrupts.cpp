// SPDX-License-Identifier: MIT
#include "spec/smmu/sync_interrupts.h"

namespace iommucheck::spec {

namespace {

/// Of late_due_: it may be put off once.
constexpr u64 due_now = 1;
constexpr u64 due_next = 2;

}  // namespace

void SyncInterrupts::note(const Command& sync, u64 position, u64 consumed) {
  if (sync.cs != 1 || ground_.is_recording()) return;
  forget(consumed);
  interrupts_.push(ground_.trail(), {.position = position});
}

/// Of a CMD_SYNC that was seen to be consumed before its interrupt came, that may still come.
void SyncInterrupts::forget(u64 consumed) {
  u64 first = first_;
  for (; first < interrupts_.size(); ++first) {
    const Interrupt& one = interrupts_[static_cast<u32>(first)];
    if (one.position >= consumed) break;
    ground_.set(late_, 1);
    if (one.sent == 0) ground_.set(late_due_, due_now);
  }
  set_first(first);
}

void SyncInterrupts::set_first(u64 first) {
  if (first != 0 && first == interrupts_.size()) {
    interrupts_.clear(ground_.trail());
    first = 0;
  }
  ground_.set(first_, first);
}

void SyncInterrupts::drop_from(u64 position) {
  while (interrupts_.size() > first_ && interrupts_.back().position >= position) {
    interrupts_.pop(ground_.trail());
  }
  set_first(first_);
}

u64 SyncInterrupts::take(u64 consumed) {
  forget(consumed);
  if (late_ != 0) {
    ground_.set(late_, 0);
    return 0;
  }
  if (first_ == interrupts_.size()) return 0;
  const u64 seen = interrupts_[static_cast<u32>(first_)].position + 1;
  set_first(first_ + 1);
  return seen;
}

bool SyncInterrupts::due(u64 done, u64 consumed, bool may_wait, Choices& choices) {
  forget(consumed);
  const auto is_due = [&](u64 i) {
    if (i >= interrupts_.size()) return false;
    const Interrupt& one = interrupts_[static_cast<u32>(i)];
    return one.sent == 0 && one.position < done;
  };
  const auto send = [&](u64 i) { interrupts_.edit(ground_.trail(), static_cast<u32>(i)).sent = 1; };
  u64 i = first_;
  while (i < interrupts_.size() && interrupts_[static_cast<u32>(i)].sent != 0) ++i;
  if (late_due_ != 0) {
    const bool other = choices.choose(ChoiceSite::message, 2) == 1;
    if (other && !is_due(i) && late_due_ == due_now) {
      ground_.set(late_due_, due_next);
      return false;
    }
    if (other && is_due(i)) send(i);
    ground_.set(late_due_, 0);
    return true;
  }
  if (!is_due(i)) return false;
  const Interrupt& one = interrupts_[static_cast<u32>(i)];
  const bool waits = may_wait && one.position + 1 == done && one.late == 0;
  if (waits && choices.choose(ChoiceSite::message, 2) == 1) {
    interrupts_.edit(ground_.trail(), static_cast<u32>(i)).late = 1;
    return false;
  }
  send(i);
  while (is_due(++i) && choices.choose(ChoiceSite::message, 2) == 1) send(i);
  return true;
}

}  // namespace iommucheck::spec
