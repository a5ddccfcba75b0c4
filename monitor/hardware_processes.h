// SPDX-License-Identifier: MIT
// The processes' own tables where the hardware's model keeps them: which pages each has, so that a
// range can be told page by page.
#pragma once

#include <map>
#include <vector>

#include "base/types.h"
#include "monitor/hardware.h"

namespace iommucheck::oracle {

class HardwareProcesses {
 public:
  static constexpr u64 page_bytes = 4096;

  explicit HardwareProcesses(Hardware& hardware) : hardware_(hardware) {}

  void create(u64 mm);
  /// Of its table; 0: there is no memory for one, or it is gone.
  [[nodiscard]] u64 root(u64 mm) const;
  /// How many bytes of it, from the beginning on: less where memory is short.
  u64 map(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot);
  void unmap(u64 mm, u64 va, u64 bytes);
  void protect(u64 mm, u64 va, u64 bytes, u32 prot);
  /// Neither can write from now on.
  void fork(u64 mm, u64 child);

  // False: an access may still lead where it must not.
  /// After the Invalidate of an unmap. One that timed out lets go of nothing.
  bool settle(u64 mm, bool timed_out);
  /// After a Release that timed out it keeps all for good.
  void release_times_out(u64 mm) { processes_[mm].kept = true; }
  bool exit(u64 mm);

  struct Page {
    u64 pa = 0;
    u32 prot = 0;
  };
  [[nodiscard]] const std::map<u64, Page>& pages(u64 mm) { return processes_[mm].pages; }

 private:
  struct Process {
    u64 root = 0;
    bool unmapped = false;  ///< and not settled
    bool kept = false;
    std::map<u64, Page> pages;
  };

  Hardware& hardware_;
  std::map<u64, Process> processes_;
};

}  // namespace iommucheck::oracle
