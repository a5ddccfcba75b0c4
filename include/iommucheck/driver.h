/* SPDX-License-Identifier: MIT
 *
 * iommucheck/driver.h - the door for authors of IOMMU drivers.
 *
 * A driver under test is a shared object that exports ONE function:
 *
 *     const struct iommucheck_driver *iommucheck_driver_entry(void);
 *
 * The checker loads it, gives it a `struct iommucheck_platform` (memory, registers, waiting) and
 * calls the operations of its `struct iommucheck_driver`. Whatever the driver does goes through
 * the platform, so that every store and register write is seen in program order ("precise").
 * A small complete example is examples/simple_driver.c.
 *
 * Rules that hold for the whole file
 *  - C99 and C++. No type here has padding that differs between compilers of one 64-bit ABI.
 *  - Every struct that crosses the door begins with its `size` in bytes and the `abi` that its
 *    writer was built with (but for iommucheck_sg and iommucheck_result, which never change).
 *    It grows at its end: a member beyond `size` is absent and reads as 0 or NULL, and what a
 *    reader does not know behind its own last member it leaves alone. So there is no array of
 *    structs that may grow, and who fills a struct of somebody else's writes `size` bytes at most.
 *    IOMMUCHECK_<STRUCT>_SIZE_VER0 is the size of its first version; less is refused.
 *  - `abi` changes when a member changes its place or meaning, never because one is added. A
 *    struct of another `abi` is refused. Until the door is called version 1 it may change with any
 *    version of the project (docs/drivers.md, "Versions").
 *  - Addresses and sizes are in bytes. `pa` is a physical address, `iova` a device's address.
 *  - Several IOMMUs have numbers from 0: bits 63:32 of a register's offset, of what is waited for
 *    and of an interrupt's source (IOMMUCHECK_OF_IOMMU), and `iommu` of a device and of a domain.
 *  - Errors are negative errno values (IOMMUCHECK_E* of words.h; 0 is success). Which error a call
 *    may return is said at the call; where two reasons hold, the error of either is right.
 *  - A NULL operation means "not built": the checker then never sends that call, and lists its
 *    rules as not exercised. It is not an error, and no errno stands for it.
 *  - INTERFACE "X" is the paragraph "X" of docs/interface.md, SEMANTICS n section n of
 *    docs/semantics.md.
 *  - Calls are made by one thread unless the driver says IOMMUCHECK_DRIVER_CONCURRENT. Whatever
 *    blocks, blocks in platform->wait(); a driver neither spins without it nor sleeps.
 *  - Between two cases the checker restores the arena, the table memory and the registers to what
 *    they were. A driver keeps ALL its mutable state in the arena (platform->arena_alloc): no
 *    malloc, no mutable globals, no thread-locals.
 */
#ifndef IOMMUCHECK_DRIVER_H
#define IOMMUCHECK_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "iommucheck/words.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IOMMUCHECK_DRIVER_ABI 2u

/* Whether the struct that `pointer` leads to has the member, for what was appended later. */
#define IOMMUCHECK_HAS(type, pointer, member) \
  ((pointer)->size >= offsetof(type, member) + sizeof((pointer)->member))

/* `what` (a register's offset, a token of wait, a source of handle_irq) of an IOMMU. */
#define IOMMUCHECK_OF_IOMMU(iommu, what) ((uint64_t)(iommu) << 32 | (uint64_t)(what))

/* IOMMUCHECK_NOT_BUILT (words.h) is positive, so never an errno: the answer of a call whose
 * operation exists but not for these arguments yet, e.g. domain_alloc of a kind that the driver has
 * not built, or of one domain more than its table has room for. Nothing is changed. */

/* Objects are numbers. 0 is never a valid handle. The driver chooses those of domains, io_mm,
 * tasks and fault queues; the checker chooses those of mm. Devices are indices (uint32_t) into
 * iommucheck_config.devices. */
typedef uint64_t iommucheck_handle;

/* ---------------------------------------------------------------------------------------------
 * 1. What the driver is given
 * ------------------------------------------------------------------------------------------- */

/* mmio_write flags. ORDERED: every earlier store of this CPU is visible to the SMMU before the
 * write is (Linux's writel). Without it the write orders nothing (writel_relaxed). SEMANTICS 1. */
#define IOMMUCHECK_MMIO_RELAXED 0u
#define IOMMUCHECK_MMIO_ORDERED 1u

/* barrier(kind): IOMMUCHECK_BARRIER_FULL, _STORE or _LOAD of words.h, and whether it also waits
 * until what it orders is complete. By their names in Linux: */
#define IOMMUCHECK_COMPLETES 0x100u /* DSB, not DMB */
#define IOMMUCHECK_DMA_WMB ((uint32_t)IOMMUCHECK_BARRIER_STORE)
#define IOMMUCHECK_DMA_RMB ((uint32_t)IOMMUCHECK_BARRIER_LOAD)
#define IOMMUCHECK_DMA_MB ((uint32_t)IOMMUCHECK_BARRIER_FULL)
#define IOMMUCHECK_WMB (IOMMUCHECK_BARRIER_STORE | IOMMUCHECK_COMPLETES)
#define IOMMUCHECK_RMB (IOMMUCHECK_BARRIER_LOAD | IOMMUCHECK_COMPLETES)
#define IOMMUCHECK_MB (IOMMUCHECK_BARRIER_FULL | IOMMUCHECK_COMPLETES)

/* Operations of atomic(): what is stored, `old` being what was there. */
enum {
  IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE = 0, /* operand, if old equals `expected`; else nothing */
  IOMMUCHECK_ATOMIC_EXCHANGE = 1,         /* operand                                         */
  IOMMUCHECK_ATOMIC_ADD = 2,              /* old + operand                                   */
  IOMMUCHECK_ATOMIC_AND = 3,              /* old & operand                                   */
  IOMMUCHECK_ATOMIC_OR = 4,               /* old | operand                                   */
  IOMMUCHECK_ATOMIC_XOR = 5               /* old ^ operand                                   */
};

/* Of load and atomic. ORDERED: it orders other words as well (an acquiring load; an atomic that is
 * not _relaxed); without it, its own word only. */
#define IOMMUCHECK_ORDERED 1u

/* What a wait() is for; reports use it, and the scheduler may choose by it. */
enum {
  IOMMUCHECK_WAIT_CMDQ = 1,      /* CMDQ_CONS to move (space, or a CMD_SYNC consumed)        */
  IOMMUCHECK_WAIT_REGISTER = 2,  /* CR0ACK, IRQ_CTRLACK or GBPA.Update to follow a write      */
  IOMMUCHECK_WAIT_MSI = 3,       /* a word of memory to be written by the SMMU               */
  IOMMUCHECK_WAIT_CALLER = 4,    /* another call of the interface, a callback, a reference    */
  IOMMUCHECK_WAIT_INTERRUPT = 5, /* that of a CMD_SYNC (CS = SIG_IRQ): handle_irq is called   */
                                 /* from inside of the wait                                   */
  IOMMUCHECK_WAIT_TIME = 6       /* `timeout_us` to pass, whatever comes meanwhile (udelay)   */
};

