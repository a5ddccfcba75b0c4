// SPDX-License-Identifier: MIT
// libFuzzer target `api`: bytes to calls, accesses, choices and a machine; our driver, or the
// plug-in of --driver=PATH, in lockstep with the specification. One input is: undo to booted,
// decode, run. What calls answer and which rules could have been broken guides the fuzzer, beside
// the driver's edges. A finding aborts. Whatever ends it, a trace is left where the artefact is. A
// plug-in that was built with -fsanitize=fuzzer-no-link guides the fuzzer (docs/ci.md).
#include <fmt/format.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "check/alone.h"
#include "check/claims.h"
#include "check/finding_files.h"
#include "check/finding_kind.h"
#include "check/given.h"
#include "check/lockstep.h"
#include "check/machine_plan.h"
#include "check/novelty.h"
#include "check/record_case.h"
#include "check/shrink.h"
#include "monitor/rule_verdicts.h"
#include "operations/mutate.h"
#include "report/finding_text.h"
#include "spec/rules.h"
#include "spec/rules/commands.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "trace/trace_file.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#if __has_feature(undefined_behavior_sanitizer)
/// Called by the sanitizer with each report.
extern "C" void __ubsan_on_report();  // NOLINT(bugprone-reserved-identifier)
#define IOMMUCHECK_WATCHES_UBSAN
#endif
#endif

