/* SPDX-License-Identifier: MIT
 *
 * What `iommucheck cc` links into a plug-in: the functions that clang's -fsanitize=thread calls at
 * memory accesses. There is no thread sanitizer here; an access to table memory or registers is
 * told to the checker, all others are left alone.
 *
 * A callback comes before its access. So an access that writes is kept, and told with what stands
 * there at the next callback, at the next call of the platform, or when a function returns: nothing
 * of the driver's runs in between. Callbacks of what is kept and told are in the program's order.
 */
#include "iommucheck/hooks.h"

#include <stddef.h>

#include "iommucheck/driver.h"

#define EXPORTED __attribute__((visibility("default")))
#define PRIVATE __attribute__((visibility("hidden")))
/* In the call, which is of the line of the access; what follows it may be another's. */
#define HERE ((uintptr_t)__builtin_return_address(0) - 1 - (uintptr_t)&__ehdr_start)

enum { REGISTERS = 0x20000 };

/* Where the linker placed the object: program counters are told as they are in its symbol table. */
extern const char __ehdr_start __attribute__((visibility("hidden")));

static struct {
  const struct iommucheck_platform* told;
  const struct iommucheck_platform* platform;
  uintptr_t window;
  uint64_t window_bytes;
  /* A store that was announced; its bytes are there by now. */
  uintptr_t at;
  uint64_t bytes;
  uint64_t pc;
  const void* place; /* of what is told now by a call that has no argument for it */
} now;

static _Alignas(0x1000) unsigned char registers[REGISTERS];

EXPORTED void* iommucheck_registers(void) { return registers; }

static uint64_t value_at(uintptr_t at, uint64_t bytes) {
  uint64_t value = 0;
  __builtin_memcpy(&value, (const void*)at, bytes);
  return value;
}

/* The largest aligned piece of [at, at + bytes), 8 bytes at most. */
static uint64_t piece(uintptr_t at, uint64_t bytes) {
  uint64_t size = 8;
  while (size > bytes || at % size != 0) size /= 2;
  return size;
}

static int in_window(uintptr_t at, uint64_t bytes) {
  return at - now.window < now.window_bytes && bytes <= now.window_bytes - (at - now.window);
}
static int in_registers(uintptr_t at, uint64_t bytes) {
  return at - (uintptr_t)registers < REGISTERS && bytes <= REGISTERS - (at - (uintptr_t)registers);
}

static const void* address_of(uint64_t pc) { return &__ehdr_start + pc; }

/* What is told from here on stands at `place`, until what it returns is given back. */
static const void* stands_at(const void* place) {
  const void* before = now.place;
  now.place = place;
  return before;
}

EXPORTED void iommucheck_stands_at(const void* place) { now.place = place; }

static void settle(void) {
  uintptr_t at = now.at;
  uint64_t bytes = now.bytes;
  if (bytes == 0) return;
  now.bytes = 0; /* the functions below come back here */
  if (in_registers(at, bytes)) {
    const struct iommucheck_platform* p = now.platform;
    const uint64_t offset = at - (uintptr_t)registers;
    const void* before = stands_at(address_of(now.pc));
    if (bytes == 8 && at % 8 == 0) {
      p->mmio_write64(p->ctx, offset, value_at(at, 8), IOMMUCHECK_MMIO_RELAXED);
    } else if (bytes == 4 && at % 4 == 0) {
      p->mmio_write32(p->ctx, offset, (uint32_t)value_at(at, 4), IOMMUCHECK_MMIO_RELAXED);
    } else {
      p->log(p->ctx, IOMMUCHECK_LOG_ERROR,
             "a register is written with other than 4 or 8 aligned bytes: no effect");
    }
    now.place = before;
    return;
  }
  const struct iommucheck_platform* p = now.told;
  const uint64_t pa_of_window = p->window_pa - now.window;
  while (bytes != 0) {
    const uint64_t size = piece(at, bytes);
    p->store(p->ctx, at + pa_of_window, (uint32_t)size, value_at(at, size), 0, now.pc);
    at += size;
    bytes -= size;
  }
}

static void begin(const struct iommucheck_platform* told,
                  const struct iommucheck_platform* platform) {
  now.told = told;
  now.platform = platform;
  now.window = (uintptr_t)platform->window;
  now.window_bytes = platform->window_size;
  now.bytes = 0;
  now.place = NULL;
}

