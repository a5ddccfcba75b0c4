// SPDX-License-Identifier: MIT
// How long a process has had to do something. A machine that is busy with others gives it no
// processor for seconds on end; that it did not go on then says nothing about it.
#pragma once

#include <sys/types.h>

#include "base/clock.h"

namespace iommucheck::oracle {

/// Looked at now and then, as Linux's schedstat has what a process has waited only once it runs
/// again: of the time between two looks counts what it ran if it wants a processor (itself, or one
/// of those that it has started and waits for), and else what it did not wait for one. Where the
/// kernel does not tell, all of it.
class OwnTime {
 public:
  explicit OwnTime(pid_t pid);

  /// From now on.
  void restart();
  /// Seconds since restart() in which the process, or those that it has started, could go on.
  double seconds();
  /// Those that seconds() leaves out.
  double waiting();

 private:
  /// Of the main threads of a process and those that it has started, seconds of their lives.
  struct Sample {
    double ran = 0, waited = 0;
    bool wants_processor = false;
  };
  static void add(Sample& sample, pid_t pid, unsigned depth);
  void look();

  pid_t pid_;
  Clock::time_point looked_;
  Sample last_;
  double own_ = 0, lost_ = 0;
};

}  // namespace iommucheck::oracle
