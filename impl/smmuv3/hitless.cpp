// SPDX-License-Identifier: MIT
#include "impl/smmuv3/hitless.h"

#include <bit>

namespace iommucheck::impl::hitless {

namespace {

u64 merged(u64 which, u64 these, u64 others) { return (these & which) | (others & ~which); }

}  // namespace

Step next_step(const Structure& structure, const Words& from, const Words& to) {
  const Words before = structure.used_bits(from);
  const Words after = structure.used_bits(to);
  const Free free = structure.free_bits(from, to);
  Words early = from;     // with all that may be new while the rest is old
  unsigned pending = 0;   // words that are not yet as they have to be
  unsigned critical = 0;  // words that differ in what both use
  unsigned first = 0;     // words that have to change before these
  for (unsigned i = 0; i < to.size(); ++i) {
    const u64 differs = (from[i] ^ to[i]) & after[i];
    const u64 may_be_first = ~before[i] | (i == 1 ? free.first : 0);
    const u64 may_be_late = i == 1 ? free.late : 0;
    early[i] = merged(may_be_first, to[i], from[i]);
    if (differs != 0) pending |= 1u << i;
    if ((differs & ~may_be_first & ~may_be_late) != 0) critical |= 1u << i;
    if ((differs & may_be_first & ~may_be_late) != 0) first |= 1u << i;
  }
  first &= ~critical;
  if (pending == 0) return {};
  if (std::has_single_bit(pending)) return {.stored = pending, .words = to};
  const bool through_abort =
      !std::has_single_bit(critical) || !structure.is_legal(from) || !structure.is_legal(to);
  if (through_abort && !structure.acts(from)) {
    const unsigned stored = structure.acts(to) ? pending & ~word0_alone : pending;
    return {.stored = stored, .words = to, .last = stored == pending};
  }
  if (through_abort) {
    const u64 word0 = structure.acts(to) ? structure.aborts : to[0];
    return {.stored = word0_alone, .words = {word0}, .last = false};
  }
  Step step{.words = early, .last = false};
  step.stored = first;
  if (first != 0) {
    if (((early[1] ^ from[1]) & after[1]) != 0) step.stored |= pending & 2u & ~critical;
    return step;
  }
  const unsigned at = static_cast<unsigned>(std::countr_zero(critical));
  step.words[at] = to[at];
  step.stored = critical;
  if (((early[1] ^ from[1]) & after[1]) != 0) step.stored |= pending & 2u;
  step.last = at == 1 || ((early[1] ^ to[1]) & after[1]) == 0;
  return step;
}

}  // namespace iommucheck::impl::hitless
