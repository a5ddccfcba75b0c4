// SPDX-License-Identifier: MIT
// Processes that do the same side by side: each takes numbers, and sends what became of them.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/mapped.h"
#include "base/types.h"

namespace iommucheck::oracle {

/// What all share. Zero in the beginning.
struct LanesBlock;

/// In one of the processes.
class Lane {
 public:
  static constexpr std::size_t counters_max = 8;
  static constexpr std::size_t told_max = 1024;

  Lane(LanesBlock& block, u32 index, int pipe) : block_(block), index_(index), pipe_(pipe) {}
  /// The next number that no lane has.
  u64 take_number();
  [[nodiscard]] bool is_to_stop() const;
  /// What the starter has told so far, in its order.
  [[nodiscard]] std::vector<u64> told() const;
  /// Its own; the starter sees the sum. which < counters_max.
  [[nodiscard]] std::atomic<u64>& counter(std::size_t which);
  /// Waits until there is room. Nothing where the starter has gone.
  void send(const std::string& message);

 private:
  LanesBlock& block_;
  u32 index_;
  int pipe_;
};

class Lanes {
 public:
  static constexpr u32 lanes_max = 256;

  /// Forks `count` processes, 1 to lanes_max; numbers begin with `first`. A process ends when
  /// `work` returns, and with this one. environment.
  static Expected<Lanes> start(u32 count, u64 first, const std::function<void(Lane&)>& work);
  Lanes(Lanes&&) noexcept = default;
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;
  Lanes& operator=(Lanes&&) = delete;
  ~Lanes();  ///< kills those that are left

  /// Messages that came within the time, whole ones; nothing when all lanes have come to their end.
  std::optional<std::vector<std::string>> wait(double seconds);
  /// To all lanes: they are told at most told_max numbers, and no others.
  void tell(u64 number);
  [[nodiscard]] u64 sum(std::size_t which) const;
  void ask_to_stop();
  /// Waits for all, kills those that do not stop in 2 s. How those ended that died of themselves.
  std::vector<std::string> end();

 private:
  struct Running {
    pid_t pid = -1;
    int pipe = -1;
    std::string bytes;  // of a message that is not whole
  };
  Lanes() = default;

  Mapped<LanesBlock> block_;
  std::vector<Running> lanes_;
};

}  // namespace iommucheck::oracle
