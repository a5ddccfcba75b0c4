// SPDX-License-Identifier: MIT
// Tables of weights, of which a codec's words are positions.
#pragma once

#include <array>
#include <cstddef>

#include "base/types.h"

namespace iommucheck::fuzz {

/// weights[v]: how many of the raw values of the field mean v.
template <std::size_t Raw, std::size_t N>
constexpr std::array<u8, Raw> spread(const std::array<unsigned, N>& weights) {
  std::array<u8, Raw> table{};
  std::size_t at = 0;
  for (std::size_t value = 0; value < N; ++value) {
    if (weights[value] == 0) throw "every value needs a place, or it cannot be encoded";
    for (unsigned n = 0; n < weights[value]; ++n) table[at++] = static_cast<u8>(value);
  }
  if (at != Raw) throw "weights do not add up";
  return table;
}

}  // namespace iommucheck::fuzz
