// SPDX-License-Identifier: MIT
#include "impl/core/dirty.h"

#include <bit>

#include "impl/core/batch.h"
#include "impl/core/domains.h"
#include "impl/core/owed.h"

namespace iommucheck::impl {

/// The space of a domain that can be tracked; null and an error for others.
Space* Dirty::tracked_space(iommucheck_handle handle, int* error) {
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie) {
    *error = -IOMMUCHECK_EINVAL;
    return nullptr;
  }
  *error = -IOMMUCHECK_EOPNOTSUPP;
  if (domain->mapped() == nullptr || !backend_.tracks_writes()) return nullptr;
  *error = 0;
  return domain->mapped();
}

/// On: all is clean, and what is cached may still be written without a mark until it is
/// invalidated. After a time-out it is as it was before; off is off in any case.
int Dirty::dirty_set(iommucheck_handle handle, bool on) {
  int error = 0;
  Space* space = tracked_space(handle, &error);
  if (space == nullptr || space->tracked == on) return error;
  space->tracked = on;
  backend_.track(*space, on);
  space->gather.add_all();
  error = debts_.complete(*space);
  if (error != 0 && on) {
    space->tracked = false;
    backend_.track(*space, false);
    platform_.barrier();
  }
  return error;
}

/// Marks of accesses that have ended may show late: the first sync is for them. What is clean again
/// may be written without a mark by what is cached: the second one. A write between the two is told
/// of here.
int Dirty::dirty_read(iommucheck_handle handle, u64 iova, u64 bytes, u64 grain, bool clear,
                      u64* bitmap) {
  int error = 0;
  Space* space = tracked_space(handle, &error);
  if (space == nullptr) return error;
  const bool grained = std::has_single_bit(grain) && grain > space->page_mask;
  if (!space->tracked || !grained || bytes == 0 || ((iova | bytes) & (grain - 1)) != 0) {
    return -IOMMUCHECK_EINVAL;
  }
  const u64 last = iova + (bytes - 1);
  if (last < iova || (last >> space->input_bits) != 0) return -IOMMUCHECK_ERANGE;
  if (space->cached) {
    backend_.settle_marks();
    if ((error = batch_.commit()) != 0) return error;
    platform_.barrier();
  }
  DirtyWindow window{.iova = iova, .last = last, .grain = grain, .clear = clear, .bitmap = bitmap};
  window.empty();
  backend_.read_marks(*space, window);
  if (!window.cleared) return 0;
  error = debts_.complete(*space);
  if (error != 0) {
    backend_.mark_again(*space, window);
    platform_.barrier();
  }
  return error;
}

}  // namespace iommucheck::impl
