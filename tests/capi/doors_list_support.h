// SPDX-License-Identifier: MIT
// Every number of the public headers as a line of text: constants, members of structs with their
// places, functions. The C compiler says the numbers.
#pragma once

#include <string>
#include <vector>

namespace iommucheck::test {

/// Of the headers in `include`/iommucheck, in their order. Fails the test if they do not compile.
std::vector<std::string> list_of_doors(const std::string& include);

struct DoorsDifference {
  std::vector<std::string> broken;  ///< lines that changed or vanished, each with what it is now
  std::vector<std::string> added;   ///< lines that are not in the list yet
};
/// `list`: what was promised; `now`: what is.
DoorsDifference compare_doors(const std::vector<std::string>& list,
                              const std::vector<std::string>& now);

}  // namespace iommucheck::test
