/* SPDX-License-Identifier: MIT
 * A driver as small static hypervisors have it: a VM is a domain and a VMID, its devices are behind
 * stage 2 alone, what it maps it maps for long, in blocks of 2 MiB where it can. A stream table of
 * two levels; no ATS, no groups; a device belongs to one VM until that gives it back; events are
 * polled. It is written from docs/drivers.md and include/iommucheck/driver.h alone, and shares
 * nothing with the example.
 *
 * -DBUG=n plants one of the mistakes named below; without it nothing is planted. -DBY_KIND: its
 * domains are asked for as what they are, IOMMUCHECK_DOMAIN_PAGING_S2, and no other kind is built.
 */
#include "iommucheck/driver.h"

#ifndef BUG
#define BUG 0
#endif
enum bug {
  TLBI_OF_ANOTHER_VMID = 1, /* the TLBI of an unmap counts VMs from 0, the STE from 1 */
  VMID_NOT_EMPTIED,         /* a VM that loses its last device keeps its translations */
  START_LEVEL_OF_48_BITS,   /* S2SL0 = 2 whatever the size of the addresses */
  SIZE_INSTEAD_OF_T0SZ,     /* S2T0SZ is the number of bits that there are */
  ROOT_NOT_ALIGNED,         /* two tables side by side, aligned like one */
  STE_IN_ONE_GO,            /* V = 1 is stored behind the other words with nothing in between */
  LEAF_OF_CFGI,             /* a new array of STEs is made known as if only an STE had changed */
  SPAN_OF_HALF,             /* L1STD.Span counts as log2, and not as log2 + 1 */
  LAST_PAGE_FORGOTTEN,      /* an unmap invalidates up to the last page, and not with it */
  READ_ONLY_IGNORED,        /* S2AP lets write in any case */
  NEVER_EXECUTE_FORGOTTEN,  /* XN is not set */
  DEVICE_AS_MEMORY,         /* PROT_DEVICE is ignored */
  NO_ACCESS_FLAG,           /* AF of leaves is 0 */
  NOT_WAITED_FOR,           /* no CMD_SYNC behind the TLBI of an unmap */
  RING_WITHOUT_WRAP,        /* CMDQ_PROD loses its wrap bit */
  FIRST_STREAM_ALONE,       /* a device that is given back keeps its other StreamIDs */
  ON_BEFORE_EMPTY,          /* SMMUEN = 1 before the caches were emptied */
  WALKS_NOT_SHAREABLE,      /* S2SH0 = 0 */
  TABLE_NOT_ORDERED,        /* a table is linked before its zeros are visible */
  TLBI_OF_STAGE_1,          /* NH_VAA is sent for S2_IPA, and stage 2 does not heed it */
  OUTPUT_OF_32_BITS,        /* S2PS = 0 */
  BLOCK_OVER_TABLE          /* a block takes the place of an empty table, which goes */
};
#define HAS(bug) (BUG == (bug))
#ifdef BY_KIND
enum { KIND = IOMMUCHECK_DOMAIN_PAGING_S2 };
#else
enum { KIND = IOMMUCHECK_DOMAIN_PAGING };
#endif

typedef uint64_t u64;
typedef uint32_t u32;

#define BIT(n) (1ull << (n))
enum { PAGE = 0x1000, BLOCK = 0x200000, VMS = 32, DEVICES = 32, STES = 64, RECORD = 32 };
#define ADDRESS 0xfffffffff000ull

enum { IDR0 = 0, IDR1 = 4, IDR5 = 0x14, CR0 = 0x20, CR0ACK = 0x24, CR1 = 0x28, CR2 = 0x2c };
enum { GBPA = 0x44, STRTAB_BASE = 0x80, STRTAB_BASE_CFG = 0x88 };
enum { CMDQ_BASE = 0x90, CMDQ_PROD = 0x98, CMDQ_CONS = 0x9c };
enum { EVENTQ_BASE = 0xa0, EVENTQ_PROD = 0x100a8, EVENTQ_CONS = 0x100ac };
enum { SMMUEN = 1, EVENTQEN = 4, CMDQEN = 8, ATSCHK = 16 };

struct vm {
  int used;
  u32 devices;
  u64 root;
};

