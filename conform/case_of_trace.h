// SPDX-License-Identifier: MIT
// A trace that run_case() made, back to the case.
#pragma once

#include <string>

#include "base/error.h"
#include "conform/case.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// The driver's side of the trace. Errors: bad_input, with the name.
Expected<Case> case_of(const trace::Trace& trace, const std::string& name);

}  // namespace iommucheck::oracle
