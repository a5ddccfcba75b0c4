/* SPDX-License-Identifier: MIT */
/* clang-format off
 *
 * Bao's SMMUv3 driver behind the door, as iommu.c and gic.c call it: a virtual machine has its stage 2 table,
 * devices are given to it, and that is for ever. The tables are the hypervisor's (hypervisor.h).
 *
 * TAKES_AWAY: devices are taken away again by smmuv3_write_ste_bypass, which is there and has no caller yet.
 *
 * clang-format on */
#include "bao.h"

#include "smmuv3.c"

#include "hypervisor.h"

static irq_handler_t event_handler;

struct bao_cpu* cpu(void) {
  static struct bao_cpu one;
  return &one;
}
const struct bao_platform platform = {.arch.smmu.interrupt_id = 1};
const size_t parange_table[] = {32, 36, 40, 42, 44, 48};
size_t parange;
irqid_t interrupts_reserve(irqid_t id, irq_handler_t handler) {
  event_handler = handler;
  return id;
}

static int init(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                void** self) {
  const int error = host_begin(p, config, self);
  while (parange_table[parange] != host.bits) ++parange;
  return error;
}

static int reset(void* self) {
  (void)self;
  shim_enter();
  smmuv3_init();
  return 0;
}

/* The interrupt, and the look that gic.c has at each one. */
static void handle_irq(void* self, uint64_t source) {
  (void)self, (void)source;
  shim_enter();
  if (event_handler != NULL) event_handler(1);
}

/* iommu_vm_arch_add */
static int put_on(const struct iommucheck_device* device, iommucheck_handle machine,
                  const struct lpae_tables* tables) {
  for (uint32_t n = 0; n < device->stream_id_count; ++n) {
    if (!smmuv3_write_ste_s2(device->stream_ids[n], shim_pa(tables->root), (uint16_t)machine))
      return -IOMMUCHECK_ENODEV;
  }
  return 0;
}

static int take_off(const struct iommucheck_device* device, iommucheck_handle machine,
                    const struct lpae_tables* tables) {
  (void)machine, (void)tables;
  for (uint32_t n = 0; n < device->stream_id_count; ++n) {
    if (!smmuv3_write_ste_bypass(device->stream_ids[n])) return -IOMMUCHECK_ENODEV;
  }
  return 0;
}

static int device_add(void* self, uint32_t device) {
  if (device < host.config->device_count) {
    for (uint32_t n = 0; n < host.config->devices[device]->stream_id_count; ++n) {
      if (host.config->devices[device]->stream_ids[n] >= smmu.st_entries) return -IOMMUCHECK_ENODEV;
    }
  }
  return host_device_add(self, device);
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver = {HYPERVISOR_DOOR};
  driver.name = "Bao smmuv3";
  driver.flags = HYPERVISOR_FLAGS | IOMMUCHECK_DRIVER_PASSES_UNATTACHED;
  driver.init = init;
  driver.reset = reset;
  driver.device_add = device_add;
  driver.handle_irq = handle_irq;
#ifdef TAKES_AWAY
  driver.detach = host_detach;
#endif
  return &driver;
}
