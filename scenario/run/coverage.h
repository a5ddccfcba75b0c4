// SPDX-License-Identifier: MIT
// What a set of scenarios shows of the interface: for each call that is built every answer that the
// specification permitted (status and reason), and what happens in the middle of calls; by which
// scenario it is shown, or why by none (unshown.def).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scenario/format/ast.h"
#include "spec/sva/interface.h"

namespace iommucheck::oracle::stories {

struct CoverageLine {
  std::string call;
  std::string answer;  ///< "EINVAL: no such domain", or "during an exit"
  std::string shown;   ///< id of a scenario; empty: by none
  std::string why;     ///< of what none shows; empty: nobody says
  [[nodiscard]] bool explained() const { return !shown.empty() || !why.empty(); }
};

/// In the order of base/calls.def.
std::vector<CoverageLine> coverage_of(const spec::sva::AnswerLog& log);

/// An entry of unshown.def. "*" stands for anything; `what` is a reason, or of the status "during"
/// what happens.
struct Unshown {
  std::string_view call;
  std::string_view status;
  std::string_view what;
  std::string_view why;
};
std::span<const Unshown> unshown();
/// Those that say why none shows what some scenario shows.
std::vector<Unshown> idle_reasons(const spec::sva::AnswerLog& log);

/// The scenario in a world with tables of each device; nullopt where it says whose they are.
std::optional<scenario::Scenario> with_own_tables(const scenario::Scenario& scenario);

/// Runs it on the builtin driver in each of its forms, and tells `log`.
void log_scenario(const scenario::Scenario& scenario, spec::sva::AnswerLog& log);

}  // namespace iommucheck::oracle::stories
