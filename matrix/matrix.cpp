// SPDX-License-Identifier: MIT
#include "matrix/matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace iommucheck::oracle {

namespace {

constexpr const char* specification = "spec";

void count(std::vector<Cell::Broken>& all, spec::Rule rule, u64 times) {
  const auto old = std::ranges::find(all, rule, &Cell::Broken::rule);
  if (old == all.end()) {
    all.push_back({rule, times});
  } else {
    old->times += times;
  }
}

u64 judged_accesses(const ConformResult& result) {
  return result.accesses - std::min(result.accesses, result.any + result.undetermined);
}

Cell cell_of(const PairResult& result) {
  Cell cell;
  const RunEnd end = end_of(result);
  cell.verdict = end.verdict();
  cell.cannot_run = result.driver.cannot_run;
  cell.sequences = result.driver.sequences;
  cell.calls = result.driver.calls;
  cell.accesses = judged_accesses(result.device);
  for (const DriverFault& fault : result.driver.faults) {
    count(cell.by_driver, fault.found.rule, fault.times);
  }
  for (const FoundDivergence& found : result.device.divergences) {
    if (found.known_id.empty()) {
      count(cell.by_device, found.divergence.rule, found.times);
    } else {
      ++cell.known;
    }
  }
  cell.undecided = end.why();
  return cell;
}

Cell cell_of(const Error& error) {
  Cell cell;
  cell.verdict = verdict_of(error.code);
  cell.cannot_run = error.message;
  return cell;
}

}  // namespace

RunEnd end_of(const PairResult& result) {
  const DriverCases& driver = result.driver;
  if (!driver.cannot_run.empty()) {
    RunEnd end;
    end.undecided("the driver is not for such a machine: " + driver.cannot_run);
    return end;
  }
  RunEnd end = driver.cases.empty() ? RunEnd{} : end_of(result.device);
  if (!driver.faults.empty()) end.found();
  if (driver.cases.empty()) {
    end.undecided("the driver made no case");
  } else if (judged_accesses(result.device) == 0) {
    end.undecided("no access was judged");
  }
  for (const DriverCases::Cut& cut : driver.cut) {
    end.undecided(fmt::format("{} sequences end early: {}", cut.times, cut.why));
  }
  if (!driver.ended_early.empty()) {
    end.undecided(fmt::format("{} sequences, {}", driver.sequences, driver.ended_early));
  }
  return end;
}

Expected<PairResult> run_pair(const DriverRun& run, ConformOptions settings) {
  DeviceIdentity identity;
  {
    auto device = open_device(settings.device, settings.seed, settings.hang_seconds);
    if (!device) return std::unexpected(device.error());
    identity = (*device)->identity();
  }
  auto cases = cases_of_driver(run, identity);
  if (!cases) return std::unexpected(cases.error());
  PairResult result{std::move(*cases), {}};
  result.device.device = identity.name;
  result.device.version = identity.version;
  if (result.driver.cases.empty()) return result;
  settings.given = std::make_shared<const std::vector<Case>>(result.driver.cases);
  auto judged = run_conform(settings);
  if (!judged) return std::unexpected(judged.error());
  result.device = std::move(*judged);
  return result;
}

MatrixResult run_matrix(const MatrixOptions& options) {
  MatrixResult result{.drivers = options.drivers, .devices = {specification}, .cells = {}};
  result.seed = options.seed;
  for (const std::string& device : options.devices) {
    if (std::ranges::find(result.devices, device) == result.devices.end()) {
      result.devices.push_back(device);
    }
  }
  for (const std::string& driver : result.drivers) {
    for (const std::string& device : result.devices) {
      if (options.stop && options.stop()) {
        result.stopped = true;
        return result;
      }
      if (options.begins) options.begins(driver, device);
      const DriverRun run{.driver = driver,
                          .seed = options.seed,
                          .sequences = options.sequences,
                          .given = options.given,
                          .stop = options.stop};
      ConformOptions settings;
      settings.device = device;
      settings.seed = options.seed;
      settings.hang_seconds = options.hang_seconds;
      settings.causes = false;
      settings.report = options.report;
      settings.stop = options.stop;
      const auto pair = run_pair(run, settings);
      Cell cell = pair ? cell_of(*pair) : cell_of(pair.error());
      cell.driver = driver;
      cell.device = device;
      result.cells.push_back(std::move(cell));
    }
  }
  return result;
}

RunEnd end_of(const MatrixResult& result) {
  RunEnd end;
  for (const Cell& cell : result.cells) {
    if (cell.verdict == Verdict::violated) end.found();
    const std::string pair = cell.driver + " on " + cell.device + ": ";
    if (!cell.cannot_run.empty()) {
      cell.verdict == Verdict::environment ? end.environment(pair + cell.cannot_run)
                                           : end.undecided(pair + cell.cannot_run);
      continue;
    }
    for (const std::string& why : cell.undecided) end.undecided(pair + why);
  }
  if (result.stopped) end.undecided("stopped");
  if (result.cells.empty()) end.undecided("no pair was run");
  return end;
}

}  // namespace iommucheck::oracle
