// SPDX-License-Identifier: MIT
// PASIDs as numbers: who may be given which. INTERFACE "PASID numbers"; SEMANTICS 5.
#include <algorithm>

#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

/// INTERFACE "PASID numbers": the range of sva_device_init is clipped.
Interface::Range Interface::device_range(u32 device, u32 min, u32 max) const {
  const u32 bits = constants_[device].ssid_bits;
  if (bits == 0) return {};
  const u32 limit = std::min(u32{1} << std::min(bits, 20U), pasid_limit) - 1;
  return {std::max(min, keeps_pasid_0_ ? 1U : 0U), max == 0 ? limit : std::min(max, limit)};
}

/// Whether the IOMMU cuts what pasid_alloc gives without a device is not said: both are right.
Interface::Range Interface::plain_range(u32 min, u32 max, bool within_iommu) const {
  const u32 bits = within_iommu && ssid_bits_ != 0 ? std::min(ssid_bits_, 20U) : 20U;
  const u32 limit = (u32{1} << bits) - 1;
  return {std::max(min, keeps_pasid_0_ ? 1U : 0U), max == 0 ? limit : std::min(max, limit)};
}

bool Interface::any_free(Range range) const {
  for (u64 at = range.first; at <= range.last && !range.empty();) {
    const Piece piece = forest_.lookup(number_at_, at);
    if (!piece.mapped || numbers_[piece.tag].state == NumberState::free) return true;
    at = piece.last + 1;
  }
  return false;
}

/// One that a time-out may or may not hold; also where a call may have taken an unknown one.
bool Interface::any_doubtful(Range range) const {
  bool found = false;
  for_each_unseen([&](const Unseen& record) {
    found |= record.first <= range.last && range.first <= record.last;
  });
  for_each_pending(
      [&](const Pending& pending) { found |= pending.first_pasid <= pending.last_pasid; });
  if (range.empty() || found) return found;
  forest_.for_each(number_at_, range.first, range.last, [&](const Interval& piece) {
    found |= numbers_[piece.tag].state == NumberState::doubtful;
  });
  return found;
}

/// The cyclic rule: a freed number waits for those that were never given or were freed before it.
/// Not judged once a call that gives one failed for want of memory, or timed out: it may have moved
/// the cursor.
u32 Interface::wanted_before(Range range, u32 number) const {
  const Piece own = forest_.lookup(number_at_, number);
  if (!own.mapped || turns_lost_ != 0) return pasid_unknown;
  const u64 freed_at = numbers_[own.tag].freed_from;
  u32 earlier = pasid_unknown;
  for (u64 at = range.first; at <= range.last;) {
    const Piece piece = forest_.lookup(number_at_, at);
    if (!piece.mapped) return static_cast<u32>(at);
    const Number& record = numbers_[piece.tag];
    if (record.state == NumberState::free && record.freed_at < freed_at) earlier = record.value;
    at = piece.last + 1;
  }
  return earlier;
}

/// Whether a number of the range is held, or was given before and is free.
bool Interface::any_number(Range range, bool free) const {
  bool any = false;
  forest_.for_each(number_at_, range.first, range.last, [&](const Interval& piece) {
    any |= (numbers_[piece.tag].state == NumberState::free) == free;
  });
  return any;
}

u32 Interface::take_number(u32 pasid, NumberState state, u32 space) {
  u32 index = forest_.lookup(number_at_, pasid).tag;
  if (index == 0) {
    index = numbers_.allocate(trail_, {.value = pasid});
    forest_.insert(number_at_, {.first = pasid, .last = pasid, .tag = index});
  }
  // Given again: what a time-out had left there is settled.
  while (numbers_[index].bonds != 0) remove_bond(numbers_[index].bonds);
  Number& number = numbers_.edit(trail_, index);
  number.state = state;
  number.space = space;
  number.bonds = 0;
  number.further = 0;
  number.io_mm = 0;
  return index;
}

void Interface::free_number(u32 index) {
  for (u64 rest = busy_; rest != 0; rest &= rest - 1) {
    Pending& pending = pending_[static_cast<u32>(std::countr_zero(rest))];
    const bool releases = pending.kind == records::release_in_progress;
    if (!releases || pending.space != numbers_[index].space) continue;
    trail_.save_object(pending);
    pending.freed = 1;
    trail_.set(turns_lost_, 1);  // nobody sees when it is free
  }
  Number& number = numbers_.edit(trail_, index);
  if (number.io_mm != 0) {
    forest_.erase(io_mms_, number.io_mm, number.io_mm);
    forest_.insert(freed_io_mms_, {.first = number.io_mm, .last = number.io_mm});
  }
  number.io_mm = 0;
  number.space = 0;
  number.further = 0;
  // A driver may have settled it by itself since the time-out.
  number.freed_from = number.state == NumberState::doubtful ? number.freed_at : changes_;
  number.state = NumberState::free;
  number.freed_at = changes_;
}

/// While Release of its process has not returned, a number that nobody needs any more is free or
/// not, and so is a device of which every handler is done: an implementation may end all at once.
const char* Interface::not_while_released(const Call& call) const {
  switch (call.kind) {
    case CallKind::bind_device:
    case CallKind::sva_alloc_pasid:
    case CallKind::pasid_alloc:
    case CallKind::attach:
    case CallKind::detach: break;
    default: return nullptr;
  }
  bool open = false;
  for_each_pending([&](const Pending& pending) {
    if (pending.kind != records::release_in_progress) return;
    open |= pending.freed != 0;
    for_each_bond_of(pending.space, [&](u32 i) {
      open |= bonds_[i].state == BondState::done || bonds_[i].state == BondState::ended;
    });
  });
  return open ? "a process exits of which some devices are done" : nullptr;
}

/// A time-out: what stands there may still be reached, whoever is given the number next.
void Interface::doubt_number(u32 index) {
  Number& number = numbers_.edit(trail_, index);
  if (number.io_mm != 0) {
    forest_.erase(io_mms_, number.io_mm, number.io_mm);
    forest_.insert(freed_io_mms_, {.first = number.io_mm, .last = number.io_mm});
  }
  number.io_mm = 0;
  number.state = NumberState::doubtful;
  number.freed_at = changes_;
}

}  // namespace iommucheck::spec::sva
