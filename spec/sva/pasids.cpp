// SPDX-License-Identifier: MIT
#include "spec/sva/pasids.h"

#include "spec/sva/attachments.h"
#include "spec/sva/numbers.h"

namespace iommucheck::spec::sva {

// --- pasid_alloc ---

/// INTERFACE "PASID numbers".
Permitted permitted_pasid_alloc(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  if (call.max_pasid != 0 && call.min_pasid > call.max_pasid) {
    set.add(Reason::min_is_beyond_max);
  }
  if (call.min_pasid >= pasid_limit || call.max_pasid >= pasid_limit) {
    set.add(Reason::pasids_have_20_bits);
  }
  const Range range = plain_range(s, call.min_pasid, call.max_pasid, false);
  const Range within = plain_range(s, call.min_pasid, call.max_pasid, true);
  if (range.empty()) set.add(Reason::the_range_is_empty);
  if (!set.empty()) return set;
  if (within.empty()) {
    set.add(Reason::the_range_may_be_cut_to_the_iommus);
  } else if (!any_free(s, within)) {
    set.add(Reason::no_pasid_of_the_iommus_is_left);
  }
  judge_new_number(s, range, set);
  may_lack_memory(set, around);
  return set;
}

void apply_pasid_alloc(InterfaceState& s, const Observed& observed) {
  if (observed.status != Status::ok) return;
  take_number(s, static_cast<u32>(observed.value), NumberState::plain, 0);
}

// --- pasid_free ---

Permitted permitted_pasid_free(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  const u32 number = s.find_number(call.pasid);
  if (!holders_of(s, call.pasid).plain) {
    set.add(Reason::not_held_as_a_plain_number);
  } else if (is_attached(s, number)) {
    set.add(Reason::a_domain_is_attached_there);
  } else {
    set.add(Reason::it_is_held);
    // Then a device may still reach a domain there, and it is held for longer.
    if (may_be_attached(s, number)) may_time_out(set, around);
  }
  return set;
}

void apply_pasid_free(InterfaceState& s, const Call& call, Status status) {
  if (status != Status::ok) return;
  const u32 number = s.find_number(call.pasid);
  if (may_be_attached(s, number)) {
    doubt_number(s, number);
  } else {
    free_number(s, number);
  }
}

}  // namespace iommucheck::spec::sva
