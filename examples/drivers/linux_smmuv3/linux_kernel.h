/* SPDX-License-Identifier: MIT
 *
 * What Linux's arm-smmu-v3.c, io-pgtable.c and io-pgtable-arm.c use of their kernel, over the shim
 * and the other example's linux.h: every header that they include is this one, but for their own.
 * What processes need besides is in linux_sva.h.
 * One context at a time: locks and atomics are what they are then; loops that wait for other CPUs
 * never end (HANG_RETURNS). */
#ifndef LINUX_KERNEL_H
#define LINUX_KERNEL_H

#include "linux.h"

typedef uint16_t u16;
void* memset(void* to, int value, size_t bytes);
typedef u64 __le64;
typedef u64 resource_size_t;
typedef s64 ktime_t;
#define cpu_to_le64(x) (x)
#define le64_to_cpu(x) (x)
#define SZ_128K 0x20000ul
#define INT_MIN (-0x7fffffff - 1)
#define ULONG_MAX (~0ul)
#define BITS_PER_LONG 64
#define BIT_WORD(n) ((n) / 64)
#define BIT_ULL(n) (1ull << (n))
#define GENMASK(high, low) ((~0ul >> (63 - (high))) & (~0ul << (low)))
#define FIELD_PREP(mask, value) \
  ((mask) == 0 ? 0 : ((u64)(value) << __builtin_ctzll((mask) | BIT_ULL(63))) & (mask))
#define FIELD_GET(mask, word) (((u64)(word) & (mask)) >> __builtin_ctzll(mask))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define fls_long(word) ((word) ? 64 - __builtin_clzl(word) : 0)
#define VA_BITS 48
#define DMA_BIT_MASK(n) ((n) == 64 ? ~0ull : (1ull << (n)) - 1)
#define IS_ENABLED(option) option
#define CONFIG_PCI_ATS 1
#define CONFIG_PCI_PRI 0
#define CONFIG_CMA_ALIGNMENT 8
#define CONFIG_IOMMU_IO_PGTABLE_LPAE 1
#define PAGE_SHIFT 12
#define fallthrough __attribute__((fallthrough))
#define likely(x) (x)
#define unlikely(x) (x)
#define __iomem
#define SMP_CACHE_BYTES 64
#define ____cacheline_aligned_in_smp __attribute__((aligned(64)))
#define BUG() BUG_ON(1)
#define WARN_ON_ONCE(condition) WARN_ON(condition)
#define MAX_ERRNO 4095
#define ERR_PTR(error) ((void*)(long)(error))
#define PTR_ERR(pointer) ((long)(pointer))
#define ERR_CAST(pointer) ((void*)(pointer))
#define IS_ERR_OR_NULL(pointer) ((pointer) == NULL || IS_ERR(pointer))
#define IS_ERR(pointer) ((unsigned long)(pointer) >= (unsigned long)-MAX_ERRNO)
enum { ENOENT = 2, EPERM = 1, ENXIO = 6, E2BIG = 7, EAGAIN = 11, EFAULT = 14, EBUSY = 16 };
enum { ESRCH = 3, EACCES = 13 };
enum { ENODEV = 19, ENOSPC = 28, EOVERFLOW = 75, EOPNOTSUPP = 95, ETIMEDOUT = 110, ENOTSUPP = 524 };

/* ---- messages, modules ---- */

#define dev_warn(device, ...) shim_log(IOMMUCHECK_LOG_WARNING, __VA_ARGS__)
#define dev_info(device, ...) shim_log(IOMMUCHECK_LOG_INFO, __VA_ARGS__)
#define dev_notice(device, ...) shim_log(IOMMUCHECK_LOG_INFO, __VA_ARGS__)
#define dev_err_ratelimited dev_err
#define DEFINE_RATELIMIT_STATE(name, interval, burst) int name
#define __ratelimit(state) ((void)(state), 0)
#define module_param(name, type, mode)
#define MODULE_PARM_DESC(name, text)
#define MODULE_DEVICE_TABLE(bus, table)
#define MODULE_DESCRIPTION(text)
#define MODULE_AUTHOR(text)
#define MODULE_ALIAS(text)
#define MODULE_LICENSE(text)
#define module_driver(driver, start, stop)
#define THIS_MODULE NULL

