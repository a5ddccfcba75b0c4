// SPDX-License-Identifier: MIT
#include "scenario/run/coverage.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/call_arguments.h"
#include "scenario/run/driver_subject.h"
#include "scenario/run/runner.h"

namespace iommucheck::oracle::stories {
namespace {

using spec::sva::AnswerLog;
using spec::sva::CallKind;
using spec::sva::During;

constexpr Unshown entries[] = {
#define UNSHOWN(call, status, what, why) {call, status, what, why},
#include "scenario/run/unshown.def"
#undef UNSHOWN
};

constexpr std::string_view during_names[] = {"without memory", "with a stuck queue",
                                             "while its device vanishes", "during an exit"};
static_assert(std::size(during_names) == static_cast<std::size_t>(During::count));

bool fits(std::string_view pattern, std::string_view text) {
  return pattern == "*" || pattern == text;
}

const Unshown* why_not(std::string_view call, std::string_view status, std::string_view what) {
  const auto* at = std::ranges::find_if(entries, [&](const Unshown& one) {
    return fits(one.call, call) && fits(one.status, status) && fits(one.what, what);
  });
  return at == std::end(entries) ? nullptr : at;
}

/// For a handler: meanwhile its device may vanish. Of the others the driver is in one at a time.
bool waits(CallKind kind) { return spec::sva::ends_bonds(kind) || kind == CallKind::unbind_task; }

/// visit(call, status, what, shown) for each answer and each circumstance of the calls that are
/// built.
template <class Visit>
void for_each_cell(const AnswerLog& log, Visit visit) {
  for (u32 i = 0; i < spec::sva::call_count(); ++i) {
    const auto kind = static_cast<CallKind>(i);
    if (!spec::sva::call_is_built(kind)) continue;
    const std::string call(spec::sva::call_name(kind));
    bool any = false;
    for (const auto& [answer, shown] : log.answers) {
      if (answer.call != kind || answer.status == spec::sva::Status::not_built) continue;
      any = true;
      visit(call, spec::sva::status_text(answer.status), answer.reason, shown);
    }
    if (!any) visit(call, "any", std::string("no scenario has it"), std::string());
    const auto at = log.during.find(kind);
    for (std::size_t n = 0; n < std::size(during_names); ++n) {
      if (static_cast<During>(n) == During::removal && !waits(kind)) continue;
      visit(call, "during", std::string(during_names[n]),
            at == log.during.end() ? std::string() : at->second[n]);
    }
  }
}

}  // namespace

std::vector<CoverageLine> coverage_of(const AnswerLog& log) {
  std::vector<CoverageLine> lines;
  for_each_cell(log, [&](const std::string& call, const std::string& status,
                         const std::string& what, const std::string& shown) {
    CoverageLine line{call, status == "during" ? what : status, shown, {}};
    if (status != "during" && !what.empty()) line.answer += ": " + what;
    const Unshown* known = shown.empty() ? why_not(call, status, what) : nullptr;
    if (known != nullptr) line.why = known->why;
    lines.push_back(std::move(line));
  });
  return lines;
}

std::span<const Unshown> unshown() { return entries; }

std::vector<Unshown> idle_reasons(const AnswerLog& log) {
  std::array<bool, std::size(entries)> used{};
  std::array<bool, std::size(entries)> needless{};
  for_each_cell(log, [&](const std::string& call, const std::string& status,
                         const std::string& what, const std::string& shown) {
    const Unshown* known = why_not(call, status, what);
    if (known == nullptr) return;
    (shown.empty() ? used : needless)[static_cast<std::size_t>(known - entries)] = true;
  });
  std::vector<Unshown> idle;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (needless[i] && !used[i]) idle.push_back(entries[i]);
  }
  return idle;
}

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

/// What a story of shared tables does not show in the other form it leaves out from there on.
void log_scenario(const scenario::Scenario& scenario, AnswerLog& log) {
  const ScenarioOptions options{.make_subject = make_builtin_subject, .trace = {}, .log = &log};
  run_scenario(scenario, options);
  if (const auto changed = with_own_tables(scenario)) run_scenario(*changed, options);
}

}  // namespace iommucheck::oracle::stories
