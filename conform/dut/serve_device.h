// SPDX-License-Identifier: MIT
// The other side of the door: a device of include/iommucheck/device.h that is asked by frames.
#pragma once

#include <string>

#include "conform/dut/frames.h"
#include "conform/dut/tester_memory.h"
#include "iommucheck/device.h"

namespace iommucheck::oracle {

/// Answers until the other side closes the connection or the device comes to an end, which is said
/// in a last frame. `memory`: shared with the tester; nullptr: it is asked for by frames.
void serve_device(FrameChannel channel, const iommucheck_dut* device, TesterMemory* memory);

/// The same with the device of a shared object. What is wrong with the file is said in that frame.
void serve_plugin(FrameChannel channel, const std::string& path, TesterMemory* memory);

}  // namespace iommucheck::oracle
