/* SPDX-License-Identifier: MIT
 * The example's driver with something wrong that is no breach of the architecture, as FAULT_* says:
 * it crashes, does not return, leaves, or keeps state where the checker does not see it. */
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

#if defined(FAULT_store_unseen)
void again(volatile unsigned long* at);
#elif defined(FAULT_store_unmade)
void __tsan_write8(void* address);
#endif

static struct iommucheck_driver faulty;
static struct iommucheck_result (*right_unmap)(void* self, iommucheck_handle domain, uint64_t iova,
                                               uint64_t bytes);
#if defined(FAULT_heap) || defined(FAULT_later)
static unsigned* volatile of_the_heap; /* volatile, or compilers make it a static variable */
#elif defined(FAULT_three)
static int (*right_map)(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                        uint64_t bytes, uint32_t prot);
#endif

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
#elif defined(FAULT_late)
/* Comes to its end, and later than one waits for it. */
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  const struct iommucheck_result result = right_unmap(self, domain, iova, bytes);
  const clock_t until = clock() + CLOCKS_PER_SEC * 2 / 5;
  while (result.bytes > 4 * PAGE && clock() < until) {
  }
  return result;
}
#elif defined(FAULT_looks)
/* Asks something for each page: of a long range that is much, and no loop without an end. */
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  struct driver* d = self;
  const u64 pages = bytes / PAGE < 0x10000 ? bytes / PAGE : 0x10000;
  for (u64 n = 0; n < pages * LOOKS; ++n) d->p->mmio_read32(d->p->ctx, CR0ACK);
  return right_unmap(self, domain, iova, bytes);
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
#elif defined(FAULT_statics) || defined(FAULT_thread) || defined(FAULT_heap) || defined(FAULT_later)
/* Goes wrong at each hundredth page of its life that is unmapped alone: more than a case can do.
 * Forgets the invalidation, or (later) crashes. */
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
#if defined(FAULT_thread)
  static _Thread_local unsigned counter;
  unsigned* calls = &counter;
#elif defined(FAULT_statics)
  static unsigned counter;
  unsigned* calls = &counter;
#else
  unsigned* calls = of_the_heap;
#endif
  struct driver* d = self;
  struct iommucheck_result result = {0, 0, 0};
  const u64 slot = find_slot(d, find(d, domain), iova, 0);
  if (bytes != PAGE || !slot || !(get(d, slot) & 1) || ++*calls % 100 != 0) {
    return right_unmap(self, domain, iova, bytes);
  }
#if defined(FAULT_later)
  abort();
#endif
  put(d, slot, 0);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  result.bytes = PAGE;
  return result;
}
#elif defined(FAULT_three)
/* A crash, a loop without end, and a forgotten invalidation, each in calls of its own. */
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  static volatile u64 forever = 1;
  struct driver* d = self;
  struct iommucheck_result result = right_unmap(self, domain, iova, bytes);
  if (result.bytes == 3 * PAGE) abort();
  while (result.bytes == 5 * PAGE && forever) forever = 1;
  if (result.bytes == PAGE && bytes == PAGE && right_map(self, domain, iova, iova, PAGE, 1) == 0) {
    put(d, find_slot(d, find(d, domain), iova, 0), 0);
    d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  }
  return result;
}
#elif defined(FAULT_early)
/* Frees an empty last-level table: its pages' TLBIs were for leaves, so that a walk may still go
 * through a cached pointer to it. */
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  struct driver* d = self;
  const struct iommucheck_result result = right_unmap(self, domain, iova, bytes);
  const u64 slot = result.bytes ? find_slot(d, find(d, domain), iova, 0) : 0;
  const u64 table = slot & ~(u64)(PAGE - 1);
  u64 above, i;
  if (!slot) return result;
  for (i = 0; i < ENTRIES; ++i) {
    if (get(d, table + 8 * i)) return result;
  }
  above = find(d, domain)->root + 8 * (iova >> 30 & (ENTRIES - 1));
  above = (get(d, above) & ADDRESS) + 8 * (iova >> 21 & (ENTRIES - 1));
  put(d, above, 0);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  free_table(d, table, PAGE);
  return result;
}
#else
/* What the boundary has to stand: arguments, results and stores that make no sense. */
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  struct driver* d = self;
  const struct iommucheck_platform* p = d->p;
  struct iommucheck_result result = right_unmap(self, domain, iova, bytes);
  u64 pa = 0;
  if (result.bytes == 0) return result;
#if defined(FAULT_store_unaligned)
  p->store64(p->ctx, d->streams + 4, 0);
#elif defined(FAULT_store_outside)
  p->store64(p->ctx, 0x10, 1);
