// SPDX-License-Identifier: MIT
// A PASID's life: who holds it, when it may be given, when nobody knows. INTERFACE "PASID numbers".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// Who may hold a number, as far as a caller can know: after a time-out more than one of them.
struct Holders {
  bool nobody = false;
  bool plain = false;   ///< whoever had it from pasid_alloc
  bool others = false;  ///< a process, or an io_mm
};
Holders holders_of(const InterfaceState& s, u32 pasid);
void judge_new_number(const InterfaceState& s, Range range, Permitted& set);
Verdict check_number(const InterfaceState& s, const Call& call, const Permitted& set, u64 number);
u32 take_number(InterfaceState& s, u32 pasid, NumberState state, u32 space);
/// The caller has it no more: others may be given it.
void free_number(InterfaceState& s, u32 index);
/// What the event of the clock that is now has freed may have been free from any moment on since a
/// call began that waited while others returned; `began`: the clock before it.
void free_since(InterfaceState& s, u64 began);
void doubt_number(InterfaceState& s, u32 index);

/// Free as far as is known: a time-out may have left something there.
inline bool is_free_or_in_doubt(const InterfaceState& s, u32 number) {
  return number == 0 || s.numbers[number].state == NumberState::doubtful;
}

/// A call in progress may be given it.
inline bool is_among(u32 pasid, const Pending& pending) {
  return pending.first_pasid <= pasid && pasid <= pending.last_pasid;
}

/// Whether the IOMMU cuts what pasid_alloc gives without a device is not said: both are right.
Range plain_range(const InterfaceState& s, u32 min, u32 max, bool within_iommu);
bool any_free(const InterfaceState& s, Range range);

}  // namespace iommucheck::spec::sva
