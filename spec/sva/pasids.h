// SPDX-License-Identifier: MIT
// PASIDs as numbers: who may be given which. INTERFACE "PASID numbers"; SEMANTICS 5.
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

Range device_range(const InterfaceState& s, u32 device, u32 min, u32 max);
void judge_new_number(const InterfaceState& s, Range range, Permitted& set);
Verdict check_number(const InterfaceState& s, const Call& call, const Permitted& set, u64 number);
Permitted permitted_pasid_alloc(const InterfaceState& s, const Call& call, Circumstances around);
void apply_pasid_alloc(InterfaceState& s, const Observed& observed);
Permitted permitted_pasid_free(const InterfaceState& s, const Call& call, Circumstances around);
void apply_pasid_free(InterfaceState& s, const Call& call, Status status);
u32 take_number(InterfaceState& s, u32 pasid, NumberState state, u32 space);
void free_number(InterfaceState& s, u32 index);
void doubt_number(InterfaceState& s, u32 index);

/// Free as far as is known: a time-out may have left something there.
inline bool is_free_or_in_doubt(const InterfaceState& s, u32 number) {
  return number == 0 || s.numbers[number].state == NumberState::doubtful;
}

}  // namespace iommucheck::spec::sva