struct smmu {
  const struct iommucheck_platform* p;
  const struct iommucheck_config* config;
  u32 sid_bits, ipa_bits, output_bits, output_size, cr0;
  u64 level1, cmdq, eventq;
  u32 cmdq_lg2, eventq_lg2, prod, cons;
  struct vm vms[VMS];
  struct {
    int added;
    iommucheck_handle vm;
  } devices[DEVICES];
};

/* ---- memory, registers ---- */

static u64 read(struct smmu* s, u64 pa) {
  return *(const u64*)((const char*)s->p->window + (pa - s->p->window_pa));
}
static void write(struct smmu* s, u64 pa, u64 word) { s->p->store64(s->p->ctx, pa, word); }
static void order(struct smmu* s) { s->p->barrier(s->p->ctx, IOMMUCHECK_DMA_WMB); }

static u64 zeroed(struct smmu* s, u64 bytes) {
  u64 pa = 0;
  if (!s->p->table_alloc(s->p->ctx, bytes, &pa)) return 0;
  s->p->fill64(s->p->ctx, pa, bytes / 8, 0);
  if (!HAS(TABLE_NOT_ORDERED)) order(s);
  return pa;
}
static void give_back(struct smmu* s, u64 pa, u64 bytes) {
  if (pa) s->p->table_free(s->p->ctx, pa, bytes);
}

static u32 reg(struct smmu* s, u64 at) { return s->p->mmio_read32(s->p->ctx, at); }
static void set_reg(struct smmu* s, u64 at, u32 value) {
  s->p->mmio_write32(s->p->ctx, at, value, IOMMUCHECK_MMIO_ORDERED);
}
static void set_base(struct smmu* s, u64 at, u64 value) {
  s->p->mmio_write64(s->p->ctx, at, value, IOMMUCHECK_MMIO_ORDERED);
}
static int until(struct smmu* s, u64 at, u32 mask, u32 value) {
  while ((reg(s, at) & mask) != value) {
    if (s->p->wait(s->p->ctx, IOMMUCHECK_WAIT_REGISTER, 1000000)) return -IOMMUCHECK_ETIMEDOUT;
  }
  return 0;
}
static int set_cr0(struct smmu* s, u32 value) {
  set_reg(s, CR0, s->cr0 = value);
  return until(s, CR0ACK, ~0u, value);
}

/* ---- commands ---- */

static u32 ring_mask(struct smmu* s) {
  return HAS(RING_WITHOUT_WRAP) ? (1u << s->cmdq_lg2) - 1 : (2u << s->cmdq_lg2) - 1;
}

/* All are sent by themselves, and each is waited for until it is consumed. */
static int send(struct smmu* s, u64 word0, u64 word1) {
  const u64 slot = s->cmdq + 16 * (s->prod & ((1u << s->cmdq_lg2) - 1));
  write(s, slot, word0);
  write(s, slot + 8, word1);
  s->prod = (s->prod + 1) & ring_mask(s);
  set_reg(s, CMDQ_PROD, s->prod);
  while ((reg(s, CMDQ_CONS) & ring_mask(s)) != s->prod) {
    if (s->p->wait(s->p->ctx, IOMMUCHECK_WAIT_CMDQ, 1000000)) return -IOMMUCHECK_ETIMEDOUT;
  }
  return 0;
}
static int sync(struct smmu* s) { return send(s, 0x46, 0); }
static int cfgi_ste(struct smmu* s, u64 sid, int leaf) {
  order(s);
  return send(s, 0x03 | sid << 32, leaf ? 1 : 0) || sync(s) ? -IOMMUCHECK_ETIMEDOUT : 0;
}
static int empty_everything(struct smmu* s) {
  if (send(s, 0x04, 31) || sync(s)) return -IOMMUCHECK_ETIMEDOUT;
  if ((reg(s, IDR0) & BIT(9)) && send(s, 0x20, 0)) return -IOMMUCHECK_ETIMEDOUT;
  return send(s, 0x30, 0) || sync(s) ? -IOMMUCHECK_ETIMEDOUT : 0;
}
static int empty_vmid(struct smmu* s, u64 vmid) {
  return send(s, 0x28 | vmid << 32, 0) || sync(s) ? -IOMMUCHECK_ETIMEDOUT : 0;
}

