/* SPDX-License-Identifier: MIT
 *
 * lazysva: 64 KiB granule, linear CD table a device, processes by stalls, CMD_SYNC by message,
 * commands in batches, lazy invalidation (unmap_fast gathers, iotlb_sync flushes).
 * Stores go through pointers, as a kernel driver's do (`iommucheck cc`).
 * Written from the documents alone by somebody who had not seen another one. -DBUG=n makes a
 * mistake, each of which is named where it is; 14 is none, since what is tried again is
 * terminated then. */
#include <string.h>
#include "iommucheck/driver.h"
#ifndef BUG
#define BUG 0
#endif
typedef uint64_t u64;
typedef uint32_t u32;
#define SZ64K 0x10000ull
#define OA64 0x0000ffffffff0000ull
#define IAS 42
#define NDOM 24
#define NDEV 32
#define NMM 32
#define NBOND 64
#define NPASID 4096
#define CB 62

struct dom {
  int used;
  u32 asid, users;
  u64 root;
  u64 lo, hi;
  int pending;
};
struct mmctx {
  u64 mm;
  u32 asid, bonds, pasid;
  u64 ttb, mair;
  u32 bits;
  int dying;
};
struct bond {
  int used;
  u32 dev, pasid, refs, further;
  u64 drvdata, ctx;
  int quiet, exiting, done;
  struct mmctx* m;
};
struct dev {
  int there, init, has_exit;
  u32 feat, lo, hi, cdmax;
  u64 dom;
  u64 cdtab, cdbytes;
};
struct smmu {
  const struct iommucheck_platform* p;
  const struct iommucheck_config* c;
  u32 idr0, idr1, idr3, idr5, oasbits, oas;
  u64 st, stbytes;
  u32 stlg;
  u64 ring, ringbytes;
  u32 lg, prod;
  u64 evq;
  u32 evlg, evbytes, evcons;
  u64 msi;
  u32 seq;
  int on;
  u64 batch[CB][2];
  u32 nb;
  unsigned char asids[256];
  unsigned char pheld[NPASID];
  u32 pstamp[NPASID], stamp;
  struct dom dom[NDOM];
  struct mmctx mm[NMM];
  struct bond bond[NBOND];
  struct dev dev[NDEV];
};

/* ---- memory, registers ---- */
static volatile u64* ptr(struct smmu* s, u64 pa) {
  return (volatile u64*)((char*)(uintptr_t)s->p->window + (pa - s->p->window_pa));
}
#define WRITE_ONCE(s, pa, v) (*ptr(s, pa) = (v))
#define READ_ONCE(s, pa) (*ptr(s, pa))
static void dma_wmb(struct smmu* s) { s->p->barrier(s->p->ctx, IOMMUCHECK_DMA_WMB); }
static void dma_rmb(struct smmu* s) { s->p->barrier(s->p->ctx, IOMMUCHECK_DMA_RMB); }
static u64 zalloc(struct smmu* s, u64 bytes) {
  u64 pa = 0, i;
  if (!s->p->table_alloc(s->p->ctx, bytes < 4096 ? 4096 : bytes, &pa)) return 0;
  for (i = 0; i < (bytes < 4096 ? 4096 : bytes); i += 8) WRITE_ONCE(s, pa + i, 0);
#if BUG != 18 /* BUG 18: zeros not ordered before the link */
  dma_wmb(s);
#endif
  return pa;
}
static void zfree(struct smmu* s, u64 pa, u64 bytes) {
  if (pa) s->p->table_free(s->p->ctx, pa, bytes < 4096 ? 4096 : bytes);
}
static void writel(struct smmu* s, u32 o, u32 v) {
  s->p->mmio_write32(s->p->ctx, o, v, IOMMUCHECK_MMIO_ORDERED);
}
static void writeq(struct smmu* s, u32 o, u64 v) {
  s->p->mmio_write64(s->p->ctx, o, v, IOMMUCHECK_MMIO_ORDERED);
}
static u32 readl(struct smmu* s, u32 o) { return s->p->mmio_read32(s->p->ctx, o); }
static int await(struct smmu* s, u32 o, u32 m, u32 v) {
  while ((readl(s, o) & m) != v)
    if (s->p->wait(s->p->ctx, IOMMUCHECK_WAIT_REGISTER, 1000000)) return -IOMMUCHECK_ETIMEDOUT;
  return 0;
}

