// SPDX-License-Identifier: MIT
// One address space that a driver's caller maps into: a domain's, which its devices use without a
// PASID, or a private one, at a PASID. One rule and one implementation for both (INTERFACE).
//
// The core's half: what is owed for it. A backend derives its own from it, with the table.
#pragma once

#include "base/types.h"
#include "impl/pgtable/gather.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

/// In the place of a PASID: what devices do without one.
inline constexpr u32 no_pasid = ~u32{0};

/// What translations carry that the IOMMU has cached: two numbers, of which a backend may use one.
struct Tag {
  u64 outer = 0;
  u64 inner = 0;

  bool is_none() const { return outer == 0 && inner == 0; }
  friend bool operator==(const Tag&, const Tag&) = default;
};

struct Space {
  Gather gather;      // cleared, not yet invalidated
  Gather quarantine;  // cleared, and an invalidation has timed out
  // What the backend's format says of it.
  u64 page_sizes = 0;
  u64 page_mask = 0;  // of the smallest
  u64 table_pa = 0;
  u32 input_bits = 0;
  u32 pasid = no_pasid;
  Tag tag;      // what cached translations carry
  Tag old_tag;  // one that it had before, and whose invalidation has timed out
  iommucheck_handle domain = 0;
  bool foreign = false;      // walked by others than the IOMMU, and never by it: a dynamic domain's
  bool tracked = false;      // what devices write to is marked
  bool cached = false;       // its translations may be in a cache of the IOMMU or of a device
  bool combined = false;     // so may what users' tables have made of them
  bool tables_wait = false;  // parts of its table that unmap took out
};

}  // namespace iommucheck::impl
