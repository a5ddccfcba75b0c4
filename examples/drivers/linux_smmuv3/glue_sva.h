/* SPDX-License-Identifier: MIT
 *
 * Address spaces of processes for glue.c, with -DSVA: what Linux's mm, its notifiers, the fault
 * handler of a process and the drivers of devices (uacce) do around IOMMU_DEV_FEAT_SVA,
 * iommu_sva_bind_device and iommu_sva_unbind_device of 6.1.
 *
 * What 6.1 has no word for is not built: a range of PASIDs of the caller's, mm_exit, a further
 * PASID, private PASIDs, queues and handlers of the caller's. A device that can stall has to enable
 * IOMMU_DEV_FEAT_IOPF, one with several stream IDs cannot. */

enum { PROCESSES = 32, BONDS = 64 };

static struct {
  u64 id_register, mair;
  struct mm_struct processes[PROCESSES]; /* by handle, from 1; without a pgd: not known */
  struct {
    struct iommu_sva* handle; /* NULL: free */
    u32 device, pasid;
    unsigned refs;
    struct mm_struct* mm;
  } bonds[BONDS];
  struct {
    struct dev_iommu iommu;
    int enabled, iopf; /* what its driver wants, while it has a domain or not */
  } devices[DEVICES];
  struct workqueue_struct queue;
  struct work_struct *first, **last; /* of the queue */
  struct {
    u32 device, pasid;
  } fault; /* that is being handled */
} sva;

/* ---- the CPU ---- */

u64 read_sanitised_ftr_reg(u32 reg) {
  (void)reg;
  return sva.id_register;
}
u64 mair_el1(void) { return sva.mair; }

/* ---- processes ---- */

unsigned long arm64_mm_context_get(struct mm_struct* mm) {
  return shim_platform()->mm_pin(shim_platform()->ctx, mm->handle);
}
void arm64_mm_context_put(struct mm_struct* mm) {
  shim_platform()->mm_unpin(shim_platform()->ctx, mm->handle);
}

static void drop_pasid(struct mm_struct* mm) {
  if (pasid_valid(mm->pasid)) ioasid_free(mm->pasid);
  mm->pasid = INVALID_IOASID;
}

void mmdrop(struct mm_struct* mm) {
  if (--mm->mm_count != 0) return;
  drop_pasid(mm);
  mm->pgd = NULL;
}

int mmu_notifier_register(struct mmu_notifier* one, struct mm_struct* mm) {
  mmgrab(mm);
  one->mm = mm;
  one->next = mm->notifiers;
  mm->notifiers = one;
  return 0;
}

void mmu_notifier_put(struct mmu_notifier* one) {
  struct mm_struct* mm = one->mm;
  struct mmu_notifier** at = &mm->notifiers;
  while (*at != NULL && *at != one) at = &(*at)->next;
  if (*at != NULL) *at = one->next;
  one->ops->free_notifier(one);
  mmdrop(mm);
}

static int is_bound(const struct mm_struct* mm) {
  int i;
  for (i = 0; i < BONDS && (sva.bonds[i].handle == NULL || sva.bonds[i].mm != mm); ++i) continue;
  return i < BONDS;
}

/* The end of a process that nobody was bound to any more is not told: the next bind finds it. */
static void bury(void) {
  int i;
  for (i = 0; i < PROCESSES; ++i) {
    struct mm_struct* mm = &sva.processes[i];
    if (mm->pgd == NULL || mm->mm_users == 0 || is_bound(mm)) continue;
    if (arm64_mm_context_get(mm) != 0) {
      arm64_mm_context_put(mm);
    } else {
      mm->mm_users = 0;
      mmdrop(mm);
    }
  }
}

static struct mm_struct* find_process(iommucheck_handle handle) {
  if (handle < 1 || handle > PROCESSES || sva.processes[handle - 1].pgd == NULL) return NULL;
  return &sva.processes[handle - 1];
}

