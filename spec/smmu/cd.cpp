// SPDX-License-Identifier: MIT
#include "spec/smmu/cd.h"

namespace iommucheck::spec {
namespace {

// T0SZ, TG0, IR0, OR0, SH0: what EPD0 = 1 ignores. T1SZ and so on are 16 bits further.
constexpr u64 half_fields = mask(13, 0);

// EL2 without E2H has no EPDx: TTB0 is always walked, TTB1 never.
bool disabled(const Cd<u64>& cd, unsigned half, StreamWorld world) {
  return has_two_halves(world) ? cd.epd(half).value : half == 1;
}

u64 used_in_word0(const Cd<u64>& cd, StreamWorld world) {
  u64 used = ~u64{0};
  for (unsigned half = 0; half < 2; ++half) {
    if (disabled(cd, half, world)) used &= ~(half_fields << (16 * half));
  }
  if (disabled(cd, 0, world) && disabled(cd, 1, world)) used &= ~mask(15, 15);  // ENDI
  return used & ~mask(37, 37);  // UWXN: AArch32 only
}

// NSCFGx, HADx, E0PDx, HAFT or AIE, PnCH or DS, EPAN or PIE, HWU, and TTBx where it counts.
u64 used_in_ttb_word(const Cd<u64>& cd, unsigned half, StreamWorld world) {
  const u64 ttb = mask(51, 4);
  return (disabled(cd, half, world) ? 0 : ttb) | mask(3, 1) | mask(63, 58);
}

}  // namespace

u64 cd_used_mask(unsigned word, const Cd<u64>& cd, StreamWorld world) {
  if (!cd.v()) return word == 0 ? mask(31, 31) : 0;
  switch (word) {
    case 0: return used_in_word0(cd, world);
    case 1: return used_in_ttb_word(cd, 0, world);
    case 2: return used_in_ttb_word(cd, 1, world);
    case 3:
    case 4: return ~u64{0};
    default: return 0;
  }
}

Cd<u64> used_part(const Cd<u64>& cd, StreamWorld world) {
  Cd<u64> used;
  for (unsigned i = 0; i < cd_words; ++i) used.dw[i] = cd.dw[i] & cd_used_mask(i, cd, world);
  return used;
}

Cd<u64> make_cd(const CdFields& f) {
  const auto put = [](bool value, unsigned n) { return u64{value} << n; };
  Cd<u64> cd;
  // TTB0: write-back, inner shareable. V, AA64, A, R are 1; EPD1 is 1.
  cd.dw[0] = u64{f.t0sz} | (u64{1} << 8) | (u64{1} << 10) | (u64{3} << 12) | put(f.epd0, 14) |
             put(true, 30) | put(true, 31) | (u64{f.ips} << 32) | put(true, 41) | put(f.hd, 42) |
             put(f.ha, 43) | put(f.s, 44) | put(true, 45) | put(true, 46) | put(f.aset, 47) |
             (u64{f.asid} << 48);
  cd.dw[1] = f.ttb0 & mask(51, 4);
  cd.dw[3] = f.mair;
  return cd;
}

}  // namespace iommucheck::spec
