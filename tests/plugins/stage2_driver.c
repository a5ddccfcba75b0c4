/* SPDX-License-Identifier: MIT
 * The example's driver, whose domains are of stage 2, as a hypervisor's are: what iommucheck does
 * not model must leave a run undecided, whatever the driver does there. It refuses an SMMU without
 * stage 2. -DTORN: Config comes before the other words, which is judged all the same. */
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

#define STE_STAGE2 (1u | 6u << 1)

static const struct iommucheck_driver* right(void) { return simple_driver_entry(); }

static int invalidate(struct driver* d, u64 stream) {
  int e;
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  e = command(d, 0x03 | stream << 32, 1); /* CFGI_STE */
  return e ? e : sync(d);
}

static int write_ste(struct driver* d, u64 stream, u64 vmid, const struct domain* domain) {
  const u64 ste = d->streams + 64 * stream;
  int e = 0;
#ifndef TORN
  put(d, ste, STE_BLOCKED);
  e = invalidate(d, stream);
#else
  put(d, ste, STE_STAGE2);
#endif
  /* S2VMID, S2T0SZ, S2SL0 = 1, write-back inner shareable walks, S2PS, S2AA64, S2R; S2TTB */
  put(d, ste + 16,
      vmid | (u64)(64 - INPUT_BITS) << 32 | 1ull << 38 | 1ull << 40 | 1ull << 42 | 3ull << 44 |
          (u64)d->output_size << 48 | 1ull << 51 | 1ull << 58);
  put(d, ste + 24, domain->root);
  if (!e) e = invalidate(d, stream);
  put(d, ste, STE_STAGE2);
  if (!e) e = invalidate(d, stream);
  if (!e) e = command(d, 0x28 | vmid << 32, 0); /* TLBI_S12_VMALL */
  return e ? e : sync(d);
}

static int wrong_reset(void* self) {
  struct driver* d = self;
  if (!(d->p->mmio_read32(d->p->ctx, 0) & 1)) return -IOMMUCHECK_ENODEV; /* IDR0.S2P */
  return right()->reset(self);
}

static int wrong_attach(void* self, iommucheck_handle handle, uint32_t device) {
  struct driver* d = self;
  u32 n;
  int e = 0;
  if (device >= DEVICES || !d->device[device].added || !find(d, handle) ||
      d->device[device].domain) {
    return right()->attach(self, handle, device);
  }
  ++find(d, handle)->devices;
  d->device[device].domain = handle;
  for (n = 0; !e && n < d->config->devices[device]->stream_id_count; ++n) {
    e = write_ste(d, d->config->devices[device]->stream_ids[n], handle, find(d, handle));
  }
  return e;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *right();
  driver.name = "stage-2";
  driver.flags |= IOMMUCHECK_DRIVER_NO_TIME_OUTS | IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE;
  driver.reset = wrong_reset;
  driver.attach = wrong_attach;
  return &driver;
}
