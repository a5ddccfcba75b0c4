/* SPDX-License-Identifier: MIT
 *
 * Processes, for glue.c: what drivers of devices (uacce, idxd) do around iommu_sva_bind_device and
 * iommu_sva_unbind_device, by the tree's own iommu-sva.c and io-pgfault.c. What Linux has no word
 * for is not built: a range of numbers of the caller's, mm_exit, a further PASID, private PASIDs,
 * queues and handlers of the caller's. A group of several devices has no PASIDs.
 *
 * Linux's processes keep their number until they are freed, and get the lowest one, so that it may
 * be another's at once (docs/findings.md, PASID_CYCLIC). Of that nothing is judged here: a number
 * goes with a process's last bond, and the one that has been free for longest comes next. */

enum { BONDS = 64 };

static struct {
  struct iommu_sva* handle; /* NULL: free */
  struct mm_struct* mm;
  u32 device, pasid, refs;
} bonds[BONDS];
static struct {
  int enabled, iopf;
} sva_devices[IOMMUCHECK_DEVICES];

static int is_bound(u32 device) {
  int i = 0;
  while (i < BONDS && (bonds[i].handle == NULL || bonds[i].device != device)) ++i;
  return i < BONDS;
}

static int is_of_process(u32 pasid) {
  int i = 0;
  while (i < BONDS && (bonds[i].handle == NULL || bonds[i].pasid != pasid)) ++i;
  return i < BONDS;
}

static int has_bonds(const struct mm_struct* mm) {
  int i = 0;
  while (i < BONDS && (bonds[i].handle == NULL || bonds[i].mm != mm)) ++i;
  return i < BONDS;
}

static void unbind(int i) {
  struct iommu_sva* handle = bonds[i].handle;
  struct mm_struct* mm = bonds[i].mm;
  const u32 pasid = bonds[i].pasid;
  if (--bonds[i].refs == 0) bonds[i].handle = NULL;
  mmgrab(mm);
  iommu_sva_unbind_device(handle);
  if (!has_bonds(mm)) {
    mm_pasid_drop(mm);
    mm->iommu_mm = NULL;
    number_is_free(pasid);
    iommucheck_leave_mm(mm);
  }
  mmdrop(mm);
}
static void unbind_all(u32 device) {
  int i;
  for (i = 0; i < BONDS; ++i) {
    while (bonds[i].handle != NULL && bonds[i].device == device) unbind(i);
  }
}

/* Until 6.15 a device is told what it will be used for. */
static int enable(struct device* device, int iopf) {
#ifdef HAVE_DEVICE_FEATURES
  int error = iopf ? iommu_dev_enable_feature(device, IOMMU_DEV_FEAT_IOPF) : 0;
  if (error != 0) return error;
  error = iommu_dev_enable_feature(device, IOMMU_DEV_FEAT_SVA);
  if (error != 0 && iopf) iommu_dev_disable_feature(device, IOMMU_DEV_FEAT_IOPF);
  return error;
#else
  return 0;
#endif
}
static void disable(struct device* device, int iopf) {
#ifdef HAVE_DEVICE_FEATURES
  if (iommu_dev_disable_feature(device, IOMMU_DEV_FEAT_SVA) != 0 ||
      (iopf && iommu_dev_disable_feature(device, IOMMU_DEV_FEAT_IOPF) != 0)) {
    shim_panic("SVA cannot be disabled");
  }
#endif
}

static void leave_processes(u32 number) {
  unbind_all(number);
  if (sva_devices[number].enabled) {
    disable(&machine.devices[number].pci.dev, sva_devices[number].iopf);
  }
  sva_devices[number].enabled = 0;
}

static int door_sva_device_init(void* self, u32 number, u32 features, u32 min_pasid, u32 max_pasid,
                                int has_mm_exit) {
  struct iommucheck_pci* one = find_device(number);
  const int iopf = (features & IOMMUCHECK_SVA_IOPF) != 0;
  u32 limit, i;
  int error;
  if (one == NULL || one->domain == 0 || one->pci.dev.iommu->max_pasids <= 1) {
    return -IOMMUCHECK_ENODEV;
  }
  limit = one->pci.dev.iommu->max_pasids - 1;
  if (features & ~(IOMMUCHECK_SVA_IOPF | IOMMUCHECK_SVA_PRIVATE)) return -IOMMUCHECK_EINVAL;
  if (iopf && !(one->config->flags & IOMMUCHECK_DEVICE_STALL)) return -IOMMUCHECK_EINVAL;
  if ((max_pasid != 0 && min_pasid > max_pasid) || min_pasid > limit) return -IOMMUCHECK_EINVAL;
  if (sva_devices[number].enabled) return -IOMMUCHECK_EEXIST;
  if (min_pasid > 1 || (max_pasid != 0 && max_pasid < limit) || has_mm_exit) {
    return IOMMUCHECK_NOT_BUILT;
  }
  for (i = 0; i < machine.config->device_count; ++i) {
    const struct iommucheck_device* other = machine.config->devices[i];
    if (other != one->config && other->group == one->config->group) return IOMMUCHECK_NOT_BUILT;
  }
  /* Processes' tables are cleaned by nobody. */
  if (!iommucheck_is_coherent) return IOMMUCHECK_NOT_BUILT;
  /* A device that stalls is used with page faults: its driver has to handle them. */
  if (!iopf && one->config->flags & IOMMUCHECK_DEVICE_STALL) return IOMMUCHECK_NOT_BUILT;
  shim_enter();
  error = enable(&one->pci.dev, iopf);
  if (error == -EINVAL) return IOMMUCHECK_NOT_BUILT; /* several streams, or no SVA on this SMMU */
  if (error != 0) return translated(error);
  sva_devices[number].enabled = 1;
  sva_devices[number].iopf = iopf;
  return 0;
}

