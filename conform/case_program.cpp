// SPDX-License-Identifier: MIT
#include "conform/case_program.h"

#include <fmt/format.h>

#include "conform/case_lines.h"
#include "conform/dut/tester_memory.h"
#include "report/program_text.h"

namespace iommucheck::oracle {

namespace {

/// What comes before the table of steps: @…@ are filled in.
constexpr const char* program_head = R"(/* SPDX-License-Identifier: MIT
 *
@ABOUT@ *
 * Written by iommucheck conform. By itself:
 *   cc -I include -o case case.c -ldl && ./case ./device.so
 * 0: every answer is as it is written here, so that the device shows it; 1: some answer is another
 * one; 2: there is no such device. gdb --args ./case ./device.so has the device in one process. */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommucheck/device.h"

#define MEMORY_PA UINT64_C(@MEMORY_PA@)
#define MEMORY_BYTES UINT64_C(@MEMORY_BYTES@)
#define DATA_PA UINT64_C(@DATA_PA@) /* from here on each word of four bytes holds its address */
#define MARK 0xe0000001u            /* what a DMA writes */

enum { STORE, FILL, LOAD, WRITE, READ, DMA, SAVE, REQUEST, ANSWER, SILENCE, PAGE };
static const char *const names[] = {"store", "fill",    "memory", "write",   "read", "dma",
                                    "save",  "request", "answer", "silence", "page"};

struct step {
  int kind, bytes;
  unsigned attributes; /* of a DMA: IOMMUCHECK_DUT_IS_* */
  uint32_t where;      /* register, StreamID, words */
  uint32_t ssid;
  int passes;          /* DMA: 0 it was terminated, 1 it passed, 2 it passed to `value` */
  uint64_t address;
  uint64_t value;      /* that is written, or was answered */
};
static const struct step steps[] = {
    /* kind, bytes, attributes, where, ssid, passes, address, value */
)";

/// What comes behind it.
constexpr const char* program_tail = R"(};

static unsigned char *memory;

static int32_t host_read(void *ctx, uint64_t pa, void *to, uint64_t bytes) {
  (void)ctx;
  if (bytes > MEMORY_BYTES || pa - MEMORY_PA > MEMORY_BYTES - bytes) return 1;
  memcpy(to, memory + (pa - MEMORY_PA), bytes);
  return 0;
}
static int32_t host_write(void *ctx, uint64_t pa, const void *from, uint64_t bytes) {
  (void)ctx;
  if (bytes > MEMORY_BYTES || pa - MEMORY_PA > MEMORY_BYTES - bytes) return 1;
  memcpy(memory + (pa - MEMORY_PA), from, bytes);
  return 0;
}
static void host_interrupt(void *ctx, uint32_t line, uint32_t level) {
  (void)ctx, (void)line, (void)level;
}

/* Invalidations that endpoints were sent, and have not answered. */
static uint32_t tags[4096];
static size_t first_tag, last_tag;
static void host_invalidate(void *ctx, uint32_t sid, uint32_t attributes, uint32_t ssid, uint32_t tag,
                            uint64_t address, uint64_t bytes) {
  (void)ctx, (void)ssid;
  printf("    invalidation of %#" PRIx64 " bytes at %#" PRIx64 " sent to %#x, attributes %#x\n",
         bytes, address, (unsigned)sid, (unsigned)attributes);
  tags[last_tag++ % 4096] = tag;
}

static void host_response(void *ctx, uint32_t sid, uint32_t attributes, uint32_t ssid,
                          uint32_t prg_index, uint32_t code) {
  (void)ctx;
  printf("    response %u for PRG index %u sent to %#x, PASID %#x, attributes %#x\n", (unsigned)code,
         (unsigned)prg_index, (unsigned)sid, (unsigned)ssid, (unsigned)attributes);
}

static const struct iommucheck_dut *dut;
static void *self;
static uint32_t flags;

static int run(struct iommucheck_dut_op *op) {
  if (dut->run(self, op, 1) == 1 && op->status != 0) return 1;
  printf("the device gave up: %s\n",
         dut->last_words != NULL && dut->last_words(self) != NULL ? dut->last_words(self) : "?");
  return 0;
}

static int store(uint64_t pa, uint64_t value, uint32_t words) {
  struct iommucheck_dut_op op = {.kind = IOMMUCHECK_DUT_FILL, .bytes = 8};
  if ((flags & IOMMUCHECK_DUT_HOLDS_MEMORY) == 0) {
    for (uint32_t i = 0; i < words; ++i) host_write(NULL, pa + 8 * i, &value, 8);
    return 1;
  }
  op.where = words;
  op.address = pa;
  op.value = value;
  return run(&op);
}

static int load(uint64_t pa, uint64_t *value) {
  struct iommucheck_dut_op op = {.kind = IOMMUCHECK_DUT_LOAD, .bytes = 8};
  *value = 0;
  if ((flags & IOMMUCHECK_DUT_HOLDS_MEMORY) == 0) {
    host_read(NULL, pa, value, 8);
    return 1;
  }
  op.address = pa;
  if (!run(&op)) return 0;
  *value = op.value;
  return 1;
}

/* Where the access went, by what moved, for a device that does not say it. */
static uint64_t went_to(const struct iommucheck_dut_op *op) {
  uint32_t word = (uint32_t)op->value;
  if ((op->attributes & IOMMUCHECK_DUT_IS_WRITE) == 0) return word;
  for (uint64_t at = DATA_PA - MEMORY_PA; at < MEMORY_BYTES; at += 4) {
    memcpy(&word, memory + at, 4);
    if (word != MARK) continue;
    word = (uint32_t)(MEMORY_PA + at);
    memcpy(memory + at, &word, 4);
    return word;
  }
  return 0;
}

static int do_step(const struct step *s, uint64_t *answer, int *same) {
  struct iommucheck_dut_op op = {.bytes = (uint8_t)s->bytes, .where = s->where};
  *same = 1;
  switch (s->kind) {
    case STORE: return store(s->address, s->value, 1);
    case FILL: return store(s->address, s->value, s->where);
    case LOAD:
      if (!load(s->address, answer)) return 0;
      *same = *answer == s->value;
      return 1;
    case WRITE:
      op.kind = IOMMUCHECK_DUT_WRITE;
      op.value = s->value;
      return run(&op);
    case READ:
      op.kind = IOMMUCHECK_DUT_READ;
      if (!run(&op)) return 0;
      *answer = op.value;
      *same = op.value == s->value;
      return 1;
    case SAVE: op.kind = IOMMUCHECK_DUT_SAVE_RESTORE; return run(&op);
    case ANSWER:
      if (first_tag == last_tag) return 1;
      op.kind = IOMMUCHECK_DUT_ATC_DONE;
      op.where = tags[first_tag++ % 4096];
      return run(&op);
    case SILENCE:
      first_tag = last_tag;
      op.kind = IOMMUCHECK_DUT_ATC_TIME_OUT;
      return run(&op);
    case PAGE:
      op.kind = IOMMUCHECK_DUT_PAGE_REQUEST;
      op.attributes = (uint8_t)s->attributes;
      op.ssid = s->ssid;
      op.address = s->address;
      op.value = s->value;
      return run(&op);
    case REQUEST:
      op.kind = IOMMUCHECK_DUT_ATS_REQUEST;
      op.attributes = (uint8_t)s->attributes;
      op.ssid = s->ssid;
      op.address = s->address;
      if (!run(&op)) return 0;
      *answer = (op.status == IOMMUCHECK_DUT_DONE ? op.pa | (op.value & 3) : 0) | (uint64_t)op.status << 56;
      *same = *answer == s->value;
      return 1;
    default: break;
  }
  op.kind = IOMMUCHECK_DUT_DMA;
  op.attributes = (uint8_t)s->attributes;
  op.ssid = s->ssid;
  op.address = s->address;
  if ((s->attributes & IOMMUCHECK_DUT_IS_WRITE) != 0) op.value = MARK;
  if (!run(&op)) return 0;
  const int passes = op.status == IOMMUCHECK_DUT_DONE;
  if (passes) *answer = (flags & IOMMUCHECK_DUT_GIVES_PA) != 0 ? op.pa : went_to(&op);
  *same = passes == (s->passes != 0) && (s->passes != 2 || *answer == s->value);
  if (!passes) printf("    terminated:\n");
  return 1;
}

int main(int argc, char **argv) {
  struct iommucheck_dut_host host = {.size = sizeof host, .abi = IOMMUCHECK_DUT_ABI,
                                     .read = host_read, .write = host_write,
                                     .interrupt = host_interrupt, .memory_pa = MEMORY_PA,
                                     .memory_bytes = MEMORY_BYTES, .seed = 1,
                                     .atc_invalidate = host_invalidate,
                                     .page_response = host_response};
  struct iommucheck_dut_info info = {.size = sizeof info, .abi = IOMMUCHECK_DUT_ABI};
  void *object = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  void *symbol = object != NULL ? dlsym(object, IOMMUCHECK_DEVICE_ENTRY_NAME) : NULL;
  iommucheck_device_entry_fn entry;
  size_t others = 0;
  memcpy(&entry, &symbol, sizeof entry);
  if (entry == NULL || (dut = entry()) == NULL || dut->abi != IOMMUCHECK_DUT_ABI) {
    fprintf(stderr, "usage: %s ./device.so (%s)\n", argv[0], object == NULL && argc == 2 ? dlerror() : "one device");
    return 2;
  }
  memory = calloc(1, MEMORY_BYTES);
  self = memory != NULL ? dut->open(&host, &info) : NULL;
  if (self == NULL || dut->reset(self) != 0) return 2;
  flags = info.flags;
  for (uint64_t at = DATA_PA - MEMORY_PA; at < MEMORY_BYTES; at += 4) {
    const uint32_t address = (uint32_t)(MEMORY_PA + at);
    memcpy(memory + at, &address, 4);
  }
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; ++i) {
    const struct step *s = &steps[i];
    uint64_t answer = 0;
    int same = 1;
    if (!do_step(s, &answer, &same)) return 1;
    printf("%3zu %-6s %#" PRIx64 " at %#" PRIx64, i, names[s->kind],
           same ? s->value : answer, s->kind == WRITE || s->kind == READ ? s->where : s->address);
    printf(same ? "\n" : "   <- was %#" PRIx64 "\n", s->value);
    others += !same;
  }
  printf(others == 0 ? "every answer is as it was\n" : "%zu answers are other ones\n", others);
  return others != 0;
}
)";