/* ---- locks and atomics of one context ---- */

struct mutex {
  int held;
};
typedef struct mutex spinlock_t;
#define DEFINE_SPINLOCK(name) spinlock_t name
#define DEFINE_MUTEX(name) struct mutex name
#define mutex_init(m) ((m)->held = 0)
#define spin_lock_init(m) ((m)->held = 0)
static inline void mutex_lock(struct mutex* m) {
  if (m->held) shim_panic("a lock is taken twice");
  m->held = 1;
}
static inline void mutex_unlock(struct mutex* m) { m->held = 0; }
#define spin_lock(m) mutex_lock(m)
#define spin_unlock(m) mutex_unlock(m)
#define spin_lock_irqsave(m, flags) ((flags) = 0, mutex_lock(m))
#define spin_unlock_irqrestore(m, flags) ((void)(flags), mutex_unlock(m))
#define lockdep_assert_held(m) ((void)0)
#define local_irq_save(flags) ((flags) = 0)
#define local_irq_restore(flags) ((void)(flags))
#define cond_resched() ((void)0)

typedef struct {
  int counter;
} atomic_t;
typedef struct {
  long counter;
} atomic_long_t;
typedef atomic_t refcount_t;
#define atomic_read(a) ((a)->counter)
#define atomic_set(a, value) ((a)->counter = (value))
#define atomic_set_release(a, value) ((a)->counter = (value))
#define atomic_inc(a) (++(a)->counter)
#define atomic_dec(a) (--(a)->counter)
#define atomic_fetch_inc_relaxed(a) ((a)->counter++)
#define atomic_dec_return_release(a) (--(a)->counter)
#define atomic_long_xor(mask, a) ((a)->counter ^= (long)(mask))
static inline int andnot(int bits, atomic_t* a) {
  const int old = a->counter;
  a->counter &= ~bits;
  return old;
}
#define atomic_fetch_andnot_relaxed(bits, a) andnot((int)(bits), a)
#define atomic_fetch_andnot_release(bits, a) andnot((int)(bits), a)
static inline int atomic_cmpxchg_relaxed(atomic_t* a, int old, int new_) {
  const int was = a->counter;
  if (was == old) a->counter = new_;
  return was;
}
#define cmpxchg_relaxed(place, old, new_) \
  ({                                      \
    const u64 was_ = *(place);            \
    if (was_ == (old)) *(place) = (new_); \
    was_;                                 \
  })
#define smp_cond_load_relaxed(place, condition) \
  ({                                            \
    __typeof__(*(place)) VAL;                   \
    for (;;) {                                  \
      VAL = READ_ONCE(*(place));                \
      if (condition) break;                     \
      shim_spin();                              \
    }                                           \
    VAL;                                        \
  })
#define atomic_cond_read_relaxed(a, condition) smp_cond_load_relaxed(&(a)->counter, condition)
#define atomic_long_cond_read_relaxed(a, condition) smp_cond_load_relaxed(&(a)->counter, condition)
#define refcount_set(r, value) ((r)->counter = (value))
#define refcount_inc(r) (++(r)->counter)
#define refcount_dec_and_test(r) (--(r)->counter == 0)
#define smp_mb() shim_barrier(IOMMUCHECK_DMA_MB)
#define __iomb() shim_barrier(IOMMUCHECK_DMA_MB)

/* ---- time, registers: an address is 0x10000000 and the offset ---- */

