/* SPDX-License-Identifier: MIT
 *
 * A complete SMMUv3 driver in one small file: the smallest that keeps its promises. It is what to
 * read first when you write a plug-in. No tricks: 4 KiB pages only, three levels of tables (39-bit
 * addresses), a linear stream table, one TLBI for each page, tables freed with their domain.
 *
 *     iommucheck check --driver ./simple_driver.so          every rule holds
 *     iommucheck check --driver ./simple_driver_buggy.so    what forgetting a TLBI looks like
 *
 * How translation hangs together (arch = IHI 0070, the SMMUv3 architecture):
 *
 *     stream ID -> STE (stream table entry) -> CD (context descriptor) -> table 1 -> 2 -> 3 -> page
 *
 * The SMMU may cache every arrow, at any time, and keeps it until a command says otherwise:
 * CFGI_STE for the first two, TLBI for the tables and pages. A command has taken effect only when
 * a CMD_SYNC behind it has been consumed. Everything below follows from these two sentences.
 */
#include "iommucheck/driver.h"

typedef uint64_t u64;
typedef uint32_t u32;

/* Registers, arch chapter 6. */
enum {
  IDR0 = 0x00,
  IDR1 = 0x04,
  IDR5 = 0x14,
  CR0 = 0x20,
  CR0ACK = 0x24,
  CR1 = 0x28,
  CR2 = 0x2c,
  GBPA = 0x44,
  STRTAB_BASE = 0x80,
  STRTAB_BASE_CFG = 0x88,
  CMDQ_BASE = 0x90,
  CMDQ_PROD = 0x98,
  CMDQ_CONS = 0x9c
};
#define CR0_SMMUEN 1u
#define CR0_CMDQEN 8u
#define CR0_ATSCHK 16u
#define GBPA_ABORT (1u << 20)
#define GBPA_UPDATE (1u << 31)

enum {
  PAGE = 4096,
  ENTRIES = 512,
  INPUT_BITS = 39,
  DOMAINS = 255,
  DEVICES = 64
}; /* ASIDs: 8 bits */
#define SECOND 1000000u
#define ADDRESS 0x0000fffffffff000ull /* bits 47:12 of a descriptor */

/* Descriptors: a table, and a page that is accessed (AF), not global, inner shareable, and open to
 * unprivileged access; bit 7 makes it read-only, bits 54:53 forbid instruction fetches. */
#define TABLE 3u
#define LEAF (3u | 1u << 6 | 3u << 8 | 1u << 10 | 1u << 11)
#define READ_ONLY (1u << 7)
#define NEVER_EXECUTE (3ull << 53)
#define UNPRIVILEGED (1u << 6)  /* cleared for mappings of privileged accesses only */
#define DEVICE_MEMORY (1u << 2) /* attribute 1 of MAIR */

#define QUARANTINE 2u /* an invalid descriptor: unmapped, but the TLB was not emptied */

#define STE_BLOCKED 1u /* V = 1, Config = 0: terminated without an event */
#define STE_STAGE1 (1u | 5u << 1)

struct domain {
  int used;
  u32 devices;
  u64 root, cd;
};

struct driver {
  const struct iommucheck_platform* p;
  const struct iommucheck_config* config;
  u64 streams, ring;
  u32 streams_lg2, ring_lg2, prod, output_size, output_bits;
  u32 checks; /* CR0_ATSCHK where there is ATS: who says "translated" is not believed */
  int late;   /* a command timed out: caches may hold anything old until recover() has succeeded */
  struct domain domain[DOMAINS];
  struct {
    int added;
    iommucheck_handle domain;
  } device[DEVICES];
};

/* ---- words in table memory ---------------------------------------------------------------- */

static u64 get(struct driver* d, u64 pa) {
  return *(const u64*)((const char*)d->p->window + (pa - d->p->window_pa));
}
#ifdef PLAIN_STORES /* as a driver does that knows nothing of the checker: IOMMUCHECK_DRIVER_SCAN \
                     */
