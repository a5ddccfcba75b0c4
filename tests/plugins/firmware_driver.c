/* SPDX-License-Identifier: MIT
 * Firmware: physical addresses are pointers, it takes over an SMMU that somebody left on, polls,
 * and maps in blocks of 2 MiB, of which it splits one in a single store where BBML 2 lets it.
 * Written from docs/drivers.md and include/iommucheck/driver.h alone. -DBUG=n plants a mistake,
 * named where it is; without it nothing is planted. -DTRIES=n: it counts by itself how often it has
 * looked, 10 us apart, and gives up behind so many. -DUNCACHED: its caches are off, and it cleans
 * nothing; -DUNCACHED=2: they are on by the time it has booted. */
#include <string.h>

#include "iommucheck/driver.h"

#ifndef BUG
#define BUG 0
#endif
#ifndef UNCACHED
#define UNCACHED 0
#endif
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint8_t u8;
#define BIT(n) (1ull << (n))
#define TIMEOUT (-IOMMUCHECK_ETIMEDOUT)
static inline u32 rd(const struct iommucheck_platform* p, u32 o) {
  return p->mmio_read32(p->ctx, o);
}
static inline void wr(const struct iommucheck_platform* p, u32 o, u32 v) {
  p->mmio_write32(p->ctx, o, v, IOMMUCHECK_MMIO_ORDERED);
}
static inline void wq(const struct iommucheck_platform* p, u32 o, u64 v) {
  p->mmio_write64(p->ctx, o, v, IOMMUCHECK_MMIO_ORDERED);
}
#ifdef TRIES
static int await(const struct iommucheck_platform* p, u32 o, u32 m, u32 v, u64 token) {
  int i;
  (void)token;
  for (i = 0; i < TRIES; i++) {
    if ((rd(p, o) & m) == v) return 0;
    p->wait(p->ctx, IOMMUCHECK_WAIT_TIME, 10);
  }
  return TIMEOUT;
}
#else
static int await(const struct iommucheck_platform* p, u32 o, u32 m, u32 v, u64 token) {
  while ((rd(p, o) & m) != v)
    if (p->wait(p->ctx, token, 1000000)) return TIMEOUT;
  return 0;
}
#endif
static inline int poll(const struct iommucheck_platform* p, u32 o, u32 m, u32 v) {
  return await(p, o, m, v, IOMMUCHECK_WAIT_REGISTER);
}
static inline void wmb(const struct iommucheck_platform* p) {
  p->barrier(p->ctx, IOMMUCHECK_DMA_WMB);
}
static inline void rmb(const struct iommucheck_platform* p) {
  p->barrier(p->ctx, IOMMUCHECK_DMA_RMB);
}
static inline void mb(const struct iommucheck_platform* p) {
  p->barrier(p->ctx, IOMMUCHECK_DMA_MB);
}
enum {
  IDR0 = 0,
  IDR1 = 4,
  IDR3 = 12,
  IDR5 = 20,
  CR0 = 0x20,
  CR0ACK = 0x24,
  CR1 = 0x28,
  CR2 = 0x2c
};
enum { GBPA = 0x44, IRQ_CTRL = 0x50, IRQ_CTRLACK = 0x54, GERROR = 0x60, GERRORN = 0x64 };
enum {
  STRTAB_BASE = 0x80,
  STRTAB_CFG = 0x88,
  CMDQ_BASE = 0x90,
  CMDQ_PROD = 0x98,
  CMDQ_CONS = 0x9c
};
enum { EVENTQ_BASE = 0xa0, EVENTQ_PROD = 0x100a8, EVENTQ_CONS = 0x100ac };
static const u8 sizes[] = {32, 36, 40, 42, 44, 48, 48, 48};
static inline int within(u64 a, u64 n, u32 bits) {
  return a + (n - 1) >= a && !((a + (n - 1)) >> bits);
}
enum { NDOM = 16, NDEV = 32 };
#define OA 0xfffffffff000ull
#define PG 0x1000ull
#define BLK 0x200000ull
struct dom {
  int used;
  u32 kind, devs;
  u64 root, cd;
};
struct fw {
  const struct iommucheck_platform* pl;
  const struct iommucheck_config* c;
  u32 id0, id1, id3, id5, oas, ips, lg, prod, evlg, evcons, stlg;
  int coherent;
  u64 st, q, ev;
  struct dom dom[NDOM];
  struct {
    int on;
    u64 dom;
  } dev[NDEV];
};
#define p f->pl
#define AT(pa) (*(const volatile u64*)(uintptr_t)(pa))
static void put(struct fw* f, u64 pa, u64 v) {
  p->store64(p->ctx, pa, v);
  if (!f->coherent && !UNCACHED) p->dma_clean(p->ctx, pa, 8);
}
static u64 zeroes(struct fw* f, u64 n) {
  u64 pa = 0;
  if (n < PG) n = PG;
  if (!(UNCACHED && !(UNCACHED == 2 && f->ev) ? p->table_alloc_uncached : p->table_alloc)(p->ctx, n,
                                                                                          &pa))
    return 0;
  p->fill64(p->ctx, pa, n / 8, 0);
  if (!f->coherent && !UNCACHED) p->dma_clean(p->ctx, pa, n);
  wmb(p);
  return pa;
}
static void gone(struct fw* f, u64 pa, u64 n) {
  if (pa) p->table_free(p->ctx, pa, n < PG ? PG : n);
}
static int send(struct fw* f, u64 a, u64 b) {
  u32 m = (2u << f->lg) - 1;
  u64 e = f->q + 16 * (f->prod & (m >> 1));
  put(f, e, a);
  put(f, e + 8, b);
  f->prod = (f->prod + 1) & m;
  wr(p, CMDQ_PROD, f->prod);
  return await(p, CMDQ_CONS, m, f->prod, IOMMUCHECK_WAIT_CMDQ);
}
static int sync(struct fw* f) { return send(f, 0x46, 0); }
static u64 ste(struct fw* f, u32 sid) { return f->st + 64ull * sid; }
static void ste_put(struct fw* f, u32 d, u32 w, u64 v) {
  u32 i;
  for (i = 0; i < f->c->devices[d]->stream_id_count; i++)
    put(f, ste(f, f->c->devices[d]->stream_ids[i]) + 8 * w, v);
}
static int cfgi(struct fw* f, u32 d) {
  u32 i;
  wmb(p);
  for (i = 0; i < f->c->devices[d]->stream_id_count; i++)
    if (send(f, 3 | (u64)f->c->devices[d]->stream_ids[i] << 32, 1)) return TIMEOUT;
  return sync(f);
}
static u64 make_cd(struct fw* f, u64 root, u32 bits, u32 asid) {
  u64 cd = zeroes(f, 64);
  if (!cd) return 0;
  put(f, cd + 8, root);
  put(f, cd + 24, 0x04ff);
  put(f, cd,
      (64 - bits) | 1u << 8 | 1u << 10 | 3u << 12 | BIT(30) | BIT(31) | (u64)f->ips << 32 |
          BIT(41) | BIT(45) | BIT(46) | BIT(47) | (u64)asid << 48);
  wmb(p);
  return cd;
}
static struct dom* dom(struct fw* f, u64 h) {
  return h && h <= NDOM && f->dom[h - 1].used ? &f->dom[h - 1] : 0;
}
static int dom_alloc(void* self, const struct iommucheck_domain_params* a, iommucheck_handle* out) {
  struct fw* f = self;
  u32 i;
  if (a->kind < 1 || a->kind > 7 || a->iommu) return -IOMMUCHECK_EINVAL;
  if (a->kind > IOMMUCHECK_DOMAIN_IDENTITY) return IOMMUCHECK_NOT_BUILT;
  if (a->input_bits && (a->input_bits < 25 || a->input_bits > 48)) return -IOMMUCHECK_EINVAL;
  if (a->input_bits && a->input_bits != 39) return IOMMUCHECK_NOT_BUILT;
  for (i = 0; i < NDOM && f->dom[i].used; i++);
  if (i == NDOM) return IOMMUCHECK_NOT_BUILT;
  struct dom* o = &f->dom[i];
  memset(o, 0, sizeof *o);
  o->kind = a->kind;
  if (a->kind == IOMMUCHECK_DOMAIN_PAGING) {
    o->root = zeroes(f, PG);
    o->cd = o->root ? make_cd(f, o->root, 39, i + 1) : 0;
    if (!o->cd) {
      gone(f, o->root, PG);
      return -IOMMUCHECK_ENOMEM;
    }
  }
  o->used = 1;
  *out = i + 1;
  return 0;
}
static void tree(struct fw* f, u64 t, int l) {
  u64 i;
  if (l < 3)
    for (i = 0; i < PG; i += 8)
      if ((AT(t + i) & 3) == 3) tree(f, AT(t + i) & OA, l + 1);
  gone(f, t, PG);
}
static int dom_free(void* self, iommucheck_handle h) {
  struct fw* f = self;
  struct dom* o = dom(f, h);
  if (!o) return -IOMMUCHECK_EINVAL;
  if (o->devs) return -IOMMUCHECK_EBUSY;
  o->used = 0;
  if (!o->root) return 0;
  send(f, 0x11 | (u64)h << 48, 0);
  sync(f);
  tree(f, o->root, 1);
  gone(f, o->cd, 64);
  return 0;
}
static int dom_info(void* self, iommucheck_handle h, struct iommucheck_domain_info* i) {
  struct fw* f = self;
  struct dom* o = dom(f, h);
  if (!o) return -IOMMUCHECK_EINVAL;
  i->input_bits = o->root ? 39 : f->oas;
  i->output_bits = f->oas;
  i->page_sizes = o->root ? PG | BLK : 0;
  i->table_pa = o->root;
  return 0;
}
static int dev_add(void* self, u32 d) {
  struct fw* f = self;
  u32 i;
  if (d >= f->c->device_count) return -IOMMUCHECK_EINVAL;
  if (f->dev[d].on) return -IOMMUCHECK_EEXIST;
  for (i = 0; i < f->c->devices[d]->stream_id_count; i++)
    if (f->c->devices[d]->stream_ids[i] >> f->stlg) return -IOMMUCHECK_ENODEV;
  f->dev[d].on = 1;
  f->dev[d].dom = 0;
  return 0;
}
static int move(struct fw* f, u32 d, u64 h) {
  struct dom *o = dom(f, h), *was = dom(f, f->dev[d].dom);
  u64 w0 = 1; /* word 1 is the same for all */
  if (o && o->kind == IOMMUCHECK_DOMAIN_PAGING) w0 = 1 | 5u << 1 | o->cd;
  if (o && o->kind == IOMMUCHECK_DOMAIN_IDENTITY) w0 = 1 | 4u << 1;
  ste_put(f, d, 0, w0);
  cfgi(f, d);
  if (was) was->devs--;
  if (o) o->devs++;
  f->dev[d].dom = h;
  return 0;
}
static int attach(void* self, iommucheck_handle h, u32 d) {
  struct fw* f = self;
  if (d >= f->c->device_count || !f->dev[d].on) return -IOMMUCHECK_ENODEV;
  if (!dom(f, h)) return -IOMMUCHECK_EINVAL;
  return f->dev[d].dom == h ? 0 : move(f, d, h);
}
static int detach(void* self, iommucheck_handle h, u32 d) {
  struct fw* f = self;
  if (d >= f->c->device_count || !f->dev[d].on) return -IOMMUCHECK_ENODEV;
  if (!dom(f, h) || f->dev[d].dom != h) return -IOMMUCHECK_EINVAL;
  return move(f, d, 0);
}
static int dev_remove(void* self, u32 d) {
  struct fw* f = self;
  if (d >= f->c->device_count || !f->dev[d].on) return -IOMMUCHECK_EINVAL;
  f->dev[d].on = 0;
  return move(f, d, 0);
}
static u64 entry(struct fw* f, struct dom* o, u64 va, int make) {
  u64 e = o->root + 8 * (va >> 30), t;
  if (!AT(e)) {
    if (!make || !(t = zeroes(f, PG))) return 0;
    put(f, e, t | 3);
  }
  return (AT(e) & OA) + 8 * (va >> 21 & 511);
}
static u64 leaf_at(struct fw* f, struct dom* o, u64 va, u64* e) {
  if (va >> 39 || !(*e = entry(f, o, va, 0)) || !AT(*e)) return 0;
  if ((AT(*e) & 3) == 1) return BLK;
  *e = (AT(*e) & OA) + 8 * (va >> 12 & 511);
  return AT(*e) & 1 ? PG : 0;
}
static void forget(struct fw* f, u64 asid, u64 va, u64 n, u64 largest) {
  wmb(p);
  if (n > 40 * PG && !(n == BLK && largest == BLK))
    send(f, 0x11 | asid << 48, 0);
  else if (n == BLK)
    send(f, 0x12 | asid << 48, va | 1); /* one block */
  else
    for (; n; n -= PG, va += PG) send(f, 0x12 | asid << 48, va | 1);
  sync(f);
}
/* a block becomes a table of its pages, in one store; BBML 2 */
static int split(struct fw* f, u64 asid, u64 e, u64 va) {
  u64 b = AT(e), t, i;
  if ((f->id3 >> 11 & 3) < 2 && BUG != 7) return 0; /* 7: on any SMMU */
  if (!(t = zeroes(f, PG))) return 0;
  u64 low = b & (PG - 1), high = b & ~0xffffffffffffull;
  if (BUG == 6) high = 0; /* 6: XN is lost */
  for (i = 0; i < 512; i++) put(f, t + 8 * i, ((b & 0xffffffe00000ull) + i * PG) | low | high | 3);
  if (BUG != 5) wmb(p); /* 5: the table is linked before its entries are visible */
  put(f, e, t | 3);
  wmb(p);
  send(f, 0x12 | asid << 48, va & ~(BLK - 1));
  sync(f);
  return 1;
}
static struct iommucheck_result unmap(void* self, iommucheck_handle h, u64 va, u64 n) {
  struct fw* f = self;
  struct dom* o = dom(f, h);
  struct iommucheck_result r = {0, 0, 0};
  u64 e, z, largest = 0;
  if (!o || !o->root || !n || (va | n) % PG || !within(va, n, 39)) return r;
  while (r.bytes < n && (z = leaf_at(f, o, va + r.bytes, &e))) {
    if (z == BLK && ((va + r.bytes) % BLK || n - r.bytes < BLK)) {
      if (!split(f, h, e, va + r.bytes)) break;
      continue;
    }
    put(f, e, 0);
    r.bytes += z;
    if (z > largest) largest = z;
  }
  if (r.bytes) forget(f, h, va, r.bytes, largest);
  return r;
}
static int map(void* self, iommucheck_handle h, u64 va, u64 pa, u64 n, u32 prot) {
  struct fw* f = self;
  struct dom* o = dom(f, h);
  u64 d = 0, leaf, e, t;
  int err = 0;
  if (!o || !o->root || (va | pa | n) % PG || !(prot & 7) || prot & ~31u) return -IOMMUCHECK_EINVAL;
  if (!n) return 0;
  if (!within(va, n, 39) || !within(pa, n, f->oas)) return -IOMMUCHECK_ERANGE;
  leaf = BIT(10) | BIT(11) | 3u << 8 | BIT(6);
  if (!(prot & IOMMUCHECK_PROT_WRITE)) leaf |= BIT(7);
  if (!(prot & IOMMUCHECK_PROT_EXEC)) leaf |= 3ull << 53;
  if (prot & IOMMUCHECK_PROT_PRIVILEGED) leaf &= ~BIT(6);
  if (prot & IOMMUCHECK_PROT_DEVICE) leaf |= 1u << 2;
  while (d < n) {
    u64 a = va + d, b = pa + d;
    if (!(e = entry(f, o, a, 1))) {
      err = -IOMMUCHECK_ENOMEM;
      break;
    }
    if (!((a | b) % BLK) && n - d >= BLK && !AT(e)) {
      put(f, e, b | leaf | 1);
      d += BLK;
      continue;
    }
    if ((AT(e) & 3) == 1) {
      err = -IOMMUCHECK_EEXIST;
      break;
    }
    if (!AT(e)) {
      if (!(t = zeroes(f, PG))) {
        err = -IOMMUCHECK_ENOMEM;
        break;
      }
      put(f, e, t | 3);
    }
    e = (AT(e) & OA) + 8 * (a >> 12 & 511);
    if (AT(e) & 1) {
      err = -IOMMUCHECK_EEXIST;
      break;
    }
    put(f, e, b | leaf | 3);
    d += PG;
  }
  if (err && d) unmap(self, h, va, d);
  wmb(p);
  return err;
}
static u64 to_phys(void* self, iommucheck_handle h, u64 va) {
  struct fw* f = self;
  struct dom* o = dom(f, h);
  u64 e, z;
  if (!o) return 0;
  if (o->kind == IOMMUCHECK_DOMAIN_IDENTITY) return va;
  if (!o->root || !(z = leaf_at(f, o, va, &e))) return 0;
  return (AT(e) & OA & ~(z - 1)) | (va & (z - 1));
}
static void look(void* self, u64 src) {
  struct fw* f = self;
  u32 m = (2u << f->evlg) - 1, prod;
  if (src != IOMMUCHECK_IRQ_EVENT_QUEUE) return;
  prod = rd(p, EVENTQ_PROD);
  rmb(p);
  while ((prod ^ f->evcons) & m) {
    u64 record = f->ev + 32 * (f->evcons & (m >> 1));
    if (!f->coherent && !UNCACHED) p->dma_invalidate(p->ctx, record, 32);
    (void)p->load64(p->ctx, record);
    f->evcons = (f->evcons + 1) & m;
  }
  mb(p);
  wr(p, EVENTQ_CONS, f->evcons | (prod & BIT(31)));
}
static int init(const struct iommucheck_platform* pl, const struct iommucheck_config* c,
                void** self) {
  struct fw* f = pl->arena_alloc(pl->ctx, sizeof *f, 64);
  u32 d, i;
  if (!f) return -IOMMUCHECK_ENOMEM;
  f->pl = pl;
  f->c = c;
  f->id0 = rd(pl, IDR0);
  f->id1 = rd(pl, IDR1);
  f->id3 = rd(pl, IDR3);
  f->id5 = rd(pl, IDR5);
  if ((f->id0 & 0xa) != 0xa || !(f->id5 & 16) || (f->id0 >> 24 & 3) == 2 ||
      (f->id0 >> 21 & 3) == 3 || c->iommu_count != 1 || c->device_count > NDEV)
    return -IOMMUCHECK_ENODEV;
  f->coherent = f->id0 >> 4 & 1;
  f->ips = (f->id5 & 7) > 5 ? 5 : f->id5 & 7;
  f->oas = sizes[f->id5 & 7];
  f->lg = c->cmdq_log2size ? c->cmdq_log2size : 8;
  if (f->lg > (f->id1 >> 21 & 31)) f->lg = f->id1 >> 21 & 31;
  f->evlg = (f->id1 >> 16 & 31) > 7 ? 7 : f->id1 >> 16 & 31;
  for (d = 0; d < c->device_count; d++)
    for (i = 0; i < c->devices[d]->stream_id_count; i++)
      while (f->stlg < 16 && f->stlg < (f->id1 & 63) && c->devices[d]->stream_ids[i] >> f->stlg)
        f->stlg++;
  *self = f;
  return 0;
}
static int cr0(struct fw* f, u32 v) {
  wr(p, CR0, v);
  if (BUG == 2 && !v) return 0; /* 2: CR0ACK is not waited for */
  return poll(p, CR0ACK, 31, v);
}
static int gbpa_abort(struct fw* f) {
  if (poll(p, GBPA, 1u << 31, 0)) return TIMEOUT;
  wr(p, GBPA, (BUG == 1 ? 0 : 1u << 31) | 1u << 20); /* 1: without Update */
  return poll(p, GBPA, 1u << 31, 0);
}
static int all(struct fw* f) {
  if (BUG != 3 && send(f, 4, 31)) return TIMEOUT; /* 3: what the one before had cached stays */
  if (sync(f)) return TIMEOUT;
  if (f->id0 >> 9 & 1 && send(f, 0x20, 0)) return TIMEOUT;
  if (send(f, 0x30, 0)) return TIMEOUT;
  return sync(f);
}
static int reset(void* self) {
  struct fw* f = self;
  u32 i, ats = f->id0 >> 10 & 1 ? 16 : 0;
  if (!f->st && !(f->st = zeroes(f, 64ull << f->stlg))) return -IOMMUCHECK_ENOMEM;
  if (!f->q && !(f->q = zeroes(f, 16ull << f->lg))) return -IOMMUCHECK_ENOMEM;
  if (!f->ev && !(f->ev = zeroes(f, 32ull << f->evlg))) return -IOMMUCHECK_ENOMEM;
  for (i = 0; i < 1u << f->stlg; i++) {
    put(f, ste(f, i) + 8, 1u << 2 | 1u << 4 | 3u << 6 | BIT(44));
    put(f, ste(f, i), 1);
  }
  if (gbpa_abort(f)) return TIMEOUT;
  wr(p, IRQ_CTRL, 0);
  if (poll(p, IRQ_CTRLACK, 7, 0)) return TIMEOUT;
  if (cr0(f, 0)) return TIMEOUT;
  wr(p, GERRORN, rd(p, GERROR));
  wr(p, CR1, 0xd75);
  wr(p, CR2, 4);
  wq(p, STRTAB_BASE, f->st);
  wr(p, STRTAB_CFG, f->stlg);
  wq(p, CMDQ_BASE, f->q | f->lg);
  wr(p, CMDQ_PROD, 0);
  if (BUG != 4) wr(p, CMDQ_CONS, 0); /* 4: CONS where it was */
  f->prod = 0;
  wq(p, EVENTQ_BASE, f->ev | f->evlg);
  wr(p, EVENTQ_PROD, 0);
  wr(p, EVENTQ_CONS, 0);
  f->evcons = 0;
  if (cr0(f, 8 | ats) || all(f) || cr0(f, 12 | ats)) return TIMEOUT;
  return cr0(f, 13 | ats);
}
static int shutdown(void* self) {
  struct fw* f = self;
  u32 i, ats = f->id0 >> 10 & 1 ? 16 : 0;
  if (gbpa_abort(f) || cr0(f, 8 | ats) || all(f) || cr0(f, 0)) return TIMEOUT;
  for (i = 0; i < NDOM; i++)
    if (f->dom[i].used) {
      if (f->dom[i].root) {
        tree(f, f->dom[i].root, 1);
        gone(f, f->dom[i].cd, 64);
      }
      f->dom[i].used = 0;
    }
  gone(f, f->st, 64ull << f->stlg);
  gone(f, f->q, 16ull << f->lg);
  gone(f, f->ev, 32ull << f->evlg);
  f->st = f->q = f->ev = 0;
  return 0;
}
#undef p
const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static const struct iommucheck_driver d = {
      .size = sizeof d,
      .abi = IOMMUCHECK_DRIVER_ABI,
      .name = "firmware",
      .flags = IOMMUCHECK_DRIVER_NO_TIME_OUTS | IOMMUCHECK_DRIVER_NO_GROUPS |
               IOMMUCHECK_DRIVER_POLLS_EVENTS | IOMMUCHECK_DRIVER_TAKES_OVER |
               IOMMUCHECK_DRIVER_IDENTITY_MAPPED,
      .init = init,
      .reset = reset,
      .shutdown = shutdown,
      .device_add = dev_add,
      .device_remove = dev_remove,
      .handle_irq = look,
      .domain_alloc = dom_alloc,
      .domain_free = dom_free,
      .domain_get_info = dom_info,
      .attach = attach,
      .detach = detach,
      .map = map,
      .unmap = unmap,
      .iova_to_phys = to_phys};
  return &d;
}
