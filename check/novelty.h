// SPDX-License-Identifier: MIT
// What is new in a sequence, by what can be seen without a compiler's help: answers of calls, which
// call came behind which with which answer, rules that could have been broken, findings. Each is
// one of 2^16 features. A corpus is the sequences that were the first to show one.
#pragma once

#include <span>
#include <vector>

#include "base/mapped.h"
#include "base/types.h"
#include "spec/rules.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

/// Of each feature, the sequence of a part that showed it first. The memory is shared, so that what
/// a worker saw outlives it, and a case in a process of its own may write too.
class FirstSeen {
 public:
  static constexpr u32 features = 65536;

  /// environment if there is no memory.
  static Expected<FirstSeen> create();

  /// The sequence that follows, by its place in the part, below 65535. Until then, and behind
  /// leave(), nothing is noted.
  void enter(u64 place) { place_ = static_cast<u16>(place + 1); }
  void leave() { place_ = 0; }
  /// Nothing was seen.
  void forget();

  /// `previous`: the number of the call before it in the sequence, or one that no call has.
  void call(const spec::sva::Call& call, const spec::sva::Observed& observed, bool waits,
            u32 previous);
  void rule(spec::Rule rule);
  void finding(u64 key);

  /// A feature and the place of the sequence that showed it first.
  struct Pair {
    u16 feature = 0;
    u16 place = 0;
    friend bool operator==(const Pair&, const Pair&) = default;
  };
  /// By place, then by feature. A driver may have scribbled over the memory: places that are not
  /// below `places` are left out.
  [[nodiscard]] std::vector<Pair> pairs(u64 places) const;

 private:
  void note(u64 what);
  Mapped<u16[]> at_;  // place + 1; 0: not seen
  u16 place_ = 0;
};

/// Features of sequences in their order.
class SeenSoFar {
 public:
  /// Whether one of them is new; all are seen from here on.
  bool adds(std::span<const FirstSeen::Pair> of_one_sequence);
  [[nodiscard]] u64 count() const { return count_; }
  /// One that was seen before.
  void add(u16 feature);
  /// All of them, ascending.
  [[nodiscard]] std::vector<u16> all() const;

 private:
  std::vector<bool> seen_ = std::vector<bool>(FirstSeen::features);
  u64 count_ = 0;
};

}  // namespace iommucheck::oracle
