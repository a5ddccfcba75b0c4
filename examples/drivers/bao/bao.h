/* SPDX-License-Identifier: MIT
 *
 * Bao, as far as smmuv3.c uses it, over the kernel shim. Every header that it includes and that is
 * not taken from the sources is this one (build.sh).
 */
#ifndef BAO_STAND_IN_H
#define BAO_STAND_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iommucheck/hooks.h"
#include "kernel_shim.h"

typedef uintptr_t vaddr_t;
typedef uint64_t paddr_t;
typedef long ssize_t;
typedef uint32_t deviceid_t, irqid_t;
#define UINT32_C(x) x##u
#define UINT64_C(x) x##ull
#define memset __builtin_memset
#define memcpy __builtin_memcpy

/* ---- messages; ERROR does not return ---- */

#define ERROR(...) shim_panic(__VA_ARGS__)
#define WARNING(...) shim_log(IOMMUCHECK_LOG_WARNING, __VA_ARGS__)
#define INFO(...) shim_log(IOMMUCHECK_LOG_INFO, __VA_ARGS__)

/* ---- arch/fences.h: dsb(ishst), dmb(ishst), dmb(ishld); cache_flush_range cleans and ends in a
 * dsb ---- */

#define fence_sync_write() shim_barrier(IOMMUCHECK_WMB)
#define fence_sync() shim_barrier(IOMMUCHECK_MB) /* dsb(ish) */
#define fence_ord_write() shim_barrier(IOMMUCHECK_DMA_WMB)
#define fence_ord_read() shim_barrier(IOMMUCHECK_DMA_RMB)
static inline void cache_flush_range(vaddr_t address, size_t bytes) {
  shim_clean((const void*)address, bytes);
  shim_barrier(IOMMUCHECK_MB);
}

/* ---- locks ---- */

typedef struct shim_lock spinlock_t;
#define SPINLOCK_INITVAL ((spinlock_t){.name = "smmu"})
#define spin_lock shim_lock
#define spin_unlock shim_unlock

/* ---- memory: whole pages, aligned to their size where that is asked for; contents are not cleared
 * ---- */

struct addr_space {
  int none;
};
struct bao_cpu {
  struct addr_space as;
};
struct bao_cpu* cpu(void);
enum { PAGE_BYTES = 4096, SEC_HYP_GLOBAL = 0 };
#define NUM_PAGES(bytes) (((bytes) + PAGE_BYTES - 1) / PAGE_BYTES)
#define MEM_ALIGN_REQ true
#define INVALID_VA 0
static inline vaddr_t mem_alloc_map_dev(struct addr_space* as, int section, vaddr_t at, paddr_t pa,
                                        size_t pages) {
  return (void)as, (void)section, (void)at, (void)pa, (void)pages, (vaddr_t)iommucheck_registers();
}
static inline void* mem_alloc_page(size_t pages, int section, bool aligned) {
  void* memory = shim_dma_alloc(pages * PAGE_BYTES, aligned ? pages * PAGE_BYTES : 0, 0, NULL);
  if (memory == NULL) ERROR("no memory");
  return (void)section, memory;
}
static inline bool mem_translate(struct addr_space* as, vaddr_t address, paddr_t* pa) {
  return (void)as, *pa = shim_pa((const void*)address), true;
}

/* ---- the platform, its processors' stage 2 (arch/page_table.h) and interrupts ---- */

struct bao_platform {
  struct {
    struct {
      paddr_t base;
      irqid_t interrupt_id;
    } smmu;
  } arch;
};
extern const struct bao_platform platform;
extern size_t parange;
extern const size_t parange_table[];
#define INVALID_IRQID (~0u)
typedef void (*irq_handler_t)(irqid_t);
irqid_t interrupts_reserve(irqid_t id, irq_handler_t handler);
#define interrupts_cpu_enable(id, on) ((void)(id))

#endif