#define REGISTERS 0x10000000ul
#define ktime_get() ((ktime_t)shim_now_us())
#define ktime_add_us(time, us) ((time) + (ktime_t)(us))
#define ktime_compare(a, b) ((a) < (b) ? -1 : (a) > (b))
#define udelay(us) shim_delay(us)
#define cpu_relax() ((void)0) /* the next read of the same register gives way */
#define wfe() ((void)0)
#define offset_of_register(address) ((u64)(uintptr_t)(address) - REGISTERS)
#define readl_relaxed(address) shim_read32(offset_of_register(address))
static inline u32 readl(const volatile void* address) {
  const u32 value = shim_read32(offset_of_register(address));
  shim_barrier(IOMMUCHECK_DMA_RMB);
  return value;
}
#define writel_relaxed(value, address) shim_write32(offset_of_register(address), (u32)(value), 0)
#define writel(value, address) shim_write32(offset_of_register(address), (u32)(value), 1)
#define writeq_relaxed(value, address) shim_write64(offset_of_register(address), (value), 0)
#define readl_relaxed_poll_timeout(address, value, condition, delay, limit) \
  ({                                                                        \
    const ktime_t end_ = ktime_get() + (limit);                             \
    int late_ = 0;                                                          \
    for (;;) {                                                              \
      (value) = readl_relaxed(address);                                     \
      if (condition) break;                                                 \
      if (ktime_get() > end_) {                                             \
        late_ = -ETIMEDOUT;                                                 \
        break;                                                              \
      }                                                                     \
    }                                                                       \
    late_;                                                                  \
  })
#define readl_relaxed_poll_timeout_atomic readl_relaxed_poll_timeout

/* ---- lists, trees, numbers ---- */

struct list_head {
  struct list_head *next, *prev;
};
#define INIT_LIST_HEAD(list) ((list)->next = (list)->prev = (list))
static inline void list_add(struct list_head* one, struct list_head* list) {
  one->next = list->next;
  one->prev = list;
  list->next->prev = one;
  list->next = one;
}
static inline void list_add_tail(struct list_head* one, struct list_head* list) {
  list_add(one, list->prev);
}
static inline void list_del(struct list_head* one) {
  one->prev->next = one->next;
  one->next->prev = one->prev;
}
static inline void list_move(struct list_head* one, struct list_head* list) {
  list_del(one);
  list_add(one, list);
}
#define LIST_HEAD(list) struct list_head list = {&list, &list}
#define list_empty(list) ((list)->next == (list))
#define list_is_singular(list) (!list_empty(list) && (list)->next == (list)->prev)
#define list_first_entry(list, type, member) container_of((list)->next, type, member)
#define list_for_each_entry(at, list, member)                                           \
  for (at = container_of((list)->next, __typeof__(*at), member); &at->member != (list); \
       at = container_of(at->member.next, __typeof__(*at), member))
#define list_for_each_entry_safe(at, after, list, member)             \
  for (at = container_of((list)->next, __typeof__(*at), member),      \
      after = container_of(at->member.next, __typeof__(*at), member); \
       &at->member != (list);                                         \
       at = after, after = container_of(at->member.next, __typeof__(*at), member))

/* A list would do for a tree. */
struct rb_node {
  struct rb_node* next;
};
struct rb_root {
  struct rb_node* first;
};
#define RB_ROOT ((struct rb_root){NULL})
#define rb_entry(node, type, member) container_of(node, type, member)
static inline struct rb_node* rb_find(const void* key, const struct rb_root* root,
                                      int (*compare)(const void*, const struct rb_node*)) {
  struct rb_node* node = root->first;
  while (node != NULL && compare(key, node) != 0) node = node->next;
  return node;
}
static inline struct rb_node* rb_find_add(struct rb_node* one, struct rb_root* root,
                                          int (*compare)(struct rb_node*, const struct rb_node*)) {
  struct rb_node* node = root->first;
  while (node != NULL && compare(one, node) != 0) node = node->next;
  if (node != NULL) return node;
  one->next = root->first;
  root->first = one;
  return NULL;
}
static inline void rb_erase(struct rb_node* one, struct rb_root* root) {
  struct rb_node** at = &root->first;
  while (*at != NULL && *at != one) at = &(*at)->next;
  if (*at != NULL) *at = one->next;
}

/* Entries at any index, in no order. */
struct xarray {
  struct {
    unsigned long index;
    void* entry;
  } slots[256];
};
#define DEFINE_XARRAY_ALLOC1(name) struct xarray name
#define XARRAY_INIT(name, flags) \
  {                              \
    {                            \
      {                          \
        0, NULL                  \
      }                          \
    }                            \
  }
