/* SPDX-License-Identifier: MIT
 *
 * What Linux's io-pgtable-arm.c uses of its kernel, over the shim: every header that it includes is
 * this one, but for linux/io-pgtable.h and io-pgtable-arm.h, which are its own. */
#ifndef LINUX_H
#define LINUX_H

#include "kernel_shim.h"

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef u64 phys_addr_t;
typedef u64 dma_addr_t;
typedef unsigned gfp_t;
typedef _Bool bool;
#define true 1
#define false 0

/* ---- numbers ---- */

#define BIT(n) (1ul << (n))
#define GENMASK_ULL(high, low) ((~0ull >> (63 - (high))) & (~0ull << (low)))
#define SZ_4K 0x1000ul
#define SZ_16K 0x4000ul
#define SZ_64K 0x10000ul
#define SZ_2M 0x200000ul
#define SZ_32M 0x2000000ul
#define SZ_512M 0x20000000ul
#define SZ_1G 0x40000000ul
#define PAGE_SIZE SZ_4K
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define __ffs(word) ((unsigned long)__builtin_ctzl(word))
#define __fls(word) (63ul - (unsigned long)__builtin_clzl(word))
#define ilog2(n) (63 - __builtin_clzl(n))
static inline int get_order(unsigned long size) {
  return size <= PAGE_SIZE ? 0 : (int)__fls(size - 1) - 11;
}

/* ---- the compiler ---- */

#define container_of(pointer, type, member) ((type*)((char*)(pointer) - offsetof(type, member)))
#define READ_ONCE(x) (*(const volatile __typeof__(x)*)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x)*)&(x) = (value))
#define __init
#define __initdata
#define EXPORT_SYMBOL_GPL(name)
#define subsys_initcall(name)

/* ---- mistakes: what the kernel would warn of is one ---- */

#define WARN_ON(condition)                                                                    \
  ({                                                                                          \
    const int warns_ = !!(condition);                                                         \
    if (warns_)                                                                               \
      shim_log(IOMMUCHECK_LOG_WARNING, "%s:%d: WARN_ON(" #condition ")", __FILE__, __LINE__); \
    warns_;                                                                                   \
  })
#define BUG_ON(condition)                                                           \
  do {                                                                              \
    if (condition) shim_panic("%s:%d: BUG_ON(" #condition ")", __FILE__, __LINE__); \
  } while (0)
#define VM_BUG_ON(condition) BUG_ON(condition)
#define EINVAL IOMMUCHECK_EINVAL
#define ENOMEM IOMMUCHECK_ENOMEM
#define ERANGE IOMMUCHECK_ERANGE
#define EEXIST IOMMUCHECK_EEXIST
#define dev_err(device, ...) shim_log(IOMMUCHECK_LOG_ERROR, __VA_ARGS__)
#define pr_err(...) shim_log(IOMMUCHECK_LOG_ERROR, __VA_ARGS__)

/* ---- memory ---- */

#define GFP_KERNEL 1u
#define GFP_ATOMIC 2u
#define __GFP_HIGHMEM 4u
#define __GFP_ZERO 8u
struct device;
struct page;
#define dev_to_node(device) 0
static inline struct page* alloc_pages_node(int node, gfp_t flags, int order) {
  (void)node;
  return shim_dma_alloc(PAGE_SIZE << order, PAGE_SIZE << order, (flags & __GFP_ZERO) != 0, NULL);
}
#define page_address(page) ((void*)(page))
#define __free_pages(page, order) shim_dma_free(page)
#define free_pages(address, order) shim_dma_free((void*)(address))
#define kmalloc(bytes, flags) shim_alloc(bytes)
#define kfree(memory) shim_free((void*)(memory))
#define virt_to_phys(address) shim_pa(address)
#define __pa(address) shim_pa(address)
#define __va(pa) shim_va(pa)

/* ---- order, and caches where the SMMU does not look into them ---- */

#define dma_wmb() shim_barrier(IOMMUCHECK_DMA_WMB)
#define wmb() shim_barrier(IOMMUCHECK_WMB)
#define cmpxchg64_relaxed(place, old, new)                                                     \
  ({                                                                                           \
    u64 old_ = (old);                                                                          \
    __atomic_compare_exchange_n((place), &old_, (new), 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED); \
    old_;                                                                                      \
  })
enum { DMA_TO_DEVICE = 1 };
static inline dma_addr_t dma_map_single(struct device* device, void* memory, size_t bytes,
                                        int direction) {
  (void)device;
  (void)direction;
  shim_clean(memory, bytes);
  shim_barrier(IOMMUCHECK_WMB);
  return shim_pa(memory);
}
#define dma_mapping_error(device, address) 0
#define dma_unmap_single(device, address, bytes, direction) ((void)0)
static inline void dma_sync_single_for_device(struct device* device, dma_addr_t address,
                                              size_t bytes, int direction) {
  (void)device;
  (void)direction;
  shim_clean(shim_va(address), bytes);
  shim_barrier(IOMMUCHECK_WMB);
}

/* ---- linux/iommu.h ---- */

#define IOMMU_READ 1
#define IOMMU_WRITE 2
#define IOMMU_CACHE 4
#define IOMMU_NOEXEC 8
#define IOMMU_MMIO 16
#define IOMMU_PRIV 32
struct iommu_iotlb_gather {
  unsigned long start, end;
  size_t pgsize;
  bool queued;
};
static inline bool iommu_iotlb_gather_queued(struct iommu_iotlb_gather* gather) {
  return gather && gather->queued;
}

#endif