constexpr const char* kind_names[] = {"STORE", "FILL",    "LOAD",   "WRITE",   "READ", "DMA",
                                      "SAVE",  "REQUEST", "ANSWER", "SILENCE", "PAGE"};

std::string row(const CaseLine& line) {
  return fmt::format("    {{{}, {}, {:#x}, {:#x}, {:#x}, {}, {:#x}, {:#x}}},\n",
                     kind_names[static_cast<std::size_t>(line.kind)], line.bytes, line.attributes,
                     line.where, line.ssid, static_cast<unsigned>(line.passes), line.address,
                     line.value);
}

}  // namespace

Expected<std::string> case_program(const trace::Trace& trace, const std::string& about) {
  const auto lines = case_lines(trace);
  if (!lines) return std::unexpected(lines.error());
  std::string text = program_head;
  fill_in(text, "@ABOUT@", c_comment(about));
  fill_in(text, "@MEMORY_PA@", fmt::format("{:#x}", TesterMemory::pa));
  fill_in(text, "@MEMORY_BYTES@", fmt::format("{:#x}", TesterMemory::bytes));
  fill_in(text, "@DATA_PA@", fmt::format("{:#x}", TesterMemory::data_pa));
  for (const CaseLine& line : *lines) text += row(line);
  return text + program_tail;
}

}  // namespace iommucheck::oracle