/* [ipa, ipa + bytes): each page, since what is not there costs nothing; beyond that the VM. */
static int forget(struct smmu* s, u64 vmid, u64 ipa, u64 bytes) {
  const u64 opcode = HAS(TLBI_OF_STAGE_1) ? 0x13 : 0x2a;
  const u64 whose = HAS(TLBI_OF_ANOTHER_VMID) ? vmid - 1 : vmid;
  const u64 end = HAS(LAST_PAGE_FORGOTTEN) && bytes > PAGE ? ipa + bytes - PAGE : ipa + bytes;
  if (bytes > 32 * PAGE) return empty_vmid(s, vmid);
  for (; ipa < end; ipa += PAGE) {
    if (send(s, opcode | whose << 32, ipa)) return -IOMMUCHECK_ETIMEDOUT;
  }
  return HAS(NOT_WAITED_FOR) ? 0 : sync(s);
}

/* ---- life ---- */

static int init(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                void** self) {
  static const unsigned char sizes[8] = {32, 36, 40, 42, 44, 48, 48, 48};
  struct smmu* s = p->arena_alloc(p->ctx, sizeof *s, 16);
  const u32 id0 = p->mmio_read32(p->ctx, IDR0), id1 = p->mmio_read32(p->ctx, IDR1);
  const u32 id5 = p->mmio_read32(p->ctx, IDR5);
  if (!s) return -IOMMUCHECK_ENOMEM;
  /* Stage 2, AArch64 tables, coherent fetches; a stream table of two levels; pages of 4 KiB. */
  if ((id0 & 0x19) != 0x19 || (id0 >> 27 & 3) != 1 || !(id5 & 16)) return -IOMMUCHECK_ENODEV;
  if (config->iommu_count != 1 || config->device_count > DEVICES) return -IOMMUCHECK_ENODEV;
  s->p = p;
  s->config = config;
  s->sid_bits = (id1 & 63) > 16 ? 16 : id1 & 63;
  if (s->sid_bits < 6) return -IOMMUCHECK_ENODEV;
  s->cmdq_lg2 = (id1 >> 21 & 31) > 8 ? 8 : id1 >> 21 & 31;
  s->eventq_lg2 = (id1 >> 16 & 31) > 7 ? 7 : id1 >> 16 & 31;
  s->output_size = (id5 & 7) > 5 ? 5 : id5 & 7;
  s->output_bits = sizes[s->output_size];
  s->ipa_bits = s->output_bits < 40 ? s->output_bits : 40; /* tables begin at level 1 */
  *self = s;
  return 0;
}

static u64 level1_bytes(struct smmu* s) {
  return s->sid_bits <= 15 ? PAGE : (u64)8 << (s->sid_bits - 6);
}

static int reset(void* self) {
  struct smmu* s = self;
  u32 i;
  if (!s->level1) s->level1 = zeroed(s, level1_bytes(s));
  if (!s->cmdq) s->cmdq = zeroed(s, PAGE);
  if (!s->eventq) s->eventq = zeroed(s, PAGE);
  if (!s->level1 || !s->cmdq || !s->eventq) return -IOMMUCHECK_ENOMEM;
  for (i = 0; i < DEVICES; ++i) s->devices[i].vm = 0;
  if (until(s, GBPA, 1u << 31, 0)) return -IOMMUCHECK_ETIMEDOUT;
  set_reg(s, GBPA, reg(s, GBPA) | 1u << 20 | 1u << 31); /* ABORT, Update */
  if (until(s, GBPA, 1u << 31, 0) || set_cr0(s, 0)) return -IOMMUCHECK_ETIMEDOUT;
  set_reg(s, CR1, 0xd75);             /* write-back, inner shareable */
  set_reg(s, CR2, 1u << 1 | 1u << 2); /* RECINVSID, PTM */
  set_base(s, STRTAB_BASE, s->level1 | BIT(62));
  set_reg(s, STRTAB_BASE_CFG, 1u << 16 | 6u << 6 | s->sid_bits);
  set_base(s, CMDQ_BASE, s->cmdq | BIT(62) | s->cmdq_lg2);
  set_reg(s, CMDQ_PROD, s->prod = 0);
  set_reg(s, CMDQ_CONS, 0);
  set_base(s, EVENTQ_BASE, s->eventq | BIT(62) | s->eventq_lg2);
  set_reg(s, EVENTQ_PROD, 0);
  set_reg(s, EVENTQ_CONS, s->cons = 0);
  const u32 on = CMDQEN | EVENTQEN | (reg(s, IDR0) & BIT(10) ? ATSCHK : 0);
  if (set_cr0(s, on)) return -IOMMUCHECK_ETIMEDOUT;
  if (HAS(ON_BEFORE_EMPTY) && set_cr0(s, on | SMMUEN)) return -IOMMUCHECK_ETIMEDOUT;
  return empty_everything(s) || set_cr0(s, on | SMMUEN) ? -IOMMUCHECK_ETIMEDOUT : 0;
}

