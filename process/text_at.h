// SPDX-License-Identifier: MIT
// Text that a plug-in points at, wherever that is.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace iommucheck::oracle {

/// As far as its zero, `max` characters of it at most (a page at most); nothing where a pointer
/// leads to no memory, which then ends nobody.
std::optional<std::string> text_at(const char* pointer, std::size_t max);

}  // namespace iommucheck::oracle
