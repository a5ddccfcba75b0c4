// SPDX-License-Identifier: MIT
// The numbers themselves. INTERFACE "PASID numbers". A number's word (impl/pasid/state.h) counts
// its bonds, its live uses (entries), its dead uses (open) and its faults; so it is free exactly
// when none of them is left and its io_mm is gone.
#pragma once

#include <algorithm>

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/pasid/allocator.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class Pasids {
 public:
  Pasids(const Platform& platform, const Backend& backend)
      : platform_(platform), backend_(backend) {}

  void create() {
    if (backend_.first_pasid() == 0) numbers_.give_zero();
  }

  // Plain ones, of pasid_alloc.
  int pasid_alloc(u32 min, u32 max, u32* pasid);
  int free_plain(u32 pasid);
  /// Held, and nothing behind it: 0; EBUSY (a process or an io_mm has it), EINVAL.
  int check_plain(u32 pasid) const;

  /// One with something behind it.
  int allocate(u32 min, u32 max, u64 kind, u32* pasid) {
    return numbers_.allocate(platform_, min, max, kind, pasid);
  }
  /// A step of impl/pasid/state.h; false, and nothing changed, if it is not allowed.
  template <class Transition>
  bool apply(u32 pasid, Transition transition) {
    return numbers_.apply(pasid, transition);
  }
  /// Whether the fault was counted at its number: fault_ends() is then owed.
  bool fault_begins(u32 pasid) { return pasid != no_pasid && apply(pasid, pasid::fault<u64>); }
  void fault_ends(u32 pasid) { apply(pasid, pasid::answered<u64>); }
  void forget(u32 pasid) { numbers_.forget(pasid); }
  u32 held() const { return numbers_.held(); }

 private:
  const Platform& platform_;
  const Backend& backend_;
  PasidAllocator numbers_;
};

}  // namespace iommucheck::impl