#define XA_FLAGS_ALLOC 0
#define xa_init_flags(xa, flags) memset((xa), 0, sizeof *(xa))
struct xa_limit {
  u32 min, max;
};
#define XA_LIMIT(low, high) ((struct xa_limit){(low), (high)})
/* The slot that holds the index; else, with `or_free`, one that holds nothing. */
static inline int xa_slot(const struct xarray* xa, unsigned long index, int or_free) {
  int i, free = -1;
  for (i = 0; i < (int)ARRAY_SIZE(xa->slots); ++i) {
    if (xa->slots[i].entry == NULL)
      free = i;
    else if (xa->slots[i].index == index)
      return i;
  }
  if (or_free && free < 0) shim_panic("more entries than the xarray of the shim holds");
  return or_free ? free : -1;
}
static inline void* xa_load(struct xarray* xa, unsigned long index) {
  const int i = xa_slot(xa, index, 0);
  return i < 0 ? NULL : xa->slots[i].entry;
}
static inline int xa_insert(struct xarray* xa, unsigned long index, void* entry, gfp_t flags) {
  const int i = xa_slot(xa, index, 1);
  (void)flags;
  if (xa->slots[i].entry != NULL) return -EBUSY;
  xa->slots[i].index = index;
  xa->slots[i].entry = entry;
  return 0;
}
static inline int xa_alloc(struct xarray* xa, u32* id, void* entry, struct xa_limit limit,
                           gfp_t flags) {
  u64 i;
  for (i = limit.min; i <= limit.max; ++i) {
    if (xa_insert(xa, i, entry, flags) != 0) continue;
    *id = (u32)i;
    return 0;
  }
  return -ENOSPC;
}
/* As xa_alloc_cyclic, of one array. */
static inline int xa_alloc_next(struct xarray* xa, u32* id, void* entry, struct xa_limit limit,
                                gfp_t flags) {
  static u32 last;
  const u32 from = last + 1 < limit.min ? limit.min : last + 1;
  int error = xa_alloc(xa, id, entry, XA_LIMIT(from, limit.max), flags);
  if (error != 0) error = xa_alloc(xa, id, entry, limit, flags);
  if (error == 0) last = *id;
  return error;
}
static inline void* xa_erase(struct xarray* xa, unsigned long index) {
  const int i = xa_slot(xa, index, 0);
  void* entry = i < 0 ? NULL : xa->slots[i].entry;
  if (i >= 0) xa->slots[i].entry = NULL;
  return entry;
}
static inline bool xa_empty(const struct xarray* xa) {
  int i;
  for (i = 0; i < (int)ARRAY_SIZE(xa->slots) && xa->slots[i].entry == NULL; ++i) continue;
  return i == (int)ARRAY_SIZE(xa->slots);
}

#define DECLARE_BITMAP(name, bits) unsigned long name[((bits) + 63) / 64]
#define set_bit(n, map) ((map)[(n) / 64] |= BIT((n) % 64))
#define clear_bit(n, map) ((map)[(n) / 64] &= ~BIT((n) % 64))
static inline int test_and_set_bit(int n, unsigned long* map) {
  const int was = (int)(map[n / 64] >> (n % 64) & 1);
  set_bit(n, map);
  return was;
}
static inline int find_first_zero_bit(const unsigned long* map, int bits) {
  int i;
  for (i = 0; i < bits && (map[i / 64] >> (i % 64) & 1); ++i) continue;
  return i;
}

/* ---- devices ---- */

