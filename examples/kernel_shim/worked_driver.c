/* SPDX-License-Identifier: MIT
 * A driver on top of the shim, as small as can be: it brings an SMMUv3 up and denies everything to
 * all devices. Plain stores through plain pointers: `iommucheck cc` sees each of them.
 *
 *     iommucheck cc -O2 -shared -o worked.so worked_driver.c kernel_shim.c
 *     iommucheck check --driver ./worked.so
 */
#include "kernel_shim.h"

enum { IDR0 = 0, IDR1 = 0x04, CR0 = 0x20, CR0ACK = 0x24, CR1 = 0x28, CR2 = 0x2c, GBPA = 0x44 };
enum { STRTAB_BASE = 0x80, STRTAB_BASE_CFG = 0x88, CMDQ_BASE = 0x90, CMDQ_PROD = 0x98 };
enum { CMDQ_CONS = 0x9c, RING_LG2 = 4, STE_DENY = 1 /* V, Config = 0: terminated */ };

static struct {
  const struct iommucheck_config* config;
  volatile uint64_t *streams, *ring;
  uint32_t streams_lg2, prod;
  struct shim_lock queue_lock;
} smmu = {.queue_lock = {.name = "queue"}};

static int poll(uint64_t offset, uint32_t mask, uint32_t value) {
  const uint64_t end = shim_now_us() + 100000;
  while ((shim_read32(offset) & mask) != value) {
    if (shim_now_us() > end) return -IOMMUCHECK_ETIMEDOUT;
  }
  return 0;
}

/* One command and a CMD_SYNC: two slots, so the ring is never full. */
static int command(uint64_t word0, uint64_t word1) {
  const uint64_t words[4] = {word0, word1, 0x46, 0};
  shim_lock(&smmu.queue_lock);
  for (int i = 0; i < 4; ++i)
    smmu.ring[(2 * (uint64_t)smmu.prod + (unsigned)i) % (2u << RING_LG2)] = words[i];
  shim_clean(smmu.ring, (size_t)16 << RING_LG2); /* nothing where fetches are coherent */
  smmu.prod = (smmu.prod + 2) % (2u << RING_LG2);
  shim_write32(CMDQ_PROD, smmu.prod, 1);
  const int error = poll(CMDQ_CONS, (2u << RING_LG2) - 1, smmu.prod);
  return shim_unlock(&smmu.queue_lock), error;
}

static int init(const struct iommucheck_platform* platform, const struct iommucheck_config* config,
                void** self) {
  uint64_t all = 0;
  shim_begin(platform, 0);
  smmu.config = config;
  if ((shim_read32(IDR1) >> 21 & 31) < RING_LG2) return -IOMMUCHECK_ENODEV;
  for (uint32_t i = 0; i < config->device_count; ++i) {
    const struct iommucheck_device* device = config->devices[i];
    for (uint32_t n = 0; n < device->stream_id_count; ++n) all |= device->stream_ids[n];
  }
  while (all >> smmu.streams_lg2 != 0) ++smmu.streams_lg2;
  *self = &smmu;
  return smmu.streams_lg2 > 16 ? -IOMMUCHECK_ENODEV : 0;
}

static int reset(void* self) {
  uint64_t streams = 0, ring = 0;
  const uint32_t on = 8 | (shim_read32(IDR0) >> 10 & 1) << 4; /* CMDQEN; ATSCHK if there is ATS */
  int error;
  (void)self, shim_enter();
  smmu.streams =
      shim_dma_alloc((size_t)64 << smmu.streams_lg2, (size_t)64 << smmu.streams_lg2, 1, &streams);
  smmu.ring = shim_dma_alloc((size_t)16 << RING_LG2, 0, 1, &ring);
  if (smmu.streams == NULL || smmu.ring == NULL) return -IOMMUCHECK_ENOMEM;
  for (uint64_t i = 0; i < (uint64_t)1 << smmu.streams_lg2; ++i) smmu.streams[8 * i] = STE_DENY;
  shim_clean(smmu.streams, (size_t)64 << smmu.streams_lg2);
  shim_write32(GBPA, 1u << 31 | 1u << 20, 1); /* ABORT: nothing passes while it is off */
  if ((error = poll(GBPA, 1u << 31, 0)) != 0) return error;
  shim_write32(CR0, 0, 1);
  if ((error = poll(CR0ACK, ~0u, 0)) != 0) return error;
  shim_write32(CR1, 0xd75, 0);
  shim_write32(CR2, 6, 0);
  shim_write64(STRTAB_BASE, streams, 0);
  shim_write32(STRTAB_BASE_CFG, smmu.streams_lg2, 0);
  shim_write64(CMDQ_BASE, ring | RING_LG2, 0);
  shim_write32(CMDQ_PROD, smmu.prod = 0, 0);
  shim_write32(CMDQ_CONS, 0, 0);
  shim_write32(CR0, on, 1);
  if ((error = poll(CR0ACK, ~0u, on)) != 0) return error;
  /* CFGI_ALL, TLBI_NSNH_ALL */
  if ((error = command(0x04, 31)) != 0 || (error = command(0x30, 0)) != 0) return error;
  shim_write32(CR0, on | 1, 1);
  return poll(CR0ACK, ~0u, on | 1);
}

static int device_add(void* self, uint32_t device) {
  return (void)self, device < smmu.config->device_count ? 0 : -IOMMUCHECK_EINVAL;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static const struct iommucheck_driver driver = {.size = sizeof driver,
                                                  .abi = IOMMUCHECK_DRIVER_ABI,
                                                  .name = "worked",
                                                  .init = init,
                                                  .reset = reset,
                                                  .device_add = device_add};
  return &driver;
}
