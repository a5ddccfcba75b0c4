/* SPDX-License-Identifier: MIT
 *
 * Arm's sysarch-acs, as far as smmu_v3.c uses it, over the kernel shim: its allocator gives memory
 * that is mapped one to one. Every header that it includes beside its own two is this one
 * (build.sh).
 */
#ifndef ACS_STAND_IN_H
#define ACS_STAND_IN_H

#include <stddef.h>
#include <stdint.h>

#include "kernel_shim.h"

#define TARGET_BAREMETAL 1 /* where ARRAY_SIZE is its own */

enum { TRACE = 1, DEBUG, INFO, WARN, ERROR };
#define val_print(level, format, ...) \
  shim_log((level) == ERROR ? IOMMUCHECK_LOG_ERROR : IOMMUCHECK_LOG_INFO, "%s", format)
#define acs_policy_get_print_level() ERROR
enum { MAX_SID = 20 };
enum { ACS_STATUS_ERR = 1, ACS_INVALID_INDEX = 2, NOT_IMPLEMENTED = 3 };

/* ---- memory ---- */

#define val_memory_alloc(bytes) shim_dma_alloc(bytes, 0, 0, NULL)
#define val_memory_calloc(count, bytes) shim_dma_alloc((size_t)(count) * (bytes), 0, 1, NULL)
#define val_memory_free(memory) shim_dma_free(memory)
#define val_memory_virt_to_phys(address) shim_pa(address)
#define val_memory_set(memory, bytes, value) __builtin_memset(memory, value, bytes)

/* ---- registers: device memory, so one access is behind the other and nothing else is ordered ----
 */

#define SMMU_REGISTERS 0x40000000ull
#define val_mmio_read(address) shim_read32((address) - SMMU_REGISTERS)
#define val_mmio_write(address, value) shim_write32((address) - SMMU_REGISTERS, value, 0)
#define val_mmio_write64(address, value) shim_write64((address) - SMMU_REGISTERS, value, 0)
#define dmbsy() shim_barrier(IOMMUCHECK_DMA_MB)

/* ---- what there is: one SMMU ---- */

typedef enum {
  SMMU_NUM_CTRL,
  SMMU_CTRL_BASE,
  SMMU_CTRL_ARCH_MAJOR_REV,
  SMMU_SSID_BITS,
  SMMU_IN_ADDR_SIZE,
  SMMU_OUT_ADDR_SIZE
} SMMU_INFO_e;
static inline uint64_t val_iovirt_get_smmu_info(SMMU_INFO_e what, uint32_t smmu) {
  (void)smmu;
  return what == SMMU_NUM_CTRL ? 1 : what == SMMU_CTRL_BASE ? SMMU_REGISTERS : 3;
}

typedef struct {
  uint32_t smmu_index, streamid, substreamid, ssid_bits, stage2;
} smmu_master_attributes_t;
typedef struct {
  uint64_t pgt_base, mair;
  uint32_t stage;
  struct {
    uint32_t ps, tg, sh, orgn, irgn, tsz, sl, tg_size_log2;
  } tcr;
} pgt_descriptor_t;
enum { PGT_STAGE1 = 1, PGT_STAGE2 = 2 };
#define val_pgt_get_attributes(pgt, iova, attributes) ((void)(attributes), 1)

#endif
