/* SPDX-License-Identifier: MIT
 * The example's driver with ATS, which it leaves in the order that Linux 6.1 has: off at the
 * device, CMD_ATC_INV, then the stream table entry. That is right because the device asks no more,
 * so it has to be told: -DUNTOLD does not. -DFORGET_THE_ATC: an unmap leaves what devices have
 * cached. */
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

static const struct iommucheck_driver* right(void) { return simple_driver_entry(); }

#define STE_EATS (1ull << 28) /* word 1: full ATS */

static int can_ats(const struct driver* d, uint32_t device) {
  return d->config->devices[device]->flags & IOMMUCHECK_DEVICE_ATS ? 1 : 0;
}

static void tell(struct driver* d, uint32_t device, uint32_t on) {
#ifndef UNTOLD
  if (can_ats(d, device)) d->p->ats_enable(d->p->ctx, device, on);
#else
  (void)d, (void)device, (void)on;
#endif
}

/* All that the device has cached. */
static int empty(struct driver* d, uint32_t device) {
  const struct iommucheck_device* config = d->config->devices[device];
  int e = 0;
  uint32_t n;
  if (!can_ats(d, device)) return 0;
  for (n = 0; !e && n < config->stream_id_count; ++n) {
    e = command(d, 0x40 | (uint64_t)config->stream_ids[n] << 32, 52); /* ATC_INV */
  }
  return e ? e : sync(d);
}

static int with_ats_reset(void* self) {
  struct driver* d = self;
  uint32_t i;
  for (i = 0; i < d->config->device_count && i < DEVICES; ++i) tell(d, i, 0);
  return right()->reset(self);
}

static int with_ats_add(void* self, uint32_t device) {
  struct driver* d = self;
  const int e = right()->device_add(self, device);
  uint32_t n;
  if (e) return e;
  tell(d, device, 0);
  for (n = 0; can_ats(d, device) && n < d->config->devices[device]->stream_id_count; ++n) {
    const uint64_t word1 = d->streams + 64ull * d->config->devices[device]->stream_ids[n] + 8;
    put(d, word1, get(d, word1) | STE_EATS); /* of an STE that blocks: ignored until an attach */
  }
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  return 0;
}

/* From domain to domain by way of none. */
static int leave(struct driver* d, uint32_t device) {
  tell(d, device, 0);
  return empty(d, device);
}

static int with_ats_attach(void* self, iommucheck_handle domain, uint32_t device) {
  struct driver* d = self;
  const int is_good = device < DEVICES && d->device[device].added && find(d, domain);
  int e = 0;
  if (is_good && d->device[device].domain == domain) return 0;
  if (is_good && d->device[device].domain) {
    e = leave(d, device);
    if (!e) e = right()->detach(self, d->device[device].domain, device);
  }
  if (!e) e = right()->attach(self, domain, device);
  if (!e) tell(d, device, 1);
  return e;
}

static int with_ats_detach(void* self, iommucheck_handle domain, uint32_t device) {
  struct driver* d = self;
  const int is_good = device < DEVICES && d->device[device].added;
  int e = 0;
  if (is_good && domain && d->device[device].domain == domain) e = leave(d, device);
  return e ? e : right()->detach(self, domain, device);
}

/* All that is on the domain. */
static int empty_all(struct driver* d, iommucheck_handle domain) {
  int e = 0;
  uint32_t i;
  for (i = 0; !e && i < d->config->device_count && i < DEVICES; ++i) {
    if (d->device[i].added && d->device[i].domain == domain) e = empty(d, i);
  }
  return e;
}

/* One that fails takes back what it has mapped. */
static int with_ats_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                        uint64_t bytes, uint32_t prot) {
  const int error = right()->map(self, domain, iova, pa, bytes, prot);
  if (error && find(self, domain)) empty_all(self, domain);
  return error;
}

static struct iommucheck_result with_ats_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                               uint64_t bytes) {
  struct driver* d = self;
  struct iommucheck_result result = right()->unmap(self, domain, iova, bytes);
#ifndef FORGET_THE_ATC
  if (!result.error && find(d, domain)) result.error = empty_all(d, domain);
#else
  (void)d;
#endif
  return result;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *right();
  driver.name = "ats";
  driver.flags |= IOMMUCHECK_DRIVER_NO_TIME_OUTS | IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE;
  driver.reset = with_ats_reset;
  driver.device_add = with_ats_add;
  driver.attach = with_ats_attach;
  driver.detach = with_ats_detach;
  driver.map = with_ats_map;
  driver.unmap = with_ats_unmap;
  return &driver;
}
