// SPDX-License-Identifier: MIT
#include "spec/sva/permitted.h"

#include <algorithm>

#include "base/text.h"

namespace iommucheck::spec::sva {

const Permitted::Answer* Permitted::find(Status status) const {
  const Answer* at = std::ranges::find(answers_, status, &Answer::status);
  return at == answers_.end() ? nullptr : at;
}

void Permitted::add_given(Reason reason, Status status, ValueRule rule) {
  if (find(status) == nullptr) answers_.push_back({status, rule, reason});
}

void Permitted::add_value(u64 value, const char* reason) {
  const auto same = [&](const Value& v) { return v.value == value && !v.only; };
  if (std::ranges::none_of(values_, same)) values_.push_back({value, reason, {}});
}

bool Permitted::has(Status status) const { return find(status) != nullptr; }

bool Permitted::has_value(u64 value) const {
  return std::ranges::find(values_, value, &Value::value) != values_.end();
}

u64 Permitted::greatest_value() const {
  u64 greatest = 0;
  for (const Value& each : values_) greatest = std::max(greatest, each.value);
  return greatest;
}

bool Permitted::permits(const Observed& observed) const {
  const Answer* answer = find(observed.status);
  if (answer == nullptr) return false;
  return answer->value_rule != ValueRule::one_of ||
         std::ranges::any_of(values_, [&](const Value& v) {
           return v.value == observed.value && v.is_of(observed.status);
         });
}

ValueRule Permitted::value_rule(Status status) const {
  const Answer* answer = find(status);
  return answer == nullptr ? ValueRule::any : answer->value_rule;
}

std::string Permitted::text() const {
  std::string text;
  for (const Answer& answer : answers_) {
    if (!text.empty()) text += "; ";
    text += status_text(answer.status);
    if (answer.value_rule == ValueRule::one_of) {
      constexpr std::size_t told_max = 8;
      std::size_t told = 0;
      for (const Value& each : values_) {
        if (!each.is_of(answer.status) || ++told > told_max) continue;
        text += (told == 1 ? " with " : " or ") + hex(each.value) + " (" + each.reason + ")";
      }
      if (told > told_max) text += " or " + std::to_string(told - told_max) + " others";
    }
    if (answer.value_rule == ValueRule::new_handle) text += " with a new handle";
    if (answer.value_rule == ValueRule::new_word) text += " with a new table";
    if (answer.value_rule == ValueRule::new_pasid) {
      text += " with a free PASID of " + std::to_string(first_pasid_) + " to " +
              std::to_string(last_pasid_);
    }
    const std::string reason = reason_text(answer.reason);
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
