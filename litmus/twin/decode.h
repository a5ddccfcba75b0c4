// SPDX-License-Identifier: MIT
// Words read as the SMMU reads them, as far as the literal model goes (arch 2.2, 2.3, 3.3, 3.4,
// 4.1-4.5). Written apart from spec/ on purpose: a second reading of the same text.
#pragma once

#include <array>
#include <optional>

#include "litmus/twin/memory.h"

namespace iommucheck::litmus::twin {

using FourWords = std::array<Value, 4>;  ///< of an STE or CD; the others are never used here

enum class World : u8 { el1, el2 };

/// What an access asks for.
struct Kind {
  enum class Type : u8 { read, write, execute };
  Type type = Type::read;
  bool privileged = false;
  friend auto operator<=>(const Kind&, const Kind&) = default;
};

struct Ste {
  enum class Config : u8 { abort, bypass, s1, other };
  bool unknown = false;
  bool valid = false;
  bool illegal = false;
  Config config = Config::abort;
  u64 cds = 0;
  unsigned cdmax = 0;
  bool two_level = false;
  unsigned s1dss = 0;
  unsigned eats = 0;
  unsigned privcfg = 0;
  unsigned instcfg = 0;
  World world = World::el1;
  u16 vmid = 0;
};

/// What the TLB tags its entries with. EL2 without E2H is one space: vmid and asid are 0.
struct Tag {
  World world = World::el1;
  u16 vmid = 0;
  u16 asid = 0;
  friend auto operator<=>(const Tag&, const Tag&) = default;
};

/// All TLB-cached fields of a CD (arch 7.2) that the format can set.
struct Regime {
  Tag tag;
  bool epd0 = false;
  u64 ttb = 0;  ///< 0 where epd0: ignored then
  unsigned t0sz = 0;
  bool tbi0 = false;
  bool e0pd0 = false;  ///< 0 in EL2, which has no unprivileged accesses
  bool ha = false;
  bool hd = false;
  bool haft = false;
  bool aset = false;
  u64 mair = 0;
  friend auto operator<=>(const Regime&, const Regime&) = default;
};

struct Cd {
  bool unknown = false;
  bool valid = false;
  bool illegal = false;
  Regime regime;  ///< with the tag of the STE
};

struct L1 {  ///< L1STD or L1CD
  bool unknown = false;
  unsigned span = 0;  ///< L1STD
  bool valid = false;
  u64 pointer = 0;
};

enum class DescriptorKind : u8 { invalid, table, leaf };

/// Who may do what by a leaf.
struct Rights {
  bool writable = false;
  bool dirtyable = false;  ///< writable-clean under HD = 1: a write is permitted and marks it
  bool user = false;       ///< AP[1]
  bool uxn = false;
  bool pxn = false;
  friend auto operator<=>(const Rights&, const Rights&) = default;
};

/// IHI 0070 13.4.1 and the A-profile table of AP, UXN and PXN; in EL2 everybody is privileged,
/// AP[1] counts for nothing, and UXN is XN.
bool permits(const Rights& rights, World world, Kind kind);

/// A request by ATS without a PASID: for data, unprivileged (IHI 0070 13.7).
Kind without_pasid(Kind kind);

/// The STE's PRIVCFG and INSTCFG applied; a write stays data.
Kind overridden(const Ste& ste, Kind kind);

struct Decoded {
  DescriptorKind kind = DescriptorKind::invalid;
  u64 out = 0;
  bool writable = false;
  bool user = false;
  bool uxn = false;
  bool pxn = false;
  bool nt = false;
  bool global = false;
  bool af = false;
  bool dbm = false;
  bool cont = false;
  bool device = false;
};

Ste decode_ste(const FourWords& words);
Cd decode_cd(const FourWords& words, const Ste& ste);
L1 decode_l1std(Value value);
L1 decode_l1cd(Value value);
Decoded decode_descriptor(u64 word, unsigned level, u64 mair);

constexpr unsigned level_shift(unsigned level) { return 12 + (3 - level) * 9; }
/// 4 KiB granule (arch 4.2).
unsigned start_level(unsigned t0sz);
/// Without its tag: bits 63 to 56 as VA[55].
u64 untagged(u64 va);
/// TTB0 translates it (arch 4.1).
bool in_range(const Regime& regime, u64 va);

}  // namespace iommucheck::litmus::twin
