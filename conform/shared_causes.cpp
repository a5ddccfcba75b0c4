// SPDX-License-Identifier: MIT
#include "conform/shared_causes.h"

#include <algorithm>
#include <string>

#include "base/clock.h"
#include "conform/cases/directed.h"
#include "conform/interventions.h"
#include "spec/rules/records.h"

namespace iommucheck::oracle {

namespace {

/// How long is looked for what makes findings right, and for what hides behind that.
constexpr double causes_seconds = 60, behind_seconds = 60;

}  // namespace

Expected<std::vector<CauseGroup>> SharedCauses::find() {
  std::vector<CaseShowing> shown;
  std::vector<std::size_t> places;
  for (const auto& [place, what] : findings_.shortest()) {
    shown.push_back({&what, &findings_.all()[place].divergence});
    places.push_back(place);
  }
  const Clock::time_point began = Clock::now();
  auto groups = causes_of(shown, identity_, [&](const Case& what, const Divergence& found) {
    // What is not asked for want of time is not right.
    return seconds_since(began) > causes_seconds ? Expected<bool>(true)
                                                 : device_.shows(what, found);
  });
  if (!groups) return groups;
  for (const CauseGroup& group : *groups) {
    for (const std::size_t i : group.members) {
      findings_.all()[places[i]].cause = intervention_name(group.intervention);
    }
  }
  // One field of records is one cause, whatever record it is in.
  for (const std::size_t place : places) {
    FoundDivergence& found = findings_.all()[place];
    const std::string& field = found.divergence.kind.device.field;
    const bool of_record = found.divergence.rule == spec::rule::EVENT_RECORD;
    if (!found.cause.empty() || !of_record || field.empty()) continue;
    found.cause = (field.starts_with("a ") ? field : "another " + field) + " in records";
  }
  // A device dies as it is known to, or as a case that nobody would write.
  device_.forget_unnoted();
  return groups;
}

Expected<void> SharedCauses::look_behind(const std::vector<CauseGroup>& groups) {
  const Clock::time_point began = Clock::now();
  const std::size_t before = findings_.all().size();
  for (const Case& one : directed_cases(identity_)) {
    if (stopped_() || seconds_since(began) > behind_seconds) break;
    Case changed = one;
    for (const CauseGroup& group : groups) {
      if (auto next = intervene(group.intervention, changed, identity_)) {
        changed = std::move(*next);
      }
    }
    if (changed.steps == one.steps) continue;
    auto found = device_.look(changed);
    if (!found) return std::unexpected(found.error());
    for (const Divergence& its : *found) {
      if (findings_.found_before(changed, its, false) != nullptr) continue;
      if (auto ok = findings_.note(changed, its, false); !ok) return ok;
    }
    device_.forget_unnoted();
  }
  for (std::size_t i = before; i < findings_.all().size(); ++i) {
    findings_.all()[i].behind = true;
  }
  return {};
}

}  // namespace iommucheck::oracle
