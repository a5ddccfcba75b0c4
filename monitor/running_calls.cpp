// SPDX-License-Identifier: MIT
#include "monitor/running_calls.h"

#include <algorithm>

#include <fmt/format.h>

#include "spec/rules/interface.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle {

void RunningCalls::runs_now(Running running) {
  running_ = std::move(running);
  running_.id = ++case_.calls.count;
  running_.began = case_.now;
  running_.lists.give(running_.call);
  in_call_ = true;
}

void RunningCalls::lays_aside() {
  in_call_ = false;
  waiting_.push_back(std::move(running_));
  waiting_.back().lists.give(waiting_.back().call);
  running_ = {};
}

bool RunningCalls::waits(u64 id) const {
  return std::ranges::find(waiting_, id, &Running::id) != waiting_.end();
}

void RunningCalls::takes_up(u64 id) {
  const auto its = std::ranges::find(waiting_, id, &Running::id);
  running_ = std::move(*its);
  waiting_.erase(its);
  running_.lists.give(running_.call);
  in_call_ = true;
}

void RunningCalls::forget_calls() {
  in_call_ = false;
  running_ = {};
  waiting_.clear();
}

std::string RunningCalls::consistent_calls() const {
  const auto is_call = [&](const Running& one) {
    return one.id != 0 && one.id <= case_.calls.count;
  };
  if (in_call_ && !is_call(running_)) return fmt::format("call {} runs", running_.id);
  for (const Running& one : waiting_) {
    const auto same = [&](const Running& other) { return other.id == one.id; };
    const bool runs_too = in_call_ && running_.id == one.id;
    if (!is_call(one) || runs_too || std::ranges::count_if(waiting_, same) != 1) {
      return fmt::format("call {} waits, of {}", one.id, case_.calls.count);
    }
  }
  return {};
}

bool RunningCalls::vanishes(u32 device) const {
  const auto is_its = [&](const Running& running) {
    return running.kind == Running::Kind::removal && running.call.device == device;
  };
  return (in_call_ && is_its(running_)) || std::ranges::any_of(waiting_, is_its);
}

/// Whether a violation found now follows from what the caller broke with the call that runs: a map
/// over what is not synchronised stores a descriptor over living translations, whoever makes it.
bool RunningCalls::is_callers_doing(spec::Rule rule) const {
  if (case_.calls.stands_aside) return spec::rule_info(rule).keeper == spec::Keeper::driver;
  return in_call_ && running_.breach == spec::rule::RANGE_UNSYNCED &&
         (rule == spec::rule::CONFLICT_BBM || rule == spec::rule::CONFLICT_TLB);
}

std::string RunningCalls::in_trace_numbers(std::string text, const spec::sva::Call& call) {
  if (sink_ == nullptr) return text;
  const spec::sva::Call named = by_number(call, case_.calls.numbers);
  const auto replace = [&](const char* what, u64 handle, u64 number) {
    const std::string before = fmt::format("{}{:#x}", what, handle);
    const std::size_t place = handle == 0 ? std::string::npos : text.find(before);
    if (place != std::string::npos)
      text.replace(place, before.size(), fmt::format("{}{:#x}", what, number));
  };
  replace("domain ", call.domain, named.domain);
  replace("master ", call.parent, named.parent);
  replace("io_mm ", call.io_mm, named.io_mm);
  replace("token ", call.token, named.token);
  replace("queue ", call.queue, named.queue);
  return text;
}

}  // namespace iommucheck::oracle