static u64 ste_of(struct smmu* s, u32 sid) {
  const u64 array = read(s, s->level1 + 8 * (sid >> 6)) & ADDRESS;
  return array ? array + 64 * (sid & (STES - 1)) : 0;
}

/* An array of STEs for each 64 StreamIDs that somebody has: all of them abort. */
static int device_add(void* self, u32 device) {
  struct smmu* s = self;
  const struct iommucheck_device* its;
  u32 i, n;
  if (device >= s->config->device_count) return -IOMMUCHECK_EINVAL;
  if (s->devices[device].added) return -IOMMUCHECK_EEXIST;
  its = s->config->devices[device];
  for (n = 0; n < its->stream_id_count; ++n) {
    const u32 sid = its->stream_ids[n];
    u64 array;
    if (sid >> s->sid_bits) return -IOMMUCHECK_ENODEV;
    if (ste_of(s, sid)) continue;
    array = zeroed(s, STES * 64);
    if (!array) return -IOMMUCHECK_ENOMEM;
    for (i = 0; i < STES; ++i) write(s, array + 64 * i, 1); /* V, Config = abort */
    order(s);
    write(s, s->level1 + 8 * (sid >> 6), array | (HAS(SPAN_OF_HALF) ? 6 : 7));
    if (cfgi_ste(s, sid, HAS(LEAF_OF_CFGI))) return -IOMMUCHECK_ETIMEDOUT;
  }
  s->devices[device].added = 1;
  return 0;
}

static void handle_irq(void* self, u64 source) {
  struct smmu* s = self;
  const u32 mask = (2u << s->eventq_lg2) - 1;
  u32 prod;
  if (source != IOMMUCHECK_IRQ_EVENT_QUEUE) return;
  prod = reg(s, EVENTQ_PROD);
  s->p->barrier(s->p->ctx, IOMMUCHECK_DMA_RMB);
  while ((prod & mask) != (s->cons & mask)) {
    const u64 record = s->eventq + RECORD * (s->cons & (mask >> 1));
    if ((s->p->load64(s->p->ctx, record) & 0xff) == 0x10) {
      s->p->log(s->p->ctx, IOMMUCHECK_LOG_INFO, "a VM's device is beyond its memory");
    }
    s->cons = (s->cons + 1) & mask;
  }
  s->p->barrier(s->p->ctx, IOMMUCHECK_DMA_MB);
  set_reg(s, EVENTQ_CONS, s->cons | (prod & BIT(31))); /* and an overflow is acknowledged */
}

/* ---- tables: level 1 is one table, or two side by side ---- */

static u64 root_bytes(struct smmu* s) { return s->ipa_bits > 39 ? 2 * PAGE : PAGE; }

static void give_tree_back(struct smmu* s, u64 table, u64 bytes, int level) {
  u64 i;
  for (i = 0; level < 3 && i < bytes / 8; ++i) {
    const u64 word = read(s, table + 8 * i);
    if ((word & 3) == 3) give_tree_back(s, word & ADDRESS, PAGE, level + 1);
  }
  give_back(s, table, bytes);
}

/* The entry of level 2; 0: none, or no memory. */
static u64 entry_of(struct smmu* s, struct vm* vm, u64 ipa, int make) {
  const u64 above = vm->root + 8 * (ipa >> 30);
  u64 table = read(s, above) & ADDRESS;
  if (!table) {
    if (!make || !(table = zeroed(s, PAGE))) return 0;
    write(s, above, table | 3);
  }
  return table + 8 * (ipa >> 21 & 511);
}