static volatile u64* at(struct driver* d, u64 pa) {
  return (volatile u64*)((uintptr_t)d->p->window + (pa - d->p->window_pa));
}
static void put(struct driver* d, u64 pa, u64 word) { *at(d, pa) = word; }
static void zero(struct driver* d, u64 pa, u64 bytes) {
  for (; bytes; bytes -= 8, pa += 8) *at(d, pa) = 0;
}
#else
static void put(struct driver* d, u64 pa, u64 word) { d->p->store64(d->p->ctx, pa, word); }
static void zero(struct driver* d, u64 pa, u64 bytes) { d->p->fill64(d->p->ctx, pa, bytes / 8, 0); }
#endif
/* Pages come with whatever their last owner left in them, and the SMMU reads anything as a
 * descriptor: zeros must be visible (barrier) before anybody links the page. */
static u64 new_table(struct driver* d, u64 bytes) {
  u64 pa = 0;
  if (!d->p->table_alloc(d->p->ctx, bytes, &pa)) return 0;
  zero(d, pa, bytes);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  return pa;
}
static void free_table(struct driver* d, u64 pa, u64 bytes) {
  if (pa) d->p->table_free(d->p->ctx, pa, bytes);
}

/* ---- registers and commands --------------------------------------------------------------- */

static void write_register(struct driver* d, u64 offset, u32 value) {
  d->p->mmio_write32(d->p->ctx, offset, value, IOMMUCHECK_MMIO_ORDERED);
}
static int wait_register(struct driver* d, u64 offset, u32 mask, u32 value) {
  while ((d->p->mmio_read32(d->p->ctx, offset) & mask) != value) {
    if (d->p->wait(d->p->ctx, IOMMUCHECK_WAIT_REGISTER, SECOND)) return -IOMMUCHECK_ETIMEDOUT;
  }
  return 0;
}
static int write_cr0(struct driver* d, u32 value) {
  write_register(d, CR0, value); /* takes effect when CR0ACK follows, not before */
  return wait_register(d, CR0ACK, ~0u, value);
}

/* Puts one command into the ring and waits until it is consumed. Only for CMD_SYNC does that mean
 * that anything has happened; waiting for the others just keeps this driver simple: the ring is
 * never full. PROD and CONS carry a wrap bit above the index, so that full and empty differ. */
static int command(struct driver* d, u64 word0, u64 word1) {
  const u32 mask = (2u << d->ring_lg2) - 1;
  const u64 slot = d->ring + 16u * (d->prod & (mask >> 1));
  while (((d->prod - d->p->mmio_read32(d->p->ctx, CMDQ_CONS)) & mask) == (mask >> 1) + 1) {
    if (d->p->wait(d->p->ctx, IOMMUCHECK_WAIT_CMDQ, SECOND)) { /* full of what timed out */
      d->late = 1;
      return -IOMMUCHECK_ETIMEDOUT;
    }
  }
  put(d, slot, word0);
  put(d, slot + 8, word1);
  d->prod = (d->prod + 1) & mask;
  write_register(d, CMDQ_PROD, d->prod); /* ordered: the SMMU sees the slot before the index */
  while ((d->p->mmio_read32(d->p->ctx, CMDQ_CONS) & mask) != d->prod) {
    if (d->p->wait(d->p->ctx, IOMMUCHECK_WAIT_CMDQ, SECOND)) {
      d->late = 1;
      return -IOMMUCHECK_ETIMEDOUT;
    }
  }
  return 0;
}
#ifdef OWN_SYNC /* tests/plugins/message_driver.c */
static int sync(struct driver* d);
#else
static int sync(struct driver* d) { return command(d, 0x46, 0); }
#endif
/* What timed out may have had any purpose: everything is invalidated before anything else goes on.
 */
static int recover(struct driver* d) {
  int e;
  if (!d->late) return 0;
  if ((e = command(d, 0x04, 31)) || (e = sync(d)) || (e = command(d, 0x30, 0)) || (e = sync(d))) {
    return e; /* CFGI_ALL, then TLBI_NSNH_ALL */
  }
  d->late = 0;
  return 0;
}
#ifdef OWN_TLBI /* tests/plugins/broadcast_driver.c */
static int tlbi_page(struct driver* d, u64 asid, u64 iova);
#else
static int tlbi_page(struct driver* d, u64 asid, u64 iova) {
  return command(d, 0x12 | asid << 48, iova | 1); /* TLBI_NH_VA, Leaf = 1: no table was removed */
}
#endif
static int tlbi_asid(struct driver* d, u64 asid) {
  const int error = command(d, 0x11 | asid << 48, 0); /* TLBI_NH_ASID */
  return error ? error : sync(d);
}