static struct mm_struct* process(const struct iommucheck_mm* it_is) {
  struct mm_struct* mm = find_process(it_is->mm);
  if (mm != NULL || it_is->table_pa == 0) return mm;
  if (it_is->mm < 1 || it_is->mm > PROCESSES) shim_panic("more processes than the glue can count");
  mm = &sva.processes[it_is->mm - 1];
  mm->pgd = (pgd_t*)(uintptr_t)it_is->table_pa;
  mm->pasid = INVALID_IOASID;
  mm->mm_users = mm->mm_count = 1;
  mm->notifiers = NULL;
  mm->handle = it_is->mm;
  sva.mair = it_is->mair;
  return mm;
}

static int mm_invalidate(void* self, iommucheck_handle handle, u64 start, u64 bytes) {
  const struct mm_struct* mm = find_process(handle);
  u64 most = bytes;
  (void)self;
#ifdef FIX_WHOLE
  if (bytes > 1ull << VA_BITS) most = bytes = 1ull << VA_BITS;
#endif
#ifdef FIX_SCALE
  if (most > 1ull << 43) most = 1ull << 43;
#endif
  shim_enter();
  for (u64 done = 0; mm != NULL && done < bytes; done += most) {
    const u64 from = start + done, to = start + (most < bytes - done ? done + most : bytes);
    for (struct mmu_notifier* at = mm->notifiers; at != NULL; at = at->next) {
      at->ops->invalidate_range(at, at->mm, from, to);
    }
  }
  return 0;
}

static void handle_irq(void* self, u64 source);
static void answer_faults(void) {
#ifdef FIX_IDLE
  handle_irq(NULL, IOMMUCHECK_IRQ_EVENT_QUEUE);
  flush_workqueue(NULL);
#endif
}

static int mm_release(void* self, iommucheck_handle handle) {
  struct mm_struct* mm = find_process(handle);
  (void)self;
  if (mm == NULL) return 0;
  shim_enter();
  mm->mm_users = 0;
  for (struct mmu_notifier* at = mm->notifiers; at != NULL; at = at->next) at->ops->release(at, mm);
  mm->notifiers = NULL;
  answer_faults();
  mmdrop(mm);
  return 0;
}

/* ---- faults ---- */

struct vm_area_struct* vma_lookup(struct mm_struct* mm, unsigned long address) {
  static struct vm_area_struct all = {VM_READ | VM_WRITE | VM_EXEC};
  (void)mm;
  (void)address;
  return &all;
}

vm_fault_t handle_mm_fault(struct vm_area_struct* area, unsigned long address, unsigned flags,
                           struct pt_regs* registers) {
  const u32 prot = flags & FAULT_FLAG_WRITE         ? IOMMUCHECK_PROT_WRITE
                   : flags & FAULT_FLAG_INSTRUCTION ? IOMMUCHECK_PROT_EXEC
                                                    : IOMMUCHECK_PROT_READ;
  (void)area;
  (void)registers;
  const int answer = shim_platform()->handle_fault(shim_platform()->ctx, sva.fault.device,
                                                   sva.fault.pasid, address, prot);
  return answer == IOMMUCHECK_FAULT_SUCCESS ? 0 : VM_FAULT_ERROR;
}

struct workqueue_struct* alloc_workqueue(const char* name, unsigned flags, int active, ...) {
  (void)name;
  (void)flags;
  (void)active;
  return &sva.queue;
}

void queue_work(struct workqueue_struct* queue, struct work_struct* work) {
  (void)queue;
  if (sva.first == NULL) sva.last = &sva.first;
  work->next = NULL;
  *sva.last = work;
  sva.last = &work->next;
}

/* All of them are groups of faults. */
void flush_workqueue(struct workqueue_struct* queue) {
  (void)queue;
  while (sva.first != NULL) {
    struct work_struct* work = sva.first;
    const struct iopf_group* group = container_of(work, struct iopf_group, work);
    sva.first = work->next;
    sva.fault.device = (u32)(to_pci_dev(group->dev) - it.devices);
    sva.fault.pasid = group->last_fault.fault.prm.pasid;
    work->func(work);
  }
}

