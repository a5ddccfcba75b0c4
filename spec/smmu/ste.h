// SPDX-License-Identifier: MIT
// Stream table entries: layout (IHI 0070 5.2), the fields that count.
// arch 2.2, 2.3, 2.4. Accessors carry the manual's names in lower case.
#pragma once

#include <array>
#include <initializer_list>

#include "spec/arch/attributes.h"
#include "spec/arch/permissions.h"
#include "spec/rules/unset.h"
#include "spec/smmu/registers.h"

namespace iommucheck::spec {

inline constexpr unsigned ste_words = 8;
inline constexpr unsigned ste_bytes = 64;

template <Word W>
struct Ste {
  std::array<W, ste_words> dw{};

  constexpr W get(unsigned word, unsigned hi, unsigned lo) const { return field(dw[word], hi, lo); }

  constexpr Flag<W> v() const { return flag(dw[0], 0); }
  constexpr W config() const { return get(0, 3, 1); }
  constexpr W s1fmt() const { return get(0, 5, 4); }
  constexpr W s1contextptr() const { return field_in_place(dw[0], 51, 6); }
  constexpr W s1cdmax() const { return get(0, 63, 59); }

  constexpr W s1dss() const { return get(1, 1, 0); }
  constexpr W s1cir() const { return get(1, 3, 2); }
  constexpr W s1cor() const { return get(1, 5, 4); }
  constexpr W s1csh() const { return get(1, 7, 6); }
  constexpr W cont() const { return get(1, 16, 13); }
  constexpr Flag<W> ppar() const { return flag(dw[1], 18); }
  constexpr Flag<W> mev() const { return flag(dw[1], 19); }
  constexpr Flag<W> s2fwb() const { return flag(dw[1], 25); }
  constexpr Flag<W> s1mpam() const { return flag(dw[1], 26); }
  constexpr Flag<W> s1stalld() const { return flag(dw[1], 27); }
  constexpr W eats() const { return get(1, 29, 28); }
  constexpr W strw() const { return get(1, 31, 30); }
  constexpr W memattr() const { return get(1, 35, 32); }
  constexpr Flag<W> mtcfg() const { return flag(dw[1], 36); }
  constexpr W alloccfg() const { return get(1, 40, 37); }
  constexpr W shcfg() const { return get(1, 45, 44); }
  constexpr W privcfg() const { return get(1, 49, 48); }
  constexpr W instcfg() const { return get(1, 51, 50); }

  constexpr W s2vmid() const { return get(2, 15, 0); }
  constexpr W s2t0sz() const { return get(2, 37, 32); }
  constexpr W s2sl0() const { return get(2, 39, 38); }
  constexpr W s2ir0() const { return get(2, 41, 40); }
  constexpr W s2or0() const { return get(2, 43, 42); }
  constexpr W s2sh0() const { return get(2, 45, 44); }
  constexpr W s2tg() const { return get(2, 47, 46); }
  constexpr W s2ps() const { return get(2, 50, 48); }
  constexpr Flag<W> s2aa64() const { return flag(dw[2], 51); }
  constexpr Flag<W> s2endi() const { return flag(dw[2], 52); }
  constexpr Flag<W> s2affd() const { return flag(dw[2], 53); }
  constexpr Flag<W> s2ptw() const { return flag(dw[2], 54); }
  constexpr Flag<W> s2hd() const { return flag(dw[2], 55); }
  constexpr Flag<W> s2ha() const { return flag(dw[2], 56); }
  constexpr Flag<W> s2s() const { return flag(dw[2], 57); }
  constexpr Flag<W> s2r() const { return flag(dw[2], 58); }
  constexpr Flag<W> s2haft() const { return flag(dw[2], 59); }
  constexpr Flag<W> s2pie() const { return flag(dw[2], 60); }
  constexpr Flag<W> s2poe() const { return flag(dw[2], 61); }
  constexpr W s2ttb() const { return field_in_place(dw[3], 51, 4); }

