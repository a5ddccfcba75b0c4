/* SPDX-License-Identifier: MIT
 * The example's driver, whose domains are of stage 2 alone, as a hypervisor's are: 40-bit
 * addresses, so that two tables of level 1 lie side by side; a VMID for each domain, its handle. It
 * refuses an SMMU without stage 2. What hypervisors get wrong, one at a time: TORN         Config
 * comes before the other words WRONG_VMID   the invalidation names the next VMID STAGE1_TLBI  it is
 * one of stage 1, by VA NO_SYNC      nobody waits for it FORGOTTEN    there is none SHORT_ROOT the
 * second of the tables side by side is somebody else's page LIVE_CHANGE  the table's place and VMID
 * change under a valid STE VMID_REUSED  a domain that goes leaves its translations to the next of
 * its VMID NOT_ORDERED  a new table is linked before its zeros are visible NESTED       Config
 * selects both stages, and there is no user whose the first is */
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

#ifdef NESTED
#define STE_STAGE2 (1u | 7u << 1)
#else
#define STE_STAGE2 (1u | 6u << 1)
#endif
enum { S2_BITS = 40, S2_ENTRIES = 2 * ENTRIES };
#ifdef SHORT_ROOT
enum { S2_ROOT = PAGE };
#else
enum { S2_ROOT = 2 * PAGE };
#endif
/* Normal write-back, readable, inner shareable, accessed; bit 7 lets write, XN = 2 nobody execute.
 */
#define S2_LEAF (3u | 15u << 2 | 1u << 6 | 3u << 8 | 1u << 10)
#define S2_WRITABLE (1u << 7)
#define S2_NEVER_EXECUTE (2ull << 53)
#define S2_DEVICE (1u << 2) /* nGnRE, in the place of MemAttr = 15 */

static const struct iommucheck_driver* right(void) { return simple_driver_entry(); }

static int s2_fits(u64 start, u64 bytes, u32 bits) { return fits(start, bytes, bits); }

static u64 s2_table(struct driver* d, u64 bytes) {
#ifdef NOT_ORDERED
  u64 pa = 0;
  if (!d->p->table_alloc(d->p->ctx, bytes, &pa)) return 0;
  zero(d, pa, bytes);
  return pa;
#else
  return new_table(d, bytes);
#endif
}

static void s2_release(struct driver* d, struct domain* domain) {
  u64 i;
  for (i = 0; domain->root && i < S2_ROOT / 8; ++i) {
    const u64 word = get(d, domain->root + 8 * i);
    if (word & 1) free_tree(d, word & ADDRESS, 2);
  }
  free_table(d, domain->root, S2_ROOT);
  domain->used = 0;
}

static int s2_alloc(void* self, const struct iommucheck_domain_params* params,
                    iommucheck_handle* handle) {
  struct driver* d = self;
  struct domain* domain = d->domain;
  if (params->kind < IOMMUCHECK_DOMAIN_PAGING || params->kind > IOMMUCHECK_DOMAIN_NESTED_PASID) {
    return -IOMMUCHECK_EINVAL;
  }
  if (params->kind != IOMMUCHECK_DOMAIN_PAGING) return IOMMUCHECK_NOT_BUILT;
  if (params->input_bits && params->input_bits != S2_BITS) return IOMMUCHECK_NOT_BUILT;
  while (domain < d->domain + DOMAINS && domain->used) ++domain;
  if (domain == d->domain + DOMAINS) return -IOMMUCHECK_ENOSPC;
  domain->devices = 0;
  domain->root = new_table(d, S2_ROOT);
  domain->cd = 0;
  if (!domain->root) return -IOMMUCHECK_ENOMEM;
  domain->used = 1;
  *handle = (u64)(domain - d->domain) + 1;
  return 0;
}

static int s2_free(void* self, iommucheck_handle handle) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  if (!domain) return -IOMMUCHECK_EINVAL;
  if (domain->devices) return -IOMMUCHECK_EBUSY;
  s2_release(d, domain);
  return 0;
}

static int s2_get_info(void* self, iommucheck_handle handle, struct iommucheck_domain_info* info) {
  const int e = right()->domain_get_info(self, handle, info);
  if (!e) info->input_bits = S2_BITS;
  return e;
}

/* ---- streams ------------------------------------------------------------------------------- */

