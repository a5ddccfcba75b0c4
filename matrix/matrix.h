// SPDX-License-Identifier: MIT
// Every driver against every device, and against the specification as one: whose fault a difference
// is. docs/conform.md.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "check/sequence.h"
#include "conform/conform.h"
#include "matrix/driver_cases.h"
#include "monitor/verdict.h"

namespace iommucheck::oracle {

/// A driver's cases on a device.
struct PairResult {
  DriverCases driver;
  ConformResult device;  ///< nothing was run where the driver has no cases
};

/// The facts that the verdict of a pair stands on.
RunEnd end_of(const PairResult& result);

/// `settings` says which device, and how it is asked; its cases are the driver's. Errors: as
/// cases_of_driver() and run_conform().
Expected<PairResult> run_pair(const DriverRun& run, ConformOptions settings);

struct MatrixOptions {
  std::vector<std::string> drivers;  ///< as DriverRun has them
  std::vector<std::string> devices;  ///< as ConformOptions has them; "spec" comes first by itself
  u64 seed = 1;
  u64 sequences = 100;          ///< of each pair, random ones
  std::vector<Sequence> given;  ///< before them
  double hang_seconds = 5;
  std::string report;  ///< folder for traces, or empty
  std::function<void(const std::string& driver, const std::string& device)> begins;  ///< a pair
  std::function<bool()> stop;
};

/// A pair's result in short.
struct Cell {
  /// A rule and how often it was broken, in so many kinds.
  struct Broken {
    spec::Rule rule{};
    u64 times = 0;
  };
  std::string driver, device;
  Verdict verdict = Verdict::undecided;
  std::string cannot_run;  ///< why it was not run; then there is nothing else
  std::vector<Broken> by_driver;
  std::vector<Broken> by_device;       ///< new ones
  u64 known = 0;                       ///< kinds of divergences that are known
  std::vector<std::string> undecided;  ///< why not all was judged
  u64 sequences = 0, calls = 0;
  u64 accesses = 0;  ///< judged: there was something that may not happen to them
};

struct MatrixResult {
  std::vector<std::string> drivers, devices;
  std::vector<Cell> cells;  ///< row by row
  u64 seed = 0;
  bool stopped = false;
};

MatrixResult run_matrix(const MatrixOptions& options);
RunEnd end_of(const MatrixResult& result);

/// What a pair came to; "holds" only where accesses were judged, all of it, and nothing was found.
std::vector<std::string> words_of(const Cell& cell);

/// The table, in lines of at most `columns`.
std::string table_of(const MatrixResult& result, std::size_t columns = 100);

}  // namespace iommucheck::oracle
