/* SPDX-License-Identifier: MIT
 *
 * Names of Linux's kernel that need none of its structs, over the shim; compiled without a header
 * of the kernel's, so that several versions' names stand side by side. What needs structs is in
 * kernel.c. A name that is in neither is made by build.sh, and says so when it is called. One
 * context at a time: locks have nobody to keep out. */
#include "kernel_shim.h"

typedef uint64_t u64;
typedef uint32_t u32;

void iommucheck_missing(const char* name);
void iommucheck_missing(const char* name) {
  shim_panic("%s is called, and neither symbols.c nor kernel.c has it", name);
}

/* ---- what prelude.h calls ---- */

void iommucheck_barrier(int kind);
void iommucheck_barrier(int kind) {
  shim_called_from(SHIM_CALLER);
  shim_barrier(((kind & 3) == 1   ? IOMMUCHECK_DMA_RMB
                : (kind & 3) == 2 ? IOMMUCHECK_DMA_WMB
                                  : IOMMUCHECK_DMA_MB) |
               (kind & 4 ? IOMMUCHECK_COMPLETES : 0));
}
void iommucheck_relax(void);
void iommucheck_relax(void) { shim_spin(); }

/* ---- ordinary memory. A block begins with its size, for krealloc ---- */

enum { HEAD = 64 };
char kmalloc_caches[1 << 14]; /* the addresses of caches that nobody looks at */

static void* allocate(size_t bytes) {
  char* block = shim_alloc(bytes + HEAD);
  if (block == NULL) return NULL;
  *(size_t*)block = bytes;
  return block + HEAD;
}
void kfree(const void* memory);
void kfree(const void* memory) {
  const uintptr_t at = (uintptr_t)memory;
  if (at > 16) shim_free((void*)(at - HEAD)); /* ZERO_SIZE_PTR is 16 */
}
static void* reallocate(const void* memory, size_t bytes) {
  char* new = allocate(bytes);
  if (new == NULL || (uintptr_t)memory <= 16) return new;
  size_t old = *(const size_t*)((const char*)memory - HEAD);
  for (size_t i = 0; i < bytes && i < old; ++i) new[i] = ((const char*)memory)[i];
  kfree(memory);
  return new;
}
static void* duplicate(const char* from, size_t bytes) {
  char* copy = allocate(bytes);
  for (size_t i = 0; copy != NULL && i < bytes; ++i) copy[i] = from[i];
  return copy;
}
static size_t length(const char* text) {
  size_t n = 0;
  while (text[n] != 0) ++n;
  return n;
}

#define SIZE_FIRST(name)    \
  void* name(size_t bytes); \
  void* name(size_t bytes) { return allocate(bytes); }
#define CACHE_FIRST(name) /* cache, flags, size */    \
  void* name(void* cache, u32 flags, size_t bytes);   \
  void* name(void* cache, u32 flags, size_t bytes) {  \
    return (void)cache, (void)flags, allocate(bytes); \
  }
#define AGAIN(name)                             \
  void* name(const void* memory, size_t bytes); \
  void* name(const void* memory, size_t bytes) { return reallocate(memory, bytes); }
SIZE_FIRST(__kmalloc)
SIZE_FIRST(__kmalloc_noprof)
SIZE_FIRST(__kmalloc_node)
SIZE_FIRST(__kmalloc_node_noprof)
SIZE_FIRST(__kmalloc_large_noprof)
SIZE_FIRST(kmalloc_large)
SIZE_FIRST(__kvmalloc_node_noprof)
SIZE_FIRST(kvmalloc_node)
CACHE_FIRST(kmalloc_trace)
CACHE_FIRST(kmem_cache_alloc_trace)
CACHE_FIRST(__kmalloc_cache_noprof)
AGAIN(krealloc)
AGAIN(krealloc_noprof)
void* krealloc_node_align_noprof(const void* memory, size_t bytes, size_t align, u32 flags);
void* krealloc_node_align_noprof(const void* memory, size_t bytes, size_t align, u32 flags) {
  return (void)align, (void)flags, reallocate(memory, bytes);
}
void kvfree(const void* memory);
void kvfree(const void* memory) { kfree(memory); }
void kvfree_call_rcu(void* head, void* memory);
void kvfree_call_rcu(void* head, void* memory) { (void)head, kfree(memory); }
void* kmemdup(const void* from, size_t bytes);
void* kmemdup(const void* from, size_t bytes) { return duplicate(from, bytes); }
void* kmemdup_noprof(const void* from, size_t bytes);
void* kmemdup_noprof(const void* from, size_t bytes) { return duplicate(from, bytes); }
char* kstrdup(const char* from);
char* kstrdup(const char* from) { return duplicate(from, length(from) + 1); }
char* kasprintf(u32 flags, const char* format, ...);
char* kasprintf(u32 flags, const char* format, ...) { return (void)flags, kstrdup(format); }
void* devm_kmalloc(void* device, size_t bytes);
void* devm_kmalloc(void* device, size_t bytes) { return (void)device, allocate(bytes); }
void devm_kfree(void* device, const void* memory);
void devm_kfree(void* device, const void* memory) { (void)device, kfree(memory); }
int is_vmalloc_addr(const void* address);
int is_vmalloc_addr(const void* address) { return (void)address, 0; }

