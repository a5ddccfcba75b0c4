// SPDX-License-Identifier: MIT
// How many random cases a test draws. Properties of rapidcheck have their number from RC_PARAMS,
// which `./dev test` sets by the same choice.
#pragma once

#include <cstdlib>
#include <string_view>

#include "base/random.h"
#include "base/types.h"

namespace iommucheck::test {

/// `few`, with which all that has to be found is found; `many` in `./dev test --long`.
inline u64 cases(u64 few, u64 many) {
  return std::getenv("IOMMUCHECK_LONG") == nullptr ? few : many;
}

/// Of a list that is long each run of `./dev test` takes one part of `parts`, which its seed draws:
/// whether the `number`-th is in it. In `--all` and `--long`, and where no seed is given, all are.
inline bool in_this_run(u64 number, u64 parts) {
  const char* parameters = std::getenv("RC_PARAMS");
  if (parameters == nullptr || std::getenv("IOMMUCHECK_LONG") != nullptr) return true;
  if (std::getenv("IOMMUCHECK_ALL") != nullptr) return true;
  u64 seed = 0;
  for (const char c : std::string_view(parameters)) seed = seed * 31 + static_cast<u8>(c);
  return (number + SplitMix64(seed).next()) % parts == 0;
}

/// What of the list is in this run.
template <class List>
List part_in_this_run(const List& all, u64 parts) {
  List part;
  u64 number = 0;
  for (const auto& one : all) {
    if (in_this_run(number++, parts)) part.push_back(one);
  }
  return part;
}

}  // namespace iommucheck::test
