// SPDX-License-Identifier: MIT
// From the options of the command line to those of a run.
#pragma once

#include <string>

#include "check/check.h"
#include "cli/options.h"

namespace iommucheck::cli {

/// --machine, changed by --smmu and --devices.
std::string check_machine(const CheckCommand& options);
/// All that a run of `check` is told; a seed is drawn where none is given.
oracle::CheckOptions check_settings(const CheckCommand& options);

}  // namespace iommucheck::cli
