// SPDX-License-Identifier: MIT
#include "impl/core/mapping.h"

#include <algorithm>

#include "impl/core/batch.h"
#include "impl/core/domains.h"
#include "impl/core/owed.h"

namespace iommucheck::impl {

namespace {

constexpr u32 prot_known = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE | IOMMUCHECK_PROT_EXEC |
                           IOMMUCHECK_PROT_PRIVILEGED | IOMMUCHECK_PROT_DEVICE;
constexpr u32 prot_access = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE | IOMMUCHECK_PROT_EXEC;

/// Whether [start, start + bytes) lies in 0 .. 2^address_bits - 1; bytes > 0.
constexpr bool in_range(u64 start, u64 bytes, unsigned address_bits) {
  const u64 last = start + (bytes - 1);
  return last >= start && (last >> address_bits) == 0;
}

}  // namespace

int Mapping::check_map(const Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) const {
  if (((iova | pa | bytes) & space.page_mask) != 0) return -IOMMUCHECK_EINVAL;
  if ((prot & prot_access) == 0 || (prot & ~prot_known) != 0) return -IOMMUCHECK_EINVAL;
  if (space.page_sizes == 0) return -IOMMUCHECK_ENODEV;
  if (bytes == 0) return 0;
  const bool fits =
      in_range(iova, bytes, space.input_bits) && in_range(pa, bytes, domains_.limits().output_bits);
  return fits ? 0 : -IOMMUCHECK_ERANGE;
}

/// Whether a time-out has left translations of the range that nothing has invalidated since.
bool Mapping::quarantined(const Space& space, u64 iova, u64 bytes) const {
  if (space.quarantine.all()) return true;
  for (const TlbRange& range : space.quarantine) {
    if (iova < range.end && range.first < iova + bytes) return true;
  }
  return false;
}

/// Clears what is mapped from `iova` on, and notes what that owes. Returns the bytes.
u64 Mapping::clear(Space& space, u64 iova, u64 bytes) {
  const UnmapProgress progress = backend_.unmap(space, iova, bytes);
  space.tables_wait |= progress.tables_left;
  if (progress.bytes != 0) {
    space.gather.add({.first = iova,
                      .end = iova + progress.bytes,
                      .leaf_levels = progress.leaf_levels,
                      .tables = progress.tables_left});
  }
  return progress.bytes;
}

/// Removes the first `bytes` of a map that has failed. They were reachable for a moment.
void Mapping::unroll(Space& space, u64 iova, u64 bytes) {
  if (bytes == 0) return;
  clear(space, iova, bytes);
  debts_.complete(space);  // a time-out puts them in quarantine; the caller hears why map failed
}

/// Where an empty table hangs in the place of a block, and no command empties the caches that may
/// lead to it: so many bytes that none of those blocks fits, and the table is filled instead.
u64 Mapping::less_than_block(const Space& space, u64 iova, u64 pa, u64 bytes) {
  u64 block = 0;
  for (u64 sizes = space.page_sizes; sizes != 0; sizes &= sizes - 1) {
    const u64 size = sizes & (~sizes + 1);
    if (size <= bytes && ((iova | pa) & (size - 1)) == 0) block = size;
  }
  return block / 2;
}

/// An empty table hangs where map wants to put a block: invalid first, then out of every cache,
/// then free (break-before-make).
int Mapping::clear_the_way(Space& space, u64 iova, u64 pa, u64 bytes) {
  const Detached table = backend_.detach(space, iova, pa, bytes);
  space.gather.add(
      {.first = table.first, .end = table.end, .leaf_levels = any_level, .tables = true});
  if (int error = debts_.complete(space)) {
    backend_.attach_back(space, table);
    return error;
  }
  backend_.free_detached(space, table);
  return 0;
}

/// What was mapped may be remembered as unmapped, by IOMMUs that do. 0, ETIMEDOUT.
int Mapping::forget_unmapped(Space& space, u64 iova, u64 bytes) {
  if (!remembers_unmapped_ || !space.cached || space.foreign) return 0;
  space.gather.add({.first = iova, .end = iova + bytes, .leaf_levels = any_level, .tables = true});
  return debts_.complete(space);
}

/// map() after its arguments were checked; on error nothing is left mapped.
int Mapping::map_checked(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) {
  if (bytes == 0) return 0;
  if (!space.quarantine.empty() && quarantined(space, iova, bytes)) {
    if (int error = batch_.ensure_settled()) return error;
  }
  u64 done = 0;
  u64 most = bytes;  // of the next step
  int error = 0;
  while (done < bytes && error == 0) {
    const u64 left = std::min(bytes - done, most);
    most = bytes;
    const MapProgress step = backend_.map(space, iova + done, pa + done, left, prot);
    done += step.bytes;
    switch (step.stop) {
      case MapStop::done: break;
      case MapStop::exists: error = -IOMMUCHECK_EEXIST; break;
      case MapStop::no_memory: error = -IOMMUCHECK_ENOMEM; break;
      case MapStop::timed_out: error = -IOMMUCHECK_ETIMEDOUT; break;
      case MapStop::table_in_the_way:
        if (space.foreign) {
          most = less_than_block(space, iova + done, pa + done, left - step.bytes);
          break;
        }
        error = clear_the_way(space, iova + done, pa + done, bytes - done);
        break;
    }
  }
  if (error == 0) error = forget_unmapped(space, iova, bytes);
  if (error != 0) unroll(space, iova, done);
  platform_.barrier();
  return error;
}

int Mapping::map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) {
  if (int error = check_map(space, iova, pa, bytes, prot)) return error;
  return map_checked(space, iova, pa, bytes, prot);
}

