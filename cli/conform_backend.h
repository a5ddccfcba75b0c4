// SPDX-License-Identifier: MIT
// conform --backend: a backend of the core, with the model of its hardware, on all scenarios that
// may run there and on random ones. docs/backends.md.
#pragma once

#include "cli/options.h"

namespace iommucheck::cli {

/// The exit status.
int run_conform_backend(const ConformCommand& options);

}  // namespace iommucheck::cli
