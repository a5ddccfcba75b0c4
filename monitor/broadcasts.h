// SPDX-License-Identifier: MIT
// What a CPU's TLBI reaches of an SMMU that hears it, as commands of the same scope. IHI 0070 3.17,
// 4.4.
#pragma once

#include <expected>
#include <string_view>
#include <vector>

#include "spec/smmu/command.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// So many pages of a range are told one by one; who means more invalidates an ASID.
inline constexpr u64 broadcast_pages_max = 4096;

/// One of 4 KiB for each page of a range. Error: what is not known of it, or cannot be, in words.
std::expected<std::vector<spec::Command>, std::string_view> commands_of(
    const trace::BroadcastTlbi& broadcast);

}  // namespace iommucheck::oracle
