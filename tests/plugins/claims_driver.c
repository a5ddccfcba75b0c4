/* SPDX-License-Identifier: MIT
 * The example's driver with one thing wrong that nobody meets who does not ask for it, as BREAKS_*
 * says; -DNOT_CLAIMED=FLAGS: it says of itself what it does not claim. */
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

#ifndef NOT_CLAIMED
#define NOT_CLAIMED 0
#endif

static const struct iommucheck_driver* right(void) { return simple_driver_entry(); }

#if defined(BREAKS_time_outs)
/* A queue that is stuck is taken for one that is done. */
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  struct iommucheck_result result = right()->unmap(self, domain, iova, bytes);
  result.error = 0;
  return result;
}
#elif defined(BREAKS_memory_type)
static int wrong_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                     uint64_t bytes, uint32_t prot) {
  return right()->map(self, domain, iova, pa, bytes, prot & ~IOMMUCHECK_PROT_DEVICE);
}
#elif defined(BREAKS_execution)
static int wrong_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                     uint64_t bytes, uint32_t prot) {
  const int asks = (prot & (IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE)) != 0;
  return right()->map(self, domain, iova, pa, bytes, asks ? prot | IOMMUCHECK_PROT_EXEC : prot);
}
#elif defined(BREAKS_addresses)
/* It looks at one of the two. */
static int wrong_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                     uint64_t bytes, uint32_t prot) {
  (void)iova;
  return right()->map(self, domain, pa, pa, bytes, prot);
}
#elif defined(BREAKS_moves)
/* A device that is on a domain stays there, whatever is asked for. */
static int wrong_attach(void* self, iommucheck_handle domain, uint32_t device) {
  struct driver* d = self;
  const int is_good = device < DEVICES && d->device[device].added && find(d, domain);
  if (is_good && d->device[device].domain) return 0;
  return right()->attach(self, domain, device);
}
#elif defined(BREAKS_ranges)
/* What is mapped is replaced. */
static int wrong_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                     uint64_t bytes, uint32_t prot) {
  const int error = right()->map(self, domain, iova, pa, bytes, prot);
  if (error != -IOMMUCHECK_EEXIST) return error;
  right()->unmap(self, domain, iova, bytes);
  return right()->map(self, domain, iova, pa, bytes, prot);
}
#elif defined(BREAKS_unrolling)
/* Page by page, and what is mapped stays. */
static int wrong_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                     uint64_t bytes, uint32_t prot) {
  const struct driver* d = self;
  uint64_t done;
  int error = 0;
  const int is_good = (iova | pa | bytes) % PAGE == 0 && bytes != 0 && bytes <= 1024 * PAGE;
  if (!is_good || !fits(iova, bytes, INPUT_BITS) || !fits(pa, bytes, d->output_bits)) {
    return right()->map(self, domain, iova, pa, bytes, prot);
  }
  for (done = 0; !error && done < bytes; done += PAGE) {
    error = right()->map(self, domain, iova + done, pa + done, PAGE, prot);
  }
  return error;
}
#elif defined(BREAKS_short_memory)
static int wrong_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                     uint64_t bytes, uint32_t prot) {
  const int error = right()->map(self, domain, iova, pa, bytes, prot);
  return error == -IOMMUCHECK_ENOMEM ? -IOMMUCHECK_EBUSY : error;
}
#elif defined(BREAKS_no_domain_alloc)
static int wrong_alloc(void* self, const struct iommucheck_domain_params* params,
                       iommucheck_handle* handle) {
  (void)self;
  (void)params;
  (void)handle;
  return IOMMUCHECK_NOT_BUILT;
}
#elif defined(BREAKS_no_map)
static int wrong_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                     uint64_t bytes, uint32_t prot) {
  (void)self, (void)domain, (void)iova, (void)pa, (void)bytes, (void)prot;
  return IOMMUCHECK_NOT_BUILT;
}
#elif defined(BREAKS_refuses_map)
/* What makes no sense is refused, and all else is not built: nothing is ever mapped. */
static int wrong_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                     uint64_t bytes, uint32_t prot) {
  (void)self, (void)domain;
  if ((iova | pa | bytes) % PAGE || !(prot & 7)) return -IOMMUCHECK_EINVAL;
  return IOMMUCHECK_NOT_BUILT;
}
#elif defined(BREAKS_structures)
/* Reads two registers of an output queue as one. */
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  struct driver* d = self;
  d->p->mmio_read64(d->p->ctx, 0x100a8);
  return right()->unmap(self, domain, iova, bytes);
}
#elif defined(BREAKS_blocking)
/* Whoever is on no domain passes: Config = 4, with the shareability that it came with. */
#define STE_PASSES (1u | 4u << 1)
static int let_pass(struct driver* d, uint64_t stream) {
  int e;
  put(d, d->streams + 64 * stream, STE_PASSES);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  e = command(d, 0x03 | stream << 32, 1); /* CFGI_STE */
  return e ? e : sync(d);
}
static int wrong_reset(void* self) {
  struct driver* d = self;
  uint64_t i;
  int e = right()->reset(self);
#ifdef TWO_AT_BOOT
  d->p->mmio_read64(d->p->ctx, 0x100a8); /* two registers of an output queue as one */
#endif
  for (i = 0; !e && i < (uint64_t)1 << d->streams_lg2; ++i) {
    put(d, d->streams + 64 * i + 8, get(d, d->streams + 64 * i + 8) | 1ull << 44);
    e = let_pass(d, i);
  }
  return e;
}
static int wrong_detach(void* self, iommucheck_handle domain, uint32_t device) {
  struct driver* d = self;
  uint32_t n;
  int e = right()->detach(self, domain, device);
  for (n = 0; !e && n < d->config->devices[device]->stream_id_count; ++n) {
    e = let_pass(d, d->config->devices[device]->stream_ids[n]);
  }
  return e;
}
#ifdef ALL_PASS
static int wrong_attach(void* self, iommucheck_handle domain, uint32_t device) {
  struct driver* d = self;
  uint32_t n;
  int e = right()->attach(self, domain, device);
  for (n = 0; !e && n < d->config->devices[device]->stream_id_count; ++n) {
    e = let_pass(d, d->config->devices[device]->stream_ids[n]);
  }
  return e;
}
#endif
#elif defined(BREAKS_behind)
/* Where something was unmapped while a device was on the domain, what is mapped then can be
 * written. With FORGET_THE_INVALIDATION that is behind another finding, always. */
