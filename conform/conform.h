// SPDX-License-Identifier: MIT
// A device under test against the specification, rule by rule. docs/conform.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "conform/case.h"
#include "conform/dut/device.h"
#include "conform/found_divergence.h"
#include "conform/open_device.h"
#include "monitor/rule_verdicts.h"
#include "monitor/verdict.h"
#include "report/known.h"

namespace iommucheck::oracle {

struct ConformProgress {
  u64 cases = 0, accesses = 0, divergences = 0;
  double seconds = 0, fraction_done = 0;
};

struct ConformOptions {
  /// "spec", "fast", "qemu", "qemu:PATH OPTIONS", the path of a shared object, "exec:COMMAND",
  /// "unix:PATH"
  std::string device = "spec";
  u64 seed = 1;
  double seconds = 60;          ///< for all of it; directed cases are finished in any case
  u64 cases = 0;                ///< random cases at most; 0: what the time allows
  bool random = true;           ///< false: directed cases and known traces alone
  std::string only;             ///< directed cases whose name this pattern fits, and nothing else
  std::optional<u64> one_case;  ///< the random case of that number, and nothing else
  u64 from = 0;                 ///< number of the first random case: to go on with a run
  /// In the place of directed and random cases, whatever the time; null: these.
  std::shared_ptr<const std::vector<Case>> given;
  std::string given_as;     ///< how a command line asks for these: "--driver builtin --cases 100"
  u32 jobs = 1;             ///< devices side by side; the result is the same for any number
  bool causes = true;       ///< what is new is grouped by what makes it right
  double hang_seconds = 5;  ///< a device behind the door that does not answer for so long hangs
  std::string known;        ///< a file, or empty: the one that fits the device, if there is one
  bool use_known = true;
  std::string report;  ///< folder for traces and the file as it would be now; or empty
  std::string replay;  ///< a trace: only that
  /// What a device of these ID registers states: it is judged by that. Empty: nothing.
  Stating states;
  std::function<void(const ConformProgress&)> progress;
  std::function<bool()> stop;
};

struct ConformResult {
  std::string device, version;
  std::string opened;  ///< the option that named it
  std::string given_as;
  std::string known_file;
  u64 seed = 0;
  u64 directed = 0, random = 0, given = 0;
  u64 replayed = 0;  ///< traces, by ConformOptions::replay
  u64 from = 0;      ///< number of the first random case
  u64 accesses = 0, records = 0, commands = 0;
  u64 stale_allowed =
      0;  ///< accesses whose outcome memory did not explain any more, and legal caches did
  u64 open = 0, any = 0, undetermined = 0;
  u64 deaths = 0;
  u64 gave_up = 0;         ///< cases in which a bound of the specification was hit
  std::string bound_at{};  ///< the first of them, and which bound
  double seconds = 0;
  bool stopped = false;
  bool kept_dying = false;  ///< that is why
  std::vector<RuleCount> rules;
  std::vector<FoundDivergence> divergences;
  /// What was seen and did not show again in its case alone: device or harness is not
  /// deterministic.
  std::vector<FoundDivergence> not_reproduced;
  std::vector<KnownFinding> vanished;
  /// ID registers that are other ones than in the file of known divergences; rules that ask
  /// something since, and rules that do no more.
  std::vector<std::string> changed_registers;
  std::vector<spec::Rule> claimed_since, claimed_no_more;
  [[nodiscard]] bool held() const;
};

/// Names of the directed cases of that device, in their order.
std::vector<std::string> case_names(const DeviceUnderTest& device);

/// Errors: bad_input for options and files, environment for a device that does not come up.
Expected<ConformResult> run_conform(const ConformOptions& options);
/// The same with a device of the caller's (tests); `options.device` names it only.
Expected<ConformResult> run_conform(DeviceUnderTest& device, const ConformOptions& options);
/// With several that are the same: cases run on the second and those behind it side by side, and
/// findings are made short on the first. bad_input, if they are not the same.
Expected<ConformResult> run_conform(std::span<DeviceUnderTest* const> devices,
                                    const ConformOptions& options);

/// That were run, of all kinds.
u64 cases_of(const ConformResult& result);
/// The facts that the verdict of the run stands on.
RunEnd end_of(const ConformResult& result);

}  // namespace iommucheck::oracle