/* ---- life --------------------------------------------------------------------------------- */

static int init(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                void** self) {
  static const unsigned char sizes[8] = {32, 36, 40, 42, 44, 48, 48, 48};
  struct driver* d = p->arena_alloc(p->ctx, sizeof *d, 16);
  const u32 idr0 = p->mmio_read32(p->ctx, IDR0), idr5 = p->mmio_read32(p->ctx, IDR5);
  u32 i, n;
  if (!d) return -IOMMUCHECK_ENOMEM;
  if (config->iommu_count != 1) return -IOMMUCHECK_ENODEV;
  /* Stage 1, 64-bit tables and 4 KiB pages; fetches that look into CPU caches (otherwise each store
   * needs p->dma_clean before its barrier); stalls not forced. */
  if ((idr0 & 0x1a) != 0x1a || !(idr5 & 16) || (idr0 >> 24 & 3) == 2) {
    return -IOMMUCHECK_ENODEV;
  }
  d->p = p;
  d->config = config;
  d->ring_lg2 = p->mmio_read32(p->ctx, IDR1) >> 21 & 31;
  if (d->ring_lg2 > 8) d->ring_lg2 = 8; /* one page of commands */
  d->checks = idr0 >> 10 & 1 ? CR0_ATSCHK : 0;
  d->output_size = (idr5 & 7) > 5 ? 5 : idr5 & 7;
  d->output_bits = sizes[idr5 & 7];
  for (i = 0; i < config->device_count; ++i) {
    for (n = 0; n < config->devices[i]->stream_id_count; ++n) {
      while (d->streams_lg2 < 16 && config->devices[i]->stream_ids[n] >> d->streams_lg2) {
        ++d->streams_lg2;
      }
    }
  }
  *self = d;
  return 0;
}

static u64 stream_table_bytes(struct driver* d) {
  return d->streams_lg2 < 6 ? PAGE : (u64)64 << d->streams_lg2;
}

static int reset(void* self) {
  struct driver* d = self;
  u64 i;
  int e;
  if (!d->streams && !(d->streams = new_table(d, stream_table_bytes(d)))) {
    return -IOMMUCHECK_ENOMEM;
  }
  if (!d->ring && !(d->ring = new_table(d, PAGE))) return -IOMMUCHECK_ENOMEM;
  for (i = 0; i < (u64)1 << d->streams_lg2; ++i) {
    /* CDs are fetched write-back and shareable; word 1 never changes from here on, so that
     * word 0 alone, one atomic store, decides what a stream does. */
    put(d, d->streams + 64 * i + 8, 1u << 2 | 1u << 4 | 3u << 6);
    put(d, d->streams + 64 * i, STE_BLOCKED);
  }
  /* Off, and blocked while off. */
  if ((e = wait_register(d, GBPA, GBPA_UPDATE, 0))) return e;
  write_register(d, GBPA, d->p->mmio_read32(d->p->ctx, GBPA) | GBPA_ABORT | GBPA_UPDATE);
  if ((e = wait_register(d, GBPA, GBPA_UPDATE, 0))) return e;
  if ((e = write_cr0(d, 0))) return e;
  write_register(d, CR1, 0xd75); /* tables and queues: write-back, inner shareable */
  write_register(d, CR2, 1u << 1 | 1u << 2);
  d->p->mmio_write64(d->p->ctx, STRTAB_BASE, d->streams, IOMMUCHECK_MMIO_ORDERED);
  write_register(d, STRTAB_BASE_CFG, d->streams_lg2);
  d->p->mmio_write64(d->p->ctx, CMDQ_BASE, d->ring | d->ring_lg2, IOMMUCHECK_MMIO_ORDERED);
  write_register(d, CMDQ_PROD, d->prod = 0);
  write_register(d, CMDQ_CONS, 0);
  if ((e = write_cr0(d, CR0_CMDQEN | d->checks))) return e;
  /* Caches hold anything after power-on: CFGI_ALL, then TLBI_EL2_ALL (if there is an EL2) and
   * TLBI_NSNH_ALL, before the first translation. */
  if ((e = command(d, 0x04, 31)) || (e = sync(d))) return e;
  if ((d->p->mmio_read32(d->p->ctx, IDR0) >> 9 & 1) && (e = command(d, 0x20, 0))) return e;
  if ((e = command(d, 0x30, 0)) || (e = sync(d))) return e;
  return write_cr0(d, CR0_CMDQEN | CR0_SMMUEN | d->checks);
}