static int door_sva_device_shutdown(void* self, u32 number) {
  if (find_device(number) == NULL) return -IOMMUCHECK_ENODEV;
  if (!sva_devices[number].enabled) return -IOMMUCHECK_EINVAL;
  shim_enter();
  leave_processes(number);
  return 0;
}

static int refused(int error) {
  if (error == -EOVERFLOW) return -IOMMUCHECK_ERANGE; /* the process's number is not the device's */
  /* EBUSY: no ASID is left (an xarray says so). */
  return error == -EBUSY || error == -EINVAL || error == -EOPNOTSUPP ? IOMMUCHECK_NOT_BUILT : error;
}

/* iommu_sva_bind_device takes the lowest free number: the others are taken for as long. */
static struct iommu_sva* bind(struct device* device, struct mm_struct* mm) {
  const u32 number = mm->iommu_mm != NULL ? 0 : take_any_number(1, device->iommu->max_pasids - 1);
  struct iommu_sva* handle;
  struct ida lower;
  u32 i;
  if (number == 0) return iommu_sva_bind_device(device, mm);
  ida_init(&lower);
  for (i = 1; i < number; ++i) {
    if (take_number(i)) (void)ida_alloc_range(&lower, i, i, GFP_KERNEL);
  }
  ida_free(&iommu_global_pasid_ida, number);
  handle = iommu_sva_bind_device(device, mm);
  for (i = 1; i < number; ++i) {
    if (ida_alloc_range(&lower, i, i, GFP_KERNEL) < 0) ida_free(&iommu_global_pasid_ida, i);
  }
  ida_destroy(&lower);
  if (IS_ERR(handle)) number_is_free(number);
  return handle;
}

static int door_bind_device(void* self, u32 number, const struct iommucheck_mm* given, u32 flags,
                            u64 drvdata, u32* pasid) {
  struct iommucheck_pci* one = find_device(number);
  struct iommu_sva* handle;
  struct mm_struct* mm;
  int i = 0, free = -1;
  if (one == NULL) return -IOMMUCHECK_ENODEV;
  if (flags & ~IOMMUCHECK_BIND_FURTHER_PASID || !sva_devices[number].enabled || one->domain == 0 ||
      !is_paging(find_domain(one->domain))) {
    return -IOMMUCHECK_EINVAL;
  }
  if (flags != 0) return IOMMUCHECK_NOT_BUILT;
  shim_enter();
  mm = iommucheck_mm(given);
  if (mm == NULL) return -IOMMUCHECK_ESRCH;
  handle = bind(&one->pci.dev, mm);
  if (IS_ERR(handle)) {
    if (!has_bonds(mm)) iommucheck_leave_mm(mm);
    return refused(PTR_ERR(handle));
  }
  *pasid = iommu_sva_get_pasid(handle);
  for (; i < BONDS && bonds[i].handle != handle; ++i) {
    if (bonds[i].handle == NULL && free < 0) free = i;
  }
  if (i == BONDS) {
    if (free < 0) shim_panic("more bonds than sva.h can count");
    i = free;
    bonds[i].handle = handle;
    bonds[i].mm = mm;
    bonds[i].device = number;
    bonds[i].pasid = *pasid;
    bonds[i].refs = 0;
  }
  ++bonds[i].refs;
  return 0;
}

static int door_unbind_device(void* self, u32 number, u32 pasid) {
  int i = 0;
  if (find_device(number) == NULL) return -IOMMUCHECK_ENODEV;
  while (i < BONDS &&
         (bonds[i].handle == NULL || bonds[i].device != number || bonds[i].pasid != pasid)) {
    ++i;
  }
  if (i == BONDS) return -IOMMUCHECK_EINVAL;
  shim_enter();
  unbind(i);
  return 0;
}

/* Drivers unbind one by one. */
static int door_unbind_dev_all(void* self, u32 number) {
  if (find_device(number) == NULL) return -IOMMUCHECK_ENODEV;
  shim_enter();
  unbind_all(number);
  return 0;
}

static int door_mm_invalidate(void* self, iommucheck_handle mm, u64 start, u64 bytes) {
  shim_enter();
  iommucheck_mm_invalidate(mm, start, bytes);
  return 0;
}

static int door_mm_release(void* self, iommucheck_handle mm) {
  shim_enter();
  iommucheck_mm_release(mm);
  return 0;
}
