/* SPDX-License-Identifier: MIT
 * The example's driver, which has CPUs broadcast what it invalidates page by page, for an SMMU that
 * hears that (IDR0.BTM = 1); where it does not, it is the example's. What can be wrong with it, one
 * at a time:
 *   PTM         CR2.PTM = 1: the SMMU need not listen
 *   APART       CD.ASET = 1: what CPUs broadcast need not act on the ASID
 *   NO_DSB      nobody waits
 *   STORES_ONLY it is waited for by a barrier for stores
 *   EARLY       the descriptor may be visible later than the broadcast
 *   NARROW      of several pages the first alone
 * And what is no mistake:
 *   WIDE        of a page the whole GiB in which it lies */
#define OWN_TLBI
#define OWN_SYNC
#define iommucheck_driver_entry simple_driver_entry
#include "examples/simple_driver.c"
#undef iommucheck_driver_entry

#define IDR0_BTM (1u << 5)
#define CR2_PTM (1u << 2)
#define CD_ASET (1ull << 47)

static const struct iommucheck_platform* given;
static u32 open_broadcasts;

static int hears(struct driver* d) { return (d->p->mmio_read32(d->p->ctx, IDR0) & IDR0_BTM) != 0; }

static int tlbi_page(struct driver* d, u64 asid, u64 iova) {
  if (!hears(d)) return command(d, 0x12 | asid << 48, iova | 1);
#ifndef EARLY
  if (!open_broadcasts) d->p->barrier(d->p->ctx, IOMMUCHECK_WMB);
#endif
#ifdef NARROW
  if (open_broadcasts++) return 0;
#endif
  open_broadcasts = 1;
#ifdef WIDE
  d->p->tlbi(d->p->ctx, IOMMUCHECK_BROADCAST_SCOPE_VA, IOMMUCHECK_TLBI_LEAF, 0, (u32)asid,
             iova & ~0x3fffffffull, 0x40000000);
#else
  d->p->tlbi(d->p->ctx, IOMMUCHECK_BROADCAST_SCOPE_VA, IOMMUCHECK_TLBI_LEAF, 0, (u32)asid, iova,
             PAGE);
#endif
  return 0;
}

static int sync(struct driver* d) {
  if (!open_broadcasts) return command(d, 0x46, 0);
  open_broadcasts = 0;
#ifdef STORES_ONLY
  d->p->barrier(d->p->ctx, IOMMUCHECK_WMB);
#elif !defined(NO_DSB)
  d->p->barrier(d->p->ctx, IOMMUCHECK_MB);
#endif
  return 0;
}

static void write_register_of(void* ctx, u64 offset, u32 value, u32 flags) {
#ifndef PTM
  if (offset == CR2 && given->mmio_read32(ctx, IDR0) & IDR0_BTM) value &= ~CR2_PTM;
#endif
  given->mmio_write32(ctx, offset, value, flags);
}

static void store_of(void* ctx, u64 pa, u64 value) {
#ifndef APART
  /* Word 0 of a CD: V, AArch64. */
  const u64 cd = 1ull << 31 | 1ull << 41 | CD_ASET;
  if ((value & cd) == cd && !(value & 1ull << 63)) value &= ~CD_ASET;
#endif
  given->store64(ctx, pa, value);
}

static int broadcasting_init(const struct iommucheck_platform* p,
                             const struct iommucheck_config* config, void** self) {
  struct iommucheck_platform* mine = p->arena_alloc(p->ctx, sizeof *mine, 16);
  if (!mine) return -IOMMUCHECK_ENOMEM;
  if (!IOMMUCHECK_HAS(struct iommucheck_platform, p, tlbi)) return -IOMMUCHECK_ENODEV;
  given = p;
  *mine = *p;
  mine->mmio_write32 = write_register_of;
  mine->store64 = store_of;
  return init(mine, config, self);
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver = *simple_driver_entry();
  driver.name = "broadcast_driver";
  driver.init = broadcasting_init;
  return &driver;
}