enum { IOMMUCHECK_LOG_ERROR = 0, IOMMUCHECK_LOG_WARNING = 1, IOMMUCHECK_LOG_INFO = 2 };

/* What the checker gives; no function of the first version is NULL. */
struct iommucheck_platform {
  uint32_t size;
  uint32_t abi;
  void* ctx; /* first argument of every function below */

  /* The window: all table memory lies in it, and the CPU READS physical address `pa` at
   * (const char *)window + (pa - window_pa), as through a kernel's direct map. It holds at once
   * what this CPU stored. Writing through it is forbidden (mapped read-only where possible):
   * stores go through the functions below. What the SMMU writes (queue indices aside, which are
   * registers: event records, MSIs) is read with load64 or load. */
  const void* window;
  uint64_t window_pa;
  uint64_t window_size;

  /* Memory that the SMMU may read: tables, descriptors, queues. `bytes`: a power of two, 4096 at
   * least; aligned to its size. The content is UNKNOWN until stored to, and may be what anybody
   * left there. Returns the CPU's pointer for reading and sets *pa; NULL when memory is short (a
   * choice of the checker: any allocation may fail). The mapping is cached, write-back.
   * table_free takes what table_alloc gave, whole; the page may be another owner's at once. */
  const void* (*table_alloc)(void* ctx, uint64_t bytes, uint64_t* pa);
  void (*table_free)(void* ctx, uint64_t pa, uint64_t bytes);

  /* The driver's own state: zeroed, not visible to the SMMU, shared by all CPUs as ordinary memory
   * is (C11 atomics and lock() work), restored with the case, never freed alone. `align` is a power
   * of two <= 4096. NULL when the arena is full; that is never injected. */
  void* (*arena_alloc)(void* ctx, uint64_t bytes, uint64_t align);

  /* Memory accesses that the SMMU may observe. `pa` is 8-byte aligned. A store64 is one
   * single-copy atomic store of 64 bits, pending until barrier() or an ordered mmio_write;
   * little-endian. fill64 is `count` such stores of one value, ascending from `pa`. load64 reads
   * table memory that is held, or any other that there is: what was freed is another's. */
  void (*store64)(void* ctx, uint64_t pa, uint64_t value);
  void (*fill64)(void* ctx, uint64_t pa, uint64_t count, uint64_t value);
  uint64_t (*load64)(void* ctx, uint64_t pa);

  /* The same in other sizes, for compilers that put them in and drivers of other habits: `bytes` is
   * 1, 2, 4, 8 or (store) 16, and `pa` a multiple of it. `pc`: address of the instruction, as
   * the object's symbol table counts it, for reports; 0: not known. A store of 16 bytes is `value`
   * at pa and `value_high` at pa + 8: two words, since no more than 8 bytes are relied upon to be
   * one. load tells what was read, where a read through the window is not seen. atomic reads and
   * writes one place in one step (`op`: IOMMUCHECK_ATOMIC_*) and returns what was there; `flags`:
   * IOMMUCHECK_ORDERED. */
  void (*store)(void* ctx, uint64_t pa, uint32_t bytes, uint64_t value, uint64_t value_high,
                uint64_t pc);
  uint64_t (*load)(void* ctx, uint64_t pa, uint32_t bytes, uint32_t flags, uint64_t pc);
  uint64_t (*atomic)(void* ctx, uint32_t op, uint64_t pa, uint32_t bytes, uint64_t operand,
                     uint64_t expected, uint32_t flags, uint64_t pc);

  /* Orders accesses of this CPU, by `kind`: IOMMUCHECK_DMA_WMB and the others above. STORE and
   * FULL: earlier stores are visible to the SMMU before later ones, and before later register
   * writes. LOAD and FULL: later loads come after earlier loads and register reads; LOAD alone
   * makes no store visible. */
  void (*barrier)(void* ctx, uint32_t kind);

  /* Cache clean and invalidate by address for an SMMU whose fetches are not coherent
   * (IDR0.COHACC = 0). A barrier must follow. No effect, and no fault, if it is coherent. */
  void (*dma_clean)(void* ctx, uint64_t pa, uint64_t bytes);
  void (*dma_invalidate)(void* ctx, uint64_t pa, uint64_t bytes);

  /* Registers, by offset from the SMMU's base (page 1 begins at 0x10000); bits 63:32: of which
   * IOMMU. Offsets are aligned to the access. IHI 0070 chapter 6. */
  void (*mmio_write32)(void* ctx, uint64_t offset, uint32_t value, uint32_t flags);
  void (*mmio_write64)(void* ctx, uint64_t offset, uint64_t value, uint32_t flags);
  uint32_t (*mmio_read32)(void* ctx, uint64_t offset);
  uint64_t (*mmio_read64)(void* ctx, uint64_t offset);

  /* Gives way to the SMMU, to devices and to other calls. Everything that blocks is a loop
   *
   *     while (!done(mmio_read32(ctx, CMDQ_CONS)))
   *       if (wait(ctx, IOMMUCHECK_WAIT_CMDQ, 1000000)) return -IOMMUCHECK_ETIMEDOUT;
   *
   * 0: look again. Not 0: the time is up. Time is logical and belongs to the checker: a working
   * SMMU is always faster than any time-out, a stuck one always slower. `timeout_us` is what the
   * driver would allow on hardware, counted from the beginning of its loop; for reports only. A
   * driver that gives up by a count of its own finds what it waits for within 64 looks at the
   * register, of which each microsecond of WAIT_TIME is one.
   * `token`: IOMMUCHECK_WAIT_*; bits 63:32: of which IOMMU. */
  int (*wait)(void* ctx, uint64_t token, uint64_t timeout_us);

  /* Mutual exclusion for a driver that says IOMMUCHECK_DRIVER_CONCURRENT, by a number of its own;
   * also hands memory over (Handoff). Without effect while calls come one at a time. */
  void (*lock)(void* ctx, uint64_t lock);
  void (*unlock)(void* ctx, uint64_t lock);

  /* One line of text. A report of a finding has the last ones of its case. */
  void (*log)(void* ctx, int level, const char* text);

  /* Begins the mm_exit handler of the device's driver and comes back at once, with a number for
   * the context in which the handler runs (never 0). The handler may call the driver; it has
   * returned when the checker calls mm_exit_done. Only for devices whose sva_device_init had
   * `has_mm_exit`. To wait for handlers: wait(IOMMUCHECK_WAIT_CALLER), which answers not 0 once
   * the time that a handler may take is over. INTERFACE "Exit". */
  uint64_t (*mm_exit)(void* ctx, uint32_t device, uint32_t pasid, uint64_t drvdata);

  /* A fault of a process's access that waits, to the process's own fault handler. Returns the
   * response (IOMMUCHECK_FAULT_*). */
  int (*handle_fault)(void* ctx, uint32_t device, uint32_t pasid, uint64_t iova, uint32_t prot);

  /* In which context the driver is being called: 0 for its ordinary callers, else the number that
   * mm_exit gave for the handler that calls. */
  uint64_t (*context)(void* ctx);

