// SPDX-License-Identifier: MIT
// VMSAv8-64 with each granule, as formats of impl/pgtable/page_table.h.
#pragma once

#include "base/types.h"
#include "impl/vmsav8/descriptor.h"
#include "impl/vmsav8/layout.h"

namespace iommucheck::impl {

/// `page`: log2 of the smallest one.
template <unsigned page>
struct Vmsav8 {
  static constexpr unsigned last_level = impl::last_level;
  static constexpr unsigned level_shift(unsigned level) { return impl::level_shift(level, page); }
  static constexpr unsigned index_lg2(unsigned /*level*/) { return impl::index_lg2(page); }
  static constexpr unsigned start_level(unsigned input_bits) {
    return impl::start_level(input_bits, page);
  }
  /// Of a root at that level, which may be several tables.
  static constexpr unsigned table_lg2(unsigned level, unsigned input_bits) {
    return input_bits - level_shift(level);
  }
  static constexpr u64 table_index(u64 iova, unsigned level, unsigned lg2) {
    return impl::table_index(iova, level, lg2, page);
  }
  static constexpr u64 entry_address(u64 table, u64 iova, unsigned level, unsigned lg2) {
    return impl::entry_address(table, iova, level, lg2, page);
  }
  static constexpr u64 leaf_offset(u64 iova, unsigned level) {
    return impl::leaf_offset(iova, level, page);
  }
  static constexpr bool block_at(unsigned level) { return level >= first_block_level(page); }
  static constexpr bool is_valid(u64 word) { return descriptor::is_valid(word); }
  static constexpr bool is_table(u64 word, unsigned level) {
    return descriptor::is_table(word, level);
  }
  /// Bits 15 to 12 of larger granules are of addresses beyond 48 bits: none is made.
  static constexpr u64 address(u64 word) { return descriptor::address(word); }
  static constexpr u64 make_table(u64 pa) { return descriptor::make_table(pa); }
  static constexpr u64 make_leaf(u64 pa, u64 attributes, unsigned level) {
    return descriptor::make_leaf(pa, attributes, level);
  }
};

using Vmsav8Granule4k = Vmsav8<12>;
using Vmsav8Granule16k = Vmsav8<14>;
using Vmsav8Granule64k = Vmsav8<16>;

}  // namespace iommucheck::impl
