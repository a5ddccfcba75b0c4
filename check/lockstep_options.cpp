// SPDX-License-Identifier: MIT
#include "check/lockstep_options.h"

#include "check/check.h"

namespace iommucheck::oracle {

LockstepOptions lockstep_options(const CheckOptions& options) {
  LockstepOptions lockstep;
  lockstep.seed = options.seed;
  lockstep.scan = options.precision == Precision::scan;
  lockstep.claims = options.claims;
  lockstep.identity_window = options.identity_window;
  lockstep.steps_max = options.steps_max;
  return lockstep;
}

}  // namespace iommucheck::oracle