  /* On which CPU the driver is being called, from 0; always 0 while calls come one at a time. */
  uint32_t (*cpu)(void* ctx);

  /* The CPU's ASID of a process address space, which keeps it until as many mm_unpin; 0 if the
   * process is dead or dying. Unpinned, the number is another process's as soon as the CPUs like,
   * and their own TLB maintenance is all that is done then: whoever unpins has no translation or
   * CD left that carries it. */
  uint32_t (*mm_pin)(void* ctx, iommucheck_handle mm);
  void (*mm_unpin)(void* ctx, iommucheck_handle mm);

  /* A driver that says IOMMUCHECK_DRIVER_HOOKS asks here what a hook of its backend
   * (IOMMUCHECK_HOOK_* of words.h) is to answer, at the place where it calls the hook, and tells
   * that it does so. `io_mm`: a number that no other address space at a PASID has from mm_alloc to
   * mm_free; `device`: of mm_attach and mm_detach, else 0. 0: the hook does its work. A negative
   * errno (mm_alloc, mm_attach) or IOMMUCHECK_HOOK_NULL (mm_alloc: it made nothing, and says no
   * error): it fails so. mm_free and mm_detach answer nothing. INTERFACE "Hooks". */
  int (*hook)(void* ctx, uint32_t hook, uint64_t io_mm, uint32_t device);

  /* A fault that waits, to the handler of its device and PASID (fault_handler_set), once, where the
   * driver reads of it: begins the handler and comes back at once. `group`: a number that the
   * driver gives once in its life; `drvdata`: the word of the handler that is set now. Answered by
   * fault_queue_respond with queue 0, then or later, and from anywhere. INTERFACE "Faults". */
  void (*fault_handler)(void* ctx, uint32_t device, uint32_t pasid, uint64_t iova, uint32_t prot,
                        uint32_t group, uint64_t drvdata);

  /* ATS at the device's own end, for a driver that has the say over it (pci_enable_ats,
   * pci_disable_ats). off (0): the device asks for no translation from now on, and has none cached;
   * on: it may ask. Who never calls this has ATS on at each device that can do it
   * (IOMMUCHECK_DEVICE_ATS) for as long as it is there; who does begins with 0 for each of them,
   * and again for one that comes back. NULL or absent (`size`) in checkers that do not know it.
   * PCIe ATS: Enable of the ATS control register. */
  void (*ats_enable)(void* ctx, uint32_t device, uint32_t on);

  /* A TLB invalidation that this CPU broadcasts, for a driver whose tables CPUs use as well. An
   * SMMU hears it with IDR0.BTM = 1 and CR2.PTM = 0, and nobody may rely on it otherwise; it is
   * complete behind this CPU's next IOMMUCHECK_MB, whatever the command queue does. `scope`:
   * IOMMUCHECK_BROADCAST_SCOPE_*; `flags`: IOMMUCHECK_TLBI_*; `va` and `bytes` of a range (an IPA
   * of stage 2), else 0. NULL or absent in checkers that do not know it. IHI 0070 3.17. */
  void (*tlbi)(void* ctx, uint32_t scope, uint32_t flags, uint32_t vmid, uint32_t asid, uint64_t va,
               uint64_t bytes);

  /* As table_alloc, but the CPUs' mapping is Normal Non-cacheable (Linux's dma_alloc_coherent for
   * an SMMU whose fetches are not coherent; any memory of firmware whose caches are off): what is
   * stored needs its barrier and no dma_clean. table_free takes it back. NULL or absent in checkers
   * that do not know it. */
  const void* (*table_alloc_uncached)(void* ctx, uint64_t bytes, uint64_t* pa);
};
#define IOMMUCHECK_PLATFORM_SIZE_VER0 248u
#define IOMMUCHECK_PLATFORM_SIZE_VER1 272u
#define IOMMUCHECK_PLATFORM_SIZE_VER2 280u
#define IOMMUCHECK_PLATFORM_SIZE_VER3 288u

/* Flags of tlbi. */
#define IOMMUCHECK_TLBI_LEAF 0x1u    /* entries of the last level only           */
#define IOMMUCHECK_TLBI_EL2 0x2u     /* of the CPU's own world: EL2 without E2H  */
#define IOMMUCHECK_TLBI_EL2_E2H 0x4u /* with it; neither: EL1                    */

#define IOMMUCHECK_HOOK_NULL 1

/* iommucheck_config.flags, for drivers that say IOMMUCHECK_DRIVER_HOOKS: hooks that the backend is
 * to be without, for its whole life. */
#define IOMMUCHECK_CONFIG_NO_MM_ALLOC 0x1u
#define IOMMUCHECK_CONFIG_NO_MM_FREE 0x2u
#define IOMMUCHECK_CONFIG_NO_MM_ATTACH 0x4u
#define IOMMUCHECK_CONFIG_NO_MM_DETACH 0x8u
/* For drivers that say IOMMUCHECK_DRIVER_PAGE_SIZES: of the SMMU's page sizes none is of use to the
 * platform. Domains and io_mms have an empty bitmap, and nothing can be mapped in them. */
#define IOMMUCHECK_CONFIG_NO_PAGE_SIZES 0x10u

/* iommucheck_device.flags: what the device (not the SMMU) can do. */
#define IOMMUCHECK_DEVICE_ATS 0x1u
#define IOMMUCHECK_DEVICE_PRI 0x2u
#define IOMMUCHECK_DEVICE_STALL 0x4u
#define IOMMUCHECK_DEVICE_NO_SVM 0x8u       /* of bind_task's models: not the process's own table */
#define IOMMUCHECK_DEVICE_NO_EXPLICIT 0x10u /* not a table that the device walks by itself */

struct iommucheck_device {
  uint32_t size;
  uint32_t abi;
  const uint32_t* stream_ids; /* distinct; all follow the device                              */
  uint32_t stream_id_count;   /* 1 at least                                                  */
  uint32_t flags;             /* IOMMUCHECK_DEVICE_*                                         */
  uint32_t ssid_bits;         /* width of its PASIDs, 0..20; 0: none. PASIDs are below 2^it, */
                              /* and what carries another one is refused (STE.S1CDMax)       */
  uint32_t group;             /* devices with one number move together; no stream ID shared  */
  uint32_t iommu;             /* behind which, from 0                                        */
  uint32_t reserved;          /* 0 */
};
#define IOMMUCHECK_DEVICE_SIZE_VER0 40u

/* Valid until shutdown returns. What an SMMU can do is read from its ID registers. */
struct iommucheck_config {
  uint32_t size;
  uint32_t abi;
  const struct iommucheck_device* const* devices; /* one pointer each                            */
  uint32_t device_count;
  uint32_t cmdq_log2size; /* log2 of the command queue's entries wanted; 0: the driver's choice */
  uint64_t flags;         /* IOMMUCHECK_CONFIG_*                                               */
  uint32_t iommu_count;   /* 1 at least                                                        */
  uint32_t reserved;      /* 0 */
};
#define IOMMUCHECK_CONFIG_SIZE_VER0 40u

