/* SPDX-License-Identifier: MIT
 *
 * A small SMMUv3, as a device under test of iommucheck:
 *
 *     cc -shared -fPIC -I include -o minimal_device.so examples/devices/minimal_device.c
 *     iommucheck conform --device ./minimal_device.so --time 20
 *
 * SMMUv3.0 with stage 1, 4 KiB tables and a linear stream table. No cache, so that invalidations
 * have nothing to do. What it does not build it does not claim: no stage 2, SubstreamIDs, ATS, PRI,
 * stalls, MSIs, two-level tables, hardware updates of descriptors. Section numbers are of IHI 0070.
 */
#include <stdlib.h>
#include <string.h>

#include "iommucheck/device.h"

#define BIT(n) ((uint64_t)1 << (n))
#define FIELD(word, hi, lo) (((word) >> (lo)) & (BIT((hi) - (lo) + 1) - 1))
#define ADDRESS(word, hi, lo) ((word) & ((BIT((hi) + 1) - 1) & ~(BIT(lo) - 1)))

enum { OAS = 44, SID_BITS = 6, CMDQS = 8, EVENTQS = 7 };

/* 6.3: what it is. */
#define IDR0 (BIT(1) | 2 << 2 | BIT(4) | 2 << 21 | 1 << 24 | BIT(26))
#define IDR1 ((uint32_t)CMDQS << 21 | (uint32_t)EVENTQS << 16 | SID_BITS)
#define IDR5 (BIT(4) | 4)

enum { /* offsets of registers; those of page 1 without its 0x10000 */
       CR0 = 0x20,
       CR0ACK = 0x24,
       CR1 = 0x28,
       CR2 = 0x2c,
       GBPA = 0x44,
       IRQ_CTRL = 0x50,
       IRQ_CTRLACK = 0x54,
       GERROR = 0x60,
       GERRORN = 0x64,
       STRTAB_BASE = 0x80,
       STRTAB_BASE_CFG = 0x88,
       CMDQ_BASE = 0x90,
       CMDQ_PROD = 0x98,
       CMDQ_CONS = 0x9c,
       EVENTQ_BASE = 0xa0,
       EVENTQ_PROD = 0xa8,
       EVENTQ_CONS = 0xac
};
enum { SMMUEN = 1, EVENTQEN = 4, CMDQEN = 8 };            /* CR0 */
enum { CMDQ_ERR = 1, EVENTQ_ABT_ERR = 4, SFM_ERR = 256 }; /* GERROR */
enum { ERR_ILL = 1, ERR_ABT = 2 };                        /* CMDQ_CONS.ERR */
enum { RECINVSID = 2 };                                   /* CR2 */
#define GBPA_ABORT BIT(20)
#define OVERFLOW BIT(31)

enum { /* 7.3 */
       C_BAD_STREAMID = 2,
       F_STE_FETCH = 3,
       C_BAD_STE = 4,
       F_CD_FETCH = 9,
       C_BAD_CD = 10,
       F_WALK_EABT = 11,
       F_TRANSLATION = 16,
       F_ADDR_SIZE = 17,
       F_ACCESS = 18,
       F_PERMISSION = 19
};
enum { CLASS_TT = 1, CLASS_IN = 2 };

struct smmu {
  const struct iommucheck_dut_host* host;
  uint32_t reg[64]; /* by offset / 4, both pages */
};

static uint64_t wide(const struct smmu* s, uint32_t offset) {
  return s->reg[offset / 4] | (uint64_t)s->reg[offset / 4 + 1] << 32;
}

/* ---- memory ------------------------------------------------------------------------------- */

static int load(struct smmu* s, uint64_t pa, uint64_t* words, unsigned count) {
  return s->host->read(s->host->ctx, pa, words, 8u * count) == 0;
}

struct queue {
  uint64_t base;
  uint32_t entries; /* a power of two; indices have one bit more, the wrap flag */
};

static struct queue queue_of(const struct smmu* s, uint32_t base, unsigned most_lg2,
                             unsigned entry_bytes) {
  const uint64_t word = wide(s, base);
  const unsigned lg2 = FIELD(word, 4, 0) < most_lg2 ? (unsigned)FIELD(word, 4, 0) : most_lg2;
  struct queue q = {ADDRESS(word, 51, 5), 1u << lg2};
  q.base &= ~((uint64_t)q.entries * entry_bytes - 1); /* 6.3.26: aligned to its size */
  return q;
}

