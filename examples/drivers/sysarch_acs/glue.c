/* SPDX-License-Identifier: MIT */
/* clang-format off
 *
 * The SMMUv3 driver of Arm's sysarch-acs behind the door, as its tests call it: a table is made (a domain), a
 * master is mapped to it (val_smmu_map) and unmapped again, and the event queue is dumped now and then. The tables
 * are the caller's (lpae_tables.h). STAGE2: they are of stage 2, for master_attr.stage2.
 *
 * What is wrong in the driver and hides what comes behind it can be mended from here, the sources untouched:
 *
 * FIX_ORDER       a write to a register orders the stores before it, and a read the loads behind it.
 *
 * clang-format on */
#include "acs.h"

#ifdef FIX_ORDER
#undef val_mmio_write
#undef val_mmio_read
#define val_mmio_write(address, value) shim_write32((address) - SMMU_REGISTERS, value, 1)
static uint32_t val_mmio_read(uint64_t address) {
  const uint32_t value = shim_read32(address - SMMU_REGISTERS);
  shim_barrier(IOMMUCHECK_DMA_RMB);
  return value;
}
#endif

#include "smmu_v3.c"

uint32_t g_num_smmus;

#include "lpae_tables.h"

enum { TABLES = 16, DEVICES = 64 };
#ifdef STAGE2
enum { STAGE = 2, BITS = 40 };
#else
enum { STAGE = 1, BITS = 39 };
#endif

static struct {
  const struct iommucheck_config* config;
  uint32_t oas;
  struct {
    int used, devices;
    struct lpae_tables tables;
  } tables[TABLES];
  struct {
    int added;
    iommucheck_handle table;
  } devices[DEVICES];
} suite;

/* ---- life ---- */

static int init(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                void** self) {
  shim_begin(p, SHIM_ALLOCATIONS_SLEEP);
  suite.config = config;
  suite.oas = shim_read32(SMMU_IDR5_OFFSET) & 7;
  *self = &suite;
  if ((shim_read32(SMMU_IDR0_OFFSET) & (STAGE == 1 ? IDR0_S1P : IDR0_S2P)) == 0)
    return -IOMMUCHECK_ENODEV;
  return STAGE == 2 && suite.oas < 2 ? -IOMMUCHECK_ENODEV : 0; /* it has 40 bits */
}