/* ---- devices ---- */

struct iommu_domain* iommu_get_domain_for_dev(struct device* device) {
  return find_domain(it.domain_of[to_pci_dev(device) - it.devices]);
}

static void unbind(int i) {
  struct iommu_sva* handle = sva.bonds[i].handle;
  struct mm_struct* mm = sva.bonds[i].mm;
  answer_faults();
  mmgrab(mm);
  if (--sva.bonds[i].refs == 0) sva.bonds[i].handle = NULL;
  arm_smmu_ops.sva_unbind(handle);
#ifdef FIX_NUMBERS
  if (!is_bound(mm)) drop_pasid(mm);
#endif
  mmdrop(mm);
}

static int unbind_device(void* self, u32 device, u32 pasid) {
  int i;
  (void)self;
  if (device >= DEVICES || !it.added[device]) return -IOMMUCHECK_ENODEV;
  for (i = 0; i < BONDS; ++i) {
    if (sva.bonds[i].handle == NULL) continue;
    if (sva.bonds[i].device != device || sva.bonds[i].pasid != pasid) continue;
    shim_enter();
    unbind(i);
    return 0;
  }
  return -IOMMUCHECK_EINVAL;
}

/* Drivers unbind one by one. */
static int unbind_dev_all(void* self, u32 device) {
  int i;
  (void)self;
  if (device >= DEVICES || !it.added[device]) return -IOMMUCHECK_ENODEV;
  shim_enter();
  for (i = 0; i < BONDS; ++i) {
    while (sva.bonds[i].handle != NULL && sva.bonds[i].device == device) unbind(i);
  }
  return 0;
}

/* A domain is only changed while SVA is off. */
static int sva_enable(u32 device) {
  struct device* dev = &it.devices[device].dev;
  const int iopf = sva.devices[device].iopf;
  int error = 0;
  if (!sva.devices[device].enabled) return 0;
  if (iopf) error = arm_smmu_ops.dev_enable_feat(dev, IOMMU_DEV_FEAT_IOPF);
  if (error != 0) return error;
  error = arm_smmu_ops.dev_enable_feat(dev, IOMMU_DEV_FEAT_SVA);
  if (error != 0 && iopf) arm_smmu_ops.dev_disable_feat(dev, IOMMU_DEV_FEAT_IOPF);
  return error;
}

static void sva_disable(u32 device) {
  struct device* dev = &it.devices[device].dev;
  if (!sva.devices[device].enabled || it.domain_of[device] == 0) return;
  unbind_dev_all(NULL, device);
  if (arm_smmu_ops.dev_disable_feat(dev, IOMMU_DEV_FEAT_SVA) != 0) {
    shim_panic("SVA cannot be disabled");
  }
  if (sva.devices[device].iopf && arm_smmu_ops.dev_disable_feat(dev, IOMMU_DEV_FEAT_IOPF) != 0) {
    shim_panic("page faults cannot be disabled");
  }
}

static int sva_device_init(void* self, u32 device, u32 features, u32 min_pasid, u32 max_pasid,
                           int has_mm_exit) {
  struct device* dev = &it.devices[device].dev;
  (void)self;
  if (device >= DEVICES || !it.added[device] || it.domain_of[device] == 0) {
    return -IOMMUCHECK_ENODEV;
  }
  struct arm_smmu_master* master = dev_iommu_priv_get(dev);
  const u32 limit = (1u << master->ssid_bits) - 1;
  const int iopf = (features & IOMMUCHECK_SVA_IOPF) != 0;
  if (master->ssid_bits == 0) return -IOMMUCHECK_ENODEV;
  if (features & ~(IOMMUCHECK_SVA_IOPF | IOMMUCHECK_SVA_PRIVATE)) return -IOMMUCHECK_EINVAL;
  if (iopf && !it.devices[device].can_stall) return -IOMMUCHECK_EINVAL;
  if ((max_pasid != 0 && min_pasid > max_pasid) || min_pasid > limit) return -IOMMUCHECK_EINVAL;
  if (sva.devices[device].enabled) return -IOMMUCHECK_EEXIST;
  if (min_pasid > 1 || (max_pasid != 0 && max_pasid < limit) || has_mm_exit ||
      iopf != arm_smmu_master_iopf_supported(master)) {
    return IOMMUCHECK_NOT_BUILT;
  }
  shim_enter();
  sva.devices[device].enabled = 1;
  sva.devices[device].iopf = iopf;
  const int error = sva_enable(device);
  sva.devices[device].enabled = error == 0;
  return error;
}

