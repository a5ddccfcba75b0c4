/* SPDX-License-Identifier: MIT
 *
 * A Linux tree's SMMUv3 driver behind the door, by way of the tree's own iommu.c: what VFIO and
 * iommufd do - groups that somebody owns, and that are blocked while they have no domain of his -
 * and what the buses and the interrupt core do, and nothing more. One context at a time. A file of
 * the tree's own kbuild: its structs are the tree's; HAVE_* are what build.sh found in its headers.
 */
#include "glue.h"

#include <linux/err.h>
#include <linux/sizes.h>
#ifdef HAVE_IOMMU_PRIV
#include "iommu-priv.h"
#endif

#ifndef IOMMUCHECK_DOMAINS
#define IOMMUCHECK_DOMAINS 128 /* fewer than 8 bits of ASID have room for */
#endif
enum { DOMAINS = IOMMUCHECK_DOMAINS, INPUT_BITS = 48 };
enum { IDR0 = 0x0, IDR0_COHERENT = 1 << 4, IDR0_ASID16 = 1 << 12 };
enum { IDR5 = 0x14, IDR5_GRAN4K = 1 << 4 };

static struct {
  struct iommu_domain* domain;
  struct iommu_iotlb_gather gather;
  int is_static; /* the driver's one of its kind */
} domains[DOMAINS];
static u32 output_bits;

static struct iommu_domain* find_domain(iommucheck_handle handle) {
  return handle >= 1 && handle <= DOMAINS ? domains[handle - 1].domain : NULL;
}
static struct iommucheck_pci* find_device(u32 number) {
  return number < IOMMUCHECK_DEVICES && machine.devices[number].added ? &machine.devices[number]
                                                                      : NULL;
}
/* Whether the device is there, and in one group with `one`. */
static int goes_with(const struct iommucheck_pci* other, const struct iommucheck_pci* one) {
  if (other == one || !IS_ENABLED(HAVE_BLOCKED_DOMAIN)) return other == one && other->added;
  return other->added && other->config->group == one->config->group;
}
static int is_paging(const struct iommu_domain* domain) {
  return domain->type & __IOMMU_DOMAIN_PAGING;
}
/* Linux's word for "not here" where the door's is another. */
static int translated(int error) {
  return error == -ENXIO || error == -ERANGE ? -IOMMUCHECK_ENODEV : error;
}

/* Callers of iommu.c wait for what they have unmapped before they take the domain away. */
static void sync_gathered(iommucheck_handle handle) {
  if (domains[handle - 1].gather.pgsize == 0) return;
  iommu_iotlb_sync(find_domain(handle), &domains[handle - 1].gather);
}

#ifdef HAVE_ATTACH_PASID
#include "pasids.h"
#else
static int domain_has_pasids(iommucheck_handle domain) { return 0; }
static void leave_pasids(u32 device) {}
#endif
#ifdef HAVE_SVA
#include "sva.h"
#else
static int is_bound(u32 device) { return 0; }
static void unbind_all(u32 device) {}
static void leave_processes(u32 device) {}
#endif

/* ---- life ---- */

static int door_init(const struct iommucheck_platform* platform,
                     const struct iommucheck_config* config, void** self) {
  static const unsigned char sizes[8] = {32, 36, 40, 42, 44, 48, 48, 48};
  u32 range;
  shim_begin(platform, 0);
  machine.config = config;
  machine.registers.end = SZ_128K - 1;
  machine.registers.flags = IORESOURCE_MEM;
  machine.smmu.dev.of_node = &machine.node;
  machine.smmu.dev.fwnode = &machine.firmware;
  machine.smmu.dev.init_name = "smmu";
  range = platform->mmio_read32(platform->ctx, IDR5) & 7;
  output_bits = sizes[range];
  /* CPUs that are no better than the SMMU is: SVA is on where the SMMU can do what they do. */
  machine.mmfr0 =
      (range < 5 ? range : 5) | (platform->mmio_read32(platform->ctx, IDR0) & IDR0_ASID16 ? 2 : 0)
                                    << ID_AA64MMFR0_EL1_ASIDBITS_SHIFT;
  *self = &machine;
  if (config->device_count > IOMMUCHECK_DEVICES) return -IOMMUCHECK_ENODEV;
  iommucheck_is_coherent = (platform->mmio_read32(platform->ctx, IDR0) & IDR0_COHERENT) != 0;
  /* What the door says of domains is said of 4 KiB pages. */
  if (!(platform->mmio_read32(platform->ctx, IDR5) & IDR5_GRAN4K)) return -IOMMUCHECK_ENODEV;
  iommucheck_pages(platform);
  return 0;
}

