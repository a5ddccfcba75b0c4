// SPDX-License-Identifier: MIT
// What a CPU's TLBI reaches of an SMMU that hears it, as a command of the same scope. IHI
// 0070 3.17, 4.4.
#pragma once

#include <expected>
#include <optional>
#include <string_view>

#include "spec/smmu/command.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// Of a range one that covers all of its 4 KiB pages; nothing of an empty one. Error: what is not
/// known of it, or cannot be, in words.
std::expected<std::optional<spec::Command>, std::string_view> command_of(
    const trace::BroadcastTlbi& broadcast);

}  // namespace iommucheck::oracle