static void raise_error(struct smmu* s, uint32_t error) {
  if (((s->reg[GERROR / 4] ^ s->reg[GERRORN / 4]) & error) != 0) return; /* active already */
  s->reg[GERROR / 4] ^= error;
  if ((s->reg[IRQ_CTRL / 4] & 1) != 0)
    s->host->interrupt(s->host->ctx, IOMMUCHECK_IRQ_GLOBAL_ERROR, IOMMUCHECK_DUT_EDGE);
}

/* ---- events: 7.2 to 7.4 -----------------------------------------------------------------------
 */

static void record(struct smmu* s, const uint64_t words[4]) {
  const struct queue q = queue_of(s, EVENTQ_BASE, EVENTQS, 32);
  uint32_t* prod = &s->reg[EVENTQ_PROD / 4];
  const uint32_t cons = s->reg[EVENTQ_CONS / 4];
  const uint32_t indices = 2 * q.entries - 1;
  if ((s->reg[CR0 / 4] & EVENTQEN) == 0) return;
  const int was_empty = ((*prod ^ cons) & indices) == 0;
  if (((*prod ^ cons) & indices) == q.entries) { /* full: it is lost, which is said once */
    if (((*prod ^ cons) & OVERFLOW) == 0) *prod ^= (uint32_t)OVERFLOW;
    return;
  }
  const uint64_t place = q.base + 32 * (uint64_t)(*prod & (q.entries - 1));
  if (s->host->write(s->host->ctx, place, words, 32) != 0) {
    raise_error(s, EVENTQ_ABT_ERR);
    return;
  }
  *prod = (*prod & (uint32_t)OVERFLOW) | ((*prod + 1) & indices);
  if (was_empty && (s->reg[IRQ_CTRL / 4] & 4) != 0) /* 3.18.2 */
    s->host->interrupt(s->host->ctx, IOMMUCHECK_IRQ_EVENT_QUEUE, IOMMUCHECK_DUT_EDGE);
}

/* ---- the command queue: 3.5, 4, 7.1 -----------------------------------------------------------
 */

/* Is the command one that this SMMU has? It has no cache, so that nothing else is to be done. */
static int is_legal(uint64_t low) {
  const int ssec = (low & BIT(10)) != 0;
  switch (low & 0xff) {
    case 0x01:
    case 0x02: /* PREFETCH_CONFIG, _ADDR         */
    case 0x03:
    case 0x04:
    case 0x05:
    case 0x06: /* CFGI_STE, _STE_RANGE, _CD, _CD_ALL */ return !ssec;
    case 0x10:
    case 0x11:
    case 0x12:
    case 0x13: /* TLBI_NH_ALL, _ASID, _VA, _VAA  */
    case 0x30: /* TLBI_NSNH_ALL                  */ return 1;
    case 0x46: /* CMD_SYNC */ return FIELD(low, 13, 12) != 3;
    default: return 0;
  }
}

static void run_commands(struct smmu* s) {
  const struct queue q = queue_of(s, CMDQ_BASE, CMDQS, 16);
  const uint32_t indices = 2 * q.entries - 1;
  uint32_t* cons = &s->reg[CMDQ_CONS / 4];
  while ((s->reg[CR0 / 4] & CMDQEN) != 0 &&
         ((s->reg[GERROR / 4] ^ s->reg[GERRORN / 4]) & CMDQ_ERR) == 0 &&
         ((*cons ^ s->reg[CMDQ_PROD / 4]) & indices) != 0) {
    uint64_t command[2];
    uint32_t error = 0;
    if (!load(s, q.base + 16 * (uint64_t)(*cons & (q.entries - 1)), command, 2))
      error = ERR_ABT;
    else if (!is_legal(command[0]))
      error = ERR_ILL;
    if (error != 0) { /* CONS stays at the command */
      *cons = (*cons & ~(0x7fu << 24)) | error << 24;
      raise_error(s, CMDQ_ERR);
      return;
    }
    *cons = (*cons & ~indices & ~(uint32_t)OVERFLOW) | ((*cons + 1) & indices);
    if ((command[0] & 0xff) == 0x46 && FIELD(command[0], 13, 12) == 1)
      s->host->interrupt(s->host->ctx, IOMMUCHECK_IRQ_COMMAND_SYNC, IOMMUCHECK_DUT_EDGE);
  }
}