struct fwnode_handle;
struct iommu_fwspec {
  const struct iommu_ops* ops;
  struct fwnode_handle* iommu_fwnode;
  u32 flags;
  unsigned num_ids;
  u32 ids[8];
};
#define IOMMU_FWSPEC_PCI_RC_ATS 1
struct device {
  void* of_node;
  void* drvdata;
  struct {
    void* domain;
  } msi;
  void* iommu_priv;
  struct iommu_fwspec* fwspec;
  struct dev_iommu* iommu;
};
struct pci_dev {
  struct device dev;
  unsigned pasid_enabled : 1;
  u16 vendor, device;
  int has_ats;
  unsigned pasid_bits; /* 0: it has none */
  int can_stall;
};
struct platform_device {
  struct device dev;
};
struct device_driver {
  const char* name;
  const void* of_match_table;
  bool suppress_bind_attrs;
};
struct platform_driver {
  struct device_driver driver;
  int (*probe)(struct platform_device*);
  int (*remove)(struct platform_device*);
  void (*shutdown)(struct platform_device*);
};
struct of_device_id {
  const char* compatible;
};
struct of_phandle_args {
  u32* args;
};
struct resource {
  resource_size_t start, size;
};
#define IORESOURCE_MEM 1
#define DEFINE_RES_MEM(from, bytes) {(from), (bytes)}
#define resource_size(r) ((r)->size)
#define dev_name(device) ((void)(device), "smmu")
#define dev_iommu_priv_get(device) ((device)->iommu_priv)
#define dev_iommu_priv_set(device, priv) ((device)->iommu_priv = (priv))
#define dev_iommu_fwspec_get(device) ((device)->fwspec)
#define dev_get_drvdata(device) ((device)->drvdata)
#define platform_set_drvdata(pdev, data) ((pdev)->dev.drvdata = (data))
#define platform_get_drvdata(pdev) ((pdev)->dev.drvdata)
#define dev_fwnode(device) ((void)(device), (struct fwnode_handle*)NULL)
#define put_device(device) ((void)(device))
#define platform_driver_unregister(driver) ((void)(driver))
struct device* driver_find_device_by_fwnode(struct device_driver*, struct fwnode_handle*);
struct resource* platform_get_resource(struct platform_device*, unsigned, unsigned);
int platform_get_irq_byname_optional(struct platform_device*, const char*);
int of_property_read_u32(void* node, const char* name, u32* value);
bool of_dma_is_coherent(void* node);
#define of_property_read_bool(node, name) ((void)(node), (void)(name), false)
#define dma_set_mask_and_coherent(device, mask) ((void)(device), 0)
static inline void* devm_ioremap_resource(struct device* device, const struct resource* r) {
  (void)device;
  return (void*)(uintptr_t)(REGISTERS + r->start);
}
#define is_kdump_kernel() 0
#define cpus_have_cap(cap) 0
bool dev_is_pci(struct device*);
#define to_pci_dev(device) container_of(device, struct pci_dev, dev)
#define pci_ats_supported(pdev) ((pdev)->has_ats)
void ats_enable(struct pci_dev* pci, int on);
#define pci_enable_ats(pdev, stu) ((void)(stu), ats_enable(pdev, 1), 0)
#define pci_disable_ats(pdev) ats_enable(pdev, 0)
#define pci_pasid_features(pdev) ((pdev)->pasid_bits != 0 ? 0 : -EINVAL)
#define pci_max_pasids(pdev) (1 << (pdev)->pasid_bits)
#define pci_enable_pasid(pdev, features) ((void)(features), (pdev)->pasid_enabled = 1, 0)
#define pci_disable_pasid(pdev) ((pdev)->pasid_enabled = 0)
/* Of devices that are not behind PCI; whether one stalls firmware says of any. */
static inline int device_property_read_u32(struct device* device, const char* name, u32* value) {
  (void)name; /* pasid-num-bits */
  if (dev_is_pci(device)) return -EINVAL;
  *value = to_pci_dev(device)->pasid_bits;
  return 0;
}
#define device_property_read_bool(device, name) (to_pci_dev(device)->can_stall != 0)
#define PCI_VENDOR_ID_HUAWEI 0x19e5

/* Managed memory: gone with the driver. */
void* dmam_alloc_coherent(struct device*, size_t bytes, dma_addr_t* dma, gfp_t flags);
void dmam_free_coherent(struct device*, size_t bytes, void* memory, dma_addr_t dma);
int devm_add_action_or_reset(struct device*, void (*action)(void*), void* data);
#define kzalloc(bytes, flags) shim_alloc(bytes)
#define kcalloc(n, bytes, flags) shim_alloc((size_t)(n) * (bytes))
static inline void* kmemdup(const void* from, size_t bytes, gfp_t flags) {
  char* copy = shim_alloc(bytes);
  size_t i;
  (void)flags;
  for (i = 0; copy != NULL && i < bytes; ++i) copy[i] = ((const char*)from)[i];
  return copy;
}
#define devm_kzalloc(device, bytes, flags) ((void)(device), shim_alloc(bytes))
#define devm_kcalloc(device, n, bytes, flags) ((void)(device), shim_alloc((size_t)(n) * (bytes)))
#define devm_kfree(device, memory) ((void)(device), shim_free(memory))
#define devm_bitmap_zalloc(device, bits, flags) ((void)(device), shim_alloc(((bits) + 63) / 64 * 8))

