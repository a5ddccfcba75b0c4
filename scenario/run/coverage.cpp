// SPDX-License-Identifier: MIT
#include "scenario/run/coverage.h"

#include <algorithm>
#include <utility>

#include "scenario/run/driver_subject.h"
#include "scenario/run/own_tables.h"
#include "scenario/run/runner.h"

namespace iommucheck::oracle::stories {
namespace {

using spec::sva::AnswerLog;
using spec::sva::CallKind;
using spec::sva::During;
using spec::sva::Ended;
using spec::sva::Reason;
using spec::sva::Status;

constexpr Unshown entries[] = {
#define UNSHOWN(of, what, why) \
  {{.call = CallKind::of, .reason = Reason::what, .when = {}, .how = {}}, why},
#define UNSHOWN_DURING(of, what, ended, why) \
  {{.call = CallKind::of, .reason = {}, .when = During::what, .how = Ended::ended}, why},
#include "scenario/run/unshown.def"
#undef UNSHOWN
#undef UNSHOWN_DURING
};

constexpr std::string_view during_names[] = {"with a stuck queue", "during an exit"};
static_assert(std::size(during_names) == static_cast<std::size_t>(During::count));

/// An error that has nothing to do with what happens meanwhile.
bool is_refusal(Reason reason) {
  const Status status = spec::sva::status_of(reason);
  return spec::sva::has_own_status(reason) && status != Status::ok && status != Status::not_built &&
         status != Status::enomem && status != Status::etimedout;
}

std::string text_of(const Cell& cell) {
  if (!cell.reason) {
    return std::string(during_names[static_cast<std::size_t>(cell.when)]) +
           (cell.how == Ended::well ? ": ok" : ": an error");
  }
  std::string text = spec::sva::has_own_status(*cell.reason)
                         ? spec::sva::status_text(spec::sva::status_of(*cell.reason))
                         : "any";
  const std::string reason = spec::sva::reason_text(*cell.reason);
  return reason.empty() ? text : text + ": " + reason;
}

std::string shown_by(const AnswerLog& log, const Cell& cell) {
  if (cell.reason) {
    const auto at = log.answers.find({cell.call, *cell.reason});
    return at == log.answers.end() ? "" : at->second;
  }
  const auto at = log.during.find({cell.call, cell.when, cell.how});
  return at == log.during.end() ? "" : at->second;
}

const Unshown* why_not(const Cell& cell) {
  const auto* at = std::ranges::find(entries, cell, &Unshown::cell);
  return at == std::end(entries) ? nullptr : at;
}

}  // namespace

std::vector<Cell> all_cells() {
  std::vector<Cell> cells;
  for (u32 i = 0; i < spec::sva::call_count(); ++i) {
    const auto call = static_cast<CallKind>(i);
    if (!spec::sva::call_is_built(call)) continue;
    bool well = false;
    bool refused = false;
    for (const Reason reason : spec::sva::reasons_of(call)) {
      const Status status = spec::sva::status_of(reason);
      if (status == Status::not_built) continue;
      cells.push_back({.call = call, .reason = reason, .when = {}, .how = {}});
      well |= status == Status::ok && spec::sva::has_own_status(reason);
      refused |= is_refusal(reason);
    }
    for (const During when : {During::stuck, During::exit}) {
      for (const Ended how : {Ended::well, Ended::refused}) {
        if (!(how == Ended::well ? well : refused)) continue;
        cells.push_back({.call = call, .reason = {}, .when = when, .how = how});
      }
    }
  }
  return cells;
}

std::vector<CoverageLine> coverage_of(const AnswerLog& log) {
  std::vector<CoverageLine> lines;
  for (const Cell& cell : all_cells()) {
    CoverageLine line{std::string(spec::sva::call_name(cell.call)),
                      text_of(cell),
                      shown_by(log, cell),
                      {},
                      !cell.reason};
    const Unshown* known = line.shown.empty() ? why_not(cell) : nullptr;
    if (known != nullptr) line.why = known->why;
    lines.push_back(std::move(line));
  }
  return lines;
}

std::span<const Unshown> unshown() { return entries; }

std::vector<Unshown> idle_reasons(const AnswerLog& log) {
  const std::vector<Cell> cells = all_cells();
  std::vector<Unshown> idle;
  for (const Unshown& one : entries) {
    const bool is_cell = std::ranges::find(cells, one.cell) != cells.end();
    if (!is_cell || !shown_by(log, one.cell).empty()) idle.push_back(one);
  }
  return idle;
}

/// What a story of shared tables does not show in the other form it leaves out from there on.
void log_scenario(const scenario::Scenario& scenario, AnswerLog& log) {
  const ScenarioOptions options{.make_subject = make_builtin_subject, .trace = {}, .log = &log};
  run_scenario(scenario, options);
  if (const auto changed = with_own_tables(scenario)) run_scenario(*changed, options);
}

}  // namespace iommucheck::oracle::stories