/* ---------------------------------------------------------------------------------------------
 * 2. What the driver offers
 * ------------------------------------------------------------------------------------------- */

/* A call that moves bytes and can fail half-way or time out: both are reported. `bytes` is right
 * whatever `error` says. Never changes: it is returned by value. */
struct iommucheck_result {
  uint64_t bytes;
  int32_t error;
  uint32_t reserved;
};

/* `kind` is one of words.h:
 *   IOMMUCHECK_DOMAIN_PAGING        stage 1, map and unmap
 *   IOMMUCHECK_DOMAIN_BLOCKED       every access is terminated
 *   IOMMUCHECK_DOMAIN_IDENTITY      output = input, untranslated: by the STE, not by a table
 *   IOMMUCHECK_DOMAIN_PAGING_S2     stage 2, a parent for nested
 *   IOMMUCHECK_DOMAIN_DYNAMIC       tables only, configured like `master`
 *   IOMMUCHECK_DOMAIN_NESTED        stage 1 by a table of the user's, in `parent`
 *   IOMMUCHECK_DOMAIN_NESTED_PASID  the same with a PASID (CD) table of the user's */
#define IOMMUCHECK_ANY_IOMMU 0xffffffffu /* of those, if there are several */

struct iommucheck_domain_params {
  uint32_t size;
  uint32_t abi;
  uint32_t kind;
  uint32_t input_bits; /* of the IOVA; 0: the driver's choice, else 25..48 (T0SZ 39..16)       */
  uint32_t iommu;      /* for devices behind which, or IOMMUCHECK_ANY_IOMMU                      */
  uint32_t reserved;   /* 0 */
  const void* of_kind; /* what the kind needs besides: one of the structs below, or NULL         */
};
#define IOMMUCHECK_DOMAIN_PARAMS_SIZE_VER0 32u

struct iommucheck_dynamic_params { /* DYNAMIC */
  uint32_t size;
  uint32_t abi;
  iommucheck_handle master;
};
#define IOMMUCHECK_DYNAMIC_PARAMS_SIZE_VER0 16u

/* The format of a user's own route (iommucheck_nested_params), and of the commands that this user
 * gives (cache_invalidate). */
enum { IOMMUCHECK_FORMAT_SMMUV3 = 1, IOMMUCHECK_FORMAT_TWO = 2 };

struct iommucheck_nested_params { /* NESTED, NESTED_PASID */
  uint32_t size;
  uint32_t abi;
  iommucheck_handle parent; /* a PAGING_S2 domain, whose IPAs are the user's addresses */
  uint32_t format;          /* IOMMUCHECK_FORMAT_* */
  uint32_t reserved;        /* 0 */
  /* The user's own route, as the hardware reads it. SMMUV3: words 0 and 1 of the STE that the user
   * would write: V, Config (abort, bypass or stage 1), S1Fmt, S1ContextPtr (an IPA), S1CDMax;
   * S1DSS, S1CIR, S1COR, S1CSH, S1STALLD, EATS. NESTED: S1CDMax = 0, one CD. NESTED_PASID: above.
   * EINVAL: a field that the user may not choose, what is ILLEGAL, a structure of the other kind.
   * TWO (the second backend, docs/backends.md; it has no NESTED_PASID): an entry. */
  uint64_t table;  /* SMMUV3: word 0; TWO: the entry's first word */
  uint64_t config; /* SMMUV3: word 1; TWO: 0 */
};
#define IOMMUCHECK_NESTED_PARAMS_SIZE_VER0 40u

/* What a domain turned out to be: the caller asks after domain_alloc, and sets size and abi. */
struct iommucheck_domain_info {
  uint32_t size;
  uint32_t abi;
  uint32_t input_bits;  /* IOVAs are 0 .. 2^input_bits - 1                                    */
  uint32_t output_bits; /* PAs are 0 .. 2^output_bits - 1                                      */
  uint64_t page_sizes;  /* bitmap; bit 12 set: 4 KiB leaves. 0: nothing can be mapped          */
  uint64_t table_pa;    /* TTBR0: root of the table, 0 if there is none                       */
};
#define IOMMUCHECK_DOMAIN_INFO_SIZE_VER0 32u

/* prot of map. At least one of READ, WRITE, EXEC. READ is implied by WRITE and EXEC where the
 * format cannot leave it out (stage 1 always). PRIVILEGED: privileged accesses only. */
#define IOMMUCHECK_PROT_READ 0x1u
#define IOMMUCHECK_PROT_WRITE 0x2u
#define IOMMUCHECK_PROT_EXEC 0x4u
#define IOMMUCHECK_PROT_PRIVILEGED 0x8u
#define IOMMUCHECK_PROT_DEVICE 0x10u /* device memory instead of normal write-back */

/* One piece of map_sg: `bytes` at physical address `pa`. Never changes: map_sg has an array. */
struct iommucheck_sg {
  uint64_t pa;
  uint64_t bytes;
};

/* A process address space (SVA): the tables are the environment's, in memory that the SMMU reaches
 * coherently, 4 KiB granule, write-back, inner shareable, no hardware flags. */
struct iommucheck_mm {
  uint32_t size;
  uint32_t abi;
  iommucheck_handle mm;
  uint64_t table_pa; /* TTBR0                                                                */
  uint64_t mair;
  uint32_t input_bits;
  uint32_t reserved; /* 0; its ASID: platform->mm_pin                                        */
};
#define IOMMUCHECK_MM_SIZE_VER0 40u

struct iommucheck_fault {
  uint32_t size;
  uint32_t abi;
  uint32_t device;
  uint32_t pasid;
  uint64_t iova;
  uint32_t prot;
  uint32_t group;
  uint32_t last;  /* 1: ends the group, which now waits for its response (IOMMUCHECK_FAULT_*) */
  uint32_t iommu; /* of the device                                                           */
};
#define IOMMUCHECK_FAULT_SIZE_VER0 40u

/* What event_read gives: a record of the IOMMU's own format, as the user's own would write it; or,
 * with `lost`, that records which found the queue full are missing here. */
struct iommucheck_user_event {
  uint32_t size;
  uint32_t abi;
  uint32_t lost;      /* 1: `record` is 0                                                       */
  uint32_t reserved;  /* 0                                                                      */
  uint64_t record[4]; /* on SMMUv3 an event record (IHI 0070 7.3)                               */
};
#define IOMMUCHECK_USER_EVENT_SIZE_VER0 48u

/* sva_device_init features, bind flags. */
#define IOMMUCHECK_SVA_IOPF 0x1u    /* faults of processes wait for an answer: stall or PRI     */
#define IOMMUCHECK_SVA_PRIVATE 0x2u /* private PASIDs                                           */
#define IOMMUCHECK_BIND_FURTHER_PASID 0x1u
#define IOMMUCHECK_TASK_FULL_SVM 0x1u /* bind_task: exactly one of the two */
#define IOMMUCHECK_TASK_EXPLICIT 0x2u
/* Attributes are IOMMUCHECK_ATTRIBUTE_*, sources of handle_irq IOMMUCHECK_IRQ_* of words.h. */