/* ---- memory that the SMMU reads ---- */

int iommucheck_is_coherent = 1; /* the SMMU looks into the CPUs' caches */

static size_t log2_block(size_t bytes) {
  size_t block = 4096;
  while (block < bytes) block *= 2;
  return block;
}
void* dma_alloc_attrs(void* device, size_t bytes, u64* dma);
void* dma_alloc_attrs(void* device, size_t bytes, u64* dma) {
  (void)device;
  shim_called_from(SHIM_CALLER);
  return (iommucheck_is_coherent ? shim_dma_alloc : shim_dma_alloc_uncached)(
      bytes, log2_block(bytes), 1, dma);
}
void dma_free_attrs(void* device, size_t bytes, void* memory);
void dma_free_attrs(void* device, size_t bytes, void* memory) {
  (void)device, (void)bytes, shim_dma_free(memory);
}
/* Managed memory: given back when the driver goes. */
enum { BLOCKS = 512, ACTIONS = 16 };
static void* blocks[BLOCKS];
void* dmam_alloc_attrs(void* device, size_t bytes, u64* dma);
void* dmam_alloc_attrs(void* device, size_t bytes, u64* dma) {
  int i = 0;
  while (i < BLOCKS && blocks[i] != NULL) ++i;
  if (i == BLOCKS) shim_panic("more managed blocks than symbols.c can count");
  return blocks[i] = dma_alloc_attrs(device, bytes, dma);
}
void dmam_free_coherent(void* device, size_t bytes, void* memory);
void dmam_free_coherent(void* device, size_t bytes, void* memory) {
  int i = 0;
  (void)device, (void)bytes;
  while (i < BLOCKS && blocks[i] != memory) ++i;
  if (i == BLOCKS) shim_panic("free of memory that was not given");
  blocks[i] = NULL;
  shim_dma_free(memory);
}
static struct {
  void (*call)(void*);
  void* data;
} actions[ACTIONS];
static int action_count;
int __devm_add_action(void* device, void (*call)(void*), void* data);
int __devm_add_action(void* device, void (*call)(void*), void* data) {
  (void)device;
  if (action_count == ACTIONS) shim_panic("more managed actions than symbols.c can count");
  actions[action_count].call = call;
  actions[action_count++].data = data;
  return 0;
}
int devm_add_action(void* device, void (*call)(void*), void* data);
int devm_add_action(void* device, void (*call)(void*), void* data) {
  return __devm_add_action(device, call, data);
}
void iommucheck_devres_release(void);
void iommucheck_devres_release(void) {
  while (action_count != 0) {
    --action_count;
    actions[action_count].call(actions[action_count].data);
  }
  for (int i = 0; i < BLOCKS; ++i) {
    if (blocks[i] != NULL) shim_dma_free(blocks[i]);
    blocks[i] = NULL;
  }
}
/* What is mapped is for the device to read: as arm64's dcache_clean_poc, which ends in a DSB. */
void dma_sync_single_for_device(void* device, u64 pa, size_t bytes);
void dma_sync_single_for_device(void* device, u64 pa, size_t bytes) {
  (void)device;
  if (iommucheck_is_coherent) return;
  shim_clean(shim_va(pa), bytes);
  shim_barrier(IOMMUCHECK_MB);
}
void __dma_sync_single_for_device(void* device, u64 pa, size_t bytes);
void __dma_sync_single_for_device(void* device, u64 pa, size_t bytes) {
  dma_sync_single_for_device(device, pa, bytes);
}
u64 dma_map_phys(void* device, u64 pa, size_t bytes);
u64 dma_map_phys(void* device, u64 pa, size_t bytes) {
  dma_sync_single_for_device(device, pa, bytes);
  return pa;
}
u64 iommucheck_page_to_phys(const void* page);
u64 dma_map_page_attrs(void* device, void* page, size_t offset, size_t bytes);
u64 dma_map_page_attrs(void* device, void* page, size_t offset, size_t bytes) {
  return dma_map_phys(device, iommucheck_page_to_phys(page) + offset, bytes);
}

