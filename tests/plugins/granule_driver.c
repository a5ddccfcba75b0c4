/* SPDX-License-Identifier: MIT
 * The example's driver with tables of KIB = 16 or 64: a root of level 2 and tables of level 3, each
 * of them several pages of 4 KiB. It refuses an SMMU without that granule. What such drivers get
 * wrong, one at a time:
 *   TG_4K        the invalidation by range names the granule of 4 KiB
 *   HALF         of an unmapped range the first half is invalidated
 *   FORGOTTEN    there is no invalidation
 *   NO_SYNC      nobody waits for it
 *   ZERO_4K      of a new table the first 4 KiB are zeroed before it is linked, the rest behind */
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

#if KIB == 16
enum { G_LG2 = 14, G_BITS = 36, G_TG0 = 2, G_TG = 2, G_IDR5 = 32 };
#else
enum { G_LG2 = 16, G_BITS = 39, G_TG0 = 1, G_TG = 3, G_IDR5 = 64 };
#endif
enum { IDR3 = 0x0c, IDR3_RIL = 1 << 10 };
#define G_PAGE ((u64)1 << G_LG2)
#define G_ENTRIES (G_PAGE / 8)
#define G_ROOT ((u64)8 << (G_BITS - (2 * G_LG2 - 3)))
#define G_ADDRESS (ADDRESS & ~(G_PAGE - 1))

static const struct iommucheck_driver* right(void) { return simple_driver_entry(); }

static u64 g_table(struct driver* d) {
#ifdef ZERO_4K
  u64 pa = 0;
  if (!d->p->table_alloc(d->p->ctx, G_PAGE, &pa)) return 0;
  zero(d, pa, PAGE);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  return pa;
#else
  return new_table(d, G_PAGE);
#endif
}

static void g_release(struct driver* d, struct domain* domain) {
  u64 i;
  for (i = 0; domain->root && i < G_ROOT / 8; ++i) {
    const u64 word = get(d, domain->root + 8 * i);
    if (word & 1) free_table(d, word & G_ADDRESS, G_PAGE);
  }
  free_table(d, domain->root, G_ROOT);
  free_table(d, domain->cd, PAGE);
  domain->used = 0;
}

static int g_alloc(void* self, const struct iommucheck_domain_params* params,
                   iommucheck_handle* handle) {
  struct driver* d = self;
  struct domain* domain = d->domain;
  u64 asid;
  if (params->kind < IOMMUCHECK_DOMAIN_PAGING || params->kind > IOMMUCHECK_DOMAIN_NESTED_PASID) {
    return -IOMMUCHECK_EINVAL;
  }
  if (params->kind != IOMMUCHECK_DOMAIN_PAGING) return IOMMUCHECK_NOT_BUILT;
  if (params->input_bits && params->input_bits != G_BITS) return IOMMUCHECK_NOT_BUILT;
  while (domain < d->domain + DOMAINS && domain->used) ++domain;
  if (domain == d->domain + DOMAINS) return -IOMMUCHECK_ENOSPC;
  asid = (u64)(domain - d->domain) + 1;
  domain->used = 1;
  domain->devices = 0;
  domain->root = new_table(d, G_ROOT);
  domain->cd = new_table(d, PAGE);
  if (!domain->root || !domain->cd) {
    g_release(d, domain);
    return -IOMMUCHECK_ENOMEM;
  }
  /* As the example's CD, with TG0. */
  put(d, domain->cd + 24, 0x04ff);
  put(d, domain->cd + 8, domain->root);
  put(d, domain->cd,
      (64 - G_BITS) | G_TG0 << 6 | 1u << 8 | 1u << 10 | 3u << 12 | 1u << 30 | 1u << 31 |
          (u64)d->output_size << 32 | 1ull << 41 | 7ull << 45 | asid << 48);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  *handle = asid;
  return 0;
}

static int g_free(void* self, iommucheck_handle handle) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  if (!domain) return -IOMMUCHECK_EINVAL;
  if (domain->devices) return -IOMMUCHECK_EBUSY;
  g_release(d, domain);
  return 0;
}

static int g_get_info(void* self, iommucheck_handle handle, struct iommucheck_domain_info* info) {
  const int e = right()->domain_get_info(self, handle, info);
  if (e) return e;
  info->input_bits = G_BITS;
  info->page_sizes = G_PAGE;
  return 0;
}

static int g_reset(void* self) {
  struct driver* d = self;
  if (!(d->p->mmio_read32(d->p->ctx, IDR5) & G_IDR5)) return -IOMMUCHECK_ENODEV;
  return right()->reset(self);
}

/* ---- map and unmap ------------------------------------------------------------------------- */

