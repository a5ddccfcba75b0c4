// SPDX-License-Identifier: MIT
// The header of a case's trace: what a replay and a judge have to know of case and device.
#pragma once

#include <optional>

#include "conform/case.h"
#include "conform/dut/device.h"
#include "trace/event.h"

namespace iommucheck::oracle {

trace::Header case_header(const Case& what, const DeviceUnderTest& device);

// ---- back ---------------------------------------------------------------------------------------

/// Where it says that the queues lie; nothing: it does not say so, or of a size that no queue has.
std::optional<QueueLayout> queues_of(const trace::Header& header);
/// Of what brings the SMMU up.
std::size_t boot_commands_of(const trace::Header& header);

}  // namespace iommucheck::oracle