namespace {

using namespace iommucheck;

/// What the run says of each rule, for those who read the end of it.
void print_rules();

std::string driver_path = "builtin";  // --driver=
std::string machines = "drawn";       // --machine=

/// The driver under test, and its static variables as they were loaded.
struct Subject {
  oracle::LoadedPlugin loaded;
  std::unique_ptr<oracle::Segments> first;
};

/// Loaded once, before the first input: what it counts is part of the fuzzer's features.
Subject& subject() {
  static Subject* const its = [] {
    oracle::CheckOptions options;
    options.driver = driver_path;
    auto loaded = oracle::load_plugin(options);
    if (!loaded) {
      fmt::print(stderr, "fuzz_api: {}\n", loaded.error().message);
      std::exit(2);
    }
    auto* fresh = new Subject{std::move(*loaded), nullptr};
    if (fresh->loaded.segments != nullptr) {
      fresh->first = std::make_unique<oracle::Segments>(*fresh->loaded.segments);
    }
    return fresh;
  }();
  return *its;
}

/// The machines of --machine=, the default one and some that are drawn; --machine=default is one.
oracle::MachinePlan& plan() {
  static oracle::MachinePlan* const its = [] {
    auto parsed = oracle::MachinePlan::parse(machines, 1);
    if (!parsed) {
      fmt::print(stderr, "fuzz_api: {}\n", parsed.error().message);
      std::exit(2);
    }
    return new oracle::MachinePlan(std::move(*parsed));
  }();
  return *its;
}

u32 machine_count() { return static_cast<u32>(plan().machines().size()); }

oracle::Machine machine(u32 number) {
  const iommucheck_driver& driver = subject().loaded.driver();
  return plan().met(number, {.not_claimed = oracle::RunClaims{}.of(driver),
                             .takes_over = (driver.flags & IOMMUCHECK_DRIVER_TAKES_OVER) != 0});
}

/// The driver on one of the machines, booted, with its statics as the boot left them.
struct Ground {
  std::unique_ptr<oracle::Segments> booted;
  std::unique_ptr<oracle::Lockstep> lockstep;  ///< null: the driver is not for it
};

std::vector<Ground>& grounds() {
  static auto* const all = new std::vector<Ground>(plan().machines().size());
  return *all;
}

oracle::FirstSeen& seen() {
  static auto* const its = [] {
    auto made = oracle::FirstSeen::create();
    if (!made) {
      fmt::print(stderr, "fuzz_api: {}\n", made.error().message);
      std::exit(2);
    }
    return new oracle::FirstSeen(std::move(*made));
  }();
  return *its;
}

u32 at_hand = 0;  // number of the machine of the input that runs

oracle::Lockstep& lockstep() { return *grounds()[at_hand].lockstep; }

/// Boots the driver on it where that was not done yet. False: it is not for it.
bool go_to(u32 number) {
  static std::vector<bool> booted(grounds().size());
  Ground& ground = grounds()[number];
  at_hand = number;
  if (booted[number]) return ground.lockstep != nullptr;
  booted[number] = true;
  oracle::LockstepOptions options;
  options.machine = machine(number);
  if (subject().first != nullptr) {
    subject().first->restore();
    ground.booted = std::make_unique<oracle::Segments>(*subject().first);
    options.segments = ground.booted.get();
  }
  auto fresh = std::make_unique<oracle::Lockstep>(subject().loaded.driver(), options);
  if (const std::string reason = fresh->boot(); !reason.empty()) {
    if (fresh->refused() && number != 0) return false;
    fmt::print(stderr, "fuzz_api: cannot boot on {}: {}\n", oracle::machine_text(options.machine),
               reason);
    std::abort();
  }
  fresh->set_seen(&seen());
  ground.lockstep = std::move(fresh);
  return true;
}

void print_rules() {
  oracle::RuleTally tally;
  u64 calls = 0, outcomes = 0;
  std::vector<spec::Capabilities> met;
  for (const Ground& ground : grounds()) {
    if (ground.lockstep == nullptr) continue;
    oracle::Monitor& monitor = ground.lockstep->monitor();
    tally.add(monitor);
    tally.add_calls(monitor.statistics().calls);
    calls += monitor.statistics().calls;
    outcomes += monitor.statistics().outcomes_judged;
    met.push_back(monitor.caches().capabilities());
  }
  fmt::print(stderr,
             "{} calls on {} machines, {} outcomes judged; rules kept, and how often they could "
             "have been broken:\n",
             calls, met.size(), outcomes);
  for (const auto& count : oracle::rule_counts(tally, met)) {
    fmt::print(stderr, "  {:<24} {:<14} {:>12} {:>12}  {}\n", spec::rule_name(count.rule),
               oracle::to_string(count.verdict), count.kept, count.discriminating, count.why);
  }
}

/// What libFuzzer takes for coverage beside edges: answers of calls behind each other, and rules
/// that could have been broken, by situation (novelty.h).
__attribute__((used, section("__libfuzzer_extra_counters"))) u8 features[oracle::FirstSeen::slots];

void tell_features() {
  for (const auto& pair : seen().pairs(1)) {
    features[oracle::FirstSeen::slot_of(pair.feature)] = 1;
  }
  seen().forget();
}

/// What to shrink towards: the same rule, or the same bound.
std::string verdict() {
  const auto& findings = lockstep().monitor().findings();
  if (!findings.empty()) return std::string(spec::rule_name(findings.front().rule));
  const oracle::Monitor& monitor = lockstep().monitor();
  if (!monitor.unsupported().empty()) return monitor.unsupported() + " is not modelled";
  return monitor.gave_up() ? "gave up: " + monitor.bound() : "";
}

// ---- traces -------------------------------------------------------------------------------------

std::string artefacts = "./";  // -artifact_prefix
oracle::Sequence running;      // for a death in the middle of it
bool trace_is_left = false;

/// FOLDER/PREFIX-NAME.trace.jsonl, beside the artefact that libFuzzer writes.
Expected<std::string> reserve(const std::string& name) {
  const std::filesystem::path prefix(artefacts);
  const std::string folder = prefix.parent_path().string();
  return oracle::reserve_trace(folder.empty() ? "." : folder, prefix.filename().string() + name);
}

/// `driver`: who has to run again for it; nobody where the events show it.
void say_trace(const std::string& path, const std::string& driver) {
  fmt::print(stderr, "trace: {}\nagain: {}\n", path, oracle::again_command(driver, "", path));
}

/// The driver has crashed, or a sanitizer has stopped it: the same once more in another process,
/// each event written as it happens.
void leave_trace_of_death() {
  if (trace_is_left || running.operations.empty()) return;
  trace_is_left = true;
  oracle::CheckOptions options;
  options.driver = driver_path;
  options.machine = oracle::machine_text(machine(at_hand));
  const auto path = reserve("death");
  if (!path) return;
  constexpr double seconds_max = 10;
  if (oracle::run_alone(options, {&running, 1}, *path, seconds_max)) say_trace(*path, driver_path);
}

constexpr int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
struct sigaction before[64];

void on_deadly(int signal, siginfo_t* info, void* context) {
  leave_trace_of_death();
  const struct sigaction& next = before[signal];  // libFuzzer's, or a sanitizer's
  if ((next.sa_flags & SA_SIGINFO) != 0) {
    next.sa_sigaction(signal, info, context);
  } else if (next.sa_handler != SIG_DFL && next.sa_handler != SIG_IGN) {
    next.sa_handler(signal);
  }
  ::sigaction(signal, &next, nullptr);
}

/// Behind libFuzzer's own, which it sets before the first input.
void watch_deaths() {
  for (const int signal : deadly) {
    struct sigaction action{};
    action.sa_sigaction = on_deadly;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(signal, &action, &before[signal]);
  }
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  __asan_set_error_report_callback([](const char*) { leave_trace_of_death(); });
#endif
#endif
  // A bound on processor time (ulimit -t) ends a run as Ctrl-C does, with its numbers.
  ::signal(SIGXCPU, [](int) { ::raise(SIGINT); });
}

// An engine tells crashes apart by their innermost frames: a frame says the rule, and one behind it
// stands for the cause.
#define RULE(id, family, keeper, section, text) \
  [[gnu::noinline]] void violation_##id() { std::abort(); }
#include "spec/rules/all.def"
#undef RULE

using Abort = void (*)();

Abort abort_of(spec::Rule rule) {
  switch (rule) {
#define RULE(id, family, keeper, section, text) \
  case spec::rule::id: return violation_##id;
#include "spec/rules/all.def"
#undef RULE
  }
  return std::abort;
}

constexpr std::size_t causes = 64;
template <std::size_t number>
[[gnu::noinline]] void cause(Abort violation) {
  violation();
  std::abort();  // no tail call: this frame stays
}
template <std::size_t... numbers>
void abort_by_cause(std::size_t number, Abort violation, std::index_sequence<numbers...> /*all*/) {
  using Cause = void (*)(Abort);
  static constexpr Cause all[] = {cause<numbers>...};
  all[number % causes](violation);
}

void report_and_abort(std::span<const fuzz::Operation> operations, oracle::Lockstep::Ends ends) {
  const std::string wanted = verdict();
  fmt::print(stderr, "VIOLATION {}; making it small\n", wanted);
  const auto small = oracle::shrink({operations.begin(), operations.end()},
                                    [&](std::span<const fuzz::Operation> candidate) {
                                      lockstep().run(candidate, ends);
                                      return verdict() == wanted;
                                    });
  oracle::LockstepOptions options;
  options.machine = machine(at_hand);
  if (subject().first != nullptr) {
    subject().first->restore();
    options.segments = std::make_unique<oracle::Segments>(*subject().first).release();
  }
  const auto record = oracle::record_case(subject().loaded.driver(), options,
                                          {.operations = small.operations, .ends = ends});
  for (const auto& finding : record.findings) {
    fmt::print(stderr, "{}", oracle::full_text(oracle::told(finding, record)));
  }
  trace_is_left = true;
  const std::string rule =
      record.findings.empty() ? "gave-up" : std::string(spec::rule_name(record.findings[0].rule));
  if (const auto path = reserve("finding-" + rule); !path) {
    fmt::print(stderr, "no trace: {}\n", path.error().message);
  } else if (const auto written = trace::write_trace(record.trace, *path); !written) {
    fmt::print(stderr, "no trace: {}\n", written.error().message);
  } else {
    say_trace(*path, "");
  }
  fmt::print(stderr, "the shortest case:\n{}",
             oracle::print({.operations = small.operations, .ends = ends}));
  if (record.findings.empty()) std::abort();
  const oracle::Finding& first = record.findings[0];
  abort_by_cause(oracle::key_of(first), abort_of(first.rule), std::make_index_sequence<causes>());
  std::abort();
}

/// The machine comes last.
std::size_t write(std::span<const fuzz::Operation> operations, u32 machine, u8* data,
                  std::size_t size_max) {
  auto bytes = fuzz::encode(operations);
  if (machine != 0) bytes.push_back(static_cast<u8>(machine));
  const std::size_t size = std::min(bytes.size(), size_max);
  std::copy_n(bytes.begin(), size, data);
  return size;
}

}  // namespace

