// SPDX-License-Identifier: MIT
// Texts in traces are UTF-8; consoles and file names need not be.
#pragma once

#include <string>
#include <string_view>

namespace iommucheck::trace {

bool is_utf8(std::string_view text);
/// `text` with every byte that is no part of UTF-8 replaced by U+FFFD.
std::string to_utf8(std::string_view text);

}  // namespace iommucheck::trace
