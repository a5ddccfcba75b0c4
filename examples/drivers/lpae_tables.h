/* SPDX-License-Identifier: MIT
 *
 * Translation tables as a kernel's memory manager makes them for its processors, and lends them to
 * a driver of an SMMU: 4 KiB granule, from level 1 on, at stage 2 with up to 16 tables side by side
 * (so up to 43 bits; 39 at stage 1). Where a driver has no tables of its own these stand in for its
 * kernel's; they are not under test. Plain stores, cleaned where IDR0.COHACC = 0; include it once,
 * in the glue.
 */
#ifndef IOMMUCHECK_LPAE_TABLES_H
#define IOMMUCHECK_LPAE_TABLES_H

#include "kernel_shim.h"

enum { LPAE_PAGE = 4096, LPAE_ENTRIES = 512 };
#define LPAE_ADDRESS 0xfffffffff000ull
#define LPAE_TABLE 3ull
/* A page, inner shareable and accessed; then what its stage and prot decide. */
#define LPAE_LEAF (3ull | 3ull << 8 | 1ull << 10)
#define LPAE_MAIR 0x04ffull /* 0: normal write-back, 1: Device-nGnRE */

struct lpae_tables {
  volatile uint64_t* root; /* of level 1 */
  int stage1;
  int coherent;  /* IDR0.COHACC */
  unsigned bits; /* of an input address */
  unsigned output_bits;
};

static inline size_t lpae_root_bytes(unsigned bits) {
  return bits <= 39 ? (size_t)LPAE_PAGE : (size_t)LPAE_PAGE << (bits - 39);
}

static inline void lpae_clean(const struct lpae_tables* tables, const volatile void* at,
                              size_t bytes) {
  if (!tables->coherent) shim_clean(at, bytes);
}

/* 0, or -IOMMUCHECK_ENOMEM. */
static inline int lpae_begin(struct lpae_tables* tables, int stage, unsigned bits,
                             unsigned output_bits) {
  tables->stage1 = stage == 1;
  tables->coherent = (shim_read32(0) >> 4 & 1) != 0;
  tables->bits = bits;
  tables->output_bits = output_bits;
  tables->root =
      (volatile uint64_t*)shim_dma_alloc(lpae_root_bytes(bits), lpae_root_bytes(bits), 1, NULL);
  if (tables->root == NULL) return -IOMMUCHECK_ENOMEM;
  lpae_clean(tables, tables->root, lpae_root_bytes(bits));
  shim_barrier(IOMMUCHECK_DMA_WMB);
  return 0;
}

static inline void lpae_free_below(volatile uint64_t* table, size_t entries, int levels) {
  for (size_t i = 0; i < entries; ++i) {
    if ((table[i] & 1) == 0 || levels == 0) continue;
    volatile uint64_t* below = (volatile uint64_t*)shim_va(table[i] & LPAE_ADDRESS);
    lpae_free_below(below, LPAE_ENTRIES, levels - 1);
    shim_dma_free((void*)(uintptr_t)below);
  }
}

/* Nobody may walk them any more. */
static inline void lpae_end(struct lpae_tables* tables) {
  lpae_free_below(tables->root, lpae_root_bytes(tables->bits) / 8, 2);
  shim_dma_free((void*)(uintptr_t)tables->root);
  tables->root = NULL;
}

/* The word of a page; NULL where a table is missing and is not to be made, or memory is short. */
static inline volatile uint64_t* lpae_slot(const struct lpae_tables* tables, uint64_t ipa,
                                           int make) {
  volatile uint64_t* slot = &tables->root[ipa >> 30];
  for (int shift = 21; shift >= 12; shift -= 9) {
    if ((*slot & 1) == 0) {
      uint64_t pa = 0;
      if (!make || shim_dma_alloc(LPAE_PAGE, 0, 1, &pa) == NULL) return NULL;
      lpae_clean(tables, shim_va(pa), LPAE_PAGE);
      shim_barrier(IOMMUCHECK_DMA_WMB); /* its zeros before the link */
      *slot = pa | LPAE_TABLE;
      lpae_clean(tables, slot, 8);
    }
    slot = (volatile uint64_t*)shim_va(*slot & LPAE_ADDRESS) + (ipa >> shift) % LPAE_ENTRIES;
  }
  return slot;
}

static inline int lpae_fits(uint64_t at, uint64_t bytes, unsigned bits) {
  return at + bytes - 1 >= at && (at + bytes - 1) >> bits == 0;
}

static inline uint64_t lpae_leaf1(uint32_t prot) {
  uint64_t leaf = LPAE_LEAF | 1ull << 6 | 1ull << 11; /* for all, nG */
  if ((prot & IOMMUCHECK_PROT_WRITE) == 0) leaf |= 1ull << 7;
  if ((prot & IOMMUCHECK_PROT_EXEC) == 0) leaf |= 3ull << 53;
  return (prot & IOMMUCHECK_PROT_DEVICE) != 0 ? leaf | 1ull << 2 : leaf;
}
static inline uint64_t lpae_leaf2(uint32_t prot) {
  uint64_t leaf = LPAE_LEAF | 1ull << 6;
  if ((prot & IOMMUCHECK_PROT_WRITE) != 0) leaf |= 1ull << 7;
  if ((prot & IOMMUCHECK_PROT_EXEC) == 0) leaf |= 2ull << 53;
  return leaf | ((prot & IOMMUCHECK_PROT_DEVICE) != 0 ? 1ull : 0xfull) << 2;
}

/* As `map` of driver.h, all or nothing: what was new is not cached, so that nothing is invalidated
 * where it fails. */
static inline int lpae_map(const struct lpae_tables* tables, uint64_t ipa, uint64_t pa,
                           uint64_t bytes, uint32_t prot) {
  uint64_t at;
  if ((ipa | pa | bytes) % LPAE_PAGE != 0 || (prot & 7) == 0) return -IOMMUCHECK_EINVAL;
  if (bytes == 0) return 0;
  if (!lpae_fits(ipa, bytes, tables->bits) || !lpae_fits(pa, bytes, tables->output_bits))
    return -IOMMUCHECK_ERANGE;
  if ((prot & IOMMUCHECK_PROT_PRIVILEGED) != 0) return IOMMUCHECK_NOT_BUILT;
  const uint64_t leaf = tables->stage1 ? lpae_leaf1(prot) : lpae_leaf2(prot);
  for (at = 0; at < bytes; at += LPAE_PAGE) {
    const volatile uint64_t* slot = lpae_slot(tables, ipa + at, 1);
    if (slot == NULL) return -IOMMUCHECK_ENOMEM;
    if ((*slot & 1) != 0) return -IOMMUCHECK_EEXIST;
  }
  for (at = 0; at < bytes; at += LPAE_PAGE) {
    volatile uint64_t* slot = lpae_slot(tables, ipa + at, 0);
    *slot = (pa + at) | leaf;
    lpae_clean(tables, slot, 8);
  }
  shim_barrier(IOMMUCHECK_DMA_WMB);
  return 0;
}

static inline uint64_t lpae_find(const struct lpae_tables* tables, uint64_t ipa) {
  const volatile uint64_t* slot = ipa >> tables->bits != 0 ? NULL : lpae_slot(tables, ipa, 0);
  return slot == NULL || (*slot & 1) == 0 ? 0 : (*slot & LPAE_ADDRESS) | ipa % LPAE_PAGE;
}

#endif
