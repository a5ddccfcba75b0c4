/* SPDX-License-Identifier: MIT */
/* clang-format off
 *
 * Jailhouse's SMMUv3 driver behind the door: a cell (a domain, a virtual machine) has its stage 2 table and gets
 * its devices when it is created, by the processor of the root cell, and gives them back when it is destroyed. The
 * tables are the hypervisor's (hypervisor.h); the root cell has none of the devices.
 *
 * What is wrong in the driver and hides what comes behind it can be mended from here, the sources untouched:
 *
 * FIX_CELL        the cell that the processor runs is the one that is created.
 *
 * clang-format on */
#include "jailhouse.h"

#include "hypervisor.h"

#include "smmu-v3.c"

struct page_pool mem_pool;
unsigned cpu_parange, cpu_parange_encoded;
static const struct jailhouse_system system_of_glue = {
    .platform_info.iommu_units = {{.type = JAILHOUSE_IOMMU_SMMUV3}}};
const struct jailhouse_system* system_config_of_glue = &system_of_glue;

static struct cell_config root_config;
struct cell root_cell = {.config = &root_config};
static struct lpae_tables root_tables;
static struct cell* running = &root_cell;
struct cell* this_cell(void) { return running; }

static int init(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                void** self) {
  const int error = host_begin(p, config, self);
  cpu_parange = host.bits;
  cpu_parange_encoded = host.bits == 32 ? 0 : host.bits == 36 ? 1 : 2;
  return error;
}

static int reset(void* self) {
  (void)self;
  shim_enter();
  if (lpae_begin(&root_tables, 2, host.bits, host.bits) != 0) return -IOMMUCHECK_ENOMEM;
  root_cell.arch.mm.root_table = (void*)(uintptr_t)root_tables.root;
  const int error = arm_smmuv3_init();
  return error == -ENODEV ? -IOMMUCHECK_ENODEV : error == 0 ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

static struct cell cell_of(const struct iommucheck_device* device, iommucheck_handle machine,
                           const struct lpae_tables* tables, struct cell_config* config) {
  config->id = (u32)machine; /* the root cell's is 0 */
  config->num_stream_ids = device->stream_id_count;
  for (u32 n = 0; n < device->stream_id_count; ++n)
    config->stream_ids[n].id = device->stream_ids[n];
  return (struct cell){config, {{(void*)(uintptr_t)tables->root}}};
}

static int put_on(const struct iommucheck_device* device, iommucheck_handle machine,
                  const struct lpae_tables* tables) {
  struct cell_config config;
  struct cell cell = cell_of(device, machine, tables, &config);
#ifdef FIX_CELL
  running = &cell;
#endif
  const int error = arm_smmuv3_cell_init(&cell);
  running = &root_cell;
  return error == 0 ? 0 : -IOMMUCHECK_ENOMEM;
}

static int take_off(const struct iommucheck_device* device, iommucheck_handle machine,
                    const struct lpae_tables* tables) {
  struct cell_config config;
  struct cell cell = cell_of(device, machine, tables, &config);
  arm_smmuv3_cell_exit(&cell);
  return 0;
}

static int device_add(void* self, uint32_t device) {
  if (device < host.config->device_count) {
    for (uint32_t n = 0; n < host.config->devices[device]->stream_id_count; ++n) {
      if (host.config->devices[device]->stream_ids[n] >> smmu_devices[0].sid_bits != 0)
        return -IOMMUCHECK_ENODEV;
    }
  }
  return host_device_add(self, device);
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver = {HYPERVISOR_DOOR};
  driver.name = "Jailhouse smmu-v3";
  driver.flags = HYPERVISOR_FLAGS | IOMMUCHECK_DRIVER_PASSES_UNATTACHED;
  driver.init = init;
  driver.reset = reset;
  driver.device_add = device_add;
  driver.domain_free = host_domain_free;
  driver.detach = host_detach;
  return &driver;
}
