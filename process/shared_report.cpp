// SPDX-License-Identifier: MIT
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "process/shared_block.h"

namespace iommucheck::oracle {

static_assert(std::atomic<u64>::is_always_lock_free, "shared between processes");

Expected<SharedReport> SharedReport::create() {
  auto block = map_zeroed<Block>(Sharing::with_forks, sizeof(Block), "a worker process");
  if (!block) return std::unexpected(block.error());
  SharedReport report;
  report.block_ = *std::move(block);
  return report;
}

/// A plug-in that forks comes back twice. The copy would run what is left as well, and fork again
/// in each case; it is a process that none of ours has made, which all end with their parent by
/// SIGKILL.
void SharedReport::end_a_copy() const {
  const int worker = block_->worker;
  if (worker == 0 || ::getpid() == worker) return;
  int signal = SIGKILL;
  if (::prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal != SIGKILL) ::_exit(0);
}

void SharedReport::begin_sequence(u64 number, std::span<const u64> words) {
  end_a_copy();
  Block& block = *block_;
  // A worker killed between these stores leaves no sequence rather than half of one.
  block.running.store(0, std::memory_order_release);
  const std::size_t count = std::min(words.size(), words_max);
  std::copy_n(words.begin(), count, block.words);
  block.word_count = count;
  block.number = number;
  block.operation = 0;
  block.running.store(1, std::memory_order_release);
  tick();
}

void SharedReport::begin_operation(u32 index) {
  end_a_copy();
  block_->operation = index;
  tick();
}

void SharedReport::end_sequence() {
  block_->running.store(0, std::memory_order_release);
  tick();
}

void SharedReport::tick() {
  // One writer: no need for an atomic addition.
  auto& progress = block_->progress;
  progress.store(progress.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

bool SharedReport::add_finding(std::string_view text) {
  Block& block = *block_;
  const u64 used = block.findings_bytes.load(std::memory_order_relaxed);
  const u64 size = text.size();
  if (size > findings_bytes_max || used + sizeof size > findings_bytes_max - size) return false;
  std::memcpy(block.findings + used, &size, sizeof size);
  std::memcpy(block.findings + used + sizeof size, text.data(), size);
  block.findings_bytes.store(used + sizeof size + size, std::memory_order_release);
  return true;
}

void SharedReport::driver_loaded(const void* entry, const std::string& path) {
  set_driver_code(block_->crash, entry);
  const std::size_t size = std::min(path.size(), sizeof block_->driver_path - 1);
  std::memcpy(block_->driver_path, path.data(), size);
  block_->driver_path[size] = '\0';
}

bool SharedReport::stop_requested() const {
  return block_->stop.load(std::memory_order_relaxed) != 0;
}
void SharedReport::request_stop() { block_->stop.store(1, std::memory_order_relaxed); }

std::atomic<u64>& SharedReport::counter(std::size_t index) {
  return block_->counters[index % counters_max];
}

SharedReport::Sequence SharedReport::sequence() const {
  const Block& block = *block_;
  Sequence sequence;
  sequence.running = block.running.load(std::memory_order_acquire) != 0;
  sequence.number = block.number;
  sequence.operation = block.operation;
  // A driver that went wild may have written here too: nothing is taken on trust.
  const u64 count = std::min<u64>(block.word_count, words_max);
  sequence.words.assign(block.words, block.words + count);
  return sequence;
}

std::vector<std::string> SharedReport::findings() const {
  const Block& block = *block_;
  const u64 used =
      std::min<u64>(block.findings_bytes.load(std::memory_order_acquire), findings_bytes_max);
  std::vector<std::string> texts;
  u64 size = 0;
  for (u64 at = 0; used - at >= sizeof size; at += size) {
    std::memcpy(&size, block.findings + at, sizeof size);
    at += sizeof size;
    if (size > used - at) break;
    texts.emplace_back(block.findings + at, size);
  }
  return texts;
}

}  // namespace iommucheck::oracle
