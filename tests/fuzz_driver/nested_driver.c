/* SPDX-License-Identifier: MIT
 * The example's driver with a mistake behind four conditions, each met in about one of thirty cases
 * that have met those before it: who draws blindly meets all of them in one of a million. */
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

static int gone; /* how many of them are met */

static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  const struct iommucheck_result result = simple_driver_entry()->unmap(self, domain, iova, bytes);
  if (result.bytes == 15 * PAGE) {
    if (gone == 0) gone = 1;
  }
  if (result.bytes == 17 * PAGE) {
    if (gone == 1) gone = 2;
  }
  if (result.bytes == 3 * PAGE) {
    if (gone == 2) gone = 3;
  }
  return result;
}

static int wrong_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                     uint64_t bytes, uint32_t prot) {
  const int error = simple_driver_entry()->map(self, domain, iova, pa, bytes, prot);
  if (bytes == 8 * PAGE) {
    if (gone == 3) return error ? 0 : -IOMMUCHECK_EBUSY;
  }
  return error;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *simple_driver_entry();
  driver.name = "nested";
  driver.map = wrong_map;
  driver.unmap = wrong_unmap;
  return &driver;
}