static int door_reset(void* self) {
  int error;
  shim_enter();
  error = iommucheck_initcalls();
  return translated(error ?: machine.driver->probe(&machine.smmu));
}

/* The bus tells of a device. Where the driver has a domain that blocks, its group is somebody's
 * from now on, and blocked by that. Else it has no domain at all: drivers of that time block then.
 */
static int plug(struct iommucheck_pci* one, const struct iommucheck_device* config) {
  int error = iommucheck_begin_device(one, config);
  if (error == 0) shim_ats_enable(machine.config, one - machine.devices, 0);
  if (error == 0) error = iommu_probe_device(&one->pci.dev);
#ifdef HAVE_BLOCKED_DOMAIN
  if (error == 0) {
    struct iommu_group* group = iommu_group_get(&one->pci.dev);
    if (!iommu_group_dma_owner_claimed(group)) error = iommu_group_claim_dma_owner(group, &machine);
    iommu_group_put(group);
  }
#endif
  one->added = error == 0;
  return translated(error);
}

static void unplug(struct iommucheck_pci* one, int is_alone) {
#ifdef HAVE_BLOCKED_DOMAIN
  struct iommu_group* group = iommu_group_get(&one->pci.dev);
  if (is_alone) iommu_group_release_dma_owner(group);
  iommu_group_put(group);
#endif
  iommucheck_notify(&one->pci.dev, BUS_NOTIFY_REMOVED_DEVICE);
  one->added = 0;
  one->domain = 0;
}

#ifdef HAVE_BLOCKED_DOMAIN
/* A device that comes back is at once where its group is: blocked, if that is there and blocked.
 * Alone it is led through the group's default domain first, an empty one, where its accesses fault:
 * of that the door does not know. */
static int is_blocked_where_it_comes(u32 number) {
  int i, blocked = 0;
  for (i = 0; i < IOMMUCHECK_DEVICES; ++i) {
    const struct iommucheck_pci* other = &machine.devices[i];
    if (!other->added || other->config->group != machine.config->devices[number]->group) continue;
    if (other->domain != 0) return 0;
    blocked = 1;
  }
  return blocked;
}
#endif

static int door_device_add(void* self, u32 number) {
  if (number >= machine.config->device_count) return -IOMMUCHECK_EINVAL;
  if (machine.devices[number].added) return -IOMMUCHECK_EEXIST;
#ifdef HAVE_BLOCKED_DOMAIN
  if (machine.devices[number].config != NULL && !is_blocked_where_it_comes(number)) {
    return IOMMUCHECK_NOT_BUILT;
  }
#endif
  shim_enter();
  return plug(&machine.devices[number], machine.config->devices[number]);
}

static int door_detach(void* self, iommucheck_handle handle, u32 number);
static int door_device_remove(void* self, u32 number) {
  struct iommucheck_pci* one = find_device(number);
  int i, alone = 1;
  if (one == NULL) return -IOMMUCHECK_EINVAL;
  for (i = 0; i < IOMMUCHECK_DEVICES; ++i) {
    const struct iommucheck_pci* other = &machine.devices[i];
    if (other != one && goes_with(other, one)) alone = 0;
  }
  shim_enter();
  leave_pasids(number);
  leave_processes(number);
  if (one->domain != 0) sync_gathered(one->domain);
  if (alone && one->domain != 0) door_detach(self, one->domain, number);
  unplug(one, alone);
  return 0;
}

static int door_shutdown(void* self) {
  u32 i;
  for (i = 0; i < IOMMUCHECK_DEVICES; ++i) {
    if (machine.devices[i].added) door_device_remove(self, i);
  }
  shim_enter();
  for (i = 0; i < DOMAINS; ++i) {
    if (domains[i].domain != NULL && !domains[i].is_static) iommu_domain_free(domains[i].domain);
    domains[i].domain = NULL;
  }
#ifdef HAVE_REMOVE_NEW /* one of the two, or one place of two names */
  if (machine.driver->remove_new != NULL) {
    machine.driver->remove_new(&machine.smmu);
  } else
#endif
    machine.driver->remove(&machine.smmu);
  iommucheck_devres_release();
  return 0;
}

static void door_handle_irq(void* self, u64 source) {
  shim_enter();
  if ((u32)source == IOMMUCHECK_IRQ_EVENT_QUEUE) iommucheck_irq(IOMMUCHECK_EVENT_IRQ);
  if ((u32)source == IOMMUCHECK_IRQ_GLOBAL_ERROR) iommucheck_irq(IOMMUCHECK_ERROR_IRQ);
}

