/* SPDX-License-Identifier: MIT
 *
 * The door of a hypervisor that gives devices to virtual machines: a domain is a machine with its
 * stage 2 table (lpae_tables.h), whose number is its VMID. What is left to a driver's glue is how a
 * device is put on a machine, and how it is taken away: put_on and take_off below. Include it once,
 * behind their declaration.
 */
#ifndef IOMMUCHECK_HYPERVISOR_H
#define IOMMUCHECK_HYPERVISOR_H

#include "lpae_tables.h"

enum { MACHINES = 16, DEVICES = 64 };

static struct {
  const struct iommucheck_config* config;
  unsigned bits; /* of intermediate and physical addresses */
  struct {
    int used, devices;
    struct lpae_tables tables;
  } machines[MACHINES];
  struct {
    int added;
    iommucheck_handle machine; /* 0: none */
  } devices[DEVICES];
} host;

/* The glue's: 0 or a negative errno. `machine` is a number from 1 on; take_off leads to none. */
static int put_on(const struct iommucheck_device* device, iommucheck_handle machine,
                  const struct lpae_tables* tables);
static int take_off(const struct iommucheck_device* device, iommucheck_handle machine,
                    const struct lpae_tables* tables);

/* First in init. The processors have 40 bits, or what the SMMU has if that is less; without stage
 * 2, or with memory for tables beyond those bits: ENODEV. */
static int host_begin(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                      void** self) {
  static const unsigned char bits[8] = {32, 36, 40, 40, 40, 40, 40, 40};
  shim_begin(p, SHIM_ALLOCATIONS_SLEEP);
  host.config = config;
  host.bits = bits[shim_read32(0x14) & 7]; /* IDR5.OAS */
  *self = &host;
  if ((shim_read32(0) & 1) == 0) return -IOMMUCHECK_ENODEV; /* IDR0.S2P */
  struct lpae_tables probe;
  if (lpae_begin(&probe, 2, host.bits, host.bits) != 0) return -IOMMUCHECK_ENOMEM;
  const int beyond = shim_pa(probe.root) >> host.bits != 0;
  lpae_end(&probe);
  return beyond ? -IOMMUCHECK_ENODEV : 0;
}

static struct lpae_tables* host_find(iommucheck_handle handle) {
  const iommucheck_handle at = handle - 1;
  return at < MACHINES && host.machines[at].used ? &host.machines[at].tables : NULL;
}

static int host_device_add(void* self, uint32_t device) {
  (void)self;
  shim_enter();
  if (device >= host.config->device_count || device >= DEVICES) return -IOMMUCHECK_EINVAL;
  if (host.devices[device].added) return -IOMMUCHECK_EEXIST;
  host.devices[device].added = 1;
  return 0;
}

static int host_domain_alloc(void* self, const struct iommucheck_domain_params* params,
                             iommucheck_handle* handle) {
  (void)self;
  shim_enter();
  if (params->kind != IOMMUCHECK_DOMAIN_PAGING) return IOMMUCHECK_NOT_BUILT;
  if (params->input_bits != 0 && params->input_bits != host.bits) return IOMMUCHECK_NOT_BUILT;
  for (unsigned i = 0; i < MACHINES; ++i) {
    if (host.machines[i].used) continue;
    const int error = lpae_begin(&host.machines[i].tables, 2, host.bits, host.bits);
    if (error != 0) return error;
    host.machines[i].used = 1;
    host.machines[i].devices = 0;
    *handle = i + 1;
    return 0;
  }
  return IOMMUCHECK_NOT_BUILT;
}

/* Of those that end machines; a number comes again then. */
__attribute__((unused)) static int host_domain_free(void* self, iommucheck_handle handle) {
  (void)self;
  shim_enter();
  if (host_find(handle) == NULL) return -IOMMUCHECK_EINVAL;
  if (host.machines[handle - 1].devices != 0) return -IOMMUCHECK_EBUSY;
  lpae_end(host_find(handle));
  host.machines[handle - 1].used = 0;
  return 0;
}

static int host_domain_get_info(void* self, iommucheck_handle handle,
                                struct iommucheck_domain_info* info) {
  (void)self;
  const struct lpae_tables* tables = host_find(handle);
  if (tables == NULL) return -IOMMUCHECK_EINVAL;
  info->input_bits = tables->bits;
  info->output_bits = tables->output_bits;
  info->page_sizes = LPAE_PAGE;
  info->table_pa = shim_pa(tables->root);
  return 0;
}

static int host_map(void* self, iommucheck_handle handle, uint64_t ipa, uint64_t pa, uint64_t bytes,
                    uint32_t prot) {
  (void)self;
  shim_enter();
  const struct lpae_tables* tables = host_find(handle);
  return tables == NULL ? -IOMMUCHECK_EINVAL : lpae_map(tables, ipa, pa, bytes, prot);
}

static uint64_t host_iova_to_phys(void* self, iommucheck_handle handle, uint64_t ipa) {
  (void)self;
  shim_enter();
  return host_find(handle) == NULL ? 0 : lpae_find(host_find(handle), ipa);
}

static int host_leave(uint32_t device) {
  const iommucheck_handle machine = host.devices[device].machine;
  if (machine == 0) return 0;
  --host.machines[machine - 1].devices;
  host.devices[device].machine = 0;
  return take_off(host.config->devices[device], machine, host_find(machine));
}

static int host_attach(void* self, iommucheck_handle handle, uint32_t device) {
  (void)self;
  shim_enter();
  if (device >= host.config->device_count || !host.devices[device].added) return -IOMMUCHECK_ENODEV;
  if (host_find(handle) == NULL) return -IOMMUCHECK_EINVAL;
  if (host.devices[device].machine == handle) return 0;
  const int error = host_leave(device);
  if (error != 0) return error;
  host.devices[device].machine = handle;
  ++host.machines[handle - 1].devices;
  return put_on(host.config->devices[device], handle, host_find(handle));
}

/* Of those that take devices away again. */
__attribute__((unused)) static int host_detach(void* self, iommucheck_handle handle,
                                               uint32_t device) {
  (void)self;
  shim_enter();
  if (device >= host.config->device_count || !host.devices[device].added) return -IOMMUCHECK_ENODEV;
  if (host_find(handle) == NULL || host.devices[device].machine != handle)
    return -IOMMUCHECK_EINVAL;
  return host_leave(device);
}

/* What is the same for all of them; machines and devices are there for ever unless the glue adds
 * how they go. None is moved from one machine to another without being taken away. */
#define HYPERVISOR_DOOR                                                            \
  .size = sizeof(struct iommucheck_driver), .abi = IOMMUCHECK_DRIVER_ABI,          \
  .device_add = host_device_add, .domain_alloc = host_domain_alloc,                \
  .domain_get_info = host_domain_get_info, .attach = host_attach, .map = host_map, \
  .iova_to_phys = host_iova_to_phys
#define HYPERVISOR_FLAGS                                          \
  (IOMMUCHECK_DRIVER_NO_TIME_OUTS | IOMMUCHECK_DRIVER_NO_GROUPS | \
   IOMMUCHECK_DRIVER_ALLOCATIONS_SLEEP | IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE)

#endif
