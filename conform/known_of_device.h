// SPDX-License-Identifier: MIT
// What is known to be wrong with the device, of the file that a run goes by.
#pragma once

#include <string>

#include "conform/divergence.h"
#include "conform/dut/device.h"
#include "conform/known_cases.h"
#include "report/known.h"

namespace iommucheck::oracle {

class KnownOfDevice {
 public:
  /// Of the file with that path; none, if that is empty. Errors: bad_input, also where it is for
  /// another device.
  static Expected<KnownOfDevice> of(const DeviceIdentity& identity, const std::string& path);

  [[nodiscard]] const KnownFile& file() const { return file_; }
  /// The entry that it is known by; one that has expired excuses nothing.
  [[nodiscard]] const KnownFinding* excuse(const Divergence& found) const;
  /// It excuses nothing any more, and need not show.
  [[nodiscard]] bool expired(const KnownFinding& known) const { return known.expired(today_); }
  /// As KnownCases has it.
  [[nodiscard]] bool was_right(const std::string& name, const std::string& id) const {
    return cases_.was_right(name, id);
  }

 private:
  KnownFile file_;
  KnownCases cases_;
  std::string today_ = today();
};

}  // namespace iommucheck::oracle