/* ---- domains ---- */

/* A domain is asked for with a device that it is to be for. */
static struct device* any_device(void) {
  int i;
  for (i = 0; i < IOMMUCHECK_DEVICES; ++i) {
    if (machine.devices[i].added) return &machine.devices[i].pci.dev;
  }
  return NULL;
}

static struct iommu_domain* make_paging(struct device* device) {
#ifdef HAVE_PAGING_ALLOC
  return iommu_paging_domain_alloc(device);
#else
  return iommu_domain_alloc(device->bus) ?: ERR_PTR(-ENOMEM);
#endif
}

static struct iommu_domain* make_identity(struct device* device, int* is_static) {
  const struct iommu_ops* ops = device->iommu->iommu_dev->ops;
#ifdef HAVE_IDENTITY_DOMAIN
  *is_static = 1;
#ifdef HAVE_DOMAIN_OWNER /* as iommu.c says of a default domain; there it is one */
  ops->identity_domain->owner = ops;
#endif
  return ops->identity_domain;
#else
  struct iommu_domain* domain = ops->domain_alloc(IOMMU_DOMAIN_IDENTITY);
  if (domain == NULL) return ERR_PTR(-ENOMEM);
  domain->type = IOMMU_DOMAIN_IDENTITY;
  domain->ops = ops->default_domain_ops;
  return domain;
#endif
}

static struct iommu_domain* make_blocked(struct device* device) {
#ifdef HAVE_BLOCKED_DOMAIN
  const struct iommu_ops* ops = device->iommu->iommu_dev->ops;
#ifdef HAVE_DOMAIN_OWNER
  ops->blocked_domain->owner = ops;
#endif
  return ops->blocked_domain;
#else
  return NULL;
#endif
}

static int door_domain_alloc(void* self, const struct iommucheck_domain_params* params,
                             iommucheck_handle* handle) {
  struct device* device = any_device();
  struct iommu_domain* domain;
  int i = 0;
  if (params->kind < IOMMUCHECK_DOMAIN_PAGING || params->kind > IOMMUCHECK_DOMAIN_NESTED_PASID) {
    return -IOMMUCHECK_EINVAL;
  }
  while (i < DOMAINS && domains[i].domain != NULL) ++i;
  if (i == DOMAINS || device == NULL) return IOMMUCHECK_NOT_BUILT;
  if (params->input_bits != 0 && params->input_bits != INPUT_BITS) return IOMMUCHECK_NOT_BUILT;
  shim_enter();
  domains[i].is_static = 0;
  if (params->kind == IOMMUCHECK_DOMAIN_PAGING) {
    domain = make_paging(device);
  } else if (params->kind == IOMMUCHECK_DOMAIN_IDENTITY) {
    domain = make_identity(device, &domains[i].is_static);
  } else if (params->kind == IOMMUCHECK_DOMAIN_BLOCKED && IS_ENABLED(HAVE_BLOCKED_DOMAIN)) {
    domain = make_blocked(device);
    domains[i].is_static = 1;
  } else {
    return IOMMUCHECK_NOT_BUILT;
  }
  /* EBUSY: all ASIDs are taken (an xarray says so), those of default domains included, of which the
   * door does not know. */
  if (IS_ERR(domain))
    return PTR_ERR(domain) == -EBUSY ? IOMMUCHECK_NOT_BUILT : (int)PTR_ERR(domain);
  domains[i].domain = domain;
  iommu_iotlb_gather_init(&domains[i].gather);
  *handle = (iommucheck_handle)i + 1;
  return 0;
}

static int door_domain_free(void* self, iommucheck_handle handle) {
  struct iommu_domain* domain = find_domain(handle);
  int i;
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  if (domain_has_pasids(handle)) return -IOMMUCHECK_EBUSY;
  for (i = 0; i < IOMMUCHECK_DEVICES; ++i) {
    if (machine.devices[i].domain == handle) return -IOMMUCHECK_EBUSY;
  }
  shim_enter();
  if (!domains[handle - 1].is_static) iommu_domain_free(domain);
  domains[handle - 1].domain = NULL;
  return 0;
}

static int door_domain_get_info(void* self, iommucheck_handle handle,
                                struct iommucheck_domain_info* info) {
  const struct iommu_domain* domain = find_domain(handle);
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  info->input_bits = INPUT_BITS;
  info->output_bits = output_bits;
  info->page_sizes = is_paging(domain) ? SZ_4K | SZ_2M | SZ_1G : 0;
  info->table_pa = 0;
  return 0;
}

