/* SPDX-License-Identifier: MIT
 *
 * What a driver of an operating system's kernel stands on, over the platform of
 * iommucheck/driver.h: memory, addresses, registers, barriers, waiting, locks, messages. With it a
 * driver that was written for its kernel becomes a plug-in without a changed line: a header of
 * about 200 lines maps the kernel's names to these (kmalloc, contigmalloc, readl, udelay, ...), and
 * a page of glue maps the operations of the door to the driver's functions. worked_driver.c is the
 * smallest that uses it.
 *
 *     iommucheck cc -O2 -shared -o mine.so mine.c kernel_shim.c
 *     iommucheck check --driver ./mine.so
 *
 * Stores to DMA memory are plain C: `iommucheck cc` sees each of them. All state of the shim is in
 * static variables and in the arena, which the checker puts back between two cases.
 */
#ifndef IOMMUCHECK_KERNEL_SHIM_H
#define IOMMUCHECK_KERNEL_SHIM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "iommucheck/driver.h"

#ifdef __cplusplus
#define SHIM_NORETURN [[noreturn]]
extern "C" {
#else
#define SHIM_NORETURN _Noreturn
#endif

/* ---- life ---- */

/* Allocations of DMA memory may sleep, so they never fail (M_WAITOK, GFP_KERNEL | __GFP_NOFAIL):
 * one that the checker lets fail is tried again. Error paths behind them are not judged then. */
#define SHIM_ALLOCATIONS_SLEEP 0x1u

/* First of all, in `init`. */
void shim_begin(const struct iommucheck_platform* platform, unsigned flags);

/* For what the shim has no name for: processes, faults. */
const struct iommucheck_platform* shim_platform(void);

/* First in each operation of the door: what was being waited for is over, no lock is held. */
void shim_enter(void);

/* What the next function of the shim tells stands in the source where its own caller is; a function
 * that only calls it for the driver says its caller before: shim_called_from(SHIM_CALLER). With
 * `iommucheck cc` alone. */
void shim_called_from(const void* place);
#define SHIM_CALLER __builtin_return_address(0)

/* ---- ordinary memory: malloc, kmalloc, kzalloc ---- */

/* Zeroed, aligned to 64 bytes, not visible to the SMMU. NULL when the arena is full. */
void* shim_alloc(size_t bytes);
/* Takes what shim_alloc gave, or NULL. Anything else is a panic. */
void shim_free(void* memory);

/* ---- memory that the SMMU reads: contigmalloc, vm_page_alloc, dma_alloc_coherent ---- */

/* At least `bytes`, whole pages of 4 KiB, aligned to `align` (a power of two; 0: to a page).
 * `zero`: the stores of the zeros come from here, in no order with others. *pa may be NULL. NULL:
 * no memory. */
void* shim_dma_alloc(size_t bytes, size_t align, int zero, uint64_t* pa);
/* The same through a mapping that is not cached (dma_alloc_coherent where IDR0.COHACC = 0): stores
 * need no shim_clean. */
void* shim_dma_alloc_uncached(size_t bytes, size_t align, int zero, uint64_t* pa);
/* By its first address alone. NULL is allowed, anything else that was not given is a panic. */
void shim_dma_free(void* memory);

/* vtophys, virt_to_phys; phys_to_virt, PHYS_TO_DMAP. Of DMA memory; others are a panic. */
uint64_t shim_pa(const volatile void* address);
void* shim_va(uint64_t pa);

/* ---- registers: readl, writel, bus_read_4, ... ----
 *
 * A loop that reads one register again and again is how drivers wait: the second read in a row
 * gives way to the SMMU, so no loop has to be changed. When the time is up, further reads in a row
 * cost nothing and give the same value, until the loop ends by its own count or by the clock; one
 * that never ends is found (HANG_RETURNS). */
/* Of several SMMUs: IOMMUCHECK_OF_IOMMU(number, offset). */
uint32_t shim_read32(uint64_t offset);
uint64_t shim_read64(uint64_t offset);
/* ordered: earlier stores are visible first (writel); else not (writel_relaxed, bus_write_4). */
void shim_write32(uint64_t offset, uint32_t value, int ordered);
void shim_write64(uint64_t offset, uint64_t value, int ordered);

/* ---- waiting and time ---- */

/* cpu_relax, cpu_spinwait: in a loop that looks at memory, an MSI for instance. */
void shim_spin(void);
/* udelay, DELAY, usleep_range: each microsecond is as good as a look at what is waited for, of
 * which an SMMU here takes 64 at most. */
void shim_delay(uint64_t us);
/* ktime_get, in microseconds: a little at each wait, and beyond any limit once the time is up. */
uint64_t shim_now_us(void);

/* ---- barriers ----
 *
 *   dma_wmb, dmb(oshst), dmb(ishst)   shim_barrier(IOMMUCHECK_DMA_WMB)
 *   dma_rmb, dmb(oshld)               shim_barrier(IOMMUCHECK_DMA_RMB)
 *   dma_mb,  dmb(osh), smp_mb         shim_barrier(IOMMUCHECK_DMA_MB)
 *   wmb, dsb(st), dsb(ishst)          shim_barrier(IOMMUCHECK_WMB)
 *   rmb, dsb(ld)                      shim_barrier(IOMMUCHECK_RMB)
 *   mb,  dsb(sy), dsb(ish)            shim_barrier(IOMMUCHECK_MB)
 *
 * A DMB orders, a DSB also completes; SMMUs see both orders (SEMANTICS: the shareability of a
 * barrier is not modelled, so a dmb(ish) that ought to be dmb(osh) is not found). */
void shim_barrier(uint32_t kind);
/* dma_sync_*, cpu_dcache_wb_range: cleans by address for SMMUs whose fetches are not coherent. */
void shim_clean(const volatile void* address, size_t bytes);

/* ---- devices ---- */

/* pci_enable_ats, pci_disable_ats: ATS at the device itself (platform->ats_enable), by its number
 * in `config`. Nothing where the device has none, or the checker does not know of it. */
void shim_ats_enable(const struct iommucheck_config* config, uint32_t device, int on);

/* ---- locks: one context at a time, so they only look for mistakes ---- */

struct shim_lock {
  const char* name;
  int held;
};
/* Taking a lock that is held, giving back one that is not: a panic. */
void shim_lock(struct shim_lock* lock);
void shim_unlock(struct shim_lock* lock);

/* ---- messages ---- */

/* Into the report of a finding. Formats of the usual kinds: d i u x X p s c, l and ll, j, z,
 * widths, flags and %%. */
void shim_log(int level, const char* format, ...);
void shim_vlog(int level, const char* format, va_list arguments);
/* panic, BUG, KASSERT that fails: logged, then the driver crashes (CRASH_NEVER). */
SHIM_NORETURN void shim_panic(const char* format, ...);

#ifdef __cplusplus
}
#endif

#endif
