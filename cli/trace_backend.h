// SPDX-License-Identifier: MIT
// The hardware that judges a trace where it is no SMMUv3.
#pragma once

#include <string>

#include "base/error.h"
#include "monitor/trace_judge.h"

namespace iommucheck::cli {

/// For a trace of `check --backend`, or of a scenario on one: the one that it names if that is
/// built in, else `backend`, which has to be of that name. Empty for an SMMUv3's. Never loads an
/// object that only the trace names. bad_input; environment for files.
Expected<oracle::MakeHardware> hardware_of_trace(const std::string& trace,
                                                 const std::string& backend);

}  // namespace iommucheck::cli
