// SPDX-License-Identifier: MIT
// Which STEs are legal, and what becomes of a stream. IHI 0070 5.2.2; arch 2.3.
#pragma once

#include "spec/check.h"
#include "spec/rules/structures.h"
#include "spec/smmu/ste.h"
#include "spec/smmu/ste_stage2.h"

namespace iommucheck::spec {

template <Word W>
constexpr std::optional<Rule> stage2_format_illegal(const Ste<W>& ste, const Capabilities& caps) {
  const Flag<W> stall_legal = caps.stall_model == StallModel::never    ? !ste.s2s()
                              : caps.stall_model == StallModel::always ? ste.s2s()
                                                                       : Flag<W>(true);
  if (auto r = require(rule::STE_S2S, stall_legal)) return r;
  const Flag<W> format =
      (ste.s2aa64() & Flag<W>(caps.aarch64)) |
      (Flag<W>(caps.aarch32) & !ste.s2aa64() & !(ste.s2fwb() & Flag<W>(caps.fwb)));
  if (auto r = require(rule::STE_S2AA64, format)) return r;
  const Flag<W> updates = ste.s2ha() | ste.s2hd();
  const Flag<W> httu_legal = (Flag<W>(caps.httu != 0) & ste.s2aa64()) | !updates;
  if (auto r = require(rule::STE_S2HTTU, httu_legal)) return r;
  if (auto r = require(rule::STE_S2HD, Flag<W>(caps.httu != 1) | !ste.s2hd())) return r;
  if (auto r = require(rule::STE_S2HAFT, Flag<W>(caps.httu != 3) | !ste.s2haft() | ste.s2ha())) {
    return r;
  }
  return require(rule::STE_S2ENDI, endianness_supported<W>(ste.s2endi(), caps));
}

/// Stage 2 legality, 2.3 #9 to #16; the first that fails, or nothing.
template <Word W>
constexpr std::optional<Rule> stage2_illegal(const Ste<W>& ste, const Capabilities& caps) {
  if (auto r = stage2_format_illegal(ste, caps)) return r;
  if (!ste.s2aa64())
    return std::nullopt;  // AArch32 tables: as all of stage 2 no part of the engine
  const std::optional<Granule> granule = granule_of_tg0(ste.s2tg(), caps);
  if (auto r = require(rule::STE_S2TG, granule.has_value())) return r;
  const W size = effective_size_lg2(ste.s2ps(), caps);
  const W limit = *granule == Granule::g64k ? size : minimum(size, W(48));
  if (auto r = require(rule::STE_S2TTB, is_zero(ste.s2ttb() & ~low_mask(limit)))) return r;
  const unsigned from_ias = 64 - ias_lg2(caps);
  const unsigned floor = *granule == Granule::g64k ? 12 : 16;
  const unsigned lowest = from_ias > floor ? from_ias : floor;
  const Flag<W> t0sz_legal = less_equal(W(lowest), ste.s2t0sz()) &
                             less_equal(ste.s2t0sz(), W(tsz_max(*granule, caps.stt)));
  if (auto r = require(rule::STE_S2T0SZ, t0sz_legal)) return r;
  const unsigned start = stage2_start_level(*granule, ste.s2sl0(), caps.stt);
  return require(rule::STE_S2SL0, stage2_start_legal(*granule, start, ste.s2t0sz()));
}

/// Stage 1 legality, 2.3 #4 to #8.
template <Word W>
constexpr std::optional<Rule> stage1_illegal(const Ste<W>& ste, const Capabilities& caps) {
  const Flag<W> strw_legal = implies(strw_used(ste, caps), !flag(ste.dw[1], 30));
  if (auto r = require(rule::STE_STRW, strw_legal)) return r;
  const bool stalls_optional = caps.stall_model == StallModel::both;
  if (auto r = require(rule::STE_S1STALLD, Flag<W>(stalls_optional) | !ste.s1stalld())) return r;
  const Flag<W> substreams = Flag<W>(caps.ssidsize != 0);
  if (auto r = require(rule::STE_S1CDMAX,
                       implies(substreams, less_equal(ste.s1cdmax(), W(caps.ssidsize))))) {
    return r;
  }
  // S1Fmt = 3 is reserved and behaves as 0, linear.
  const Flag<W> two_levels = equal(ste.s1fmt(), W(1)) | equal(ste.s1fmt(), W(2));
  const Flag<W> two_levels_used = substreams_used(ste, caps) & two_levels;
  if (auto r = require(rule::STE_S1FMT, implies(two_levels_used, Flag<W>(caps.cd2l)))) return r;
  // Beyond IAS under stage 2 the choice between this and a stage 2 fault is CONSTRAINED
  // UNPREDICTABLE (arch 4.8), so it is not decided here.
  const Flag<W> in_range = is_zero(ste.s1contextptr() & ~low_mask(W(caps.oas_lg2)));
  return require(rule::STE_S1CONTEXTPTR, ste.stage2() | in_range);
}

/// EATS, 2.3 #3, from v3.1 on; v3.0 leaves EATS = 1 with S2S = 1 open, read as here.
template <Word W>
constexpr Flag<W> eats_legal(const Ste<W>& ste, const Capabilities& caps) {
  const Flag<W> nested = ste.stage1() & ste.stage2();
  const Flag<W> split = equal(ste.eats(), W(2));
  const Flag<W> full = equal(ste.eats(), W(1));
  const Flag<W> split_legal = nested & !ste.s2s() & Flag<W>(!caps.ns1ats);
  return implies(split, split_legal) & implies(full & ste.stage2(), !ste.s2s());
}

/// What becomes of a stream: C_BAD_STE with its rule, or how it translates. Order: arch 2.3.
template <Word W>
constexpr SteDecision decode_ste(const Ste<W>& ste, const Capabilities& caps) {
  if (auto r = require(rule::STE_VALID, ste.v())) return {SteKind::bad, *r};
  if (!ste.config_translates()) return {SteKind::abort};
  if (auto r = require(rule::STE_CONFIG_STAGE1, implies(ste.stage1(), Flag<W>(caps.s1p)))) {
    return {SteKind::bad, *r};
  }
  if (auto r = require(rule::STE_CONFIG_STAGE2, implies(ste.stage2(), Flag<W>(caps.s2p)))) {
    return {SteKind::bad, *r};
  }
  if (!(ste.stage1() | ste.stage2())) return {SteKind::bypass};
  if (auto r = require(rule::STE_EATS, implies(Flag<W>(caps.ats), eats_legal(ste, caps)))) {
    return {SteKind::bad, *r};
  }
  const Flag<W> vmid_legal =
      implies(vmid_used(ste, caps), Flag<W>(caps.vmid16) | is_zero(field(ste.s2vmid(), 15, 8)));
  if (auto r = require(rule::STE_S2VMID, vmid_legal)) return {SteKind::bad, *r};
  const bool stage1 = static_cast<bool>(ste.stage1());
  const bool stage2 = static_cast<bool>(ste.stage2());
  if (stage1) {
    if (auto r = stage1_illegal(ste, caps)) return {SteKind::bad, *r};
  }
  if (stage2) {
    if (auto r = stage2_illegal(ste, caps)) return {SteKind::bad, *r};
  }
  return {stage1 && stage2 ? SteKind::nested : stage1 ? SteKind::stage1 : SteKind::stage2};
}

}  // namespace iommucheck::spec
