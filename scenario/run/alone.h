// SPDX-License-Identifier: MIT
// A scenario in a process of its own, which may crash or hang: what came of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "scenario/format/ast.h"
#include "scenario/run/runner.h"

namespace iommucheck::oracle::stories {

/// Who makes subjects in a process of its own.
struct Subjects {
  std::function<std::unique_ptr<Subject>()> make;
  const void* code = nullptr;  ///< an address within the object that is under test; null: none
  std::string path{};          ///< of that object
};
/// Of a backend, which is loaded into this process. bad_input.
Expected<Subjects> subjects_of_backend(const std::string& backend);

struct AloneOptions {
  /// Called in that process. An error is the subject's that cannot be made: every run's.
  std::function<Expected<Subjects>()> subjects;
  double hang_seconds = 5;  ///< in one step
  std::function<bool()> stop{};
  std::string trace{};     ///< see ScenarioOptions
  bool trace_all = false;  ///< likewise
};

/// A result of run_scenario(); a crash is a broken CRASH_NEVER, a hang a broken HANG_RETURNS, with
/// no step. Errors: those of `subjects`; environment if there is no process, or it was ended
/// from outside; unsupported if it was asked to stop.
Expected<ScenarioResult> run_alone(const scenario::Scenario& scenario, const AloneOptions& options);

}  // namespace iommucheck::oracle::stories
