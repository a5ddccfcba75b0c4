// SPDX-License-Identifier: MIT
#include "matrix/driver_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "check/alone.h"
#include "check/mix.h"
#include "matrix/device_machine.h"
#include "matrix/recorder.h"
#include "process/isolate.h"
#include "spec/rules/interface.h"

namespace iommucheck::oracle {

namespace {

namespace rule = spec::rule;

/// Sequences of one worker, whose steps have room on the tape.
constexpr u64 batch = 16;
constexpr std::size_t tape_bytes = std::size_t{64} << 20;
/// A driver that never lives long would keep us here for ever.
constexpr u64 deaths_max = 64, hangs_max = 3;

class Cases {
 public:
  Cases(const DriverRun& run, const DeviceIdentity& device, DeviceMachine machine, Tape tape,
        SharedReport report)
      : run_(run),
        device_(device),
        machine_(std::move(machine)),
        tape_(std::move(tape)),
        report_(std::move(report)) {
    check_.driver = run.driver;
  }

  Expected<DriverCases> take() {
    const u64 end = run_.given.size() + run_.sequences;
    u64 deaths = 0, hangs = 0;
    for (u64 next = 0; next < end;) {
      tape_.clear();
      report_.end_sequence();
      const u64 until = std::min(end, next + batch);
      const auto outcome = run_isolated(report_, [&] { return work(next, until); },
                                        {.hang_seconds = run_.hang_seconds, .stop = run_.stop});
      if (!outcome) return std::unexpected(outcome.error());
      if (outcome->ended == Ended::stopped) {
        result_.ended_early = "stopped";
        break;
      }
      if (auto ok = gather(); !ok) return std::unexpected(ok.error());
      const bool begun = report_.sequence().running;
      if (outcome->ended != Ended::returned) {
        if (auto ok = died(*outcome); !ok) return std::unexpected(ok.error());
        hangs += outcome->ended == Ended::timed_out ? 1 : 0;
      }
      if (!begun || result_.sequences == 0) break;  // it does not come up
      // A driver that went wild may have written there, too.
      const u64 died_in = std::clamp(report_.sequence().number, next, until - 1);
      next = outcome->ended == Ended::returned ? until : died_in + 1;
      deaths += outcome->ended != Ended::returned ? 1 : 0;
      if ((deaths == deaths_max || hangs == hangs_max) && next < end) {
        result_.ended_early = fmt::format("after {} ends of the driver's process", deaths);
        break;
      }
    }
    return std::move(result_);
  }

 private:
  int work(u64 first, u64 end) {
    const auto loaded = load_plugin(check_);
    if (!loaded) {
      tape_.put_text(static_cast<u64>(Taped::failed), loaded.error().message);
      return 1;
    }
    loaded->tell(report_, run_.driver);
    RecorderOptions options;
    options.driver = &loaded->driver();
    options.device = &device_;
    options.seed = run_.seed;
    LockstepOptions& lockstep = options.lockstep;
    lockstep.machine = machine_.machine;
    lockstep.place = machine_.place;
    lockstep.seed = run_.seed;
    loaded->put_into(lockstep);
    lockstep.claims.besides.add(Claim::time_outs);
    lockstep.guard_window = true;
    lockstep.on_step = sign_of_life;
    lockstep.step_context = &report_;
    options.sequence = [this](u64 number, u64 abilities) { return sequence(number, abilities); };
    options.first = first;
    options.end = end;
    record_sequences(options, tape_, [this](u64 number) { report_.begin_sequence(number, {}); });
    return 0;
  }

  [[nodiscard]] Sequence sequence(u64 number, u64 abilities) const {
    Sequence made;
    if (number < run_.given.size()) {
      made = run_.given[number];
    } else {
      make_sequence(run_.seed, number - run_.given.size(), check_.operations_max, made,
                    Mix::useful(abilities));
    }
    std::erase_if(made.operations, [&](const auto& operation) { return !is_judged(operation); });
    return made;
  }
  /// Where both stages translate, what caches hold of dirty state is not followed
  /// (docs/conform.md). An access of the SMMU to its queues aborts in the specification alone: what
  /// the driver acknowledges would be an error that the device under test has not. IHI 0070 6.3.20.
  [[nodiscard]] bool is_judged(const fuzz::Operation& operation) const {
    const bool aborts = operation.kind == fuzz::OperationKind::hardware &&
                        operation.variant == static_cast<u16>(fuzz::HardwareKind::abort);
    if (aborts) return false;
    const spec::Capabilities& caps = machine_.machine.caps;
    return operation.kind != fuzz::OperationKind::dirty || caps.httu < 2 || !(caps.s1p && caps.s2p);
  }
  [[nodiscard]] std::string name_of(u64 number) const {
    if (number < run_.given.size()) return fmt::format("sequence {} of the corpus", number);
    return fmt::format("sequence {} of seed {}", number - run_.given.size(), run_.seed);
  }

  // ---- what is on the tape ----------------------------------------------------------------------

