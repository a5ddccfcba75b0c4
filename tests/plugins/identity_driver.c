/* SPDX-License-Identifier: MIT
 * As firmware does it, which runs with memory mapped one to one: addresses in descriptors are
 * followed as pointers. -DSAYS_SO: the driver says that it does; -DSCANS: and that it writes memory
 * through pointers as well. */
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

static u64 leaf_of(u64 table, uint64_t iova) {
  for (int level = 1; level < 3; ++level) {
    const u64 word = ((const u64*)(uintptr_t)table)[(iova >> (39 - 9 * level)) % ENTRIES];
    if ((word & 3) != TABLE) return 0;
    table = word & ADDRESS;
  }
  return ((const u64*)(uintptr_t)table)[(iova >> 12) % ENTRIES];
}

static int checked_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                       uint64_t bytes, uint32_t prot) {
  struct driver* d = self;
  const int error = simple_driver_entry()->map(self, domain, iova, pa, bytes, prot);
  const struct domain* its = error ? 0 : find(d, domain);
  if (!its || bytes == 0) return error;
  return (leaf_of(its->root, iova) & ADDRESS) == pa ? 0 : -IOMMUCHECK_EIO;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *simple_driver_entry();
  driver.name = "identity";
#ifdef SAYS_SO
  driver.flags |= IOMMUCHECK_DRIVER_IDENTITY_MAPPED;
#endif
#ifdef SCANS
  driver.flags |= IOMMUCHECK_DRIVER_SCAN;
#endif
  driver.map = checked_map;
  return &driver;
}
