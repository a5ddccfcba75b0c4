// SPDX-License-Identifier: MIT
// A guest without its driver: the host, and the SMMU that it plays.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "guest/virtual_smmu.h"

namespace iommucheck::oracle {

class Guest {
 public:
  using MakeSmmu = std::function<std::unique_ptr<VirtualSmmu>(HostSide&, const GuestSetup&)>;

  /// `driver`: the host's, outlives it. `make_smmu`: empty, or in the place of the right one.
  Guest(const iommucheck_driver& driver, const GuestSetup& setup, const MakeSmmu& make_smmu = {})
      : host_(driver, setup),
        smmu_(make_smmu ? make_smmu(host_, setup) : std::make_unique<VirtualSmmu>(host_, setup)) {}

  HostSide& host() { return host_; }
  VirtualSmmu& smmu() { return *smmu_; }

  /// What they are now is what restore() goes back to.
  void snapshot() {
    host_.snapshot();
    smmu_->snapshot();
  }
  void restore() {
    host_.restore();
    smmu_->restore();
  }

 private:
  HostSide host_;
  std::unique_ptr<VirtualSmmu> smmu_;
};

}  // namespace iommucheck::oracle
