// SPDX-License-Identifier: MIT
// The check of a plug-in: in a worker process that may crash or hang and is then begun again.
#pragma once

#include "check/check.h"

namespace iommucheck::oracle {

/// As run_check, for options that are valid and name a file.
Expected<CheckResult> check_plugin(const CheckOptions& options);

/// Of a crash at that address: what it says of the driver; empty: nothing.
std::string remark_on_address(u64 address, u64 window_pa, u64 window_bytes, bool identity_window);

}  // namespace iommucheck::oracle
