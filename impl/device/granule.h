// SPDX-License-Identifier: MIT
// VMSAv8-64: how tables of the three granules are laid out, DDI 0487 D8.2.
#pragma once

#include "base/bits.h"
#include "impl/device/words.h"

namespace iommucheck::device {

/// log2 of a page: 12, 14, 16; nothing else.
using PageLg2 = u8;

constexpr unsigned level_bits(unsigned page) { return page - 3; }
/// log2 of what one entry of a table of `level` spans.
constexpr unsigned level_shift(unsigned page, unsigned level) {
  return page + (3 - level) * level_bits(page);
}
/// May a descriptor of `level` be a block? `wide`: the output size is 52 bits.
constexpr bool has_blocks(unsigned page, unsigned level, bool wide) {
  if (level == 2) return true;
  return level == 1 && (page == 12 || (page == 16 && wide));
}
/// Where a walk of stage 1 starts, for a legal TxSZ.
constexpr unsigned start_level(unsigned page, unsigned tsz) {
  const unsigned input = 64 - tsz;
  const unsigned levels = (input - page + level_bits(page) - 1) / level_bits(page);
  return levels >= 4 ? 0 : 4 - levels;
}
/// Address of the entry for `address` in the table at `table`; only `input` bits count.
constexpr u64 entry_address(unsigned page, unsigned level, bool first, unsigned input, u64 table,
                            u64 address) {
  const unsigned shift = level_shift(page, level);
  const unsigned top = first ? input : shift + level_bits(page);
  return table + ((address & low_mask(top)) >> shift) * 8;
}
/// The first table of a walk, aligned to its size, of 64 bytes at least where outputs have 52 bits.
constexpr u64 first_table(unsigned page, unsigned level, unsigned input, u64 base, bool wide) {
  const unsigned size = input - level_shift(page, level) + 3;
  return align_down(base, wide && size < 6 ? 6 : size);
}
constexpr unsigned tsz_most(unsigned page, bool small) {
  return !small ? 39 : page == 16 ? 47 : 48;
}

/// Bits [47:lo], and with 52-bit outputs of 64 KiB tables [51:48] from [15:12].
constexpr u64 descriptor_address(unsigned page, unsigned lo, u64 word, bool wide) {
  const u64 low = word & mask(47, lo);
  return page == 16 && wide ? low | bits(word, 15, 12) << 48 : low;
}

enum class Form : u8 { invalid, table, leaf };
constexpr Form form_of(unsigned page, unsigned level, u64 word, bool wide) {
  if (!bit(word, 0)) return Form::invalid;
  if (level == 3) return bit(word, 1) ? Form::leaf : Form::invalid;
  if (bit(word, 1)) return Form::table;
  return has_blocks(page, level, wide) ? Form::leaf : Form::invalid;
}

static_assert(start_level(12, 16) == 0 && start_level(12, 25) == 1 && start_level(12, 43) == 3);
static_assert(start_level(14, 16) == 0 && start_level(14, 17) == 1 && start_level(14, 39) == 3);
static_assert(start_level(16, 16) == 1 && start_level(16, 22) == 2 && start_level(16, 12) == 1);

}  // namespace iommucheck::device
