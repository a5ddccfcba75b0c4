// SPDX-License-Identifier: MIT
#include "spec/sva/numbers.h"

#include <algorithm>

#include "spec/rules/interface.h"
#include "spec/sva/attachments.h"
#include "spec/sva/bonds.h"

namespace iommucheck::spec::sva {

Range plain_range(const InterfaceState& s, u32 min, u32 max, bool within_iommu) {
  const u32 bits = within_iommu && s.ssid_bits != 0 ? std::min(s.ssid_bits, 20U) : 20U;
  const u32 limit = (u32{1} << bits) - 1;
  return {std::max(min, s.keeps_pasid_0 ? 1U : 0U), max == 0 ? limit : std::min(max, limit)};
}

bool any_free(const InterfaceState& s, Range range) {
  for (u64 at = range.first; at <= range.last && !range.empty();) {
    const Piece piece = s.forest.lookup(s.number_at, at);
    if (!piece.mapped || s.numbers[piece.tag].state == NumberState::free) return true;
    at = piece.last + 1;
  }
  return false;
}

namespace {

/// A bind or sva_alloc_pasid that timed out, or that is in progress, may have taken one of them: it
/// told nobody which.
bool may_be_taken_unseen(const InterfaceState& s, Range range) {
  bool found = false;
  s.for_each_unseen([&](const Unseen& record) {
    found |= record.first <= range.last && range.first <= record.last;
  });
  s.tickets.for_each([&](const Pending& pending) {
    found |= pending.first_pasid <= pending.last_pasid && pending.first_pasid <= range.last &&
             range.first <= pending.last_pasid;
  });
  return found;
}

/// One that a time-out may or may not hold; also where a call may have taken an unknown one.
bool any_doubtful(const InterfaceState& s, Range range) {
  bool found = may_be_taken_unseen(s, range);
  if (range.empty() || found) return found;
  s.forest.for_each(s.number_at, range.first, range.last, [&](const Interval& piece) {
    found |= s.numbers[piece.tag].state == NumberState::doubtful;
  });
  return found;
}

/// Whether a number of the range is held, or was given before and is free.
bool any_number(const InterfaceState& s, Range range, bool free) {
  bool any = false;
  s.forest.for_each(s.number_at, range.first, range.last, [&](const Interval& piece) {
    any |= (s.numbers[piece.tag].state == NumberState::free) == free;
  });
  return any;
}

/// The cyclic rule: a freed number waits for those that were never given or were freed before it.
/// Not judged once a call that gives one failed for want of memory, or timed out: it may have moved
/// the cursor.
u32 wanted_before(const InterfaceState& s, Range range, u32 number) {
  const Piece own = s.forest.lookup(s.number_at, number);
  if (!own.mapped || s.turns_lost != 0) return pasid_unknown;
  const u64 freed_at = s.numbers[own.tag].freed_from;
  u32 earlier = pasid_unknown;
  for (u64 at = range.first; at <= range.last;) {
    const Piece piece = s.forest.lookup(s.number_at, at);
    if (!piece.mapped) return static_cast<u32>(at);
    const Number& record = s.numbers[piece.tag];
    if (record.state == NumberState::free && record.freed_at < freed_at) earlier = record.value;
    at = piece.last + 1;
  }
  return earlier;
}

}  // namespace

/// INTERFACE "Timeouts": what a call that timed out has taken is held until recovery.
Holders holders_of(const InterfaceState& s, u32 pasid) {
  const u32 number = s.find_number(pasid);
  switch (number == 0 ? NumberState::free : s.numbers[number].state) {
    case NumberState::free:
      return {.nobody = true, .others = may_be_taken_unseen(s, {pasid, pasid})};
    case NumberState::doubtful: return {.nobody = true, .others = true};
    case NumberState::plain: return {.plain = true};
    case NumberState::private_pasid:
    case NumberState::bound: break;
  }
  return {.others = true};
}

/// ok with a free one; ENOSPC where none is left. One that a time-out may hold may be given or not.
void judge_new_number(const InterfaceState& s, Range range, Permitted& set) {
  set.set_range(range.first, range.last);
  const bool free = any_free(s, range);
  const bool doubtful = any_doubtful(s, range);
  if (free || doubtful) set.add(Reason::a_pasid_is_free, ValueRule::new_pasid);
  if (!free || doubtful || s.limits_are_the_drivers) set.add(Reason::no_pasid_is_left);
}

/// A number that was given: free, in the range, and not before one that has been free for longer.
Verdict check_number(const InterfaceState& s, const Call& call, const Permitted& set, u64 number) {
  const std::string text = call_text(call) + " gave PASID " + std::to_string(number);
  const Range range{set.first_pasid(), set.last_pasid()};
  if (number >= pasid_limit || !range.has(static_cast<u32>(number))) {
    return {.ok = false,
            .rule = rule::RESULT_EXACT,
            .message = text + ", which is not in " + std::to_string(range.first) + " to " +
                       std::to_string(range.last)};
  }
  const auto pasid = static_cast<u32>(number);
  if (any_number(s, range, false)) s.count(rule::PASID_REUSE);
  if (!holders_of(s, pasid).nobody) {
    return {.ok = false, .rule = rule::PASID_REUSE, .message = text + ", which is held"};
  }
  // Who asks without a device may or may not be cut to the IOMMU's numbers.
  Range cyclic = range;
  if (call.kind == CallKind::pasid_alloc) {
    const Range within = plain_range(s, call.min_pasid, call.max_pasid, true);
    if (within.has(pasid)) cyclic = within;
  }
  if (s.turns_lost == 0 && any_number(s, cyclic, true)) s.count(rule::PASID_CYCLIC);
  const u32 wanted = wanted_before(s, cyclic, pasid);
  const bool known = wanted != pasid_unknown && !s.limits_are_the_drivers;
  if (!known || any_doubtful(s, cyclic)) return {};
  return {.ok = false,
          .rule = rule::PASID_CYCLIC,
          .message = text + " before " + std::to_string(wanted) + ", which is free for longer",
          .is_given = true};
}

// --- A number's life ---

u32 take_number(InterfaceState& s, u32 pasid, NumberState state, u32 space) {
  u32 index = s.forest.lookup(s.number_at, pasid).tag;
  if (index == 0) {
    index = s.numbers.allocate(s.trail, {.value = pasid});
    s.forest.insert(s.number_at, {.first = pasid, .last = pasid, .tag = index});
  }
  // Given again: what a time-out had left there is settled.
  while (s.numbers[index].bonds != 0) remove_bond(s, s.numbers[index].bonds);
  settle_attachments(s, index);
  Number& number = s.numbers.edit(s.trail, index);
  number.state = state;
  number.space = space;
  number.bonds = 0;
  number.further = 0;
  number.io_mm = 0;
  return index;
}

void free_number(InterfaceState& s, u32 index) {
  const auto exits = [&](const Pending& pending) {
    return pending.kind == records::release_in_progress && pending.space == s.numbers[index].space;
  };
  s.tickets.edit_if(exits, [&](Pending& pending) {
    pending.freed = 1;
    s.trail.set(s.turns_lost, u64{1});  // nobody sees when it is free
  });
  Number& number = s.numbers.edit(s.trail, index);
  if (number.io_mm != 0) {
    s.forest.erase(s.io_mms, number.io_mm, number.io_mm);
    s.forest.insert(s.freed_io_mms, {.first = number.io_mm, .last = number.io_mm});
  }
  number.io_mm = 0;
  number.space = 0;
  number.further = 0;
  // A driver may have settled it by itself since the time-out.
  number.freed_from = number.state == NumberState::doubtful ? number.freed_at : s.changes;
  number.state = NumberState::free;
  number.freed_at = s.changes;
}

void free_since(InterfaceState& s, u64 began) {
  for (u32 n = 1; n < s.numbers.bound(); ++n) {
    const Number& number = s.numbers[n];
    const bool freed_now = number.state == NumberState::free && number.freed_at == s.changes;
    if (!freed_now || number.freed_from <= began + 1) continue;
    s.numbers.edit(s.trail, n).freed_from = began + 1;
  }
}

/// A time-out: what stands there may still be reached, whoever is given the number next.
void doubt_number(InterfaceState& s, u32 index) {
  Number& number = s.numbers.edit(s.trail, index);
  if (number.io_mm != 0) {
    s.forest.erase(s.io_mms, number.io_mm, number.io_mm);
    s.forest.insert(s.freed_io_mms, {.first = number.io_mm, .last = number.io_mm});
  }
  number.io_mm = 0;
  number.state = NumberState::doubtful;
  number.freed_at = s.changes;
}

}  // namespace iommucheck::spec::sva
