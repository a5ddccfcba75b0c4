// SPDX-License-Identifier: MIT
// The C program of driver_program.cpp; @…@ are filled in.
#pragma once

namespace iommucheck::oracle {

inline constexpr const char* driver_program_text = R"(/* SPDX-License-Identifier: MIT
 *
@ABOUT@ *
 * Written by iommucheck. By itself:
 *   cc -I include -o finding finding.c -ldl && ./finding ./driver.so
 * The driver is called as it was, and its registers and memory answer what they answered.
 * 0: it does all that it did, so that the finding stands; 1: it does something else, which is said;
 * 2: there is no such driver. Of one that stores through pointers (IOMMUCHECK_DRIVER_SCAN) calls,
 * registers and allocations are compared, and not its memory. gdb --args ./finding ./driver.so has it in one process. */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "iommucheck/driver.h"
#include "iommucheck/hooks.h"

#define WINDOW_PA UINT64_C(@WINDOW_PA@)
#define WINDOW_BYTES UINT64_C(@WINDOW_BYTES@)

@DEVICES@
#define DEVICE_COUNT (sizeof devices / sizeof devices[0])

enum { START, READY, RESTORED, STOP, CALL, RETURN, IRQ, HELD, ADD, REMOVE, /* asked of the driver */
       STORE, FILL, LOAD, ATOMIC, BARRIER, CLEAN, INVALIDATE, ALLOC, ALLOC_UNCACHED, FREE,
       NO_MEMORY, WRITE, READ, HOOK, ATS, TLBI };
static const char *const names[] = {
    "start", "ready", "restored", "stop", "call", "return", "interrupt", "held", "device_add",
    "device_remove", "store", "fill", "load", "atomic", "barrier", "clean", "invalidate",
    "table_alloc", "table_alloc_uncached", "table_free", "table_alloc that fails",
    "register write", "register read", "hook", "ats_enable", "tlbi"};

struct step {
  int kind, size;
  uint64_t a, b, c;
  unsigned line; /* of the trace */
};
static const struct step steps[] = {
    /* kind, size, a, b, c, line */
@STEPS@};
#define STEP_COUNT (sizeof steps / sizeof steps[0])

static const struct iommucheck_driver *drv;
static void *self;
static size_t at;         /* the step that comes next */
static int plain;         /* it stores through pointers, or was built by `iommucheck cc` */
static size_t asked_from; /* the first behind the driver's last store or register write */

static void differ(int kind, uint64_t a, uint64_t b) {
  printf("the driver does something else: %s %#" PRIx64 ", %#" PRIx64, names[kind], a, b);
  if (at < STEP_COUNT)
    printf(", where line %u of the trace has %s %#" PRIx64 ", %#" PRIx64, steps[at].line,
           names[steps[at].kind], steps[at].a, steps[at].b);
  printf("\n");
  exit(1);
}

static const struct iommucheck_hooks *hooks; /* of a driver that `iommucheck cc` built */

/* Of a driver that stores through pointers nothing of that is seen but its registers. */
static void pass_over(void) {
  if (hooks != NULL) hooks->settle();
  while (plain && at < STEP_COUNT && steps[at].kind >= STORE && steps[at].kind <= BARRIER) ++at;
}

/* The step that the driver makes: of that kind, at that place. */
static const struct step *take(int kind, int size, uint64_t a) {
  pass_over();
  if (at == STEP_COUNT || steps[at].kind != kind || steps[at].size != size || steps[at].a != a)
    differ(kind, a, 0);
  if (kind != READ && kind != LOAD) asked_from = at + 1;
  return &steps[at++];
}
static void take_value(int kind, int size, uint64_t a, uint64_t b, uint64_t c) {
  pass_over();
  if (at < STEP_COUNT && (steps[at].b != b || steps[at].c != c)) differ(kind, a, b);
  take(kind, size, a);
}

/* ---- the platform ---- */

static unsigned char *window;
static unsigned char arena[8 << 20], arena_then[sizeof arena];
static unsigned char *window_then;
static uint64_t arena_used, arena_used_then, window_used;

static int is_there(uint64_t pa, uint64_t bytes) {
  return bytes <= WINDOW_BYTES && pa - WINDOW_PA <= WINDOW_BYTES - bytes;
}
static void put(uint64_t pa, const void *from, uint64_t bytes) {
  if (is_there(pa, bytes)) memcpy(window + (pa - WINDOW_PA), from, bytes);
}

static const void *alloc(int kind, uint64_t bytes, uint64_t *pa) {
  pass_over();
  if (at < STEP_COUNT && steps[at].kind == NO_MEMORY) {
    ++at;
    return NULL;
  }
  if (at == STEP_COUNT || steps[at].kind != kind || steps[at].b != bytes) differ(kind, 0, bytes);
  *pa = steps[at++].a;
  if (*pa + bytes - WINDOW_PA > window_used) window_used = *pa + bytes - WINDOW_PA;
  return window + (*pa - WINDOW_PA);
}
static const void *table_alloc(void *ctx, uint64_t bytes, uint64_t *pa) {
  (void)ctx;
  return alloc(ALLOC, bytes, pa);
}
static const void *table_alloc_uncached(void *ctx, uint64_t bytes, uint64_t *pa) {
  (void)ctx;
  return alloc(ALLOC_UNCACHED, bytes, pa);
}
static void table_free(void *ctx, uint64_t pa, uint64_t bytes) {
  (void)ctx;
  take_value(FREE, 0, pa, bytes, 0);
}
static void *arena_alloc(void *ctx, uint64_t bytes, uint64_t align) {
  (void)ctx;
  arena_used = (arena_used + align - 1) & ~(align - 1);
  if (bytes > sizeof arena - arena_used) return NULL;
  void *place = arena + arena_used;
  arena_used += bytes;
  return place;
}
static void store64(void *ctx, uint64_t pa, uint64_t value) {
  (void)ctx;
  if (!plain) take_value(STORE, 8, pa, value, 0);
  put(pa, &value, 8);
}
static void fill64(void *ctx, uint64_t pa, uint64_t count, uint64_t value) {
  (void)ctx;
  if (!plain) take_value(FILL, 8, pa, value, count);
  for (uint64_t i = 0; i < count; ++i) put(pa + 8 * i, &value, 8);
}
static uint64_t get(uint64_t pa, uint32_t bytes) {
  uint64_t value = 0;
  if (is_there(pa, bytes)) memcpy(&value, window + (pa - WINDOW_PA), bytes);
  return value;
}
static uint64_t load64(void *ctx, uint64_t pa) {
  (void)ctx;
  if (plain) return get(pa, 8);
  return take(LOAD, 8, pa)->b;
}
static uint64_t low(uint64_t value, uint32_t bytes) {
  return bytes >= 8 ? value : value & ((UINT64_C(1) << 8 * bytes) - 1);
}
static void store(void *ctx, uint64_t pa, uint32_t bytes, uint64_t value, uint64_t value_high, uint64_t pc) {
  (void)ctx, (void)pc;
  if (!plain) take_value(STORE, (int)bytes, pa, low(value, bytes), bytes == 16 ? value_high : 0);
  put(pa, &value, bytes == 16 ? 8 : bytes);
  if (bytes == 16) put(pa + 8, &value_high, 8);
}
static uint64_t load(void *ctx, uint64_t pa, uint32_t bytes, uint32_t how, uint64_t pc) {
  (void)ctx, (void)how, (void)pc;
  if (plain) return get(pa, bytes);
  return take(LOAD, (int)bytes, pa)->b;
}
static uint64_t atomic(void *ctx, uint32_t op, uint64_t pa, uint32_t bytes, uint64_t operand,
                       uint64_t expected, uint32_t how, uint64_t pc) {
  (void)ctx, (void)op, (void)expected, (void)how, (void)pc;
  if (plain) differ(ATOMIC, pa, operand);
  if (at < STEP_COUNT && steps[at].kind == LOAD) return take(LOAD, (int)bytes, pa)->b;
  const struct step *s = take(ATOMIC, (int)bytes, pa);
  put(pa, &s->c, bytes);
  return s->b;
}
static void barrier(void *ctx, uint32_t kind) {
  (void)ctx;
  if (!plain) take(BARRIER, 0, kind);
}
static void dma_clean(void *ctx, uint64_t pa, uint64_t bytes) {
  (void)ctx;
  take_value(CLEAN, 0, pa, bytes, 0);
}
static void dma_invalidate(void *ctx, uint64_t pa, uint64_t bytes) {
  (void)ctx;
  take_value(INVALIDATE, 0, pa, bytes, 0);
}
static void mmio_write32(void *ctx, uint64_t offset, uint32_t value, uint32_t how) {
  (void)ctx, (void)how;
  take_value(WRITE, 4, offset, value, 0);
}
static void mmio_write64(void *ctx, uint64_t offset, uint64_t value, uint32_t how) {
  (void)ctx, (void)how;
  take_value(WRITE, 8, offset, value, 0);
}
static uint32_t mmio_read32(void *ctx, uint64_t offset) {
  (void)ctx;
  return (uint32_t)take(READ, 4, offset)->b;
}
static uint64_t mmio_read64(void *ctx, uint64_t offset) {
  (void)ctx;
  return take(READ, 8, offset)->b;
}
/* The time is not up while the driver looked again at what it is looking at. */
static int wait_for(void *ctx, uint64_t token, uint64_t timeout_us) {
  (void)ctx, (void)token, (void)timeout_us;
  pass_over();
  if (at == STEP_COUNT || (steps[at].kind != READ && steps[at].kind != LOAD)) return 1;
  for (size_t i = asked_from; i < at; ++i)
    if (steps[i].kind == steps[at].kind && steps[i].a == steps[at].a) return 0;
  return 1;
}
static void lock(void *ctx, uint64_t number) { (void)ctx, (void)number; }
static void say(void *ctx, int level, const char *text) {
  (void)ctx;
  printf("driver, level %d: %s\n", level, text);
}
static uint64_t mm_exit(void *ctx, uint32_t device, uint32_t pasid, uint64_t drvdata) {
  (void)ctx, (void)drvdata;
  differ(CALL, device, pasid);
  return 1;
}
static int handle_fault(void *ctx, uint32_t device, uint32_t pasid, uint64_t iova, uint32_t prot) {
  (void)ctx, (void)iova, (void)prot;
  differ(CALL, device, pasid);
  return 0;
}
static uint64_t context(void *ctx) {
  (void)ctx;
  return 0;
}
static uint32_t cpu(void *ctx) {
  (void)ctx;
  return 0;
}
static uint32_t mm_pin(void *ctx, iommucheck_handle mm) {
  (void)ctx;
  differ(CALL, mm, 0);
  return 0;
}
static void mm_unpin(void *ctx, iommucheck_handle mm) { (void)ctx, (void)mm; }
static int hook(void *ctx, uint32_t which, uint64_t io_mm, uint32_t device) {
  (void)ctx, (void)io_mm, (void)device;
  const struct step *s = take(HOOK, 0, which);
  return s->b != 0 ? IOMMUCHECK_HOOK_NULL : -(int)s->c;
}
static void fault_handler(void *ctx, uint32_t device, uint32_t pasid, uint64_t iova, uint32_t prot,
                          uint32_t group, uint64_t drvdata) {
  (void)ctx, (void)iova, (void)prot, (void)group, (void)drvdata;
  differ(CALL, device, pasid);
}
static void ats_enable(void *ctx, uint32_t device, uint32_t on) {
  (void)ctx;
  take_value(ATS, 0, device, on != 0, 0);
}
static void tlbi(void *ctx, uint32_t scope, uint32_t flags, uint32_t vmid, uint32_t asid,
                 uint64_t va, uint64_t bytes) {
  (void)ctx;
  take_value(TLBI, 0, scope | flags << 8 | (uint64_t)vmid << 16 | (uint64_t)asid << 32,
             bytes != 0 ? va : 0, bytes);
}

static struct iommucheck_platform platform = {
    .size = sizeof(struct iommucheck_platform), .abi = IOMMUCHECK_DRIVER_ABI,
    .window_pa = WINDOW_PA, .window_size = WINDOW_BYTES, .table_alloc = table_alloc,
    .table_free = table_free, .arena_alloc = arena_alloc, .store64 = store64, .fill64 = fill64,
    .load64 = load64, .store = store, .load = load, .atomic = atomic, .barrier = barrier,
    .dma_clean = dma_clean, .dma_invalidate = dma_invalidate, .mmio_write32 = mmio_write32,
    .mmio_write64 = mmio_write64, .mmio_read32 = mmio_read32, .mmio_read64 = mmio_read64,
    .wait = wait_for, .lock = lock, .unlock = lock, .log = say, .mm_exit = mm_exit,
    .handle_fault = handle_fault, .context = context, .cpu = cpu, .mm_pin = mm_pin,
    .mm_unpin = mm_unpin, .hook = hook, .fault_handler = fault_handler, .ats_enable = ats_enable,
    .tlbi = tlbi, .table_alloc_uncached = table_alloc_uncached};

/* ---- what is asked of the driver ---- */

static int not_there(const char *name) {
  printf("the driver has no %s any more\n", name);
  exit(1);
}

/* The error that it answers; `value` is what else. */
static int call(uint64_t number, uint64_t *value) {
  int s = 0;
  *value = 0;
  switch (number) {
@CALLS@    default: break;
  }
  return s;
}

static void make_call(const struct step *s) {
  uint64_t value = 0;
  const int error = call(s->a, &value);
  pass_over();
  const uint64_t status = (uint64_t)(error == IOMMUCHECK_NOT_BUILT ? 1 : -error);
  if (at == STEP_COUNT) return; /* it was found within the call */
  const struct step *r = &steps[at];
  if (r->kind != RETURN) differ(RETURN, status, value);
  const int counts = r->c != 0 && (status == 0 || s->b != 0);
  /* 255: a status that no call may have. */
  if ((r->a != 255 && r->a != status) || (counts && r->b != value)) differ(RETURN, status, value);
  ++at;
}

static void start(void) {
  static const struct iommucheck_device *list[DEVICE_COUNT];
  static struct iommucheck_config config = {.size = sizeof config, .abi = IOMMUCHECK_DRIVER_ABI,
                                            .devices = list, .device_count = DEVICE_COUNT,
                                            .cmdq_log2size = @CMDQ@, .flags = @FLAGS@,
                                            .iommu_count = @IOMMUS@};
  for (size_t i = 0; i < DEVICE_COUNT; ++i) list[i] = &devices[i];
  if (drv->init(&platform, &config, &self) != 0 || drv->reset(self) != 0) differ(START, 0, 0);
  for (uint32_t i = 0; i < DEVICE_COUNT && drv->device_add != NULL; ++i)
    if (drv->device_add(self, i) != 0) differ(ADD, i, 0);
}

/* What is kept at `ready`, and put back between two cases. */
static void keep(void) {
  memcpy(arena_then, arena, arena_used_then = arena_used);
  window_then = realloc(window_then, window_used + 1);
  memcpy(window_then, window, window_used);
}
static void put_back(void) {
  memset(arena, 0, arena_used);
  memcpy(arena, arena_then, arena_used = arena_used_then);
  memcpy(window, window_then, window_used);
}

static void do_step(const struct step *s) {
  struct iommucheck_held held = {.size = sizeof held, .abi = IOMMUCHECK_DRIVER_ABI};
  switch (s->kind) {
    case START: start(); break;
    case READY: keep(); break;
    case RESTORED: put_back(); break;
    case STOP: if (drv->shutdown != NULL) drv->shutdown(self); break;
    case CALL: make_call(s); break;
    case IRQ: if (drv->handle_irq != NULL) drv->handle_irq(self, s->a); break;
    case HELD: if (drv->held != NULL) drv->held(self, &held); break;
    case ADD: if (drv->device_add != NULL) drv->device_add(self, (uint32_t)s->a); break;
    case REMOVE: if (drv->device_remove != NULL) drv->device_remove(self, (uint32_t)s->a); break;
    default: /* the driver was to do it, and is back already */
      --at;
      differ(RETURN, 0, 0);
  }
}

int main(int argc, char **argv) {
  void *object = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  void *symbol = object != NULL ? dlsym(object, IOMMUCHECK_DRIVER_ENTRY_NAME) : NULL;
  iommucheck_driver_entry_fn entry;
  memcpy(&entry, &symbol, sizeof entry);
  if (entry == NULL || (drv = entry()) == NULL || drv->abi != IOMMUCHECK_DRIVER_ABI) {
    fprintf(stderr, "usage: %s ./driver.so (%s)\n", argv[0],
            object == NULL && argc == 2 ? dlerror() : "one driver");
    return 2;
  }
  iommucheck_hooks_entry_fn hooks_entry;
  symbol = dlsym(object, IOMMUCHECK_HOOKS_ENTRY_NAME);
  memcpy(&hooks_entry, &symbol, sizeof hooks_entry);
  if (hooks_entry != NULL) hooks = hooks_entry();
  plain = (drv->flags & IOMMUCHECK_DRIVER_SCAN) != 0 || hooks != NULL;
  const int identity = (drv->flags & IOMMUCHECK_DRIVER_IDENTITY_MAPPED) != 0;
  window = mmap(identity ? (void *)(uintptr_t)WINDOW_PA : NULL, WINDOW_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (window == MAP_FAILED || (identity && window != (void *)(uintptr_t)WINDOW_PA)) return 2;
  platform.window = window;
  struct iommucheck_platform registers_alone = platform; /* a window of which it tells nothing */
  registers_alone.window_size = 0;
  if (hooks != NULL) hooks->begin(&registers_alone, &registers_alone);
  for (pass_over(); at < STEP_COUNT; pass_over()) {
    const struct step *s = &steps[at++];
    asked_from = at;
    do_step(s);
  }
  printf("the driver does all that it did, in %zu steps: the finding stands\n", STEP_COUNT);
  return 0;
}
)";

}  // namespace iommucheck::oracle
