// SPDX-License-Identifier: MIT
// Which STEs and CDs are ILLEGAL, a second time: a row for each condition of IHI 0070 5.2.2 and
// 5.4.1, over bits of the words as 5.2 and 5.4 number them. Nothing of
// spec/smmu/ste_legal.h and cd_legal.h is used here. Non-secure, VMSAv8-64, without DS and D128;
// what v3.0 leaves open is as from v3.1 on. An S1ContextPtr beyond the IAS under stage 2 is no
// row: 3.4.3.
#pragma once

#include <algorithm>
#include <array>

#include "base/word.h"

namespace iommucheck::proofs {

/// ID registers, by their values.
struct MachineBits {
  bool s1p, s2p, hyp, ats, ns1ats, vmid16, asid16, cd2l, term, stt;
  unsigned ssidsize, httu, stall, ttendian, vax, oas;
  bool g4k, g16k, g64k;
};

inline constexpr MachineBits machines[] = {
    {true, true, true, true, false, true, true, true, false, true, 20, 3, 0, 0, 1, 52, true, true,
     true},
    {true, true, true, true, true, false, false, false, true, false, 8, 1, 1, 2, 0, 40, true, true,
     false},
    {true, true, false, false, true, true, false, true, false, true, 0, 0, 2, 3, 0, 44, false, true,
     true},
    {true, false, false, true, true, true, true, true, false, false, 5, 2, 0, 0, 0, 48, true, false,
     true},
    {false, true, false, true, true, false, true, false, true, true, 0, 2, 0, 2, 0, 48, true, true,
     false},
};

template <class W>
struct StructureTable {
  using F = Flag<W>;
  const MachineBits& m;
  std::array<W, 4> d;  ///< the first words

  W get(unsigned word, unsigned hi, unsigned lo) const {
    return (d[word] << (63 - hi)) >> (63 - hi + lo);
  }
  F is(unsigned word, unsigned hi, unsigned lo, u64 value) const {
    return equal(get(word, hi, lo), W(value));
  }
  F on(unsigned word, unsigned place) const { return is(word, place, place, 1); }
  static F yes(bool value) { return F(value); }

  F wrong_stall(F stalls) const {
    return (yes(m.stall == 1) & stalls) | (yes(m.stall == 2) & !stalls);
  }
  F wrong_flags(F ha, F hd, F haft) const {
    return (yes(m.httu == 0) & (ha | hd)) | (yes(m.httu == 1) & hd) |
           (yes(m.httu == 3) & haft & !ha);
  }
  F wrong_order(F big) const {
    return (yes(m.ttendian == 2) & big) | (yes(m.ttendian == 3) & !big);
  }
  /// Any bit from `bits` on.
  F beyond(W address, unsigned bits) const {
    return bits > 63 ? F(false) : !is_zero(address >> bits);
  }
  /// An address that is no more than what IPS or S2PS say, and OAS.
  F beyond_size(W address, W code, bool page_of_64k) const {
    constexpr unsigned sizes[] = {32, 36, 40, 42, 44, 48, 52, 52};
    F all = false;
    for (u64 c = 0; c < 8; ++c) {
      unsigned size = std::min(sizes[c], m.oas);
      if (!page_of_64k) size = std::min(size, 48U);
      all = all | (equal(code, W(c)) & beyond(address, size));
    }
    return all;
  }
  static F outside(W value, u64 least, u64 most) {
    return less(value, W(least)) | less(W(most), value);
  }
  u64 size_most(unsigned page) const { return !m.stt ? 39 : page == 16 ? 47 : 48; }

  // ---- 5.2.2 ----
  F stage1() const { return on(0, 3) & on(0, 1); }
  F stage2() const { return on(0, 3) & on(0, 2); }

