// SPDX-License-Identifier: MIT
// Commands of users by what was drawn: of each kind that there is, with reserved bits now and then.
#pragma once

#include <span>

#include "spec/sva/call.h"

namespace iommucheck::oracle {

spec::sva::CommandWords drawn_command(u64 word);
/// For the second IOMMU; `roots`: of the user's tables.
spec::sva::CommandWords drawn_command_of_two(u64 word, std::span<const u64> roots);

}  // namespace iommucheck::oracle
