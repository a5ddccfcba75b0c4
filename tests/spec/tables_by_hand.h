// SPDX-License-Identifier: MIT
// Memory for walks over tables built by hand: what nobody wrote is 0, and high addresses abort.
#pragma once

#include <map>
#include <optional>

#include "base/types.h"

namespace iommucheck::spec {

struct TablesByHand {
  std::map<u64, u64> words;
  std::optional<u64> read(u64 address) const {
    if (address >= 0xdead'0000) return std::nullopt;  // external abort
    const auto found = words.find(address);
    return found == words.end() ? 0 : found->second;
  }
};

}  // namespace iommucheck::spec