/* ---- registers: 6.3 ------------------------------------------------------------------------- */

static uint32_t read_half(const struct smmu* s, uint32_t offset) {
  switch (offset) {
    case 0x00: return (uint32_t)IDR0;
    case 0x04: return IDR1;
    case 0x14: return (uint32_t)IDR5;
    default: break;
  }
  if (offset >= 0x10000) offset -= 0x10000; /* EVENTQ_PROD and _CONS are in page 1 */
  return offset < sizeof s->reg ? s->reg[offset / 4] : 0;
}

/* Bits of a register's half that a write stores. */
static uint32_t writable(const struct smmu* s, uint32_t offset) {
  const uint32_t cr0 = s->reg[CR0 / 4];
  switch (offset) {
    case CR0: return SMMUEN | EVENTQEN | CMDQEN;
    case CR1: return 0xfff;
    case CR2: return (cr0 & SMMUEN) != 0 ? 0 : RECINVSID;
    case IRQ_CTRL: return 5;
    case GERRORN: return CMDQ_ERR | EVENTQ_ABT_ERR | SFM_ERR;
    case STRTAB_BASE:
    case STRTAB_BASE + 4:
    case STRTAB_BASE_CFG: return (cr0 & SMMUEN) != 0 ? 0 : ~0u;
    case CMDQ_BASE:
    case CMDQ_BASE + 4:
    case CMDQ_CONS: return (cr0 & CMDQEN) != 0 ? 0 : ~0u;
    case EVENTQ_BASE:
    case EVENTQ_BASE + 4: return (cr0 & EVENTQEN) != 0 ? 0 : ~0u;
    case 0x10000 + EVENTQ_PROD: return (cr0 & EVENTQEN) != 0 ? 0 : ~0u;
    case CMDQ_PROD:
    case 0x10000 + EVENTQ_CONS: return ~0u;
    default: return 0; /* read-only, or not there */
  }
}

static void write_half(struct smmu* s, uint32_t offset, uint32_t value) {
  if (offset == GBPA) { /* it is written when Update is, and is done at once */
    if ((value & BIT(31)) != 0) s->reg[GBPA / 4] = value & (uint32_t)GBPA_ABORT;
    return;
  }
  const uint32_t mask = writable(s, offset);
  if (mask == 0) return;
  uint32_t* place = &s->reg[(offset & 0xffff) / 4];
  *place = (*place & ~mask) | (value & mask);
  if (offset == CR0) s->reg[CR0ACK / 4] = *place;
  if (offset == IRQ_CTRL) s->reg[IRQ_CTRLACK / 4] = *place;
  if (offset == CR0 || offset == CMDQ_PROD || offset == GERRORN) run_commands(s);
}

/* ---- translation: 3.4, 3.11, 5, DDI 0487 D8 ----------------------------------------------------
 */

struct fault {
  unsigned type, class_of; /* 0: the access was terminated without an event */
  uint64_t fetch;
};

static unsigned size_of(uint64_t ips) {
  static const unsigned bits[8] = {32, 36, 40, 42, 44, 48, 48, 48};
  return bits[ips] < OAS ? bits[ips] : OAS;
}

static int bad_cd(const uint64_t cd[8]) {
  const uint64_t w = cd[0];
  const uint64_t size = size_of(FIELD(w, 34, 32));
  if ((w & BIT(31)) == 0 || (w & BIT(41)) == 0) return 1; /* V, AA64           */
  if ((w & BIT(46)) == 0 || (w & BIT(44)) != 0) return 1; /* A, S: no stalls   */
  if ((w & (BIT(42) | BIT(43))) != 0) return 1;           /* HD, HA            */
  if ((w & BIT(14)) != 0 && (w & BIT(30)) != 0) return FIELD(w, 63, 56) != 0;
  if ((w & BIT(15)) != 0 || FIELD(w, 63, 56) != 0) return 1; /* ENDI; 8-bit ASIDs */
  for (unsigned half = 0; half < 2; ++half) {
    const uint64_t h = w >> (16 * half);
    if ((h & BIT(14)) != 0) continue; /* EPD */
    if (FIELD(h, 7, 6) != (half == 0 ? 0u : 2u)) return 1;
    if (FIELD(h, 5, 0) < 16 || FIELD(h, 5, 0) > 39) return 1;
    if (ADDRESS(cd[1 + half], 51, 4) >> size != 0) return 1;
  }
  return 0;
}