static int invalidate(struct driver* d, u64 stream) {
  int e;
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  e = command(d, 0x03 | stream << 32, 1); /* CFGI_STE */
  return e ? e : sync(d);
}

static int write_ste(struct driver* d, u64 stream, u64 vmid, const struct domain* domain) {
  const u64 ste = d->streams + 64 * stream;
  int e = 0;
#ifdef TORN
  put(d, ste, STE_STAGE2);
#elif !defined(LIVE_CHANGE)
  put(d, ste, STE_BLOCKED);
  e = invalidate(d, stream);
#endif
  if (!domain) {
    put(d, ste, STE_BLOCKED);
    return invalidate(d, stream);
  }
  /* S2VMID, S2T0SZ, S2SL0 = 1, write-back inner shareable walks, S2PS, S2AA64, S2R; S2TTB */
  put(d, ste + 16,
      vmid | (u64)(64 - S2_BITS) << 32 | 1ull << 38 | 1ull << 40 | 1ull << 42 | 3ull << 44 |
          (u64)d->output_size << 48 | 1ull << 51 | 1ull << 58);
  put(d, ste + 24, domain->root);
  if (!e) e = invalidate(d, stream);
  put(d, ste, STE_STAGE2);
  return e ? e : invalidate(d, stream);
}

static int s2_move(struct driver* d, u32 device, iommucheck_handle handle) {
  const struct iommucheck_device* config = d->config->devices[device];
  const iommucheck_handle old = d->device[device].domain;
  u32 n;
  int e = 0;
  for (n = 0; !e && n < config->stream_id_count; ++n) {
    e = write_ste(d, config->stream_ids[n], handle, find(d, handle));
  }
  if (find(d, old)) --find(d, old)->devices;
  if (find(d, handle)) ++find(d, handle)->devices;
  d->device[device].domain = handle;
#ifndef VMID_REUSED
  if (!e && old) e = command(d, 0x28 | old << 32, 0); /* TLBI_S12_VMALL */
  if (!e && old) e = sync(d);
#endif
  return e;
}

static int s2_attach(void* self, iommucheck_handle handle, u32 device) {
  struct driver* d = self;
  if (device >= DEVICES || !d->device[device].added) return -IOMMUCHECK_ENODEV;
  if (!find(d, handle)) return -IOMMUCHECK_EINVAL;
  return d->device[device].domain == handle ? 0 : s2_move(d, device, handle);
}

static int s2_detach(void* self, iommucheck_handle handle, u32 device) {
  struct driver* d = self;
  if (device >= DEVICES || !d->device[device].added) return -IOMMUCHECK_ENODEV;
  if (!find(d, handle) || d->device[device].domain != handle) return -IOMMUCHECK_EINVAL;
  return s2_move(d, device, 0);
}

static int s2_reset(void* self) {
  struct driver* d = self;
  u32 i;
  if (!(d->p->mmio_read32(d->p->ctx, IDR0) & 1)) return -IOMMUCHECK_ENODEV; /* IDR0.S2P */
  /* IDR5.OAS: fewer than the 39 bits of its tables (S2T0SZ = 25) are 32 and 36. */
  if ((d->p->mmio_read32(d->p->ctx, IDR5) & 7) < 2) return -IOMMUCHECK_ENODEV;
  for (i = 0; i < DEVICES; ++i) d->device[i].domain = 0;
  return right()->reset(self);
}

/* ---- map and unmap ------------------------------------------------------------------------- */

static u64 s2_slot(struct driver* d, struct domain* domain, u64 iova, int make) {
  u64 slot = domain->root + 8 * (iova >> 30), table;
  int shift;
#ifdef SHORT_ROOT
  slot = domain->root + 8 * (iova >> 30 & (ENTRIES - 1));
#endif
  for (shift = 21; shift >= 12; shift -= 9) {
    table = get(d, slot) & ADDRESS;
    if (!(get(d, slot) & 1)) {
      if (!make || !(table = s2_table(d, PAGE))) return 0;
      put(d, slot, table | TABLE);
    }
    slot = table + 8 * (iova >> shift & (ENTRIES - 1));
  }
  return slot;
}