/* ---- domains ------------------------------------------------------------------------------ */

/* Handles are the index + 1, and so is the ASID (0 stays free). */
static struct domain* find(struct driver* d, iommucheck_handle h) {
  return h >= 1 && h <= DOMAINS && d->domain[h - 1].used == 1 ? &d->domain[h - 1] : 0;
}
static void free_tree(struct driver* d, u64 table, int level) {
  u64 i;
  for (i = 0; level < 3 && i < ENTRIES; ++i) {
    const u64 word = get(d, table + 8 * i);
    if (word & 1) free_tree(d, word & ADDRESS, level + 1);
  }
  free_table(d, table, PAGE);
}
static void release(struct driver* d, struct domain* domain) {
  if (domain->root) free_tree(d, domain->root, 1);
  free_table(d, domain->cd, PAGE);
  domain->used = 0;
}

static int domain_alloc(void* self, const struct iommucheck_domain_params* params,
                        iommucheck_handle* handle) {
  struct driver* d = self;
  struct domain* domain = d->domain;
  u64 asid;
  if (params->kind < IOMMUCHECK_DOMAIN_PAGING || params->kind > IOMMUCHECK_DOMAIN_NESTED_PASID) {
    return -IOMMUCHECK_EINVAL;
  }
  if (params->kind != IOMMUCHECK_DOMAIN_PAGING) return IOMMUCHECK_NOT_BUILT;
  if (params->input_bits && params->input_bits != INPUT_BITS) return IOMMUCHECK_NOT_BUILT;
  while (domain < d->domain + DOMAINS && domain->used) ++domain;
  if (domain == d->domain + DOMAINS) return -IOMMUCHECK_ENOSPC;
  asid = (u64)(domain - d->domain) + 1;
  domain->used = 1;
  domain->devices = 0;
  domain->root = new_table(d, PAGE);
  domain->cd = new_table(d, PAGE);
  if (!domain->root || !domain->cd) {
    release(d, domain);
    return -IOMMUCHECK_ENOMEM;
  }
  /* MAIR: attribute 0 is normal write-back, 1 device nGnRE. TTB0. And word 0: T0SZ, walks
   * write-back and shareable, no second table (EPD1), V, output size, AArch64, faults are recorded
   * and aborted (R, A), our own ASID (ASET). Complete before any STE points here. */
  put(d, domain->cd + 24, 0x04ff);
  put(d, domain->cd + 8, domain->root);
  put(d, domain->cd,
      (64 - INPUT_BITS) | 1u << 8 | 1u << 10 | 3u << 12 | 1u << 30 | 1u << 31 |
          (u64)d->output_size << 32 | 1ull << 41 | 7ull << 45 | asid << 48);
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
  *handle = asid;
  return 0;
}

static int domain_free(void* self, iommucheck_handle handle) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  if (!domain) return -IOMMUCHECK_EINVAL;
  if (domain->devices) return -IOMMUCHECK_EBUSY;
  if (recover(d)) {
    domain->used = 2; /* may still be cached: the handle is gone, the rest is kept to the end */
    return -IOMMUCHECK_ETIMEDOUT;
  }
  release(d, domain); /* the last detach, or recover(), has emptied all caches */
  return 0;
}

static int domain_get_info(void* self, iommucheck_handle handle,
                           struct iommucheck_domain_info* info) {
  struct driver* d = self;
  const struct domain* domain = find(d, handle);
  if (!domain) return -IOMMUCHECK_EINVAL;
  info->input_bits = INPUT_BITS;
  info->output_bits = d->output_bits;
  info->page_sizes = PAGE;
  info->table_pa = domain->root;
  return 0;
}

/* ---- devices ------------------------------------------------------------------------------ */

