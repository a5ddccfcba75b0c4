// SPDX-License-Identifier: MIT
// What a user may send to its own IOMMU of this kind, where each command is two words, and what of
// it the host needs. INTERFACE "Nested". Pure: the words alone.
//
//   word 0   kind in bits 5:0, as of the host's; log2 of the pages of a range in 11:6, 52: all
//            addresses; of drop_range the root of the user's table, page and all, or 0: of each;
//            of drop_device a PASID in 31:12 and the user's number of the device in 63:32
//   word 1   the first address of the range; of drop_device bit 0: it has a PASID
#pragma once

#include <optional>

#include "base/bits.h"
#include "base/types.h"
#include "impl/core/space.h"
#include "impl/two/format.h"

namespace iommucheck::impl::two {

struct UsersCommand {
  Command kind{};
  u64 root = every_root;  // drop_range: an intermediate address
  u64 first = 0;
  u64 last = ~u64{0};
  u32 number = 0;  // drop_device
  u32 pasid = no_pasid;
};

/// Nothing: none that a user may give, or a bit that means nothing there.
constexpr std::optional<UsersCommand> read_users_command(u64 word0, u64 word1) {
  constexpr unsigned pages_of_all = 52;
  constexpr u64 address_bits = mask(63, 12);
  UsersCommand command{.kind = static_cast<Command>(bits(word0, 5, 0))};
  const auto pages_lg2 = static_cast<unsigned>(bits(word0, 11, 6));
  if (command.kind == Command::drop_all) {
    return (word0 >> 6) == 0 && word1 == 0 ? std::optional(command) : std::nullopt;
  }
  const bool of_device = command.kind == Command::drop_device;
  if (!of_device && command.kind != Command::drop_range) return std::nullopt;
  if (pages_lg2 > pages_of_all) return std::nullopt;
  if ((word1 & ~(address_bits | (of_device ? 1 : 0))) != 0) return std::nullopt;
  if (pages_lg2 < pages_of_all) {
    const u64 within = mask(11 + pages_lg2, 0);
    command.first = word1 & address_bits;
    if ((command.first & within) != 0) return std::nullopt;
    command.last = command.first | within;
  } else if ((word1 & address_bits) != 0) {
    return std::nullopt;
  }
  if (!of_device) {
    if ((word0 >> 52) != 0) return std::nullopt;
    if (const u64 root = word0 & mask(51, 12); root != 0) command.root = root;
    return command;
  }
  command.number = static_cast<u32>(word0 >> 32);
  const bool has_pasid = bit(word1, 0);
  if (has_pasid) command.pasid = static_cast<u32>(bits(word0, 31, 12));
  if (!has_pasid && bits(word0, 31, 12) != 0) return std::nullopt;
  return command;
}

}  // namespace iommucheck::impl::two