static struct iommucheck_result s2_unmap(void* self, iommucheck_handle handle, u64 iova,
                                         u64 bytes) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  struct iommucheck_result result = {0, 0, 0};
  u64 page;
  if (!domain || !bytes || (iova | bytes) % PAGE || !s2_fits(iova, bytes, S2_BITS)) return result;
  for (; result.bytes < bytes; result.bytes += PAGE) {
    const u64 slot = s2_slot(d, domain, iova + result.bytes, 0);
    if (!slot || !(get(d, slot) & 1)) break;
    put(d, slot, 0);
  }
  for (page = 0; !result.error && page < result.bytes; page += PAGE) {
#ifdef WRONG_VMID
    result.error = command(d, 0x2a | (handle + 1) << 32, (iova + page) | 1);
#elif defined(STAGE1_TLBI)
    result.error = command(d, 0x13 | handle << 32, (iova + page) | 1); /* TLBI_NH_VAA */
#elif !defined(FORGOTTEN)
    result.error = command(d, 0x2a | handle << 32, (iova + page) | 1); /* TLBI_S2_IPA */
#endif
  }
#ifndef NO_SYNC
  if (!result.error && result.bytes) result.error = sync(d);
#endif
  return result;
}

static int s2_map(void* self, iommucheck_handle handle, u64 iova, u64 pa, u64 bytes, u32 prot) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  u64 leaf = S2_LEAF, done;
  int e = 0;
  if (!domain || (iova | pa | bytes) % PAGE || !(prot & 7) || prot & ~31u) {
    return -IOMMUCHECK_EINVAL;
  }
  if (!bytes) return 0;
  if (!s2_fits(iova, bytes, S2_BITS) || !s2_fits(pa, bytes, d->output_bits)) {
    return -IOMMUCHECK_ERANGE;
  }
  if (prot & IOMMUCHECK_PROT_WRITE) leaf |= S2_WRITABLE;
  if (!(prot & IOMMUCHECK_PROT_EXEC)) leaf |= S2_NEVER_EXECUTE;
  if (prot & IOMMUCHECK_PROT_DEVICE) leaf = (leaf & ~(u64)(15u << 2)) | S2_DEVICE;
  for (done = 0; !e && done < bytes; done += e ? 0 : PAGE) {
    const u64 slot = s2_slot(d, domain, iova + done, 1);
    if (!slot)
      e = -IOMMUCHECK_ENOMEM;
    else if (get(d, slot) & 1)
      e = -IOMMUCHECK_EEXIST;
    if (!e) put(d, slot, (pa + done) | leaf);
  }
  if (e) s2_unmap(d, handle, iova, done);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  return e;
}

static u64 s2_iova_to_phys(void* self, iommucheck_handle handle, u64 iova) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  const u64 slot = domain && !(iova >> S2_BITS) ? s2_slot(d, domain, iova, 0) : 0;
  return slot && get(d, slot) & 1 ? (get(d, slot) & ADDRESS) | iova % PAGE : 0;
}

static int s2_shutdown(void* self) {
  struct driver* d = self;
  u32 i;
  int e;
  if (d->ring) {
    if ((e = write_cr0(d, CR0_CMDQEN)) || (e = command(d, 0x04, 31)) || (e = sync(d)) ||
        (e = command(d, 0x30, 0)) || (e = sync(d)) || (e = write_cr0(d, 0))) {
      return e;
    }
  }
  for (i = 0; i < DOMAINS; ++i) {
    if (d->domain[i].used) s2_release(d, &d->domain[i]);
  }
  for (i = 0; i < DEVICES; ++i) d->device[i].added = 0, d->device[i].domain = 0;
  free_table(d, d->streams, stream_table_bytes(d));
  free_table(d, d->ring, PAGE);
  d->streams = d->ring = 0;
  return 0;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *right();
  driver.name = "stage-2";
  driver.flags |= IOMMUCHECK_DRIVER_NO_TIME_OUTS;
  driver.reset = s2_reset;
  driver.shutdown = s2_shutdown;
  driver.domain_alloc = s2_alloc;
  driver.domain_free = s2_free;
  driver.domain_get_info = s2_get_info;
  driver.attach = s2_attach;
  driver.detach = s2_detach;
  driver.map = s2_map;
  driver.unmap = s2_unmap;
  driver.iova_to_phys = s2_iova_to_phys;
  return &driver;
}
