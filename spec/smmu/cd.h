// SPDX-License-Identifier: MIT
// Context descriptors: layout (IHI 0070 5.4), the regime they set up. arch 3.3.
// Accessors carry the manual's names in lower case.
#pragma once

#include "spec/smmu/ste.h"

namespace iommucheck::spec {

inline constexpr unsigned cd_words = 8;
inline constexpr unsigned cd_bytes = 64;

template <Word W>
struct Cd {
  std::array<W, cd_words> dw{};

  constexpr W get(unsigned word, unsigned hi, unsigned lo) const { return field(dw[word], hi, lo); }

  constexpr Flag<W> v() const { return flag(dw[0], 31); }
  constexpr W ips() const { return get(0, 34, 32); }
  constexpr Flag<W> affd() const { return flag(dw[0], 35); }
  constexpr Flag<W> wxn() const { return flag(dw[0], 36); }
  constexpr Flag<W> pan() const { return flag(dw[0], 40); }
  constexpr Flag<W> aa64() const { return flag(dw[0], 41); }
  constexpr Flag<W> hd() const { return flag(dw[0], 42); }
  constexpr Flag<W> ha() const { return flag(dw[0], 43); }
  constexpr Flag<W> s() const { return flag(dw[0], 44); }
  constexpr Flag<W> r() const { return flag(dw[0], 45); }
  constexpr Flag<W> a() const { return flag(dw[0], 46); }
  constexpr Flag<W> aset() const { return flag(dw[0], 47); }
  constexpr W asid() const { return get(0, 63, 48); }
  constexpr Flag<W> endi() const { return flag(dw[0], 15); }
  constexpr Flag<W> haft() const { return flag(dw[1], 3); }
  constexpr Flag<W> epan() const { return flag(dw[1], 59); }
  constexpr W mair() const { return dw[3]; }
  constexpr W amair() const { return dw[4]; }

  // Of half 0 (TTB0) or 1 (TTB1): the same fields 16 bits, one flag or one word further.
  constexpr W tsz(unsigned x) const { return get(0, 5 + 16 * x, 16 * x); }
  constexpr W tg(unsigned x) const { return get(0, 7 + 16 * x, 6 + 16 * x); }
  constexpr W ir(unsigned x) const { return get(0, 9 + 16 * x, 8 + 16 * x); }
  constexpr W or_(unsigned x) const { return get(0, 11 + 16 * x, 10 + 16 * x); }
  constexpr W sh(unsigned x) const { return get(0, 13 + 16 * x, 12 + 16 * x); }
  constexpr Flag<W> epd(unsigned x) const { return flag(dw[0], 14 + 16 * x); }
  constexpr Flag<W> tbi(unsigned x) const { return flag(dw[0], 38 + x); }
  constexpr W ttb(unsigned x) const { return field_in_place(dw[1 + x], 51, 4); }
  constexpr Flag<W> had(unsigned x) const { return flag(dw[1 + x], 1); }
  constexpr Flag<W> e0pd(unsigned x) const { return flag(dw[1 + x], 2); }

  friend bool operator==(const Cd&, const Cd&) = default;
};

/// TG0 and TG1 are encoded differently.
template <Word W>
constexpr std::optional<Granule> granule_of(const Cd<W>& cd, unsigned half,
                                            const Capabilities& caps) {
  return half == 0 ? granule_of_tg0(cd.tg(0), caps) : granule_of_tg1(cd.tg(1), caps);
}

template <Word W>
constexpr Half<W> half_of(const Cd<W>& cd, unsigned half, StreamWorld world,
                          const Capabilities& caps) {
  Half<W> h;
  h.had = cd.had(half) & Flag<W>(caps.had);
  h.e0pd = cd.e0pd(half) & Flag<W>(caps.e0pd && has_unprivileged(world));
  h.tbi = cd.tbi(half);
  if (has_two_halves(world) && static_cast<bool>(cd.epd(half))) {
    h.epd = true;
    return h;
  }
  h.tsz = cd.tsz(half);
  h.tg = granule_of(cd, half, caps).value_or(Granule::g4k);
  h.ttb = cd.ttb(half);
  h.ir = cd.ir(half);
  h.or_ = cd.or_(half);
  h.sh = cd.sh(half);
  return h;
}

/// The regime of a legal STE and CD: every TLB-cached field, ignored ones as 0 (arch 7.2). ASID in
/// EL2 without E2H, and VMID outside of EL1 or without stage 2, are no tags and read 0.
template <Word W>
constexpr Regime<W> regime_of(const Ste<W>& ste, const Cd<W>& cd, const Capabilities& caps,
                              bool e2h = false) {
  Regime<W> regime;
  regime.world = stream_world(ste, caps, e2h);
  regime.vmid = select(vmid_used(ste, caps), ste.s2vmid(), W(0));
  regime.asid = has_asid(regime.world) ? cd.asid() : W(0);
  regime.aset = cd.aset();
  regime.half[0] = half_of(cd, 0, regime.world, caps);
  if (has_two_halves(regime.world)) {
    regime.half[1] = half_of(cd, 1, regime.world, caps);
  } else {
    regime.half[1].epd = true;
  }
  regime.ips_lg2 = effective_size_lg2(cd.ips(), caps);
  regime.ha = cd.ha() & Flag<W>(caps.httu >= 1);
  regime.hd = cd.hd() & regime.ha & Flag<W>(caps.httu >= 2);
  regime.haft = cd.haft() & regime.ha & Flag<W>(caps.httu == 3);
  regime.affd = cd.affd() & !regime.ha;
  regime.wxn = cd.wxn();
  regime.pan = cd.pan() & Flag<W>(has_unprivileged(regime.world));
  regime.epan = cd.epan() & Flag<W>(caps.epan && has_unprivileged(regime.world));
  regime.endi = cd.endi() & !(regime.half[0].epd & regime.half[1].epd);
  regime.mair = cd.mair();
  regime.amair = cd.amair();
  return regime;
}

/// How stage 1 faults react: CD.A, R, S. arch 4.9.
struct FaultReaction {
  bool stall = false;
  bool record = true;
  bool abort = true;  ///< otherwise RAZ/WI
  friend bool operator==(const FaultReaction&, const FaultReaction&) = default;
};

/// S wins over A and R. A = 0 counts as 1 with TERM_MODEL = 1, where it is illegal anyway.
constexpr FaultReaction reaction_of(const Cd<u64>& cd, const Capabilities& caps) {
  const bool stall = cd.s().value;
  return {stall, stall || cd.r().value, cd.a().value || caps.term_model};
}

/// Bits of word `word` (0..7) that the decoding of this very CD looks at; the union over what
/// devices and STEs of that world may be. See ste_used_mask().
u64 cd_used_mask(unsigned word, const Cd<u64>& cd, StreamWorld world = StreamWorld::el1);
Cd<u64> used_part(const Cd<u64>& cd, StreamWorld world = StreamWorld::el1);

/// Fields to write a CD with (tests, litmus): 4 KiB granule, TTB1 disabled, A = R = 1.
struct CdFields {
  u64 ttb0 = 0;
  unsigned asid = 0, t0sz = 16, ips = 5;
  bool aset = true, ha = false, hd = false, s = false, epd0 = false;
  u64 mair = 0xff;
};
Cd<u64> make_cd(const CdFields& fields);

}  // namespace iommucheck::spec
