// SPDX-License-Identifier: MIT
// Completion of a CMD_SYNC by message: CS = SIG_IRQ with an MSIAddress, where IDR0.MSI = 1. The
// SMMU writes MSIData there once the CMD_SYNC is complete, and whoever observes that has observed
// its consumption. IHI 0070 3.18, 3.18.1, 4.7.3; docs/semantics.md 3.
#include <algorithm>

#include "base/bits.h"
#include "spec/smmu/smmu.h"

namespace iommucheck::spec {

namespace {

constexpr u64 message_bytes = 4;

/// What an aligned word of memory has of the bytes at `pa`.
u64 bytes_of(u64 word, u64 pa, u64 bytes) {
  const auto low = static_cast<unsigned>(8 * (pa % 8));
  return bits(word, low + static_cast<unsigned>(8 * bytes) - 1, low);
}

}  // namespace

/// A CMD_SYNC is exposed. Its message proves its completion if nothing else could have put that
/// value there: neither whoever stored the word last, nor the message of another CMD_SYNC.
void Smmu::note_message(const Command& sync) {
  if (!capabilities().msi || sync.cs != 1 || sync.msi_address == 0) return;
  set(r_.message_pa, sync.msi_address);
  set(r_.message_attributes, 1 + (sync.msh << 4 | sync.msi_attr));
  forget_messages();
  Message message{.pa = sync.msi_address, .data = sync.msi_data, .position = r_.exposed_total};
  const Content word = caches_.memory().newest(align_down(message.pa, 3));
  bool proves = !word.unknown && bytes_of(word.value, message.pa, message_bytes) != message.data;
  for (auto i = static_cast<u32>(first_message_); i < messages_.size(); ++i) {
    proves &= messages_[i].pa != message.pa || messages_[i].data != message.data;
  }
  message.proves = proves ? 1 : 0;
  message.written = slots_from_events_ ? 1 : 0;  // a recording says when a command was consumed
  messages_.push(caches_.trail(), message);
}

/// Those that are written, and whose CMD_SYNC was seen to be consumed, say nothing any more.
void Smmu::forget_messages() {
  u64 first = first_message_;
  while (first < messages_.size()) {
    const Message& message = messages_[static_cast<u32>(first)];
    if (message.written == 0 || message.position >= r_.cons_total) break;
    ++first;
  }
  if (first == first_message_) return;
  if (first == messages_.size()) {
    messages_.clear(caches_.trail());
    first = 0;
  }
  set(first_message_, first);
}

/// Commands from `position` on are not in the queue any more.
void Smmu::drop_messages(u64 position) {
  while (messages_.size() > first_message_ && messages_.back().position >= position) {
    messages_.pop(caches_.trail());
  }
}

bool Smmu::awaits_messages() const {
  for (auto i = static_cast<u32>(first_message_); i < messages_.size(); ++i) {
    if (messages_[i].written == 0) return true;
  }
  return false;
}

bool Smmu::is_message_word(u64 pa, u64 bytes) const {
  for (auto i = static_cast<u32>(first_message_); i < messages_.size(); ++i) {
    const Message& message = messages_[i];
    if (pa < message.pa + message_bytes && message.pa < pa + bytes) return true;
  }
  return false;
}

/// The driver loaded `value`. It has seen the last message that this shows.
void Smmu::observe_message(u64 pa, u64 bytes, u64 value) {
  if (first_message_ == messages_.size()) return;
  u64 seen = 0;
  for (auto i = static_cast<u32>(first_message_); i < messages_.size(); ++i) {
    const Message& message = messages_[i];
    const u64 first = std::max(pa, message.pa);
    const u64 end = std::min(pa + bytes, message.pa + message_bytes);
    if (message.written == 0 || message.proves == 0 || first >= end) continue;
    const u64 loaded = bits(value, static_cast<unsigned>(8 * (end - pa)) - 1,
                            static_cast<unsigned>(8 * (first - pa)));
    const u64 told = bits(message.data, static_cast<unsigned>(8 * (end - message.pa)) - 1,
                          static_cast<unsigned>(8 * (first - message.pa)));
    if (loaded == told) seen = message.position + 1;
  }
  if (seen > r_.cons_total) {
    observe_cons(queue_bits(cmdq().lg2, r_.cmdq_cons + (seen - r_.cons_total)));
  }
  forget_messages();
}

/// Memory has it: the first that such a write can be of.
void Smmu::message_written(u64 pa, u64 data) {
  for (auto i = static_cast<u32>(first_message_); i < messages_.size(); ++i) {
    const Message& message = messages_[i];
    if (message.written != 0 || message.pa != pa || message.data != data) continue;
    messages_.edit(caches_.trail(), i).written = 1;
    set(r_.progress, r_.progress + 1);
    return;
  }
}

// ---- as a device --------------------------------------------------------------------------------

/// Consumes as at a look at CMDQ_CONS, of which the driver sees the messages alone.
void Smmu::consume_unseen(Choices& choices) {
  const u64 commands = commands_of_look(choices);
  if (commands == 0) return;
  if (r_.sync_fails != 0 && !command_error() && refuse_sync(commands)) return;
  set(r_.done_total, r_.cons_total + commands);
}

/// A message may come late, but not behind what the queue consumes after its CMD_SYNC.
std::optional<Smmu::MessageWrite> Smmu::due_message(Choices& choices) {
  const u64 done = r_.cons_total + commands_ahead();
  for (auto i = static_cast<u32>(first_message_); i < messages_.size(); ++i) {
    const Message& message = messages_[i];
    if (message.written != 0) continue;
    if (message.position >= done) break;
    const bool may_wait = message.position + 1 == done && message.late == 0 && r_.pace == 0;
    if (may_wait && choices.choose(ChoiceSite::message, 2) == 1) {
      messages_.edit(caches_.trail(), i).late = 1;
      break;
    }
    return MessageWrite{.pa = message.pa, .data = message.data};
  }
  return std::nullopt;
}

}  // namespace iommucheck::spec
