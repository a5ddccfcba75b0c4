/* SPDX-License-Identifier: MIT
 * Every way in which C writes memory and registers; recorder.c says what has to be told of it. */
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "iommucheck/hooks.h"
#include "tests/cc/stores.h"

struct entry {
  uint64_t word[4];
};
struct fields {
  uint32_t low : 12;
  uint32_t high : 20;
};

static uint64_t elsewhere[8];

/* A function of its own, so that its stores come before what its caller does next. */
static __attribute__((noinline)) void store_in_a_function(uint64_t* word, uint64_t value) {
  *word = value;
}

void stores(unsigned char* memory, void (*platform_call)(void), unsigned zero) {
  uint64_t* word = (uint64_t*)memory;
  volatile uint64_t* volatile_word = (volatile uint64_t*)memory;
  struct entry* entry = (struct entry*)(memory + 0x100);
  const struct entry made = {{0x11, 0x22 + zero, 0x33, 0x44}};
  volatile uint32_t* registers = iommucheck_registers();

  word[0] = 1;
  word[1] = 2;
  elsewhere[zero] = 3;
  platform_call();
  volatile_word[0] = 0;
  volatile_word[0] = 4;
  memory[0x20] = 5;
  *(uint16_t*)(memory + 0x22) = 6;
  *(uint32_t*)(memory + 0x24) = 7;
  store_in_a_function(word + 6, 8);
  platform_call();
  *entry = made;
  memset(memory + 0x200, 0, 64);
  memset(memory + 0x241, 0xff, 3);
  memcpy(memory + 0x280, elsewhere, 16);
  memmove(memory + 0x288, memory + 0x280, 8);
  ((struct fields*)(memory + 0x300))->high = 9;
  for (unsigned i = 0; i < 4; ++i) word[0x70 + i] = 0x1000 + i + zero;
  platform_call();

  registers[0x20 / 4] = 0x1d;
  elsewhere[1] = registers[0x24 / 4];
  *(volatile uint64_t*)(registers + 0x80 / 4) = 0x1234567800ull;
  platform_call();

  _Atomic uint64_t* atomic = (_Atomic uint64_t*)(memory + 0x400);
  atomic_store_explicit(atomic, 10, memory_order_relaxed);
  atomic_store_explicit(atomic, 11, memory_order_release);
  atomic_fetch_or_explicit(atomic, 0x100, memory_order_relaxed);
  uint64_t expected = 10;
  atomic_compare_exchange_strong(atomic, &expected, 12);
  atomic_compare_exchange_strong(atomic, &expected, 12);
  atomic_thread_fence(memory_order_seq_cst);
  atomic_fetch_sub(atomic, 2);
  elsewhere[2] = atomic_exchange((_Atomic uint32_t*)(memory + 0x408), 13);
  elsewhere[3] = atomic_load_explicit(atomic, memory_order_acquire);
  word[0x90] = elsewhere[3];
}
