/* SPDX-License-Identifier: MIT
 * Loads stores.so as the checker loads a driver that `iommucheck cc` built, and holds what its
 * hooks tell against what it does: each store with its size and value, in order, none twice, none
 * lost. recorder STORES.SO */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommucheck/driver.h"
#include "iommucheck/hooks.h"

enum { BYTES = 0x1000 };
#define BASE 0x80000000ull

static _Alignas(BYTES) unsigned char window[BYTES]; /* as the driver sees it */
static unsigned char told[BYTES];                   /* what the hooks have told of it */
static const struct iommucheck_hooks* hooks;
static char line[256];
static char all[1 << 16];
static int without_place;

static void tell(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (strlen(all) + strlen(line) + 2 < sizeof all) strcat(strcat(all, line), "\n");
}

static void store(void* ctx, uint64_t pa, uint32_t bytes, uint64_t value, uint64_t high,
                  uint64_t pc) {
  (void)ctx;
  (void)high;
  if (pc == 0) without_place = 1;
  memcpy(told + (pa - BASE), &value, bytes);
  tell("store %x %u %llx", (unsigned)(pa - BASE), bytes, (unsigned long long)value);
}
static void fill64(void* ctx, uint64_t pa, uint64_t count, uint64_t value) {
  (void)ctx;
  for (uint64_t i = 0; i < count; ++i) memcpy(told + (pa - BASE) + 8 * i, &value, 8);
  tell("fill %x %u %llx", (unsigned)(pa - BASE), (unsigned)count, (unsigned long long)value);
}
static uint64_t load(void* ctx, uint64_t pa, uint32_t bytes, uint32_t flags, uint64_t pc) {
  (void)ctx;
  (void)pc;
  uint64_t value = 0;
  memcpy(&value, told + (pa - BASE), bytes);
  if (flags) tell("ordered load %x %u", (unsigned)(pa - BASE), bytes);
  return value;
}
static uint64_t atomic(void* ctx, uint32_t op, uint64_t pa, uint32_t bytes, uint64_t operand,
                       uint64_t expected, uint32_t flags, uint64_t pc) {
  uint64_t old = load(ctx, pa, bytes, 0, pc);
  uint64_t value = operand;
  if (op == IOMMUCHECK_ATOMIC_ADD) value = old + operand;
  if (op == IOMMUCHECK_ATOMIC_OR) value = old | operand;
  if (op != IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE || old == expected) {
    memcpy(told + (pa - BASE), &value, bytes);
  }
  tell("atomic %u %x %u%s", op, (unsigned)(pa - BASE), bytes, flags ? " ordered" : "");
  return old;
}
static void barrier(void* ctx, uint32_t kind) {
  (void)ctx;
  tell("barrier %u", kind);
}
static void mmio_write32(void* ctx, uint64_t offset, uint32_t value, uint32_t flags) {
  (void)ctx;
  tell("write32 %x %x %u", (unsigned)offset, value, flags);
}
static void mmio_write64(void* ctx, uint64_t offset, uint64_t value, uint32_t flags) {
  (void)ctx;
  tell("write64 %x %llx %u", (unsigned)offset, (unsigned long long)value, flags);
}
static uint32_t mmio_read32(void* ctx, uint64_t offset) {
  (void)ctx;
  tell("read32 %x", (unsigned)offset);
  return 0x5a;
}
static void say(void* ctx, int level, const char* text) {
  (void)ctx;
  tell("log %d %s", level, text);
}
static void platform_call(void) {
  hooks->settle();
  tell("call");
}

static const char* const expected =
    "store 0 8 1\nstore 8 8 2\ncall\n"
    "store 0 8 0\nstore 0 8 4\nstore 20 1 5\nstore 22 2 6\nstore 24 4 7\nstore 30 8 8\ncall\n"
    "store 100 8 11\nstore 108 8 22\nstore 110 8 33\nstore 118 8 44\n"
    "fill 200 8 0\nstore 241 1 ff\nstore 242 2 ffff\n"
    "store 280 8 3\nstore 288 8 0\nstore 288 8 3\n"
    "store 300 4 9000\n"
    "store 380 8 1000\nstore 388 8 1001\nstore 390 8 1002\nstore 398 8 1003\ncall\n"
    "write32 20 1d 0\nread32 24\nwrite64 80 1234567800 0\ncall\n"
    "store 400 8 a\nbarrier 1\nstore 400 8 b\natomic 4 400 8\n"
    "atomic 0 400 8 ordered\natomic 0 400 8 ordered\nbarrier 0\natomic 2 400 8 ordered\n"
    "atomic 1 408 4 ordered\nordered load 400 8\nstore 480 8 a\n";

int main(int argc, char** argv) {
  void* object = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (object == NULL) {
    fprintf(stderr, "recorder: %s\n", argc == 2 ? dlerror() : "usage: recorder STORES.SO");
    return 2;
  }
  iommucheck_hooks_entry_fn entry;
  void (*stores)(unsigned char*, void (*)(void), unsigned);
  *(void**)&entry = dlsym(object, IOMMUCHECK_HOOKS_ENTRY_NAME);
  *(void**)&stores = dlsym(object, "stores");
  if (entry == NULL || stores == NULL) {
    fprintf(stderr, "recorder: the object has no hooks: %s\n", argv[1]);
    return 1;
  }
  hooks = entry();
  struct iommucheck_platform platform = {.size = sizeof platform,
                                         .abi = IOMMUCHECK_DRIVER_ABI,
                                         .window = window,
                                         .window_pa = BASE,
                                         .window_size = BYTES,
                                         .store = store,
                                         .fill64 = fill64,
                                         .load = load,
                                         .atomic = atomic,
                                         .barrier = barrier,
                                         .mmio_write32 = mmio_write32,
                                         .mmio_write64 = mmio_write64,
                                         .mmio_read32 = mmio_read32,
                                         .log = say};
  hooks->begin(&platform, &platform);
  stores(window, platform_call, 0);
  hooks->settle();
  const int same = strcmp(all, expected) == 0;
  const int whole = memcmp(window, told, BYTES) == 0;
  if (!same) fprintf(stderr, "told:\n%s\nexpected:\n%s", all, expected);
  if (!whole) fprintf(stderr, "memory differs from what was told\n");
  if (without_place) fprintf(stderr, "a store has no place in the program\n");
  return same && whole && !without_place ? 0 : 1;
}