/* The walk. 1: *pa is where it leads. */
static int walk(struct smmu* s, const uint64_t cd[8], uint64_t va, int write, uint64_t* pa,
                struct fault* f) {
  const unsigned half = (unsigned)FIELD(va, 55, 55);
  const uint64_t h = cd[0] >> (16 * half);
  const unsigned tsz = (unsigned)FIELD(h, 5, 0), size = size_of(FIELD(cd[0], 34, 32));
  *f = (struct fault){F_TRANSLATION, CLASS_IN, 0};
  if ((h & BIT(14)) != 0) return 0; /* EPD */
  uint64_t above = ~(uint64_t)0 << (64 - tsz);
  if ((cd[0] & BIT(38 + half)) != 0) above &= BIT(56) - 1; /* TBI */
  if ((va & above) != (half == 1 ? above : 0)) return 0;
  const unsigned bits = 64 - tsz;
  unsigned level = 3 - (bits - 13) / 9;
  const unsigned start_bits = bits - (12 + 9 * (3 - level));
  uint64_t table = ADDRESS(cd[1 + half], 51, 4) & ~(BIT(start_bits + 3) - 1);
  uint64_t index = FIELD(va, bits - 1, bits - start_bits);
  int read_only = 0, privileged = 0;
  for (;; ++level) {
    const unsigned shift = 12 + 9 * (3 - level);
    uint64_t d;
    if (!load(s, table + 8 * index, &d, 1)) {
      *f = (struct fault){F_WALK_EABT, CLASS_TT, table + 8 * index};
      return 0;
    }
    const int is_table = (d & 3) == 3 && level < 3;
    const int is_leaf = level == 3 ? (d & 3) == 3 : (d & 3) == 1 && level != 0;
    if (!is_table && !is_leaf) return 0;
    const uint64_t to = ADDRESS(d, 47, is_table ? 12 : shift);
    if (to >> size != 0) {
      f->type = F_ADDR_SIZE;
      return 0;
    }
    if (is_table) {
      privileged |= (d & BIT(61)) != 0; /* APTable */
      read_only |= (d & BIT(62)) != 0;
      table = to;
      index = FIELD(va, shift - 1, shift - 9);
      continue;
    }
    const int affd = (cd[0] & BIT(35)) != 0;
    f->type = F_ACCESS;
    if ((d & BIT(10)) == 0 && !affd) return 0;
    f->type = F_PERMISSION;
    if (privileged || (d & BIT(6)) == 0) return 0;
    if (write && (read_only || (d & BIT(7)) != 0)) return 0;
    *pa = to | (va & (BIT(shift) - 1));
    return 1;
  }
}

/* Configuration and walk. *records: whether a fault of the walk is recorded (CD.R). */
static int translate(struct smmu* s, uint32_t sid, uint64_t va, int write, uint64_t* pa,
                     struct fault* f, int* records) {
  uint64_t ste[8], cd[8];
  unsigned lg2 = (unsigned)FIELD(s->reg[STRTAB_BASE_CFG / 4], 5, 0);
  if (lg2 > SID_BITS) lg2 = SID_BITS;
  *records = 1;
  *f = (struct fault){C_BAD_STREAMID, 0, 0};
  if (sid >> lg2 != 0) {
    *records = (s->reg[CR2 / 4] & RECINVSID) != 0;
    return 0;
  }
  const uint64_t place = (ADDRESS(wide(s, STRTAB_BASE), 51, 6) & ~(BIT(lg2 + 6) - 1)) + 64 * sid;
  *f = (struct fault){F_STE_FETCH, 0, place};
  if (!load(s, place, ste, 8)) return 0;
  *f = (struct fault){C_BAD_STE, 0, 0};
  if ((ste[0] & 1) == 0) return 0;
  const unsigned config = (unsigned)FIELD(ste[0], 3, 1);
  if (config < 4) { /* abort */
    f->type = 0;
    return 0;
  }
  if (config >= 6) return 0; /* stage 2 */
  if (config == 4) {         /* bypass */
    f->type = F_ADDR_SIZE;
    f->class_of = CLASS_IN;
    *pa = va;
    return va >> OAS == 0;
  }
  const uint64_t context = ADDRESS(ste[0], 51, 6);
  if ((ste[1] & BIT(27)) != 0 || context >> OAS != 0) return 0; /* S1STALLD */
  *f = (struct fault){F_CD_FETCH, 0, context};
  if (!load(s, context, cd, 8)) return 0;
  *f = (struct fault){C_BAD_CD, 0, 0};
  if (bad_cd(cd)) return 0;
  const int done = walk(s, cd, va, write, pa, f);
  if (f->type >= F_TRANSLATION) *records = (cd[0] & BIT(45)) != 0;
  return done;
}