/* ---- attach, detach: a group's ---- */

static void moved(const struct iommucheck_pci* one, iommucheck_handle to) {
  int i;
  for (i = 0; i < IOMMUCHECK_DEVICES; ++i) {
    if (goes_with(&machine.devices[i], one)) machine.devices[i].domain = to;
  }
}

#ifdef HAVE_BLOCKED_DOMAIN
static void block(struct iommucheck_pci* one, struct iommu_domain* domain) {
  struct iommu_group* group = iommu_group_get(&one->pci.dev);
#ifdef HAVE_ATTACH_HANDLE
  iommu_detach_group_handle(domain, group);
#else
  iommu_detach_group(domain, group);
#endif
  iommu_group_put(group);
}
#else
/* As who removes a device from its bus and scans the bus again. */
static void block(struct iommucheck_pci* one, struct iommu_domain* domain) {
  unplug(one, 1);
  if (plug(one, one->config) != 0) shim_panic("a device does not come again");
}
#endif

static int door_detach(void* self, iommucheck_handle handle, u32 number) {
  struct iommucheck_pci* one = find_device(number);
  if (one == NULL) return -IOMMUCHECK_ENODEV;
  if (find_domain(handle) == NULL || one->domain != handle) return -IOMMUCHECK_EINVAL;
  shim_enter();
  leave_pasids(number);
  unbind_all(number);
  sync_gathered(handle);
  block(one, find_domain(handle));
  moved(one, 0);
  return 0;
}

static int move(struct iommu_group* group, struct iommu_domain* domain, int is_attached) {
#ifdef HAVE_ATTACH_HANDLE
  static struct iommu_attach_handle handles[DOMAINS];
  static unsigned int next; /* each attach has one of its own */
  struct iommu_attach_handle* handle = &handles[next++ % DOMAINS];
  return is_attached ? iommu_replace_group_handle(group, domain, handle)
                     : iommu_attach_group_handle(domain, group, handle);
#elif defined HAVE_REPLACE_DOMAIN
  return is_attached ? iommu_group_replace_domain(group, domain)
                     : iommu_attach_group(domain, group);
#else
  return iommu_attach_group(domain, group);
#endif
}

static int door_attach(void* self, iommucheck_handle handle, u32 number) {
  struct iommucheck_pci* one = find_device(number);
  struct iommu_domain* domain = find_domain(handle);
  struct iommu_group* group;
  int error;
  if (one == NULL) return -IOMMUCHECK_ENODEV;
  if (domain == NULL) return -IOMMUCHECK_EINVAL;
  if (one->domain == handle) return 0;
  if (is_bound(number)) return -IOMMUCHECK_EBUSY; /* nobody moves a device that is in use */
  shim_enter();
  if (one->domain != 0) sync_gathered(one->domain);
  group = iommu_group_get(&one->pci.dev);
  error = move(group, domain, one->domain != 0);
  iommu_group_put(group);
  if (error == 0) moved(one, handle);
  /* Linux's "not this device": a domain is as its first device is, PASIDs and stalls included. */
  return error == -EINVAL ? IOMMUCHECK_NOT_BUILT : translated(error);
}

/* ---- map, unmap ---- */

static int door_map(void* self, iommucheck_handle handle, u64 iova, u64 pa, u64 bytes, u32 prot) {
  struct iommu_domain* domain = find_domain(handle);
  const int rights = (prot & IOMMUCHECK_PROT_WRITE ? IOMMU_READ | IOMMU_WRITE : IOMMU_READ) |
                     (prot & IOMMUCHECK_PROT_EXEC ? 0 : IOMMU_NOEXEC) |
                     (prot & IOMMUCHECK_PROT_PRIVILEGED ? IOMMU_PRIV : 0) |
                     (prot & IOMMUCHECK_PROT_DEVICE ? IOMMU_MMIO : IOMMU_CACHE);
  int error;
  if (domain == NULL || !is_paging(domain) || (iova | pa | bytes) % PAGE_SIZE || !(prot & 7)) {
    return -IOMMUCHECK_EINVAL;
  }
  shim_enter();
#ifdef HAVE_MAP_GFP
  error = iommu_map(domain, iova, pa, bytes, rights, GFP_KERNEL);
#else
  error = iommu_map(domain, iova, pa, bytes, rights);
#endif
  /* Until 6.12 a domain gets its tables with its first device; nobody maps before. */
  return error == -ENODEV ? IOMMUCHECK_NOT_BUILT : error;
}

