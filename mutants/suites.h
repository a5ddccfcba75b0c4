// SPDX-License-Identifier: MIT
// Which tests concern which folder, the likeliest first.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace iommucheck::mutants {

/// One program of the woven build with its arguments.
struct Suite {
  std::string_view name;
  std::string_view program;
  std::vector<std::string> arguments;
};

const std::vector<Suite>& suites();

/// Numbers in suites(), in the order in which they are run for a mutant of `file`.
std::vector<std::size_t> suites_for(std::string_view file);

}  // namespace iommucheck::mutants
