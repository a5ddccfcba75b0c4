// SPDX-License-Identifier: MIT
// What a driver does not claim is not asked of it: calls that its callers never make.
#include <algorithm>

#include "check/caller.h"
#include "check/lockstep_options.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::DomainFacts;

/// Of a map in one piece; others are no matter of it.
bool is_one_to_one(const Call& call) {
  return !is_map(call.kind) || (call.segments.empty() && call.iova == call.pa);
}

/// [first, first + bytes) is not empty, consists of whole pages and ends below 2^bits.
bool is_within(u64 first, u64 bytes, u64 smallest, u32 bits) {
  if (bytes == 0 || ((first | bytes) & (smallest - 1)) != 0) return false;
  const u64 last = first + (bytes - 1);
  return last >= first && (bits >= 64 || last >> bits == 0);
}

}  // namespace

/// The space that a call on one is about; null: it is none that lives.
const LockstepCase::Space* Caller::space_of_call(const Call& call) const {
  const auto found = std::ranges::find_if(case_.spaces, [&](const Space& space) {
    if (call.token != 0) return space.task && space.handle == call.token;
    if (call.io_mm != 0) return space.io_mm && space.handle == call.io_mm;
    return !space.task && !space.io_mm && space.handle == call.domain;
  });
  return found == case_.spaces.end() ? nullptr : &*found;
}

/// From where a map begins, up to what is mapped already: what its caller may unmap should it fail.
/// 0 if it is no map, or none of whole pages.
u64 Caller::free_bytes(const Call& call) const {
  if (!is_map(call.kind)) return 0;
  const Space* space = space_of_call(call);
  u64 bytes = bytes_of(call);
  if (space == nullptr || !is_within(call.iova, bytes, page_4k, space->facts.input_bits)) return 0;
  for (const fuzz::Mapped& m : space->mappings) {
    if (m.iova + (m.bytes - 1) < call.iova) continue;
    bytes = std::min(bytes, m.iova > call.iova ? m.iova - call.iova : 0);
  }
  return bytes;
}

/// Whether a caller that knows what it has mapped makes the call.
bool Caller::keeps_ranges(const Call& call) const {
  const Space* space = space_of_call(call);
  if (space == nullptr) return true;
  const DomainFacts& facts = space->facts;
  const u64 smallest = facts.page_sizes == 0 ? page_4k : facts.page_sizes & (~facts.page_sizes + 1);
  const u64 bytes = bytes_of(call);
  if (is_map(call.kind)) {
    constexpr u32 rights = spec::sva::prot_read | spec::sva::prot_write | spec::sva::prot_exec;
    if ((call.prot & rights) == 0 || !space->paging) return false;
    if (!is_within(call.iova, bytes, smallest, facts.input_bits)) return false;
    if (call.segments.empty() && !is_within(call.pa, bytes, smallest, facts.output_bits)) {
      return false;
    }
    for (const spec::sva::Segment& piece : call.segments) {
      if (!is_within(piece.pa, piece.size, smallest, facts.output_bits)) return false;
    }
    return free_bytes(call) == bytes;
  }
  if (is_unmap(call.kind)) {
    if (!is_within(call.iova, bytes, smallest, facts.input_bits)) return false;
    u64 left = bytes;  // mappings do not overlap
    for (const fuzz::Mapped& m : space->mappings) {
      const u64 first = std::max(m.iova, call.iova);
      const u64 last = std::min(m.iova + (m.bytes - 1), call.iova + (bytes - 1));
      if (first <= last) left -= last - first + 1;
    }
    return left == 0;
  }
  const bool frees = call.kind == CallKind::domain_free || call.kind == CallKind::sva_free_pasid ||
                     call.kind == CallKind::unbind_task;
  return !frees || space->mappings.empty();
}

/// Whether the callers of the driver make such calls.
bool Caller::is_claimed(const Call& call) const {
  if (not_claimed().empty()) return true;
  if (!claims(Claim::domains)) return false;
  const spec::sva::Interface& interface = monitor_.interface();
  if (!claims(Claim::stage_2) && call.kind == CallKind::domain_alloc &&
      call.domain_kind == IOMMUCHECK_DOMAIN_PAGING_S2) {
    return false;
  }
  if (!claims(Claim::addresses) && !is_one_to_one(call)) return false;
  if (!claims(Claim::moves) && call.kind == CallKind::attach) {
    const std::vector<spec::sva::DeviceSetup>& devices = monitor_.setup().devices;
    const u32 group = devices[call.device].group;
    if (interface.domain_of(call.device) != 0) return false;
    for (u32 other = 0; other < interface.device_count(); ++other) {
      const bool together = group != spec::sva::DeviceSetup::alone && devices[other].group == group;
      if (other != call.device && !together && interface.domain_of(other) == call.domain) {
        return false;
      }
    }
  }
  return claims(Claim::ranges) || keeps_ranges(call);
}

}  // namespace iommucheck::oracle
