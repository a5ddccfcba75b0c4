// SPDX-License-Identifier: MIT
// The threads of a scenario on a host: calls that wait, and what became
// of those that have ended since.
#pragma once

#include <map>

#include "scenario/run/subject.h"

namespace iommucheck::oracle::stories {

template <class Host>
class Threads {
 public:
  using Progress = typename Host::Progress;

  /// A thread that has no name in a scenario.
  static constexpr u32 nameless = 1U << 16;

  /// The thread makes a call: what became of its last one is told.
  void begins(u32 thread) { ended_.erase(thread); }

  /// What the call has come to; if it waits, the thread does.
  Answer answer(const Host& host, u32 thread, const Progress& progress) {
    Answer answer;
    answer.observed = progress.observed;
    answer.allocation_failed = host.allocation_failed();
    if (progress.waits) {
      answer.state = Answer::State::blocked;
      waiting_[thread] = progress.thread;
    } else if (progress.observed.status == spec::sva::Status::not_built) {
      answer.state = Answer::State::not_built;
    }
    return answer;
  }

  /// Whoever waits looks again, until nobody comes any further.
  void go_on(Host& host) {
    for (bool moved = true; moved;) {
      moved = false;
      for (const auto& [thread, number] : waiting_) {
        const Progress progress = host.resume(number);
        if (progress.waits) continue;
        const u32 ended = thread;
        waiting_.erase(ended);
        ended_[ended] = answer(host, ended, progress);
        moved = true;
        break;
      }
    }
  }

  /// `before`, or what became of the thread's call since.
  [[nodiscard]] Answer latest(u32 thread, Answer before) const {
    const auto at = ended_.find(thread);
    return at != ended_.end() ? at->second : before;
  }

  [[nodiscard]] Answer poll(u32 thread) const {
    Answer answer;
    if (waiting_.contains(thread)) answer.state = Answer::State::blocked;
    return latest(thread, answer);
  }

 private:
  std::map<u32, u64> waiting_;   // thread -> the host's number
  std::map<u32, Answer> ended_;  // of threads that waited
};

}  // namespace iommucheck::oracle::stories
