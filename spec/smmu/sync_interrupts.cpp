// SPDX-License-Identifier: MIT
// Completion of a CMD_SYNC by interrupt: CS = SIG_IRQ raises one on a wire of its own, whatever the
// MSIAddress says. Who observes it has observed that the CMD_SYNC is consumed; but nothing says of
// which one it is, it may come at any time, and one may stand for several. IHI 0070 3.18, 4.7.3;
// docs/semantics.md 3.
#include "spec/smmu/smmu.h"

namespace iommucheck::spec {

namespace {

/// Of late_interrupt_due_: it may be put off once.
constexpr u64 due_now = 1;
constexpr u64 due_next = 2;

}  // namespace

/// A CMD_SYNC is exposed.
void Smmu::note_interrupt(const Command& sync) {
  if (sync.cs != 1 || slots_from_events_) return;
  forget_interrupts();
  interrupts_.push(caches_.trail(), {.position = r_.exposed_total});
}

/// Of a CMD_SYNC that was seen to be consumed before its interrupt came, that may still come.
void Smmu::forget_interrupts() {
  u64 first = first_interrupt_;
  for (; first < interrupts_.size(); ++first) {
    const SyncInterrupt& one = interrupts_[static_cast<u32>(first)];
    if (one.position >= r_.cons_total) break;
    set(late_interrupt_, 1);
    if (one.sent == 0) set(late_interrupt_due_, due_now);
  }
  set_first_interrupt(first);
}

void Smmu::set_first_interrupt(u64 first) {
  if (first != 0 && first == interrupts_.size()) {
    interrupts_.clear(caches_.trail());
    first = 0;
  }
  set(first_interrupt_, first);
}

/// Commands from `position` on are not in the queue any more.
void Smmu::drop_interrupts(u64 position) {
  while (interrupts_.size() > first_interrupt_ && interrupts_.back().position >= position) {
    interrupts_.pop(caches_.trail());
  }
  set_first_interrupt(first_interrupt_);
}

/// It is that of the first CMD_SYNC of which none has come, unless it may be a late one.
void Smmu::interrupt_of_sync() {
  forget_interrupts();
  if (late_interrupt_ != 0) return set(late_interrupt_, 0);
  if (first_interrupt_ == interrupts_.size()) return;
  const u64 seen = interrupts_[static_cast<u32>(first_interrupt_)].position + 1;
  set_first_interrupt(first_interrupt_ + 1);
  set(r_.progress, r_.progress + 1);
  if (seen > r_.cons_total) {
    observe_cons(queue_bits(cmdq().lg2, r_.cmdq_cons + (seen - r_.cons_total)));
  }
}

// ---- as a device --------------------------------------------------------------------------------

/// One that comes late may come with the next, as one.
bool Smmu::due_interrupt(Choices& choices) {
  forget_interrupts();
  const u64 done = r_.cons_total + commands_ahead();
  const auto is_due = [&](u64 i) {
    if (i >= interrupts_.size()) return false;
    const SyncInterrupt& one = interrupts_[static_cast<u32>(i)];
    return one.sent == 0 && one.position < done;
  };
  const auto send = [&](u64 i) { interrupts_.edit(caches_.trail(), static_cast<u32>(i)).sent = 1; };
  u64 i = first_interrupt_;
  while (i < interrupts_.size() && interrupts_[static_cast<u32>(i)].sent != 0) ++i;
  if (late_interrupt_due_ != 0) {
    const bool other = choices.choose(ChoiceSite::message, 2) == 1;
    if (other && !is_due(i) && late_interrupt_due_ == due_now) {
      set(late_interrupt_due_, due_next);
      return false;
    }
    if (other && is_due(i)) send(i);
    set(late_interrupt_due_, 0);
    return true;
  }
  if (!is_due(i)) return false;
  const SyncInterrupt& one = interrupts_[static_cast<u32>(i)];
  const bool may_wait = one.position + 1 == done && one.late == 0 && r_.pace == 0;
  if (may_wait && choices.choose(ChoiceSite::message, 2) == 1) {
    interrupts_.edit(caches_.trail(), static_cast<u32>(i)).late = 1;
    return false;
  }
  send(i);
  while (is_due(++i) && choices.choose(ChoiceSite::message, 2) == 1) send(i);
  return true;
}

}  // namespace iommucheck::spec
