// SPDX-License-Identifier: MIT
// The header of a case's trace: what a replay and a judge have to know of case and device.
#pragma once

#include "conform/case.h"
#include "conform/dut/device.h"
#include "trace/event.h"

namespace iommucheck::oracle {

trace::Header case_header(const Case& what, const DeviceUnderTest& device);

}  // namespace iommucheck::oracle
