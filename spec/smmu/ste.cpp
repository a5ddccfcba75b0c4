// SPDX-License-Identifier: MIT
#include "spec/smmu/ste.h"

#include "base/bits.h"

namespace iommucheck::spec {
namespace {

constexpr u64 none = 0;

struct Use {
  bool stage1, stage2, substreams;
  bool skips_stage1;  ///< S1DSS lets transactions without a SubstreamID bypass stage 1
};

u64 used_in_word0(const Use& use) {
  const u64 always = mask(3, 0);
  if (!use.stage1) return always;
  return always | mask(51, 6) | mask(63, 59) | (use.substreams ? mask(5, 4) : none);
}

u64 used_in_word1(const Use& use) {
  // CONT, PPAR, MEV, MTCFG, MemAttr, ALLOCCFG, PRIVCFG and INSTCFG count for every stream that is
  // not aborted (the memory type as the input of hints); NSCFG is ignored for Non-secure streams.
  u64 used = mask(16, 13) | mask(19, 18) | mask(40, 32) | mask(51, 48);
  if (use.stage1 || use.stage2) used |= mask(12, 12) | mask(17, 17);  // DRE, DCP
  // SHCFG: what stage 1 translates has the shareability of its descriptor. IHI 0070 13.5.
  if (!use.stage1 || use.skips_stage1) used |= mask(45, 44);
  if (use.stage1) {
    // S1CIR, S1COR, S1CSH, S1PIE, S1STALLD, STRW
    used |= mask(7, 2) | mask(24, 24) | mask(27, 27) | mask(31, 30);
    if (use.substreams) used |= mask(1, 0);
  }
  if (use.stage1 || use.stage2) used |= mask(29, 28);  // EATS
  if (use.stage2) used |= mask(11, 8) | mask(25, 25);  // S2HWU, S2FWB
  if (use.stage1 && use.stage2) used |= mask(26, 26);  // S1MPAM
  return used;
}

u64 used_in_word2(const Use& use) {
  u64 used = none;
  if (use.stage1 || use.stage2) used |= mask(15, 0);
  if (use.stage2) used |= mask(63, 32);
  return used;
}

}  // namespace

u64 ste_used_mask(unsigned word, const Ste<u64>& ste) {
  if (!ste.v()) return word == 0 ? mask(0, 0) : none;
  if (!ste.config_translates()) return word == 0 ? mask(0, 0) | mask(3, 3) : none;
  const bool stage1 = ste.stage1().value;
  const bool substreams = stage1 && ste.s1cdmax() != 0;
  const Use use{stage1, ste.stage2().value, substreams, substreams && ste.s1dss() == 1};
  switch (word) {
    case 0: return used_in_word0(use);
    case 1: return used_in_word1(use);
    case 2: return used_in_word2(use);
    // S2NSW.. S2DS, S2TTB, S2SKL; the Secure and v3.4 words count nowhere here.
    case 3: return use.stage2 ? mask(3, 3) | mask(2, 2) | mask(51, 4) : none;
    default: return none;
  }
}

Ste<u64> used_part(const Ste<u64>& ste) {
  Ste<u64> used;
  for (unsigned i = 0; i < ste_words; ++i) used.dw[i] = ste.dw[i] & ste_used_mask(i, ste);
  return used;
}

Ste<u64> make_abort_ste() { return {{1}}; }

Ste<u64> make_bypass_ste() {
  Ste<u64> ste;
  ste.dw[0] = 1 | (u64{4} << 1);
  ste.dw[1] = u64{1} << 44;  // SHCFG: use incoming
  return ste;
}

Ste<u64> make_stage1_ste(const Stage1SteFields& f) {
  Ste<u64> ste;
  ste.dw[0] = 1 | (u64{5} << 1) | (u64{f.s1fmt} << 4) | (f.s1contextptr & mask(51, 6)) |
              (u64{f.s1cdmax} << 59);
  ste.dw[1] = u64{f.s1dss} | (u64{1} << 2) | (u64{1} << 4) | (u64{3} << 6) | (u64{f.eats} << 28) |
              (u64{f.strw} << 30);
  ste.dw[2] = f.s2vmid;
  return ste;
}

Ste<u64> with_stage2(Ste<u64> ste, const Stage2SteFields& f) {
  ste.dw[0] |= u64{1} << 2;  // Config[1]
  ste.dw[2] = u64{f.s2vmid} | (u64{f.s2t0sz} << 32) | (u64{f.s2sl0} << 38) | (u64{1} << 40) |
              (u64{1} << 42) | (u64{3} << 44) | (u64{f.s2tg} << 46) | (u64{f.s2ps} << 48) |
              (u64{1} << 51) | (u64{f.s2s ? 1U : 0U} << 57) | (u64{f.s2r ? 1U : 0U} << 58);
  ste.dw[3] = f.s2ttb & mask(51, 4);
  return ste;
}

}  // namespace iommucheck::spec
