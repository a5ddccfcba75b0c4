// SPDX-License-Identifier: MIT
// As a device: where the command queue is to stop, as somebody says beforehand. It consumes
// nothing more; or nothing from the n-th command or CMD_SYNC on; or the n-th CMD_SYNC is refused
// for its endpoint. Numbers of commands are those of CommandQueue::exposed_total().
#pragma once

#include <algorithm>

#include "spec/smmu/ground.h"

namespace iommucheck::spec {

class CommandStops {
 public:
  /// In numbers of commands or CMD_SYNCs from now on; 0: no such thing is to come.
  struct Stop {
    u64 command = 0;
    u64 sync = 0;
  };

  explicit CommandStops(Ground& ground) : ground_(ground) {}

  void set_stuck(bool stuck);
  [[nodiscard]] bool is_stuck() const { return stuck_ != 0; }
  /// The later of two calls counts. `exposed`: commands until now.
  void stop_at_command(u64 n, u64 exposed);
  void stop_at_sync(u64 n);
  /// What of it was not reached: it does not stop any more.
  Stop take(u64 exposed);
  /// A CMD_SYNC is exposed, as command `position`.
  void note_sync(u64 position);
  /// Of `open` commands behind `consumed` so many come before the stop.
  [[nodiscard]] u64 limit(u64 open, u64 consumed) const {
    if (end_ == 0) return open;
    const u64 end = end_ - 1;
    return end > consumed ? std::min(open, end - consumed) : 0;
  }
  /// It is known where, of commands that are exposed, and the first `done` are consumed.
  [[nodiscard]] bool has_stopped(u64 exposed, u64 done) const {
    return end_ != 0 && exposed >= end_ && done + 1 >= end_;
  }

  /// The n-th fails, so many times until it does not: an endpoint that does not answer for a while.
  void fail_sync(u64 n, u64 times) {
    ground_.set(sync_fails_, n);
    ground_.set(fails_again_, times - 1);
  }
  [[nodiscard]] bool a_sync_fails() const { return sync_fails_ != 0; }
  /// A CMD_SYNC that an endpoint may fail is next. True: it is the one.
  bool pass_sync() {
    ground_.set(sync_fails_, sync_fails_ - 1);
    if (sync_fails_ != 0) return false;
    if (fails_again_ != 0) fail_sync(1, fails_again_);
    return true;
  }

 private:
  Ground& ground_;
  u64 stuck_ = 0;
  u64 end_ = 0;         // 1 + the number of the command that is not consumed; 0: none
  u64 sync_ = 0;        // CMD_SYNCs that are exposed until then; 0: none
  u64 sync_fails_ = 0;  // CMD_SYNCs that may fail until the one that does; 0: none
  u64 fails_again_ = 0;
};

}  // namespace iommucheck::spec