/* How many bytes from `ipa` on one entry maps, 0: none. */
static u64 mapped(struct smmu* s, struct vm* vm, u64 ipa, u64* slot) {
  *slot = ipa >> s->ipa_bits ? 0 : entry_of(s, vm, ipa, 0);
  if (!*slot || !(read(s, *slot) & 1)) return 0;
  if ((read(s, *slot) & 3) == 1) return BLOCK;
  *slot = (read(s, *slot) & ADDRESS) + 8 * (ipa >> 12 & 511);
  return read(s, *slot) & 1 ? PAGE : 0;
}

static int in_range(u64 start, u64 bytes, u32 bits) {
  return start + (bytes - 1) >= start && !((start + (bytes - 1)) >> bits);
}

static u64 leaf_of(u32 prot) {
  u64 leaf = BIT(6) | 3u << 8 | 1; /* S2AP: read; inner shareable */
  if (!HAS(NO_ACCESS_FLAG)) leaf |= BIT(10);
  leaf |= prot & IOMMUCHECK_PROT_DEVICE && !HAS(DEVICE_AS_MEMORY) ? 1u << 2 : 15u << 2;
  if (prot & IOMMUCHECK_PROT_WRITE || HAS(READ_ONLY_IGNORED)) leaf |= BIT(7);
  if (!(prot & IOMMUCHECK_PROT_EXEC) && !HAS(NEVER_EXECUTE_FORGOTTEN)) leaf |= BIT(54);
  return leaf;
}

/* One entry. A block stands only where no table is: else an entry for each page. */
static int map_one(struct smmu* s, struct vm* vm, u64 ipa, u64 pa, u64 bytes, u64 leaf, u64* done) {
  const u64 slot = entry_of(s, vm, ipa, 1);
  const int fits = !((ipa | pa) % BLOCK) && bytes >= BLOCK;
  u64 table, page;
  if (!slot) return -IOMMUCHECK_ENOMEM;
  table = read(s, slot) & ADDRESS;
  if ((read(s, slot) & 3) == 1) return -IOMMUCHECK_EEXIST;
  if (HAS(BLOCK_OVER_TABLE) && fits && table) {
    for (page = 0; page < PAGE; page += 8) {
      if (read(s, table + page) & 1) return -IOMMUCHECK_EEXIST;
    }
    give_back(s, table, PAGE);
    table = 0;
  }
  if (fits && !table) {
    write(s, slot, pa | leaf);
    *done += BLOCK;
    return 0;
  }
  if (!table) {
    if (!(table = zeroed(s, PAGE))) return -IOMMUCHECK_ENOMEM;
    write(s, slot, table | 3);
  }
  page = table + 8 * (ipa >> 12 & 511);
  if (read(s, page) & 1) return -IOMMUCHECK_EEXIST;
  write(s, page, pa | leaf | 2);
  *done += PAGE;
  return 0;
}

/* ---- VMs ---- */

static struct vm* find(struct smmu* s, iommucheck_handle vmid) {
  return vmid >= 1 && vmid <= VMS && s->vms[vmid - 1].used ? &s->vms[vmid - 1] : 0;
}

static int vm_create(void* self, const struct iommucheck_domain_params* params,
                     iommucheck_handle* vmid) {
  struct smmu* s = self;
  u64 i = 0;
  if (params->kind < IOMMUCHECK_DOMAIN_PAGING || params->kind > IOMMUCHECK_DOMAIN_NESTED_PASID) {
    return -IOMMUCHECK_EINVAL;
  }
  if (params->kind != KIND) return IOMMUCHECK_NOT_BUILT;
  if (params->input_bits && params->input_bits != s->ipa_bits) return IOMMUCHECK_NOT_BUILT;
  while (i < VMS && s->vms[i].used) ++i;
  if (i == VMS) return IOMMUCHECK_NOT_BUILT;
  s->vms[i].root = zeroed(s, HAS(ROOT_NOT_ALIGNED) ? 4 * PAGE : root_bytes(s));
  if (!s->vms[i].root) return -IOMMUCHECK_ENOMEM;
  if (HAS(ROOT_NOT_ALIGNED)) s->vms[i].root += PAGE;
  s->vms[i].used = 1;
  s->vms[i].devices = 0;
  *vmid = i + 1;
  return 0;
}

