// SPDX-License-Identifier: MIT
#include "conform/asked_device.h"

#include <algorithm>
#include <utility>

namespace iommucheck::oracle {

void AskedDevice::count_deaths(const CaseResult& result) {
  deaths_ += (result.died ? 1 : 0) + result.further_deaths.size();
  dying_seconds_ += result.dying_seconds;
  unnoted_.insert(unnoted_.end(), result.further_deaths.begin(), result.further_deaths.end());
}

Expected<std::vector<Divergence>> AskedDevice::look(const Case& what, Run* kept,
                                                    const CaseJudge::Ask& ask) {
  auto result = worker_.run(what, false, kept, ask);
  if (!result) return std::unexpected(result.error());
  count_deaths(*result);
  if (result->died) unnoted_.push_back({result->what, result->found.back()});
  return std::move(result->found);
}

Expected<bool> AskedDevice::shows(const Case& what, const Divergence& wanted) {
  auto result = worker_.run(what, false);
  if (!result) return std::unexpected(result.error());
  count_deaths(*result);
  // What is not judged is not right.
  if (!result->decided()) return true;
  return std::ranges::any_of(result->found,
                             [&](const Divergence& one) { return one.same(wanted); });
}

std::optional<CaseResult::Death> AskedDevice::next_unnoted() {
  if (unnoted_.empty()) return std::nullopt;
  CaseResult::Death death = std::move(unnoted_.back());
  unnoted_.pop_back();
  return death;
}

}  // namespace iommucheck::oracle
