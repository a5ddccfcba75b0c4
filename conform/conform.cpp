// SPDX-License-Identifier: MIT
#include "conform/conform.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <filesystem>
#include <utility>

#include "base/clock.h"
#include "conform/asked_device.h"
#include "conform/case_of_trace.h"
#include "conform/case_pool.h"
#include "conform/cases/directed.h"
#include "conform/default_known.h"
#include "conform/found_files.h"
#include "conform/known_of_device.h"
#include "conform/run_findings.h"
#include "conform/shared_causes.h"
#include "conform/verdicts.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

/// Of so many random cases one is run without its invalidations, too, which may take the judge as
/// long as hundreds of cases.
constexpr u64 counted_of = 32;

/// A run: which cases, in which order, and what is counted. What they show is RunFindings'.
class Conform {
 public:
  Conform(std::span<DeviceUnderTest* const> devices, const ConformOptions& options)
      : asked_(*devices.front()),
        others_(devices.subspan(1)),
        identity_(devices.front()->identity()),
        options_(options),
        began_(Clock::now()),
        files_(identity_, options.device, options.report),
        findings_(asked_, known_, files_) {
    result_.device = identity_.name;
    result_.version = identity_.version;
    result_.opened = options.device;
    result_.seed = options.seed;
    result_.given_as = options.given_as;
    result_.from = options.from;
  }

  Expected<ConformResult> run() {
    if (auto ok = load_known(); !ok) return std::unexpected(ok.error());
    if (!options_.replay.empty()) {
      if (auto ok = replay(options_.replay, nullptr); !ok) return std::unexpected(ok.error());
      result_.replayed = 1;
      return finish();
    }
    if (options_.one_case) {
      if (auto ok = run_one(*options_.one_case); !ok) return std::unexpected(ok.error());
      if (auto ok = find_causes(); !ok) return std::unexpected(ok.error());
      return finish();
    }
    for (const KnownFinding& known : known_.file().entries) {
      if (!options_.only.empty() || options_.given) break;
      const std::string trace = known_.file().trace_path(known);
      if (std::error_code error; !std::filesystem::exists(trace, error)) {
        return fail(ErrorCode::bad_input,
                    fmt::format("{}: the trace of '{}' has to be {}: --out DIR writes the file and "
                                "a folder of its name",
                                known_.file().path, known.id, trace));
      }
      if (auto ok = replay(trace, &known); !ok) {
        return std::unexpected(ok.error());
      }
    }
    auto ran = options_.given ? run_given() : run_cases();
    if (!ran) return std::unexpected(ran.error());
    if (auto ok = find_causes(); !ok) return std::unexpected(ok.error());
    return finish();
  }

 private:
  Expected<void> load_known() {
    std::string path;
    if (options_.use_known) {
      path = options_.known.empty() ? default_known(identity_) : options_.known;
    }
    auto known = KnownOfDevice::of(identity_, path);
    if (!known) return std::unexpected(known.error());
    known_ = std::move(*known);
    result_.known_file = std::move(path);
    return {};
  }

  /// By `only`: a pattern, or the name itself, which may look like one.
  bool wanted(const Case& one) const {
    return options_.only.empty() || one.name == options_.only ||
           ::fnmatch(options_.only.c_str(), one.name.c_str(), 0) == 0;
  }
  bool stopped() {
    if (options_.stop && options_.stop()) result_.stopped = true;
    if (asked_.keeps_dying()) result_.stopped = result_.kept_dying = true;
    return result_.stopped;
  }
  /// Whether random case number `n`, from 0, is run yet.
  bool more(u64 n) const {
    if (options_.cases != 0 && n >= options_.cases) return false;
    return options_.seconds <= 0 ? options_.cases != 0 : seconds_since(began_) < options_.seconds;
  }