#elif defined(FAULT_store_freed)
  if (p->table_alloc(p->ctx, PAGE, &pa)) {
    p->table_free(p->ctx, pa, PAGE);
    put(d, pa + 8, 1);
  }
#elif defined(FAULT_load_freed)
  if (p->table_alloc(p->ctx, PAGE, &pa)) {
    p->table_free(p->ctx, pa, PAGE);
    p->load64(p->ctx, pa + 8);
  }
#elif defined(FAULT_fill_huge)
  p->fill64(p->ctx, d->streams, ~0ull, 0);
#elif defined(FAULT_exchange_outside)
  p->atomic(p->ctx, IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE, ~0ull - 7, 8, 1, 0, 0, 0);
#elif defined(FAULT_clean_huge)
  p->dma_clean(p->ctx, d->streams, ~0ull);
#elif defined(FAULT_alloc_zero)
  p->table_alloc(p->ctx, 0, &pa);
#elif defined(FAULT_alloc_huge)
  p->table_alloc(p->ctx, 1ull << 63, &pa);
  p->table_alloc(p->ctx, 3 * PAGE, &pa);
#elif defined(FAULT_free_twice)
  if (p->table_alloc(p->ctx, PAGE, &pa)) {
    p->table_free(p->ctx, pa, PAGE);
    p->table_free(p->ctx, pa, PAGE);
  }
#elif defined(FAULT_free_part)
  if (p->table_alloc(p->ctx, 4 * PAGE, &pa)) p->table_free(p->ctx, pa + PAGE, PAGE);
#elif defined(FAULT_free_nowhere)
  p->table_free(p->ctx, ~0ull << 12, ~0ull);
#elif defined(FAULT_arena_align)
  p->arena_alloc(p->ctx, 8, 3);
  p->arena_alloc(p->ctx, ~0ull, 1ull << 40);
#elif defined(FAULT_arena_overflow)
  {
    volatile char* mine = p->arena_alloc(p->ctx, 64, 16);
    int i;
    for (i = 0; i < 3 * PAGE; ++i) mine[i] = 1;
  }
#elif defined(FAULT_window_write)
  *(volatile u64*)(uintptr_t)p->window = 7;
#elif defined(FAULT_window_beyond)
  ((volatile char*)(uintptr_t)p->window)[p->window_size + 64] = 1;
#elif defined(FAULT_other_iommu)
  p->mmio_write32(p->ctx, IOMMUCHECK_OF_IOMMU(1, CR0), 0, 1);
#elif defined(FAULT_store_size)
  p->store(p->ctx, d->streams, 3, 0, 0, 0);
#elif defined(FAULT_store_askew)
  p->store(p->ctx, d->streams + 8, 16, 0, 0, 0);
#elif defined(FAULT_load_wide)
  p->load(p->ctx, d->streams, 16, 0, 0);
#elif defined(FAULT_atomic_unknown)
  p->atomic(p->ctx, 77, d->streams, 8, 0, 0, 0, 0);
#elif defined(FAULT_barrier_unknown)
  p->barrier(p->ctx, 0x205);
#elif defined(FAULT_ats_unknown)
  p->ats_enable(p->ctx, 1000, 1);
#elif defined(FAULT_load_nowhere)
  p->load64(p->ctx, 0x10);
#elif defined(FAULT_load_unaligned)
  p->load64(p->ctx, d->streams + 4);
#elif defined(FAULT_invalidate_wraps)
  p->dma_invalidate(p->ctx, d->streams, ~0ull);
#elif defined(FAULT_fills)
  while (p->mmio_read32(p->ctx, CR0ACK) != 0xdead) p->fill64(p->ctx, d->ring, PAGE / 8, 0);
#elif defined(FAULT_dawdles)         /* a breach, and much to do behind it */
  p->load64(p->ctx, d->streams + 4);
  for (long i = 0; i < 1000000; ++i) p->mmio_read32(p->ctx, CR0ACK);
#elif defined(FAULT_breaks_and_dies) /* STRTAB_BASE_CFG while SMMUEN = 1 */
  p->mmio_write32(p->ctx, 0x88, 0, 1);
  __builtin_trap();
#elif defined( \
    FAULT_breaks_and_asserts) /* the same, and it cannot go on with an SMMU that is gone */
  p->mmio_write32(p->ctx, 0x88, 0, 1);
  for (long i = 0; i < 1000000; ++i) {
    if (p->mmio_read32(p->ctx, CR0ACK) == ~0u) __builtin_trap();
  }
#elif defined(FAULT_exit_pasid)
  p->mm_exit(p->ctx, 0, 1u << 20, 0);
#elif defined(FAULT_fault_pasid)
  p->handle_fault(p->ctx, 0, ~0u, iova, IOMMUCHECK_PROT_READ);