/* ---- commands: gathered in s->batch, written and rung once; the CMD_SYNC writes a message ---- */
static int submit(struct smmu* s, int sync);
static void add(struct smmu* s, u64 a, u64 b) {
  if (s->nb == CB - 2 || s->nb + 2 >= 1u << s->lg) submit(s, 0);
  s->batch[s->nb][0] = a;
  s->batch[s->nb][1] = b;
  s->nb++;
}
static int submit(struct smmu* s, int sync) {
  u32 mask = (2u << s->lg) - 1, i, cons, size = 1u << s->lg;
  u32 want = 0;
  if (sync) {
#if BUG == 1 /* the message's datum does not change: any old message ends the wait */
    want = 1;
#else
    want = ++s->seq;
#endif
    s->batch[s->nb][0] = 0x46 | 1u << 12 | 3u << 22 | 0xfull << 24 | (u64)want << 32;
    s->batch[s->nb][1] = s->msi;
    s->nb++;
  }
  for (i = 0; i < s->nb; i++) {
    while (cons = readl(s, 0x9c) & mask, ((s->prod - cons) & mask) == size) {
      writel(s, 0x98, s->prod);
      if (s->p->wait(s->p->ctx, IOMMUCHECK_WAIT_CMDQ, 1000000)) {
        s->nb = 0;
        return -IOMMUCHECK_ETIMEDOUT;
      }
    }
    u64 e = s->ring + 16ull * (s->prod & (size - 1));
    WRITE_ONCE(s, e, s->batch[i][0]);
    WRITE_ONCE(s, e + 8, s->batch[i][1]);
    s->prod = (s->prod + 1) & mask;
  }
  s->nb = 0;
  writel(s, 0x98, s->prod);
  if (!sync) return 0;
  while ((u32)READ_ONCE(s, s->msi) != want) {
    if (s->p->wait(s->p->ctx, IOMMUCHECK_WAIT_MSI, 1000000)) {
      /* perhaps the message was lost */
      while ((readl(s, 0x9c) & mask) != s->prod)
        if (s->p->wait(s->p->ctx, IOMMUCHECK_WAIT_CMDQ, 1000000)) return -IOMMUCHECK_ETIMEDOUT;
      return 0;
    }
  }
  dma_rmb(s);
  return 0;
}
static void sids(struct smmu* s, u32 d, u64 a, u64 b) {
  const struct iommucheck_device* x = s->c->devices[d];
  for (u32 i = 0; i < x->stream_id_count; i++) add(s, a | (u64)x->stream_ids[i] << 32, b);
}
static void tlbi_range(struct smmu* s, u32 asid, u64 va, u64 bytes, u32 lg) {
  u64 n = bytes >> lg, tg = lg == 16 ? 3 : 1;
  if (!(s->idr3 >> 10 & 1)) {
    if (n > 128) {
      add(s, 0x11 | (u64)asid << 48, 0);
      return;
    }
    for (; n; n--, va += 1ull << lg) add(s, 0x12 | (u64)asid << 48, va & ~0xfffull);
    return;
  }
  while (n) {
    u32 sc = (u32)__builtin_ctzll(n);
    u64 num = n >> sc & 31;
    if (sc == 0 && num == 1)
      add(s, 0x12 | (u64)asid << 48, va);
    else
      add(s, 0x12 | (num - 1) << 12 | (u64)sc << 20 | (u64)asid << 48, tg << 10 | va);
#if BUG == 2 /* advances by the number, not by the pages */
    va += num << lg;
#else
    va += (num << sc) << lg;
#endif
    n -= num << sc;
  }
}

/* ---- life ---- */
static int init(const struct iommucheck_platform* p, const struct iommucheck_config* c,
                void** self) {
  static const unsigned char t[] = {32, 36, 40, 42, 44, 48, 48, 48};
  struct smmu* s = p->arena_alloc(p->ctx, sizeof *s, 64);
  if (!s) return -IOMMUCHECK_ENOMEM;
  s->p = p;
  s->c = c;
  if (c->iommu_count != 1 || c->device_count > NDEV) return -IOMMUCHECK_ENODEV;
  s->idr0 = readl(s, 0);
  s->idr1 = readl(s, 4);
  s->idr3 = readl(s, 12);
  s->idr5 = readl(s, 20);
  if (!(s->idr0 & 2) || !(s->idr0 & 8) || !(s->idr0 & 16) || !(s->idr5 & 64))
    return -IOMMUCHECK_ENODEV;
  if (!(s->idr0 >> 13 & 1) || (s->idr0 >> 21 & 3) == 3) return -IOMMUCHECK_ENODEV; /* no messages */
  if ((s->idr0 >> 24 & 3) == 2) return -IOMMUCHECK_ENODEV;
  s->oas = (s->idr5 & 7) > 5 ? 5 : s->idr5 & 7;
  s->oasbits = t[s->idr5 & 7];
  *self = s;
  return 0;
}
static int reset(void* self) {
  struct smmu* s = self;
  int e;
  s->stlg = 0;
  for (u32 d = 0; d < s->c->device_count; d++)
    for (u32 i = 0; i < s->c->devices[d]->stream_id_count; i++)
      while (s->stlg < 16 && s->stlg < (s->idr1 & 63) && s->c->devices[d]->stream_ids[i] >> s->stlg)
        s->stlg++;
  s->stbytes = 64ull << s->stlg;
  s->lg = s->c->cmdq_log2size ? s->c->cmdq_log2size : 6;
  if (s->lg > (s->idr1 >> 21 & 31)) s->lg = s->idr1 >> 21 & 31;
  s->ringbytes = 16ull << s->lg;
  s->evlg = s->idr1 >> 16 & 31;
  if (s->evlg > 7) s->evlg = 7;
  s->evbytes = 32u << s->evlg;
  if (!s->st && !(s->st = zalloc(s, s->stbytes))) return -IOMMUCHECK_ENOMEM;
  if (!s->ring && !(s->ring = zalloc(s, s->ringbytes))) return -IOMMUCHECK_ENOMEM;
  if (!s->evq && !(s->evq = zalloc(s, s->evbytes))) return -IOMMUCHECK_ENOMEM;
  if (!s->msi && !(s->msi = zalloc(s, 4096))) return -IOMMUCHECK_ENOMEM;
  for (u32 i = 0; i < 1u << s->stlg; i++) WRITE_ONCE(s, s->st + 64ull * i, 1);
  if ((e = await(s, 0x44, 1u << 31, 0))) return e;
  writel(s, 0x44, 1u << 20 | 1u << 31);
  if ((e = await(s, 0x44, 1u << 31, 0))) return e;
  writel(s, 0x20, 0);
  if ((e = await(s, 0x24, 31, 0))) return e;
  writel(s, 0x50, 0);
  if ((e = await(s, 0x54, 7, 0))) return e;
  writel(s, 0x28, 0xd75);
  writel(s, 0x2c, 4);
  writeq(s, 0x80, s->st);
  writel(s, 0x88, s->stlg);
  writeq(s, 0x90, s->ring | s->lg);
  writel(s, 0x98, 0);
  writel(s, 0x9c, 0);
  s->prod = 0;
  s->seq = 0;
  u32 ats = s->idr0 >> 10 & 1 ? 16 : 0;
  writel(s, 0x20, 8 | ats);
  if ((e = await(s, 0x24, 31, 8 | ats))) return e;
  add(s, 4, 31);
  if ((e = submit(s, 1))) return e;
  if (s->idr0 >> 9 & 1) add(s, 0x20, 0);
  add(s, 0x30, 0);
  if ((e = submit(s, 1))) return e;
  writeq(s, 0xa0, s->evq | s->evlg);
  writel(s, 0x100a8, 0);
  writel(s, 0x100ac, 0);
  s->evcons = 0;
  writel(s, 0x20, 12 | ats);
  if ((e = await(s, 0x24, 31, 12 | ats))) return e;
  writel(s, 0x60 + 4, readl(s, 0x60)); /* GERRORN: nothing of before */
  writeq(s, 0x68, 0);
  writeq(s, 0xb0, 0);
  writel(s, 0x50, 5);
  if ((e = await(s, 0x54, 7, 5))) return e;
  writel(s, 0x20, 13 | ats);
  if ((e = await(s, 0x24, 31, 13 | ats))) return e;
  s->on = 1;
  return 0;
}

