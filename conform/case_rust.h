// SPDX-License-Identifier: MIT
// A case of conform as a #[test] of a model in Rust, over the crate in rust/.
#pragma once

#include <string>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// The test fails as long as the device answers as it did. `about`: what it shows. Errors: as
/// case_lines().
Expected<std::string> case_rust(const trace::Trace& trace, const std::string& about);

}  // namespace iommucheck::oracle