#if defined(IOMMUCHECK_WATCHES_UBSAN)
extern "C" void __ubsan_on_report() { leave_trace_of_death(); }
#endif

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  // The fuzzer leaves alone what begins with two dashes.
  const std::pair<std::string_view, std::string*> settings[] = {
      {"-artifact_prefix=", &artefacts}, {"--driver=", &driver_path}, {"--machine=", &machines}};
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = (*argv)[i];
    for (const auto& [key, value] : settings) {
      if (argument.starts_with(key)) *value = argument.substr(key.size());
    }
  }
  (void)subject();
  (void)go_to(0);
  std::atexit(print_rules);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  static const bool watched = (watch_deaths(), true);
  (void)watched;
  const auto operations = fuzz::decode({data, size});
  if (operations.empty()) return -1;  // not for the corpus
  if (!go_to(oracle::machine_of_input({data, size}, machine_count()))) return -1;
  const oracle::Lockstep::Ends ends = oracle::ends_of_input({data, size});
  running.operations = operations;
  running.ends = ends;
  seen().enter(0);
  lockstep().run(operations, ends);
  lockstep().note_rules();
  seen().leave();
  tell_features();
  if (!verdict().empty()) report_and_abort(operations, ends);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(u8* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  constexpr unsigned moves = 16;  // one mutation of so many is on another machine
  u32 on = oracle::machine_of_input({data, size}, machine_count());
  if (seed % moves == 0) on = seed / moves % machine_count();
  return write(fuzz::mutate(fuzz::decode({data, size}), seed), on, data, size_max);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const u8* first, std::size_t first_size,
                                                 const u8* second, std::size_t second_size, u8* out,
                                                 std::size_t size_max, unsigned seed) {
  return write(
      fuzz::cross(fuzz::decode({first, first_size}), fuzz::decode({second, second_size}), seed),
      oracle::machine_of_input({first, first_size}, machine_count()), out, size_max);
}
