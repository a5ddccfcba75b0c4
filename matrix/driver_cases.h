// SPDX-License-Identifier: MIT
// Cases of conform that a driver makes: sequences of `check`, with the driver in lockstep with the
// specification on the machine that a device under test is, and accesses of its engines behind each
// call. The driver runs in a process of its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "check/sequence.h"
#include "conform/case.h"
#include "monitor/finding.h"
#include "spec/rules.h"

namespace iommucheck::oracle {

struct DriverRun {
  std::string driver = "builtin";  ///< as CheckOptions has it
  u64 seed = 1;
  u64 sequences = 100;            ///< random ones, behind the given
  std::vector<Sequence> given{};  ///< of a corpus
  double hang_seconds = 10;       ///< without progress
  std::function<bool()> stop{};   ///< may be empty
};

/// A rule that the driver breaks, whatever the device does. The case ends before that.
struct DriverFault {
  Finding found;      ///< rule, kind, and the first one's headline as its statement
  std::string first;  ///< the sequence that showed it first
  u64 times = 1;
};

struct DriverCases {
  std::vector<Case> cases;
  u64 sequences = 0, calls = 0;
  std::vector<DriverFault> faults;
  /// Cases that end for another reason, by that.
  struct Cut {
    std::string why;
    u64 times = 0;
  };
  std::vector<Cut> cut;
  std::string cannot_run;   ///< why there is none: the driver is not for such a machine
  std::string ended_early;  ///< why not all sequences were run; empty: they were
};

/// As a finding, like any other.
Violation violation_of(const DriverFault& fault);

/// Errors: bad_input: the driver cannot be loaded; unsupported, bad_input: as machine_of(device);
/// environment.
Expected<DriverCases> cases_of_driver(const DriverRun& run, const DeviceIdentity& device);

}  // namespace iommucheck::oracle