/* ---- registers and time ---- */

enum { REGISTERS = 0x1000000 }; /* where ioremap says that they are */
u32 __raw_readl(uintptr_t at);
u32 __raw_readl(uintptr_t at) {
  shim_called_from(SHIM_CALLER);
  return shim_read32(at - REGISTERS);
}
u64 __raw_readq(uintptr_t at);
u64 __raw_readq(uintptr_t at) {
  shim_called_from(SHIM_CALLER);
  return shim_read64(at - REGISTERS);
}
void __raw_writel(u32 value, uintptr_t at);
void __raw_writel(u32 value, uintptr_t at) {
  shim_called_from(SHIM_CALLER);
  shim_write32(at - REGISTERS, value, 0);
}
void __raw_writeq(u64 value, uintptr_t at);
void __raw_writeq(u64 value, uintptr_t at) {
  shim_called_from(SHIM_CALLER);
  shim_write64(at - REGISTERS, value, 0);
}
uintptr_t iommucheck_ioremap(u64 offset);
uintptr_t iommucheck_ioremap(u64 offset) { return REGISTERS + offset; }

void __udelay(u64 us);
void __udelay(u64 us) { shim_delay(us); }
void __const_udelay(u64 loops);
void __const_udelay(u64 loops) { (void)loops, shim_delay(1); }
void usleep_range_state(u64 least, u64 most);
void usleep_range_state(u64 least, u64 most) { (void)least, shim_delay(most); }
u64 ktime_get(void);
u64 ktime_get(void) { return shim_now_us() * 1000; }

/* ---- messages ---- */

#define SAYS(name, level)                                  \
  void name(const void* device, const char* format, ...);  \
  void name(const void* device, const char* format, ...) { \
    va_list arguments;                                     \
    (void)device;                                          \
    va_start(arguments, format);                           \
    shim_vlog(level, format, arguments);                   \
    va_end(arguments);                                     \
  }
static int has(const char* text, const char* word) {
  for (; *text != 0; ++text) {
    size_t n = 0;
    while (word[n] != 0 && text[n] == word[n]) ++n;
    if (word[n] == 0) return 1;
  }
  return 0;
}
/* The queues never stop, and what was asked for is answered (IOMMUCHECK_DRIVER_NO_TIME_OUTS): a
 * driver that gives up waiting has waited for what does not come. */
void _dev_err(const void* device, const char* format, ...);
void _dev_err(const void* device, const char* format, ...) {
  va_list arguments;
  (void)device;
  va_start(arguments, format);
  shim_vlog(IOMMUCHECK_LOG_ERROR, format, arguments);
  va_end(arguments);
  if (has(format, "timeout")) shim_panic("a time-out, and nothing was left to wait for");
}
SAYS(_dev_warn, IOMMUCHECK_LOG_WARNING)
SAYS(_dev_notice, IOMMUCHECK_LOG_INFO)
SAYS(_dev_info, IOMMUCHECK_LOG_INFO)
int _printk(const char* format, ...);
int _printk(const char* format, ...) {
  va_list arguments;
  if (format[0] == 1) format += 2; /* KERN_* */
  va_start(arguments, format);
  shim_vlog(IOMMUCHECK_LOG_INFO, format, arguments);
  va_end(arguments);
  return 0;
}
void warn_slowpath_fmt(const char* file, int line);
/* The driver's own ends the case: what it holds for impossible has happened. Those of the tables
 * are about what callers ask, and have their answer. */
