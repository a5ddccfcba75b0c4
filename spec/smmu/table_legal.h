// SPDX-License-Identifier: MIT
// Which level 1 descriptors of stream tables and of CD tables are legal, and which SubstreamIDs.
// IHI 0070 3.9, 5.1, 5.3; arch 2.1, 3.1, 3.2.
#pragma once

#include "spec/check.h"
#include "spec/rules/structures.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::spec {

/// Span is 1..11 and at most SPLIT + 1; the array holds the StreamID. Otherwise C_BAD_STREAMID.
template <Word W>
constexpr std::optional<Rule> l1std_illegal(const StreamTable& table, L1Std<W> l1std, W sid) {
  const W span = l1std.span();
  if (auto r = require(rule::L1STD_SPAN_ZERO, !is_zero(span))) return r;
  const Flag<W> legal = less(span, W(12)) & less_equal(span, W(table.split + 1));
  if (auto r = require(rule::L1STD_SPAN_RESERVED, legal)) return r;
  const W index = field(sid, table.split - 1, 0);
  return require(rule::L1STD_SPAN, is_zero(shift_right(index, span - W(1))));
}

/// What a (Substream)ID leads to.
enum class SubstreamKind : u8 {
  cd,               ///< CD `number`
  bypass_stage1,    ///< S1DSS = 1
  bad_substreamid,  ///< C_BAD_SUBSTREAMID
  stream_disabled,  ///< F_STREAM_DISABLED
  no_stage1,        ///< no SubstreamID, and the STE has no stage 1
};

template <Word W>
struct SubstreamDecision {
  SubstreamKind kind = SubstreamKind::no_stage1;
  W number{0};
  Rule rule = rule::SSID_NOT_ALLOWED;  ///< of the two faults
  constexpr EventType event() const {
    if (kind == SubstreamKind::bad_substreamid) return EventType::c_bad_substreamid;
    if (kind == SubstreamKind::stream_disabled) return EventType::f_stream_disabled;
    return EventType::none;
  }
};

/// arch 3.2, for a legal STE that translates or bypasses; `ssv` is plain, `ssid` up to 20 bits.
/// C_BAD_SUBSTREAMID comes before F_STREAM_DISABLED.
template <Word W>
constexpr SubstreamDecision<W> select_substream(const Ste<W>& ste, const Capabilities& caps,
                                                bool ssv, W ssid) {
  using K = SubstreamKind;
  const Flag<W> substreams = substreams_used(ste, caps);
  if (ssv) {
    if (auto r = require(rule::SSID_NOT_ALLOWED, substreams)) return {K::bad_substreamid, ssid, *r};
    const Flag<W> in_range = is_zero(shift_right(ssid, ste.s1cdmax()));
    if (auto r = require(rule::SSID_RANGE, in_range)) return {K::bad_substreamid, ssid, *r};
    const Flag<W> reserved_zero = is_zero(ssid) & equal(ste.s1dss(), W(2));
    if (auto r = require(rule::SSID_ZERO_RESERVED, !reserved_zero)) {
      return {K::stream_disabled, ssid, *r};
    }
    return {K::cd, ssid};
  }
  if (!ste.stage1()) return {K::no_stage1, W(0)};
  if (!substreams) return {K::cd, W(0)};
  if (equal(ste.s1dss(), W(1))) return {K::bypass_stage1, W(0)};
  if (auto r = require(rule::SSID_REQUIRED, equal(ste.s1dss(), W(2)))) {
    return {K::stream_disabled, W(0), *r};
  }
  return {K::cd, W(0)};
}

/// V and the range of L2Ptr; otherwise C_BAD_SUBSTREAMID. Under stage 2 a pointer beyond IAS may
/// raise a stage 2 fault instead (CONSTRAINED UNPREDICTABLE, arch 4.8): `nested` leaves it to that.
template <Word W>
constexpr std::optional<Rule> l1cd_illegal(L1Cd<W> l1cd, const Capabilities& caps,
                                           bool nested = false) {
  if (auto r = require(rule::L1CD_VALID, l1cd.v())) return r;
  if (nested) return std::nullopt;
  return require(rule::L1CD_L2PTR, is_zero(l1cd.l2ptr() & ~low_mask(W(caps.oas_lg2))));
}

}  // namespace iommucheck::spec