static int device_add(void* self, u32 device) {
  struct driver* d = self;
  u32 n;
  if (device >= d->config->device_count || device >= DEVICES) return -IOMMUCHECK_EINVAL;
  if (d->device[device].added) return -IOMMUCHECK_EEXIST;
  for (n = 0; n < d->config->devices[device]->stream_id_count; ++n) {
    const u64 stream = d->config->devices[device]->stream_ids[n];
    const u32 bits = d->p->mmio_read32(d->p->ctx, IDR1) & 63;
    if (stream >> d->streams_lg2 || stream >> bits) return -IOMMUCHECK_ENODEV;
  }
  d->device[device].added = 1;
  return 0;
}

/* Makes every stream of the device use a domain (null: blocked). Word 0 holds all that changes:
 * the SMMU sees the old STE or the new one, never half of each. CFGI_STE, CMD_SYNC must follow. */
static void write_streams(struct driver* d, u32 device, const struct domain* domain) {
  const struct iommucheck_device* config = d->config->devices[device];
  const u64 word = domain ? STE_STAGE1 | domain->cd : STE_BLOCKED;
  u32 n;
  for (n = 0; n < config->stream_id_count; ++n) {
    put(d, d->streams + 64ull * config->stream_ids[n], word);
  }
}

/* The device is to use `handle` (0: nothing) instead of what it uses now. */
static int move_device(struct driver* d, u32 device, iommucheck_handle handle) {
  const struct iommucheck_device* config = d->config->devices[device];
  const iommucheck_handle old = d->device[device].domain;
  struct domain *to = find(d, handle), *from = find(d, old);
  int e = 0;
  u32 n;
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB); /* table stores before the STE that leads to them */
  write_streams(d, device, to);
  for (n = 0; !e && n < config->stream_id_count; ++n) {
    e = command(d, 0x03 | (u64)config->stream_ids[n] << 32, 1); /* CFGI_STE */
  }
  if (!e) e = sync(d);
  /* Configuration first, translations second: a stale STE could refill a TLB. */
  if (!e && from) e = tlbi_asid(d, old);
  if (e && to) { /* a failed attach changes nothing */
    write_streams(d, device, from);
    d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
    return e;
  }
  if (from) --from->devices;
  if (to) ++to->devices;
  d->device[device].domain = handle;
  return e;
}

static int attach(void* self, iommucheck_handle handle, u32 device) {
  struct driver* d = self;
  if (device >= DEVICES || !d->device[device].added) return -IOMMUCHECK_ENODEV;
  if (!find(d, handle)) return -IOMMUCHECK_EINVAL;
  if (d->device[device].domain == handle) return 0;
  return move_device(d, device, handle);
}

static int detach(void* self, iommucheck_handle handle, u32 device) {
  struct driver* d = self;
  if (device >= DEVICES || !d->device[device].added) return -IOMMUCHECK_ENODEV;
  if (!find(d, handle) || d->device[device].domain != handle) return -IOMMUCHECK_EINVAL;
  return move_device(d, device, 0);
}

/* ---- map and unmap ------------------------------------------------------------------------ */

static int fits(u64 start, u64 bytes, u32 bits) {
  return start + (bytes - 1) >= start && (start + (bytes - 1)) >> bits == 0;
}

/* Address of the level 3 descriptor of `iova`, making the tables above it if `make`; 0: none. */
static u64 find_slot(struct driver* d, struct domain* domain, u64 iova, int make) {
  u64 table = domain->root;
  int shift;
  for (shift = 30; shift >= 21; shift -= 9) {
    const u64 slot = table + 8 * (iova >> shift & (ENTRIES - 1));
    table = get(d, slot) & ADDRESS;
    if (get(d, slot) & 1) continue;
    if (!make || !(table = new_table(d, PAGE))) return 0;
    put(d, slot, table | TABLE); /* its zeros are visible already */
  }
  return table + 8 * (iova >> 12 & (ENTRIES - 1));
}

static struct iommucheck_result unmap(void* self, iommucheck_handle handle, u64 iova, u64 bytes) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  struct iommucheck_result result = {0, 0, 0};
  u64 page;
  if (!domain || !bytes || (iova | bytes) % PAGE || !fits(iova, bytes, INPUT_BITS)) return result;
  for (; result.bytes < bytes; result.bytes += PAGE) {
    const u64 slot = find_slot(d, domain, iova + result.bytes, 0);
    if (!slot || !(get(d, slot) & 1)) break; /* the first hole ends it */
    put(d, slot, 0);
  }
