// SPDX-License-Identifier: MIT
// What events found of the driver's side, which bounds they hit, and how often each rule was asked.
// No part of the state: going back leaves it. Once a bound on work was hit nothing is certain, and
// no rule is reported as broken.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "spec/rules.h"
#include "spec/smmu/cause.h"
#include "spec/smmu/work.h"

namespace iommucheck::spec {

/// A broken rule, found at event `at`.
struct Violation {
  Rule rule;
  EventIndex at = 0;
  std::string text;             ///< one sentence: what is wrong, and where
  std::vector<Cause> causes{};  ///< why it is possible
  /// What is cached of it is why: causes_of_structure(), asked by who tells of it.
  std::optional<StructureOf> structure{};
};

class Findings {
 public:
  explicit Findings(const Work& work) : work_(work) {}

  /// Number of the event that is looked at.
  void set_now(EventIndex now) { now_ = now; }
  [[nodiscard]] EventIndex now() const { return now_; }

  // ---- rules ------------------------------------------------------------------------------------
  void report(Rule rule, std::string text, std::vector<Cause> causes = {});
  void report_of(const StructureOf& structure, Rule rule, std::string text);
  /// The rule is asked where breaking it would show.
  void count(Rule rule) { ++exercised_[number_of(rule)]; }
  [[nodiscard]] std::vector<Violation>& violations() { return violations_; }
  [[nodiscard]] const std::vector<Violation>& violations() const { return violations_; }
  [[nodiscard]] std::array<u64, rule_numbers>& exercised() { return exercised_; }
  [[nodiscard]] const std::array<u64, rule_numbers>& exercised() const { return exercised_; }

  // ---- bounds -----------------------------------------------------------------------------------
  /// An event hit a bound: there is no verdict.
  void give_up(std::string what);
  /// A question hit one; an event that asked it gives up by give_up_unasked().
  void leave_unasked(std::string what) const { unasked_ = std::move(what); }
  void give_up_unasked() { give_up(unasked_); }
  [[nodiscard]] bool gave_up() const { return !bound_.empty() || work_.gave_up(); }
  /// Which was hit, of what, and at which event; of a question that found not all, too. Else empty.
  [[nodiscard]] std::string bound() const;
  /// Something is used that this specification does not follow.
  void leave_unsupported(std::string_view what) { unsupported_ = what; }
  [[nodiscard]] const std::string& unsupported() const { return unsupported_; }

  /// What was reported is gone, and bounds are whole again; what is unsupported stays so.
  void forget();
  /// That too, as from the beginning.
  void clear() {
    forget();
    unsupported_.clear();
  }

  // ---- words ------------------------------------------------------------------------------------
  void set_namer(Namer namer) { namer_ = std::move(namer); }
  [[nodiscard]] const Namer& namer() const { return namer_; }
  /// Of an address, for people; hex where nobody has told how.
  [[nodiscard]] std::string name(u64 pa) const { return namer_ ? namer_(pa) : hex(pa); }

 private:
  const Work& work_;
  EventIndex now_ = 0;
  std::array<u64, rule_numbers> exercised_{};
  std::string bound_;            // the first that an event hit
  mutable std::string unasked_;  // the last that a question hit
  std::string unsupported_;
  std::vector<Violation> violations_;
  Namer namer_;
};

}  // namespace iommucheck::spec
