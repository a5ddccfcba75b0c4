// SPDX-License-Identifier: MIT
// The things that a cache may hold although memory says otherwise by now. SEMANTICS 2.
//
// What memory says now is never listed: it can be fetched at any time. Listed is what could have
// been fetched earlier and that no invalidation has surely removed.
#pragma once

#include "base/types.h"
#include "spec/smmu/space.h"

namespace iommucheck::spec {

/// Number of a group of commands: those between two CMD_SYNCs of one queue. The moment of each
/// command lies between its exposure and the completion of the CMD_SYNC that ends its group, so
/// what a command of group n surely removes is said to die with n. What CPUs broadcast makes groups
/// of its own, whose numbers lie between those of the queue's (commands.h).
using Group = u32;
inline constexpr Group immortal = ~Group{0};

enum class ItemKind : u8 {
  final,    ///< a final translation (block or page), or one that faults on permission
  pointer,  ///< a table descriptor
  unknown,  ///< a word whose content nobody knew: any leaf or pointer of its slot, also a global
            ///< one
};

/// An entry of a TLB or walk cache, tagged by `tag` and its extent only. Final translations of
/// neighbouring entries whose outputs follow each other are one item with a count: each of them
/// lives and dies for itself, and an invalidation that covers some of them splits the item.
struct Item {
  u32 next = 0;  ///< in the list of its tag
  u32 tag = 0;
  Space space{};  ///< through which it was filled: attributes, permissions
  ItemKind kind = ItemKind::final;
  u8 level = 0;         ///< of the table in which the descriptor stands
  u8 hierarchical = 0;  ///< what the tables above took away, as four bits
  /// What combined entries may have kept of an entry of stage 2 that is gone: Stage::shadow.
  u8 shadow = 0;
  Group dies = immortal;
  u64 va = 0;      ///< first input address of its extent
  u64 value = 0;   ///< the descriptor
  u64 origin = 0;  ///< where it stood in memory
  /// Last event before which memory could fill it; of a shadow the group that ended what it is of.
  u32 since = 0;
  u32 vanished_at = 0;  ///< event whose visibility made memory say something else
  u32 stored_at = 0;  ///< event that replaced it, or, where none did, that ended the last way to it
  u32 count = 1;      ///< entries; more than 1 for final translations only

  /// Nothing was stored: the last way to it went. (An atomic update performs at once, and leaves
  /// what says the same.)
  [[nodiscard]] bool unreplaced() const { return stored_at != 0 && stored_at == vanished_at; }

  /// Bytes of one entry, contiguous hint aside.
  [[nodiscard]] u64 entry_bytes() const { return space.geometry.entry_bytes(level); }
  [[nodiscard]] u64 last() const { return va + (count * entry_bytes() - 1); }
  [[nodiscard]] bool holds(u64 address) const { return address - va < count * entry_bytes(); }
  /// `entries` of them, from number `first` on.
  [[nodiscard]] Item part(u64 first, u64 entries) const {
    Item item = *this;
    item.va += first * entry_bytes();
    if (kind == ItemKind::final) item.value += first * entry_bytes();
    item.origin += 8 * first;
    item.count = static_cast<u32>(entries);
    return item;
  }
  /// Of a pointer: the table to which it leads, and what it and those above took away.
  [[nodiscard]] TableExtent table() const { return table_below(space.geometry, value, level, va); }
  [[nodiscard]] u8 hierarchical_below() const;
};

inline u64 first_address(const Item& item) { return item.va; }
inline u64 last_address(const Item& item) { return item.last(); }

inline u8 pack(const HierarchicalAttributes<u64>& h) {
  return static_cast<u8>((h.read_only.value ? 1 : 0) | (h.no_unprivileged.value ? 2 : 0) |
                         (h.uxn.value ? 4 : 0) | (h.pxn.value ? 8 : 0));
}
inline HierarchicalAttributes<u64> unpack(u8 packed) {
  return {(packed & 1) != 0, (packed & 2) != 0, (packed & 4) != 0, (packed & 8) != 0};
}
/// What is taken away below the table descriptor `word`.
inline u8 pack_below(u8 hierarchical, u64 word) {
  return pack(accumulate(unpack(hierarchical), word));
}

inline u8 Item::hierarchical_below() const {
  return static_cast<u8>(hierarchical | pack_below(0, value));
}

/// A cached word of a configuration structure at one place in memory, with its tags; two words
/// where a fetch reads 16 bytes at once (not of descriptors).
struct ConfigItem {
  static constexpr u16 atschk_word = 8;  ///< beyond those of an STE: CR0.ATSCHK, cached with it
  static constexpr u64 no_place = ~u64{0xfff};

  ConfigKind kind = ConfigKind::ste;
  u8 unknown = 0;  ///< bit 0: the value is not known; bit 1: the partner
  u16 word = 0;    ///< 64-bit word within the structure, the even one of two
  u32 sid = 0;     ///< first of the span
  u32 sid_count = 1;
  u32 ssid = 0;  ///< L1CD, CD: first of the span
  u32 ssid_count = 1;
  Group dies = immortal;
  u64 place = 0;  ///< address of the structure
  u64 value = 0;
  u32 since = 0;
  u32 vanished_at = 0;
  u32 stored_at = 0;  ///< event that replaced it; 0: the last way to it went, or SMMUEN
  u32 padding = 0;
  u64 partner = 0;  ///< the odd word of two

  /// A look-up for these finds it.
  [[nodiscard]] bool serves(u32 stream, u32 substream) const {
    return stream - sid < sid_count && substream - ssid < ssid_count;
  }
};

/// Why a page is a table, or a part of one: an edge to it from a root, a word in memory, or a
/// cached pointer.
enum class EdgeKind : u8 { root, word, item };
struct Edge {
  u32 next = 0;
  EdgeKind kind = EdgeKind::word;
  u8 level = 0;  ///< of the table that the edge leads to
  u8 half = 0;   ///< root
  Geometry geometry{};
  u64 parent = 0;   ///< root: regime; word: address of the descriptor; item: its index
  u64 value = 0;    ///< the descriptor, or TTB
  u16 first = 0;    ///< index in the frame of the table's first entry there
  u16 count = 512;  ///< entries of the table in the frame
  u32 base = 0;     ///< number of that entry in the table, which may lie in several frames

  /// Of a root.
  [[nodiscard]] Space space() const {
    return {.regime = static_cast<u32>(parent), .half = half, .geometry = geometry};
  }
};

}  // namespace iommucheck::spec