/* ---- domains ---- */
static struct dom* dom_of(struct smmu* s, u64 h) {
  return h && h <= NDOM && s->dom[h - 1].used ? &s->dom[h - 1] : 0;
}
static u32 asid_get(struct smmu* s) {
  for (u32 i = 1; i < 256; i++)
    if (!s->asids[i]) {
      s->asids[i] = 1;
      return i;
    }
  return 0;
}
static int domain_alloc(void* self, const struct iommucheck_domain_params* q,
                        iommucheck_handle* out) {
  struct smmu* s = self;
  u32 i;
  if (q->kind < 1 || q->kind > 7 || q->iommu) return -IOMMUCHECK_EINVAL;
  if (q->kind != IOMMUCHECK_DOMAIN_PAGING || (q->input_bits && q->input_bits != IAS))
    return IOMMUCHECK_NOT_BUILT;
  for (i = 0; i < NDOM && s->dom[i].used; i++);
  if (i == NDOM) return IOMMUCHECK_NOT_BUILT;
  u32 asid = asid_get(s);
  if (!asid) return -IOMMUCHECK_ENOSPC;
  memset(&s->dom[i], 0, sizeof s->dom[i]);
  if (!(s->dom[i].root = zalloc(s, SZ64K))) {
    s->asids[asid] = 0;
    return -IOMMUCHECK_ENOMEM;
  }
  s->dom[i].used = 1;
  s->dom[i].asid = asid;
  *out = i + 1;
  return 0;
}
static void gather(struct dom* d, u64 lo, u64 hi) {
  if (!d->pending) {
    d->lo = lo;
    d->hi = hi;
    d->pending = 1;
    return;
  }
  if (lo < d->lo) d->lo = lo;
#if BUG == 3 /* the end of the gather is not extended downwards... only the first range counts */
#else
  if (hi > d->hi) d->hi = hi;
#endif
}
static int flush(struct smmu* s, struct dom* d) {
  int e;
  if (!d->pending) return 0;
  tlbi_range(s, d->asid, d->lo, d->hi - d->lo, 16);
  e = submit(s, 1);
  d->pending = 0;
  return e;
}
static int domain_free(void* self, iommucheck_handle h) {
  struct smmu* s = self;
  struct dom* d = dom_of(s, h);
  if (!d) return -IOMMUCHECK_EINVAL;
  if (d->users) return -IOMMUCHECK_EBUSY;
  for (u32 i = 0; i < 8192; i++) {
    u64 w = READ_ONCE(s, d->root + 8 * i);
    if ((w & 3) == 3) zfree(s, w & OA64, SZ64K);
  }
  zfree(s, d->root, SZ64K);
  s->asids[d->asid] = 0;
  d->used = 0;
  return 0;
}
static int get_info(void* self, iommucheck_handle h, struct iommucheck_domain_info* f) {
  struct smmu* s = self;
  struct dom* d = dom_of(s, h);
  if (!d) return -IOMMUCHECK_EINVAL;
  f->input_bits = IAS;
  f->output_bits = s->oasbits;
  f->page_sizes = SZ64K | 1ull << 29;
  f->table_pa = d->root;
  return 0;
}
static int device_add(void* self, u32 d) {
  struct smmu* s = self;
  if (d >= s->c->device_count) return -IOMMUCHECK_EINVAL;
  if (s->dev[d].there) return -IOMMUCHECK_EEXIST;
  for (u32 i = 0; i < s->c->devices[d]->stream_id_count; i++)
    if (s->c->devices[d]->stream_ids[i] >> s->stlg) return -IOMMUCHECK_ENODEV;
  struct dev* x = &s->dev[d];
  x->cdmax = s->c->devices[d]->ssid_bits;
  if (x->cdmax > (s->idr1 >> 6 & 31)) x->cdmax = s->idr1 >> 6 & 31;
  if (x->cdmax > 12) x->cdmax = 12;
  x->cdbytes = 64ull << x->cdmax;
  if (x->cdbytes < 4096) x->cdbytes = 4096;
  if (!(x->cdtab = zalloc(s, x->cdbytes))) return -IOMMUCHECK_ENOMEM;
  x->there = 1;
  return 0;
}
static void ste(struct smmu* s, u32 d, u32 w, u64 v) {
  for (u32 i = 0; i < s->c->devices[d]->stream_id_count; i++)
    WRITE_ONCE(s, s->st + 64ull * s->c->devices[d]->stream_ids[i] + 8 * w, v);
}
#define CD0_BASE(s)                                                                       \
  ((u64)(s)->oas << 32 | 1ull << 41 | 1ull << 46 | 1ull << 47 | 1ull << 31 | 1ull << 30 | \
   1ull << 8 | 1ull << 10 | 3ull << 12)
