/* SPDX-License-Identifier: MIT
 *
 * What Linux's arm-smmu-v3-sva.c, iommu-sva-lib.c, ioasid.c and io-pgfault.c, and the functions of
 * iommu.c for faults, use of their kernel besides: processes, their notifiers, fault handling and
 * work queues. Included by linux_kernel.h with -DSVA. */
#ifndef LINUX_SVA_H
#define LINUX_SVA_H

/* ---- the CPU: as large as the SMMU, so that all that a process maps is within reach ---- */

#define vabits_actual VA_BITS
#define SYS_ID_AA64MMFR0_EL1 0
#define ID_AA64MMFR0_EL1_PARANGE_SHIFT 0
#define ID_AA64MMFR0_EL1_ASIDBITS_SHIFT 4
u64 read_sanitised_ftr_reg(u32 reg);
#define cpuid_feature_extract_unsigned_field(reg, shift) ((unsigned)((reg) >> (shift)) & 0xf)
static inline u32 id_aa64mmfr0_parange_to_phys_shift(int parange) {
  static const unsigned char bits[] = {32, 36, 40, 42, 44, 48};
  return bits[parange];
}
u64 mair_el1(void);
#define read_sysreg(name) name()
#define arm64_kernel_unmapped_at_el0() 0
#define num_possible_cpus() 1

/* ---- RCU of one context ---- */

struct rcu_head {
  int unused;
};
#define kfree_rcu(memory, member) kfree(memory)
#define synchronize_rcu() ((void)0)
#define rcu_read_lock() ((void)0)
#define rcu_read_unlock() ((void)0)
#define rcu_dereference(pointer) (pointer)
#define rcu_assign_pointer(pointer, value) ((pointer) = (value))

/* ---- processes. Tables are the environment's: a pgd is known by its physical address ---- */

typedef struct pgd pgd_t;
#undef virt_to_phys
#define virt_to_phys(address)                     \
  _Generic((address),                             \
      pgd_t *: (phys_addr_t)(uintptr_t)(address), \
      default: shim_pa((const volatile void*)(uintptr_t)(address)))

struct mmu_notifier;
struct mm_struct {
  pgd_t* pgd;
  u32 pasid;
  int mm_users, mm_count;
  struct mmu_notifier* notifiers;
  iommucheck_handle handle;
};
static inline bool mmget_not_zero(struct mm_struct* mm) {
  if (mm->mm_users == 0) return false;
  ++mm->mm_users;
  return true;
}
#define mmput(mm) (--(mm)->mm_users)
#define mmgrab(mm) (++(mm)->mm_count)
void mmdrop(struct mm_struct*);
unsigned long arm64_mm_context_get(struct mm_struct*);
void arm64_mm_context_put(struct mm_struct*);
#define mm_pasid_set(mm, number) ((mm)->pasid = (number))

struct mmu_notifier_ops {
  void (*release)(struct mmu_notifier*, struct mm_struct*);
  void (*invalidate_range)(struct mmu_notifier*, struct mm_struct*, unsigned long start,
                           unsigned long end);
  void (*free_notifier)(struct mmu_notifier*);
};
struct mmu_notifier {
  struct mmu_notifier* next;
  const struct mmu_notifier_ops* ops;
  struct mm_struct* mm;
};
int mmu_notifier_register(struct mmu_notifier*, struct mm_struct*);
void mmu_notifier_put(struct mmu_notifier*);
#define mmu_notifier_synchronize() ((void)0)

/* ---- page faults of processes: one area, and the environment answers ---- */

struct pt_regs;
struct vm_area_struct {
  unsigned long vm_flags;
};
typedef unsigned vm_fault_t;
enum { VM_READ = 1, VM_WRITE = 2, VM_EXEC = 4, VM_FAULT_ERROR = 1 };
enum { FAULT_FLAG_WRITE = 1, FAULT_FLAG_USER = 2, FAULT_FLAG_REMOTE = 4 };
enum { FAULT_FLAG_INSTRUCTION = 8 };
#define mmap_read_lock(mm) ((void)(mm))
#define mmap_read_unlock(mm) ((void)(mm))
struct vm_area_struct* vma_lookup(struct mm_struct*, unsigned long address);
vm_fault_t handle_mm_fault(struct vm_area_struct*, unsigned long address, unsigned flags,
                           struct pt_regs*);

/* ---- work queues: one for all, which the glue runs ---- */

struct work_struct {
  void (*func)(struct work_struct*);
  struct work_struct* next;
};
struct workqueue_struct {
  int unused;
};
#define INIT_WORK(work, function) ((work)->func = (function))
#define WQ_UNBOUND 0
struct workqueue_struct* alloc_workqueue(const char* name, unsigned flags, int active, ...);
void queue_work(struct workqueue_struct*, struct work_struct*);
void flush_workqueue(struct workqueue_struct*);
#define destroy_workqueue(queue) flush_workqueue(queue)

/* ---- linux/iommu.h ---- */

struct iommu_sva {
  struct device* dev;
};
typedef int (*iommu_dev_fault_handler_t)(struct iommu_fault*, void*);
struct iommu_fault_param {
  iommu_dev_fault_handler_t handler;
  void* data;
  struct list_head faults;
  struct mutex lock;
};
struct iopf_device_param;
struct dev_iommu {
  struct mutex lock;
  struct iommu_fault_param* fault_param;
  struct iopf_device_param* iopf_param;
};
enum { IOMMU_FAULT_PAGE_RESPONSE_NEEDS_PASID = 8, IOMMU_PAGE_RESP_VERSION_1 = 1 };
enum { IOMMU_PAGE_RESP_PASID_VALID = 1 };
enum iommu_page_response_code { IOMMU_PAGE_RESP_CODE };
struct iommu_domain* iommu_get_domain_for_dev(struct device*);
#define dev_iommu_ops(device) ((void)(device), (const struct iommu_ops*)&arm_smmu_ops)
#define get_device(device) ((void)(device))
#define dev_warn_ratelimited dev_warn
#define dev_dbg(device, ...) ((void)(device))
#define pr_warn(...) shim_log(IOMMUCHECK_LOG_WARNING, __VA_ARGS__)
#define pr_info(...) shim_log(IOMMUCHECK_LOG_INFO, __VA_ARGS__)
int iommu_report_device_fault(struct device*, struct iommu_fault_event*);
int iommu_register_device_fault_handler(struct device*, iommu_dev_fault_handler_t, void* data);
int iommu_unregister_device_fault_handler(struct device*);
int iommu_page_response(struct device*, struct iommu_page_response*);

#endif
