// SPDX-License-Identifier: MIT
// What operations of each subject work on.
#pragma once

#include "check/caller.h"
#include "check/lockstep_case.h"
#include "check/lockstep_options.h"

namespace iommucheck::oracle {

struct CaseContext {
  const LockstepOptions& options;
  BackendMachine* machine;  ///< null: an SMMUv3
  Monitor& monitor;
  DriverHost& host;
  LockstepCase& state;
  Caller& caller;
};

class CaseOps {
 public:
  explicit CaseOps(const CaseContext& context)
      : options_(context.options),
        machine_(context.machine),
        monitor_(context.monitor),
        host_(context.host),
        case_(context.state),
        caller_(context.caller) {}

 protected:
  using Space = LockstepCase::Space;
  using SvmTask = LockstepCase::SvmTask;
  using Bond = LockstepCase::Bond;
  using Queue = LockstepCase::Queue;
  using Group = LockstepCase::Group;
  static constexpr std::size_t spaces_max = LockstepCase::spaces_max;

  [[nodiscard]] bool may_call(const spec::sva::Call& call) const { return caller_.may_call(call); }
  spec::sva::Observed make_call(const spec::sva::Call& call) { return caller_.make_call(call); }
  [[nodiscard]] bool claims(Claim claim) const { return caller_.claims(claim); }
  [[nodiscard]] u32 device_of(const fuzz::Operation& operation) const {
    return caller_.device_of(operation);
  }
  /// Behind which the device is.
  [[nodiscard]] spec::Smmu& smmu_of(u32 device) const {
    return monitor_.smmu(monitor_.smmu_number_of(device));
  }

  const LockstepOptions& options_;
  BackendMachine* machine_;
  Monitor& monitor_;
  DriverHost& host_;
  LockstepCase& case_;
  Caller& caller_;
};

}  // namespace iommucheck::oracle