static int off(struct smmu* s, u32 d) { /* STE to abort, and nothing cached of the domain */
  struct dom* o = dom_of(s, s->dev[d].dom);
  int e;
  ste(s, d, 0, 1);
  dma_wmb(s);
  sids(s, d, 3, 1);
  if ((e = submit(s, 1))) return e;
  add(s, 0x11 | (u64)o->asid << 48, 0);
  e = submit(s, 1);
  o->users--;
  o->pending = 0;
  s->dev[d].dom = 0;
  return e;
}
static int dev_unbind_all(struct smmu* s, u32 d);
static int attach(void* self, iommucheck_handle h, u32 d) {
  struct smmu* s = self;
  struct dom* n = dom_of(s, h);
  int e;
  if (d >= s->c->device_count || !s->dev[d].there) return -IOMMUCHECK_ENODEV;
  if (!n) return -IOMMUCHECK_EINVAL;
  struct dev* x = &s->dev[d];
  if (x->dom == h) return 0;
  for (u32 i = 0; i < NBOND; i++)
    if (s->bond[i].used && s->bond[i].dev == d) return -IOMMUCHECK_EBUSY;
  if (x->dom && (e = off(s, d))) return e;
  /* nobody reaches the table now */
  WRITE_ONCE(s, x->cdtab + 8, n->root);
  WRITE_ONCE(s, x->cdtab + 24, 0x04ffull);
#if BUG == 4 /* wrong TG0: 4K */
  WRITE_ONCE(s, x->cdtab, CD0_BASE(s) | (64 - IAS) | 0u << 6 | 1ull << 45 | (u64)n->asid << 48);
#else
  WRITE_ONCE(s, x->cdtab, CD0_BASE(s) | (64 - IAS) | 1u << 6 | 1ull << 45 | (u64)n->asid << 48);
#endif
  ste(s, d, 1, (x->cdmax ? 2ull : 0) | 1u << 2 | 1u << 4 | 3u << 6 | 1ull << 44);
  dma_wmb(s);
  sids(s, d, 3, 1);
  if ((e = submit(s, 1))) return e;
  ste(s, d, 0, 1 | 5 << 1 | x->cdtab | (u64)x->cdmax << 59);
  dma_wmb(s);
  sids(s, d, 3, 1);
  e = submit(s, 1);
  x->dom = h;
  n->users++;
  return e;
}
static int detach(void* self, iommucheck_handle h, u32 d) {
  struct smmu* s = self;
  int e;
  if (d >= s->c->device_count || !s->dev[d].there) return -IOMMUCHECK_ENODEV;
  if (!dom_of(s, h) || s->dev[d].dom != h) return -IOMMUCHECK_EINVAL;
  if ((e = dev_unbind_all(s, d))) return e;
  return off(s, d);
}