static void access_memory(struct smmu* s, struct iommucheck_dut_op* op) {
  const int write = (op->attributes & IOMMUCHECK_DUT_IS_WRITE) != 0;
  struct fault f;
  int records;
  op->status = IOMMUCHECK_DUT_TERMINATED;
  if ((s->reg[CR0 / 4] & SMMUEN) == 0) {
    if ((s->reg[GBPA / 4] & GBPA_ABORT) != 0 || op->address >> OAS != 0) return;
    op->pa = op->address;
  } else if (!translate(s, op->where, op->address, write, &op->pa, &f, &records)) {
    uint64_t words[4] = {f.type | (uint64_t)op->where << 32, 0, 0, f.fetch};
    if (f.type >= F_WALK_EABT) { /* those of an address */
      words[1] = (write ? 0 : BIT(35)) | (uint64_t)f.class_of << 40;
      words[2] = op->address;
    }
    if (f.type != 0 && records) record(s, words);
    op->pa = 0;
    return;
  }
  op->status = IOMMUCHECK_DUT_DONE;
}

/* ---- the door ------------------------------------------------------------------------------- */

static void* device_open(const struct iommucheck_dut_host* host, struct iommucheck_dut_info* info) {
  static const uint32_t sids[] = {0x10, 0x18, 0x20, 0x28};
  struct smmu* s = calloc(1, sizeof *s);
  if (s == NULL) return NULL;
  s->host = host;
  info->flags = IOMMUCHECK_DUT_PROMPT | IOMMUCHECK_DUT_GIVES_PA | IOMMUCHECK_DUT_WIRES_INTERRUPTS;
  info->sid_count = 4;
  memcpy(info->sids, sids, sizeof sids);
  strcpy(info->name, "minimal");
  strcpy(info->release, "1.0");
  info->mmio_bytes = 0x20000;
  return s;
}

static int32_t device_reset(void* self) {
  struct smmu* s = self;
  memset(s->reg, 0, sizeof s->reg);
  return 0;
}

static int64_t device_run(void* self, struct iommucheck_dut_op* ops, uint64_t count) {
  struct smmu* s = self;
  for (uint64_t i = 0; i < count; ++i) {
    struct iommucheck_dut_op* op = &ops[i];
    op->status = IOMMUCHECK_DUT_DONE;
    switch (op->kind) {
      case IOMMUCHECK_DUT_READ:
        op->value = read_half(s, op->where);
        if (op->bytes == 8) op->value |= (uint64_t)read_half(s, op->where + 4) << 32;
        break;
      case IOMMUCHECK_DUT_WRITE:
        write_half(s, op->where, (uint32_t)op->value);
        if (op->bytes == 8) write_half(s, op->where + 4, (uint32_t)(op->value >> 32));
        break;
      case IOMMUCHECK_DUT_DMA: access_memory(s, op); break;
      default: op->status = IOMMUCHECK_DUT_REFUSED;
    }
  }
  return (int64_t)count;
}

static void device_close(void* self) { free(self); }

const struct iommucheck_dut* iommucheck_device_entry(void) {
  static const struct iommucheck_dut device = {.size = sizeof device,
                                               .abi = IOMMUCHECK_DUT_ABI,
                                               .open = device_open,
                                               .reset = device_reset,
                                               .run = device_run,
                                               .last_words = NULL,
                                               .close = device_close};
  return &device;
}
