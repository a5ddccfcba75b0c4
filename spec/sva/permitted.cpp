// SPDX-License-Identifier: MIT
#include "spec/sva/permitted.h"

#include <algorithm>
#include <cassert>

#include "base/text.h"

namespace iommucheck::spec::sva {

const Permitted::Answer* Permitted::find(Status status) const {
  const Answer* end = answers_.data() + answer_count_;
  const Answer* at =
      std::find_if(answers_.data(), end, [&](const Answer& a) { return a.status == status; });
  return at == end ? nullptr : at;
}

void Permitted::add_given(Reason reason, Status status, ValueRule rule) {
  if (find(status) != nullptr) return;
  assert(answer_count_ < answer_max);
  answers_[answer_count_++] = {status, rule, reason};
}

void Permitted::add_value(u64 value, const char* reason) {
  if (has_value(value)) return;
  assert(value_count_ < value_max);
  values_[value_count_++] = {value, reason};
}

bool Permitted::has(Status status) const { return find(status) != nullptr; }

bool Permitted::has_value(u64 value) const {
  return std::any_of(values_.data(), values_.data() + value_count_,
                     [&](const Value& v) { return v.value == value; });
}

u64 Permitted::greatest_value() const {
  u64 greatest = 0;
  for (u32 i = 0; i < value_count_; ++i) greatest = std::max(greatest, values_[i].value);
  return greatest;
}

bool Permitted::permits(const Observed& observed) const {
  const Answer* answer = find(observed.status);
  if (answer == nullptr) return false;
  return answer->value_rule != ValueRule::one_of || has_value(observed.value);
}

ValueRule Permitted::value_rule(Status status) const {
  const Answer* answer = find(status);
  return answer == nullptr ? ValueRule::any : answer->value_rule;
}

std::string Permitted::text() const {
  std::string text;
  for (u32 i = 0; i < answer_count_; ++i) {
    if (i != 0) text += "; ";
    text += status_text(answers_[i].status);
    if (answers_[i].value_rule == ValueRule::one_of) {
      for (u32 v = 0; v < value_count_; ++v) {
        text += (v == 0 ? " with " : " or ") + hex(values_[v].value);
        text += std::string(" (") + values_[v].reason + ")";
      }
    }
    if (answers_[i].value_rule == ValueRule::new_handle) text += " with a new handle";
    if (answers_[i].value_rule == ValueRule::new_word) text += " with a new table";
    if (answers_[i].value_rule == ValueRule::new_pasid) {
      text += " with a free PASID of " + std::to_string(first_pasid_) + " to " +
              std::to_string(last_pasid_);
    }
    const std::string reason = reason_text(answers_[i].reason);
    if (!reason.empty()) text += " (" + reason + ")";
  }
  return text.empty() ? "nothing" : text;
}

void may_lack_memory(Permitted& set, Circumstances around) {
  if (around.allocation_failed) set.add(Reason::no_memory);
}

void may_time_out(Permitted& set, Circumstances around, ValueRule rule) {
  if (around.queue_stuck) set.add(Reason::stuck, rule);
}

}  // namespace iommucheck::spec::sva
