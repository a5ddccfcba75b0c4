// SPDX-License-Identifier: MIT
// Words read as the SMMU reads them, as far as the literal model goes (arch 2.2, 2.3, 3.3, 3.4,
// 4.1-4.5; IHI 0070 5.2, 5.4). Written apart from spec/ on purpose: a second reading of the same
// text.
#pragma once

#include <array>
#include <optional>

#include "litmus/twin/memory.h"

namespace iommucheck::litmus::twin {

using FourWords = std::array<Value, 4>;  ///< of an STE or CD; the others are never used here

/// EL2 with E2H is a world of its own: two halves, ASIDs, no VMID. IHI 0070 3.17.
enum class World : u8 { el1, el2, el2_e2h };
constexpr bool has_asids(World world) { return world != World::el2; }
/// Which of the two, STRW leaves to CR2.E2H.
constexpr bool is_el2(World world) { return world != World::el1; }

/// What an access asks for.
struct Kind {
  enum class Type : u8 { read, write, execute };
  Type type = Type::read;
  bool privileged = false;
  friend auto operator<=>(const Kind&, const Kind&) = default;
};

/// Tables of one half of stage 1, or of stage 2: what their addresses are cut into.
struct Tree {
  u64 root = 0;
  unsigned granule = 12;  ///< log2
  unsigned start = 1;     ///< level of the root
  unsigned input = 39;    ///< bits of an address that it translates
  friend auto operator<=>(const Tree&, const Tree&) = default;

  /// log2 of what one descriptor of the level stands for.
  unsigned shift(unsigned level) const { return granule + (3 - level) * (granule - 3); }
  /// A start table may be shorter than a granule, or several of them side by side.
  u64 index(u64 address, unsigned level) const;
  /// Bytes of a table of the level.
  u64 table_bytes(unsigned level) const;
  /// Words of an aligned contiguous group of the level. IHI 0070 3.21.1 and the A-profile.
  u64 group(unsigned level) const;
};

/// All of stage 2 that a VMID's entries are filled by (arch 7.2).
struct Stage2 {
  u16 vmid = 0;
  Tree tree;
  bool ha = false;
  bool hd = false;
  bool haft = false;
  friend auto operator<=>(const Stage2&, const Stage2&) = default;
};

struct Ste {
  enum class Config : u8 { abort, bypass, s1, s2, nest };
  bool unknown = false;
  bool valid = false;
  bool illegal = false;
  Config config = Config::abort;
  u64 cds = 0;
  unsigned cdmax = 0;
  bool two_level = false;
  unsigned s1dss = 0;
  unsigned cont = 0;  ///< log2 of the span
  unsigned eats = 0;
  unsigned privcfg = 0;
  unsigned instcfg = 0;
  bool s1stalld = false;
  bool s2s = false;  ///< faults of stage 2 stall
  World world = World::el1;
  u16 vmid = 0;
  Stage2 stage2;  ///< of s2 and nest

  bool has_stage1() const { return config == Config::s1 || config == Config::nest; }
  bool has_stage2() const { return config == Config::s2 || config == Config::nest; }
};

/// What the TLB tags its entries with. EL2 without E2H is one space: vmid and asid are 0. Entries
/// of stage 2 alone have no ASID.
struct Tag {
  World world = World::el1;
  u16 vmid = 0;
  u16 asid = 0;
  friend auto operator<=>(const Tag&, const Tag&) = default;
};

/// One half of the addresses of stage 1.
struct Half {
  bool disabled = true;  ///< EPDx
  Tree tree;             ///< nothing of it counts where the half is disabled
  bool tbi = false;
  bool e0pd = false;  ///< 0 in EL2 without E2H, which has no unprivileged accesses
  friend auto operator<=>(const Half&, const Half&) = default;
};

/// All TLB-cached fields of a CD (arch 7.2) that the format can set.
struct Regime {
  Tag tag;
  std::array<Half, 2> half;
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
  bool stalls = false;  ///< CD.S: of faults of stage 1; in no TLB
  Regime regime;        ///< with the tag of the STE
};

struct L1 {  ///< L1STD or L1CD
  bool unknown = false;
  unsigned span = 0;  ///< L1STD
  bool valid = false;
  u64 pointer = 0;
};

enum class DescriptorKind : u8 { invalid, table, leaf };

/// Who may do what by a leaf of stage 1.
struct Rights {
  bool writable = false;
  bool dirtyable = false;  ///< writable-clean under HD = 1: a write is permitted and marks it
  bool user = false;       ///< AP[1]
  bool uxn = false;
  bool pxn = false;
  friend auto operator<=>(const Rights&, const Rights&) = default;
};

/// What a leaf of stage 2 lets through.
struct Rights2 {
  bool readable = true;
  bool writable = true;
  bool dirtyable = false;
  bool xn = false;
  friend auto operator<=>(const Rights2&, const Rights2&) = default;
};

/// IHI 0070 13.4.1 and the A-profile table of AP, UXN and PXN; in EL2 without E2H everybody is
/// privileged, AP[1] counts for nothing, and UXN is XN.
bool permits(const Rights& rights, World world, Kind kind);
/// S2AP and XN; an instruction is read, too.
bool permits(const Rights2& rights, Kind kind);

/// A request by ATS without a PASID: for data, unprivileged (IHI 0070 13.7).
Kind without_pasid(Kind kind);

/// The STE's PRIVCFG and INSTCFG applied; a write stays data.
Kind overridden(const Ste& ste, Kind kind);

struct Decoded {
  DescriptorKind kind = DescriptorKind::invalid;
  u64 out = 0;
  bool writable = false;
  bool readable = true;  ///< stage 2
  bool user = false;
  bool uxn = false;  ///< stage 2: XN
  bool pxn = false;
  bool nt = false;
  bool global = false;
  bool af = false;
  bool dbm = false;
  bool cont = false;
  bool device = false;
};

/// Under a value of CR2.E2H.
Ste decode_ste(const FourWords& words, bool e2h);
/// Nothing but CONT differs.
bool same_but_cont(const FourWords& a, const FourWords& b);
Cd decode_cd(const FourWords& words, const Ste& ste);
L1 decode_l1std(Value value);
L1 decode_l1cd(Value value);
/// Of stage 1.
Decoded decode_descriptor(u64 word, unsigned level, const Tree& tree, u64 mair);
Decoded decode_stage2(u64 word, unsigned level, const Tree& tree);

/// Bit 55 decides.
constexpr unsigned half_of(u64 va) { return static_cast<unsigned>(va >> 55 & 1); }
/// Without its tag: bits 63 to 56 as VA[55].
u64 untagged(u64 va);
/// The half translates it (arch 4.1).
bool in_range(const Half& half, u64 va);
/// Stage 2 takes it for an input.
bool in_range(const Stage2& stage2, u64 ipa);

}  // namespace iommucheck::litmus::twin
