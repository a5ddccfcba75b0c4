// SPDX-License-Identifier: MIT
#include "impl/smmuv3/user_commands.h"

namespace iommucheck::impl {

namespace {

namespace cmd = command;

constexpr u64 op_bits = mask(7, 0);
constexpr u64 vmid_bits = mask(47, 32);
constexpr u64 asid_bits = mask(63, 48);
constexpr u64 sid_bits = mask(63, 32);
constexpr u64 ssid_bits = mask(31, 12);
constexpr u64 leaf_bit = 1;
constexpr u64 size_bits = mask(5, 0);
constexpr u64 address_bits = mask(63, 12);
constexpr u64 granule_16k = 2;  // of TG
constexpr u64 scale_of_52_bits = 39;

/// TLBI by address: NUM, SCALE; TTL, TG, where there are ranges.
Command range_bits(const Features& features) {
  if (!features.range_invalidation) return {0, 0};
  return {mask(16, 12) | mask(features.wide_ranges ? 25 : 24, 20), mask(11, 8)};
}

/// Beside the opcode, what may be other than 0. Nothing: no user's command.
std::optional<Command> operands(u64 op, const Features& features) {
  const Command range = range_bits(features);
  const u64 by_address = leaf_bit | address_bits | range.word1;
  switch (op) {
    case cmd::op_tlbi_nsnh_all: return Command{0, 0};
    case cmd::op_tlbi_nh_all: return Command{vmid_bits, 0};
    case cmd::op_tlbi_nh_asid: return Command{vmid_bits | asid_bits, 0};
    case cmd::op_tlbi_nh_va: return Command{vmid_bits | asid_bits | range.word0, by_address};
    case cmd::op_tlbi_nh_vaa: return Command{vmid_bits | range.word0, by_address};
    case cmd::op_cfgi_cd: return Command{sid_bits | ssid_bits, leaf_bit};
    case cmd::op_cfgi_cd_all: return Command{sid_bits, 0};
    case cmd::op_atc_inv:
      if (!features.ats) return std::nullopt;
      return Command{sid_bits | ssid_bits | cmd::ssid_valid | cmd::global,
                     size_bits | address_bits};
    default: return std::nullopt;
  }
}

/// NUM, SCALE and TTL mean nothing without TG, and with it one of them is not 0 (4.4.1): else it is
/// CERROR_ILL.
bool is_legal_range(const Command& user) {
  const u64 num = bits(user.word0, 16, cmd::num_lsb);
  const u64 scale = bits(user.word0, 25, cmd::scale_lsb);
  const u64 ttl = bits(user.word1, 9, cmd::ttl_lsb);
  const u64 granule = bits(user.word1, 11, 10);
  const bool any = num != 0 || scale != 0 || ttl != 0;
  if (any != (granule != 0) || scale > scale_of_52_bits) return false;
  return granule != granule_16k || ttl != 1;  // no blocks there
}

/// Size above 52 is as 52 where it is not refused (4.5.1), and what a request without a PASID says
/// of PASIDs means nothing.
Command of_atc(const Command& user, u64 sid) {
  const u64 pasid = (user.word0 & cmd::ssid_valid) != 0
                        ? user.word0 & (ssid_bits | cmd::ssid_valid | cmd::global)
                        : 0;
  const u64 size = bits(user.word1, 5, 0);
  const u64 word1 = size < cmd::atc_size_all ? user.word1 : cmd::atc_size_all;
  return {cmd::op_atc_inv | pasid | sid << cmd::sid_lsb, word1};
}

}  // namespace

std::optional<Command> translated(const Command& user, const Features& features, u64 vmid,
                                  u64 sid) {
  const u64 op = user.word0 & op_bits;
  const std::optional<Command> may = operands(op, features);
  if (!may) return std::nullopt;
  if ((user.word0 & ~(op_bits | may->word0)) != 0 || (user.word1 & ~may->word1) != 0) {
    return std::nullopt;
  }
  switch (op) {
    case cmd::op_tlbi_nsnh_all:
    case cmd::op_tlbi_nh_all: return cmd::tlbi_nh_all(vmid);
    case cmd::op_cfgi_cd:
    case cmd::op_cfgi_cd_all:
      return Command{(user.word0 & ~sid_bits) | sid << cmd::sid_lsb, user.word1};
    case cmd::op_atc_inv: return of_atc(user, sid);
    default:
      if (!is_legal_range(user)) return std::nullopt;
      return Command{(user.word0 & ~vmid_bits) | vmid << cmd::vmid_lsb, user.word1};
  }
}

}  // namespace iommucheck::impl
