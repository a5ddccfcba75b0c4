// SPDX-License-Identifier: MIT
// Runs scenarios. Each is run once for every order of its races, from a machine that was just
// booted; nothing is carried over.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "scenario/format/ast.h"
#include "scenario/run/subject.h"

namespace iommucheck::oracle::stories {

struct StepFailure {
  scenario::Place place;
  std::string step;  ///< as it is written
  std::string expected;
  std::string observed;
  std::vector<std::string> evidence;
  /// The first rule that the subject broke; none: what the scenario itself expects did not come.
  std::optional<spec::Rule> rule{};
};

struct ScenarioResult {
  enum class Status : u8 {
    passed,
    failed,
    needs,      ///< something that is not built: neither passed nor failed
    undecided,  ///< nothing was found, and a bound of the specification was hit, or nothing asked
  };
  Status status = Status::passed;
  std::vector<std::string> needs;  ///< names of calls and facilities, each once
  std::optional<StepFailure> failure;
  std::string bound;            ///< of `undecided`
  std::set<spec::Rule> blamed;  ///< what the caller has broken where `blame caller` says so
  u32 runs = 0;                 ///< orders of races that were run
  double seconds = 0;
};

struct ScenarioOptions {
  std::function<std::unique_ptr<Subject>()> make_subject;
  std::string trace;                    ///< path for the trace of a failure; empty: none
  bool trace_all = false;               ///< and of what passes (of the last order of its races)
  spec::sva::AnswerLog* log = nullptr;  ///< of the answers that it shows; null: nobody wants it
  /// For scenarios of the second backend; empty: make_subject, which then says what it needs.
  std::function<std::unique_ptr<Subject>()> make_second{};
  std::function<void()> before_step{};  ///< a sign of life; may be empty
  /// Faults of a probe that the interface does not promise make its set too wide as well, where no
  /// hardware answers.
  bool exact_faults = false;
};

/// One that does not say whose its PASID tables are is run with tables of each device where the
/// subject has no others, if the interface's specification holds there too.
ScenarioResult run_scenario(const scenario::Scenario& scenario, const ScenarioOptions& options);

}  // namespace iommucheck::oracle::stories
