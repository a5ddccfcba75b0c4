// SPDX-License-Identifier: MIT
#include "scenario/format/iommus.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"
#include "scenario/format/tokens.h"

namespace iommucheck::scenario {
namespace {

constexpr std::string_view first_iommu = "I0";

/// `I3`: 3. Others have names without a number.
std::optional<u64> number_of(std::string_view name) {
  return name.starts_with('I') ? parse_number(name.substr(1)) : std::nullopt;
}

struct Iommus {
  std::optional<u64> count;  ///< as `iommus=` says
  std::vector<std::string> named;

  [[nodiscard]] bool has(std::string_view name) const {
    return std::ranges::find(named, name) != named.end();
  }
  [[nodiscard]] std::string text() const {
    std::string text = fmt::format("there are {}", fmt::join(named, ", "));
    if (count) text = fmt::format("the world has {} (iommus=)", *count);
    return text;
  }
};

void add_device(Iommus& all, const Declare& dev) {
  std::string name(first_iommu);
  for (const Setting& setting : dev.settings) {
    if (setting.key.text == "iommu") name = setting.value.text;
  }
  if (name != "none" && !all.has(name)) all.named.push_back(name);
}

Iommus iommus_of(const Scenario& scenario) {
  Iommus all;
  for (const Step& step : scenario.steps) {
    const auto* declare = std::get_if<Declare>(&step.what);
    if (declare == nullptr) continue;
    if (declare->kind == Declare::Kind::dev) add_device(all, *declare);
    if (declare->kind != Declare::Kind::world) continue;
    for (const Setting& setting : declare->settings) {
      if (setting.key.text == "iommus") all.count = parse_number(setting.value.text);
    }
  }
  return all;
}

/// What is wrong with a device's; empty: nothing.
std::string wrong_of_device(const Iommus& all, std::string_view name) {
  const auto number = number_of(name);
  if (all.count && number && *number >= *all.count) {
    return fmt::format("there is no such IOMMU: {}; they are I0 to I{}", all.text(),
                       *all.count - 1);
  }
  if (all.count) {
    if (all.named.size() <= *all.count) return {};
    return fmt::format("there is no such IOMMU: {}, and devices name {}; say iommus={}", all.text(),
                       fmt::join(all.named, ", "), all.named.size());
  }
  for (u64 i = 0; number && i < *number; ++i) {
    if (all.has(fmt::format("I{}", i))) continue;
    return fmt::format(
        "there is no such IOMMU: no device is on I{}; name them from I0 on, or say world iommus={}",
        i, *number + 1);
  }
  return {};
}

/// Of a domain that is made for one: of another kind than has a parent.
const Value* iommu_of_domain(const Step& step) {
  const auto* invoke = std::get_if<Invoke>(&step.what);
  if (invoke == nullptr || invoke->call.text != "domain_alloc") return nullptr;
  if (invoke->arguments.size() < 2 || invoke->arguments[0].kind != Value::Kind::word) {
    return nullptr;
  }
  const std::string& kind = invoke->arguments[0].word;
  const bool has_parent = kind == "dynamic" || kind == "nested" || kind == "nested_pasid";
  return has_parent ? nullptr : &invoke->arguments[1];
}

}  // namespace

std::optional<Error> check_iommus(const Scenario& scenario, std::string_view file) {
  const Iommus all = iommus_of(scenario);
  for (const Step& step : scenario.steps) {
    if (const auto* declare = std::get_if<Declare>(&step.what)) {
      for (const Setting& setting : declare->settings) {
        const Name& value = setting.value;
        if (declare->kind == Declare::Kind::world && setting.key.text == "iommus") {
          const auto count = parse_number(value.text);
          if (!count || *count < 1 || *count > 64) {
            return bad(file, value.place, value.text, "expected a number from 1 to 64");
          }
        }
        if (declare->kind != Declare::Kind::dev || setting.key.text != "iommu") continue;
        const std::string wrong = value.text == "none" ? "" : wrong_of_device(all, value.text);
        if (!wrong.empty()) return bad(file, value.place, value.text, wrong);
      }
      continue;
    }
    const Value* its = iommu_of_domain(step);
    if (its == nullptr) continue;
    const auto number = number_of(its->word);
    const bool without_devices = all.count && number && *number < *all.count;
    if (all.has(its->word) || without_devices) continue;
    return bad(file, its->place, its->word, fmt::format("there is no such IOMMU: {}", all.text()));
  }
  return std::nullopt;
}

}  // namespace iommucheck::scenario