#define IOMMUCHECK_DRIVER_CONCURRENT 0x1u /* calls may come from several threads */
/* PASID tables belong to devices and not to domains: a process or private io_mm is reached by the
 * devices that it was bound or attached to, and by no other device of their domain. */
#define IOMMUCHECK_DRIVER_PER_DEVICE_TABLES 0x2u
/* The driver writes table memory through pointers into the window, which is writable then: memory
 * is compared at each platform call ("scan"). docs/drivers.md has what that costs in precision. */
#define IOMMUCHECK_DRIVER_SCAN 0x4u
/* Its backend has the hooks mm_alloc, mm_free, mm_attach and mm_detach, but for those that
 * iommucheck_config.flags takes away, and each asks platform->hook. */
#define IOMMUCHECK_DRIVER_HOOKS 0x8u
/* It heeds IOMMUCHECK_CONFIG_NO_PAGE_SIZES. */
#define IOMMUCHECK_DRIVER_PAGE_SIZES 0x10u
/* Devices with IOMMUCHECK_DEVICE_PRI wait by page requests, where the SMMU has them (IDR0.PRI): it
 * reads the page request queue in handle_irq of that queue, and answers each group once. Without it
 * no device is said to have page requests. A group is read page by page, with one number; `last` is
 * 1 with its last page. INTERFACE "Faults". */
#define IOMMUCHECK_DRIVER_PAGE_REQUESTS 0x20u
/* It keeps the devices of several IOMMUs apart: a domain belongs to one IOMMU, which its params
 * name, or which is that of the first device attached to it (IOMMUCHECK_ANY_IOMMU). To attach a
 * device of another one is EINVAL. Without EACH_IOMMU all IOMMUs, 0 to iommu_count - 1, share the
 * registers of IOMMU 0. */
#define IOMMUCHECK_DRIVER_SEVERAL_IOMMUS 0x40u
/* It drives each of several IOMMUs by registers of its own (IOMMUCHECK_OF_IOMMU): campaigns draw
 * machines with two SMMUs over one memory. Without SEVERAL_IOMMUS a domain is then for devices
 * behind any of them, and what is removed from it is invalidated in all that may have it cached.
 * Without either flag iommu_count is 1. */
#define IOMMUCHECK_DRIVER_EACH_IOMMU 0x400000u
/* It takes physical addresses for pointers, as firmware does: window == (void *)window_pa. */
#define IOMMUCHECK_DRIVER_IDENTITY_MAPPED 0x40000u
/* It brings an SMMU up that somebody had before and left on, as after kexec. */
#define IOMMUCHECK_DRIVER_TAKES_OVER 0x80000u
/* What is not claimed: what the interface promises and callers of this driver have never needed.
 * Whoever runs it does not ask for it, judges the rest as ever, and says what was left out
 * (docs/drivers.md, "What is not claimed"). */
/* The command queue never stops, a device answers each CMD_ATC_INV, handlers return in time. */
#define IOMMUCHECK_DRIVER_NO_TIME_OUTS 0x100u
/* Memory may be mapped with any type, whatever prot says. */
#define IOMMUCHECK_DRIVER_ANY_MEMORY_TYPE 0x200u
/* A device goes to another domain by way of detach, and no other device is on its domain, but
 * those of its group. */
#define IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE 0x400u
/* Callers map whole pages of the domain's input and output range where nothing is mapped, unmap
 * what is mapped without a hole, and unmap all before they free a domain or an io_mm. */
#define IOMMUCHECK_DRIVER_CALLER_KEEPS_RANGES 0x800u
/* A map that fails may leave a beginning of it mapped; the caller unmaps that at once. */
#define IOMMUCHECK_DRIVER_CALLER_UNROLLS 0x1000u
/* Memory is never short: table_alloc does not fail. */
#define IOMMUCHECK_DRIVER_ALLOCATIONS_SLEEP 0x2000u
/* The driver has translation tables; registers, queues, STEs and CDs are somebody else's. */
#define IOMMUCHECK_DRIVER_TABLES_ONLY 0x4000u
/* The driver brings an SMMU up, blocks everything and shuts it down; no domain is asked for. */
#define IOMMUCHECK_DRIVER_BRING_UP_ONLY 0x8000u
/* Stage 2, its tables and VMIDs, is the caller's. */
#define IOMMUCHECK_DRIVER_STAGE_2_GIVEN 0x10000u
/* A device is attached and detached for itself, whatever its group: groups are kept above. */
#define IOMMUCHECK_DRIVER_NO_GROUPS 0x20000u
/* What a device that is on no domain sends may pass untranslated: only what is attached is
 * contained. */
#define IOMMUCHECK_DRIVER_PASSES_UNATTACHED 0x100000u
/* Event records are looked for from time to time: handle_irq is that look. */
#define IOMMUCHECK_DRIVER_POLLS_EVENTS 0x200000u
/* What is mapped may be executed or not, whatever prot says. */
#define IOMMUCHECK_DRIVER_ANY_EXECUTION 0x800000u
/* Memory is mapped to its own address alone (VA = PA, iova = pa), and in one piece; there are no
 * users, whose memory lies elsewhere. */
#define IOMMUCHECK_DRIVER_MAPS_ONE_TO_ONE 0x1000000u

/* What the driver itself counts as not given back. */
struct iommucheck_held {
  uint32_t size;
  uint32_t abi;
  uint32_t domains;
  uint32_t io_mms; /* private ones: made by sva_alloc_pasid and not freed                      */
  uint32_t pasids; /* that nobody can be given: allocated, bound, private, in quarantine       */
  uint32_t tokens;
  uint32_t queues;
  uint32_t bonds; /* (device, PASID) pairs with a process, stopping ones too                   */
};
#define IOMMUCHECK_HELD_SIZE_VER0 32u

struct iommucheck_driver {
  uint32_t size;
  uint32_t abi;
  const char* name;    /* for reports; not NULL */
  const char* version; /* may be NULL */
  uint64_t flags;      /* IOMMUCHECK_DRIVER_* */

  /* ---- life ---- */

  /* Builds the driver's state in the arena, reads no register but the ID registers, and returns it
   * in *self: the first argument of all that follows. One `self` drives all IOMMUs. ENOMEM, ENODEV
   * (an SMMU it cannot drive). */
  int (*init)(const struct iommucheck_platform* platform, const struct iommucheck_config* config,
              void** self);

  /* Brings each SMMU up from any state: queues, stream table with everything blocked, all caches
   * invalidated, SMMUEN = 1; ATSCHK = 1 where IDR0.ATS is, or accesses that say that they are
   * translated pass unchecked. IHI 0070 3.11, 6.3.9. ENOMEM, ETIMEDOUT, ENODEV. */
  int (*reset)(void* self);

  /* Ends it: device transactions are blocked (GBPA.ABORT), SMMUEN and the queues are off, all table
   * memory is freed, that of live domains too. ETIMEDOUT: what may still be reached is kept. */
  int (*shutdown)(void* self);

