// SPDX-License-Identifier: MIT
#include "matrix/matrix.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/driver_cases.h"
#include "cli/options.h"
#include "cli/verdicts.h"

namespace iommucheck::cli {
namespace {

void write_broken(JsonWriter& json, std::string_view name,
                  const std::vector<oracle::Cell::Broken>& all) {
  json.key(name).begin_array();
  for (const oracle::Cell::Broken& one : all) {
    json.begin_object().member("rule", spec::rule_name(one.rule)).member("times", one.times);
    json.end_object();
  }
  json.end_array();
}

void print_json(const oracle::MatrixResult& result, const oracle::RunEnd& end) {
  JsonWriter json;
  json.begin_object().member("command", "matrix");
  json.member("verdict", oracle::to_string(end.verdict())).member("seed", result.seed);
  json.texts("why", end.why()).texts("drivers", result.drivers).texts("devices", result.devices);
  json.key("cells").begin_array();
  for (const oracle::Cell& cell : result.cells) {
    json.begin_object().member("driver", cell.driver).member("device", cell.device);
    json.member("verdict", oracle::to_string(cell.verdict));
    json.member("cannot_run", cell.cannot_run);
    write_broken(json, "by_driver", cell.by_driver);
    write_broken(json, "by_device", cell.by_device);
    json.member("known", cell.known).texts("undecided", cell.undecided);
    json.member("sequences", cell.sequences).member("calls", cell.calls);
    json.member("accesses", cell.accesses).end_object();
  }
  json.end_array().end_object().print();
}

void print_text(const oracle::MatrixResult& result, const oracle::RunEnd& end) {
  fmt::print("{}", oracle::table_of(result));
  u64 held = 0;
  for (const oracle::Cell& cell : result.cells) held += cell.verdict == Verdict::held ? 1 : 0;
  fmt::print("matrix of {} drivers and {} devices: {}, {} of {} pairs hold\n",
             result.drivers.size(), result.devices.size(), verdict_word(end), held,
             result.drivers.size() * result.devices.size());
}

}  // namespace

int run_matrix(const MatrixCommand& options) {
  oracle::MatrixOptions settings;
  settings.drivers = options.drivers;
  settings.devices = options.devices;
  settings.seed = options.seed ? *options.seed : drawn_seed();
  settings.sequences = options.runs;
  settings.hang_seconds = options.hang_seconds;
  settings.report = options.out;
  settings.stop = interrupted;
  auto given = read_corpus("matrix", options.corpus);
  if (!given) return report("matrix", given.error());
  settings.given = std::move(*given);
  ProgressLine progress;
  settings.begins = [&](const std::string& driver, const std::string& device) {
    progress.show(fmt::format("{} on {}", driver, device));
  };
  if (options.format == Format::text) {
    fmt::print("matrix, seed {}, {} sequences of each pair\n", settings.seed,
               settings.given.size() + settings.sequences);
    std::fflush(stdout);
  }
  catch_interrupts();
  const oracle::MatrixResult result = oracle::run_matrix(settings);
  progress.clear();
  const oracle::RunEnd end = oracle::end_of(result);
  const int status = finish("matrix", end);
  if (options.format == Format::json) {
    print_json(result, end);
  } else {
    print_text(result, end);
  }
  return status;
}

}  // namespace iommucheck::cli