#elif defined(FAULT_handler_pasid)
  p->fault_handler(p->ctx, 0, ~0u, iova, IOMMUCHECK_PROT_READ, 1, 0);
#elif defined(FAULT_register_beyond)
  p->mmio_write32(p->ctx, 0x20000 + CR0, 0, 1);
  p->mmio_read64(p->ctx, ~0ull - 7);
#elif defined(FAULT_register_unaligned)
  p->mmio_write64(p->ctx, CR1 + 1, 5, 1);
  p->mmio_read32(p->ctx, CR0 + 2);
#elif defined(FAULT_result_bytes)
  result.bytes = ~0ull;
#elif defined(FAULT_address)
  result.bytes += (u64)(uintptr_t)&faulty; /* where it lies */
#elif defined(FAULT_result_error)
  result.error = -12345;
#elif defined(FAULT_store_unseen)
  again((volatile unsigned long*)at(d, d->streams)); /* of an object without hooks */
#elif defined(FAULT_store_unmade)
  __tsan_write8((void*)(uintptr_t)at(d, d->streams));
#elif defined(FAULT_killed)
  if (result.bytes > 4 * PAGE) raise(9); /* as if by the kernel, when memory is short */
#elif defined(FAULT_barriers)
  while (result.bytes > 4 * PAGE) p->barrier(p->ctx, IOMMUCHECK_DMA_WMB);
#elif defined(FAULT_talks)
  p->lock(p->ctx, 1);
  p->log(p->ctx, IOMMUCHECK_LOG_WARNING, "the answer will be wrong");
  p->unlock(p->ctx, 1);
  result.bytes = ~0ull;
#endif
  (void)p;
  (void)pa;
  return result;
}
#endif

#if defined(FAULT_handle_zero) || defined(FAULT_handle_again) || defined(FAULT_info)
static int (*right_alloc)(void* self, const struct iommucheck_domain_params* params,
                          iommucheck_handle* domain);
static int wrong_alloc(void* self, const struct iommucheck_domain_params* params,
                       iommucheck_handle* domain) {
  const int error = right_alloc(self, params, domain);
#if defined(FAULT_handle_zero)
  if (!error) *domain = 0;
#elif defined(FAULT_handle_again)
  if (!error) *domain = 1;
#endif
  return error;
}
static int wrong_info(void* self, iommucheck_handle domain, struct iommucheck_domain_info* info) {
  (void)self;
  info->input_bits = 200 + (u32)domain;
  info->output_bits = 0xffffffff;
  info->page_sizes = 5;
  info->size = 0;
  return 0;
}
#endif

#if defined(FAULT_forget_order)
/* No barrier between the zeros of a new table and the store that links it. */
static struct iommucheck_platform changed;
static const void* (*right_table_alloc)(void* ctx, uint64_t bytes, uint64_t* pa);
static void (*right_barrier)(void* ctx, uint32_t kind);
static int fresh;
static const void* alloc_fresh(void* ctx, uint64_t bytes, uint64_t* pa) {
  const void* given = right_table_alloc(ctx, bytes, pa);
  fresh = given && bytes == PAGE;
  return given;
}
static void forgets_one(void* ctx, uint32_t kind) {
  if (!fresh) right_barrier(ctx, kind);
  fresh = 0;
}
static int (*right_init)(const struct iommucheck_platform* platform,
                         const struct iommucheck_config* config, void** self);
static int wrong_init(const struct iommucheck_platform* platform,
                      const struct iommucheck_config* config, void** self) {
  changed = *platform;
  right_table_alloc = changed.table_alloc;
  right_barrier = changed.barrier;
  changed.table_alloc = alloc_fresh;
  changed.barrier = forgets_one;
  return right_init(&changed, config, self);
}
#endif

#if defined(FAULT_wide) || defined(FAULT_atomics) || defined(FAULT_rmb) || defined(FAULT_locks)
/* The example's accesses in another way, all of them right but for `rmb`: each command as one store
 * of 16 bytes, each word by an atomic exchange, barriers that order loads only, calls that lock. */
static struct iommucheck_platform changed;
static int (*right_init)(const struct iommucheck_platform* platform,
                         const struct iommucheck_config* config, void** self);
