// SPDX-License-Identifier: MIT
// From a StreamID to its STE and from a SubstreamID to its CD: the arithmetic of the tables. IHI
// 0070 3.3, 5.1, 5.3, 3.9; arch 2.1, 3.1, 3.2.
//
// Worked values: base 0x80000000, SPLIT 8, SID 0x123: L1STD at 0x80000008, and with L2Ptr
// 0x90000000 the STE is at 0x90000000 + 0x23 * 64 = 0x900008c0, if Span is 7 or more.
#pragma once

#include <expected>
#include <string>

#include "spec/smmu/ste.h"

namespace iommucheck::spec {

/// STRTAB_BASE and STRTAB_BASE_CFG as hardware takes them.
struct StreamTable {
  u64 base = 0;           ///< aligned down to the table's size
  unsigned log2size = 0;  ///< literal
  unsigned sid_bits = 0;  ///< min(LOG2SIZE, SIDSIZE): what a StreamID is checked against
  bool two_level = false;
  unsigned split = 6;  ///< 6, 8 or 10; counts only with two levels
  u64 ignored = 0;     ///< address bits of STRTAB_BASE that were set below the size of the table
  friend bool operator==(const StreamTable&, const StreamTable&) = default;
};

/// Reads both registers: reserved FMT is linear, reserved SPLIT acts as 6. arch 1.3.
StreamTable stream_table_of(u64 strtab_base, u32 strtab_base_cfg, const Capabilities& caps);
/// For people: "", or that the table lies elsewhere than STRTAB_BASE seems to say. IHI 0070 6.3.24.
std::string ignored_text(const StreamTable& table);

template <Word W>
constexpr Flag<W> sid_in_range(const StreamTable& table, W sid) {
  return is_zero(table.sid_bits > 31 ? sid >> 32 : sid >> table.sid_bits);
}

template <Word W>
constexpr W linear_ste_address(const StreamTable& table, W sid) {
  return W(table.base) + (sid << 6);
}

template <Word W>
constexpr W l1std_address(const StreamTable& table, W sid) {
  return W(table.base) + ((sid >> table.split) << 3);
}

/// Level 1 stream table descriptor.
template <Word W>
struct L1Std {
  W word{0};
  constexpr W span() const { return field(word, 4, 0); }
  /// Aligned down to the size of the array it points to: 2^(Span - 1) STEs.
  constexpr W l2ptr() const {
    const W address = field_in_place(word, 51, 6);
    return address & ~low_mask(span() + W(5));
  }
};

/// Where a legal L1STD has the STE of `sid`.
template <Word W>
constexpr W second_level_ste_address(const StreamTable& table, L1Std<W> l1std, W sid) {
  return l1std.l2ptr() + (field(sid, table.split - 1, 0) << 6);
}

/// StreamIDs that an L1STD stands for, whatever it holds: first and last.
struct SidRange {
  u32 first = 0;
  u32 last = 0;
  friend bool operator==(const SidRange&, const SidRange&) = default;
};
constexpr SidRange l1std_sids(const StreamTable& table, u32 sid) {
  const auto low = static_cast<u32>(mask(table.split - 1, 0));
  return {sid & ~low, sid | low};
}

/// StreamIDs for which an STE of CONT `cont` may be used: 2^CONT of them, aligned. IHI 0070 5.2.
constexpr SidRange span_of(u32 sid, unsigned cont) {
  const u32 low = (u32{1} << cont) - 1;
  return {sid & ~low, sid | low};
}

// Context descriptor tables.

/// log2 of the CDs in one second-level table: 6 or 10; 0 where the table is linear.
template <Word W>
constexpr unsigned cd_leaf_bits(const Ste<W>& ste, const Capabilities& caps) {
  if (!substreams_used(ste, caps)) return 0;
  if (equal(ste.s1fmt(), W(1))) return 6;
  if (equal(ste.s1fmt(), W(2))) return 10;
  return 0;
}

/// Address of CD `number` in a linear table (an IPA if stage 2 is on).
template <Word W>
constexpr W linear_cd_address(const Ste<W>& ste, W number) {
  return ste.s1contextptr() + (number << 6);
}

template <Word W>
constexpr W l1cd_address(const Ste<W>& ste, unsigned leaf_bits, W number) {
  return ste.s1contextptr() + ((number >> leaf_bits) << 3);
}

/// Level 1 context descriptor.
template <Word W>
struct L1Cd {
  W word{0};
  constexpr Flag<W> v() const { return flag(word, 0); }
  constexpr W l2ptr() const { return field_in_place(word, 51, 12); }
};

template <Word W>
constexpr W second_level_cd_address(L1Cd<W> l1cd, unsigned leaf_bits, W number) {
  return l1cd.l2ptr() + ((number & low_mask(W(leaf_bits))) << 6);
}

/// SubstreamIDs that an L1CD stands for.
struct SsidRange {
  u32 first = 0;
  u32 last = 0;
  friend bool operator==(const SsidRange&, const SsidRange&) = default;
};
constexpr SsidRange l1cd_ssids(unsigned leaf_bits, u32 ssid) {
  const auto low = static_cast<u32>(low_mask(u64{leaf_bits}));
  return {ssid & ~low, ssid | low};
}

}  // namespace iommucheck::spec
