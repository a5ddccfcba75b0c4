// SPDX-License-Identifier: MIT
// Tables of stage 2, VMSAv8-64, which translate an intermediate physical address (IPA): where a
// walk begins, what a leaf says. DDI 0487 D8.2 to D8.5; IHI 0070 5.2 (S2*); arch 4.3 to 4.6.
#pragma once

#include "spec/arch/permissions.h"

namespace iommucheck::spec {

/// The tables of one stage 2, and what the STE says of them.
template <Word W>
struct Stage2 {
  Granule tg = Granule::g4k;
  unsigned start = 1;  ///< level at which a walk starts: S2SL0
  W t0sz{25};
  W ttb{0};
  W ps_lg2{48};  ///< effective output size in bits: min(S2PS, OAS)
  Flag<W> affd = false, ha = false, hd = false, haft = false;
  Flag<W> ptw = false;
  Flag<W> fwb = false;
  bool xnx = false;  ///< IDR3.XNX: XN[0] counts
};

/// As what a TLB entry carries over from the STE; the attributes of walks are the caller's to add.
template <Word W>
constexpr Regime<W> regime_of(const Stage2<W>& stage2, W vmid) {
  Regime<W> regime;
  regime.stage = Stage::stage2;
  regime.vmid = vmid;
  regime.half[0].tsz = stage2.t0sz;
  regime.half[0].tg = stage2.tg;
  regime.half[0].ttb = stage2.ttb;
  regime.half[1].epd = true;
  regime.start = static_cast<u8>(stage2.start);
  regime.ips_lg2 = stage2.ps_lg2;
  regime.affd = stage2.affd;
  regime.ha = stage2.ha;
  regime.hd = stage2.hd;
  regime.haft = stage2.haft;
  regime.ptw = stage2.ptw;
  regime.fwb = stage2.fwb;
  regime.xnx = stage2.xnx;
  return regime;
}
/// The way back.
template <Word W>
constexpr Stage2<W> stage2_of(const Regime<W>& regime) {
  Stage2<W> stage2;
  stage2.tg = regime.half[0].tg;
  stage2.start = regime.start;
  stage2.t0sz = regime.half[0].tsz;
  stage2.ttb = regime.half[0].ttb;
  stage2.ps_lg2 = regime.ips_lg2;
  stage2.affd = regime.affd;
  stage2.ha = regime.ha;
  stage2.hd = regime.hd;
  stage2.haft = regime.haft;
  stage2.ptw = regime.ptw;
  stage2.fwb = regime.fwb;
  stage2.xnx = regime.xnx;
  return stage2;
}

/// What an IPA is of, and CLASS of its fault: IHI 0070 7.3.13. An update is a write of flags into a
/// stage 1 descriptor (3.13.5), whose CLASS is that of the descriptor.
enum class Stage2Input : u8 { cd, stage1_descriptor, transaction, stage1_update };

/// No bit at or above 64 - S2T0SZ.
template <Word W>
constexpr Flag<W> ipa_in_range(const Stage2<W>& stage2, W ipa) {
  return is_zero(ipa & ~low_mask(W(64) - stage2.t0sz));
}

/// Up to 16 tables of the start level lie one behind the other and are aligned to what they take
/// together; low bits of S2TTB below that are ignored. With a 52-bit output size it is 64 bytes at
/// least. arch 4.6.
template <Word W>
constexpr W stage2_start_table(const Stage2<W>& stage2) {
  const W size_lg2 = start_entries_lg2(stage2.tg, stage2.start, stage2.t0sz) + W(3);
  const W wide_lg2 = select(less(size_lg2, W(6)), W(6), size_lg2);
  return stage2.ttb & ~low_mask(select(less_equal(W(52), stage2.ps_lg2), wide_lg2, size_lg2));
}

/// A stage 2 block or page. It has one set of rights for both privileges but for execution.
template <Word W>
struct Stage2Leaf {
  W output{0};
  unsigned level = last_level;
  Flag<W> read = false, write = false;
  Flag<W> execute_privileged = false, execute_unprivileged = false;
  Flag<W> af = false;
  Flag<W> device = false;          ///< MemAttr: some Device type
  Flag<W> writable_clean = false;  ///< `write` only because hardware sets S2AP[1] for it
  friend bool operator==(const Stage2Leaf&, const Stage2Leaf&) = default;
};

/// Device is MemAttr[3:2] = 0; with S2FWB = 1, MemAttr[2] = 0. DDI 0487 D8.6.
template <Word W>
constexpr Flag<W> is_device(const Stage2<W>& stage2, W word) {
  return select(stage2.fwb, !flag(word, 4), is_zero(field(word, 5, 4)));
}

/// S2AP[0] lets read, S2AP[1] write. XN: 0 all may execute, 1 unprivileged alone, 2 none, 3
/// privileged alone; without XNX its upper bit alone counts. arch 4.3, 4.4.
template <Word W>
constexpr Stage2Leaf<W> stage2_leaf(const Stage2<W>& stage2, unsigned level, W word, W output) {
  Stage2Leaf<W> leaf;
  leaf.output = output;
  leaf.level = level;
  leaf.read = flag(word, 6);
  const Flag<W> cleans = stage2.ha & stage2.hd & dirty_bit_modifier(word) & !flag(word, 7);
  leaf.write = flag(word, 7) | cleans;
  leaf.writable_clean = cleans;
  const Flag<W> xn1 = flag(word, 54);
  const Flag<W> xn0 = Flag<W>(stage2.xnx) & flag(word, 53);
  leaf.execute_privileged = ((!xn1) & !xn0) | (xn1 & xn0);
  leaf.execute_unprivileged = !xn1;
  leaf.af = access_flag(word);
  leaf.device = is_device(stage2, word);
  return leaf;
}

template <Word W>
constexpr Flag<W> stage2_permits(const Stage2Leaf<W>& leaf, AccessKind access) {
  switch (access.type) {
    case AccessType::read: return leaf.read;
    case AccessType::write: return leaf.write;
    case AccessType::execute: break;
  }
  return access.privileged ? leaf.execute_privileged : leaf.execute_unprivileged;
}

}  // namespace iommucheck::spec
