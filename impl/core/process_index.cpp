// SPDX-License-Identifier: MIT
#include "impl/core/process_index.h"

#include <bit>

namespace iommucheck::impl {

iommucheck_handle& ProcessIndex::bucket_of(iommucheck_handle mm) const {
  constexpr u64 golden = 0x9e37'79b9'7f4a'7c15;  // 2^64 by the golden ratio
  return buckets()[(mm * golden) >> (64 - std::countr_zero(size_))];
}

Process* ProcessIndex::find(Pool<Process>& processes, iommucheck_handle mm) const {
  Process* process = processes.find(bucket_of(mm));
  while (process != nullptr && (process->mm.mm != mm || process->ended)) {
    process = processes.find(process->next);
  }
  return process;
}

void ProcessIndex::add(const Platform& platform, Pool<Process>& processes, Process& process) {
  if (++count_ > size_) grow(platform, processes);
  iommucheck_handle& bucket = bucket_of(process.mm.mm);
  process.next = bucket;
  bucket = processes.handle(process);
}

void ProcessIndex::remove(Pool<Process>& processes, const Process& process) {
  const iommucheck_handle handle = processes.handle(process);
  iommucheck_handle* link = &bucket_of(process.mm.mm);
  while (*link != handle) link = &processes.find(*link)->next;
  *link = process.next;
  --count_;
}

void ProcessIndex::clear() {
  for (iommucheck_handle& bucket : buckets()) bucket = 0;
  count_ = 0;
}

/// Twice as many buckets; without memory for them those that there are hold more each.
void ProcessIndex::grow(const Platform& platform, Pool<Process>& processes) {
  auto* larger = platform.arena<iommucheck_handle>(u64{2} * size_);
  if (larger == nullptr) return;
  const std::span<iommucheck_handle> before = buckets();
  more_ = larger;
  size_ *= 2;
  for (iommucheck_handle next : before) {
    while (next != 0) {
      Process& process = *processes.find(next);
      next = process.next;
      iommucheck_handle& bucket = bucket_of(process.mm.mm);
      process.next = bucket;
      bucket = processes.handle(process);
    }
  }
}

}  // namespace iommucheck::impl
