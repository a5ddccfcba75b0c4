// SPDX-License-Identifier: MIT
// A translation regime: everything that a TLB entry carries over from STE, CD and registers.
// IHI 0070 16.2; arch 7.2. Two regimes under one tag must be equal, so equality here is a rule.
#pragma once

#include "spec/arch/granule.h"

namespace iommucheck::spec {

/// Non-secure stream worlds. Which one decides the tags of TLB entries. arch 7.1. `foreign` is none
/// of the SMMU's: a walker beside it (a GPU that switches tables itself), whose caches no command
/// of the SMMU concerns. SEMANTICS 5, dynamic domains.
enum class StreamWorld : u8 { el1, el2, el2_e2h, foreign };

/// Tags a regime has. EL2 without E2H is one space: neither ASID nor VMID. What a walker beside the
/// SMMU has cached is its own, global or not.
constexpr bool has_asid(StreamWorld world) {
  return world == StreamWorld::el1 || world == StreamWorld::el2_e2h;
}

/// By which stage tables translate, and where a TLB entry comes from. Input addresses of stage 1,
/// and of an entry that combines both, are VAs; those of stage 2 are IPAs. `shadow`: what entries
/// that combine it with anything, at VAs that nobody knows, keep of an entry of stage 2: by IPA.
enum class Stage : u8 { stage1, stage2, combined, shadow };
constexpr bool has_two_halves(StreamWorld world) { return world != StreamWorld::el2; }
constexpr bool has_unprivileged(StreamWorld world) { return world != StreamWorld::el2; }

/// One half of the address space: TTB0 or TTB1. With EPD = 1 the fields tsz, tg, ttb, ir, or_, sh
/// are ignored by hardware, and read 0 here so that equality ignores them too.
template <Word W>
struct Half {
  Flag<W> epd = false;
  W tsz{0};
  Granule tg = Granule::g4k;
  W ttb{0};
  Flag<W> had = false;
  Flag<W> e0pd = false;
  Flag<W> tbi = false;
  W ir{0};
  W or_{0};
  W sh{0};
  friend bool operator==(const Half&, const Half&) = default;
};

/// Of stage 2 half 0 has the tables, half 1 is off, and what stage 1 alone has is 0 (stage2.h).
template <Word W>
struct Regime {
  StreamWorld world = StreamWorld::el1;
  W vmid{0};             ///< 0 unless world is el1 and IDR0.S2P = 1
  W asid{0};             ///< 0 in el2
  Flag<W> aset = false;  ///< told apart by look-ups of global entries
  Half<W> half[2];
  W ips_lg2{48};         ///< effective output size in bits: min(IPS, OAS)
  Flag<W> affd = false;  ///< 0 where HA = 1, which overrides it
  Flag<W> wxn = false;
  Flag<W> pan = false;
  Flag<W> epan = false;
  Flag<W> ha = false;
  Flag<W> hd = false;  ///< 0 where HA = 0, without which it does nothing
  Flag<W> haft = false;
  Flag<W> endi = false;
  W mair{0};
  W amair{0};
  Stage stage = Stage::stage1;
  // Of stage 2 alone.
  u8 start = 0;  ///< level at which a walk starts: S2SL0
  Flag<W> ptw = false;
  Flag<W> fwb = false;
  bool xnx = false;  ///< IDR3.XNX
  friend bool operator==(const Regime&, const Regime&) = default;
};

template <Word W>
constexpr bool has_two_halves(const Regime<W>& regime) {
  return regime.stage == Stage::stage1 && has_two_halves(regime.world);
}

/// What a final translation is tagged with; `asid` counts only where the entry is not global. ASET
/// is a tag of global entries only, and of those look-ups alone, not commands: IHI 0070 3.17. It
/// stays in the regime, which two CDs of one ASID must share. An entry of stage 2 alone is tagged
/// with its VMID and nothing else: IHI 0070 4.4.3, 5.2.1.
template <Word W>
struct Tag {
  StreamWorld world = StreamWorld::el1;
  W vmid{0};
  W asid{0};
  Stage stage = Stage::stage1;
  friend bool operator==(const Tag&, const Tag&) = default;
};

template <Word W>
constexpr Tag<W> tag_of(const Regime<W>& regime) {
  return {regime.world, regime.vmid, regime.asid, regime.stage};
}

/// Entries under the tag may be global: of every ASID.
template <Word W>
constexpr bool has_asid(const Tag<W>& tag) {
  return tag.stage != Stage::stage2 && has_asid(tag.world);
}

}  // namespace iommucheck::spec
