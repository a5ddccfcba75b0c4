// SPDX-License-Identifier: MIT
#include "impl/smmuv3/ste_writer.h"

namespace iommucheck::impl::ste {

namespace {

// Word 1.
/// S1CIR, S1COR, S1CSH, S1PIE, S1STALLD.
constexpr u64 s1_attributes = mask(7, 2) | u64{1} << 24 | u64{1} << 27;
constexpr u64 strw = mask(31, 30);
constexpr u64 eats_bits = mask(29, 28);
constexpr u64 eats_split = u64{2} << 28;
constexpr u64 mev = u64{1} << 19;
constexpr u64 shcfg = mask(45, 44);
constexpr u64 s2_attributes = mask(11, 8) | u64{1} << 25;  // S2HWU, S2FWB
constexpr u64 s1mpam = u64{1} << 26;
/// CONT, PPAR, MTCFG, MemAttr, ALLOCCFG, PRIVCFG, INSTCFG: of all that are not aborted.
constexpr u64 of_all = mask(16, 13) | u64{1} << 18 | mask(40, 32) | mask(51, 48);
constexpr u64 of_stages = u64{1} << 12 | u64{1} << 17;  // DRE, DCP

// Word 2.
constexpr u64 s2vmid = mask(15, 0);
constexpr u64 s2_table = mask(63, 32);
constexpr u64 s2s = u64{1} << 57;

bool has_stage1(const Words& words) { return translates(words[0]) && bit(words[0], 1); }
bool has_stage2(const Words& words) { return translates(words[0]) && bit(words[0], 2); }
bool has_pasids(const Words& words) { return has_stage1(words) && words[0] >> 59 != 0; }

/// EATS is legal beside these words: split where both stages are, and none where S2S is.
bool allows_eats(const Words& words, u64 value) {
  if (value == eats_split && !(has_stage1(words) && has_stage2(words))) return false;
  return value == 0 || !has_stage2(words) || (words[2] & s2s) == 0;
}

/// As far as somebody else than this driver chooses it: EATS may be a user's.
bool is_legal(const Words& words) {
  return !(has_stage1(words) || has_stage2(words)) || allows_eats(words, words[1] & eats_bits);
}

using hitless::Free;

Free free_bits(const Words& from, const Words& to) {
  Free free{mev, mev};  // which events are merged
  if (allows_eats(from, to[1] & eats_bits)) free.first |= eats_bits;
  if (allows_eats(to, from[1] & eats_bits)) free.late |= eats_bits;
  if (has_pasids(from) && has_pasids(to)) {
    const u64 old = from[1] & s1dss_mask;
    const u64 wanted = to[1] & s1dss_mask;
    // CD 0 of the driver's tables is there only where S1DSS uses it: else it terminates as well.
    const bool users = has_stage2(from) || has_stage2(to);
    if (wanted != s1dss_cd0 || (old == s1dss_terminate && !users)) free.first |= s1dss_mask;
    if (old != s1dss_cd0 || (wanted == s1dss_terminate && !users)) free.late |= s1dss_mask;
  }
  free.first &= used_bits(to)[1];
  free.late &= used_bits(from)[1];
  return free;
}

bool translates_or_passes(const Words& words) {
  return (words[0] & valid) != 0 && (words[0] >> 1 & 7) >= 4;
}

}  // namespace

Words used_bits(const Words& words) {
  if ((words[0] & valid) == 0) return {valid};
  if ((words[0] >> 1 & 7) < 4) return {valid | u64{4} << 1};
  const bool has1 = has_stage1(words);
  const bool has2 = has_stage2(words);
  const bool pasids = has_pasids(words);
  Words used{mask(3, 0), of_all | mev};
  if (!has1 || (pasids && (words[1] & s1dss_mask) == s1dss_bypass)) used[1] |= shcfg;
  if (has1 || has2) {
    used[1] |= of_stages | eats_bits;
    used[2] |= s2vmid;
  }
  if (has1) {
    used[0] |= mask(51, 6) | mask(63, 59) | (pasids ? mask(5, 4) : 0);
    used[1] |= s1_attributes | strw | (has2 ? s1mpam : 0) | (pasids ? s1dss_mask : 0);
  }
  if (has2) {
    used[1] |= s2_attributes;
    used[2] |= s2_table;
    used[3] |= mask(51, 2);  // S2SKL, S2DS, S2TTB
  }
  return used;
}

Step next_step(const Words& from, const Words& to) {
  const hitless::Structure structure = {.aborts = blocked,
                                        .used_bits = used_bits,
                                        .free_bits = free_bits,
                                        .is_legal = is_legal,
                                        .acts = translates_or_passes};
  return hitless::next_step(structure, from, to);
}

bool differ_by_table(const Words& from, const Words& to) {
  if (!has_pasids(from) || !has_pasids(to) || has_stage2(from) || has_stage2(to)) return false;
  const Words after = used_bits(to);
  const auto differs = [&](unsigned i) { return (from[i] ^ to[i]) & after[i]; };
  return (differs(1) & ~s1dss_mask) == 0 && differs(2) == 0 && differs(3) == 0;
}

}  // namespace iommucheck::impl::ste
