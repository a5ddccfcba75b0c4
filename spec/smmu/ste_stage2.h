// SPDX-License-Identifier: MIT
// An STE's stage 2 fields: the tables that they name. IHI 0070 5.2; arch 2.3, 4.6. Part of ste.h.
#pragma once

#include "spec/arch/stage2.h"
#include "spec/smmu/ste.h"

namespace iommucheck::spec {

/// Level at which stage 2 starts for S2SL0; 4 where reserved. `small_tables`: IDR3.STT.
template <Word W>
constexpr unsigned stage2_start_level(Granule granule, W sl0, bool small_tables) {
  for (unsigned code = 0; code < 3; ++code) {
    if (equal(sl0, W(code))) return (granule == Granule::g4k ? 2 : 3) - code;
  }
  return granule == Granule::g4k && small_tables ? 3 : 4;
}

/// S2SL0 and S2T0SZ fit: the start level resolves 1 to r + 4 bits (16 tables concatenated).
template <Word W>
constexpr Flag<W> stage2_start_legal(Granule granule, unsigned start, W t0sz) {
  if (start > last_level) return false;
  const unsigned shift = level_shift(granule, start);
  if (shift >= 64) return false;
  // b = 64 - t0sz - shift, 1 <= b <= r + 4, without a subtraction that could wrap.
  const Flag<W> some_bit = less(t0sz, W(64 - shift));
  const Flag<W> not_too_many = less_equal(W(64 - shift), t0sz + W(bits_per_level(granule) + 4));
  return some_bit & not_too_many;
}

/// The tables of a legal STE with stage 2, where stage2_unsupported() has nothing against them.
template <Word W>
constexpr Stage2<W> stage2_of(const Ste<W>& ste, const Capabilities& caps) {
  Stage2<W> stage2;
  stage2.tg = granule_of_tg0(ste.s2tg(), caps).value_or(Granule::g4k);
  stage2.start = stage2_start_level(stage2.tg, ste.s2sl0(), caps.stt);
  stage2.t0sz = ste.s2t0sz();
  stage2.ttb = ste.s2ttb();
  stage2.ps_lg2 = effective_size_lg2(ste.s2ps(), caps);
  stage2.affd = ste.s2affd() & !ste.s2ha();
  stage2.ha = ste.s2ha();
  stage2.hd = ste.s2hd() & ste.s2ha();
  stage2.haft = ste.s2haft() & Flag<W>(caps.httu == 3);
  stage2.ptw = ste.s2ptw();
  stage2.fwb = ste.s2fwb() & Flag<W>(caps.fwb);
  stage2.xnx = caps.xnx;
  return stage2;
}

/// All that TLBs may cache of a legal STE's stage 2: what STEs of one VMID have to agree in. IHI
/// 0070 5.2.1.
template <Word W>
constexpr Regime<W> stage2_regime_of(const Ste<W>& ste, const Capabilities& caps) {
  Regime<W> regime = regime_of(stage2_of(ste, caps), ste.s2vmid());
  regime.half[0].ir = ste.s2ir0();
  regime.half[0].or_ = ste.s2or0();
  regime.half[0].sh = ste.s2sh0();
  return regime;
}

/// Tables that this specification does not describe: AArch32 ones, those whose rights come by
/// indirection (6.3.4 S2PI, S2PO), and a VMS (5.6), which S1MPAM has fetched and checked.
template <Word W>
constexpr Flag<W> stage2_undescribed(const Ste<W>& ste, const Capabilities& caps) {
  const Flag<W> indirect = (Flag<W>(caps.s2pi) & ste.s2pie()) | (Flag<W>(caps.s2po) & ste.s2poe());
  const Flag<W> vms = Flag<W>(caps.mpam) & ste.stage1() & ste.s1mpam();
  return (!ste.s2aa64()) | indirect | vms;
}

/// What of them caches hold is not described either of big-endian ones.
template <Word W>
constexpr Flag<W> stage2_unsupported(const Ste<W>& ste, const Capabilities& caps) {
  return stage2_undescribed(ste, caps) | ste.s2endi();
}

}  // namespace iommucheck::spec