static struct iommucheck_result door_unmap(void* self, iommucheck_handle handle, u64 iova,
                                           u64 bytes) {
  struct iommucheck_result result = {0, 0, 0};
  struct iommu_domain* domain = find_domain(handle);
  if (domain == NULL || !is_paging(domain) || (iova | bytes) % PAGE_SIZE) return result;
  shim_enter();
  result.bytes = iommu_unmap(domain, iova, bytes);
  return result;
}

static struct iommucheck_result door_unmap_fast(void* self, iommucheck_handle handle, u64 iova,
                                                u64 bytes) {
  struct iommucheck_result result = {0, 0, 0};
  struct iommu_domain* domain = find_domain(handle);
  if (domain == NULL || !is_paging(domain) || (iova | bytes) % PAGE_SIZE) return result;
  shim_enter();
  result.bytes = iommu_unmap_fast(domain, iova, bytes, &domains[handle - 1].gather);
  return result;
}

static int door_iotlb_sync(void* self, iommucheck_handle handle) {
  struct iommu_domain* domain = find_domain(handle);
  if (domain == NULL || !is_paging(domain)) return -IOMMUCHECK_EINVAL;
  shim_enter();
  sync_gathered(handle);
  return 0;
}

static int door_flush_iotlb_all(void* self, iommucheck_handle handle) {
  struct iommu_domain* domain = find_domain(handle);
  if (domain == NULL || !is_paging(domain)) return -IOMMUCHECK_EINVAL;
  shim_enter();
  iommu_flush_iotlb_all(domain);
  iommu_iotlb_gather_init(&domains[handle - 1].gather);
  return 0;
}

static u64 door_iova_to_phys(void* self, iommucheck_handle handle, u64 iova) {
  struct iommu_domain* domain = find_domain(handle);
  if (domain == NULL || (is_paging(domain) && iova >> INPUT_BITS != 0)) return 0;
  return iommu_iova_to_phys(domain, iova);
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static const struct iommucheck_driver driver = {.size = sizeof driver,
                                                  .abi = IOMMUCHECK_DRIVER_ABI,
                                                  .name = "linux",
                                                  .version = IOMMUCHECK_LINUX_VERSION,
                                                  .flags = IOMMUCHECK_DRIVER_NO_TIME_OUTS |
                                                           IOMMUCHECK_DRIVER_CALLER_KEEPS_RANGES |
#if !defined HAVE_ATTACH_HANDLE && !defined HAVE_REPLACE_DOMAIN
                                                           IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE |
#endif
#ifndef HAVE_BLOCKED_DOMAIN
                                                           IOMMUCHECK_DRIVER_NO_GROUPS |
#endif
#ifdef HAVE_ATTACH_PASID
                                                           IOMMUCHECK_DRIVER_PER_DEVICE_TABLES |
#endif
                                                           IOMMUCHECK_DRIVER_TAKES_OVER,
                                                  .init = door_init,
                                                  .reset = door_reset,
                                                  .shutdown = door_shutdown,
                                                  .device_add = door_device_add,
                                                  .device_remove = door_device_remove,
                                                  .handle_irq = door_handle_irq,
                                                  .domain_alloc = door_domain_alloc,
                                                  .domain_free = door_domain_free,
                                                  .domain_get_info = door_domain_get_info,
                                                  .attach = door_attach,
                                                  .detach = door_detach,
#ifdef HAVE_ATTACH_PASID
                                                  .pasid_alloc = door_pasid_alloc,
                                                  .pasid_free = door_pasid_free,
                                                  .attach_pasid = door_attach_pasid,
                                                  .detach_pasid = door_detach_pasid,
#endif
#ifdef HAVE_SVA
                                                  .sva_device_init = door_sva_device_init,
                                                  .sva_device_shutdown = door_sva_device_shutdown,
                                                  .bind_device = door_bind_device,
                                                  .unbind_device = door_unbind_device,
                                                  .unbind_dev_all = door_unbind_dev_all,
                                                  .mm_invalidate = door_mm_invalidate,
                                                  .mm_release = door_mm_release,
#endif
                                                  .map = door_map,
                                                  .unmap = door_unmap,
                                                  .unmap_fast = door_unmap_fast,
                                                  .iotlb_sync = door_iotlb_sync,
                                                  .flush_iotlb_all = door_flush_iotlb_all,
                                                  .iova_to_phys = door_iova_to_phys};
  return &driver;
}