static int reset(void* self) {
  (void)self;
  shim_enter();
  return val_smmu_init() == 0 ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

static int shutdown(void* self) {
  (void)self;
  shim_enter();
  val_smmu_stop();
  for (unsigned i = 0; i < TABLES; ++i) {
    if (suite.tables[i].used) lpae_end(&suite.tables[i].tables);
  }
  return 0;
}

static int device_add(void* self, uint32_t device) {
  (void)self;
  shim_enter();
  if (device >= suite.config->device_count || device >= DEVICES) return -IOMMUCHECK_EINVAL;
  if (suite.devices[device].added) return -IOMMUCHECK_EEXIST;
  for (uint32_t n = 0; n < suite.config->devices[device]->stream_id_count; ++n) {
    if (suite.config->devices[device]->stream_ids[n] >> g_smmu->sid_bits != 0)
      return -IOMMUCHECK_ENODEV;
  }
  suite.devices[device].added = 1;
  return 0;
}

static void handle_irq(void* self, uint64_t source) {
  (void)self, (void)source;
  shim_enter();
  val_smmu_dump_eventq();
}

/* ---- tables ---- */

static struct lpae_tables* find(iommucheck_handle handle) {
  const iommucheck_handle at = handle - 1;
  return at < TABLES && suite.tables[at].used ? &suite.tables[at].tables : NULL;
}

static int domain_alloc(void* self, const struct iommucheck_domain_params* params,
                        iommucheck_handle* handle) {
  static const unsigned char output_bits[8] = {32, 36, 40, 42, 44, 48, 48, 48};
  (void)self;
  shim_enter();
  if (params->kind != IOMMUCHECK_DOMAIN_PAGING) return IOMMUCHECK_NOT_BUILT;
  if (params->input_bits != 0 && params->input_bits != BITS) return IOMMUCHECK_NOT_BUILT;
  for (unsigned i = 0; i < TABLES; ++i) {
    if (suite.tables[i].used) continue;
    const unsigned bits = STAGE == 2 ? BITS : output_bits[suite.oas];
    const int error = lpae_begin(&suite.tables[i].tables, STAGE, BITS, bits);
    if (error != 0) return error;
    suite.tables[i].used = 1;
    suite.tables[i].devices = 0;
    *handle = i + 1;
    return 0;
  }
  return IOMMUCHECK_NOT_BUILT;
}

static int domain_free(void* self, iommucheck_handle handle) {
  (void)self;
  shim_enter();
  if (find(handle) == NULL) return -IOMMUCHECK_EINVAL;
  if (suite.tables[handle - 1].devices != 0) return -IOMMUCHECK_EBUSY;
  lpae_end(find(handle));
  suite.tables[handle - 1].used = 0;
  return 0;
}

static int domain_get_info(void* self, iommucheck_handle handle,
                           struct iommucheck_domain_info* info) {
  (void)self;
  const struct lpae_tables* tables = find(handle);
  if (tables == NULL) return -IOMMUCHECK_EINVAL;
  info->input_bits = tables->bits;
  info->output_bits = tables->output_bits;
  info->page_sizes = LPAE_PAGE;
  info->table_pa = shim_pa(tables->root);
  return 0;
}

static int map(void* self, iommucheck_handle handle, uint64_t iova, uint64_t pa, uint64_t bytes,
               uint32_t prot) {
  (void)self;
  shim_enter();
  return find(handle) == NULL ? -IOMMUCHECK_EINVAL : lpae_map(find(handle), iova, pa, bytes, prot);
}

static uint64_t iova_to_phys(void* self, iommucheck_handle handle, uint64_t iova) {
  (void)self;
  shim_enter();
  return find(handle) == NULL ? 0 : lpae_find(find(handle), iova);
}

/* ---- masters ---- */

static smmu_master_attributes_t master_of(const struct iommucheck_device* device, uint32_t n) {
  const uint32_t most = g_smmu->ssid_bits;
  return (smmu_master_attributes_t){
      .streamid = device->stream_ids[n],
      .ssid_bits = device->ssid_bits < most ? device->ssid_bits : most,
      .stage2 = STAGE == 2};
}

static void leave(uint32_t device) {
  const struct iommucheck_device* config = suite.config->devices[device];
  if (suite.devices[device].table == 0) return;
  for (uint32_t n = 0; n < config->stream_id_count; ++n) val_smmu_unmap(master_of(config, n));
  --suite.tables[suite.devices[device].table - 1].devices;
  suite.devices[device].table = 0;
}

static int attach(void* self, iommucheck_handle handle, uint32_t device) {
  (void)self;
  shim_enter();
  if (device >= suite.config->device_count || !suite.devices[device].added)
    return -IOMMUCHECK_ENODEV;
  const struct lpae_tables* tables = find(handle);
  if (tables == NULL) return -IOMMUCHECK_EINVAL;
  if (suite.devices[device].table == handle) return 0;
  leave(device);
  suite.devices[device].table = handle;
  ++suite.tables[handle - 1].devices;
  const pgt_descriptor_t table = {.pgt_base = shim_pa(tables->root),
                                  .mair = LPAE_MAIR,
                                  .stage = STAGE == 2 ? PGT_STAGE2 : PGT_STAGE1,
                                  .tcr = {.ps = suite.oas < 6 ? suite.oas : 5,
                                          .sh = 3,
                                          .orgn = 1,
                                          .irgn = 1,
                                          .tsz = 64 - BITS,
                                          .sl = 1}};
  const struct iommucheck_device* config = suite.config->devices[device];
  for (uint32_t n = 0; n < config->stream_id_count; ++n) {
    if (val_smmu_map(master_of(config, n), table) != 0) return leave(device), -IOMMUCHECK_ENOMEM;
  }
  return 0;
}

static int detach(void* self, iommucheck_handle handle, uint32_t device) {
  (void)self;
  shim_enter();
  if (device >= suite.config->device_count || !suite.devices[device].added)
    return -IOMMUCHECK_ENODEV;
  if (find(handle) == NULL || suite.devices[device].table != handle) return -IOMMUCHECK_EINVAL;
  return leave(device), 0;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static const struct iommucheck_driver driver = {
      .size = sizeof driver,
      .abi = IOMMUCHECK_DRIVER_ABI,
      .name = "sysarch-acs smmu_v3",
      .flags = IOMMUCHECK_DRIVER_IDENTITY_MAPPED | IOMMUCHECK_DRIVER_NO_TIME_OUTS |
               IOMMUCHECK_DRIVER_NO_GROUPS | IOMMUCHECK_DRIVER_ALLOCATIONS_SLEEP |
               IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE | IOMMUCHECK_DRIVER_POLLS_EVENTS,
      .init = init,
      .reset = reset,
      .shutdown = shutdown,
      .handle_irq = handle_irq,
      .device_add = device_add,
      .domain_alloc = domain_alloc,
      .domain_free = domain_free,
      .domain_get_info = domain_get_info,
      .attach = attach,
      .detach = detach,
      .map = map,
      .iova_to_phys = iova_to_phys,
  };
  return &driver;
}
