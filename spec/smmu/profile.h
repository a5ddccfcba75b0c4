// SPDX-License-Identifier: MIT
#pragma once

namespace iommucheck::spec {

/// What differs between legal devices and is in no ID register.
struct Profile {
  unsigned config_atom = 8;  ///< bytes that a configuration fetch reads at once: 8 or 16
  /// ATC_INV with SSV = 0 covers the entries that have a PASID too (PCIe ATS).
  bool untagged_covers_pasids = true;
  friend bool operator==(const Profile&, const Profile&) = default;
};

}  // namespace iommucheck::spec
