// SPDX-License-Identifier: MIT
// Parts taken together in their order.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "check/parts.h"

namespace iommucheck::oracle {

class Merge {
 public:
  /// `options` outlives it.
  explicit Merge(const CheckOptions& options);
  Merge(const Merge&) = delete;
  Merge& operator=(const Merge&) = delete;
  ~Merge();

  /// The options for part `number`, or nothing behind the last one. `told` are keys of what parts
  /// before it have found. Those of given sequences come first, and take the time they need.
  [[nodiscard]] std::optional<CheckOptions> options_of(u64 number, std::vector<u64> told,
                                                       double seconds_gone) const;
  /// The part that comes next.
  [[nodiscard]] u64 next() const { return next_; }
  [[nodiscard]] const std::vector<u64>& told() const { return told_; }
  /// Side by side there would be nothing to do.
  [[nodiscard]] bool is_one_part() const;
  /// Whether it is what the part comes to behind those before it, though it was run without
  /// knowing of all of them.
  [[nodiscard]] bool fits(const Expected<Part>& part, std::size_t told_then) const;
  /// Parts before it were not run.
  void skip_to(u64 number) {
    gap_ = true;
    next_ = number;
  }
  /// A finding of the part that comes next, before the part is at its end: the next of its
  /// findings. Only where it knows what parts before it have found.
  void tell(Violation violation);
  /// What a part left that is run again, before that.
  void forget_files() const;
  /// Takes the part that comes next. True to go on.
  bool take(Expected<Part> part);

  /// Nothing more is run: of a run that has parts left that is a stop, though none was cut short.
  void stop(double seconds_gone) {
    result_.stopped |= options_of(next_, {}, seconds_gone).has_value();
  }

  [[nodiscard]] bool stopped() const { return result_.stopped; }
  [[nodiscard]] const Tally& tally() const { return tally_; }
  Expected<CheckResult> result(double seconds);

 private:
  [[nodiscard]] bool is_given(u64 number) const { return number < given_parts_; }
  void take_novel(const Part& part);
  void keep(const Sequence& sequence);
  void take_files(Expected<Part>& part);
  Expected<std::string> take_file(const std::string& file);
  [[nodiscard]] std::string folder_of(u64 number) const;

  const CheckOptions& options_;
  std::string folder_;  // for traces, until it is known which are wanted; empty: none are written
  std::map<std::string, Expected<std::string>>
      taken_;  // traces of what was told, and where they are
  CheckResult result_;
  Tally tally_;
  u64 next_ = 0;
  std::vector<u64> told_;
  std::vector<Violation> early_;  // findings of the part that comes next
  u64 given_sequences_ = 0;
  u64 given_parts_ = 0;
  u64 first_part_ = 0;  // of the random ones
  MachinePlan plan_;
  SeenSoFar seen_;
  std::vector<bool> adds_;  // of each given sequence: it shows something
  std::optional<Error> error_;
  bool gap_ = false;  // a part before was cut short
};

}  // namespace iommucheck::oracle
