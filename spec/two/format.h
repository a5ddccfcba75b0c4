// SPDX-License-Identifier: MIT
// The words of the second IOMMU, which shares nothing with SMMUv3: what stands in memory, and its
// registers. docs/backends.md.
//
//   device table    one word for each stream ID
//   PASID table     of a device: an entry for accesses without a PASID, then one pointer for each
//                   256 PASIDs, to a page of entries; PASID 0 is a number like any other
//   entry           two words, the second one for entries of users alone
//   page table      3 or 4 levels of 512 words, leaves of 4 KiB, 2 MiB, 1 GiB; a user's, whose
//                   addresses are intermediate ones, or an outer one, which translates these
//
// Words are 64 bits, little-endian; a word of 0 says that nothing is there.
#pragma once

#include "base/bits.h"
#include "base/types.h"

namespace iommucheck::spec::two {

// ---- device table ----

enum class Way : u8 { blocked = 0, untranslated = 1, table = 2 };

struct DeviceWord {
  u64 word = 0;
  [[nodiscard]] Way way() const { return static_cast<Way>(bits(word, 1, 0)); }
  /// Beside a table, where accesses without a PASID go: `table` is 0 here, its first entry.
  [[nodiscard]] Way first() const {
    const u64 code = bits(word, 3, 2);
    return code == 1 ? Way::blocked : code == 2 ? Way::untranslated : Way::table;
  }
  /// 0: it reaches none of them, number 0 neither.
  [[nodiscard]] unsigned pasid_bits() const { return static_cast<unsigned>(bits(word, 9, 4)); }
  [[nodiscard]] bool reaches(u32 pasid) const {
    return pasid_bits() != 0 && (u64{pasid} >> pasid_bits()) == 0;
  }
  [[nodiscard]] u64 table() const { return word & mask(51, 12); }
};

// ---- PASID table ----

inline constexpr unsigned page_of_entries_lg2 = 8;
inline constexpr u64 entry_bytes = 16;
constexpr u64 pointer_at(u64 table, u32 pasid) {
  return table + entry_bytes + 8 * (u64{pasid} >> page_of_entries_lg2);
}
constexpr u64 entry_at(u64 page, u32 pasid) {
  return page + entry_bytes * (pasid & mask(page_of_entries_lg2 - 1, 0));
}

struct EntryWord {
  u64 word = 0;
  [[nodiscard]] bool valid() const { return bit(word, 0); }
  [[nodiscard]] bool quiet() const { return bit(word, 1); }  ///< ends all, reports nothing
  [[nodiscard]] bool waits() const { return bit(word, 2); }  ///< faults wait as page requests
  /// The table is the CPUs': that something is not mapped is never remembered.
  [[nodiscard]] bool cpus() const { return bit(word, 3); }
  /// Accesses pass as they are: no table is looked at.
  [[nodiscard]] bool untranslated() const { return bit(word, 5); }
  /// A user's: what its table says, and the table's own address, are intermediate addresses, or if
  /// it is `untranslated` those of the accesses. The second word has the outer table.
  [[nodiscard]] bool users() const { return bit(word, 6); }
  [[nodiscard]] unsigned levels() const { return bit(word, 4) ? 4 : 3; }
  [[nodiscard]] u64 root() const { return word & mask(51, 12); }
};

/// The second one of a user's entry.
struct OuterWord {
  u64 word = 0;
  [[nodiscard]] unsigned levels() const { return bit(word, 4) ? 4 : 3; }
  [[nodiscard]] u64 root() const { return word & mask(51, 12); }
};

// ---- page table ----

struct PageWord {
  u64 word = 0;
  [[nodiscard]] bool present() const { return bit(word, 63); }
  [[nodiscard]] bool leaf() const { return bit(word, 62); }
  [[nodiscard]] bool user() const { return bit(word, 61); }  ///< means nothing in an outer table
  [[nodiscard]] bool execute() const { return bit(word, 60); }
  [[nodiscard]] bool write() const { return bit(word, 59); }
  /// A write sets `written`. In a user's table neither means anything.
  [[nodiscard]] bool tracks() const { return bit(word, 58); }
  static constexpr u64 written_bit = u64{1} << 57;
  [[nodiscard]] bool written() const { return (word & written_bit) != 0; }
  [[nodiscard]] u64 address() const { return (word & mask(39, 0)) << 12; }
};

/// log2 of what one word covers; depth 0 is the last level.
constexpr unsigned covers_lg2(unsigned depth) { return 12 + 9 * depth; }
constexpr u64 word_at(u64 table, u64 iova, unsigned depth) {
  return table + 8 * bits(iova, covers_lg2(depth) + 8, covers_lg2(depth));
}

// ---- registers: offsets, 64 bits each ----

namespace reg {
inline constexpr u64 identity = 0x00;      ///< of what it can do; bit 24: it marks what is written
inline constexpr u64 device_table = 0x08;  ///< its address, and log2 of its words in bits 5:0
inline constexpr u64 control = 0x10;       ///< bit 0: it translates; else every access is blocked
inline constexpr u64 argument_a = 0x20;
inline constexpr u64 argument_b = 0x28;
inline constexpr u64 argument_c = 0x30;
inline constexpr u64 command = 0x38;  ///< a store sends the command with the four arguments
inline constexpr u64 done = 0x40;     ///< how many commands are complete
inline constexpr u64 argument_d = 0x48;
inline constexpr u64 request = 0x50;      ///< group of the oldest page request not taken; 0: none
inline constexpr u64 request_who = 0x58;  ///< its stream ID, the PASID in bits 63:32
/// The page; the rights wanted in bits 2:0 (r, w, x), bit 3: the last one of its group.
inline constexpr u64 request_iova = 0x60;
inline constexpr u64 request_take = 0x68;  ///< a store takes it
inline constexpr u64 event = 0x70;         ///< first word of the oldest record not taken; 0: none
inline constexpr u64 event_iova = 0x78;    ///< and the others: the address of the access,
inline constexpr u64 event_table = 0x80;   ///< the root of the host's table by which it went
inline constexpr u64 event_take = 0x88;    ///< a store takes it
}  // namespace reg

inline constexpr u32 no_pasid = ~u32{0};  ///< in commands and requests: without one

/// Arguments: who is a stream ID, the PASID in bits 63:32. [b, c] are addresses, both inclusive.
enum class CommandKind : u64 {
  forget_device = 1,  ///< a: stream ID. Its word, and all entries that it has reached
  forget_entry = 2,   ///< a: who
  drop_range = 3,     ///< a: root of a page table; [b, c]
  drop_device = 4,    ///< a: who; [b, c]. What the device itself has cached
  drop_all = 5,       ///< all but what devices have cached
  respond = 6,        ///< a: a group of page requests; b: a code, below
  /// a: root of an outer table; d: root of a user's over it, an intermediate address, or
  /// every_root; [b, c]: the user's addresses. What both tables have made together.
  drop_inner = 7,
  drop_root = 8,  ///< a: root of a page table: all of it, and all that users' tables made over it
};
inline constexpr u64 every_root = ~u64{0};

/// Of a response: the accesses of the group are aborted, or made again; or aborted, and the device
/// asks for nothing more until it is enabled.
enum class ResponseCode : u64 { invalid = 0, again = 1, failure = 2 };

// ---- records of accesses that were ended ----

enum class EventKind : u64 { none = 0, not_mapped = 1, denied = 2 };

struct EventWord {
  u64 word = 0;
  [[nodiscard]] EventKind kind() const { return static_cast<EventKind>(bits(word, 1, 0)); }
  [[nodiscard]] bool outer() const { return bit(word, 2); }  ///< by the outer table of a user's
  static constexpr unsigned rights_lsb = 3;                  ///< wanted: r, w, x
  [[nodiscard]] bool has_pasid() const { return bit(word, 11); }
  [[nodiscard]] u32 pasid() const { return static_cast<u32>(bits(word, 31, 12)); }
  [[nodiscard]] u32 stream() const { return static_cast<u32>(word >> 32); }
};

/// So many have room; what comes then is lost.
inline constexpr unsigned events_max = 32;

}  // namespace iommucheck::spec::two
