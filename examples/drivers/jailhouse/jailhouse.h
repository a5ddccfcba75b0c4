/* SPDX-License-Identifier: MIT
 *
 * Jailhouse, as far as smmu-v3.c uses it, over the kernel shim. Every header that it includes is
 * this one (build.sh).
 */
#ifndef JAILHOUSE_STAND_IN_H
#define JAILHOUSE_STAND_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel_shim.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
enum { ENOENT = 2, ENOMEM = 12, ENODEV = 19, EINVAL = 22 };
#define BIT_MASK(last, first) ((~0ull >> (63 - (last))) & ~((1ull << (first)) - 1))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define memset __builtin_memset
#define printk(...) shim_log(IOMMUCHECK_LOG_INFO, __VA_ARGS__)
#define trace_error(error) (error)

typedef struct shim_lock spinlock_t;
#define spin_lock shim_lock
#define spin_unlock shim_unlock
#define dsb(kind) shim_barrier(IOMMUCHECK_WMB) /* ishst is the only one that it uses */

/* ---- registers: an address that is none, so that a register is its offset from there ---- */

#define REGISTERS ((uintptr_t)0x40000000)
#define mmio_read32(address) shim_read32((uintptr_t)(address) - REGISTERS)
#define mmio_write32(address, value) shim_write32((uintptr_t)(address) - REGISTERS, value, 0)
#define mmio_write64(address, value) shim_write64((uintptr_t)(address) - REGISTERS, value, 0)
#define paging_map_device(pa, bytes) ((void)(pa), (void*)REGISTERS)

/* ---- memory: the pool clears what is given back ---- */

struct page_pool {
  int none;
};
extern struct page_pool mem_pool;
#define PAGES(bytes) (((bytes) + 4095) / 4096)
#define page_alloc(pool, pages) ((void)(pool), shim_dma_alloc((size_t)(pages) * 4096, 0, 1, NULL))
#define page_alloc_aligned(pool, pages) \
  ((void)(pool), shim_dma_alloc((size_t)(pages) * 4096, (size_t)(pages) * 4096, 1, NULL))
#define page_free(pool, memory, pages) ((void)(pool), (void)(pages), shim_dma_free(memory))
#define paging_hvirt2phys(address) shim_pa((const volatile void*)(address))

/* ---- cells and units ---- */

union jailhouse_stream_id {
  u32 id;
};
struct paging_structures {
  void* root_table;
};
struct cell_config {
  u32 id, num_stream_ids;
  union jailhouse_stream_id stream_ids[17];
};
struct cell {
  struct cell_config* config;
  struct {
    struct paging_structures mm;
  } arch;
};
struct cell* this_cell(void); /* of whom the processor runs */
extern struct cell root_cell;
#define for_each_stream_id(sid, config, n)                                       \
  for ((sid) = (config)->stream_ids[0], (n) = 0; (n) < (config)->num_stream_ids; \
       (sid) = (config)->stream_ids[++(n)])

enum { JAILHOUSE_MAX_IOMMU_UNITS = 8, JAILHOUSE_IOMMU_SMMUV3 = 3 };
struct jailhouse_iommu {
  u32 type;
  u64 base, size;
};
struct jailhouse_system {
  struct {
    struct jailhouse_iommu iommu_units[JAILHOUSE_MAX_IOMMU_UNITS];
  } platform_info;
};
extern const struct jailhouse_system* system_config_of_glue;
#define system_config ((struct jailhouse_system*)(uintptr_t)system_config_of_glue)
#define iommu_count_units() 1u

#define DEFINE_UNIT_MMIO_COUNT_REGIONS_STUB(name) struct unit
#define DEFINE_UNIT_SHUTDOWN_STUB(name) struct unit
#define DEFINE_UNIT(name, text) struct unit

/* VTCR_EL2 of the processors: T0SZ, SL0, write-back inner shareable walks, PS. */
extern unsigned cpu_parange, cpu_parange_encoded;
#define VTCR_CELL                                                                            \
  ((64ull - cpu_parange) | (cpu_parange >= 44 ? 2ull : 1ull) << 6 | 1ull << 8 | 1ull << 10 | \
   3ull << 12 | (u64)cpu_parange_encoded << 16)

#endif
