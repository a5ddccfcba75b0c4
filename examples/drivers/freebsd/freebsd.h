/* SPDX-License-Identifier: MIT
 *
 * FreeBSD's kernel, as far as sys/arm64/iommu/smmu.c and iommu_pmap.c use it, over the kernel shim.
 * Every header that they include and that is not taken from the sources is this one (run.sh).
 */
#ifndef FREEBSD_KERNEL_H
#define FREEBSD_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel_shim.h"

/* ---- sys/cdefs.h, sys/types.h, sys/param.h ---- */

#define _KERNEL 1
#define __FBSDID(text) struct fbsdid
#define __unused __attribute__((unused))
#define __diagused __attribute__((unused))
#define __containerof(p, type, member) ((type*)((char*)(p) - offsetof(type, member)))
#define CTASSERT(x) _Static_assert(x, #x)
#define NBBY 8
#define PAGE_SIZE 4096
#define PAGE_MASK (PAGE_SIZE - 1)
#define trunc_page(x) ((x) & ~(unsigned long)PAGE_MASK)
#define powerof2(x) ((((x) - 1) & (x)) == 0)
#define TRUE 1
#define FALSE 0
#define ENOENT 2
#define ENXIO 6
#define ENOMEM 12
#define EFAULT 14

typedef unsigned int u_int;
typedef unsigned long u_long;
typedef int boolean_t;
typedef uint64_t vm_paddr_t, vm_offset_t, vm_size_t, vm_pindex_t, bus_size_t;
typedef unsigned char vm_prot_t;
typedef struct device* device_t;
typedef struct devclass* devclass_t;