static void vm_release(struct smmu* s, struct vm* vm) {
  u64 i;
  if (HAS(ROOT_NOT_ALIGNED)) {
    for (i = 0; i < root_bytes(s) / 8; ++i) {
      const u64 word = read(s, vm->root + 8 * i);
      if (word & 1) give_tree_back(s, word & ADDRESS, PAGE, 2);
    }
    give_back(s, vm->root - PAGE, 4 * PAGE);
  } else {
    give_tree_back(s, vm->root, root_bytes(s), 1);
  }
  vm->used = 0;
}

static int vm_destroy(void* self, iommucheck_handle vmid) {
  struct smmu* s = self;
  struct vm* vm = find(s, vmid);
  if (!vm) return -IOMMUCHECK_EINVAL;
  if (vm->devices) return -IOMMUCHECK_EBUSY;
  vm_release(s, vm);
  return 0;
}

static int vm_info(void* self, iommucheck_handle vmid, struct iommucheck_domain_info* info) {
  struct smmu* s = self;
  const struct vm* vm = find(s, vmid);
  if (!vm) return -IOMMUCHECK_EINVAL;
  info->input_bits = s->ipa_bits;
  info->output_bits = s->output_bits;
  info->page_sizes = PAGE | BLOCK;
  info->table_pa = vm->root;
  return 0;
}

/* Of an STE that aborts the other words may change; they are known before it does not any more. */
static int write_ste(struct smmu* s, u32 sid, u64 vmid, const struct vm* vm) {
  const u64 ste = ste_of(s, sid);
  const u64 t0sz = HAS(SIZE_INSTEAD_OF_T0SZ) ? s->ipa_bits : 64 - s->ipa_bits;
  const u64 sl0 = HAS(START_LEVEL_OF_48_BITS) ? 2 : 1;
  const u64 sh0 = HAS(WALKS_NOT_SHAREABLE) ? 0 : 3;
  const u64 ps = HAS(OUTPUT_OF_32_BITS) ? 0 : s->output_size;
  write(s, ste + 8, BIT(44)); /* SHCFG: as it comes */
  write(s, ste + 16,
        vmid | t0sz << 32 | sl0 << 38 | BIT(40) | BIT(42) | sh0 << 44 | ps << 48 | BIT(51) |
            BIT(58)); /* write-back walks; S2AA64, S2R */
  write(s, ste + 24, vm->root);
  if (!HAS(STE_IN_ONE_GO) && cfgi_ste(s, sid, 1)) return -IOMMUCHECK_ETIMEDOUT;
  write(s, ste, 1 | 6u << 1);
  return cfgi_ste(s, sid, 1);
}

static int assign(void* self, iommucheck_handle vmid, u32 device) {
  struct smmu* s = self;
  struct vm* vm = find(s, vmid);
  u32 n;
  int e = 0;
  if (device >= DEVICES || !s->devices[device].added) return -IOMMUCHECK_ENODEV;
  if (!vm) return -IOMMUCHECK_EINVAL;
  if (s->devices[device].vm == vmid) return 0;
  if (s->devices[device].vm) return IOMMUCHECK_NOT_BUILT; /* by way of detach */
  for (n = 0; !e && n < s->config->devices[device]->stream_id_count; ++n) {
    e = write_ste(s, s->config->devices[device]->stream_ids[n], vmid, vm);
  }
  ++vm->devices;
  s->devices[device].vm = vmid;
  return e;
}

static int take_away(void* self, iommucheck_handle vmid, u32 device) {
  struct smmu* s = self;
  struct vm* vm = find(s, vmid);
  u32 n;
  int e = 0;
  if (device >= DEVICES || !s->devices[device].added) return -IOMMUCHECK_ENODEV;
  if (!vm || s->devices[device].vm != vmid) return -IOMMUCHECK_EINVAL;
  for (n = 0; !e && n < s->config->devices[device]->stream_id_count; ++n) {
    const u32 sid = s->config->devices[device]->stream_ids[n];
    if (HAS(FIRST_STREAM_ALONE) && n) break;
    write(s, ste_of(s, sid), 1);
    e = cfgi_ste(s, sid, 1);
  }
  s->devices[device].vm = 0;
  if (--vm->devices || e || HAS(VMID_NOT_EMPTIED)) return e;
  return empty_vmid(s, vmid);
}

