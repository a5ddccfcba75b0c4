// SPDX-License-Identifier: MIT
// The memory attributes with which an access leaves the SMMU: type, cacheability, shareability. A
// leaf replaces whatever came in with the access and what the STE made of that; where stage 1 is
// bypassed the STE's overrides count, or the attributes go through as they came. Hints (allocation,
// transient) are no part of them. IHI 0070 13.1; of a byte of MAIR DDI 0487 D19.2.97.
//
// Worked values: MAIR 0xff with SH 3 is write-back, inner shareable; 0x44 (non-cacheable) and 0x04
// (Device-nGnRE) are outer shareable, whatever SH says.
#pragma once

#include <algorithm>

#include "base/bits.h"
#include "base/types.h"

namespace iommucheck::spec {

/// As SH of a descriptor has it; 1 is reserved.
enum class Shareability : u8 { none = 0, reserved = 1, outer = 2, inner = 3 };
enum class Cacheability : u8 { none, write_through, write_back };

/// `incoming`: as the device sent it. `reserved`: an encoding that is none.
enum class MemoryType : u8 { incoming, device, normal, reserved };

struct MemoryAttributes {
  MemoryType type = MemoryType::incoming;
  Cacheability inner = Cacheability::none;  ///< of normal memory
  Cacheability outer = Cacheability::none;
  u8 device = 0;  ///< of Device: nGnRnE, nGnRE, nGRE, GRE
  bool incoming_sh = true;
  Shareability sh = Shareability::none;
  friend bool operator==(const MemoryAttributes&, const MemoryAttributes&) = default;
};

/// What neither looks into a cache nor stays in one is outer shareable. IHI 0070 13.1.7.
constexpr MemoryAttributes consistent(MemoryAttributes attributes) {
  const bool uncached = attributes.type == MemoryType::normal &&
                        attributes.inner == Cacheability::none &&
                        attributes.outer == Cacheability::none;
  if (uncached || attributes.type == MemoryType::device) {
    attributes.incoming_sh = false;
    attributes.sh = Shareability::outer;
  }
  return attributes;
}

/// Half of a byte of MAIR that is no Device's.
constexpr Cacheability cacheability_of(u64 nibble) {
  if (nibble == 4) return Cacheability::none;
  return bit(nibble, 2) ? Cacheability::write_back : Cacheability::write_through;
}

/// Of a byte of MAIR. XS and Tagged change nothing of what is told here.
constexpr MemoryAttributes attributes_of_mair(u64 byte, u64 sh) {
  MemoryAttributes attributes{.incoming_sh = false, .sh = static_cast<Shareability>(sh & 3)};
  const u64 outer = bits(byte, 7, 4);
  const u64 inner = bits(byte, 3, 0);
  constexpr u64 nc_xs = 0x40, wt_xs = 0xa0, wb_tagged = 0xf0;
  if (outer == 0) {
    attributes.type = (inner & 3) <= 1 ? MemoryType::device : MemoryType::reserved;
    attributes.device = static_cast<u8>(inner >> 2);
  } else if (inner != 0 || byte == nc_xs || byte == wt_xs || byte == wb_tagged) {
    attributes.type = MemoryType::normal;
    attributes.outer = cacheability_of(outer);
    attributes.inner = inner == 0 ? attributes.outer : cacheability_of(inner);
  } else {
    attributes.type = MemoryType::reserved;
  }
  return consistent(attributes);
}

/// MemAttr of a stage 2 descriptor, by itself, as a byte of MAIR. DDI 0487 D8.6.6; S2FWB makes of
/// its lower three bits what it lets through: 6 is write-back whatever comes in, 7 is as it comes
/// in.
constexpr u64 mair_of_stage2(u64 memattr, bool fwb) {
  constexpr u64 write_back = 0xff, uncached = 0x44;
  if (fwb) {
    if (!bit(memattr, 2)) return bits(memattr, 1, 0) << 2;
    return bits(memattr, 1, 0) >= 2 ? write_back : uncached;
  }
  const u64 outer = bits(memattr, 3, 2);
  const u64 inner = bits(memattr, 1, 0);
  if (outer == 0) return inner << 2;
  constexpr u64 nibbles[] = {4, 4, 0xb, 0xf};  // an inner 0 is reserved, and taken for no cache
  return nibbles[outer] << 4 | nibbles[inner];
}

/// Of two the one that promises less: Device before Normal, and of each the stricter.
constexpr MemoryAttributes weaker(MemoryAttributes a, const MemoryAttributes& b) {
  if (b.type == MemoryType::device) {
    if (a.type != MemoryType::device || b.device < a.device) a.device = b.device;
    a.type = MemoryType::device;
  } else if (a.type == MemoryType::normal && b.type == MemoryType::normal) {
    a.inner = std::min(a.inner, b.inner);
    a.outer = std::min(a.outer, b.outer);
  }
  return a;
}

/// What comes in, behind stage 1 or a bypass of it, through a stage 2 leaf. IHI 0070 13.1.5, 13.5.
/// Of attributes that are as the device sent them it is said what becomes of the strongest, normal
/// write-back; where that is unchanged, they go on as they came. Inner shareable at least is said
/// of what came with an unknown shareability through an inner shareable leaf.
constexpr MemoryAttributes through_stage2(MemoryAttributes incoming, u64 memattr, u64 sh,
                                          bool fwb) {
  const MemoryAttributes leaf = attributes_of_mair(mair_of_stage2(memattr, fwb), sh);
  MemoryAttributes met = incoming;
  const bool forced = fwb && bits(memattr, 2, 0) == 6;
  const bool write_back = leaf.type == MemoryType::normal &&
                          leaf.inner == Cacheability::write_back &&
                          leaf.outer == Cacheability::write_back;
  if (forced || (incoming.type == MemoryType::incoming && !write_back)) {
    met.type = leaf.type;
    met.inner = leaf.inner;
    met.outer = leaf.outer;
    met.device = leaf.device;
  } else if (!write_back) {
    met = weaker(met, leaf);
  }
  const auto rank = [](Shareability s) {
    return s == Shareability::none ? 0 : s == Shareability::outer ? 2 : 1;
  };
  const auto own = static_cast<Shareability>(sh & 3);
  if (rank(own) > 0 && (met.incoming_sh || rank(own) > rank(met.sh))) {
    met.incoming_sh = false;
    met.sh = own;
  }
  return consistent(met);
}

/// MTCFG, MemAttr and SHCFG of an STE, where IDR1.ATTR_TYPES_OVR offers them. IHI 0070 5.2.
struct InputOverrides {
  bool type = false;
  u8 memattr = 0;
  Shareability sh = Shareability::reserved;  ///< reserved: as it came
  friend bool operator==(const InputOverrides&, const InputOverrides&) = default;
};

/// What becomes of an access's own attributes where no leaf replaces them.
constexpr MemoryAttributes attributes_of_input(InputOverrides overrides) {
  MemoryAttributes attributes;
  if (overrides.sh != Shareability::reserved) {
    attributes.incoming_sh = false;
    attributes.sh = overrides.sh;
  }
  if (!overrides.type) return attributes;
  const u64 outer = bits(overrides.memattr, 3, 2);
  const u64 inner = bits(overrides.memattr, 1, 0);
  const auto of_field = [](u64 field) { return static_cast<Cacheability>(field - 1); };
  if (outer == 0 || inner == 0) {
    attributes.type = MemoryType::device;
    attributes.device = static_cast<u8>(outer == 0 ? inner : 0);
  } else {
    attributes.type = MemoryType::normal;
    attributes.outer = of_field(outer);
    attributes.inner = of_field(inner);
  }
  return consistent(attributes);
}

}  // namespace iommucheck::spec