/* ---- tables: level 2 of 8192 (512 MiB each), level 3 of 8192 ---- */
static int fits(u64 a, u64 n, u32 b) { return a + n - 1 >= a && !((a + n - 1) >> b); }
static u64 slot3(struct smmu* s, struct dom* d, u64 va, u64* up) {
  *up = d->root + 8 * (va >> 29);
  u64 w = READ_ONCE(s, *up);
  return (w & 3) == 3 ? (w & OA64) + 8 * (va >> 16 & 8191) : 0;
}
static u64 clear(struct smmu* s, struct dom* d, u64 va, u64 bytes) {
  u64 o = 0, up, l3;
  while (o < bytes) {
    l3 = slot3(s, d, va + o, &up);
    if (l3) {
      if (!(READ_ONCE(s, l3) & 1)) break;
      WRITE_ONCE(s, l3, 0);
      o += SZ64K;
    } else {
      if (!(READ_ONCE(s, up) & 1) || (va + o) & ((1ull << 29) - 1) || bytes - o < 1ull << 29) break;
      WRITE_ONCE(s, up, 0);
      o += 1ull << 29;
    }
  }
  return o;
}
static struct iommucheck_result unmap_fast(void* self, iommucheck_handle h, u64 va, u64 bytes) {
  struct smmu* s = self;
  struct dom* d = dom_of(s, h);
  struct iommucheck_result r = {0, 0, 0};
  if (!d || !bytes || (va | bytes) & (SZ64K - 1) || !fits(va, bytes, IAS)) return r;
  r.bytes = clear(s, d, va, bytes);
  if (r.bytes) gather(d, va, va + r.bytes);
  return r;
}
static int iotlb_sync(void* self, iommucheck_handle h) {
  struct smmu* s = self;
  struct dom* d = dom_of(s, h);
  return d ? flush(s, d) : -IOMMUCHECK_EINVAL;
}
static int flush_all(void* self, iommucheck_handle h) {
  struct smmu* s = self;
  struct dom* d = dom_of(s, h);
  if (!d) return -IOMMUCHECK_EINVAL;
  d->pending = 0;
  dma_wmb(s);
  add(s, 0x11 | (u64)d->asid << 48, 0);
  return submit(s, 1);
}
static struct iommucheck_result unmap(void* self, iommucheck_handle h, u64 va, u64 bytes) {
  struct smmu* s = self;
  struct iommucheck_result r = unmap_fast(self, h, va, bytes);
#if BUG == 5 /* unmap leaves the flush to the flush queue */
  if (r.bytes > SZ64K) r.error = flush(s, dom_of(s, h));
#else
  if (r.bytes) r.error = flush(s, dom_of(s, h));
#endif
  return r;
}
static int map(void* self, iommucheck_handle h, u64 va, u64 pa, u64 bytes, u32 prot) {
  struct smmu* s = self;
  struct dom* d = dom_of(s, h);
  u64 o = 0, up, l3, leaf = 1u << 6 | 3u << 8 | 1u << 10 | 1u << 11;
  int e = 0;
  if (!d || (va | pa | bytes) & (SZ64K - 1) || !(prot & 7) || prot & ~31u)
    return -IOMMUCHECK_EINVAL;
  if (!bytes) return 0;
  if (!fits(va, bytes, IAS) || !fits(pa, bytes, s->oasbits)) return -IOMMUCHECK_ERANGE;
  if (!(prot & 2)) leaf |= 1u << 7;
  if (!(prot & 4)) leaf |= 3ull << 53;
  if (prot & 8) leaf &= ~(1ull << 6);
  if (prot & 16) leaf |= 1u << 2;
  while (o < bytes) {
    l3 = slot3(s, d, va + o, &up);
    if (l3) {
      if (READ_ONCE(s, l3) & 1) {
        e = -IOMMUCHECK_EEXIST;
        break;
      }
      WRITE_ONCE(s, l3, (pa + o) | leaf | 3);
      o += SZ64K;
      continue;
    }
    if (READ_ONCE(s, up) & 1) {
      e = -IOMMUCHECK_EEXIST;
      break;
    }
    if (!((va + o) & ((1ull << 29) - 1)) && !((pa + o) & ((1ull << 29) - 1)) &&
        bytes - o >= 1ull << 29) {
      WRITE_ONCE(s, up, (pa + o) | leaf | 1);
      o += 1ull << 29;
      continue;
    }
    u64 t = zalloc(s, SZ64K);
    if (!t) {
      e = -IOMMUCHECK_ENOMEM;
      break;
    }
    WRITE_ONCE(s, up, t | 3);
  }
  if (e && o) unmap(self, h, va, o);
  dma_wmb(s);
  return e;
}
static u64 iova_to_phys(void* self, iommucheck_handle h, u64 va) {
  struct smmu* s = self;
  struct dom* d = dom_of(s, h);
  u64 up, l3;
  if (!d || va >> IAS) return 0;
  l3 = slot3(s, d, va, &up);
  u64 w = l3 ? READ_ONCE(s, l3) : READ_ONCE(s, up);
  return !(w & 1) ? 0
         : l3     ? (w & OA64) | (va & 0xffff)
                  : (w & 0x0000ffffe0000000ull) | (va & 0x1fffffff);
}

/* ---- event queue ---- */
static struct bond* bond_of(struct smmu* s, u32 d, u32 pasid) {
  for (u32 i = 0; i < NBOND; i++)
    if (s->bond[i].used && s->bond[i].dev == d && s->bond[i].pasid == pasid) return &s->bond[i];
  return 0;
}
static int dev_of_sid(struct smmu* s, u32 sid) {
  for (u32 d = 0; d < s->c->device_count; d++)
    for (u32 i = 0; i < s->c->devices[d]->stream_id_count; i++)
      if (s->c->devices[d]->stream_ids[i] == sid) return (int)d;
  return -1;
}
static void one_event(struct smmu* s, const u64* r) {
  u32 id = r[0] & 255, sid = (u32)(r[0] >> 32), pasid = r[0] >> 12 & 0xfffff;
  int d = dev_of_sid(s, sid), retry = 0;
  if (id < 0x10 || id > 0x13 || !(r[1] >> 31 & 1)) return;
  if (d >= 0 && (r[0] >> 11 & 1)) {
    struct bond* b = bond_of(s, (u32)d, pasid);
    u32 prot = r[1] >> 35 & 1 ? (r[1] >> 34 & 1 ? 4 : 1) : 2;
    if (r[1] >> 33 & 1) prot |= 8;
#if BUG == 14 /* answers "again" without asking where the process is gone */
    if (!b) retry = 1;
#endif
    if (b && !b->quiet)
      retry = s->p->handle_fault(s->p->ctx, (u32)d, pasid, r[2], prot) == IOMMUCHECK_FAULT_SUCCESS;
  }
#if BUG == 6 /* RESUME with the STAG of the wrong bits: only 8 bits of it */
  add(s, 0x44 | (retry ? 1u : 2u) << 12 | (u64)sid << 32, r[1] & 0x0);
#else
  add(s, 0x44 | (retry ? 1u : 2u) << 12 | (u64)sid << 32, r[1] & 0xffff);
#endif
}
static void drain(struct smmu* s) {
  u32 mask = (2u << s->evlg) - 1;
  for (;;) {
    u32 prod = readl(s, 0x100a8);
#if BUG != 15 /* BUG 15: no barrier between PROD and the records */
    dma_rmb(s);
#endif
    int ovf = (prod ^ s->evcons) >> 31;
    if (((prod ^ s->evcons) & mask) == 0) {
      if (ovf) {
#if BUG == 7 /* overflow: acknowledged by clearing the flag */
        s->evcons &= 0x7fffffff;
#else
        s->evcons ^= 1u << 31;
#endif
        writel(s, 0x100ac, s->evcons);
      }
      break;
    }
    while ((prod ^ s->evcons) & mask) {
      u64 a = s->evq + 32ull * (s->evcons & (mask >> 1)), r[4];
      for (int i = 0; i < 4; i++) r[i] = s->p->load64(s->p->ctx, a + 8 * i);
      one_event(s, r);
      s->evcons = (s->evcons & (1u << 31)) | ((s->evcons + 1) & mask);
    }
    if (ovf) s->evcons ^= 1u << 31;
#if BUG != 16 /* BUG 16: CONS before the loads */
    s->p->barrier(s->p->ctx, IOMMUCHECK_DMA_MB);
    writel(s, 0x100ac, s->evcons);
#else
    s->p->mmio_write32(s->p->ctx, 0x100ac, s->evcons, IOMMUCHECK_MMIO_RELAXED);
#endif
  }
  if (s->nb) submit(s, 1);
}
static void handle_irq(void* self, u64 src) {
  struct smmu* s = self;
  if (src == IOMMUCHECK_IRQ_EVENT_QUEUE) drain(s);
  if (src == IOMMUCHECK_IRQ_GLOBAL_ERROR) {
    u32 g = readl(s, 0x60);
    writel(s, 0x64, g);
  }
}