  Expected<void> run_one(u64 number) {
    auto result = asked_.worker().run(random_case(identity_, options_.seed, number), true);
    if (!result) return std::unexpected(result.error());
    result_.random = 1;
    return take(*result, false);
  }
  /// Directed cases and then random ones, from one pool: a device that was started anew ends with
  /// the thread that did it.
  Expected<void> run_cases() {
    std::vector<Case> directed = directed_cases(identity_);
    std::erase_if(directed, [&](const Case& one) { return !wanted(one); });
    if (directed.empty() && !options_.only.empty()) {
      return fail(ErrorCode::bad_input,
                  "no directed case has a name like '" + options_.only + "'; --list has them");
    }
    const bool random = options_.random && options_.only.empty();
    CasePool pool(asked_.worker(), others_, [&](u64 n) -> std::optional<CaseJob> {
      if (n < directed.size()) return CaseJob{.what = directed[n], .count = true};
      if (!random || !more(n - directed.size())) return std::nullopt;
      const u64 number = options_.from + n - directed.size();
      return CaseJob{.what = random_case(identity_, options_.seed, number),
                     .count = number % counted_of == 0};
    });
    while (!stopped()) {
      const auto result = pool.next();
      if (!result) break;
      if (!*result) return std::unexpected(result->error());
      const bool of_directed = result_.directed < directed.size();
      ++(of_directed ? result_.directed : result_.random);
      if (of_directed) findings_.ran((*result)->what.name);
      if (auto ok = take(**result, of_directed); !ok) return ok;
    }
    return {};
  }
  Expected<void> run_given() {
    const std::vector<Case>& given = *options_.given;
    CasePool pool(asked_.worker(), others_, [&](u64 n) -> std::optional<CaseJob> {
      if (n >= given.size()) return std::nullopt;
      return CaseJob{.what = given[n], .count = n % counted_of == 0};
    });
    while (!stopped()) {
      const auto result = pool.next();
      if (!result) break;
      if (!*result) return std::unexpected(result->error());
      ++result_.given;
      if (auto ok = take(**result, false); !ok) return ok;
    }
    return {};
  }
  /// New findings by what makes them right; then what hides behind that.
  Expected<void> find_causes() {
    if (!options_.causes || stopped() || findings_.shortest().empty()) return {};
    SharedCauses causes(asked_, findings_, identity_, [&] { return stopped(); });
    const auto groups = causes.find();
    if (!groups) return std::unexpected(groups.error());
    const bool some_alone = !options_.only.empty() || options_.one_case || options_.given;
    if (groups->empty() || some_alone) return {};
    return causes.look_behind(*groups);
  }
  void show_progress() {
    if (!options_.progress) return;
    ConformProgress progress;
    progress.cases = counts_.cases;
    progress.accesses = tally_.numbers.accesses;
    progress.divergences = findings_.all().size();
    progress.seconds = seconds_since(began_);
    progress.fraction_done = options_.seconds > 0 ? progress.seconds / options_.seconds : 0;
    options_.progress(progress);
  }

  void count(const CaseResult& result) {
    ++counts_.cases;
    tally_ += result.tally;
    if (result.tally.gave_up != 0 && result_.bound_at.empty()) {
      result_.bound_at = fmt::format("case {}: {}", result.what.name, result.tally.bound);
    }
    asked_.count_deaths(result);
  }

  /// `directed`: it is a directed case as it is.
  Expected<void> take(const CaseResult& result, bool directed) {
    count(result);
    if (const auto rule = spec::find_rule(result.what.asks)) {
      ++counts_.named[spec::number_of(*rule)];
      if (result.decided()) ++counts_.decided[spec::number_of(*rule)];
    }
    for (const Divergence& one : result.found) {
      if (auto ok = findings_.note(result.what, one, directed); !ok) return ok;
    }
    if (auto ok = findings_.note_deaths(); !ok) return ok;
    show_progress();
    return {};
  }

