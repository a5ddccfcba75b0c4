// SPDX-License-Identifier: MIT
// The lockstep check of a driver: random sequences of calls, each judged against the specification.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "check/claims.h"
#include "host/limits.h"
#include "monitor/finding.h"
#include "monitor/rule_verdicts.h"
#include "monitor/verdict.h"
#include "report/known.h"

namespace iommucheck::oracle {

struct GivenCase;      // check/given.h
class DriverCoverage;  // check/driver_coverage.h
class StoreCount;      // host/store_count.h

struct CheckProgress {
  u64 sequences = 0, calls = 0, outcomes = 0, findings = 0;
  double seconds = 0;        ///< since the beginning
  double fraction_done = 0;  ///< 0..1
};

/// How stores of a plug-in are seen.
enum class Precision : u8 {
  precise,  ///< it says each one (or its flags say IOMMUCHECK_DRIVER_SCAN, which is `scan`)
  scan,     ///< memory is compared at each platform call
};
/// What a plug-in's case shares with the cases before it.
enum class Isolation : u8 {
  worker,    ///< a process; arena, statics and table memory are put back
  each_case  ///< nothing: it is forked from a worker that has booted the driver
};

struct CheckOptions {
  std::string driver = "builtin";  ///< or "builtin-per-device", or the path of a plug-in
  /// What the core drives then in the place of an SMMUv3 ("two", or the path of an object behind
  /// backend.h): the driver is a built-in one, by its form of tables. Empty: nothing, it is one.
  std::string backend;
  Precision precision = Precision::precise;
  Isolation isolation = Isolation::worker;
  std::string machine = "default";  ///< see MachinePlan::parse
  RunClaims claims;                 ///< what is not asked, beside what the driver says of itself
  u64 seed = 1;
  u64 sequences = 0;       ///< 0: as many as the time allows
  u64 first_sequence = 0;  ///< number of the first one: goes on where a run was stopped
  double seconds = 0;      ///< 0: as long as the sequences take. Not both 0
  static constexpr u32 operations_usual = 20;
  u32 operations_max = operations_usual;  ///< of one sequence, 1..fuzz::operations_max
  std::string out_directory;              ///< for traces of findings; empty: none are written
  u32 findings_max = 1;                   ///< distinct ones, by rule and kind; then the run ends
  std::vector<u64> told;  ///< keys of findings (finding_kind.h): counted there, and not told again
  /// Findings that neither end the run nor fail it; those that have expired do.
  std::shared_ptr<const KnownFile> known;
  static constexpr std::size_t known_max = 256;
  std::size_t allowed = 0;            ///< the last so many of its entries are no file's (--allow)
  bool strict = false;                ///< a rule that is undetermined leaves the run undecided
  bool identity_window = false;       ///< see LockstepOptions
  u64 steps_max = steps_max_default;  ///< see LockstepOptions
  std::string today;                  ///< YYYY-MM-DD, for what has expired
  /// Run before the random ones, each on every machine; may be null.
  std::shared_ptr<const std::vector<GivenCase>> given;
  bool of_given = false;  ///< the numbers of sequences are those of the given ones
  std::string corpus;     ///< folder: random sequences that show something new are kept there
  u32 corpus_max = 4096;  ///< sequences that it holds at most
  /// Names of features (novelty.h) that are not new any more; may be null.
  std::shared_ptr<const std::set<std::string, std::less<>>> seen;
  static constexpr u32 jobs_max = 256;
  /// Sequences of a part (check/parts.h), at least 1. Each part boots the driver anew, which only
  /// one that leaves something of a case behind can tell.
  u64 part_size = default_part_size;
  static constexpr u64 default_part_size = 2048;  ///< 8 machines have their turn in it
  u32 jobs = 1;  ///< 1..jobs_max processes side by side; the result is the same for any number
  double hang_seconds = 10;                  ///< without progress of a plug-in
  std::shared_ptr<DriverCoverage> coverage;  ///< where it is noted; null: nobody asks
  std::shared_ptr<StoreCount> store_count;   ///< of its stores; null: nobody asks
  bool shrink = true;
  std::function<void(const CheckProgress&)> progress;  ///< about ten times a second; may be empty
  std::function<void(const Violation&)> found;  ///< each finding when it is there; may be empty
  std::function<bool()> stop;  ///< asked between sequences; true ends the run, kept
};

/// What is under test, as a command line names it.
inline const std::string& subject_of(const CheckOptions& options) {
  return options.backend.empty() ? options.driver : options.backend;
}

/// One of the machines of a run.
struct MachineUsed {
  std::string text;      ///< see machine_text
  bool refused = false;  ///< the driver said that it is not for it; then nothing ran there
  std::string instead;   ///< which one stood by and came in its place, if one did
};

/// An entry of the file of known findings, and what became of it.
struct KnownSeen {
  KnownFinding entry;
  u64 times = 0;
  bool expired = false;
};

/// What a run made of its corpus.
struct CorpusResult {
  u64 features = 0;                    ///< that its sequences and the new ones show
  std::vector<std::string> kept;       ///< files that were written
  u64 not_kept = 0;                    ///< that were new, and the corpus was full
  std::vector<std::string> seen;       ///< the features that are new, by name
  std::vector<std::string> redundant;  ///< given files that show nothing that others before do not
};

struct CheckResult {
  std::string driver_name;
  std::vector<MachineUsed> machines;
  std::vector<std::string> not_met;  ///< what only machines have that the driver refused, in words
  u64 seed = 0;
  u64 sequences = 0, calls = 0, calls_succeeded = 0;
  u64 given = 0;            ///< of these sequences
  u64 calls_changing = 0;   ///< successful, and they changed something
  u64 accesses_judged = 0;  ///< accesses for which all outcomes were compared with the promise
  u64 outcomes_judged = 0;
  double seconds = 0;
  bool stopped = false;   ///< by options.stop
  u64 next_sequence = 0;  ///< all before it were run: where to go on
  /// Why the run ended before its sequences and findings were reached, in words; empty otherwise.
  std::string ended_early;
  std::vector<RuleCount> rules;
  std::string scope;       ///< what was judged, in words: "stage 1, no PASID, no ATS"
  NotClaimed not_claimed;  ///< by the driver or by the run
  NotClaimed shown;        ///< of these: by nobody, but by the driver's answers
  std::vector<Violation> findings;
  std::vector<KnownSeen> known;  ///< in the file's order
  CorpusResult corpus;
  std::vector<GaveUp> gave_up;         ///< the first by a bound, and by what is not modelled
  u64 without_verdict = 0;             ///< sequences, for the one reason or the other
  u64 cut_short = 0;                   ///< sequences, by what is known: nothing goes on behind it
  u64 unmodelled = 0;                  ///< of these for the other
  bool uses_secure_registers = false;  ///< in its boot: they are not there, and not judged
  std::vector<std::string> read_only_written;  ///< registers, in its boot: nothing comes of it
  std::vector<std::string> not_looked_at;      ///< what the driver claims and nobody saw, in words
  std::string not_built;                       ///< the calls that were so now and then, in words
  std::vector<std::string> declined;           ///< what the driver always refused, in words
  std::vector<std::string> not_possible;       ///< the calls that never could have been done
  std::vector<std::string> environment;  ///< what the machine kept from being looked at, in words
};

/// Errors: bad_input for options or a plug-in that cannot be used, environment for files.
Expected<CheckResult> run_check(const CheckOptions& options);

/// The rules that the run leaves open: undetermined, and not as known.
std::vector<spec::Rule> open_rules(const CheckResult& result);

/// The facts that the verdict of the run stands on.
RunEnd end_of(const CheckOptions& asked, const CheckResult& result);

}  // namespace iommucheck::oracle
