// SPDX-License-Identifier: MIT
// What a program printed before it died.
#pragma once

#include <string>
#include <string_view>

namespace iommucheck::oracle {

/// The last lines with something in them, as one line; at most 300 characters.
std::string last_lines(std::string_view printed);

/// The place in a source file that an assertion or a panic names, without what leads out of a
/// folder: "hw/arm/x.c:678". The one that stands last; empty, if there is none.
std::string source_place(std::string_view printed);

}  // namespace iommucheck::oracle
