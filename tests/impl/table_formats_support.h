// SPDX-License-Identifier: MIT
// A second format of tables, so that the algorithm is not written for one: entries with the address
// shifted down and rights that tell a leaf from a table, levels of 9, 10 and 10 bits.
#pragma once

#include "base/bits.h"
#include "base/types.h"

namespace iommucheck::test {

//   level   an entry covers   index is VA bits   leaf
//     0          4 GiB           40:32           block
//     1          4 MiB           31:22           block
//     2          4 KiB           21:12           page
struct WideFormat {
  static constexpr u64 valid = 1;
  static constexpr u64 rights = 0b1110;  // read, write, execute: none is a table
  static constexpr unsigned address_lsb = 10;

  static constexpr unsigned last_level = 2;
  static constexpr unsigned input_bits_min = 23;
  static constexpr unsigned input_bits_max = 41;
  static constexpr unsigned level_shift(unsigned level) { return 32 - 10 * level; }
  static constexpr unsigned index_lg2(unsigned level) { return level == 0 ? 9 : 10; }
  static constexpr unsigned start_level(unsigned input_bits) { return input_bits > 32 ? 0 : 1; }
  static constexpr unsigned table_lg2(unsigned level, unsigned input_bits) {
    return level == start_level(input_bits) ? input_bits - level_shift(level) : index_lg2(level);
  }
  static constexpr u64 table_index(u64 iova, unsigned level, unsigned lg2) {
    return (iova >> level_shift(level)) & mask(lg2 - 1, 0);
  }
  static constexpr u64 entry_address(u64 table, u64 iova, unsigned level, unsigned lg2) {
    return table + 8 * table_index(iova, level, lg2);
  }
  static constexpr u64 leaf_offset(u64 iova, unsigned level) {
    return iova & mask(level_shift(level) - 1, 0);
  }
  static constexpr bool block_at(unsigned /*level*/) { return true; }
  static constexpr bool is_valid(u64 word) { return (word & valid) != 0; }
  static constexpr bool is_table(u64 word, unsigned /*level*/) {
    return is_valid(word) && (word & rights) == 0;
  }
  static constexpr u64 address(u64 word) { return bits(word, 53, address_lsb) << 12; }
  static constexpr u64 make_table(u64 pa) { return pa >> 12 << address_lsb | valid; }
  static constexpr u64 make_leaf(u64 pa, u64 attributes, unsigned /*level*/) {
    return pa >> 12 << address_lsb | attributes | valid;
  }
  static constexpr u64 leaf_attributes() { return rights; }
};

}  // namespace iommucheck::test
