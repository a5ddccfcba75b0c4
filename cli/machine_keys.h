// SPDX-License-Identifier: MIT
// What --smmu says: KEY=VALUE,..., or a file of them.
#pragma once

#include <string>

namespace iommucheck::cli {

/// `machine` with what `keys` changes of it. Of a file each line counts up to its #.
std::string with_keys(const std::string& machine, const std::string& keys);

/// Of a profile first, then of the others.
std::string with_keys(const std::string& machine, const std::string& profile,
                      const std::string& keys);

}  // namespace iommucheck::cli