  /// Config[0], Config[1], Config[2]: what V = 1 makes of them. arch 2.2.
  constexpr Flag<W> config_translates() const { return flag(dw[0], 3); }
  constexpr Flag<W> stage1() const { return flag(dw[0], 3) & flag(dw[0], 1); }
  constexpr Flag<W> stage2() const { return flag(dw[0], 3) & flag(dw[0], 2); }

  friend bool operator==(const Ste&, const Ste&) = default;
};

enum class SteKind : u8 { bad, abort, bypass, stage1, stage2, nested };

struct SteDecision {
  SteKind kind = SteKind::bad;
  Rule rule = unset::structure;  ///< what made it bad; else meaningless
  constexpr bool has_stage1() const { return kind == SteKind::stage1 || kind == SteKind::nested; }
  constexpr bool has_stage2() const { return kind == SteKind::stage2 || kind == SteKind::nested; }
  friend bool operator==(const SteDecision&, const SteDecision&) = default;
};

/// STRW counts only with stage 1 alone, IDR0.Hyp and IDR0.S1P. arch 2.3.
template <Word W>
constexpr Flag<W> strw_used(const Ste<W>& ste, const Capabilities& caps) {
  return ste.stage1() & !ste.stage2() & Flag<W>(caps.hyp && caps.s1p);
}

template <Word W>
constexpr Flag<W> substreams_used(const Ste<W>& ste, const Capabilities& caps) {
  return ste.stage1() & Flag<W>(caps.ssidsize != 0) & !is_zero(ste.s1cdmax());
}

/// The world of a legal STE; `e2h` is CR2.E2H.
template <Word W>
constexpr StreamWorld stream_world(const Ste<W>& ste, const Capabilities& caps, bool e2h) {
  if (strw_used(ste, caps) & equal(ste.strw(), W(2))) {
    return e2h ? StreamWorld::el2_e2h : StreamWorld::el2;
  }
  return StreamWorld::el1;
}

/// S2VMID counts in the EL1 world where stage 2 exists, also with stage 1 alone.
template <Word W>
constexpr Flag<W> vmid_used(const Ste<W>& ste, const Capabilities& caps) {
  const Flag<W> some_stage = ste.stage1() | ste.stage2();
  const Flag<W> el2 = strw_used(ste, caps) & equal(ste.strw(), W(2));
  return some_stage & !el2 & Flag<W>(caps.s2p);
}

/// A granule is encoded three ways. What is not implemented or reserved is no granule.
template <Word W>
constexpr std::optional<Granule> granule_of_tg0(W tg, const Capabilities& caps) {
  if (Flag<W>(caps.gran4k) & equal(tg, W(0))) return Granule::g4k;
  if (Flag<W>(caps.gran64k) & equal(tg, W(1))) return Granule::g64k;
  if (Flag<W>(caps.gran16k) & equal(tg, W(2))) return Granule::g16k;
  return std::nullopt;
}
template <Word W>
constexpr std::optional<Granule> granule_of_tg1(W tg, const Capabilities& caps) {
  if (Flag<W>(caps.gran16k) & equal(tg, W(1))) return Granule::g16k;
  if (Flag<W>(caps.gran4k) & equal(tg, W(2))) return Granule::g4k;
  if (Flag<W>(caps.gran64k) & equal(tg, W(3))) return Granule::g64k;
  return std::nullopt;
}

/// PRIVCFG and INSTCFG, where IDR1.ATTR_PERMS_OVR offers them; 1 is reserved and behaves as 0.
template <Word W>
constexpr Overrides overrides_of(const Ste<W>& ste, const Capabilities& caps) {
  Overrides overrides;
  if (!caps.attr_perms_ovr) return overrides;
  if (equal(ste.privcfg(), W(2))) overrides.privcfg = PrivCfg::unprivileged;
  if (equal(ste.privcfg(), W(3))) overrides.privcfg = PrivCfg::privileged;
  if (equal(ste.instcfg(), W(2))) overrides.instcfg = InstCfg::data;
  if (equal(ste.instcfg(), W(3))) overrides.instcfg = InstCfg::instruction;
  return overrides;
}

/// MTCFG, MemAttr and SHCFG, where IDR1.ATTR_TYPES_OVR offers them.
inline InputOverrides input_overrides_of(const Ste<u64>& ste, const Capabilities& caps) {
  if (!caps.attr_types_ovr) return {};
  return {.type = ste.mtcfg().value,
          .memattr = static_cast<u8>(ste.memattr()),
          .sh = static_cast<Shareability>(ste.shcfg())};
}

/// min(encoded size, OAS) in bits. arch 2.2 S2PS, 3.3 IPS.
template <Word W>
constexpr W effective_size_lg2(W encoding, const Capabilities& caps) {
  W size = W(address_size_lg2(6));
  for (unsigned e = 0; e < 6; ++e) {
    size = select(equal(encoding, W(e)), W(address_size_lg2(e)), size);
  }
  return minimum(size, W(caps.oas_lg2));
}

template <Word W>
constexpr Flag<W> endianness_supported(Flag<W> big, const Capabilities& caps) {
  if (caps.ttendian == 2) return !big;
  if (caps.ttendian == 3) return big;
  return true;
}

/// The effective EATS of a legal STE selects Full ATS: it answers requests, and lets translated
/// transactions pass. Split-stage ATS is no part of stage 1. IHI 0070 5.2 (EATS), 3.9.1.2.
template <Word W>
constexpr Flag<W> full_ats(const Ste<W>& ste, const Capabilities& caps) {
  return Flag<W>(caps.ats) & (ste.stage1() | ste.stage2()) & equal(ste.eats(), W(1));
}

/// EATS selects Split-stage ATS, which counts where CR0.ATSCHK = 1. Of a legal STE: both stages.
template <Word W>
constexpr Flag<W> split_ats(const Ste<W>& ste, const Capabilities& caps) {
  return Flag<W>(caps.ats) & equal(ste.eats(), W(2));
}

/// A legal STE answers requests by Split-stage ATS. IHI 0070 3.9.1.2, 5.2 (EATS).
constexpr bool answers_ipas(const Ste<u64>& ste, const Capabilities& caps, bool atschk) {
  return atschk && ste.stage1() && ste.stage2() && split_ats(ste, caps).value;
}

/// Bits of word `word` (0..7) that the decoding of this very STE looks at, and through it any
/// access: two STEs that are equal under their masks behave alike. It asks no ID register, so it
/// is the union over what devices may have.
u64 ste_used_mask(unsigned word, const Ste<u64>& ste);

/// `ste` with all bits cleared that nothing looks at: mixtures compare equal after it.
Ste<u64> used_part(const Ste<u64>& ste);

/// Fields to write a STE with (tests, litmus); everything unnamed is 0.
Ste<u64> make_abort_ste();
Ste<u64> make_bypass_ste();

struct Stage1SteFields {
  u64 s1contextptr = 0;
  unsigned s1cdmax = 0, s1fmt = 0, s1dss = 0, eats = 0, strw = 0;
  unsigned s2vmid = 0;
};
Ste<u64> make_stage1_ste(const Stage1SteFields& fields);

struct Stage2SteFields {
  u64 s2ttb = 0;
  unsigned s2t0sz = 25, s2sl0 = 1, s2tg = 0, s2ps = 0, s2vmid = 0;
  bool s2r = true, s2s = false;
};
/// `ste`, which bypasses or has stage 1, with stage 2 as well: VMSAv8-64, little-endian.
Ste<u64> with_stage2(Ste<u64> ste, const Stage2SteFields& fields);

}  // namespace iommucheck::spec

#include "spec/smmu/ste_stage2.h"
