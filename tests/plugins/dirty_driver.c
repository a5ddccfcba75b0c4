/* SPDX-License-Identifier: MIT
 * The example's driver, which also tells what devices have written: HD and HA in its CDs, DBM in
 * leaves of a domain that is tracked, bit 7 of which the SMMU clears when it writes. What can be
 * wrong with that, one at a time:
 *   NO_TLBI      a clear leaves the TLB with entries that are dirty already
 *   NO_SYNC      marks are read that may not have arrived
 *   LATER_PAGES  what is mapped while a domain is tracked is not */
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

#define CD_HD_HA (3ull << 42)
#define DBM (1ull << 51)

static int tracked[DOMAINS]; /* by handle - 1 */

static const struct iommucheck_driver* right(void) { return simple_driver_entry(); }

static int marks(struct driver* d) {
  return (d->p->mmio_read32(d->p->ctx, IDR0) >> 6 & 3) >= 2; /* IDR0.HTTU */
}

static int is_writable(u64 leaf) { return (leaf & DBM) || !(leaf & READ_ONLY); }

/* The SMMU may change the word meanwhile: it is exchanged as it is then. What was there. */
static u64 change(struct driver* d, u64 slot, u64 clear, u64 set) {
  u64 word = d->p->load64(d->p->ctx, slot);
  int tries = 4;
  for (; tries; --tries) {
    const u64 next = (word & ~clear) | set;
    const u64 seen = d->p->atomic(d->p->ctx, IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE, slot, 8, next,
                                  word, IOMMUCHECK_ORDERED, 0);
    if (seen == word) break;
    word = seen;
  }
  return word;
}

static void each_leaf(struct driver* d, u64 table, int level, int on) {
  u64 i;
  for (i = 0; i < ENTRIES; ++i) {
    const u64 slot = table + 8 * i, word = get(d, slot);
    if (!(word & 1)) continue;
    if (level < 3)
      each_leaf(d, word & ADDRESS, level + 1, on);
    else if (is_writable(word))
      change(d, slot, on ? 0 : DBM | READ_ONLY, on ? DBM | READ_ONLY : 0);
  }
}

static int dirty_set(void* self, iommucheck_handle handle, int on) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  if (!domain) return -IOMMUCHECK_EINVAL;
  if (!marks(d)) return -IOMMUCHECK_EOPNOTSUPP;
  if (tracked[handle - 1] == !!on) return 0;
  each_leaf(d, domain->root, 1, on);
  tracked[handle - 1] = !!on;
  return tlbi_asid(d, handle); /* entries that were writable before */
}

static int dirty_read(void* self, iommucheck_handle handle, u64 iova, u64 bytes, u64 grain,
                      int clear, u64* bitmap) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  u64 at;
  int cleared = 0, e;
  if (!domain) return -IOMMUCHECK_EINVAL;
  if (!marks(d)) return -IOMMUCHECK_EOPNOTSUPP;
  if (!tracked[handle - 1] || grain < PAGE || grain & (grain - 1) || !bytes ||
      (iova | bytes) & (grain - 1)) {
    return -IOMMUCHECK_EINVAL;
  }
  if (!fits(iova, bytes, INPUT_BITS)) return -IOMMUCHECK_ERANGE;
#ifndef NO_SYNC
  if ((e = sync(d))) return e; /* IHI 0070 3.13.4: behind it the marks are there */
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_MB);
#else
  (void)e;
#endif
  for (at = 0; at < bytes / grain; at += 64) bitmap[at / 64] = 0;
  for (at = iova; at - iova < bytes; at += PAGE) {
    const u64 slot = find_slot(d, domain, at, 0);
    u64 word;
    if (!slot) continue;
    word = d->p->load64(d->p->ctx, slot);
    if (!(word & 1) || !(word & DBM) || word & READ_ONLY) continue;
    bitmap[(at - iova) / grain / 64] |= 1ull << ((at - iova) / grain % 64);
    if (clear) change(d, slot, 0, READ_ONLY), cleared = 1;
  }
#ifdef NO_TLBI
  (void)cleared;
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  return 0;
#else
  return cleared ? tlbi_asid(d, handle) : 0;
#endif
}

static int dirty_alloc(void* self, const struct iommucheck_domain_params* params,
                       iommucheck_handle* handle) {
  struct driver* d = self;
  const int e = right()->domain_alloc(self, params, handle);
  if (e) return e;
  tracked[*handle - 1] = 0;
  if (!marks(d)) return 0;
  put(d, find(d, *handle)->cd, get(d, find(d, *handle)->cd) | CD_HD_HA);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  return 0;
}

static int dirty_map(void* self, iommucheck_handle handle, u64 iova, u64 pa, u64 bytes, u32 prot) {
  struct driver* d = self;
  const int e = right()->map(self, handle, iova, pa, bytes, prot);
#ifndef LATER_PAGES
  /* Nobody is told of the range before it returns, but a device may write there all the same: what
   * it has cached by then it forgets. */
  u64 at;
  if (e || !bytes || !tracked[handle - 1] || !(prot & IOMMUCHECK_PROT_WRITE)) return e;
  for (at = iova; at - iova < bytes; at += PAGE) {
    change(d, find_slot(d, find(d, handle), at, 0), 0, DBM | READ_ONLY);
  }
  return tlbi_asid(d, handle);
#else
  (void)d;
  return e;
#endif
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *right();
  driver.name = "dirty";
  driver.flags |= IOMMUCHECK_DRIVER_NO_TIME_OUTS;
  driver.domain_alloc = dirty_alloc;
  driver.map = dirty_map;
  driver.dirty_set = dirty_set;
  driver.dirty_read = dirty_read;
  return &driver;
}
