// SPDX-License-Identifier: MIT
// The exact set of results that a call may give, each with its reason.
#pragma once

#include <array>
#include <string>

#include "base/types.h"
#include "spec/rules.h"
#include "spec/sva/call.h"

namespace iommucheck::spec::sva {

/// What the value beside a status must be.
enum class ValueRule : u8 {
  any,         ///< the status says all
  one_of,      ///< one of Permitted's values
  new_handle,  ///< not 0, and no living domain's
};

class Permitted {
 public:
  struct Answer {
    Status status;
    ValueRule value_rule;
    const char* reason;
  };

  /// The first reason of a status is kept.
  void add(Status status, const char* reason, ValueRule rule = ValueRule::any);
  void add_value(u64 value, const char* reason);

  /// An error is permitted: success is then no answer, nor is a byte count but 0.
  [[nodiscard]] bool has(Status status) const;
  [[nodiscard]] bool has_value(u64 value) const;
  [[nodiscard]] u64 greatest_value() const;
  [[nodiscard]] u32 value_count() const { return value_count_; }
  [[nodiscard]] bool empty() const { return answer_count_ == 0; }

  /// Whether the status is right, and the value too; a new handle is judged by the interface.
  [[nodiscard]] bool permits(const Observed& observed) const;
  [[nodiscard]] bool wants_new_handle(Status status) const;

  /// "ok with 0x1000 (up to the first hole) or 0x0 (...); ETIMEDOUT (...)".
  [[nodiscard]] std::string text() const;

 private:
  struct Value {
    u64 value;
    const char* reason;
  };
  [[nodiscard]] const Answer* find(Status status) const;

  // Byte counts of an unmap: the hole, the start, and one for each bit of the page-size bitmap.
  static constexpr u32 value_max = 66;
  static constexpr u32 answer_max = 10;
  std::array<Answer, answer_max> answers_;
  std::array<Value, value_max> values_;
  u32 answer_count_ = 0;
  u32 value_count_ = 0;
};

/// What is said of a result. `ok` or the rule that it breaks, with a sentence for the report.
struct Verdict {
  bool ok = true;
  Rule rule = Rule::RESULT_EXACT;
  std::string message;
};

}  // namespace iommucheck::spec::sva
