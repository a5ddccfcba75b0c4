// SPDX-License-Identifier: MIT
// What is new in a sequence, by what can be seen without a compiler's help: answers of calls, which
// call came behind which with which answer, rules that could have been broken, and in which
// situation: by what was being done; findings. A corpus is the sequences that were the first to
// show one of these features.
#pragma once

#include <array>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped.h"
#include "base/types.h"
#include "spec/rules.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

/// A feature is one number, of which its name is made: the same in each process and run.
using Feature = u64;
enum class FeatureSort : u8 { answer, order, rule, rule_in, finding, count };

FeatureSort sort_of(Feature feature);
/// "unmap: ok", "map: ENOMEM behind unmap", "rule PAGE_REUSE", "PAGE_REUSE in unmap", "finding
/// PAGE_REUSE 12ab": no two have one. Of a number that is no feature: some name.
std::string feature_name(Feature feature);
/// Of a name.
FeatureSort sort_of(std::string_view name);
/// "answers", "orders of calls", "rules", "rules by situation", "findings".
std::string_view name_of(FeatureSort sort);

using FeatureNames = std::set<std::string, std::less<>>;
/// "12 answers, 40 orders of calls, ...": how many there are of each sort.
std::string counts_text(const FeatureNames& names);

/// Of each feature, the sequence of a part that showed it first. The memory is shared, so that what
/// a worker saw outlives it, and a case in a process of its own may write too.
class FirstSeen {
 public:
  /// Places for features. Of a part they are never all taken; what finds none is not noted.
  static constexpr u32 slots = 65536;

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
  /// It could have been broken by what was being done: the name of a call, of an operation, or of a
  /// case's end.
  void rule_in(spec::Rule rule, std::string_view doing);
  void finding(u64 key);

  /// A feature and the place of the sequence that showed it first.
  struct Pair {
    Feature feature = 0;
    u64 place = 0;
    friend bool operator==(const Pair&, const Pair&) = default;
  };
  /// By place, then by feature. A driver may have scribbled over the memory: places that are not
  /// below `places` are left out.
  [[nodiscard]] std::vector<Pair> pairs(u64 places) const;
  /// Where an engine counts the feature, below `slots`.
  static u32 slot_of(Feature feature);

 private:
  struct Shared;
  void note(Feature feature);
  Mapped<Shared> shared_;
  u16 place_ = 0;
};

/// Features of sequences in their order.
class SeenSoFar {
 public:
  SeenSoFar() = default;
  /// These were seen before; may be null.
  explicit SeenSoFar(std::shared_ptr<const FeatureNames> before) : before_(std::move(before)) {}

  /// Whether one of them is new; all are seen from here on.
  bool adds(std::span<const FirstSeen::Pair> of_one_sequence);
  /// With those of before.
  [[nodiscard]] u64 count() const { return names_.size() + (before_ ? before_->size() : 0); }
  /// Without.
  [[nodiscard]] const FeatureNames& names() const { return names_; }

 private:
  std::shared_ptr<const FeatureNames> before_;
  std::set<Feature> seen_;
  FeatureNames names_;
};

}  // namespace iommucheck::oracle