/* Of `pages` in a row: by range with TG and TTL = 3 where there is that, else one by one. */
static int g_invalidate(struct driver* d, u64 asid, u64 iova, u64 pages) {
  const int ranges = (d->p->mmio_read32(d->p->ctx, IDR3) & IDR3_RIL) != 0;
  u64 done = 0, n;
  int e = 0;
#ifdef HALF
  pages -= pages / 2;
#elif defined(FORGOTTEN)
  pages = 0;
#endif
  for (; !e && done < pages; done += n) {
    const u64 va = iova + (done << G_LG2);
    n = ranges && pages - done > 1 ? pages - done : 1;
    if (n > 32) n = 32;
#ifdef TG_4K
    e = command(d, 0x12 | (n - 1) << 12 | asid << 48, va | 1 | 3u << 8 | 1u << 10);
#else
    if (n == 1)
      e = command(d, 0x12 | asid << 48, va | 1);
    else
      e = command(d, 0x12 | (n - 1) << 12 | asid << 48, va | 1 | 3u << 8 | G_TG << 10);
#endif
  }
  return e;
}

static u64 g_slot(struct driver* d, struct domain* domain, u64 iova, int make) {
  const u64 slot = domain->root + 8 * (iova >> (2 * G_LG2 - 3));
  u64 table = get(d, slot) & ADDRESS;
  if (!(get(d, slot) & 1)) {
    if (!make || !(table = g_table(d))) return 0;
    put(d, slot, table | TABLE);
#ifdef ZERO_4K
    zero(d, table + PAGE, G_PAGE - PAGE);
#endif
  }
  return table + 8 * (iova >> G_LG2 & (G_ENTRIES - 1));
}

static struct iommucheck_result g_unmap(void* self, iommucheck_handle handle, u64 iova, u64 bytes) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  struct iommucheck_result result = {0, 0, 0};
  if (!domain || !bytes || (iova | bytes) % G_PAGE || !fits(iova, bytes, G_BITS)) return result;
  for (; result.bytes < bytes; result.bytes += G_PAGE) {
    const u64 slot = g_slot(d, domain, iova + result.bytes, 0);
    if (!slot || !(get(d, slot) & 1)) break;
    put(d, slot, 0);
  }
  result.error = g_invalidate(d, handle, iova, result.bytes >> G_LG2);
#ifndef NO_SYNC
  if (!result.error && result.bytes) result.error = sync(d);
#endif
  return result;
}

static int g_map(void* self, iommucheck_handle handle, u64 iova, u64 pa, u64 bytes, u32 prot) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  u64 leaf = LEAF, done;
  int e = 0;
  if (!domain || (iova | pa | bytes) % G_PAGE || !(prot & 7) || prot & ~31u) {
    return -IOMMUCHECK_EINVAL;
  }
  if (!bytes) return 0;
  if (!fits(iova, bytes, G_BITS) || !fits(pa, bytes, d->output_bits)) return -IOMMUCHECK_ERANGE;
  if (!(prot & IOMMUCHECK_PROT_WRITE)) leaf |= READ_ONLY;
  if (!(prot & IOMMUCHECK_PROT_EXEC)) leaf |= NEVER_EXECUTE;
  if (prot & IOMMUCHECK_PROT_PRIVILEGED) leaf &= ~(u64)UNPRIVILEGED;
  if (prot & IOMMUCHECK_PROT_DEVICE) leaf |= DEVICE_MEMORY;
  for (done = 0; !e && done < bytes; done += e ? 0 : G_PAGE) {
    const u64 slot = g_slot(d, domain, iova + done, 1);
    if (!slot)
      e = -IOMMUCHECK_ENOMEM;
    else if (get(d, slot) & 1)
      e = -IOMMUCHECK_EEXIST;
    if (!e) put(d, slot, (pa + done) | leaf);
  }
  if (e) g_unmap(d, handle, iova, done);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  return e;
}

static u64 g_iova_to_phys(void* self, iommucheck_handle handle, u64 iova) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  const u64 slot = domain && !(iova >> G_BITS) ? g_slot(d, domain, iova, 0) : 0;
  return slot && get(d, slot) & 1 ? (get(d, slot) & G_ADDRESS) | iova % G_PAGE : 0;
}

static int g_shutdown(void* self) {
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
    if (d->domain[i].used) g_release(d, &d->domain[i]);
  }
  return right()->shutdown(self);
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *right();
  driver.name = KIB == 16 ? "16 KiB" : "64 KiB";
  driver.flags |= IOMMUCHECK_DRIVER_NO_TIME_OUTS;
  driver.reset = g_reset;
  driver.shutdown = g_shutdown;
  driver.domain_alloc = g_alloc;
  driver.domain_free = g_free;
  driver.domain_get_info = g_get_info;
  driver.map = g_map;
  driver.unmap = g_unmap;
  driver.iova_to_phys = g_iova_to_phys;
  return &driver;
}
