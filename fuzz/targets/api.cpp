// SPDX-License-Identifier: MIT
// libFuzzer target `api`: bytes to calls, accesses and choices; our driver, or the plug-in of
// --driver=PATH, in lockstep with the specification. One input is: undo to booted, decode, run. A
// finding aborts. Whatever ends it, a trace is left where the artefact is. A plug-in that was built
// with -fsanitize=fuzzer-no-link guides the fuzzer (docs/drivers.md).
#include <fmt/format.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "check/alone.h"
#include "check/finding_files.h"
#include "check/given.h"
#include "check/lockstep.h"
#include "check/record_case.h"
#include "check/shrink.h"
#include "monitor/rule_verdicts.h"
#include "operations/mutate.h"
#include "report/finding_text.h"
#include "spec/rules.h"
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

/// The driver under test, and its static variables as they were loaded and as the boot left them.
struct Subject {
  oracle::LoadedPlugin loaded;
  std::unique_ptr<oracle::Segments> first, booted;
};

/// Loaded once, before the first input: what it counts is part of the fuzzer's features.
Subject& subject() {
  static Subject* const its = [] {
    auto loaded = oracle::load_plugin(driver_path);
    if (!loaded) {
      fmt::print(stderr, "fuzz_api: {}\n", loaded.error().message);
      std::exit(2);
    }
    auto* fresh = new Subject{std::move(*loaded), nullptr, nullptr};
    if (fresh->loaded.segments != nullptr) {
      fresh->first = std::make_unique<oracle::Segments>(*fresh->loaded.segments);
      fresh->booted = std::make_unique<oracle::Segments>(*fresh->loaded.segments);
    }
    return fresh;
  }();
  return *its;
}

oracle::Lockstep& lockstep() {
  static oracle::Lockstep* const booted = [] {
    oracle::LockstepOptions options;
    options.segments = subject().booted.get();
    auto* fresh = new oracle::Lockstep(subject().loaded.driver(), options);
    if (const std::string reason = fresh->boot(); !reason.empty()) {
      fmt::print(stderr, "fuzz_api: cannot boot: {}\n", reason);
      std::abort();
    }
    std::atexit(print_rules);
    return fresh;
  }();
  return *booted;
}

void print_rules() {
  oracle::Monitor& monitor = lockstep().monitor();
  oracle::RuleTally tally;
  tally.add(monitor);
  tally.add_calls(monitor.statistics().calls);
  fmt::print(stderr,
             "{} calls, {} outcomes judged; rules kept, and how often they could have been "
             "broken:\n",
             monitor.statistics().calls, monitor.statistics().outcomes_judged);
  for (const auto& count : oracle::rule_counts(tally, {&monitor.caches().capabilities(), 1})) {
    fmt::print(stderr, "  {:<24} {:<14} {:>12} {:>12}  {}\n", spec::rule_name(count.rule),
               oracle::to_string(count.verdict), count.kept, count.discriminating, count.why);
  }
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
  fmt::print(stderr, "trace: {}\nagain: {}\n", path, oracle::again_command(driver, path));
}

/// The driver has crashed, or a sanitizer has stopped it: the same once more in another process,
/// each event written as it happens.
void leave_trace_of_death() {
  if (trace_is_left || running.operations.empty()) return;
  trace_is_left = true;
  oracle::CheckOptions options;
  options.driver = driver_path;
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

void report_and_abort(std::span<const fuzz::Operation> operations, oracle::Lockstep::Ends ends) {
  const std::string wanted = verdict();
  fmt::print(stderr, "VIOLATION {}; making it small\n", wanted);
  const auto small = oracle::shrink({operations.begin(), operations.end()},
                                    [&](std::span<const fuzz::Operation> candidate) {
                                      lockstep().run(candidate, ends);
                                      return verdict() == wanted;
                                    });
  oracle::LockstepOptions options;
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
  std::abort();
}

std::size_t write(std::span<const fuzz::Operation> operations, u8* data, std::size_t size_max) {
  const auto bytes = fuzz::encode(operations);
  const std::size_t size = std::min(bytes.size(), size_max);
  std::copy_n(bytes.begin(), size, data);
  return size;
}

}  // namespace

#if defined(IOMMUCHECK_WATCHES_UBSAN)
extern "C" void __ubsan_on_report() { leave_trace_of_death(); }
#endif

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr std::string_view key = "-artifact_prefix=";
  constexpr std::string_view driver = "--driver=";  // the fuzzer leaves what begins so alone
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = (*argv)[i];
    if (argument.starts_with(key)) artefacts = argument.substr(key.size());
    if (argument.starts_with(driver)) driver_path = argument.substr(driver.size());
  }
  (void)subject();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  static const bool watched = (lockstep(), watch_deaths(), true);
  (void)watched;
  const auto operations = fuzz::decode({data, size});
  if (operations.empty()) return -1;  // not for the corpus
  const oracle::Lockstep::Ends ends = oracle::ends_of_input({data, size});
  running.operations = operations;
  running.ends = ends;
  lockstep().run(operations, ends);
  if (!verdict().empty()) report_and_abort(operations, ends);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(u8* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return write(fuzz::mutate(fuzz::decode({data, size}), seed), data, size_max);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const u8* first, std::size_t first_size,
                                                 const u8* second, std::size_t second_size, u8* out,
                                                 std::size_t size_max, unsigned seed) {
  return write(
      fuzz::cross(fuzz::decode({first, first_size}), fuzz::decode({second, second_size}), seed),
      out, size_max);
}