  F ste_illegal() const {
    const F some = stage1() | stage2();
    const F strw_counts = yes(m.s1p & m.hyp) & stage1() & !stage2();
    const F vmid_counts = yes(m.s2p) & some & !(strw_counts & !is(1, 31, 30, 0));
    const F split = is(1, 29, 28, 2), full = is(1, 29, 28, 1), s2s = on(2, 57);
    const F both = stage1() & stage2();
    const F substreams = stage1() & yes(m.ssidsize != 0);
    const F two_levels = is(0, 5, 4, 1) | is(0, 5, 4, 2);
    const F rows[] = {
        stage1() & yes(!m.s1p),
        stage2() & yes(!m.s2p),
        yes(m.ats) & some & split & ((!both) | s2s | yes(m.ns1ats)),
        yes(m.ats) & full & s2s & stage2(),
        strw_counts & on(1, 30),
        stage1() & on(1, 27) & yes(m.stall != 0),
        substreams & less(W(m.ssidsize), get(0, 63, 59)),
        substreams & (!is(0, 63, 59, 0)) & two_levels & yes(!m.cd2l),
        stage1() & (!stage2()) & beyond(get(0, 51, 6) << 6, m.oas),
        stage2() & wrong_stall(s2s),
        stage2() & !on(2, 51),
        stage2() & wrong_flags(on(2, 56), on(2, 55), on(2, 59)),
        stage2() & wrong_order(on(2, 52)),
        stage2() & stage2_tables_illegal(),
        vmid_counts & yes(!m.vmid16) & !is(2, 15, 8, 0),
    };
    F any = false;
    for (const F& row : rows) any = any | row;
    return (!on(0, 0)) | (on(0, 3) & any);
  }

  /// S2TG, S2TTB, S2T0SZ, S2SL0, for each page size that S2TG may name.
  F stage2_tables_illegal() const {
    struct Size {
      u64 code;
      unsigned page;
      bool there;
      struct {
        u64 least, most;  ///< bits of input for which S2SL0 is legal; 1, 0: it is reserved
      } sl0[4];
    };
    const Size sizes[] = {
        {0, 12, m.g4k, {{22, 34}, {31, 43}, {40, 52}, {13, m.stt ? 25U : 0U}}},
        {1, 16, m.g64k, {{17, 33}, {30, 46}, {43, 59}, {1, 0}}},
        {2, 14, m.g16k, {{15, 29}, {26, 40}, {37, 51}, {1, 0}}},
    };
    F legal = false;
    for (const Size& s : sizes) {
      const u64 least = std::max<u64>(64 - m.oas, s.page == 16 ? 12 : 16);
      F fits = false;
      for (u64 code = 0; code < 4; ++code) {
        const auto [few, many] = s.sl0[code];
        const W input = W(64) - get(2, 37, 32);
        fits = fits | (is(2, 39, 38, code) & !outside(input, few, many));
      }
      legal = legal | (yes(s.there) & is(2, 47, 46, s.code) & fits &
                       (!outside(get(2, 37, 32), least, size_most(s.page))) &
                       !beyond_size(get(3, 51, 4) << 4, get(2, 50, 48), s.page == 16));
    }
    return !legal;
  }

  // ---- 5.4.1: `d` is a CD, whose STE says the rest ----
  struct Above {
    bool halves = true;   ///< any StreamWorld but EL2 without E2H
    bool aarch64 = true;  ///< there is no stage 2, or its tables are AArch64
    F s1stalld = false;
  };
  F cd_illegal(const Above& above) const {
    const F off[] = {on(0, 14) & yes(above.halves), on(0, 30) | yes(!above.halves)};
    const F rows[] = {
        !on(0, 31),
        above.s1stalld & on(0, 44),
        yes(m.term) & !on(0, 46),
        wrong_stall(on(0, 44)),
        (!(off[0] & off[1])) & wrong_order(on(0, 15)),
        (!on(0, 41)) | yes(!above.aarch64),
        wrong_flags(on(0, 43), on(0, 42), on(1, 3)),
        yes(above.halves & !m.asid16) & !is(0, 63, 56, 0),
        (!off[0]) & half_illegal(get(0, 5, 0), get(0, 7, 6), {0, 2, 1}, get(1, 51, 4) << 4),
        (!off[1]) & half_illegal(get(0, 21, 16), get(0, 23, 22), {2, 1, 3}, get(2, 51, 4) << 4),
    };
    F any = false;
    for (const F& row : rows) any = any | row;
    return any;
  }
  /// `codes` of TGx for 4, 16 and 64 KiB.
  F half_illegal(W size, W tg, const std::array<u64, 3>& codes, W root) const {
    const bool there[] = {m.g4k, m.g16k, m.g64k};
    F legal = false;
    for (unsigned g = 0; g < 3; ++g) {
      const unsigned page = 12 + 2 * g;
      const u64 least = page == 16 && m.vax != 0 ? 12 : 16;
      legal = legal |
              (yes(there[g]) & equal(tg, W(codes[g])) & (!outside(size, least, size_most(page))) &
               !beyond_size(root, get(0, 34, 32), page == 16));
    }
    return !legal;
  }
};

}  // namespace iommucheck::proofs
