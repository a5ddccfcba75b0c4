// SPDX-License-Identifier: MIT
// A lockstep whose driver is a guest's.
#pragma once

#include <memory>

#include "check/lockstep_options.h"
#include "guest/guest.h"

namespace iommucheck::oracle {

/// Where Machine::guest is set: the machine that a guest can have, and its memory where the host
/// has some for it. Else the same.
LockstepOptions fit_guest(LockstepOptions options);

/// The guest of such options; null: there is none.
std::unique_ptr<Guest> guest_of(const LockstepOptions& options);

}  // namespace iommucheck::oracle
