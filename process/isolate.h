// SPDX-License-Identifier: MIT
// A worker process that may crash or hang, and what it leaves behind. The worker runs the whole
// check by itself; it tells the supervisor nothing but what it writes into shared memory, a few
// words a sequence, so that isolation costs nothing an event.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped.h"
#include "base/types.h"
#include "process/crash.h"

namespace iommucheck::oracle {

/// Memory that worker and supervisor share. The worker writes; what it wrote outlives it.
class SharedReport {
 public:
  static constexpr std::size_t words_max = 256;
  static constexpr std::size_t counters_max = 2048;
  static constexpr std::size_t findings_bytes_max = std::size_t{8} << 20;

  /// environment if there is no memory.
  static Expected<SharedReport> create();

  // --- the worker ---
  /// The sequence that comes now; `words` as its codec has them, words_max of them at most. Counts
  /// as progress. It stays until the next one or end_sequence().
  void begin_sequence(u64 number, std::span<const u64> words);
  /// Position within it, for reports; counts as progress.
  void begin_operation(u32 index);
  void end_sequence();
  /// Signs of life where a sequence takes long.
  void tick();
  /// Keeps a text for the supervisor; false if there is no room.
  bool add_finding(std::string_view text);
  /// The driver's code is where `entry` lies, and comes from that file: whom a crash is blamed on.
  void driver_loaded(const void* entry, const std::string& path);
  /// Asked by the supervisor, who waits a while before it kills.
  bool stop_requested() const;

  // --- both ---
  /// Numbers of the caller's choice, 0 in the beginning; a restarted worker finds them as they
  /// were.
  std::atomic<u64>& counter(std::size_t index);

  // --- the supervisor ---
  struct Sequence {
    bool running = false;  ///< begun and not ended: what a death is blamed on
    u64 number = 0;
    u32 operation = 0;
    std::vector<u64> words;
  };
  Sequence sequence() const;
  std::vector<std::string> findings() const;
  void request_stop();

 private:
  friend class Worker;
  void end_a_copy() const;
  struct Block;
  Mapped<Block> block_;
};

enum class Ended : u8 {
  returned,   ///< the function came back
  crashed,    ///< a signal, or an exit in the middle: sanitizers, abort, a call of exit()
  timed_out,  ///< no progress for too long, or no end
  stopped,    ///< asked to stop, and had to be killed
};

struct Outcome {
  Ended ended = Ended::returned;
  int result = 0;     ///< of the function, if it returned
  int exit_code = 0;  ///< if it crashed and signal is 0
  int signal = 0;
  double seconds = 0;
  std::string output;            ///< the end of what the worker printed on stdout and stderr
  Party party = Party::driver;   ///< who did it, if it crashed
  std::string where;             ///< a crash's place, for describe()
  std::optional<u64> address{};  ///< of the access that it is about

  /// "crashed with SIGSEGV (Segmentation fault)", "made no progress for 10 s and was killed".
  std::string describe() const;
};

struct IsolationLimits {
  double hang_seconds = 10;             ///< without progress, of its OwnTime
  double total_seconds = 0;             ///< 0: no limit
  double grace_seconds = 2;             ///< from request_stop() to the kill
  std::function<bool()> stop = {};      ///< asked about 50 times a second; true: end it
  std::function<void()> watching = {};  ///< called as often, to show progress
};

/// Runs `work` in a child. SIGINT is the supervisor's alone. The child ends with its parent.
/// environment if no process can be made.
Expected<Outcome> run_isolated(SharedReport& report, const std::function<int()>& work,
                               const IsolationLimits& limits = {});

/// Runs `work(restart)` again and again until it returns or is stopped. After each crash or hang
/// `died` sees the outcome, and the report as it was left; false ends it. Where to go on is for
/// `work` to find in the report's counters. The last outcome.
Expected<Outcome> supervise(SharedReport& report, const std::function<int(u32 restart)>& work,
                            const IsolationLimits& limits,
                            const std::function<bool(const Outcome&)>& died);

}  // namespace iommucheck::oracle