/* ---- interrupts ---- */

typedef int irqreturn_t;
typedef irqreturn_t (*irq_handler_t)(int, void*);
enum { IRQ_NONE, IRQ_HANDLED, IRQ_WAKE_THREAD };
#define IRQF_ONESHOT 0
int devm_request_threaded_irq(struct device*, unsigned irq, irq_handler_t, irq_handler_t thread,
                              unsigned long flags, const char* name, void* data);
#define devm_request_irq(device, irq, handler, flags, name, data) \
  devm_request_threaded_irq(device, irq, handler, NULL, flags, name, data)
struct msi_desc {
  u16 msi_index;
};
struct msi_msg {
  u32 address_lo, address_hi, data;
};
#define msi_desc_to_dev(desc) ((void)(desc), (struct device*)NULL)
#define platform_msi_domain_alloc_irqs(device, n, write) ((void)(write), (void)(n), -ENODEV)
#define platform_msi_domain_free_irqs(device) ((void)(device))
#define msi_get_virq(device, index) 0

/* ---- linux/iommu.h ---- */

enum iommu_cap { IOMMU_CAP_CACHE_COHERENCY, IOMMU_CAP_NOEXEC };
enum iommu_dev_features { IOMMU_DEV_FEAT_SVA, IOMMU_DEV_FEAT_IOPF };
enum { IOMMU_DOMAIN_IDENTITY = 4, IOMMU_DOMAIN_UNMANAGED = 1, IOMMU_DOMAIN_DMA = 3 };
enum { IOMMU_DOMAIN_DMA_FQ = 11, IOMMU_RESV_SW_MSI = 0 };
#define IOMMU_PASID_INVALID (-1u)
struct mm_struct;
struct iommu_sva;
struct iommu_group;
struct iopf_queue;
struct iommu_domain_ops;
struct iommu_domain {
  unsigned type;
  const struct iommu_domain_ops* ops;
  unsigned long pgsize_bitmap;
  struct {
    u64 aperture_start, aperture_end;
    bool force_aperture;
  } geometry;
};
struct iommu_device {
  unsigned max_pasids;
};
struct iommu_resv_region {
  struct list_head list;
};
struct iommu_iort_rmr_data {
  struct iommu_resv_region rr;
  const u32* sids;
  u32 num_sids;
};
struct iommu_fault_unrecoverable {
  u32 reason, flags, pasid, perm;
  u64 addr;
};
struct iommu_fault_page_request {
  u32 flags, pasid, grpid, perm;
  u64 addr;
};
struct iommu_fault {
  u32 type;
  struct iommu_fault_unrecoverable event;
  struct iommu_fault_page_request prm;
};
struct iommu_fault_event {
  struct iommu_fault fault;
  struct list_head list;
};
struct iommu_page_response {
  u32 version, flags, pasid, grpid, code;
};
enum { IOMMU_FAULT_DMA_UNRECOV, IOMMU_FAULT_PAGE_REQ };
enum { IOMMU_FAULT_REASON_PTE_FETCH, IOMMU_FAULT_REASON_OOR_ADDRESS, IOMMU_FAULT_REASON_ACCESS };
enum { IOMMU_FAULT_REASON_PERMISSION = 3, IOMMU_FAULT_PERM_READ = 1, IOMMU_FAULT_PERM_WRITE = 2 };
enum { IOMMU_FAULT_PERM_EXEC = 4, IOMMU_FAULT_PERM_PRIV = 8 };
enum { IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE = 1, IOMMU_FAULT_PAGE_REQUEST_PASID_VALID = 2 };
enum { IOMMU_FAULT_UNRECOV_ADDR_VALID = 1, IOMMU_FAULT_UNRECOV_PASID_VALID = 2 };
enum { IOMMU_PAGE_RESP_SUCCESS, IOMMU_PAGE_RESP_INVALID, IOMMU_PAGE_RESP_FAILURE };
struct iommu_domain_ops {
  int (*attach_dev)(struct iommu_domain*, struct device*);
  int (*map_pages)(struct iommu_domain*, unsigned long, phys_addr_t, size_t, size_t, int, gfp_t,
                   size_t*);
  size_t (*unmap_pages)(struct iommu_domain*, unsigned long, size_t, size_t,
                        struct iommu_iotlb_gather*);
  void (*flush_iotlb_all)(struct iommu_domain*);
  void (*iotlb_sync)(struct iommu_domain*, struct iommu_iotlb_gather*);
  phys_addr_t (*iova_to_phys)(struct iommu_domain*, dma_addr_t);
  int (*enable_nesting)(struct iommu_domain*);
  void (*free)(struct iommu_domain*);
};
struct iommu_ops {
  bool (*capable)(struct device*, enum iommu_cap);
  struct iommu_domain* (*domain_alloc)(unsigned);
  struct iommu_device* (*probe_device)(struct device*);
  void (*release_device)(struct device*);
  struct iommu_group* (*device_group)(struct device*);
  int (*of_xlate)(struct device*, struct of_phandle_args*);
  void (*get_resv_regions)(struct device*, struct list_head*);
  int (*dev_enable_feat)(struct device*, enum iommu_dev_features);
  int (*dev_disable_feat)(struct device*, enum iommu_dev_features);
  struct iommu_sva* (*sva_bind)(struct device*, struct mm_struct*, void*);
  void (*sva_unbind)(struct iommu_sva*);
  u32 (*sva_get_pasid)(struct iommu_sva*);
  int (*page_response)(struct device*, struct iommu_fault_event*, struct iommu_page_response*);
  int (*def_domain_type)(struct device*);
  unsigned long pgsize_bitmap;
  void* owner;
  const struct iommu_domain_ops* default_domain_ops;
};
static inline void iommu_iotlb_gather_init(struct iommu_iotlb_gather* gather) {
  gather->start = ~0ul;
  gather->end = 0;
  gather->pgsize = 0;
  gather->queued = 0;
}
static inline void iommu_iotlb_sync(struct iommu_domain* domain,
                                    struct iommu_iotlb_gather* gather) {
  domain->ops->iotlb_sync(domain, gather);
  iommu_iotlb_gather_init(gather);
}
static inline void iommu_iotlb_gather_add_page(struct iommu_domain* domain,
                                               struct iommu_iotlb_gather* gather,
                                               unsigned long iova, size_t size) {
  const unsigned long last = iova + size - 1;
  const int apart = gather->end != 0 && (last + 1 < gather->start || iova > gather->end + 1);
  if ((gather->pgsize && gather->pgsize != size) || apart) iommu_iotlb_sync(domain, gather);
  gather->pgsize = size;
  if (gather->start > iova) gather->start = iova;
  if (gather->end < last) gather->end = last;
}
#define pci_device_group(device) ((struct iommu_group*)NULL)
#define generic_device_group(device) ((struct iommu_group*)NULL)
#define iommu_fwspec_add_ids(device, ids, n) 0
#define iommu_alloc_resv_region(...) ((struct iommu_resv_region*)NULL)
#define iommu_dma_get_resv_regions(device, head) ((void)(head))
#define iort_get_rmr_sids(node, list) ((void)(node))
#define iort_put_rmr_sids(node, list) ((void)(node))
#define iommu_device_sysfs_add(...) 0
#define iommu_device_sysfs_remove(device) ((void)(device))
#define iommu_device_register(...) 0
#define iommu_device_unregister(device) ((void)(device))

#ifdef SVA
#define CONFIG_ARM_SMMU_V3_SVA 1
#define CONFIG_IOMMU_SVA 1
#define CONFIG_IOASID 1
#include "linux_sva.h"
#else /* nobody asks for faults, and iommu-sva-lib.h says no to who does */
#define iommu_report_device_fault(device, event) ((void)(device), (void)(event), -EINVAL)
#endif

#endif
