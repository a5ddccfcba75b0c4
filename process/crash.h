// SPDX-License-Identifier: MIT
// Who ended a worker process: the driver, the checker's own code, or somebody outside. A crash is
// the driver's where the driver's code is, itself or through a library that it called; else nobody
// says that the driver did it.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "base/types.h"

namespace iommucheck::oracle {

/// Addresses of a loaded object.
struct CodeRange {
  u64 begin = 0, end = 0;
  u64 origin = 0;  ///< from where addresses in its file are counted
  [[nodiscard]] bool contains(u64 address) const { return address >= begin && address < end; }
};

/// What the process saw of the signal that ended it. Plain numbers, since it lies in shared memory.
struct CrashRecord {
  static constexpr std::size_t frames_max = 62;
  u64 seen = 0;  ///< 1: the rest is there
  int signal = 0;
  int code = 0;    ///< si_code: 0 and below were sent, not caused
  int sender = 0;  ///< of a signal that was sent
  int process = 0;
  u64 address = 0;  ///< of the access, for SIGSEGV and SIGBUS
  u64 frame_count = 0;
  std::array<u64, frames_max> frames{};  ///< addresses of code, the innermost first
  CodeRange plugin, checker;             ///< where these are loaded
};

/// From here on the signals of crashes fill `record`. A crash of the driver's then ends the
/// process, any other goes on to whom it went before. For the process of a worker: what is recorded
/// there outlives it.
void record_crashes(CrashRecord& record);
/// Whether this process is such a worker.
bool is_worker_process();
/// The object that `address` lies in is the driver's.
void set_driver_code(CrashRecord& record, const void* address);

enum class Party : u8 { driver, checker, outside };

struct Blame {
  Party party = Party::driver;
  /// In words, behind "crashed with SIGSEGV (…)": " in f+0x10 (driver.so+0x1234), at address 0x0".
  std::string where;
  std::optional<u64> address{};  ///< of the access that the signal is about
};

/// Of a process that a signal ended, or that ended itself (`signal` 0). `plugin_path` is for names.
Blame blame_of(int signal, const CrashRecord& record, const std::string& plugin_path);

}  // namespace iommucheck::oracle
