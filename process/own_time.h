// SPDX-License-Identifier: MIT
// How long a process has had to do something. A machine that is busy with others gives it no
// processor for seconds on end; that it did not go on then says nothing about it.
#pragma once

#include <sys/types.h>

#include "base/clock.h"

namespace iommucheck::oracle {

class OwnTime {
 public:
  explicit OwnTime(pid_t pid);

  /// From now on.
  void restart();
  /// Seconds since restart() without those in which the process was ready to run and no processor
  /// was free (its main thread; Linux's schedstat). Where the kernel does not tell, all of them.
  [[nodiscard]] double seconds() const;
  /// Those that seconds() leaves out.
  [[nodiscard]] double waiting() const;

 private:
  /// Seconds of its life.
  [[nodiscard]] double waited() const;

  pid_t pid_;
  Clock::time_point start_;
  double waited_before_ = 0;
};

}  // namespace iommucheck::oracle