#ifndef FORGET_THE_INVALIDATION
  /* The descriptors are gone, but a TLB may hold them still: name each page, then wait for a
   * CMD_SYNC. Only now the caller may give the memory to somebody else. */
  if (result.bytes) result.error = recover(d);
  for (page = 0; !result.error && page < result.bytes; page += PAGE) {
    result.error = tlbi_page(d, handle, iova + page);
  }
  if (!result.error && result.bytes) result.error = sync(d);
  for (page = 0; result.error && page < result.bytes; page += PAGE) {
    put(d, find_slot(d, domain, iova + page, 0), QUARANTINE); /* not to be mapped again */
  }
#else
  (void)page;
  (void)tlbi_page;
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB);
#endif
  return result;
}

static int map(void* self, iommucheck_handle handle, u64 iova, u64 pa, u64 bytes, u32 prot) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  u64 leaf = LEAF, done;
  int e = 0;
  if (!domain || (iova | pa | bytes) % PAGE || !(prot & 7) || prot & ~31u) {
    return -IOMMUCHECK_EINVAL;
  }
  if (!bytes) return 0;
  if (!fits(iova, bytes, INPUT_BITS) || !fits(pa, bytes, d->output_bits)) {
    return -IOMMUCHECK_ERANGE;
  }
  if (!(prot & IOMMUCHECK_PROT_WRITE)) leaf |= READ_ONLY;
  if (!(prot & IOMMUCHECK_PROT_EXEC)) leaf |= NEVER_EXECUTE;
  if (prot & IOMMUCHECK_PROT_PRIVILEGED) leaf &= ~(u64)UNPRIVILEGED;
  if (prot & IOMMUCHECK_PROT_DEVICE) leaf |= DEVICE_MEMORY;
  for (done = 0; !e && done < bytes; done += e ? 0 : PAGE) {
    const u64 slot = find_slot(d, domain, iova + done, 1);
    if (!slot)
      e = -IOMMUCHECK_ENOMEM;
    else if (get(d, slot) & 1)
      e = -IOMMUCHECK_EEXIST;
    else if (get(d, slot) == QUARANTINE)
      e = recover(d); /* a TLB may hold what was here */
    if (!e) put(d, slot, (pa + done) | leaf);
  }
  if (e) unmap(d, handle, iova, done);          /* all or nothing, and out of the TLB again */
  d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_WMB); /* devices may use it when we return */
  return e;
}

static u64 iova_to_phys(void* self, iommucheck_handle handle, u64 iova) {
  struct driver* d = self;
  struct domain* domain = find(d, handle);
  const u64 slot = domain && !(iova >> INPUT_BITS) ? find_slot(d, domain, iova, 0) : 0;
  return slot && get(d, slot) & 1 ? (get(d, slot) & ADDRESS) | iova % PAGE : 0;
}

static int shutdown(void* self) {
  struct driver* d = self;
  u32 i;
  int e;
  if (d->ring) {
    /* Stop first, empty the caches, then give the memory back. */
    if ((e = write_cr0(d, CR0_CMDQEN)) || (e = command(d, 0x04, 31)) || (e = sync(d)) ||
        (e = command(d, 0x30, 0)) || (e = sync(d)) || (e = write_cr0(d, 0))) {
      return e;
    }
  }
  for (i = 0; i < DOMAINS; ++i) {
    if (d->domain[i].used) release(d, &d->domain[i]);
  }
  for (i = 0; i < DEVICES; ++i) d->device[i].added = 0, d->device[i].domain = 0;
  free_table(d, d->streams, stream_table_bytes(d));
  free_table(d, d->ring, PAGE);
  d->streams = d->ring = 0;
  return 0;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static const struct iommucheck_driver driver = {
      .size = sizeof driver,
      .abi = IOMMUCHECK_DRIVER_ABI,
      .name = "simple_driver",
#ifdef PLAIN_STORES
      .flags = IOMMUCHECK_DRIVER_SCAN,
#endif
      .init = init,
      .reset = reset,
      .shutdown = shutdown,
      .device_add = device_add,
      .domain_alloc = domain_alloc,
      .domain_free = domain_free,
      .domain_get_info = domain_get_info,
      .attach = attach,
      .detach = detach,
      .map = map,
      .unmap = unmap,
      .iova_to_phys = iova_to_phys}; /* the rest is NULL: not built */
  return &driver;
}