iommucheck_result Mapping::map_sg(Space& space, u64 iova, const iommucheck_sg* sg, u64 count,
                                  u32 prot) {
  u64 total = 0;
  for (u64 i = 0; i < count; ++i) {
    // check_map keeps every sum below 2^input_bits, so that none wraps.
    if (int error = check_map(space, iova + total, sg[i].pa, sg[i].bytes, prot)) {
      return {0, error, 0};
    }
    total += sg[i].bytes;
  }
  u64 done = 0;
  for (u64 i = 0; i < count; ++i) {
    if (int error = map_checked(space, iova + done, sg[i].pa, sg[i].bytes, prot)) {
      unroll(space, iova, done);
      platform_.barrier();
      return {0, error, 0};
    }
    done += sg[i].bytes;
  }
  return {total, 0, 0};
}

iommucheck_result Mapping::unmap(Space& space, u64 iova, u64 bytes) {
  const iommucheck_result fast = unmap_fast(space, iova, bytes);
  if (fast.bytes == 0) return fast;
  return {fast.bytes, debts_.complete(space), 0};
}

iommucheck_result Mapping::unmap_fast(Space& space, u64 iova, u64 bytes) {
  if (bytes == 0 || ((iova | bytes) & space.page_mask) != 0) return {0, 0, 0};
  if (!in_range(iova, bytes, space.input_bits)) return {0, 0, 0};
  const u64 cleared = clear(space, iova, bytes);
  if (space.foreign) platform_.barrier();  // no sync comes before its walkers are flushed
  return {cleared, 0, 0};
}

/// Of a foreign space it is its caller's word that nobody has anything cached.
int Mapping::sync(Space& space) {
  if (space.foreign) debts_.settled(space);
  return debts_.complete(space);
}

int Mapping::flush_all(Space& space) {
  space.gather.add_all();
  return sync(space);
}

int Mapping::range_add(Space& space, u64 iova, u64 bytes) {
  if (bytes == 0) return 0;
  if (!in_range(iova, bytes, space.input_bits)) return -IOMMUCHECK_EINVAL;
  const u64 first = iova & ~space.page_mask;
  const u64 end = ((iova + (bytes - 1)) | space.page_mask) + 1;
  space.gather.add({.first = first, .end = end, .leaf_levels = any_level, .tables = false});
  return 0;
}

}  // namespace iommucheck::impl
