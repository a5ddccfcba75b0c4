/* SPDX-License-Identifier: MIT
 *
 * A small SMMUv3 that delegates translation, as a VMM does over iommufd and an accelerated
 * emulation does, as a device under test of iommucheck:
 *
 *     cc -shared -fPIC -I include -o delegating_device.so examples/devices/delegating_device.c
 *     iommucheck conform --device ./delegating_device.so --time 20
 *
 * The guest sees registers, a command queue and an event queue; they are here. No table is walked
 * here: STEs are installed at the SMMU of the host, invalidations are handed on to it, and what it
 * records comes back as RECORD_EVENT. SMMUv3.0 with stage 1, SubstreamIDs and a linear stream
 * table. Registers and queues are those of minimal_device.c. Section numbers are of IHI 0070.
 */
#include <stdlib.h>
#include <string.h>

#include "iommucheck/device.h"

#define BIT(n) ((uint64_t)1 << (n))
#define FIELD(word, hi, lo) (((word) >> (lo)) & (BIT((hi) - (lo) + 1) - 1))
#define ADDRESS(word, hi, lo) ((word) & ((BIT((hi) + 1) - 1) & ~(BIT(lo) - 1)))

enum { SID_BITS = 6, SSID_BITS = 8, CMDQS = 8, EVENTQS = 7 };

/* 6.3: what it is. What translates is the host's, so that this is what the host has. */
#define IDR0 (BIT(1) | 2 << 2 | BIT(4) | 2 << 21 | 1 << 24 | BIT(26))
#define IDR1 \
  (1u << 26 | (uint32_t)CMDQS << 21 | (uint32_t)EVENTQS << 16 | SSID_BITS << 6 | SID_BITS)
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

enum { C_BAD_STREAMID = 2, F_STE_FETCH = 3, C_BAD_STE = 4 }; /* 7.3 */

static const uint32_t sids[] = {0x10, 0x18, 0x20, 0x28};
enum { STREAMS = sizeof sids / sizeof sids[0] };

struct stream {
  uint32_t event; /* what the guest is told where its host says C_BAD_STE */
  uint64_t fetch; /* of F_STE_FETCH */
};

enum { HELD_MOST = 64 };

struct smmu {
  const struct iommucheck_dut_host* host;
  uint32_t reg[64]; /* by offset / 4, both pages */
  struct stream streams[STREAMS];
  uint64_t held[2 * HELD_MOST]; /* commands that the host has not been given yet */
  uint32_t held_count;
};

static uint64_t wide(const struct smmu* s, uint32_t offset) {
  return s->reg[offset / 4] | (uint64_t)s->reg[offset / 4 + 1] << 32;
}

static int load(struct smmu* s, uint64_t pa, uint64_t* words, unsigned count) {
  return s->host->read(s->host->ctx, pa, words, 8u * count) == 0;
}

/* ---- what the host's SMMU is told: 4.3.7 ---------------------------------------------------- */

static int stream_of(uint32_t sid) {
  for (int i = 0; i < STREAMS; ++i)
    if (sids[i] == sid) return i;
  return -1;
}

/* The guest's STE, of which none is all 0: with V = 0 it is C_BAD_STE at the host. What that stands
 * for is kept: 7.3.3, 7.3.4, 7.3.5. */
static void find_ste(struct smmu* s, int i, uint64_t ste[8]) {
  unsigned lg2 = (unsigned)FIELD(s->reg[STRTAB_BASE_CFG / 4], 5, 0);
  if (lg2 > SID_BITS) lg2 = SID_BITS;
  const uint64_t table = ADDRESS(wide(s, STRTAB_BASE), 51, 6) & ~(BIT(lg2 + 6) - 1);
  memset(ste, 0, 64);
  s->streams[i] = (struct stream){C_BAD_STREAMID, 0};
  if (sids[i] >> lg2 != 0) return;
  s->streams[i] = (struct stream){F_STE_FETCH, table + 64 * sids[i]};
  if (load(s, table + 64 * sids[i], ste, 8)) s->streams[i] = (struct stream){C_BAD_STE, 0};
}

static void install(struct smmu* s, int i) {
  uint64_t ste[8];
  if ((s->reg[CR0 / 4] & SMMUEN) == 0) { /* 6.3.14 */
    const int aborts = (s->reg[GBPA / 4] & GBPA_ABORT) != 0;
    s->host->install(s->host->ctx, sids[i],
                     aborts ? IOMMUCHECK_DUT_INSTALL_ABORT : IOMMUCHECK_DUT_INSTALL_BYPASS, NULL);
    return;
  }
  find_ste(s, i, ste);
  s->host->install(s->host->ctx, sids[i], IOMMUCHECK_DUT_INSTALL_STE, ste);
}

static void install_all(struct smmu* s) {
  for (int i = 0; i < STREAMS; ++i) install(s, i);
}

static void hand_on(struct smmu* s) {
  if (s->held_count != 0) s->host->invalidate(s->host->ctx, s->held, s->held_count);
  s->held_count = 0;
}

static void hold(struct smmu* s, const uint64_t command[2]) {
  if (s->held_count == HELD_MOST) hand_on(s);
  memcpy(&s->held[2 * s->held_count++], command, 16);
}

/* ---- queues ---------------------------------------------------------------------------------- */

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

/* 7.2 to 7.4 */
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

/* The host has recorded something. Its C_BAD_STE is of an STE that is not the guest's where the
 * guest has none. */
