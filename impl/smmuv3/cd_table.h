// SPDX-License-Identifier: MIT
// Where the context descriptors of a domain are. A domain begins with one CD; when its first PASID
// is used it gets a table, whose CD 0 is the same. IHI 0070 5.4, 3.3.3; arch 3.1.
//
// The table is made once, for the widest PASIDs that any device of the platform can send, so that
// it never has to grow: in two levels that costs 8 bytes for each 64 CDs, and leaves are made when
// they are used. Each STE says how much of it its own device can reach (S1CDMax): one with PASIDs
// of up to 6 bits reads the first leaf as a linear table, one without PASIDs its first CD.
#pragma once

#include "base/types.h"
#include "impl/platform/platform.h"
#include "impl/smmuv3/pools.h"
#include "impl/smmuv3/structures.h"

namespace iommucheck::impl {

class CdTable {
 public:
  static constexpr unsigned leaf_lg2 = 6;  // 64 CDs: one page
  static constexpr u64 cd_words = structure_words;

  /// A single CD, its content unknown. False: no memory.
  bool create(const Platform& platform, CdSlots& slots) {
    slot_ = slots.allocate(platform);
    return slot_ != 0;
  }
  /// Gives all memory back: nothing may reach it any more, in memory or in caches.
  void destroy(const Platform& platform, CdSlots& slots);

  bool has_table() const { return first_ != 0; }

  /// Makes a table of 2^bits CDs whose CD 0 is that of the slot. The slot stays until drop_slot():
  /// STEs and caches may still lead to it. False: no memory, nothing changed.
  bool build(const Platform& platform, unsigned bits, bool two_level);
  /// Back to the slot; what was built stays until drop_abandoned().
  void abandon();
  void drop_abandoned(const Platform& platform);
  void drop_slot(CdSlots& slots);

  enum class Reserved : u8 {
    present,
    linked,  ///< an L1CD changed: CFGI_CD with Leaf = 0 and CMD_SYNC must follow
    no_memory,
  };
  /// Makes sure that there is a CD for `pasid` (1 .. 2^bits - 1), invalid if it is new.
  Reserved reserve(const Platform& platform, u32 pasid);

  /// Address of the CD of `pasid`, 0 if reserve() has not been called for it; 0 is the RID's.
  u64 entry(const Platform& platform, u32 pasid) const;

  /// Word 0 of the STE of a device with PASIDs of `ssid_bits` (0: none).
  u64 ste_word0(unsigned ssid_bits) const;

 private:
  struct Memory {
    u64 first = 0;  // the first leaf, or the whole of a linear table
    u64 root = 0;   // L1CDs; 0: linear
    unsigned bits = 0;
  };
  static u64 root_bytes(unsigned bits);
  static u64 linear_bytes(unsigned bits) { return cd_bytes << (bits < leaf_lg2 ? leaf_lg2 : bits); }
  static u64 new_cds(const Platform& platform, u64 bytes);
  static void free_memory(const Platform& platform, const Memory& memory);
  Memory memory() const { return {first_, root_, bits_}; }

  u64 slot_ = 0;
  u64 first_ = 0;
  u64 root_ = 0;
  unsigned bits_ = 0;
  Memory abandoned_;
};

}  // namespace iommucheck::impl
