// SPDX-License-Identifier: MIT
// ./dev bench. Exit status: 0 measured, 2 bad usage, 3 something could not be measured.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <thread>

#include "bench/measure.h"
#include "bench/sections.h"

namespace iommucheck::bench {
namespace {

void head() {
  double load[3] = {};
  const bool known = getloadavg(load, 3) == 3;
  fmt::print("iommucheck bench: {} build, {}, {} CPUs, load {}\n", IOMMUCHECK_BENCH_BUILD,
             __VERSION__, std::thread::hardware_concurrency(),
             known ? fmt::format("{:.1f}", load[0]) : std::string("unknown"));
  fmt::print(
      "Wall clock, one thread; on a machine that does other work as well (a load of more "
      "than 1 before this run)\nrates are too low and 99th percentiles too high, medians "
      "and ratios within one table are comparable.\n");
}

template <class Section>
bool section(const char* title, Section&& run) {
  fmt::print("\n== {}\n", title);
  std::fflush(stdout);
  try {
    run();
  } catch (const std::exception& error) {
    fmt::print("  NOT MEASURED: {}\n", error.what());
    return false;
  }
  std::fflush(stdout);
  return true;
}

int run(const ApiOptions& given, const FindingOptions& find, const std::string& only, bool line) {
  ApiOptions options = given;
  const bool sanitized = std::string_view(IOMMUCHECK_BENCH_BUILD) == "ASan+UBSan";
  if (sanitized) {  // about a tenth of the rate: fewer sequences, for the same time
    options.sequences = std::min<u64>(options.sequences, 512);
    options.seconds = std::min(options.seconds, 4.0);
  }
  if (line) {
    try {
      api_line(options);
      return 0;
    } catch (const std::exception& error) {
      fmt::print(stderr, "iommucheck_bench: {}\n", error.what());
      return 3;
    }
  }
  const double began = now_ns();
  head();
  const auto wanted = [&](std::string_view name) { return only.empty() || only == name; };
  bool all = true;
  if (wanted("api")) {
    all &= section("api: random sequences in lockstep, all promises judged", [&] { api(options); });
  }
  if (wanted("growth")) {
    all &= section("growth: one map and unmap of 4 KiB in lockstep, all promises judged",
                   [] { growth(); });
  }
  if (wanted("check")) {
    all &= section("check: a campaign with one process, and with one for each processor",
                   [] { campaign(); });
  }
  if (wanted("finding")) {
    all &= section("finding: until check sees what is wrong", [&] { finding(find); });
  }
  if (wanted("long")) {
    all &= section("long runs: nothing is undone, and the events do not end", [] { long_runs(); });
  }
  if (wanted("outcomes")) {
    all &= section("outcomes(): all that may happen to one access", [] { outcomes(); });
  }
  if (wanted("driver")) {
    all &= section("the driver alone: its platform is an array, its SMMU consumes at once",
                   [] { driver_alone(); });
  }
  if (wanted("device")) {
    all &= section("the fast model of an SMMU: an access, beside loads that need each other",
                   [] { fast_model(); });
  }
  if (wanted("qemu")) {
    all &= section("QEMU as a device under test, over qtest", [] { qemu(); });
  }
  fmt::print("\n{} in {:.0f} s; nothing here passes or fails.\n",
             all ? "measured" : "NOT ALL COULD BE MEASURED", (now_ns() - began) / 1e9);
  return all ? 0 : 3;
}

}  // namespace
}  // namespace iommucheck::bench

int main(int argc, char** argv) {
  iommucheck::bench::ApiOptions options;
  iommucheck::bench::FindingOptions find;
  std::string only;
  bool line = false;
  CLI::App app("Benchmarks of iommucheck; they measure and decide nothing.", "iommucheck_bench");
  app.add_option("--only", only, "one section")
      ->check(CLI::IsMember(
          {"api", "growth", "check", "finding", "long", "outcomes", "driver", "device", "qemu"}));
  app.add_flag_callback("--api-only", [&only] { only = "api"; }, "the same as --only api");
  app.add_flag("--api-line", line, "only that, as one line for a program (see --beside)");
  app.add_option("--beside", options.beside,
                 "another build of this program (ASan+UBSan), whose rate is printed beside")
      ->check(CLI::ExistingFile);
  app.add_option("--seconds", options.seconds, "for the timed passes of api")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  app.add_option("--sequences", options.sequences, "different sequences")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of the sequences")->capture_default_str();
  app.add_option("--drivers", find.drivers, "of the museum, for the section finding")
      ->delimiter(',');
  app.add_flag("--museum", find.museum, "all of them");
  app.add_option("--seeds", find.seeds, "that each is searched from")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--sequences-max", find.sequences, "of a search")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return iommucheck::bench::run(options, find, only, line);
}