static void record_of_host(struct smmu* s, const struct iommucheck_dut_op* op) {
  const int i = stream_of(op->where);
  uint64_t words[4] = {op->ssid | (uint64_t)op->where << 32, op->address, op->value, op->pa};
  if (i < 0) return;
  if ((words[0] & 0xff) == C_BAD_STE) {
    words[0] = (words[0] & ~(uint64_t)0xff) | s->streams[i].event;
    words[3] = s->streams[i].fetch;
    if (s->streams[i].event == C_BAD_STREAMID && (s->reg[CR2 / 4] & RECINVSID) == 0) return;
  }
  record(s, words);
}

/* 4: what a command asks of the host; 0 or the error that it is. */
static uint32_t do_command(struct smmu* s, const uint64_t command[2]) {
  const int ssec = (command[0] & BIT(10)) != 0;
  const int i = stream_of((uint32_t)(command[0] >> 32));
  switch (command[0] & 0xff) {
    case 0x01:
    case 0x02: /* PREFETCH_CONFIG, _ADDR */ return ssec ? ERR_ILL : 0;
    case 0x03: /* CFGI_STE */
      if (ssec) return ERR_ILL;
      if (i >= 0) install(s, i);
      return 0;
    case 0x04: /* CFGI_STE_RANGE, of which CFGI_ALL is one */
      if (ssec) return ERR_ILL;
      install_all(s);
      return 0;
    case 0x05:
    case 0x06: /* CFGI_CD, _CD_ALL: the host knows the streams of this guest */
      if (ssec) return ERR_ILL;
      if (i >= 0) hold(s, command);
      return 0;
    case 0x10:
    case 0x11:
    case 0x12:
    case 0x13: /* TLBI_NH_ALL, _ASID, _VA, _VAA */
    case 0x30: /* TLBI_NSNH_ALL */ hold(s, command); return 0;
    case 0x46: /* CMD_SYNC: all before is done. 4.7.3 */
      if (FIELD(command[0], 13, 12) == 3) return ERR_ILL;
      hand_on(s);
      return 0;
    default: return ERR_ILL;
  }
}

/* 3.5, 7.1 */
static void run_commands(struct smmu* s) {
  const struct queue q = queue_of(s, CMDQ_BASE, CMDQS, 16);
  const uint32_t indices = 2 * q.entries - 1;
  uint32_t* cons = &s->reg[CMDQ_CONS / 4];
  while ((s->reg[CR0 / 4] & CMDQEN) != 0 &&
         ((s->reg[GERROR / 4] ^ s->reg[GERRORN / 4]) & CMDQ_ERR) == 0 &&
         ((*cons ^ s->reg[CMDQ_PROD / 4]) & indices) != 0) {
    uint64_t command[2];
    uint32_t error = ERR_ABT;
    if (load(s, q.base + 16 * (uint64_t)(*cons & (q.entries - 1)), command, 2))
      error = do_command(s, command);
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

/* ---- registers: 6.3 -------------------------------------------------------------------------- */

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
  const uint32_t was_enabled = s->reg[CR0 / 4] & SMMUEN;
  if (offset == GBPA) { /* it is written when Update is, and is done at once */
    if ((value & BIT(31)) == 0) return;
    s->reg[GBPA / 4] = value & (uint32_t)GBPA_ABORT;
    if (!was_enabled) install_all(s);
    return;
  }
  const uint32_t mask = writable(s, offset);
  if (mask == 0) return;
  uint32_t* place = &s->reg[(offset & 0xffff) / 4];
  *place = (*place & ~mask) | (value & mask);
  if (offset == CR0) s->reg[CR0ACK / 4] = *place;
  if (offset == IRQ_CTRL) s->reg[IRQ_CTRLACK / 4] = *place;
  if ((s->reg[CR0 / 4] & SMMUEN) != was_enabled) install_all(s);
  if (offset == CR0 || offset == CMDQ_PROD || offset == GERRORN) run_commands(s);
}

/* ---- the door -------------------------------------------------------------------------------- */

static void* device_open(const struct iommucheck_dut_host* host, struct iommucheck_dut_info* info) {
  /* What an older host has not is not there. */
  if (host->size < offsetof(struct iommucheck_dut_host, invalidate) + sizeof host->invalidate)
    return NULL;
  struct smmu* s = calloc(1, sizeof *s);
  if (s == NULL) return NULL;
  s->host = host;
  info->flags = IOMMUCHECK_DUT_PROMPT | IOMMUCHECK_DUT_DELEGATES | IOMMUCHECK_DUT_SENDS_PRIVILEGED |
                IOMMUCHECK_DUT_SENDS_INSTRUCTIONS | IOMMUCHECK_DUT_SENDS_SUBSTREAMS |
                IOMMUCHECK_DUT_WIRES_INTERRUPTS;
  info->sid_count = STREAMS;
  memcpy(info->sids, sids, sizeof sids);
  strcpy(info->name, "delegating");
  strcpy(info->release, "1.0");
  info->mmio_bytes = 0x20000;
  return s;
}

static int32_t device_reset(void* self) {
  struct smmu* s = self;
  memset(s->reg, 0, sizeof s->reg);
  s->held_count = 0;
  install_all(s); /* the host aborts what nobody has said anything of */
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
      case IOMMUCHECK_DUT_RECORD_EVENT: record_of_host(s, op); break;
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
