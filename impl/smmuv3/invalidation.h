// SPDX-License-Identifier: MIT
// The commands that pay what an address space owes the TLB.
#pragma once

#include "base/types.h"
#include "impl/pgtable/gather.h"
#include "impl/smmuv3/commands.h"

namespace iommucheck::impl {

/// Commands beyond this for one gather cost more than a refill of the whole space.
inline constexpr u64 by_address_max = 64;

/// Calls emit(Command) for commands that cover all of `gather` for `asid`; with range commands
/// exactly its pages and nothing else, without them at most `by_address_max`, or the ASID. `page`:
/// log2 of the smallest.
template <class Emit>
void emit_invalidation(const Gather& gather, u64 asid, bool range_invalidation, unsigned page,
                       Emit emit) {
  namespace cmd = command;
  const auto stride_level = [](const TlbRange& range) -> unsigned {
    // Pointers may stand above any page; leaves of one level are hit by one address each.
    if (range.tables) return last_level;
    if (range.leaf_levels == level_bit(1)) return 1;
    return range.leaf_levels == level_bit(2) ? 2 : last_level;
  };
  u64 commands = 0;
  bool everything = gather.all();
  for (const TlbRange& range : gather) {
    const u64 bytes = range.end - range.first;
    if (!range_invalidation) commands += bytes >> level_shift(stride_level(range), page);
    everything |= commands > by_address_max;
  }
  if (everything) {
    emit(cmd::tlbi_nh_asid(asid));
    return;
  }
  for (const TlbRange& range : gather) {
    const bool leaf = !range.tables;
    const unsigned level = stride_level(range);
    if (!range_invalidation) {
      for (u64 iova = range.first; iova < range.end; iova += level_bytes(level, page)) {
        emit(cmd::tlbi_nh_va(asid, iova, leaf));
      }
      continue;
    }
    // A level may be named only if every leaf in the range stands there, and no pointer is meant.
    const u64 ttl = leaf && range.leaf_levels == level_bit(level) ? level : 0;
    u64 iova = range.first;
    u64 pages = (range.end - range.first) >> page;
    while (pages > 0) {
      const cmd::RangePiece piece = cmd::next_piece(pages);
      const u64 covered = cmd::range_pages(piece.num, piece.scale);
      if (covered == 1 && ttl == 0) {
        emit(cmd::tlbi_nh_va(asid, iova, leaf));  // as a range it would be CERROR_ILL
      } else {
        emit(cmd::tlbi_nh_va_range(asid, iova, piece.num, piece.scale, ttl, leaf, page));
      }
      iova += covered << page;
      pages -= covered;
    }
  }
}

/// The same for stage 2 of `vmid`, whose tables have the same levels.
template <class Emit>
void emit_stage2_invalidation(const Gather& gather, u64 vmid, bool range_invalidation,
                              unsigned page, Emit emit) {
  emit_invalidation(gather, 0, range_invalidation, page, [&](Command by_va) {
    const bool all = by_va.word0 == command::tlbi_nh_asid<u64>(0).word0;
    emit(all ? command::tlbi_s12_vmall(vmid) : command::as_s2_ipa(by_va, vmid));
  });
}

}  // namespace iommucheck::impl