  /// A trace on this device. `known`: it has to show that divergence.
  Expected<void> replay(const std::string& path, const KnownFinding* known) {
    auto trace = trace::read_trace(path);
    if (!trace) return std::unexpected(trace.error());
    auto what = case_of(*trace, path);
    if (!what) return std::unexpected(what.error());
    auto result = asked_.worker().run(std::move(*what), false);
    if (!result) return std::unexpected(result.error());
    count(*result);
    asked_.forget_unnoted();  // a replay is of one trace alone
    bool there = false;
    for (const Divergence& one : result->found) {
      const KnownFinding* its = known_.excuse(one);
      there |= its != nullptr && its == known;
      findings_.note_replayed(one, path);
    }
    if (known != nullptr && !there && !known_.expired(*known)) result_.vanished.push_back(*known);
    return {};
  }

  Expected<void> write_files() {
    if (!options_.replay.empty()) return {};
    if (auto ok = files_.write_known(known_.file(), result_.vanished, findings_.all()); !ok) {
      return ok;
    }
    if (!options_.only.empty() || options_.given || result_.stopped || result_.directed == 0) {
      return {};
    }
    return files_.write_cases(findings_.shown());
  }

  Expected<ConformResult> finish() {
    if (auto ok = write_files(); !ok) return std::unexpected(ok.error());
    result_.divergences = std::move(findings_.all());
    result_.not_reproduced = std::move(findings_.not_reproduced());
    result_.deaths = asked_.deaths();
    const DeviceRules::Numbers& numbers = tally_.numbers;
    result_.accesses = numbers.accesses;
    result_.records = numbers.records;
    result_.stale_allowed = numbers.stale_allowed;
    result_.open = numbers.open;
    result_.any = numbers.any;
    result_.undetermined = numbers.undetermined;
    result_.gave_up = tally_.gave_up;
    counts_.all_directed = options_.only.empty() && !result_.stopped && result_.directed != 0;
    counts_.broken = findings_.broken();
    result_.rules = device_rule_counts(tally_, counts_, spec::parse_capabilities(identity_.id));
    if (const auto& before = known_.file().id) {
      result_.changed_registers = changed_registers(identity_.id, *before);
      result_.claimed_since = claimed_beyond(identity_.id, *before);
      result_.claimed_no_more = claimed_beyond(*before, identity_.id);
    }
    result_.seconds = seconds_since(began_);
    return std::move(result_);
  }

  AskedDevice asked_;
  std::span<DeviceUnderTest* const> others_;
  const DeviceIdentity identity_;
  const ConformOptions& options_;
  Clock::time_point began_;
  KnownOfDevice known_;
  FoundFiles files_;
  RunFindings findings_;
  ConformResult result_;
  JudgeTally tally_;
  CaseCounts counts_;
};

}  // namespace

std::vector<std::string> case_names(const DeviceUnderTest& device) {
  std::vector<std::string> names;
  for (Case& one : directed_cases(device.identity())) names.push_back(std::move(one.name));
  return names;
}

Expected<ConformResult> run_conform(std::span<DeviceUnderTest* const> devices,
                                    const ConformOptions& options) {
  for (const DeviceUnderTest* device : devices) {
    if (device->identity().id == devices.front()->identity().id) continue;
    return fail(ErrorCode::bad_input, "its ID registers are other ones each time it is opened");
  }
  return Conform(devices, options).run();
}

Expected<ConformResult> run_conform(DeviceUnderTest& device, const ConformOptions& options) {
  DeviceUnderTest* const one = &device;
  return Conform(std::span(&one, 1), options).run();
}

Expected<ConformResult> run_conform(const ConformOptions& options) {
  // One more than jobs: findings are made short while cases go on.
  const u32 wanted = options.jobs > 1 ? options.jobs + 1 : 1;
  std::vector<std::unique_ptr<DeviceUnderTest>> owned;
  std::vector<DeviceUnderTest*> devices;
  for (u32 i = 0; i < wanted; ++i) {
    auto device = open_device(options.device, options.seed, options.hang_seconds, options.states);
    if (!device) return std::unexpected(device.error());
    devices.push_back(device->get());
    owned.push_back(std::move(*device));
  }
  return run_conform(devices, options);
}

}  // namespace iommucheck::oracle