/* ---- processes ---- */
static int pasid_get(struct smmu* s, u32 lo, u32 hi, u32* out) {
  u32 best = 0;
  for (u32 i = lo; i <= hi && i < NPASID; i++)
    if (!s->pheld[i] && (!best || s->pstamp[i] < s->pstamp[best])) best = i;
  if (!best) return -IOMMUCHECK_ENOSPC;
  s->pheld[best] = 1;
  *out = best;
  return 0;
}
static void pasid_put(struct smmu* s, u32 n) {
  s->pheld[n] = 0;
  s->pstamp[n] = ++s->stamp;
}
static int sva_init(void* self, u32 d, u32 f, u32 lo, u32 hi, int has_exit) {
  struct smmu* s = self;
  if (d >= s->c->device_count || !s->dev[d].there) return -IOMMUCHECK_ENODEV;
  struct dev* x = &s->dev[d];
  if (!x->cdmax || !x->dom) return -IOMMUCHECK_ENODEV;
  if (f & ~3u || (hi && lo > hi)) return -IOMMUCHECK_EINVAL;
  if ((f & IOMMUCHECK_SVA_IOPF) &&
      (!(s->c->devices[d]->flags & IOMMUCHECK_DEVICE_STALL) || (s->idr0 >> 24 & 3) == 1))
    return -IOMMUCHECK_EINVAL;
  if (x->init) return -IOMMUCHECK_EEXIST;
  u32 max = (1u << x->cdmax) - 1;
  if (lo < 1) lo = 1;
  if (!hi || hi > max) hi = max;
  if (lo > hi) return -IOMMUCHECK_EINVAL;
  x->lo = lo;
  x->hi = hi;
  x->feat = f;
  x->has_exit = has_exit;
  x->init = 1;
  return 0;
}
static int cd_words(struct smmu* s, u32 d, u32 pasid, u64 w0, u64 w1, u64 w3, int fresh) {
  u64 a = s->dev[d].cdtab + 64ull * pasid;
  int e;
  if (fresh) {
    WRITE_ONCE(s, a + 8, w1);
    WRITE_ONCE(s, a + 24, w3);
    dma_wmb(s);
    sids(s, d, 5 | (u64)pasid << 12, 1);
    if ((e = submit(s, 1))) return e;
  }
  WRITE_ONCE(s, a, w0);
  dma_wmb(s);
#if BUG == 8 /* CFGI_CD forgotten where a CD goes */
  if (!w0) return 0;
#endif
  sids(s, d, 5 | (u64)pasid << 12, 1);
  return submit(s, 1);
}
static int bind(void* self, u32 d, const struct iommucheck_mm* q, u32 flags, u64 drvdata,
                u32* out) {
  struct smmu* s = self;
  struct mmctx* m = 0;
  struct bond* b;
  u32 i, pasid;
  int e;
  if (d >= s->c->device_count || !s->dev[d].there) return -IOMMUCHECK_ENODEV;
  struct dev* x = &s->dev[d];
  if (flags & ~1u || !x->init || !x->dom || !(s->idr5 & 16)) return -IOMMUCHECK_EINVAL;
  if (!s->p->mm_pin(s->p->ctx, q->mm)) return -IOMMUCHECK_ESRCH;
  s->p->mm_unpin(s->p->ctx, q->mm);
  for (i = 0; i < NMM; i++)
    if (s->mm[i].bonds && s->mm[i].mm == q->mm) m = &s->mm[i];
  if (m && m->dying) return -IOMMUCHECK_ESRCH;
  if (m && !(flags & 1))
    for (i = 0; i < NBOND; i++) {
      b = &s->bond[i];
      if (b->used && b->dev == d && b->m == m && !b->further) {
        b->refs++;
        *out = b->pasid;
        return 0;
      }
    }
  for (i = 0; i < NBOND && s->bond[i].used; i++);
  if (i == NBOND) return IOMMUCHECK_NOT_BUILT;
  b = &s->bond[i];
  if (!m) {
    for (i = 0; i < NMM && s->mm[i].bonds; i++);
    if (i == NMM) return IOMMUCHECK_NOT_BUILT;
    m = &s->mm[i];
    memset(m, 0, sizeof *m);
    m->mm = q->mm;
    m->ttb = q->table_pa;
    m->mair = q->mair;
    m->bits = q->input_bits;
    if (!(m->asid = asid_get(s))) return -IOMMUCHECK_ENOSPC;
  }
  if (!(flags & 1) && m->pasid) {
    pasid = m->pasid;
    if (pasid < x->lo || pasid > x->hi)
      e = -IOMMUCHECK_ERANGE;
    else
      e = 0;
  } else
    e = pasid_get(s, x->lo, x->hi, &pasid);
  if (e) {
    if (!m->bonds) s->asids[m->asid] = 0;
    return e;
  }
  if (!(flags & 1)) m->pasid = pasid;
  memset(b, 0, sizeof *b);
  b->used = 1;
  b->dev = d;
  b->pasid = pasid;
  b->refs = 1;
  b->further = flags & 1;
  b->drvdata = drvdata;
  b->m = m;
  m->bonds++;
  u64 w0 = CD0_BASE(s) | (64 - m->bits) | (u64)m->asid << 48 | 1ull << 45;
  if (x->feat & IOMMUCHECK_SVA_IOPF) w0 |= 1ull << 44;
  if ((e = cd_words(s, d, pasid, w0, m->ttb, m->mair, 1))) return e;
  *out = pasid;
  return 0;
}
/* The bond ends: nothing reaches the process through it any more. */
static int bond_end(struct smmu* s, struct bond* b) {
  struct mmctx* m = b->m;
  u32 i, n = 0;
#if BUG == 13 /* the ASID's TLBI first: a CD that is still there fills again */
  add(s, 0x11 | (u64)m->asid << 48, 0);
#endif
  int e = cd_words(s, b->dev, b->pasid, 0, 0, 0, 0);
  if (e) return e;
#if BUG != 13
  add(s, 0x11 | (u64)m->asid << 48, 0);
  if ((e = submit(s, 1))) return e;
#endif
  b->quiet = 1;
#if BUG == 9 /* what stalls at the PASID is not ended */
#else
  drain(s);
#endif
  for (i = 0; i < NBOND; i++) n += s->bond[i].used && s->bond[i].pasid == b->pasid;
  if (n == 1) {
    pasid_put(s, b->pasid);
    if (m->pasid == b->pasid) m->pasid = 0;
  }
  b->used = 0;
#if BUG == 17 /* the ASID goes with the first bond */
  --m->bonds;
  s->asids[m->asid] = 0;
  if (!m->bonds) m->mm = 0;
#else
  if (!--m->bonds) {
    s->asids[m->asid] = 0;
    m->mm = 0;
  }
#endif
  return 0;
}
static int wait_handler(struct smmu* s, struct bond* b, u32 d, u32 pasid) {
  while (b->used && b->dev == d && b->pasid == pasid && b->exiting) {
    if (s->p->wait(s->p->ctx, IOMMUCHECK_WAIT_CALLER, 10000000)) break;
  }
  return 0;
}
static int unbind(void* self, u32 d, u32 pasid) {
  struct smmu* s = self;
  if (d >= s->c->device_count || !s->dev[d].there) return -IOMMUCHECK_ENODEV;
  struct bond* b = bond_of(s, d, pasid);
  if (!b) return -IOMMUCHECK_EINVAL;
  if (b->exiting) {
    if (s->p->context(s->p->ctx) == b->ctx) return -IOMMUCHECK_EDEADLK;
    wait_handler(s, b, d, pasid);
    if (!b->used || b->dev != d || b->pasid != pasid) return 0;
  }
  if (--b->refs) return 0;
  return bond_end(s, b);
}
static int dev_unbind_all(struct smmu* s, u32 d) {
  u64 me = s->p->context(s->p->ctx);
  u32 i;
  int e;
  for (i = 0; i < NBOND; i++)
    if (s->bond[i].used && s->bond[i].dev == d && s->bond[i].exiting && s->bond[i].ctx == me)
      return -IOMMUCHECK_EDEADLK;
  for (i = 0; i < NBOND; i++) {
    struct bond* b = &s->bond[i];
    if (!b->used || b->dev != d) continue;
    if (b->exiting) {
      wait_handler(s, b, d, b->pasid);
      if (!b->used) continue;
    }
    if ((e = bond_end(s, b))) return e;
  }
  return 0;
}
static int unbind_all(void* self, u32 d) {
  struct smmu* s = self;
  if (d >= s->c->device_count || !s->dev[d].there) return -IOMMUCHECK_ENODEV;
  return dev_unbind_all(s, d);
}
static int sva_shutdown(void* self, u32 d) {
  struct smmu* s = self;
  int e;
  if (d >= s->c->device_count || !s->dev[d].there) return -IOMMUCHECK_ENODEV;
  if (!s->dev[d].init) return -IOMMUCHECK_EINVAL;
  if ((e = dev_unbind_all(s, d))) return e;
  s->dev[d].init = 0;
  return 0;
}
static int drvdata(void* self, u32 d, u32 pasid, u64* out) {
  struct smmu* s = self;
  if (d >= s->c->device_count || !s->dev[d].there) return -IOMMUCHECK_ENODEV;
  struct bond* b = bond_of(s, d, pasid);
  if (!b) return -IOMMUCHECK_ENOENT;
  *out = b->drvdata;
  return 0;
}
static int mm_invalidate(void* self, iommucheck_handle h, u64 start, u64 bytes) {
  struct smmu* s = self;
  if (!bytes) return 0;
  dma_wmb(s);
  for (u32 i = 0; i < NMM; i++) {
    struct mmctx* m = &s->mm[i];
    if (!m->bonds || m->mm != h) continue;
    u64 lo = start & ~0xfffull, hi = start + bytes;
    if (hi < start || bytes > 1u << 20) add(s, 0x11 | (u64)m->asid << 48, 0);
#if BUG == 10 /* end is taken as inclusive of the last page, and one page is missing where there \
                 are several */
    else if (hi - lo > 0x1000)
      tlbi_range(s, m->asid, lo, ((hi - 1) & ~0xfffull) - lo, 12);
    else
      tlbi_range(s, m->asid, lo, 0x1000, 12);
#else
    else
      tlbi_range(s, m->asid, lo, ((hi + 0xfff) & ~0xfffull) - lo, 12);
#endif
    return submit(s, 1);
  }
  return 0;
}
static int mm_release(void* self, iommucheck_handle h) {
  struct smmu* s = self;
  struct mmctx* m = 0;
  u32 i;
  int e, open;
  for (i = 0; i < NMM; i++)
    if (s->mm[i].bonds && s->mm[i].mm == h) m = &s->mm[i];
  if (!m) return 0;
  m->dying = 1;
  for (i = 0; i < NBOND; i++) {
    struct bond* b = &s->bond[i];
    if (!b->used || b->m != m || !s->dev[b->dev].has_exit) continue;
    b->exiting = 1;
    b->done = 0;
    b->ctx = s->p->mm_exit(s->p->ctx, b->dev, b->pasid, b->drvdata);
  }
  do {
    for (open = 0, i = 0; i < NBOND; i++)
      open |= s->bond[i].used && s->bond[i].m == m && s->bond[i].exiting;
  } while (open && !s->p->wait(s->p->ctx, IOMMUCHECK_WAIT_CALLER, 10000000));
  for (i = 0; i < NBOND; i++) { /* quiet for those who have not said done */
    struct bond* b = &s->bond[i];
    if (!b->used || b->m != m) continue;
    if (b->done) {
      if ((e = bond_end(s, b))) return e;
      continue;
    }
    u64 w0 = CD0_BASE(s) | 16 | 1ull << 14 | (u64)m->asid << 48;
    if ((e = cd_words(s, b->dev, b->pasid, w0, 0, 0, 0))) return e;
    b->quiet = 1;
  }
  if (m->bonds) {
#if BUG == 11 /* release: CD quiet, but translations stay */
#else
    add(s, 0x11 | (u64)m->asid << 48, 0);
    if ((e = submit(s, 1))) return e;
#endif
    drain(s);
  }
  m->mm = 0; /* the number may be another process's from here on */
  return 0;
}
static int mm_exit_done(void* self, u32 d, u32 pasid, int status) {
  struct smmu* s = self;
  struct bond* b = bond_of(s, d, pasid);
  if (!b || !b->exiting) return -IOMMUCHECK_EINVAL;
  b->exiting = 0;
#if BUG == 12 /* whatever it answers, it is done */
  b->done = 1;
#else
  b->done = !status;
#endif
  return 0;
}
static int shutdown(void* self) {
  struct smmu* s = self;
  int e;
  u32 ats = s->idr0 >> 10 & 1 ? 16 : 0;
  if (s->on) {
    writel(s, 0x20, 12 | ats);
    if ((e = await(s, 0x24, 31, 12 | ats))) return e;
    add(s, 4, 31);
    if ((e = submit(s, 1))) return e;
    add(s, 0x30, 0);
    if ((e = submit(s, 1))) return e;
    writel(s, 0x50, 0);
    if ((e = await(s, 0x54, 7, 0))) return e;
    writel(s, 0x20, 0);
    if ((e = await(s, 0x24, 31, 0))) return e;
  }
  s->on = 0;
  for (u32 i = 0; i < NDEV; i++) {
    if (s->dev[i].cdtab) zfree(s, s->dev[i].cdtab, s->dev[i].cdbytes);
    memset(&s->dev[i], 0, sizeof s->dev[i]);
  }
  for (u32 i = 0; i < NDOM; i++)
    if (s->dom[i].used) {
      s->dom[i].users = 0;
      domain_free(s, i + 1);
    }
  memset(s->bond, 0, sizeof s->bond);
  memset(s->mm, 0, sizeof s->mm);
  zfree(s, s->st, s->stbytes);
  zfree(s, s->ring, s->ringbytes);
  zfree(s, s->evq, s->evbytes);
  zfree(s, s->msi, 4096);
  s->st = s->ring = s->evq = s->msi = 0;
  return 0;
}
const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static const struct iommucheck_driver d = {.size = sizeof d,
                                             .abi = IOMMUCHECK_DRIVER_ABI,
                                             .name = "lazysva",
                                             .flags = IOMMUCHECK_DRIVER_NO_GROUPS |
                                                      IOMMUCHECK_DRIVER_NO_TIME_OUTS |
                                                      IOMMUCHECK_DRIVER_PER_DEVICE_TABLES,
                                             .init = init,
                                             .reset = reset,
                                             .shutdown = shutdown,
                                             .device_add = device_add,
                                             .handle_irq = handle_irq,
                                             .domain_alloc = domain_alloc,
                                             .domain_free = domain_free,
                                             .domain_get_info = get_info,
                                             .attach = attach,
                                             .detach = detach,
                                             .map = map,
                                             .unmap = unmap,
                                             .unmap_fast = unmap_fast,
                                             .iotlb_sync = iotlb_sync,
                                             .flush_iotlb_all = flush_all,
                                             .iova_to_phys = iova_to_phys,
                                             .sva_device_init = sva_init,
                                             .sva_device_shutdown = sva_shutdown,
                                             .bind_device = bind,
                                             .unbind_device = unbind,
                                             .unbind_dev_all = unbind_all,
                                             .sva_drvdata = drvdata,
                                             .mm_invalidate = mm_invalidate,
                                             .mm_release = mm_release,
                                             .mm_exit_done = mm_exit_done};
  return &d;
}
