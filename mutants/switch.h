// SPDX-License-Identifier: MIT
// Put in front of every source of the woven build (-include): the one mutant that is switched on.
// Constant expressions are always those of the tree as it is.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace iommucheck_mutants {

/// FNV-1a, so that a mutant's number does not change when others join the list; 0 is no mutant.
constexpr std::uint64_t number_of(const char* id) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (; *id != '\0'; ++id) hash = (hash ^ static_cast<unsigned char>(*id)) * 0x100000001b3;
  return hash;
}

/// Read once, before anything else is initialised.
inline const std::uint64_t active = [] {
  const char* id = std::getenv("IOMMUCHECK_MUTANT");
  return id == nullptr || *id == '\0' ? 0 : number_of(id);
}();

constexpr bool on(std::uint64_t number) {
  return !__builtin_is_constant_evaluated() && active == number;
}

}  // namespace iommucheck_mutants
