// SPDX-License-Identifier: MIT
#include "conform/causes.h"

#include <algorithm>

#include "spec/rules.h"

namespace iommucheck::oracle {

Expected<std::vector<CauseGroup>> causes_of(std::span<const CaseShowing> findings,
                                            const DeviceIdentity& device, const StillShows& shows) {
  // Of a device that does everything wrong the first ones say enough.
  constexpr std::size_t findings_most = 64;
  std::vector<std::vector<std::size_t>> right(intervention_count());
  for (std::size_t i = 0; i < std::min(findings.size(), findings_most); ++i) {
    const bool of_commands =
        spec::rule_info(findings[i].found->rule).family == spec::Family::command;
    for (std::size_t number = 0; number < right.size(); ++number) {
      if (of_commands && takes_commands_out(number)) continue;
      const auto changed = intervene(number, *findings[i].what, device);
      if (!changed) continue;
      const auto still = shows(*changed, *findings[i].found);
      if (!still) return std::unexpected(still.error());
      if (!*still) right[number].push_back(i);
    }
  }
  std::vector<CauseGroup> groups;
  auto end = right.begin() + static_cast<std::ptrdiff_t>(plain_interventions());
  for (;;) {
    const auto most = std::max_element(right.begin(), end, [](const auto& one, const auto& other) {
      return one.size() < other.size();
    });
    if (most->empty()) {
      if (end == right.end()) return groups;
      end = right.end();
      continue;
    }
    groups.push_back({static_cast<std::size_t>(most - right.begin()), *most});
    for (auto& its : right) {
      std::erase_if(its, [&](std::size_t i) {
        return std::ranges::find(groups.back().members, i) != groups.back().members.end();
      });
    }
  }
}

}  // namespace iommucheck::oracle
