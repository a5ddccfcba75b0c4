// SPDX-License-Identifier: MIT
// What a device's own cache of translations (ATC) may hold. IHI 0070 3.9.1, 4.5.1; SEMANTICS 2, 3.
//
// A device holds whatever an ATS request was ever answered with, until an ATC_INV covers it: no
// TLBI and no CFGI ever reaches it. What a request would still be answered with now need not be
// listed, since the device may ask for it; so an entry becomes an item when its answer goes: with
// the CMD_SYNC that ends the last TLB entry or the configuration by which it was given.
//
// A device may keep any part of the range that it was granted, so entries are one page each: an
// ATC_INV of one page of a 2 MiB block leaves the other 511.
#pragma once

#include "spec/smmu/items.h"

namespace iommucheck::spec {

/// Whose ATC: entries carry StreamID and PASID, or no PASID.
struct AtcOwner {
  u32 sid = 0;
  u32 ssid = 0;
  /// 2: every PASID and none (filled by configuration of unknown content). 3: the same where stage
  /// 1 is a user's: entries are by intermediate address, for any that the device may send.
  u32 ssv = 0;
  static constexpr u32 contained = 3;
};

/// A run of entries whose outputs follow each other.
struct AtcItem {
  u32 next = 0;  ///< in the list of its owner
  u32 owner = 0;
  Space space{};                    ///< through which it was translated: attributes, permissions
  ItemKind kind = ItemKind::final;  ///< or unknown
  u8 level = 0;
  u8 hierarchical = 0;
  u8 unreplaced = 0;  ///< `stored_at` is no store: the last way to the descriptor went
  Group dies = immortal;
  u64 first = 0;  ///< input addresses; bits 63:56 as VA[55] where there are aliases
  u64 last = 0;
  u64 output = 0;                 ///< of `first`
  u64 value = 0;                  ///< the descriptor that translated `first`
  u64 origin = 0;                 ///< where it stood
  Group filled_until = immortal;  ///< group whose CMD_SYNC ended the answer
  u32 lost_at = 0;                ///< event at which that was seen
  u32 stored_at = 0;              ///< event that replaced the descriptor; 0: its configuration went
  u16 alias_first = 0;            ///< VA[63:56] under top-byte-ignore: each is an entry of its own
  u16 alias_count = 0;            ///< 0: the top byte is as in `first`
  u8 identity = 0;                ///< S1DSS = 1: output = input, read and write
  u8 clean_only = 0;              ///< writes that mark the descriptor dirty are not granted by it
  u8 from_reset = 0;              ///< unknown: filled while what was there at reset might live
  Overrides overrides{};          ///< of the STE by which it was granted: IHI 0070 13.7
  u8 padding2[3] = {};

  [[nodiscard]] bool holds(u64 va) const { return va - first <= last - first; }
  /// The entries for [from, to], which it holds.
  [[nodiscard]] AtcItem part(u64 from, u64 to) const {
    AtcItem item = *this;
    item.first = from;
    item.last = to;
    if (kind != ItemKind::final || identity != 0) return item;
    const unsigned shift = space.geometry.shift(level);
    const u64 steps = (from >> shift) - (first >> shift);
    item.output += from - first;
    item.value += steps << shift;
    item.origin += 8 * steps;
    return item;
  }
};

inline u64 first_address(const AtcItem& item) { return item.first; }
inline u64 last_address(const AtcItem& item) { return item.last; }

/// By what a device's ATS requests are answered now.
struct alignas(8) AtsSource {
  enum class Kind : u8 { regime, identity, unknown };
  u32 owner = 0;
  u32 regime = 0;
  Kind kind = Kind::regime;
  Overrides overrides{};
  u8 padding = 0;
  u32 number = 0;         ///< of the CD
  Group dies = immortal;  ///< group after which it is surely gone
  u32 padding2 = 0;
};

/// A StreamID whose endpoint has ATS enabled.
struct AtsStream {
  u64 sid = 0;
};

}  // namespace iommucheck::spec
