// SPDX-License-Identifier: MIT
// What a set of scenarios shows of the interface: for each call that is built every answer that it
// may give (status and reason, spec/sva/answers.def), and how it may end while something else
// happens; by which scenario it is shown, or why by none (unshown.def).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scenario/format/ast.h"
#include "spec/sva/interface.h"

namespace iommucheck::oracle::stories {

/// What there is to show: a reason for which a call may answer, or how it may end while something
/// happens.
struct Cell {
  spec::sva::CallKind call{};
  std::optional<spec::sva::Reason> reason{};
  spec::sva::During when{};  ///< without a reason
  spec::sva::Ended how{};
  friend bool operator==(const Cell&, const Cell&) = default;
};

/// Of all calls that are built, in the order of base/calls.def.
std::vector<Cell> all_cells();

struct CoverageLine {
  std::string call;
  std::string answer;   ///< "EINVAL: no such domain", or "during an exit: ok"
  std::string shown;    ///< id of a scenario; empty: by none
  std::string why;      ///< of what none shows; empty: nobody says
  bool beside = false;  ///< it is no answer: how the call ends while something happens
  [[nodiscard]] bool explained() const { return !shown.empty() || !why.empty(); }
};

/// One for each cell.
std::vector<CoverageLine> coverage_of(const spec::sva::AnswerLog& log);

/// An entry of unshown.def.
struct Unshown {
  Cell cell;
  std::string_view why;
};
std::span<const Unshown> unshown();
/// Those that say why none shows what some scenario shows, or what no call answers.
std::vector<Unshown> idle_reasons(const spec::sva::AnswerLog& log);

/// Runs it on the builtin driver in each of its forms, and tells `log`.
void log_scenario(const scenario::Scenario& scenario, spec::sva::AnswerLog& log);

}  // namespace iommucheck::oracle::stories