static int unmapped_live;
static struct iommucheck_result wrong_unmap(void* self, iommucheck_handle domain, uint64_t iova,
                                            uint64_t bytes) {
  const struct driver* d = self;
  const struct iommucheck_result result = right()->unmap(self, domain, iova, bytes);
  for (int i = 0; i < DEVICES; ++i) {
    unmapped_live |= !result.error && result.bytes && d->device[i].domain == domain;
  }
  return result;
}
static int wrong_map(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa,
                     uint64_t bytes, uint32_t prot) {
  return right()->map(self, domain, iova, pa, bytes,
                      unmapped_live ? prot | IOMMUCHECK_PROT_WRITE : prot);
}
#endif

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *right();
  driver.name = "claims";
  driver.flags |= NOT_CLAIMED;
#if defined(BREAKS_time_outs) || defined(BREAKS_structures)
  driver.unmap = wrong_unmap;
#elif defined(BREAKS_moves)
  driver.attach = wrong_attach;
#elif defined(BREAKS_no_domain_alloc)
  driver.domain_alloc = wrong_alloc;
#elif defined(BREAKS_no_domain_free) /* not wrong: its domains are there for ever */
  driver.domain_free = 0;
#elif defined(BREAKS_blocking)
  driver.reset = wrong_reset;
  driver.detach = wrong_detach;
#ifdef NO_SHUTDOWN
  driver.shutdown = 0;
#endif
#ifdef ALL_PASS
  driver.attach = wrong_attach;
#endif
#elif defined(BREAKS_behind)
  driver.unmap = wrong_unmap;
  driver.map = wrong_map;
#elif !defined(BREAKS_domains) && !defined(BREAKS_groups) /* those are the example as it is */
  driver.map = wrong_map;
#endif
  return &driver;
}
