// SPDX-License-Identifier: MIT
// What `./dev bench` prints, one function a section. A section that cannot be measured (the driver
// does not come up, a finding) throws std::runtime_error; no number decides anything.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace iommucheck::bench {

struct ApiOptions {
  double seconds = 8;    ///< about, for the timed passes
  u64 sequences = 4096;  ///< different ones, each timed once a pass
  u64 seed = 1;
  std::string beside;  ///< another build of this program; its rate is printed beside. Or empty
};

struct FindingOptions {
  std::vector<std::string> drivers;  ///< of the museum; empty: ten hard ones
  bool museum = false;               ///< all of it
  u64 seeds = 10;
  u64 sequences = 65536;  ///< of a run, at most
};

/// Random sequences of 20 calls in lockstep with all promises.
void api(const ApiOptions& options);
/// Only the rate, as one line for the other build's api().
void api_line(const ApiOptions& options);
/// Cost of a step against the size of tables, the length of the trace, the number of domains.
void growth();
/// A campaign of `check` with one process, and with one for each processor.
void campaign();
/// What `check` computes until it finds what drivers of the museum do wrong.
void finding(const FindingOptions& options);
/// Cost and memory of a step up to ten million events.
void long_runs();
/// outcomes() of one access.
void outcomes();
/// QEMU as a device under test; says so and returns where there is none.
void qemu();
/// The fast model of an SMMU: hits, misses, over capacity.
void fast_model();
/// The driver without anything that checks it.
void driver_alone();

}  // namespace iommucheck::bench
