// SPDX-License-Identifier: MIT
// What stands behind `draw ->`: A:{D0,D1} for the devices of a domain, A.1:mm(X) for what is at a
// number of its.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace iommucheck::scenario {

/// One word of a drawing.
struct DrawnPart {
  /// A name in it, `at` characters behind its beginning.
  struct Named {
    std::string_view text;
    u32 at = 0;
  };
  Named domain;
  std::vector<Named> devices;
  Named process;      ///< of mm(X); empty: none is named
  std::string wrong;  ///< what is wrong with it; empty: nothing
};

DrawnPart read_drawn_part(std::string_view word);

}  // namespace iommucheck::scenario