/* ---- coverage: what -fsanitize-coverage=inline-8bit-counters,pc-table calls when it is loaded
 * ---- Hidden, so that a command that is built with sanitizers does not put its own functions in
 * their place. */

static struct iommucheck_coverage coverage;

PRIVATE void __sanitizer_cov_8bit_counters_init(char* first, char* behind);
void __sanitizer_cov_8bit_counters_init(char* first, char* behind) {
  coverage.counters = (const uint8_t*)first;
  coverage.count = (uint64_t)(behind - first);
}
PRIVATE void __sanitizer_cov_pcs_init(const uintptr_t* first, const uintptr_t* behind);
void __sanitizer_cov_pcs_init(const uintptr_t* first, const uintptr_t* behind) {
  (void)behind;
  coverage.places = first;
  coverage.base = (uintptr_t)&__ehdr_start;
}

EXPORTED const struct iommucheck_hooks* iommucheck_hooks_entry(void) {
  static const struct iommucheck_hooks hooks = {.size = sizeof hooks,
                                                .abi = IOMMUCHECK_HOOKS_ABI,
                                                .begin = begin,
                                                .settle = settle,
                                                .coverage = &coverage,
                                                .place = &now.place};
  return &hooks;
}

static void writes(void* address, uint64_t bytes, uint64_t pc) {
  const uintptr_t at = (uintptr_t)address;
  settle();
  if (!in_window(at, bytes) && !in_registers(at, bytes)) return;
  now.at = at;
  now.bytes = bytes;
  now.pc = pc;
}

static void reads_with(void* address, uint64_t bytes, uint32_t flags, uint64_t pc) {
  uintptr_t at = (uintptr_t)address;
  settle();
  if (in_registers(at, bytes)) {
    const struct iommucheck_platform* p = now.platform;
    const uint64_t offset = at - (uintptr_t)registers;
    const void* before = stands_at(address_of(pc));
    if (bytes == 8 && at % 8 == 0) {
      const uint64_t value = p->mmio_read64(p->ctx, offset);
      __builtin_memcpy(address, &value, 8);
    } else if (bytes == 4 && at % 4 == 0) {
      const uint32_t value = p->mmio_read32(p->ctx, offset);
      __builtin_memcpy(address, &value, 4);
    } else {
      p->log(p->ctx, IOMMUCHECK_LOG_ERROR,
             "a register is read with other than 4 or 8 aligned bytes: what is read is not said");
    }
    now.place = before;
    return;
  }
  if (!in_window(at, bytes)) return;
  const struct iommucheck_platform* p = now.told;
  while (bytes != 0) {
    const uint64_t size = piece(at, bytes);
    (void)p->load(p->ctx, at - now.window + p->window_pa, (uint32_t)size, flags, pc);
    at += size;
    bytes -= size;
  }
}
static void reads(void* address, uint64_t bytes, uint64_t pc) { reads_with(address, bytes, 0, pc); }

/* ---- plain and volatile accesses ---- */

#define ACCESS(name, size, does)           \
  EXPORTED void name##size(void* address); \
  EXPORTED void name##size(void* address) { does(address, size, HERE); }
#define ACCESSES(name, does) \
  ACCESS(name, 1, does)      \
  ACCESS(name, 2, does) ACCESS(name, 4, does) ACCESS(name, 8, does) ACCESS(name, 16, does)

static void reads_and_writes(void* address, uint64_t bytes, uint64_t pc) {
  reads(address, bytes, pc);
  writes(address, bytes, pc);
}

ACCESSES(__tsan_read, reads)
ACCESSES(__tsan_write, writes)
ACCESSES(__tsan_read_write, reads_and_writes)
ACCESSES(__tsan_volatile_read, reads)
ACCESSES(__tsan_volatile_write, writes)
ACCESSES(__tsan_unaligned_read, reads)
ACCESSES(__tsan_unaligned_write, writes)
ACCESSES(__tsan_unaligned_read_write, reads_and_writes)
ACCESSES(__tsan_unaligned_volatile_read, reads)
ACCESSES(__tsan_unaligned_volatile_write, writes)

EXPORTED void __tsan_vptr_update(void** address, void* value);
EXPORTED void __tsan_vptr_update(void** address, void* value) {
  (void)value;
  writes(address, sizeof *address, HERE);
}
EXPORTED void __tsan_vptr_read(void** address);
EXPORTED void __tsan_vptr_read(void** address) { reads(address, sizeof *address, HERE); }

