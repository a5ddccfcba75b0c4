// SPDX-License-Identifier: MIT
// One address space that a driver's caller maps into: a domain's, which its devices use without a
// PASID, or a private one, at a PASID. One rule and one implementation for both (INTERFACE).
#pragma once

#include "base/types.h"
#include "impl/pgtable/gather.h"
#include "impl/pgtable/page_table.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

struct Space {
  PageTable table;
  Gather gather;          // cleared, not yet invalidated
  Gather quarantine;      // cleared, and an invalidation has timed out
  RetiredTables retired;  // wait for either
  u64 page_sizes = 0;
  u64 tag = 0;      // what cached translations carry: the ASID
  u64 old_tag = 0;  // one that it had before, and whose invalidation has timed out
  iommucheck_handle domain = 0;
  u32 pasid = 0;        // 0: what devices of the domain use without one
  bool cached = false;  // its translations may be in a cache
};

}  // namespace iommucheck::impl
