// SPDX-License-Identifier: MIT
// Accesses that a device's engines can make, and of which it will be seen what became of them.
#pragma once

#include <optional>

#include "conform/case.h"
#include "spec/smmu/caches.h"

namespace iommucheck::oracle {

class Engines {
 public:
  /// Both outlive it. `caches`: the specification's, as they are when it is asked.
  Engines(const DeviceIdentity& device, const spec::Caches& caches)
      : device_(device), caches_(caches) {}

  /// That access as a step; nothing where no engine can make it, or where an engine that moves data
  /// might leave the memory that shows it.
  [[nodiscard]] std::optional<Step> step_of(const spec::Access& access) const;
  /// A translation request of ATS for it; nothing where no engine has ATS, or where both stages
  /// may translate.
  [[nodiscard]] std::optional<Step> request_of(const spec::Access& access) const;

 private:
  [[nodiscard]] bool is_seen(const spec::Access& access) const;

  const DeviceIdentity& device_;
  const spec::Caches& caches_;
};

}  // namespace iommucheck::oracle