  Expected<void> gather() {
    Gathered gathered;
    for (const Tape::Record& record : tape_.records()) {
      if (static_cast<Taped>(record.kind) == Taped::failed) {
        return fail(ErrorCode::bad_input, Tape::text_of(record));
      }
      take(record, gathered);
    }
    keep(std::move(gathered.now));
    return {};
  }
  /// Between records.
  struct Gathered {
    Case boot;
    std::optional<Case> now = std::nullopt;
    std::string name = "its boot";
  };
  void take(const Tape::Record& record, Gathered& gathered) {
    Case& boot = gathered.boot;
    const auto word = [&](std::size_t i) { return i < record.words.size() ? record.words[i] : 0; };
    switch (static_cast<Taped>(record.kind)) {
      case Taped::refused: result_.cannot_run = Tape::text_of(record); return;
      case Taped::failed: return;
      case Taped::boot_steps:
        add_steps(boot, record.words);
        boot_ = boot.steps.size();
        boot.fixed = static_cast<std::size_t>(std::ranges::find_if(boot.steps, enables) -
                                              boot.steps.begin());
        boot.boot_commands = static_cast<std::size_t>(std::ranges::count(
            std::span(boot.steps).first(boot.fixed), StepKind::command, &Step::kind));
        return;
      case Taped::boot_queues: {
        const auto lg2 = [&](std::size_t i) { return static_cast<unsigned>(word(i)); };
        boot.queues = {word(0), word(1), lg2(3), lg2(4), word(2), lg2(5)};
        return;
      }
      case Taped::sequence:
        keep(std::move(gathered.now));
        gathered.now = boot;
        gathered.name = name_of(word(0));
        gathered.now->name = fmt::format("{}: {}", run_.driver, gathered.name);
        ++result_.sequences;
        return;
      case Taped::steps:
        if (gathered.now) add_steps(*gathered.now, record.words);
        return;
      case Taped::finding:
        if (auto found = decode_violation(Tape::text_of(record))) {
          add_fault({.found = std::move(*found), .first = gathered.name});
        }
        return;
      case Taped::cut: add_cut(Tape::text_of(record)); return;
      case Taped::end: {
        if (!gathered.now) return;
        std::vector<Step>& steps = gathered.now->steps;
        steps.resize(std::min(steps.size(), boot_ + word(0)));
        result_.calls += word(1);
        return;
      }
    }
  }
  /// Where nothing is cached yet: with memory as it is later, cases are asked again from there.
  static bool enables(const Step& step) {
    return step.kind == StepKind::write && step.a == spec::reg::cr0 &&
           (step.b & spec::cr0::smmuen) != 0;
  }
  static void add_steps(Case& to, std::span<const u64> words) {
    for (std::size_t i = 0; i + 4 <= words.size(); i += 4) {
      if (words[i] > static_cast<u64>(StepKind::barrier)) return;
      to.steps.push_back(
          {static_cast<StepKind>(words[i]), words[i + 1], words[i + 2], words[i + 3]});
    }
  }
  void keep(std::optional<Case> one) {
    if (one && one->steps.size() > boot_) result_.cases.push_back(std::move(*one));
  }
  void add_fault(DriverFault fault) {
    for (DriverFault& old : result_.faults) {
      if (old.found.rule != fault.found.rule || old.found.kind != fault.found.kind) continue;
      ++old.times;
      return;
    }
    result_.faults.push_back(std::move(fault));
  }
  void add_cut(const std::string& text) {
    const std::string why = without_numbers(text);
    for (DriverCases::Cut& old : result_.cut) {
      if (old.why != why) continue;
      ++old.times;
      return;
    }
    result_.cut.push_back({why, 1});
  }

  Expected<void> died(const Outcome& outcome) {
    if (outcome.ended == Ended::crashed && outcome.party != Party::driver) {
      return fail(ErrorCode::environment,
                  fmt::format("the process of driver {} {}", run_.driver, outcome.describe()));
    }
    const bool hang = outcome.ended == Ended::timed_out;
    const SharedReport::Sequence running = report_.sequence();
    DriverFault fault{.found = finding_of(hang ? rule::HANG_RETURNS : rule::CRASH_NEVER,
                                          fmt::format("the driver {}", outcome.describe())),
                      .first = running.running ? name_of(running.number) : "its boot"};
    fault.found.kind = kind_of_end(outcome, {});
    add_fault(std::move(fault));
    return {};
  }

  const DriverRun& run_;
  const DeviceIdentity& device_;
  DeviceMachine machine_;
  Tape tape_;
  SharedReport report_;
  CheckOptions check_;
  DriverCases result_;
  std::size_t boot_ = 0;  // steps
};

}  // namespace

Violation violation_of(const DriverFault& fault) {
  Violation violation(fault.found);
  violation.remarks.push_back(fmt::format("first in: {}; {} times", fault.first, fault.times));
  return violation;
}

Expected<DriverCases> cases_of_driver(const DriverRun& run, const DeviceIdentity& device) {
  auto machine = machine_of(device);
  if (!machine) return std::unexpected(machine.error());
  auto tape = Tape::create(tape_bytes);
  if (!tape) return std::unexpected(tape.error());
  auto report = SharedReport::create();
  if (!report) return std::unexpected(report.error());
  return Cases(run, device, std::move(*machine), std::move(*tape), std::move(*report)).take();
}

}  // namespace iommucheck::oracle
