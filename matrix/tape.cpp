// SPDX-License-Identifier: MIT
#include "matrix/tape.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace iommucheck::oracle {

struct Tape::Block {
  std::atomic<u64> used;  ///< words behind it

  u64* words() { return reinterpret_cast<u64*>(this + 1); }
};

Expected<Tape> Tape::create(std::size_t bytes) {
  auto block = map_zeroed<Block>(Sharing::with_forks, bytes, "a worker process");
  if (!block) return std::unexpected(block.error());
  Tape tape;
  tape.block_ = *std::move(block);
  tape.room_ = (bytes - sizeof(Block)) / sizeof(u64);
  return tape;
}

bool Tape::put(u64 kind, std::span<const u64> words) {
  const u64 used = block_->used.load(std::memory_order_relaxed);
  if (room_ - used < words.size() + 2) return false;
  u64* const at = block_->words() + used;
  at[0] = kind;
  at[1] = words.size();
  std::ranges::copy(words, at + 2);
  block_->used.store(used + words.size() + 2, std::memory_order_release);
  return true;
}

bool Tape::put_text(u64 kind, std::string_view text) {
  std::vector<u64> words(1 + (text.size() + 7) / 8);
  words[0] = text.size();
  if (!text.empty()) std::memcpy(words.data() + 1, text.data(), text.size());
  return put(kind, words);
}

std::vector<Tape::Record> Tape::records() const {
  std::vector<Record> all;
  const u64 used = std::min(block_->used.load(std::memory_order_acquire), room_);
  for (u64 at = 0; used - at >= 2;) {
    const u64* const record = block_->words() + at;
    const u64 size = record[1];
    if (size > used - at - 2) break;
    all.push_back({record[0], {record + 2, size}});
    at += size + 2;
  }
  return all;
}

std::string Tape::text_of(const Record& record) {
  if (record.words.empty()) return {};
  const char* const text = reinterpret_cast<const char*>(record.words.data() + 1);
  return {text, std::min<std::size_t>(record.words[0], 8 * (record.words.size() - 1))};
}

void Tape::clear() { block_->used = 0; }

}  // namespace iommucheck::oracle
