// SPDX-License-Identifier: MIT
// The version, once: CMakeLists.txt reads it from here.
#pragma once

namespace iommucheck {

inline constexpr char release_version[] = "0.1.0";

}  // namespace iommucheck
