// SPDX-License-Identifier: MIT
// A case as a log of qtest that runs by itself against QEMU, for a report to its developers.
#pragma once

#include <string>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// A shell script that ends with the commands, each with the answer that the trace has. `about`:
/// what is found in it, as a comment. Errors: bad_input, if it is no trace of conform; unsupported,
/// if QEMU's engines cannot send its accesses.
Expected<std::string> case_qtest(const trace::Trace& trace, const std::string& about);

}  // namespace iommucheck::oracle
