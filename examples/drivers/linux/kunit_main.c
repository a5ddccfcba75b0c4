/* SPDX-License-Identifier: MIT
 *
 * The program around kunit.c: the kernel's shim over the C library, and what hears of stores. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommucheck/hooks.h"
#include "kernel_shim.h"

int iommucheck_kunit(void);
void iommucheck_pages(const struct iommucheck_platform* platform);
void iommucheck_watch(const void* at, uint64_t bytes);
void iommucheck_stored(uint64_t offset, uint32_t bytes, uint64_t value);

/* ---- memory: pages of one window, by the power of two, and given back never ---- */

enum { WINDOW = 1 << 28, FIRST = 0x40000000, PAGE = 4096 };
static char *window, *next;

void* shim_alloc(size_t bytes) {
  void* memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (memory != NULL) memset(memory, 0, bytes);
  return memory;
}
void shim_free(void* memory) { free(memory); }
void* shim_dma_alloc(size_t bytes, size_t align, int zero, uint64_t* pa) {
  const uintptr_t size = align > PAGE ? align : PAGE;
  char* memory = (char*)(((uintptr_t)next + size - 1) / size * size);
  if (memory + bytes > window + WINDOW) return NULL;
  next = memory + (bytes + PAGE - 1) / PAGE * PAGE;
  memset(memory, zero ? 0 : 0x5a, bytes);
  if (pa != NULL) *pa = (uint64_t)(memory - window) + FIRST;
  return memory;
}
void* shim_dma_alloc_uncached(size_t bytes, size_t align, int zero, uint64_t* pa) {
  return shim_dma_alloc(bytes, align, zero, pa);
}
void shim_dma_free(void* memory) { (void)memory; }
void* shim_va(uint64_t pa) { return window + (pa - FIRST); }
void shim_clean(const volatile void* address, size_t bytes) { (void)address, (void)bytes; }
static void* from_arena(void* ctx, uint64_t bytes, uint64_t align) {
  return (void)ctx, (void)align, shim_alloc(bytes);
}

/* ---- no SMMU: nothing waits, nothing is read ---- */

void shim_called_from(const void* place) { (void)place; }
uint32_t shim_read32(uint64_t offset) { return (void)offset, 0; }
uint64_t shim_read64(uint64_t offset) { return (void)offset, 0; }
void shim_write32(uint64_t offset, uint32_t value, int ordered) {
  (void)offset, (void)value, (void)ordered;
}
void shim_write64(uint64_t offset, uint64_t value, int ordered) {
  (void)offset, (void)value, (void)ordered;
}
void shim_spin(void) {}
void shim_delay(uint64_t us) { (void)us; }
uint64_t shim_now_us(void) { return 0; }
void shim_barrier(uint32_t kind) { (void)kind; }

/* ---- messages ---- */

void shim_vlog(int level, const char* format, va_list arguments) {
  char line[1024];
  (void)level;
  vsnprintf(line, sizeof line, format, arguments);
  line[strcspn(line, "\n")] = 0;
  printf("# %s\n", line);
}
void shim_log(int level, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  shim_vlog(level, format, arguments);
  va_end(arguments);
}
_Noreturn void shim_panic(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  shim_vlog(IOMMUCHECK_LOG_ERROR, format, arguments);
  va_end(arguments);
  fflush(stdout);
  exit(3);
}

/* ---- what is told of stores ---- */

static void store(void* ctx, uint64_t pa, uint32_t bytes, uint64_t value, uint64_t high,
                  uint64_t pc) {
  (void)ctx, (void)high, (void)pc;
  iommucheck_stored(pa, bytes, value);
}
static uint64_t load(void* ctx, uint64_t pa, uint32_t bytes, uint32_t flags, uint64_t pc) {
  return (void)ctx, (void)pa, (void)bytes, (void)flags, (void)pc, 0;
}
void iommucheck_watch(const void* at, uint64_t bytes) {
  static struct iommucheck_platform told;
  const struct iommucheck_hooks* hooks = iommucheck_hooks_entry();
  hooks->settle();
  told.window = at;
  told.window_size = bytes;
  told.store = store;
  told.load = load;
  hooks->begin(&told, &told);
}

int iommucheck_main(void);
int iommucheck_main(void) {
  struct iommucheck_platform platform = {.window_pa = FIRST, .window_size = WINDOW};
  window = aligned_alloc(1 << 21, WINDOW);
  if (window == NULL) return 3;
  next = window;
  platform.window = window;
  platform.arena_alloc = from_arena;
  iommucheck_watch(NULL, 0);
  iommucheck_pages(&platform);
  const int status = iommucheck_kunit();
  fflush(stdout);
  return status;
}
