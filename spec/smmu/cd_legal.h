// SPDX-License-Identifier: MIT
// Which CDs are legal. IHI 0070 5.4.1; arch 3.4.
#pragma once

#include "spec/check.h"
#include "spec/rules/structures.h"
#include "spec/smmu/cd.h"

namespace iommucheck::spec {

/// arch 3.4 #9 to #11, for a half that is used and has EPDx = 0.
template <Word W>
constexpr std::optional<Rule> half_illegal(const Cd<W>& cd, unsigned half,
                                           const Capabilities& caps) {
  const std::optional<Granule> granule = granule_of(cd, half, caps);
  if (auto r = require(rule::CD_TG, granule.has_value())) return r;
  const W tsz = cd.tsz(half);
  const Flag<W> tsz_legal = less_equal(W(tsz_min(*granule, caps.vax >= 1)), tsz) &
                            less_equal(tsz, W(tsz_max(*granule, caps.stt)));
  if (auto r = require(rule::CD_TSZ, tsz_legal)) return r;
  const W size = effective_size_lg2(cd.ips(), caps);
  const W limit = *granule == Granule::g64k ? size : minimum(size, W(48));
  return require(rule::CD_TTB, is_zero(cd.ttb(half) & ~low_mask(limit)));
}

/// arch 3.4 #2 to #8.
template <Word W>
constexpr std::optional<Rule> cd_common_illegal(const Cd<W>& cd, const Ste<W>& ste,
                                                StreamWorld world, const Capabilities& caps) {
  if (auto r = require(rule::CD_S_STALLD, !(cd.s() & ste.s1stalld()))) return r;
  if (auto r = require(rule::CD_A, cd.a() | Flag<W>(!caps.term_model))) return r;
  const Flag<W> stall_legal = caps.stall_model == StallModel::never    ? !cd.s()
                              : caps.stall_model == StallModel::always ? cd.s()
                                                                       : Flag<W>(true);
  if (auto r = require(rule::CD_S_MODEL, stall_legal)) return r;
  const bool halves = has_two_halves(world);
  const Flag<W> no_walks = halves ? (cd.epd(0) & cd.epd(1)) : Flag<W>(false);
  if (auto r = require(rule::CD_ENDI, no_walks | endianness_supported<W>(cd.endi(), caps))) {
    return r;
  }
  // AA64 = 0 asks for AArch32 tables: not in EL2-E2H; where legal, see decide_context().
  const Flag<W> over_aarch32 = ste.stage2() & !ste.s2aa64();
  const Flag<W> format = (cd.aa64() & Flag<W>(caps.aarch64) & !over_aarch32) |
                         (Flag<W>(caps.aarch32 && world != StreamWorld::el2_e2h) & !cd.aa64());
  if (auto r = require(rule::CD_AA64, format)) return r;
  // AArch32 tables have no flags that hardware updates.
  const Flag<W> aarch32 = !cd.aa64();
  if (auto r = require(rule::CD_HTTU, aarch32 | Flag<W>(caps.httu != 0) | !(cd.ha() | cd.hd()))) {
    return r;
  }
  if (auto r = require(rule::CD_HD, aarch32 | Flag<W>(caps.httu != 1) | !cd.hd())) return r;
  if (auto r = require(rule::CD_HAFT, aarch32 | Flag<W>(caps.httu != 3) | !cd.haft() | cd.ha())) {
    return r;
  }
  const Flag<W> asid_legal =
      Flag<W>(!has_asid(world) || caps.asid16) | is_zero(field(cd.asid(), 15, 8));
  return require(rule::CD_ASID, asid_legal);
}

/// Why the CD raises C_BAD_CD, or nothing. `ste` is legal and has stage 1; `e2h` is CR2.E2H.
template <Word W>
constexpr std::optional<Rule> decode_cd(const Cd<W>& cd, const Ste<W>& ste,
                                        const Capabilities& caps, bool e2h = false) {
  if (auto r = require(rule::CD_VALID, cd.v())) return r;
  const StreamWorld world = stream_world(ste, caps, e2h);
  if (auto r = cd_common_illegal(cd, ste, world, caps)) return r;
  // Neither granules nor sizes are AArch32's, whose tables are not described here.
  if (!static_cast<bool>(cd.aa64())) return std::nullopt;
  const unsigned halves = has_two_halves(world) ? 2 : 1;
  for (unsigned half = 0; half < halves; ++half) {
    // In EL2 without E2H EPD0 is ignored: TTB0 is always walked.
    if (has_two_halves(world) && static_cast<bool>(cd.epd(half))) continue;
    if (auto r = half_illegal(cd, half, caps)) return r;
  }
  return std::nullopt;
}

}  // namespace iommucheck::spec
