// SPDX-License-Identifier: MIT
// The words of the second IOMMU, as its driver writes them: docs/backends.md. Its page tables are a
// format of impl/pgtable/page_table.h.
#pragma once

#include "base/bits.h"
#include "base/types.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::impl::two {

inline constexpr u64 page_bytes = 4096;
inline constexpr unsigned words_lg2 = 9;    // of a page of a table
inline constexpr unsigned entries_lg2 = 8;  // of a page of entries, two words each
inline constexpr u64 entry_bytes = 16;

// ---- registers ----

namespace reg {
inline constexpr u64 identity = 0x00;
inline constexpr u64 device_table = 0x08;
inline constexpr u64 control = 0x10;
inline constexpr u64 argument_a = 0x20;
inline constexpr u64 argument_b = 0x28;
inline constexpr u64 argument_c = 0x30;
inline constexpr u64 command = 0x38;
inline constexpr u64 done = 0x40;
inline constexpr u64 argument_d = 0x48;
inline constexpr u64 request = 0x50;
inline constexpr u64 request_who = 0x58;
inline constexpr u64 request_iova = 0x60;
inline constexpr u64 request_take = 0x68;
inline constexpr u64 event = 0x70;
inline constexpr u64 event_iova = 0x78;
inline constexpr u64 event_table = 0x80;
inline constexpr u64 event_take = 0x88;
}  // namespace reg

enum class Command : u64 {
  forget_device = 1,
  forget_entry = 2,
  drop_range = 3,
  drop_device = 4,
  drop_all = 5,
  respond = 6,
  drop_inner = 7,
  drop_root = 8,
};
inline constexpr u64 every_root = ~u64{0};

// What `respond` says of a group of page requests.
inline constexpr u64 respond_invalid = 0;  // its accesses are aborted
inline constexpr u64 respond_again = 1;    // they are made again
inline constexpr u64 respond_failure = 2;  // aborted, and the device asks no more

// First word of a record of an access that was ended; the stream ID is above.
inline constexpr u64 event_by_outer = 4;
inline constexpr u64 event_has_pasid = u64{1} << 11;
inline constexpr u32 events_max = 32;  // that have room

// ---- words ----

inline constexpr u64 blocked = 0;
inline constexpr u64 untranslated = 1;
inline constexpr u64 first_blocked = u64{1} << 2;
inline constexpr u64 first_untranslated = u64{2} << 2;
constexpr u64 device_word(u64 table, unsigned pasid_bits, u64 first) {
  return table | u64{pasid_bits} << 4 | first | 2;
}

inline constexpr u64 entry_valid = 1;
inline constexpr u64 entry_quiet = 2;
inline constexpr u64 entry_waits = 4;
inline constexpr u64 entry_cpus = 8;
inline constexpr u64 entry_four_levels = 16;
inline constexpr u64 entry_untranslated = 32;
inline constexpr u64 entry_users = 64;
// What of an entry is the user's to choose, in its first word: where its table lies, how deep it
// is, or that there is none.
inline constexpr u64 entry_by_user =
    entry_valid | entry_four_levels | entry_untranslated | mask(51, 12);

// ---- page tables: three levels to 39 bits of input, four to 48 ----

struct Format {
  static constexpr unsigned last_level = 3;
  static constexpr unsigned level_shift(unsigned level) { return 12 + 9 * (last_level - level); }
  static constexpr unsigned index_lg2(unsigned /*level*/) { return words_lg2; }
  static constexpr unsigned start_level(unsigned input_bits) { return input_bits > 39 ? 0 : 1; }
  static constexpr unsigned table_lg2(unsigned /*level*/, unsigned /*input_bits*/) {
    return words_lg2;
  }
  static constexpr u64 table_index(u64 iova, unsigned level, unsigned lg2) {
    return iova >> level_shift(level) & mask(lg2 - 1, 0);
  }
  static constexpr u64 entry_address(u64 table, u64 iova, unsigned level, unsigned lg2) {
    return table + 8 * table_index(iova, level, lg2);
  }
  static constexpr u64 leaf_offset(u64 iova, unsigned level) {
    return iova & mask(level_shift(level) - 1, 0);
  }
  static constexpr u64 written_bit = u64{1} << 57;
  static constexpr u64 tracks_bit = u64{1} << 58;
  static constexpr bool is_writable(u64 word) { return bit(word, 59); }
  static constexpr u64 make_clean(u64 word) { return (word | tracks_bit) & ~written_bit; }
  static constexpr u64 make_untracked(u64 word) { return word & ~(tracks_bit | written_bit); }
  static constexpr bool block_at(unsigned level) { return level >= 1; }
  static constexpr bool is_valid(u64 word) { return bit(word, 63); }
  static constexpr bool is_table(u64 word, unsigned level) {
    return level != last_level && (word >> 62) == 2;
  }
  static constexpr u64 address(u64 word) { return (word & mask(39, 0)) << 12; }
  static constexpr u64 make_table(u64 pa) { return u64{1} << 63 | pa >> 12; }
  static constexpr u64 make_leaf(u64 pa, u64 attributes, unsigned /*level*/) {
    return u64{3} << 62 | attributes | pa >> 12;
  }
  static constexpr u64 attributes(u32 prot) {
    u64 word = 0;
    if ((prot & IOMMUCHECK_PROT_PRIVILEGED) == 0) word |= u64{1} << 61;
    if ((prot & IOMMUCHECK_PROT_EXEC) != 0) word |= u64{1} << 60;
    if ((prot & IOMMUCHECK_PROT_WRITE) != 0) word |= u64{1} << 59;
    return word;
  }
};

}  // namespace iommucheck::impl::two
