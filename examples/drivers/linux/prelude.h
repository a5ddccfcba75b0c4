/* SPDX-License-Identifier: MIT
 *
 * Included before everything else in each file of the tree that is judged: what such a file finds
 * in an arm64 kernel and not in ARCH=um, and in the place of instructions in assembler (barriers,
 * exchanges, registration of initcalls), which no compiler tells of, what the checker hears of. */
#ifndef IOMMUCHECK_LINUX_PRELUDE_H
#define IOMMUCHECK_LINUX_PRELUDE_H

#include <linux/compiler.h>
#include <linux/types.h>

/* ---- barriers: arm64's, by the kinds of kernel_shim.h; first, for headers use them inline ---- */

enum { IOMMUCHECK_LOADS = 1, IOMMUCHECK_STORES = 2, IOMMUCHECK_ALL = 3, IOMMUCHECK_DSB = 4 };
void iommucheck_barrier(int kind);
void iommucheck_relax(void);

#include <asm/barrier.h>
#include <asm/processor.h>
#undef mb
#undef rmb
#undef wmb
#undef dma_mb
#undef dma_rmb
#undef dma_wmb
#undef smp_mb
#undef smp_rmb
#undef smp_wmb
#undef smp_mb__before_atomic
#undef smp_mb__after_atomic
#undef smp_store_release
#undef smp_load_acquire
#define mb() iommucheck_barrier(IOMMUCHECK_ALL | IOMMUCHECK_DSB)
#define rmb() iommucheck_barrier(IOMMUCHECK_LOADS | IOMMUCHECK_DSB)
#define wmb() iommucheck_barrier(IOMMUCHECK_STORES | IOMMUCHECK_DSB)
#define dma_mb() iommucheck_barrier(IOMMUCHECK_ALL)
#define dma_rmb() iommucheck_barrier(IOMMUCHECK_LOADS)
#define dma_wmb() iommucheck_barrier(IOMMUCHECK_STORES)
#define smp_mb() dma_mb()
#define smp_rmb() dma_rmb()
#define smp_wmb() dma_wmb()
#define smp_mb__before_atomic() smp_mb()
#define smp_mb__after_atomic() smp_mb()
#define smp_store_release(at, value) \
  do {                               \
    dma_mb();                        \
    WRITE_ONCE(*(at), value);        \
  } while (0)
#define smp_load_acquire(at)                  \
  ({                                          \
    __typeof__(*(at)) was = READ_ONCE(*(at)); \
    dma_rmb();                                \
    was;                                      \
  })
#define __iomb() dma_mb()
#define wfe() iommucheck_relax()
#define cpu_relax iommucheck_relax

/* ---- exchanges, with the order that they have by their names ---- */

#include <linux/atomic.h>
#define IOMMUCHECK_EXCHANGE_IF(at, old, new, order)                                        \
  ({                                                                                       \
    __typeof__(*(at)) was = (old);                                                         \
    __atomic_compare_exchange_n((at), &was, (new), 0, __ATOMIC_##order, __ATOMIC_RELAXED); \
    was;                                                                                   \
  })
#undef cmpxchg64
#undef cmpxchg64_relaxed
#undef cmpxchg
#undef cmpxchg_relaxed
#undef try_cmpxchg64
#undef try_cmpxchg64_relaxed
#undef xchg
#undef xchg_relaxed
#define cmpxchg64(at, old, new) IOMMUCHECK_EXCHANGE_IF(at, old, new, SEQ_CST)
#define cmpxchg64_relaxed(at, old, new) IOMMUCHECK_EXCHANGE_IF(at, old, new, RELAXED)
#define cmpxchg cmpxchg64
#define cmpxchg_relaxed cmpxchg64_relaxed
#define try_cmpxchg64(at, old, new) \
  __atomic_compare_exchange_n((at), (old), (new), 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
#define try_cmpxchg64_relaxed(at, old, new) \
  __atomic_compare_exchange_n((at), (old), (new), 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define xchg(at, new) __atomic_exchange_n((at), (new), __ATOMIC_SEQ_CST)
#define xchg_relaxed(at, new) __atomic_exchange_n((at), (new), __ATOMIC_RELAXED)

/* ---- initcalls and modules' init functions: in a list that kernel.c goes through ---- */

#include <linux/init.h>
#include <linux/module.h>
struct iommucheck_initcall {
  const char* level;
  int (*call)(void);
};
#undef ___define_initcall
#define ___define_initcall(function, level, section)                               \
  static const struct iommucheck_initcall __used __section("iommucheck_initcalls") \
      iommucheck_initcall_##function = {#level, function};

/* ---- arm64's own: a CPU with 48 bits of addresses and no options ---- */

#include <linux/mmu_notifier.h>
#define VA_BITS 48
#define vabits_actual 48
#define cpus_have_cap(capability) 0
#define cpus_have_final_cap(capability) 0
#define ARM64_HAS_VIRT_HOST_EXTN 0
#define SYS_ID_AA64MMFR0_EL1 0
#define ID_AA64MMFR0_EL1_PARANGE_SHIFT 0
#define ID_AA64MMFR0_EL1_ASIDBITS_SHIFT 4
#define cpuid_feature_extract_unsigned_field(word, shift) ((unsigned)((word) >> (shift)) & 15)
#define id_aa64mmfr0_parange_to_phys_shift(range) \
  ((range) == 0   ? 32                            \
   : (range) == 1 ? 36                            \
   : (range) == 2 ? 40                            \
   : (range) == 3 ? 42                            \
   : (range) == 4 ? 44                            \
                  : 48)
#define arm64_kernel_unmapped_at_el0() 0
#define mair_el1 0
#define read_sysreg(name) iommucheck_mair()
#define read_sanitised_ftr_reg(name) iommucheck_mmfr0()
u64 iommucheck_mair(void);
u64 iommucheck_mmfr0(void);
struct mm_struct;
unsigned long arm64_mm_context_get(struct mm_struct* mm);
void arm64_mm_context_put(struct mm_struct* mm);

#endif