  /* A device of config appears or goes, and may appear again. From device_add to the first attach
   * it is blocked. device_remove implies detach. EINVAL (no such index), EEXIST (twice), ENODEV
   * (its stream ID is beyond the SMMU's), ENOMEM; ETIMEDOUT (remove). */
  int (*device_add)(void* self, uint32_t device);
  int (*device_remove)(void* self, uint32_t device);

  /* An interrupt arrived; `source` is one of IOMMUCHECK_IRQ_*, in bits 63:32 of which IOMMU.
   * Records are consumed. */
  void (*handle_irq)(void* self, uint64_t source);

  /* ---- domains. INTERFACE "Errors and their order", "Attach", "Map", "Gather", "Free" ---- */

  /* EINVAL (kind, input_bits, iommu, of_kind), ENOMEM, ENOSPC (no ASID or VMID left). DYNAMIC: its
   * table is there at return, with the master's format. No device reaches it through the IOMMU:
   * attach on a device of the master is accepted and does nothing, elsewhere EINVAL. Others walk it
   * (the TTBR0 attribute): unmap and unmap_fast send no command, their stores are visible at
   * return, and what they take out of the table is freed by iotlb_sync or flush_iotlb_all, with
   * which the caller says that whoever walks it was flushed. */
  int (*domain_alloc)(void* self, const struct iommucheck_domain_params* params,
                      iommucheck_handle* domain);

  /* EBUSY (a device, PASID, token or domain still on it; nothing changed), EINVAL (no such domain).
   * ETIMEDOUT: the handle is gone all the same; ASID and tables are kept until a later
   * invalidation of theirs completed. A domain that has neither (BLOCKED, IDENTITY) owes nothing of
   * what an attach that timed out may have left of it. */
  int (*domain_free)(void* self, iommucheck_handle domain);

  /* The caller sets size and abi of *info. EINVAL. */
  int (*domain_get_info)(void* self, iommucheck_handle domain, struct iommucheck_domain_info* info);

  /* Moves the device's RID, every stream ID of it, to `domain`, and with it the other devices of
   * its group; replaces the domain before; ok at once if it is there already, with all of its group
   * that is present (one that was removed and added again is not). ENODEV (no such device), EINVAL
   * (no such domain), EBUSY (processes or private PASIDs are bound), ENOMEM.
   * ETIMEDOUT: it stays where it was, but may meet translations of either domain until a later
   * invalidation completed. */
  int (*attach)(void* self, iommucheck_handle domain, uint32_t device);

  /* Back to blocked, its group too. It implies iotlb_sync of the domain, of what other devices on
   * it may reach as well. ENODEV; EINVAL (not the device's domain). ETIMEDOUT: detached for the
   * caller, but the old translations may live until a later invalidation completed. */
  int (*detach)(void* self, iommucheck_handle domain, uint32_t device);

  /* [iova, iova + bytes) to [pa, pa + bytes), multiples of the smallest page; visible to devices
   * at return. EINVAL (unaligned, no permission, not a paging domain, no such domain), ERANGE
   * (beyond input or output size, or wrapping), EEXIST (any part mapped, even alike), ENOMEM,
   * ENODEV (no page sizes). bytes = 0: 0, nothing done. On error nothing is changed, what was made
   * half-way is removed and invalidated. ETIMEDOUT: an earlier time-out has left the range in
   * quarantine, or a table had to be invalidated to make place for a block. */
  int (*map)(void* self, iommucheck_handle domain, uint64_t iova, uint64_t pa, uint64_t bytes,
             uint32_t prot);

  /* The pieces one after the other from `iova`: {their sum, 0}, or {0, error}, nothing changed. */
  struct iommucheck_result (*map_sg)(void* self, iommucheck_handle domain, uint64_t iova,
                                     const struct iommucheck_sg* sg, uint64_t count, uint32_t prot);

  /* {bytes from iova to the first hole, error}; {0, 0}, and nothing changed, for bad arguments
   * (unaligned, partly beyond the input size, wrapping, no such domain). A block of which
   * only a part is asked for, and that cannot be split, ends it like a hole. At return no device
   * reaches the range. Never ENOMEM. ETIMEDOUT: bytes are cleared but old translations may live. */
  struct iommucheck_result (*unmap)(void* self, iommucheck_handle domain, uint64_t iova,
                                    uint64_t bytes);

  /* The same without the invalidation, which is gathered in the domain: until iotlb_sync or
   * flush_iotlb_all returned the range is not reused by the caller, table pages by the driver. */
  struct iommucheck_result (*unmap_fast)(void* self, iommucheck_handle domain, uint64_t iova,
                                         uint64_t bytes);

  /* Completes what is gathered. ETIMEDOUT; EINVAL (no such domain, or none that can map). */
  int (*iotlb_sync)(void* self, iommucheck_handle domain);

  /* Invalidates the whole domain, what is gathered included. ETIMEDOUT; EINVAL (likewise). */
  int (*flush_iotlb_all)(void* self, iommucheck_handle domain);

  /* Adds a range to what is gathered. EINVAL (likewise; beyond the input size); bytes = 0: ok. */
  int (*tlb_range_add)(void* self, iommucheck_handle domain, uint64_t iova, uint64_t bytes);

  /* What the tables say now; 0 if nothing, or no such domain. Identity: its argument. */
  uint64_t (*iova_to_phys)(void* self, iommucheck_handle domain, uint64_t iova);

  /* ---- PASIDs and processes. INTERFACE "PASID numbers", "Bind", "Exit"; SEMANTICS 5 ---- */

  /* For a RID that is attached (to a blocked or identity domain too), accesses with a PASID of
   * pasid_alloc use `domain`; it replaces another one, and the same again does nothing. No other
   * device's accesses change: with tables per domain the RID gets a table of its own first, where
   * what it was bound to itself stands too, and what its neighbours were bound to does not. Until
   * detach_pasid, detach or removal. ENODEV; EINVAL (no such domain, a dynamic one, the RID is not
   * attached, a number that is not from pasid_alloc or that the device cannot send, 0 where it is
   * kept); EOPNOTSUPP (an identity domain); EBUSY (a process or an io_mm has the number); ENOMEM,
   * ETIMEDOUT. detach_pasid: ENODEV, EINVAL (that domain is not there), ETIMEDOUT. */
  int (*attach_pasid)(void* self, iommucheck_handle domain, uint32_t device, uint32_t pasid);
  int (*detach_pasid)(void* self, iommucheck_handle domain, uint32_t device, uint32_t pasid);

  /* A number of [min, max] that is free, and nobody else's until pasid_free; it needs no device and
   * no SMMU. EINVAL (min > max, above 20 bits), ENOSPC (none is free), ENOMEM. max = 0: 2^20 - 1.
   */
  int (*pasid_alloc)(void* self, uint32_t min, uint32_t max, uint32_t* pasid);

  /* EINVAL (not held as a plain number), EBUSY (attached), ETIMEDOUT (still held: a detach_pasid of
   * it timed out, and nothing was invalidated since). */
  int (*pasid_free)(void* self, uint32_t pasid);