EXPORTED void __tsan_init(void);
EXPORTED void __tsan_init(void) {}
EXPORTED void __tsan_func_entry(void* caller);
EXPORTED void __tsan_func_entry(void* caller) {
  (void)caller;
  settle();
}
EXPORTED void __tsan_func_exit(void);
EXPORTED void __tsan_func_exit(void) { settle(); }

/* ---- memset, memcpy, memmove: as intrinsics, and called by their names (--wrap) ---- */

/* With --wrap: what the names without it lead to. */
void* __real_memset(void* to, int value, size_t bytes);
void* __real_memmove(void* to, const void* from, size_t bytes);

/* Bytes that lie in registers are theirs one by one: no driver copies there and means it. */
static void* sets(void* to, int value, size_t bytes, uint64_t pc) {
  settle();
  __real_memset(to, value, bytes);
  if (bytes == 0) return to;
  const uintptr_t at = (uintptr_t)to;
  if (in_window(at, bytes) && at % 8 == 0 && bytes % 8 == 0) {
    const struct iommucheck_platform* p = now.told;
    const uint64_t word = (uint64_t)(unsigned char)value * 0x0101010101010101u;
    const void* before = stands_at(address_of(pc));
    p->fill64(p->ctx, at - now.window + p->window_pa, bytes / 8, word);
    now.place = before;
    return to;
  }
  writes(to, bytes, pc);
  settle();
  return to;
}

static void* moves(void* to, const void* from, size_t bytes, uint64_t pc) {
  settle();
  if (bytes == 0) return to;
  reads((void*)(uintptr_t)from, bytes, pc);
  __real_memmove(to, from, bytes);
  writes(to, bytes, pc);
  settle();
  return to;
}

EXPORTED void* __tsan_memset(void* to, int value, size_t bytes);
EXPORTED void* __tsan_memset(void* to, int value, size_t bytes) {
  return sets(to, value, bytes, HERE);
}
EXPORTED void* __tsan_memcpy(void* to, const void* from, size_t bytes);
EXPORTED void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  return moves(to, from, bytes, HERE);
}
EXPORTED void* __tsan_memmove(void* to, const void* from, size_t bytes);
EXPORTED void* __tsan_memmove(void* to, const void* from, size_t bytes) {
  return moves(to, from, bytes, HERE);
}

void* __wrap_memset(void* to, int value, size_t bytes);
void* __wrap_memset(void* to, int value, size_t bytes) { return sets(to, value, bytes, HERE); }
void* __wrap_memcpy(void* to, const void* from, size_t bytes);
void* __wrap_memcpy(void* to, const void* from, size_t bytes) {
  return moves(to, from, bytes, HERE);
}
void* __wrap_memmove(void* to, const void* from, size_t bytes);
void* __wrap_memmove(void* to, const void* from, size_t bytes) {
  return moves(to, from, bytes, HERE);
}

/* ---- C11 atomics ---- */

enum {
  RELAXED = __ATOMIC_RELAXED,
  CONSUME = __ATOMIC_CONSUME,
  ACQUIRE = __ATOMIC_ACQUIRE,
  RELEASE = __ATOMIC_RELEASE
};

static void fence(int order, uint64_t pc) {
  const struct iommucheck_platform* p = now.told;
  if (order == RELAXED || p == NULL) return;
  const void* before = stands_at(address_of(pc));
  p->barrier(p->ctx, order == RELEASE                       ? IOMMUCHECK_DMA_WMB
                     : order == ACQUIRE || order == CONSUME ? IOMMUCHECK_DMA_RMB
                                                            : IOMMUCHECK_DMA_MB);
  now.place = before;
}

EXPORTED void __tsan_atomic_thread_fence(int order);
EXPORTED void __tsan_atomic_thread_fence(int order) {
  settle();
  fence(order, HERE);
}
EXPORTED void __tsan_atomic_signal_fence(int order);
EXPORTED void __tsan_atomic_signal_fence(int order) { (void)order; }

