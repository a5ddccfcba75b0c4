/* SPDX-License-Identifier: MIT
 *
 * iommucheck/hooks.h - what `iommucheck cc` puts into a plug-in, so that plain C is seen store by
 * store.
 *
 *     iommucheck cc -shared -o mine.so mine.c        instead of clang-19 -shared -fPIC ...
 *     iommucheck check --driver ./mine.so
 *
 * Every store, load and atomic that the compiler makes, to table memory or to registers, becomes an
 * event in the order of the program, with its size, value and place in the program: assignments,
 * volatile accesses, memset, memcpy, copies of structs, C11 atomics and fences. The driver needs no
 * flag and calls no store64. What is not C is not seen: barriers and cache maintenance in assembler
 * go through the platform (barrier, dma_clean); stores in assembler are found when the driver's
 * call returns, and their order is not known then (docs/drivers.md, "scan").
 *
 * A driver that writes registers through pointers uses iommucheck_registers() as their address.
 */
#ifndef IOMMUCHECK_HOOKS_H
#define IOMMUCHECK_HOOKS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iommucheck_platform;

/* Where the registers of the SMMU are for this driver: two pages of 64 KiB. A load of 4 or 8 bytes
 * is mmio_read32 or mmio_read64, a store mmio_write32 or mmio_write64 without order
 * (writel_relaxed): a barrier before it is the driver's, through the platform. Never NULL. */
void* iommucheck_registers(void);

/* ---- between the checker and the hooks; nothing for drivers from here on ---- */

#define IOMMUCHECK_HOOKS_ABI 1u

/* Of an object built with `iommucheck cc --coverage`: a counter for each block, which is not 0 once
 * it was entered, and its place: the block's address, and 1 where a function begins there. */
struct iommucheck_coverage {
  const uint8_t* counters;
  const uintptr_t* places; /* two words each */
  uint64_t count;
  uintptr_t base; /* address at which the object was loaded */
};

struct iommucheck_hooks {
  uint32_t size;
  uint32_t abi;

  /* The driver is about to be called. `window`: table memory, which the driver may write. Stores
   * and the others that the compiler made go to `told`, which does not change the window;
   * registers to `platform`. Both live until the driver has returned. */
  void (*begin)(const struct iommucheck_platform* told, const struct iommucheck_platform* platform);

  /* A hook runs before its store does. What was stored since is told now: before the checker looks
   * at memory, before a call of the platform has effect, and when the driver has returned. */
  void (*settle)(void);

  const struct iommucheck_coverage* coverage; /* NULL or count 0: it was built without */

  /* Where the address stands to which the access returns that the hooks tell of, while they do:
   * what calls the platform then is not the driver's code. NULL there: they tell of none. */
  const void* const* place;
};
#define IOMMUCHECK_HOOKS_SIZE_VER0 24u

typedef const struct iommucheck_hooks* (*iommucheck_hooks_entry_fn)(void);
#define IOMMUCHECK_HOOKS_ENTRY_NAME "iommucheck_hooks_entry"
const struct iommucheck_hooks* iommucheck_hooks_entry(void);

/* For code that calls the platform in the driver's place, as a kernel's readl does: what is told
 * from here on stands at `place`, an address to which a call of the driver's returns; NULL: where
 * the platform is called. `iommucheck cc` links it in. */
void iommucheck_stands_at(const void* place);

#ifdef __cplusplus
}
#endif

#endif
