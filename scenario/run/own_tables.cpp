// SPDX-License-Identifier: MIT
#include "scenario/run/own_tables.h"

#include <utility>

namespace iommucheck::oracle::stories {

std::optional<scenario::Scenario> with_own_tables(const scenario::Scenario& scenario) {
  for (const scenario::Step& step : scenario.steps) {
    const auto* declare = std::get_if<scenario::Declare>(&step.what);
    if (declare == nullptr) continue;
    for (const scenario::Setting& setting : declare->settings) {
      if (setting.key.text == "tables" || setting.value.text == "two") return std::nullopt;
    }
  }
  scenario::Setting setting;
  setting.key.text = "tables";
  setting.value.text = "per_device";
  scenario::Declare world;
  world.kind = scenario::Declare::Kind::world;
  world.settings.push_back(std::move(setting));
  scenario::Step step;
  step.what = std::move(world);
  scenario::Scenario changed = scenario;
  changed.steps.insert(changed.steps.begin(), std::move(step));
  return changed;
}

}  // namespace iommucheck::oracle::stories
