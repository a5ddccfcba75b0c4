/* SPDX-License-Identifier: MIT
 * The small device of examples/devices, broken in the way that IOMMUCHECK_TWIN names.
 */
#define iommucheck_device_entry minimal_device_entry
#include "examples/devices/minimal_device.c"
#undef iommucheck_device_entry

#include <stdio.h>

static int is(const char* twin) {
  const char* wanted = getenv("IOMMUCHECK_TWIN");
  return wanted != NULL && strcmp(wanted, twin) == 0;
}

static void* twin_open(const struct iommucheck_dut_host* host, struct iommucheck_dut_info* info) {
  void* self = device_open(host, info);
  if (is("crashes when opened")) abort();
  if (is("opens nothing")) {
    fprintf(stderr, "no licence\n");
    return NULL;
  }
  if (is("one stream")) info->sid_count = 1;
  if (is("equal streams")) info->sids[1] = info->sids[0];
  if (is("first stream is far")) info->sids[1] = 64;
  if (is("far streams")) info->sids[3] = 1024;
  if (is("beyond SIDSIZE")) info->sids[3] = 1000;
  if (is("unknown flag")) info->flags |= 0x8000;
  if (is("holds memory without pa")) info->flags = IOMMUCHECK_DUT_HOLDS_MEMORY;
  if (is("name is a path")) strcpy(info->name, "../x");
  if (is("no name")) info->name[0] = 0;
  if (is("name without end")) memset(info->name, 'x', sizeof info->name);
  if (is("one page")) info->mmio_bytes = 0x10000;
  if (is("moves data")) info->flags &= ~IOMMUCHECK_DUT_GIVES_PA;
  if (is("saves") || is("forgets when saved")) info->flags |= IOMMUCHECK_DUT_SAVES;
  if (is("other abi of info")) info->abi = 99;
  return self;
}

static unsigned accesses; /* of this process */

static int32_t twin_reset(void* self) {
  if (is("reset fails") && accesses > 40) return -5;
  return device_reset(self);
}

static int is_data(uint64_t pa) { return pa - 0x40800000u < 0x400000u; }

/* Has the command before CMDQ_CONS been a CMD_SYNC? */
static int behind_sync(struct smmu* s, uint32_t cons) {
  const struct queue q = queue_of(s, CMDQ_BASE, CMDQS, 16);
  uint64_t command[2];
  return load(s, q.base + 16 * (uint64_t)((cons - 1) & (q.entries - 1)), command, 2) &&
         (command[0] & 0xff) == 0x46;
}

/* Without GIVES_PA: the four bytes go to memory, or come from there. */
static void move_data(struct smmu* s, struct iommucheck_dut_op* op) {
  const int write = (op->attributes & IOMMUCHECK_DUT_IS_WRITE) != 0;
  uint32_t word = (uint32_t)op->value;
  if (op->status != IOMMUCHECK_DUT_DONE) return;
  const int aborted = write ? s->host->write(s->host->ctx, op->pa, &word, 4)
                            : s->host->read(s->host->ctx, op->pa, &word, 4);
  if (aborted) op->status = IOMMUCHECK_DUT_TERMINATED;
  if (!aborted && !write) op->value = word;
  op->pa = 0;
}

static void break_access(struct smmu* s, struct iommucheck_dut_op* op) {
  const int done = op->status == IOMMUCHECK_DUT_DONE;
  ++accesses;
  if (is("moves data")) move_data(s, op);
  if (done && is("wrong outside") && !is_data(op->pa)) op->pa ^= 0x1000;
  if (done && is("beyond 52 bits")) op->pa |= BIT(60);
  if (is("forgets the status")) op->status = 0;
  if (is("unknown status")) op->status = 77;
  if (is("refuses")) op->status = IOMMUCHECK_DUT_REFUSED;
  if (is("answers another")) op->address += 4;
  if (is("crashes") && accesses % 100 == 99) *(volatile int*)(uintptr_t)8 = 1;
  if (is("loops") && accesses % 60 == 59)
    for (volatile int i = 0;; ++i) {
    }
  if (is("exits") && accesses % 100 == 99) {
    fprintf(stderr, "out of patience\n");
    exit(3);
  }
  if (is("bad interrupt") && accesses == 50) s->host->interrupt(s->host->ctx, 9, 1);
}

static int64_t twin_run(void* self, struct iommucheck_dut_op* ops, uint64_t count) {
  struct smmu* s = self;
  for (uint64_t i = 0; i < count; ++i) {
    if (is("panics") && (accesses + 1) % 100 == 0 && ops[i].kind == IOMMUCHECK_DUT_DMA)
      return (int64_t)i;
    if (ops[i].kind == IOMMUCHECK_DUT_SAVE_RESTORE) {
      if (is("forgets when saved")) s->reg[EVENTQ_PROD / 4] = 0;
      ops[i].status = IOMMUCHECK_DUT_DONE;
      continue;
    }
    device_run(self, &ops[i], 1);
    if (is("has no IIDR") && ops[i].kind == IOMMUCHECK_DUT_READ && ops[i].where == 0x18)
      ops[i].status = IOMMUCHECK_DUT_REFUSED;
    if (is("has no IDR1") && ops[i].kind == IOMMUCHECK_DUT_READ && ops[i].where == 0x04)
      ops[i].status = IOMMUCHECK_DUT_REFUSED;
    if (ops[i].kind == IOMMUCHECK_DUT_DMA) break_access(s, &ops[i]);
    if (ops[i].kind != IOMMUCHECK_DUT_READ) continue;
    if (is("wide answer") && ops[i].where == CMDQ_CONS) ops[i].value |= BIT(40);
    if (is("drops sync") && ops[i].where == CMDQ_CONS && behind_sync(s, s->reg[CMDQ_CONS / 4]))
      ops[i].value = (ops[i].value - 1) & (2 * queue_of(s, CMDQ_BASE, CMDQS, 16).entries - 1);
  }
  if (is("goes too far") && accesses > 20) memset(ops + count, 0, sizeof *ops);
  if (is("counts too many") && accesses > 20) return (int64_t)count + 7;
  if (is("counts below zero") && accesses > 20) return -1;
  return (int64_t)count;
}

static const char* twin_last_words(void* self) {
  (void)self;
  return "assertion failed: tlb.len() == 0";
}

const struct iommucheck_dut* iommucheck_device_entry(void) {
  static struct iommucheck_dut device;
  device = *minimal_device_entry();
  device.open = twin_open;
  device.reset = twin_reset;
  device.run = twin_run;
  device.last_words = twin_last_words;
  if (is("no device")) return NULL;
  if (is("other abi")) device.abi = 99;
  if (is("no run")) device.run = NULL;
  if (is("too small")) device.size = 24;
  if (is("first version")) device.size = IOMMUCHECK_DUT_SIZE_VER0;
  return &device;
}
