// SPDX-License-Identifier: MIT
// Processes by the number that the environment has for them, so that a munmap costs the same
// however many others are bound.
#pragma once

#include <array>
#include <span>

#include "impl/core/objects.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

class ProcessIndex {
 public:
  /// One that has not ended: an ended one's number may be another process's. Null: there is none.
  Process* find(Pool<Process>& processes, iommucheck_handle mm) const;
  void add(const Platform& platform, Pool<Process>& processes, Process& process);
  void remove(Pool<Process>& processes, const Process& process);
  void clear();

 private:
  std::span<iommucheck_handle> buckets() const {
    return {more_ != nullptr ? more_ : first_.data(), size_};
  }
  iommucheck_handle& bucket_of(iommucheck_handle mm) const;
  void grow(const Platform& platform, Pool<Process>& processes);

  static constexpr u32 first_size = 16;
  mutable std::array<iommucheck_handle, first_size> first_{};
  iommucheck_handle* more_ = nullptr;  // instead of first_, once there are more
  u32 size_ = first_size;              // a power of two
  u32 count_ = 0;
};

}  // namespace iommucheck::impl
