// SPDX-License-Identifier: MIT
// The header of a case's trace: what a replay and a judge have to know of case and device.
#pragma once

#include "conform/case.h"
#include "conform/dut/device.h"
#include "trace/event.h"

namespace iommucheck::oracle {

trace::Header case_header(const Case& what, const DeviceUnderTest& device);

// ---- back ---------------------------------------------------------------------------------------

struct MemoryRange {
  u64 base = 0, bytes = 0;
};
/// Where it says that the command queue lies; nothing if it says nothing.
MemoryRange command_queue_of(const trace::Header& header);
QueueLayout queues_of(const trace::Header& header);
/// Of what brings the SMMU up.
std::size_t boot_commands_of(const trace::Header& header);

}  // namespace iommucheck::oracle