  /* Before any bind. IOMMUCHECK_SVA_PRIVATE is asked for where sva_alloc_pasid is there. The
   * device's PASIDs come from [min_pasid, max_pasid], clipped to what device and SMMU can do;
   * max 0: no limit (nor is one beyond 20 bits, or EINVAL). It holds until sva_device_shutdown or
   * removal, whatever is attached in between. ENODEV (no such device, no PASIDs, no domain), EINVAL
   * (feature unknown or not the device's, empty range), EEXIST (twice), ENOMEM. */
  int (*sva_device_init)(void* self, uint32_t device, uint32_t features, uint32_t min_pasid,
                         uint32_t max_pasid, int has_mm_exit);

  /* Unbinds all without mm_exit. ENODEV; EINVAL (without init); ETIMEDOUT. */
  int (*sva_device_shutdown)(void* self, uint32_t device);

  /* The device reaches the process's address space at *pasid. The same pair again: the same number
   * and one reference more, the first drvdata stays; with IOMMUCHECK_BIND_FURTHER_PASID always a
   * new number, bond and drvdata. ENODEV (no such device), EINVAL (flags, no init, no paging
   * domain), ESRCH (the process is dead or dying), ENOMEM, ENOSPC (no number left), ERANGE (the
   * process's number is not the device's), ETIMEDOUT; ENODEV for a missing hook, and the error of
   * one. */
  int (*bind_device)(void* self, uint32_t device, const struct iommucheck_mm* mm, uint32_t flags,
                     uint64_t drvdata, uint32_t* pasid);

  /* Drops one reference; with the last one nothing of the device's reaches the process any more,
   * and the device driver has said "done". Waits for an mm_exit that runs; EDEADLK from inside it.
   * ENODEV, EINVAL (no such bond), ETIMEDOUT. */
  int (*unbind_device)(void* self, uint32_t device, uint32_t pasid);

  /* All bonds and private PASIDs of the device; ok without any. ENODEV, EDEADLK, ETIMEDOUT. */
  int (*unbind_dev_all)(void* self, uint32_t device);

  /* The word of the bond. ENOENT. */
  int (*sva_drvdata)(void* self, uint32_t device, uint32_t pasid, uint64_t* drvdata);

  /* Called by the environment when a range of a process's address space has changed; owed for bound
   * address spaces only. When it returns no cache holds anything older than the change, tables of
   * the range included. bytes = 0: nothing; start = 0, bytes = 2^64 - 1: everything. 0 or
   * ETIMEDOUT. The CPUs' own TLB maintenance of the range is broadcast, and complete, before it is
   * called: a driver whose SMMU hears that (IDR0.BTM = 1, CR2.PTM = 0) and whose CDs have ASET = 0
   * owes no CMD_TLBI; what a device holds by ATS it owes still. */
  int (*mm_invalidate)(void* self, iommucheck_handle mm, uint64_t start, uint64_t bytes);

  /* The address space goes away: calls the handlers, waits for them, and when it returns no walk
   * uses the process's tables, those that a bind which timed out may have shown included. Unless it
   * is pinned its handle and its ASID may be another process's from then on, also while a device
   * has not unbound. 0 or ETIMEDOUT. */
  int (*mm_release)(void* self, iommucheck_handle mm);

  /* A token for a device's use of a process, by one of two models (IOMMUCHECK_TASK_*): EXPLICIT, an
   * empty table of the token's own with the format of the device's domain, which the IOMMU never
   * walks, without sva_device_init; FULL_SVM, a reference on the bond of bind_device, with its
   * errors. EINVAL (not exactly one flag, no paging domain, no such token), EOPNOTSUPP (a model
   * that the device cannot do), ENOMEM. task_map on FULL_SVM: ENODEV, task_unmap 0. What task_unmap
   * takes out of a table is freed by unbind_task. */
  int (*bind_task)(void* self, uint32_t device, const struct iommucheck_mm* mm, uint32_t flags,
                   uint64_t drvdata, iommucheck_handle* token);
  int (*task_map)(void* self, iommucheck_handle token, uint64_t iova, uint64_t pa, uint64_t bytes,
                  uint32_t prot);
  struct iommucheck_result (*task_unmap)(void* self, iommucheck_handle token, uint64_t iova,
                                         uint64_t bytes);
  int (*unbind_task)(void* self, uint32_t device, iommucheck_handle token);

  /* Private address spaces, as a domain's but at a PASID. sva_alloc_pasid: ENODEV (no such device),
   * EINVAL (not the device's paging domain, no init, feature not asked for), EBUSY (the PASID table
   * is a user's), ENOSPC, ENOMEM, ETIMEDOUT; ENODEV for a missing hook, and the error of one. Calls
   * on a process's io_mm: ENODEV where an int is returned, else 0.
   * sva_free_pasid: EINVAL (wrong domain, a process's). sva_attach, sva_detach: drivers with tables
   * per device only; a further device reaches it, or no longer does. */
  int (*sva_alloc_pasid)(void* self, iommucheck_handle domain, uint32_t device,
                         iommucheck_handle* io_mm);
  int (*io_mm_get_pasid)(void* self, iommucheck_handle io_mm, uint32_t* pasid);
  int (*sva_free_pasid)(void* self, iommucheck_handle domain, iommucheck_handle io_mm);
  int (*sva_attach)(void* self, iommucheck_handle io_mm, uint32_t device);
  int (*sva_detach)(void* self, iommucheck_handle io_mm, uint32_t device);
  int (*sva_map)(void* self, iommucheck_handle io_mm, uint64_t iova, uint64_t pa, uint64_t bytes,
                 uint32_t prot);
  struct iommucheck_result (*sva_map_sg)(void* self, iommucheck_handle io_mm, uint64_t iova,
                                         const struct iommucheck_sg* sg, uint64_t count,
                                         uint32_t prot);
  struct iommucheck_result (*sva_unmap)(void* self, iommucheck_handle io_mm, uint64_t iova,
                                        uint64_t bytes);
  struct iommucheck_result (*sva_unmap_fast)(void* self, iommucheck_handle io_mm, uint64_t iova,
                                             uint64_t bytes);
  int (*sva_iotlb_sync)(void* self, iommucheck_handle io_mm);
  int (*sva_flush_tlb_all)(void* self, iommucheck_handle io_mm);
  int (*sva_tlb_range_add)(void* self, iommucheck_handle io_mm, uint64_t iova, uint64_t bytes);
  uint64_t (*sva_iova_to_phys)(void* self, iommucheck_handle io_mm, uint64_t iova);

  /* Attributes (IOMMUCHECK_ATTRIBUTE_*) of a domain, an io_mm, a task's token. */
  int (*domain_get_attr)(void* self, iommucheck_handle domain, uint32_t attr, uint64_t* value);
  int (*io_mm_get_attr)(void* self, iommucheck_handle io_mm, uint32_t attr, uint64_t* value);
  int (*task_get_attr)(void* self, iommucheck_handle token, uint32_t attr, uint64_t* value);