#if defined(FAULT_wide)
static struct driver* its;
static u64 low;
static void put_wide(void* ctx, uint64_t pa, uint64_t value) {
  const u64 pc = 0x4000;
  if (!its || !its->ring || pa - its->ring >= PAGE) {
    changed.store(ctx, pa, 8, value, 0, pc);
  } else if (pa % 16 == 0) {
    low = value;
  } else {
    changed.store(ctx, pa - 8, 16, low, value, pc);
  }
}
#elif defined(FAULT_atomics)
static void put_atomic(void* ctx, uint64_t pa, uint64_t value) {
  const u64 old = changed.load(ctx, pa, 8, IOMMUCHECK_ORDERED, 0);
  const u64 was = changed.atomic(ctx, IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE, pa, 8, value, old, 0, 0);
  if (was != old) abort();
}
#elif defined(FAULT_rmb)
static void (*right_barrier)(void* ctx, uint32_t kind);
static void orders_loads(void* ctx, uint32_t kind) {
  (void)kind;
  right_barrier(ctx, IOMMUCHECK_RMB);
}
#else
static int (*right_map)(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                        uint64_t bytes, uint32_t prot);
static int locked_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                      uint64_t bytes, uint32_t prot) {
  int error;
  changed.lock(changed.ctx, domain);
  error = changed.cpu(changed.ctx) == 0 ? right_map(self, domain, iova, pa, bytes, prot) : 1;
  changed.unlock(changed.ctx, domain);
  return error;
}
#endif
static int changed_init(const struct iommucheck_platform* platform,
                        const struct iommucheck_config* config, void** self) {
  int error;
  changed = *platform;
#if defined(FAULT_wide)
  its = 0;
  changed.store64 = put_wide;
#elif defined(FAULT_atomics)
  changed.store64 = put_atomic;
#elif defined(FAULT_rmb)
  right_barrier = changed.barrier;
  changed.barrier = orders_loads;
#endif
  error = right_init(&changed, config, self);
#if defined(FAULT_wide)
  its = *self;
#endif
  return error;
}
#endif

#if defined(FAULT_slow)
/* Nothing is wrong: it asks something of its platform all the time, and takes long. */
static int (*right_reset)(void* self);
static int slow_reset(void* self) {
  struct driver* d = self;
  volatile unsigned work;
  int i;
  for (i = 0; i < 160; ++i) {
    for (work = 0; work < 10000000;) work = work + 1;
    d->p->mmio_read32(d->p->ctx, CR0ACK);
  }
  return right_reset(self);
}
#endif

#if defined(FAULT_no_boot)
static int wrong_reset(void* self) {
  struct driver* d = self;
  d->p->log(d->p->ctx, IOMMUCHECK_LOG_ERROR, "nobody answers");
  return -IOMMUCHECK_ETIMEDOUT;
}
#endif

#if defined(FAULT_boots_seldom)
/* It ends where the SMMU has no ATS. */
static int wrong_reset(void* self) {
  struct driver* d = self;
  if ((d->p->mmio_read32(d->p->ctx, 0) & 1u << 10) == 0) *(volatile int*)(uintptr_t)8 = 1;
  return simple_driver_entry()->reset(self);
}
#endif

#if defined(FAULT_no_machine)
static int no_init(const struct iommucheck_platform* platform,
                   const struct iommucheck_config* config, void** self) {
  (void)platform;
  (void)config;
  (void)self;
  return -IOMMUCHECK_ENODEV;
}
#endif

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  faulty = *simple_driver_entry();
  right_unmap = faulty.unmap;
  faulty.unmap = wrong_unmap;
  faulty.name = "faulty";
#if defined(FAULT_heap) || defined(FAULT_later)
  of_the_heap = calloc(1, sizeof *of_the_heap);
#elif defined(FAULT_three)
  right_map = faulty.map;
#elif defined(FAULT_handle_zero) || defined(FAULT_handle_again)
  right_alloc = faulty.domain_alloc;
  faulty.domain_alloc = wrong_alloc;
  (void)wrong_info;
#elif defined(FAULT_info)
  faulty.domain_get_info = wrong_info;
  (void)wrong_alloc;
#elif defined(FAULT_forget_order)
  right_init = faulty.init;
  faulty.init = wrong_init;
#elif defined(FAULT_wide) || defined(FAULT_atomics) || defined(FAULT_rmb)
  right_init = faulty.init;
  faulty.init = changed_init;
  faulty.unmap = right_unmap;
  (void)wrong_unmap;
#elif defined(FAULT_locks)
  right_init = faulty.init;
  faulty.init = changed_init;
  right_map = faulty.map;
  faulty.map = locked_map;
  faulty.unmap = right_unmap;
  faulty.flags |= IOMMUCHECK_DRIVER_CONCURRENT;
  (void)wrong_unmap;
#elif defined(FAULT_slow)
  right_reset = faulty.reset;
  faulty.reset = slow_reset;
  faulty.unmap = right_unmap;
  (void)wrong_unmap;
#elif defined(FAULT_no_boot) || defined(FAULT_boots_seldom)
  faulty.reset = wrong_reset;
#elif defined(FAULT_no_machine)
  faulty.init = no_init;
#endif
  return &faulty;
}
