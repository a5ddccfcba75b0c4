// SPDX-License-Identifier: MIT
// How users of the IOMMUs that are built in write. Apart from the driver's and the specification's,
// as all that the environment writes.
#pragma once

#include <optional>

#include "monitor/setup.h"
#include "monitor/user_words.h"

namespace iommucheck::oracle {

const UserWords& smmuv3_user_words();
const UserWords& two_user_words();
/// Of the setup's hardware; null: there are no users.
const UserWords* user_words(const Setup& setup);

namespace two_user_command {

constexpr u64 all_pages = 52;
/// root 0: of every table.
constexpr spec::sva::CommandWords drop_range(u64 root, u64 va, u64 pages_lg2) {
  return {3 | pages_lg2 << 6 | root, va};
}
constexpr spec::sva::CommandWords drop_device(u64 number, std::optional<u64> pasid, u64 va,
                                              u64 pages_lg2) {
  return {4 | pages_lg2 << 6 | pasid.value_or(0) << 12 | number << 32, va | (pasid ? 1 : 0)};
}
constexpr spec::sva::CommandWords drop_all() { return {5, 0}; }

}  // namespace two_user_command

}  // namespace iommucheck::oracle