/* The atomic at `pa` and, if it stores, the same in the window. Returns what was there. */
static uint64_t atomically(uint32_t op, uintptr_t at, uint32_t bytes, uint64_t operand,
                           uint64_t expected, int order, uint64_t pc) {
  const struct iommucheck_platform* p = now.told;
  const uint64_t old = p->atomic(p->ctx, op, at - now.window + p->window_pa, bytes, operand,
                                 expected, order == RELAXED ? 0 : IOMMUCHECK_ORDERED, pc);
  uint64_t stored = operand;
  switch (op) {
    case IOMMUCHECK_ATOMIC_ADD: stored = old + operand; break;
    case IOMMUCHECK_ATOMIC_AND: stored = old & operand; break;
    case IOMMUCHECK_ATOMIC_OR: stored = old | operand; break;
    case IOMMUCHECK_ATOMIC_XOR: stored = old ^ operand; break;
    default: break;
  }
  if (op != IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE || old == expected) {
    __builtin_memcpy((void*)at, &stored, bytes);
  }
  return old;
}

#define ATOMIC_OP(bits, name, op, operand, plain)                                            \
  EXPORTED uint##bits##_t __tsan_atomic##bits##_##name(volatile void* address,               \
                                                       uint##bits##_t value, int order);     \
  EXPORTED uint##bits##_t __tsan_atomic##bits##_##name(volatile void* address,               \
                                                       uint##bits##_t value, int order) {    \
    settle();                                                                                \
    if (in_window((uintptr_t)address, bits / 8)) {                                           \
      return (uint##bits##_t)atomically(op, (uintptr_t)address, bits / 8, operand, 0, order, \
                                        HERE);                                               \
    }                                                                                        \
    return plain((volatile uint##bits##_t*)address, value, __ATOMIC_SEQ_CST);                \
  }

#define ATOMIC_EXCHANGE_IF(bits)                                                                \
  EXPORTED uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                           \
      volatile void* address, uint##bits##_t expected, uint##bits##_t value, int order,         \
      int otherwise);                                                                           \
  EXPORTED uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                           \
      volatile void* address, uint##bits##_t expected, uint##bits##_t value, int order,         \
      int otherwise) {                                                                          \
    settle();                                                                                   \
    if (in_window((uintptr_t)address, bits / 8)) {                                              \
      return (uint##bits##_t)atomically(IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE, (uintptr_t)address, \
                                        bits / 8, value, expected, order, HERE);                \
    }                                                                                           \
    (void)otherwise;                                                                            \
    __atomic_compare_exchange_n((volatile uint##bits##_t*)address, &expected, value, 0,         \
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                            \
    return expected;                                                                            \
  }

#define ATOMICS(bits)                                                                           \
  EXPORTED uint##bits##_t __tsan_atomic##bits##_load(const volatile void* address, int order);  \
  EXPORTED uint##bits##_t __tsan_atomic##bits##_load(const volatile void* address, int order) { \
    reads_with((void*)(uintptr_t)address, bits / 8, order == RELAXED ? 0 : IOMMUCHECK_ORDERED,  \
               HERE);                                                                           \
    return __atomic_load_n((const volatile uint##bits##_t*)address, __ATOMIC_SEQ_CST);          \
  }                                                                                             \
  EXPORTED void __tsan_atomic##bits##_store(volatile void* address, uint##bits##_t value,       \
                                            int order);                                         \
  EXPORTED void __tsan_atomic##bits##_store(volatile void* address, uint##bits##_t value,       \
                                            int order) {                                        \
    settle();                                                                                   \
    if (in_window((uintptr_t)address, bits / 8) && order != RELAXED) fence(RELEASE, HERE);      \
    writes((void*)(uintptr_t)address, bits / 8, HERE);                                          \
    __atomic_store_n((volatile uint##bits##_t*)address, value, __ATOMIC_SEQ_CST);               \
    settle();                                                                                   \
  }                                                                                             \
  ATOMIC_OP(bits, exchange, IOMMUCHECK_ATOMIC_EXCHANGE, value, __atomic_exchange_n)             \
  ATOMIC_OP(bits, fetch_add, IOMMUCHECK_ATOMIC_ADD, value, __atomic_fetch_add)                  \
  ATOMIC_OP(bits, fetch_sub, IOMMUCHECK_ATOMIC_ADD, (uint##bits##_t)(0 - value),                \
            __atomic_fetch_sub)                                                                 \
  ATOMIC_OP(bits, fetch_and, IOMMUCHECK_ATOMIC_AND, value, __atomic_fetch_and)                  \
  ATOMIC_OP(bits, fetch_or, IOMMUCHECK_ATOMIC_OR, value, __atomic_fetch_or)                     \
  ATOMIC_OP(bits, fetch_xor, IOMMUCHECK_ATOMIC_XOR, value, __atomic_fetch_xor)                  \
  ATOMIC_EXCHANGE_IF(bits)

// clang-format off
ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)
// clang-format on