static inline uint64_t min(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline int flsl(long x) { return x == 0 ? 0 : 64 - __builtin_clzl((unsigned long)x); }
static inline int ffsl(long x) { return __builtin_ffsl(x); }
#define memset __builtin_memset
#define memcpy __builtin_memcpy
#define __bitcountl __builtin_popcountl
#define bzero(address, bytes) __builtin_memset(address, 0, bytes)

/* ---- messages ---- */

extern int bootverbose;
#define panic shim_panic
#define device_printf(device, ...) ((void)(device), shim_log(IOMMUCHECK_LOG_WARNING, __VA_ARGS__))
#define KASSERT(holds, message)  \
  do {                           \
    if (!(holds)) panic message; \
  } while (0)
#define MPASS(holds) KASSERT(holds, ("%s: " #holds, __func__))
#define CTR0(...) ((void)0)
#define CTR2(...) ((void)0)

/* ---- malloc(9), contigmalloc(9): those that may wait do ---- */

#define M_WAITOK 2
#define M_ZERO 0x100
struct malloc_type {
  const char* name;
};
#define MALLOC_DECLARE(type) extern struct malloc_type type[1]
#define MALLOC_DEFINE(type, text, long_text) struct malloc_type type[1] = {{text}}
#define malloc(bytes, type, flags) shim_alloc(bytes)
#define free(memory, type) shim_free(memory)
#define contigmalloc(bytes, type, flags, low, high, alignment, boundary) \
  freebsd_contigmalloc(bytes, flags, alignment)
static inline void* freebsd_contigmalloc(size_t bytes, int flags, size_t alignment) {
  void* memory = shim_dma_alloc(bytes, alignment, (flags & M_ZERO) != 0, NULL);
#ifdef FIX_ZEROS
  shim_barrier(IOMMUCHECK_DMA_WMB);
#endif
  return memory;
}
#define contigfree(memory, bytes, type) shim_dma_free(memory)
#define vtophys(address) shim_pa(address)

/* ---- locks ---- */

struct mtx {
  struct shim_lock lock;
};
#define MTX_DEF 0
#define MTX_SPIN 1
#define MA_OWNED 1
#define mtx_init(m, title, type, options) ((m)->lock = (struct shim_lock){.name = (title)})
#define mtx_lock(m) shim_lock(&(m)->lock)
#define mtx_unlock(m) shim_unlock(&(m)->lock)
#define mtx_lock_spin mtx_lock
#define mtx_unlock_spin mtx_unlock
#define mtx_assert(m, what) ((void)(m))

/* ---- registers: bus_write_4 is one str, and orders nothing (arm64/bus_space_asm.S) ---- */

struct resource;
struct resource_spec {
  int type, rid, flags;
};
#define SYS_RES_MEMORY 1
#define SYS_RES_IRQ 2
#define RF_ACTIVE 1
#define RF_OPTIONAL 2
#define RESOURCE_SPEC_END {-1, 0, 0}
#ifdef FIX_ORDER
#define WRITES_ARE_ORDERED 1
#else
#define WRITES_ARE_ORDERED 0
#endif
static inline uint64_t freebsd_read64(uint64_t offset) {
#ifdef FIX_WIDTH
  const uint64_t low = shim_read32(offset);
  const uint64_t value = low | (uint64_t)shim_read32(offset + 4) << 32;
#else
  const uint64_t value = shim_read64(offset);
#endif
#ifdef FIX_READ_ORDER
  shim_barrier(IOMMUCHECK_DMA_RMB);
#endif
  return value;
}
#define bus_read_4(resource, offset) ((void)(resource), shim_read32(offset))
#define bus_read_8(resource, offset) ((void)(resource), freebsd_read64(offset))
static inline void freebsd_write32(uint64_t offset, uint32_t value) {
#ifdef FIX_READ_ORDER
  shim_barrier(IOMMUCHECK_DMA_RMB);
#endif
  shim_write32(offset, value, WRITES_ARE_ORDERED);
}
#define bus_write_4(resource, offset, value) ((void)(resource), freebsd_write32(offset, value))
#define bus_write_8(resource, offset, value) \
  ((void)(resource), shim_write64(offset, value, WRITES_ARE_ORDERED))
#define bus_release_resources(device, spec, resources) ((void)(device), (void)(spec))
#define bus_setup_intr(device, resource, flags, filter, handler, argument, cookie) \
  ((void)(filter), 0)
#define INTR_TYPE_MISC 0
#define FILTER_HANDLED 2

/* ---- the processor ---- */

#define dsb(kind) freebsd_dsb_##kind()
#define dmb(kind) freebsd_dmb_##kind()
static inline void freebsd_dsb_sy(void) { shim_barrier(IOMMUCHECK_MB); }
static inline void freebsd_dsb_ishst(void) { shim_barrier(IOMMUCHECK_WMB); }
static inline void freebsd_dmb_ishst(void) { shim_barrier(IOMMUCHECK_DMA_WMB); }
#define cpu_spinwait() freebsd_spinwait()
#define cpu_dcache_wb_range(address, bytes) shim_clean((const void*)(address), bytes)
#define atomic_store_64(place, value) __atomic_store_n(place, value, __ATOMIC_RELAXED)
void freebsd_spinwait(void);

/* ---- devices ---- */

struct driver_class {
  const char* name;
};
typedef struct device_method {
  const char* name;
} device_method_t;
#define DEVMETHOD(name, function) {(const char*)0 + 0 * sizeof(&(function))}
#define DEVMETHOD_END {NULL}
#define DECLARE_CLASS(name) extern struct driver_class name
#define DEFINE_CLASS_0(name, variable, methods, bytes) struct driver_class variable = {#name}
#define SYSCTL_DECL(name) struct sysctl_of##name
void* device_get_softc(device_t device);
#define device_get_nameunit(device) "smmu0"
#define device_get_parent(device) (device)
#define device_get_devclass(device) ((devclass_t)0)
#define devclass_find(name) \
  ((devclass_t)(uintptr_t)1) /* no device here is on a PCI bus of its own */
#define PCI_SLOTMAX 31
#define PCI_BUSMAX 255
#define pci_get_rid(device) 0
#define pci_get_vendor(device) 0
#define pci_get_device(device) 0
#define pci_get_bus(device) 0
struct task {
  int none;
};
struct taskqueue;
struct bus_dma_tag_iommu;
typedef struct bus_dma_tag* bus_dma_tag_t;
typedef struct bus_dmamap* bus_dmamap_t;
/* Which streams a PCI device has: asked of nobody here, the glue says it. */
static inline int smmu_pci_get_sid_fdt(device_t child, u_int* xref, u_int* sid) {
  return (void)child, (void)xref, (void)sid, ENOENT;
}

/* ---- pages of page tables: vm/vm_page.h ---- */

#include "sys/queue.h"

typedef struct vm_page* vm_page_t;
struct vm_page {
  union {
    struct {
      SLIST_ENTRY(vm_page) ss;
    } s;
  } plinks;
  vm_pindex_t pindex;
  vm_paddr_t pa;
  u_int ref_count;
  int flags;
  vm_page_t next;
};
SLIST_HEAD(spglist, vm_page);
#define PG_ZERO 8
#define VM_ALLOC_WAITOK 1
#define VM_ALLOC_WIRED 0x20
#define VM_ALLOC_ZERO 0x40
#define VM_PAGE_TO_PHYS(page) ((page)->pa)
#define PHYS_TO_VM_PAGE(pa) freebsd_page_at(pa)
#define PHYS_TO_DMAP(pa) ((uintptr_t)shim_va(pa))
vm_page_t vm_page_alloc_noobj(int request);
vm_page_t freebsd_page_at(vm_paddr_t pa);
void vm_page_free(vm_page_t page);
#define vm_page_free_zero(page) vm_page_free(page)
#define vm_page_unwire_noq(page) (--(page)->ref_count)
#define vm_page_free_pages_toq(list, update) ((void)(list))
#define VM_PROT_READ 1
#define VM_PROT_WRITE 2
#define VM_PROT_EXECUTE 4
#define KERN_SUCCESS 0
#define KERN_FAILURE 5
#define KERN_RESOURCE_SHORTAGE 6
#define VM_MINUSER_ADDRESS 0ul
#define VM_MAXUSER_ADDRESS 0x0001000000000000ul
#define VM_MAX_USER_ADDRESS VM_MAXUSER_ADDRESS
#define DMAP_MIN_ADDRESS 0xffffa00000000000ul
#define DMAP_MAX_ADDRESS 0xffffff0000000000ul

/* ---- machine/pmap.h ---- */

struct vm_radix {
  int none;
};
#define vm_radix_init(root) ((void)(root))
#define vm_radix_is_empty(root) ((void)(root), 1)
#include "machine/armreg.h"
#include "machine/pte.h"
#include "machine/vm.h"
struct pmap {
  struct mtx pm_mtx;
  struct {
    long resident_count;
  } pm_stats;
  uint64_t pm_ttbr;
  vm_paddr_t pm_l0_paddr;
  pd_entry_t* pm_l0;
  struct vm_radix pm_root;
  int pm_levels;
};
typedef struct pmap* pmap_t;
#define kernel_pmap ((pmap_t)0)
#define PMAP_LOCK_INIT(pmap) mtx_init(&(pmap)->pm_mtx, "pmap", NULL, MTX_DEF)
#define PMAP_LOCK(pmap) mtx_lock(&(pmap)->pm_mtx)
#define PMAP_UNLOCK(pmap) mtx_unlock(&(pmap)->pm_mtx)
#define PMAP_LOCK_ASSERT(pmap, what) ((void)(pmap))

#endif