static int numbers_are_out(u32 last) {
  u32 i;
  for (i = 1; i <= last && xa_load(&default_allocator.xa, i) != NULL; ++i) continue;
  return i > last;
}

static int bind_device(void* self, u32 device, const struct iommucheck_mm* given, u32 flags,
                       u64 drvdata, u32* pasid) {
  struct device* dev = &it.devices[device].dev;
  struct mm_struct* mm;
  int i = 0;
  (void)self;
  (void)drvdata;
  if (device >= DEVICES || !it.added[device]) return -IOMMUCHECK_ENODEV;
  struct arm_smmu_master* master = dev_iommu_priv_get(dev);
  if (flags & ~IOMMUCHECK_BIND_FURTHER_PASID) return -IOMMUCHECK_EINVAL;
  if (it.domain_of[device] == 0 || !arm_smmu_master_sva_enabled(master)) return -IOMMUCHECK_EINVAL;
  if (flags != 0) return IOMMUCHECK_NOT_BUILT;
  shim_enter();
  bury();
  mm = process(given);
  if (mm == NULL || !mmget_not_zero(mm)) return -IOMMUCHECK_ESRCH;
  struct iommu_sva* handle = arm_smmu_ops.sva_bind(dev, mm, NULL);
  mmput(mm);
  if (IS_ERR(handle)) {
    const int error = (int)PTR_ERR(handle);
    const int full = error == -ENOMEM && !pasid_valid(mm->pasid) &&
                     numbers_are_out((1u << master->ssid_bits) - 1);
    return full ? -IOMMUCHECK_ENOSPC : error == -EOVERFLOW ? -IOMMUCHECK_ERANGE : error;
  }
  *pasid = arm_smmu_ops.sva_get_pasid(handle);
  while (i < BONDS && sva.bonds[i].handle != handle) ++i;
  for (i %= BONDS; sva.bonds[i].handle != handle && sva.bonds[i].handle != NULL; ++i) {
    if (i + 1 == BONDS) shim_panic("more bonds than the glue can count");
  }
  if (sva.bonds[i].handle == NULL) sva.bonds[i].refs = 0;
  sva.bonds[i].handle = handle;
  sva.bonds[i].device = device;
  sva.bonds[i].pasid = *pasid;
  sva.bonds[i].mm = mm;
  ++sva.bonds[i].refs;
  return 0;
}

static int sva_device_shutdown(void* self, u32 device) {
  (void)self;
  if (device >= DEVICES || !it.added[device]) return -IOMMUCHECK_ENODEV;
  if (!sva.devices[device].enabled) return -IOMMUCHECK_EINVAL;
  shim_enter();
  sva_disable(device);
  sva.devices[device].enabled = 0;
  return 0;
}

/* ---- where glue.c calls ---- */

static void sva_begin(u32 idr0, u32 idr5) {
  const u32 oas = FIELD_GET(IDR5_OAS, idr5);
  sva.id_register = (oas < IDR5_OAS_48_BIT ? oas : IDR5_OAS_48_BIT) |
                    (u64)(idr0 & IDR0_ASID16 ? 2 : 0) << ID_AA64MMFR0_EL1_ASIDBITS_SHIFT;
}

static void sva_device_comes(u32 device) {
  it.devices[device].dev.iommu = &sva.devices[device].iommu;
}

static void sva_device_goes(u32 device) {
  sva_disable(device);
  sva.devices[device].enabled = 0;
}
