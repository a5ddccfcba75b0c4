// SPDX-License-Identifier: MIT
// The layout of SharedReport's memory: for shared_report.cpp and isolate.cpp alone.
#pragma once

#include "process/isolate.h"

namespace iommucheck::oracle {

/// All zero in the beginning; nothing in it is a pointer.
struct SharedReport::Block {
  std::atomic<u64> progress;  ///< any change is a sign of life
  std::atomic<u64> stop;
  std::atomic<u64> finished;  ///< the function returned: 1
  std::atomic<u64> running;
  u64 result;
  u64 number;
  u64 word_count;
  u32 operation;
  int worker;  ///< the process, while it is watched; 0: none
  CrashRecord crash;
  char driver_path[4096];
  u64 words[words_max];
  std::atomic<u64> counters[counters_max];
  std::atomic<u64> findings_bytes;
  char findings[findings_bytes_max];  ///< length and bytes, one after the other
};

}  // namespace iommucheck::oracle