  /* Faults that wait to a queue: those at the PASIDs of the device's processes, or what stage 1
   * of a user makes of devices on a NESTED or NESTED_PASID domain (device = UINT32_MAX; else
   * domain = 0), which is told to no event queue then; without a PASID `pasid` is UINT32_MAX. A
   * queue holds `depth` groups that nobody has read; one that finds no place is answered
   * "invalid". It is known to the queue when handle_irq of the event queue returned. open: ENODEV
   * (no such device), EINVAL (both or neither; depth 0; sva_device_init has not asked for
   * IOMMUCHECK_SVA_IOPF; not a user's domain), EOPNOTSUPP (a user's, of which nothing waits),
   * EBUSY (a second one; and so is domain_free of a domain with one), ENOMEM. read: the oldest
   * unread fault; the caller sets size and abi.
   * `group` is a number that the queue gives once in its life. EAGAIN (none), EINVAL (no such
   * queue). respond: IOMMUCHECK_FAULT_*; success: the access is made again. A group is answered
   * once, by its device and PASID, of a handler's faults with queue 0: EINVAL (no such queue or
   * answer; it was answered, or an unbind, exit, detach or removal has ended it). ETIMEDOUT:
   * answered, but the access may wait until recovery. close: ends those that wait, read or not.
   * EINVAL, ETIMEDOUT. */
  int (*fault_queue_open)(void* self, uint32_t device, iommucheck_handle domain, uint32_t depth,
                          iommucheck_handle* queue);
  int (*fault_queue_read)(void* self, iommucheck_handle queue, struct iommucheck_fault* fault);
  int (*fault_queue_respond)(void* self, iommucheck_handle queue, uint32_t device, uint32_t pasid,
                             uint32_t group, uint32_t response);
  int (*fault_queue_close)(void* self, iommucheck_handle queue);

  /* What devices have written. On starts clean, twice changes nothing, off forgets; what is mapped
   * while it is on is tracked. EINVAL (no such domain), EOPNOTSUPP (not a paging domain, IDR0.HTTU
   * below 2, IDR0.COHACC = 0: a mark is beneath what a CPU has cached), ENOMEM, ETIMEDOUT (on: it
   * is off; off: it is off all the same).
   * dirty_read: one bit a grain, a power of two and the smallest page at least, window aligned to
   * it; bit 0 of bitmap[0] is the first, holes are 0. A leaf that is larger may set all its bits
   * in the window. The SMMU may store a mark after the write has ended; a CMD_SYNC that is sent
   * after the writes and is complete says that it has stored theirs. `clear` makes clean what lies
   * wholly in it, and returns when nothing cached can be written without a mark. EINVAL (tracking
   * is off, the window is empty, not aligned, no such grain), ERANGE (beyond the input size),
   * EOPNOTSUPP, ENOMEM; ETIMEDOUT: nothing is lost, and the bitmap says nothing. INTERFACE "Dirty".
   */
  int (*dirty_set)(void* self, iommucheck_handle domain, int on);
  int (*dirty_read)(void* self, iommucheck_handle domain, uint64_t iova, uint64_t bytes,
                    uint64_t grain, int clear, uint64_t* bitmap);

  /* Nested: `count` commands of 16 bytes of the user, who has no other StreamIDs than those of
   * vdevice, in the format that its domain was made with. bytes = how many took full effect; later
   * ones did nothing. EIO: that one is none that a user may give. EINVAL (with 0): no NESTED or
   * NESTED_PASID domain. ETIMEDOUT. INTERFACE "Nested". */
  struct iommucheck_result (*cache_invalidate)(void* self, iommucheck_handle domain,
                                               const uint64_t* commands, uint64_t count);

  /* The handler that mm_exit began for (device, pasid) has returned: 0 is "done", a negative errno
   * is not. May come while mm_release waits, or after it gave up. 0; EINVAL (no such handler). */
  int (*mm_exit_done)(void* self, uint32_t device, uint32_t pasid, int status);

  /* The io_mm, process's or private, that the device reaches at `pasid`. ENOENT. */
  int (*io_mm_of)(void* self, uint32_t device, uint32_t pasid, iommucheck_handle* io_mm);

  /* After a time-out, when the queue works again: everything is invalidated, and what quarantine
   * held is free. ETIMEDOUT. */
  int (*recover)(void* self);

  /* The caller sets size and abi of *held. For reports and for the check that nothing leaks. */
  int (*held)(void* self, struct iommucheck_held* held);

  /* NULL: whoever loads a plug-in that `iommucheck cc` built puts here what tells its plain stores
   * (hooks.h). */
  const struct iommucheck_hooks* hooks;

  /* Faults at a PASID of one of the device's processes go to the caller's handler
   * (platform->fault_handler), which is given `drvdata`, from the return of the call to the end of
   * what binds the process, or until it is taken away (present = 0: faults that wait for its answer
   * are ended). Where there is one already, the new one takes its place; what the old one was given
   * is answered all the same. ENODEV (no such device), EINVAL (no process is bound there;
   * sva_device_init has not asked for IOMMUCHECK_SVA_IOPF), ESRCH (the process exits), EBUSY (the
   * device has a queue, to which its faults go; fault_queue_open says so where a handler is).
   * ETIMEDOUT (present = 0): it is gone, but an access may wait until recovery. */
  int (*fault_handler_set)(void* self, uint32_t device, uint32_t pasid, int present,
                           uint64_t drvdata);

  /* By which number the user of `parent` calls a device: its commands and events speak of no other.
   * Ends with either. EINVAL (no PAGING_S2 domain; a number that no StreamID can be), ENODEV,
   * EEXIST (the device, or the number, has one in that parent), ENOMEM. INTERFACE "Nested". */
  int (*vdevice)(void* self, iommucheck_handle parent, uint32_t device, uint64_t number);

  /* Events of stage 1 of devices on a user's domains, which nobody answers, to a queue of the user,
   * with the number of the device's vdevice and nothing of the host's in them; what stage 2 or a
   * device without a number makes is the host's. What the queue has is known when handle_irq of the
   * event queue returned. A queue holds `depth` events; behind those that it has, it says once that
   * later ones are missing. open: EINVAL (no PAGING_S2 domain; depth 0, or above 2^19), EBUSY (a
   * second one), ENOMEM. read: the caller sets size and abi; EAGAIN (none), EINVAL (no such queue).
   * fault_queue_close ends it. INTERFACE "Nested". */
  int (*event_queue_open)(void* self, iommucheck_handle parent, uint32_t depth,
                          iommucheck_handle* queue);
  int (*event_read)(void* self, iommucheck_handle queue, struct iommucheck_user_event* event);
};
/* Up to and with `reset`: what every driver has. */
#define IOMMUCHECK_DRIVER_SIZE_VER0 48u

/* The one symbol of a plug-in. Returns a constant struct that lives as long as the object does.
 * Called once after loading. */
const struct iommucheck_driver* iommucheck_driver_entry(void);

typedef const struct iommucheck_driver* (*iommucheck_driver_entry_fn)(void);
#define IOMMUCHECK_DRIVER_ENTRY_NAME "iommucheck_driver_entry"

#ifdef __cplusplus
}
#endif

#endif
