// SPDX-License-Identifier: MIT
#include "spec/smmu/messages.h"

#include <algorithm>

#include "base/bits.h"

namespace iommucheck::spec {

namespace {

constexpr u64 message_bytes = 4;

/// What an aligned word of memory has of the bytes at `pa`.
u64 bytes_of(u64 word, u64 pa, u64 bytes) {
  const auto low = static_cast<unsigned>(8 * (pa % 8));
  return bits(word, low + static_cast<unsigned>(8 * bytes) - 1, low);
}

}  // namespace

void SyncMessages::note(const Command& sync, u64 position, u64 consumed) {
  if (!ground_.capabilities().msi || sync.cs != 1 || sync.msi_address == 0) return;
  ground_.set(may_abort_, 1);
  ground_.set(pa_, sync.msi_address);
  ground_.set(attributes_, 1 + (sync.msh << 4 | sync.msi_attr));
  forget(consumed);
  Message message{.pa = sync.msi_address, .data = sync.msi_data, .position = position};
  const Content word = ground_.caches().memory().newest(align_down(message.pa, 3));
  bool proves = !word.unknown && bytes_of(word.value, message.pa, message_bytes) != message.data;
  for (auto i = static_cast<u32>(first_); i < messages_.size(); ++i) {
    proves &= messages_[i].pa != message.pa || messages_[i].data != message.data;
  }
  message.proves = proves ? 1 : 0;
  // A recording says when a command was consumed.
  message.written = ground_.is_recording() ? 1 : 0;
  messages_.push(ground_.trail(), message);
}

void SyncMessages::forget(u64 consumed) {
  u64 first = first_;
  while (first < messages_.size()) {
    const Message& message = messages_[static_cast<u32>(first)];
    if (message.written == 0 || message.position >= consumed) break;
    ++first;
  }
  if (first == first_) return;
  if (first == messages_.size()) {
    messages_.clear(ground_.trail());
    first = 0;
  }
  ground_.set(first_, first);
}

void SyncMessages::drop_from(u64 position) {
  while (messages_.size() > first_ && messages_.back().position >= position) {
    messages_.pop(ground_.trail());
  }
}

bool SyncMessages::awaits() const {
  for (auto i = static_cast<u32>(first_); i < messages_.size(); ++i) {
    if (messages_[i].written == 0) return true;
  }
  return false;
}

bool SyncMessages::is_word(u64 pa, u64 bytes) const {
  for (auto i = static_cast<u32>(first_); i < messages_.size(); ++i) {
    const Message& message = messages_[i];
    if (pa < message.pa + message_bytes && message.pa < pa + bytes) return true;
  }
  return false;
}

u64 SyncMessages::shown_by(u64 pa, u64 bytes, u64 value) const {
  u64 seen = 0;
  for (auto i = static_cast<u32>(first_); i < messages_.size(); ++i) {
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
  return seen;
}

bool SyncMessages::write(u64 pa, u64 data) {
  for (auto i = static_cast<u32>(first_); i < messages_.size(); ++i) {
    const Message& message = messages_[i];
    if (message.written != 0 || message.pa != pa || message.data != data) continue;
    messages_.edit(ground_.trail(), i).written = 1;
    return true;
  }
  return false;
}

bool SyncMessages::is_lost(const Write& write) {
  if (aborts_next_ == 0) return false;
  for (auto i = static_cast<u32>(first_); i < messages_.size(); ++i) {
    const Message& message = messages_[i];
    if (message.written != 0 || message.pa != write.pa || message.data != write.data) continue;
    Message& lost = messages_.edit(ground_.trail(), i);
    lost.written = 1;
    lost.proves = 0;
    ground_.set(aborts_next_, 0);
    return true;
  }
  return false;
}

std::optional<SyncMessages::Write> SyncMessages::due(u64 done, bool may_wait, Choices& choices) {
  for (auto i = static_cast<u32>(first_); i < messages_.size(); ++i) {
    const Message& message = messages_[i];
    if (message.written != 0) continue;
    if (message.position >= done) break;
    const bool waits = may_wait && message.position + 1 == done && message.late == 0;
    if (waits && choices.choose(ChoiceSite::message, 2) == 1) {
      messages_.edit(ground_.trail(), i).late = 1;
      break;
    }
    return Write{.pa = message.pa, .data = message.data};
  }
  return std::nullopt;
}

}  // namespace iommucheck::spec
