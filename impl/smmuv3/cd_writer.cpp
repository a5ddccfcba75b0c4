// SPDX-License-Identifier: MIT
#include "impl/smmuv3/cd_writer.h"

namespace iommucheck::impl::cd {

namespace {

constexpr u64 endi = u64{1} << 15;
constexpr u64 uwxn = u64{1} << 37;        // AArch32 only
constexpr u64 half_fields = mask(13, 0);  // TSZ, TG, IR, OR, SH; of TTB1 16 bits further
constexpr u64 ttb = mask(51, 4);
constexpr u64 of_ttb_words =
    mask(3, 1) | ttb | mask(63, 58);  // NSCFG, HAD, E0PD, and what has come

/// Faults that stall are no end.
bool acts(const Words& words) {
  const bool walks_nothing = (words[0] & epd0) != 0 && (words[0] & epd1) != 0;
  return (words[0] & valid) != 0 && !(walks_nothing && (words[0] & stall) == 0);
}

}  // namespace

Words used_bits(const Words& words) {
  if ((words[0] & valid) == 0) return {valid};
  Words used{~uwxn, of_ttb_words, of_ttb_words, ~u64{0}};
  for (unsigned half = 0; half < 2; ++half) {
    if ((words[0] & (half == 0 ? epd0 : epd1)) == 0) continue;
    used[0] &= ~(half_fields << (16 * half));
    used[1 + half] &= ~ttb;
  }
  if ((words[0] & epd0) != 0 && (words[0] & epd1) != 0) used[0] &= ~endi;
  return used;
}

Step next_step(const Words& from, const Words& to) {
  const hitless::Structure structure = {
      .used_bits = used_bits,
      .free_bits = [](const Words&, const Words&) { return hitless::Free{}; },
      .is_legal = [](const Words&) { return true; },
      .acts = acts};
  return hitless::next_step(structure, from, to);
}

}  // namespace iommucheck::impl::cd
