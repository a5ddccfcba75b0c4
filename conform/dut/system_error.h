// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"

namespace iommucheck::oracle {

/// `what`, and what the system says of its last call.
inline std::unexpected<Error> system_error(const std::string& what) {
  return fail(ErrorCode::environment, what + ": " + std::strerror(errno));
}

}  // namespace iommucheck::oracle
