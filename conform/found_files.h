// SPDX-License-Identifier: MIT
// What --out has of a run: a trace and a program of each new finding, the file of what is known as
// it would be now, and which case shows which.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "conform/dut/device.h"
#include "conform/found_divergence.h"
#include "conform/known_cases.h"
#include "report/known.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class FoundFiles {
 public:
  /// `device`: the option that named it. `folder`: empty where nobody wants files, and none is
  /// written.
  FoundFiles(const DeviceIdentity& identity, std::string device, std::string folder)
      : identity_(identity), device_(std::move(device)), folder_(std::move(folder)) {}

  [[nodiscard]] bool wanted() const { return !folder_.empty(); }
  /// Of a new finding: the path of its trace, or nothing.
  Expected<std::string> write_finding(const trace::Trace& trace, const Divergence& found) const;
  /// The file as it would be now: what is new has to be explained by whoever keeps it.
  Expected<void> write_known(const KnownFile& known, std::span<const KnownFinding> vanished,
                             std::span<const FoundDivergence> found) const;
  Expected<void> write_cases(const KnownCases& shown) const;

 private:
  /// Of a device behind the door in C, of QEMU as a log of qtest.
  [[nodiscard]] Expected<void> write_program(const trace::Trace& trace,
                                             const Divergence& found) const;
  /// Beside which the file of what is known has its name.
  [[nodiscard]] std::string trace_folder() const;
  [[nodiscard]] std::string short_version() const;

  const DeviceIdentity& identity_;
  std::string device_;
  std::string folder_;
};

}  // namespace iommucheck::oracle