void warn_slowpath_fmt(const char* file, int line) {
  const char* at = file + length(file);
  while (at > file && at[-1] != '/') --at;
  shim_log(IOMMUCHECK_LOG_ERROR, "WARN at %s:%d", file, line);
  if (at[0] == 'a' && at[1] == 'r' && at[2] == 'm') shim_panic("a WARN of the driver about itself");
}
void refcount_warn_saturate(const void* count, int kind);
void refcount_warn_saturate(const void* count, int kind) {
  (void)count, shim_panic("a reference count is wrong (%d)", kind);
}
_Noreturn void panic(const char* format, ...);
_Noreturn void panic(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  shim_vlog(IOMMUCHECK_LOG_ERROR, format, arguments);
  va_end(arguments);
  shim_panic("panic, or a BUG");
}
int ___ratelimit(void);
int ___ratelimit(void) { return 1; }
const char* dev_driver_string(const void* device);
const char* dev_driver_string(const void* device) { return (void)device, "smmu"; }
int sysfs_emit(char* text);
int sysfs_emit(char* text) { return (void)text, 0; }

/* ---- data that is only there ---- */

char param_ops_bool[256], contig_page_data[1 << 16], vm_node_stat[1 << 12];
static char task[1 << 16]; /* who calls: a task of zeros */
void* cpu_tasks[64] = {task};
char static_key_initialized = 1;
int signals_enabled;
void* kernel_kobj;

/* ---- what has nothing to do, and says 0 ---- */

#define NOTHING(name) \
  u64 name(void);     \
  u64 name(void) { return 0; }
NOTHING(mutex_lock)
NOTHING(mutex_unlock)
NOTHING(__mutex_init)
NOTHING(mutex_init_generic)
NOTHING(down_read)
NOTHING(up_read)
NOTHING(down_write)
NOTHING(up_write)
NOTHING(block_signals)
NOTHING(unblock_signals)
NOTHING(um_set_signals)
NOTHING(um_get_signals)
NOTHING(__local_bh_enable_ip)
NOTHING(__cond_resched)
NOTHING(synchronize_rcu)
NOTHING(synchronize_srcu)
NOTHING(__srcu_read_lock)
NOTHING(__srcu_read_unlock)
NOTHING(mm_drop_all_locks)
NOTHING(__init_waitqueue_head)
NOTHING(__wake_up)
NOTHING(destroy_workqueue)
NOTHING(dump_stack)
NOTHING(dma_set_mask)
NOTHING(dma_set_coherent_mask)
NOTHING(dma_unmap_page_attrs)
NOTHING(dma_unmap_phys)
NOTHING(__cpuhp_setup_state)
NOTHING(platform_driver_unregister)
NOTHING(put_device)
NOTHING(fwnode_handle_get)
NOTHING(fwnode_handle_put)
NOTHING(driver_deferred_probe_check_state)
NOTHING(of_device_is_compatible)
NOTHING(of_find_property)
NOTHING(of_property_read_bool)
NOTHING(bus_for_each_dev)
NOTHING(sysfs_create_file_ns)
NOTHING(sysfs_create_link)
NOTHING(sysfs_create_link_nowarn)
NOTHING(sysfs_remove_file_ns)
NOTHING(sysfs_remove_link)
NOTHING(iommu_device_link)
NOTHING(iommu_device_unlink)
NOTHING(iommu_device_sysfs_add)
NOTHING(iommu_device_sysfs_remove)
NOTHING(iommu_dma_get_resv_regions)
NOTHING(iommu_put_dma_cookie)
NOTHING(iommu_put_msi_cookie)
NOTHING(iommu_setup_dma_ops)
NOTHING(iommu_dma_init_fq)
NOTHING(pci_acs_path_enabled)
NOTHING(pci_acs_enabled)
NOTHING(pci_devs_are_dma_aliases)
NOTHING(pci_get_device)
NOTHING(pci_dev_put)
NOTHING(pci_prepare_ats)
NOTHING(pci_ats_required)
NOTHING(platform_msi_domain_free_irqs)
NOTHING(platform_device_msi_free_irqs_all)
