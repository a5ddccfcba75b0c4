// SPDX-License-Identifier: MIT
// Rules that types in headers have until another is said, by their numbers: a new rule concerns who
// names rules of its area, and not all who know these types. rules_catalogue.cpp holds which they
// are.
#pragma once

#include "spec/rules.h"

namespace iommucheck::spec::unset {

inline constexpr Rule structure{area::structures + 5};    ///< STE_VALID
inline constexpr Rule descriptor{area::translation + 4};  ///< S1_DESCRIPTOR_VALID
inline constexpr Rule result{area::interface};            ///< RESULT_EXACT

}  // namespace iommucheck::spec::unset
