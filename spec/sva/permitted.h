// SPDX-License-Identifier: MIT
// The exact set of results that a call may give, each with its reason.
#pragma once

#include <optional>
#include <string>

#include "base/inline_vector.h"
#include "base/types.h"
#include "spec/rules/unset.h"
#include "spec/sva/call.h"
#include "spec/sva/reasons.h"

namespace iommucheck::spec::sva {

/// What the value beside a status must be.
enum class ValueRule : u8 {
  any,         ///< the status says all
  one_of,      ///< one of Permitted's values
  new_handle,  ///< not 0, and no living object's of its kind
  new_pasid,   ///< a free number of Permitted's range
  new_word,    ///< not 0: an attribute that was not seen yet
};

class Permitted {
 public:
  struct Answer {
    Status status;
    ValueRule value_rule;
    Reason reason;
  };

  /// The status is the reason's. The first reason of a status is kept.
  void add(Reason reason, ValueRule rule = ValueRule::any) {
    add_given(reason, status_of(reason), rule);
  }
  /// For a reason whose status is somebody else's.
  void add_given(Reason reason, Status status, ValueRule rule = ValueRule::any);
  /// Beside each status whose value is one of them. The first reason of a value is kept.
  void add_value(u64 value, const char* reason);
  /// Beside this one only; the caller gives each value once.
  void add_value_of(Status status, u64 value, const char* reason) {
    values_.push_back({value, reason, status});
  }

  /// visit(status, Reason).
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Answer& answer : answers_) visit(answer.status, answer.reason);
  }

  /// An error is permitted: success is then no answer, nor is a byte count but 0.
  [[nodiscard]] bool has(Status status) const;
  [[nodiscard]] bool has_value(u64 value) const;
  [[nodiscard]] u64 greatest_value() const;
  [[nodiscard]] bool empty() const { return answers_.empty(); }

  /// Whether the status is right, and the value too; a new handle is judged by the interface.
  [[nodiscard]] bool permits(const Observed& observed) const;
  /// What is asked of the value beside the status; any if the status is not permitted.
  [[nodiscard]] ValueRule value_rule(Status status) const;

  /// new_pasid: the numbers that may be given, inclusive.
  void set_range(u32 first, u32 last) {
    first_pasid_ = first;
    last_pasid_ = last;
  }
  [[nodiscard]] u32 first_pasid() const { return first_pasid_; }
  [[nodiscard]] u32 last_pasid() const { return last_pasid_; }

  /// "ok with 0x1000 (up to the first hole) or 0x0 (...); ETIMEDOUT (...)".
  [[nodiscard]] std::string text() const;

 private:
  struct Value {
    u64 value;
    const char* reason;
    std::optional<Status> only;

    [[nodiscard]] bool is_of(Status status) const { return !only || *only == status; }
  };
  [[nodiscard]] const Answer* find(Status status) const;

  InlineVector<Answer, 8> answers_;
  InlineVector<Value, 4> values_;  // one for each command of a user's that may be refused
  u32 first_pasid_ = 1;
  u32 last_pasid_ = 0;
};

/// INTERFACE "Errors and their order": ENOMEM where the call may allocate and one was refused.
void may_lack_memory(Permitted& set, Circumstances around);
/// INTERFACE "Timeouts and removal".
void may_time_out(Permitted& set, Circumstances around, ValueRule rule = ValueRule::any);

/// What is said of a result or of an event. `ok` or the rule that it breaks, with a sentence for
/// the report. With `ok` and `blames_caller` rule and message are about the caller.
struct Verdict {
  bool ok = true;
  bool blames_caller = false;
  Rule rule = unset::result;
  std::string message;
  std::string why{};  ///< of a wrong result, the part of `message` that says what is wrong
  std::optional<u64> unmarked{};  ///< dirty_read: what was written, and its bit is 0
  /// Wrong by the turn of a number alone, which is given all the same: what follows is judged by
  /// what the driver has done.
  bool is_given = false;
  bool could_be_done = false;  ///< ok is permitted, whatever the call said
  [[nodiscard]] bool takes_effect() const { return ok || is_given; }
};

}  // namespace iommucheck::spec::sva
