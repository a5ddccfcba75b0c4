// SPDX-License-Identifier: MIT
// Cases in a process of their own, from the driver's boot on: what a finding is worth.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "backends/named.h"
#include "check/cases.h"
#include "check/check.h"
#include "host/load.h"
#include "host/segments.h"
#include "process/isolate.h"

namespace iommucheck::oracle {

/// A plug-in in this process, with its static variables if it has any.
struct LoadedPlugin {
  std::optional<Plugin> plugin;                ///< none: the driver is a built-in one
  const iommucheck_driver* builtin = nullptr;  ///< that one, or the core
  std::optional<NamedBackend> backend;         ///< what that drives; none: an SMMUv3
  std::unique_ptr<Segments> segments;

  [[nodiscard]] const iommucheck_driver& driver() const;
  /// Whose code it is, in case that it crashes.
  void tell(SharedReport& report, const std::string& path) const;
  /// What a lockstep needs to know of it.
  void put_into(LockstepOptions& options) const {
    options.segments = segments.get();
    options.backend = backend ? &*backend : nullptr;
  }
};

/// `options` has driver and backend. bad_input.
Expected<LoadedPlugin> load_plugin(const CheckOptions& options);

/// LockstepOptions::on_step of a worker: it counts as progress of its SharedReport.
void sign_of_life(void* report);

/// Of a driver that did not return: by which signal, with which exit status, or that it hangs.
FindingKind kind_of_end(const Outcome& outcome, std::string_view doing);
/// Whether it is that a driver ended so, whatever it was doing.
bool is_of_end(const FindingKind& kind, const Outcome& outcome);

/// Whether `finding` is that a driver ended so.
bool tells_of(const Finding& finding, const Outcome& outcome);

struct Alone {
  Outcome outcome;
  u64 hash = 0;                   ///< of the last case's events
  std::optional<Finding> broken;  ///< of the last case, the first
};

/// `options` has driver, machine (one, not "drawn"), precision, seed and stop. `trace_path` gets
/// the trace, each event as it happens; empty: nobody does. environment if there is no process;
/// bad_input where the driver cannot be loaded or does not come up.
Expected<Alone> run_alone(const CheckOptions& options, std::span<const Sequence> cases,
                          const std::string& trace_path, double hang_seconds);

/// The first of the cases that does something else behind the ones before it than alone; nothing if
/// all do the same, or the driver did not live to tell. Errors: as run_alone.
Expected<std::optional<std::size_t>> first_that_differs(const CheckOptions& options,
                                                        std::span<const Sequence> cases);

/// The cases that a trace of `check` names in its header, run again. bad_input if it names none.
struct CasesAgain {
  std::size_t cases = 0;
  Alone end;
};
Expected<CasesAgain> run_cases_of(const std::string& trace, const CheckOptions& options);

}  // namespace iommucheck::oracle
