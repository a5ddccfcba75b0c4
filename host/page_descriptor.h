// SPDX-License-Identifier: MIT
// Stage 1 descriptors as the environment writes them, of processes and of users: DDI 0487 D8.3.
// Written here a third time on purpose: the environment is neither the driver under test nor the
// specification that judges it.
#pragma once

#include "spec/sva/call.h"

namespace iommucheck::oracle::page {

inline constexpr unsigned last_level = 3;
inline constexpr u64 valid = 1;
inline constexpr u64 table_or_page = 2;
inline constexpr u64 unprivileged = u64{1} << 6;
inline constexpr u64 read_only = u64{1} << 7;
inline constexpr u64 inner_shareable = u64{3} << 8;
inline constexpr u64 accessed = u64{1} << 10;
inline constexpr u64 not_global = u64{1} << 11;
inline constexpr u64 dirty_bit_modifier = u64{1} << 51;
inline constexpr u64 privileged_execute_never = u64{1} << 53;
inline constexpr u64 execute_never = u64{1} << 54;

/// Write-back, of rights in the values of the C interface.
constexpr u64 leaf(u64 output, unsigned level, u32 rights) {
  u64 word = output | valid | unprivileged | inner_shareable | accessed | not_global |
             privileged_execute_never;
  if (level == last_level) word |= table_or_page;
  if ((rights & spec::sva::prot_write) == 0) word |= read_only;
  if ((rights & spec::sva::prot_exec) == 0) word |= execute_never;
  return word;
}

}  // namespace iommucheck::oracle::page
