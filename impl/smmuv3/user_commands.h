// SPDX-License-Identifier: MIT
// What a user may put into its own command queue, and what the host sends for it. IHI 0070 chapter
// 4; INTERFACE "Nested". Pure: the words alone, and what the SMMU can do.
#pragma once

#include <optional>

#include "base/types.h"
#include "impl/smmuv3/commands.h"
#include "impl/smmuv3/registers.h"

namespace iommucheck::impl {

/// The command of the host's that does for `vmid` and the stream `sid` what the user's asks for its
/// own. Nothing: no command that a user may give, or a bit that means nothing there. Of what the
/// user has written operands remain, that name nobody: ASID, SSID, addresses.
std::optional<Command> translated(const Command& user, const Features& features, u64 vmid, u64 sid);

/// Of a command of the user's that has a translation: whose StreamID it names.
constexpr bool names_stream(const Command& user) {
  const u64 op = user.word0 & 0xff;
  return op == command::op_cfgi_cd || op == command::op_cfgi_cd_all || op == command::op_atc_inv;
}
constexpr u32 stream_of(const Command& user) {
  return static_cast<u32>(user.word0 >> command::sid_lsb);
}
constexpr u32 ssid_of(const Command& user) {
  return static_cast<u32>(bits(user.word0, 31, command::ssid_lsb));
}

}  // namespace iommucheck::impl