/* ---- a VM's memory ---- */

static struct iommucheck_result unmap(void* self, iommucheck_handle vmid, u64 ipa, u64 bytes) {
  struct smmu* s = self;
  struct vm* vm = find(s, vmid);
  struct iommucheck_result result = {0, 0, 0};
  u64 slot, size;
  if (!vm || !bytes || (ipa | bytes) % PAGE || !in_range(ipa, bytes, s->ipa_bits)) return result;
  while (result.bytes < bytes && (size = mapped(s, vm, ipa + result.bytes, &slot)) != 0) {
    if ((ipa + result.bytes) % size || bytes - result.bytes < size) break; /* a part of a block */
    write(s, slot, 0);
    result.bytes += size;
  }
  if (result.bytes) result.error = forget(s, vmid, ipa, result.bytes);
  return result;
}

static int map(void* self, iommucheck_handle vmid, u64 ipa, u64 pa, u64 bytes, u32 prot) {
  struct smmu* s = self;
  struct vm* vm = find(s, vmid);
  u64 done = 0;
  int e = 0;
  if (!vm || (ipa | pa | bytes) % PAGE || !(prot & 7) || prot & ~31u) return -IOMMUCHECK_EINVAL;
  if (!bytes) return 0;
  if (!in_range(ipa, bytes, s->ipa_bits) || !in_range(pa, bytes, s->output_bits)) {
    return -IOMMUCHECK_ERANGE;
  }
  while (!e && done < bytes) {
    e = map_one(s, vm, ipa + done, pa + done, bytes - done, leaf_of(prot), &done);
  }
  if (e && done) unmap(s, vmid, ipa, done);
  order(s);
  return e;
}

static u64 to_physical(void* self, iommucheck_handle vmid, u64 ipa) {
  struct smmu* s = self;
  struct vm* vm = find(s, vmid);
  u64 slot, size;
  if (!vm || !(size = mapped(s, vm, ipa, &slot))) return 0;
  return ((read(s, slot) & ADDRESS) & ~(size - 1)) | (ipa & (size - 1));
}

static int shutdown(void* self) {
  struct smmu* s = self;
  const u64 last = s->sid_bits > 6 ? BIT(s->sid_bits - 6) : 1;
  u64 i;
  if (s->cmdq && (set_cr0(s, s->cr0 & ~(u32)SMMUEN) || empty_everything(s) || set_cr0(s, 0))) {
    return -IOMMUCHECK_ETIMEDOUT;
  }
  for (i = 0; i < VMS; ++i) {
    if (s->vms[i].used) vm_release(s, &s->vms[i]);
  }
  for (i = 0; s->level1 && i < last; ++i) {
    give_back(s, read(s, s->level1 + 8 * i) & ADDRESS, STES * 64);
  }
  for (i = 0; i < DEVICES; ++i) s->devices[i].added = 0, s->devices[i].vm = 0;
  give_back(s, s->level1, level1_bytes(s));
  give_back(s, s->cmdq, PAGE);
  give_back(s, s->eventq, PAGE);
  s->level1 = s->cmdq = s->eventq = 0;
  return 0;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static const struct iommucheck_driver driver = {
      .size = sizeof driver,
      .abi = IOMMUCHECK_DRIVER_ABI,
      .name = "hypervisor",
      .flags = IOMMUCHECK_DRIVER_NO_TIME_OUTS | IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE |
               IOMMUCHECK_DRIVER_NO_GROUPS | IOMMUCHECK_DRIVER_POLLS_EVENTS,
      .init = init,
      .reset = reset,
      .shutdown = shutdown,
      .device_add = device_add,
      .handle_irq = handle_irq,
      .domain_alloc = vm_create,
      .domain_free = vm_destroy,
      .domain_get_info = vm_info,
      .attach = assign,
      .detach = take_away,
      .map = map,
      .unmap = unmap,
      .iova_to_phys = to_physical};
  return &driver;
}
