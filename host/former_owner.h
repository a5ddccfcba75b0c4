// SPDX-License-Identifier: MIT
// Who had the SMMU before the driver: a firmware, or a kernel before kexec. What it leaves is in
// the trace before the driver begins, as what the environment does.
#pragma once

#include "monitor/monitor.h"

namespace iommucheck::oracle {

/// Leaves the SMMU on: streams bypass through a stream table of its own, both queues and their
/// interrupts are enabled, a record of an event waits, and where the SMMU has ATS its command queue
/// has stopped with CERROR_ATC_INV_SYNC that nobody has acknowledged. `memory`: what of it lies at
/// that address, 16 KiB, stays its own; nothing of it is given to the driver.
void leave_switched_on(Monitor& monitor, u64 memory);

}  // namespace iommucheck::oracle
