/* SPDX-License-Identifier: MIT
 * The example's driver with something wrong that is no breach of the architecture, as FAULT_* says:
 * it crashes, does not return, leaves, or keeps state where the checker does not see it. */
#include <stdlib.h>

#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

static struct iommucheck_driver faulty;
static struct iommucheck_result (*right_unmap)(void* self, iommucheck_handle domain, uint64_t iova,
                                               uint64_t bytes);

#if defined(FAULT_crash)
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  const struct iommucheck_result result = right_unmap(self, domain, iova, bytes);
  if (result.bytes > 4 * PAGE) *(volatile int*)(uintptr_t)(8 + 0 * iova) = 1;
  return result;
}
#elif defined(FAULT_exit)
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  const struct iommucheck_result result = right_unmap(self, domain, iova, bytes);
  if (result.bytes > 4 * PAGE) _Exit(0);
  return result;
}
#elif defined(FAULT_spin)
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  static volatile u64 forever = 1;
  const struct iommucheck_result result = right_unmap(self, domain, iova, bytes);
  while (result.bytes > 4 * PAGE && forever) forever = 1;
  return result;
}
#elif defined(FAULT_poll)
/* Polls a register without wait(), and without end. */
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  struct driver* d = self;
  const struct iommucheck_result result = right_unmap(self, domain, iova, bytes);
  while (result.bytes > 4 * PAGE && d->p->mmio_read32(d->p->ctx, CR0ACK) != 0xdead) {
  }
  return result;
}
#elif defined(FAULT_statics) || defined(FAULT_thread)
/* Forgets the invalidation of each hundredth page of its life: more than a case can unmap. */
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
#if defined(FAULT_thread)
  static _Thread_local unsigned calls;
#else
  static unsigned calls;
#endif
  struct driver* d = self;
  struct iommucheck_result result = {0, 0, 0};
  const u64 slot = find_slot(d, find(d, domain), iova, 0);
  if (bytes != PAGE || !slot || !(get(d, slot) & 1) || ++calls % 100 != 0) {
    return right_unmap(self, domain, iova, bytes);
  }
  put(d, slot, 0);
  d->p->barrier(d->p->ctx);
  result.bytes = PAGE;
  return result;
}
#endif

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  faulty = *simple_driver_entry();
  right_unmap = faulty.unmap;
  faulty.unmap = wrong_unmap;
  faulty.name = "faulty";
  return &faulty;
}
