// SPDX-License-Identifier: MIT
// What the verdict of a run of conform stands on.
#include <fmt/format.h>

#include <algorithm>

#include "conform/asked_device.h"
#include "conform/conform.h"

namespace iommucheck::oracle {

bool ConformResult::held() const {
  return vanished.empty() && not_reproduced.empty() && gave_up == 0 &&
         std::ranges::none_of(divergences,
                              [](const FoundDivergence& d) { return d.known_id.empty(); });
}

u64 cases_of(const ConformResult& result) { return result.directed + result.random + result.given; }

RunEnd end_of(const ConformResult& result) {
  RunEnd end;
  const auto is_new = [](const FoundDivergence& found) { return found.known_id.empty(); };
  if (!result.vanished.empty() || std::ranges::any_of(result.divergences, is_new)) end.found();
  if (result.stopped) {
    std::string why = fmt::format("stopped after {} cases", cases_of(result));
    if (result.kept_dying) {
      why += fmt::format(": a device that dies was started anew for {} s",
                         AskedDevice::dying_seconds_most);
    }
    end.undecided(why);
  }
  if (!result.not_reproduced.empty()) {
    end.undecided(
        fmt::format("{} findings did not show again in their case alone: the device, or "
                    "what connects it, is not deterministic",
                    result.not_reproduced.size()));
  }
  if (result.gave_up != 0) {
    end.undecided(fmt::format("a bound of the specification was hit in {} cases, {}",
                              result.gave_up, result.bound_at));
  }
  if (cases_of(result) + result.replayed == 0) {
    end.undecided("no case was run");
  } else if (result.divergences.empty() && !any_rule(result.rules, RuleVerdict::holds)) {
    end.undecided("no rule was exercised");
  }
  return end;
}

}  // namespace iommucheck::oracle
