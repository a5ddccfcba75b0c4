// SPDX-License-Identifier: MIT
// Accesses that wait for an answer, by the host's number of each, and what became of them.
#pragma once

#include <fmt/format.h>

#include <map>

#include "scenario/run/subject.h"

namespace iommucheck::oracle::stories {

class WaitedAccesses {
 public:
  void add(u64 id, const Probing& probing) { waited_[id].probing = probing; }

  /// It was answered: aborted, or made again. `reachable(probing)`: what it may meet then;
  /// `make(probing, reached)`: the number by which it waits again, 0: it does not.
  template <class ReachableNow, class Make>
  void answered(u64 id, bool again, ReachableNow&& reachable, Make&& make) {
    const auto at = waited_.find(id);
    if (at == waited_.end()) return;
    Waited& waited = at->second;
    waited.ended = {false, 0, "aborted"};
    if (!again) return;
    const Reachable set = reachable(waited.probing);
    if (set.size() != 1) {
      waited.ended.fault = fmt::format("?{} outcomes are possible", set.size());
      return;
    }
    waited.ended = *set.begin();
    // What faults again is a group of its own.
    Probing once_more = waited.probing;
    once_more.group = next_group();
    once_more.last = true;
    waited.now = make(once_more, waited.ended);
  }

  /// A number of the device's for an access that it makes again; scenarios have lower ones.
  u64 next_group() { return 0x100 + repeated_++ % 0x100; }

  /// `waits(id)`: whether the host has it still.
  template <class Waits>
  Reached state(u64 id, Waits&& waits) {
    if (waits(id)) return {false, 0, "waiting"};
    const Waited& waited = waited_[id];
    if (waited.now != 0) return state(waited.now, waits);
    if (waited.ended == Reached{}) return {false, 0, "aborted"};
    return waited.ended;
  }

 private:
  struct Waited {
    Probing probing;
    u64 now = 0;    ///< made again, it waits under this number
    Reached ended;  ///< what became of it; nothing: it waits, or was ended by nobody's answer
  };
  std::map<u64, Waited> waited_;
  u64 repeated_ = 0;
};

}  // namespace iommucheck::oracle::stories
