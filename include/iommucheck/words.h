/* SPDX-License-Identifier: MIT
 *
 * iommucheck/words.h - words that have numbers, for driver.h and monitor.h.
 * A number never changes and is never given twice.
 * Made from trace/events.def, base/calls.def and trace/enums.def; after a change of these:
 * ./dev generate
 */
/* clang-format off */
#ifndef IOMMUCHECK_WORDS_H
#define IOMMUCHECK_WORDS_H

/* Direction: what an access wants */
enum {
  IOMMUCHECK_DIRECTION_READ = 0, /* read data */
  IOMMUCHECK_DIRECTION_WRITE = 1, /* write data */
  IOMMUCHECK_DIRECTION_EXECUTE = 2, /* read marked as instruction fetch */
  IOMMUCHECK_DIRECTION_READ_WRITE = 3 /* an atomic access: needs both rights */
};

/* TransactionKind: whether a device's access carries an IOVA or an address it got by ATS */
enum {
  IOMMUCHECK_TRANSACTION_UNTRANSLATED = 0, /* the SMMU is to translate it */
  IOMMUCHECK_TRANSACTION_TRANSLATED = 1 /* marked as translated by an earlier ATS answer */
};

/* DmaResult: what became of a device's access */
enum {
  IOMMUCHECK_DMA_RESULT_OK = 0, /* it went to `pa` */
  IOMMUCHECK_DMA_RESULT_BYPASS = 1, /* it passed untranslated because its configuration says so */
  IOMMUCHECK_DMA_RESULT_DISABLE = 2, /* the SMMU was not enabled: GBPA decided */
  IOMMUCHECK_DMA_RESULT_ABORT = 3, /* it was terminated */
  IOMMUCHECK_DMA_RESULT_STALL = 4 /* it waits for CMD_RESUME */
};

/* AtsResult: the answer to an ATS translation request */
enum {
  IOMMUCHECK_ATS_RESULT_SUCCESS = 0, /* an answer with rights, which may be none */
  IOMMUCHECK_ATS_RESULT_UNSUPPORTED = 1, /* Unsupported Request: the device must stop using ATS */
  IOMMUCHECK_ATS_RESULT_COMPLETER_ABORT = 2 /* Completer Abort */
};

/* RegionKind: what a region of memory is to the SMMU */
enum {
  IOMMUCHECK_REGION_L1STD = 0, /* first level of the stream table */
  IOMMUCHECK_REGION_STE = 1, /* stream table entries */
  IOMMUCHECK_REGION_L1CD = 2, /* first level of a context descriptor table */
  IOMMUCHECK_REGION_CD = 3, /* context descriptors */
  IOMMUCHECK_REGION_PT0 = 4, /* stage 1 translation table, level 0 */
  IOMMUCHECK_REGION_PT1 = 5, /* stage 1 translation table, level 1 */
  IOMMUCHECK_REGION_PT2 = 6, /* stage 1 translation table, level 2 */
  IOMMUCHECK_REGION_PT3 = 7, /* stage 1 translation table, level 3 */
  IOMMUCHECK_REGION_S2PT0 = 8, /* stage 2 translation table, level 0 */
  IOMMUCHECK_REGION_S2PT1 = 9, /* stage 2 translation table, level 1 */
  IOMMUCHECK_REGION_S2PT2 = 10, /* stage 2 translation table, level 2 */
  IOMMUCHECK_REGION_S2PT3 = 11, /* stage 2 translation table, level 3 */
  IOMMUCHECK_REGION_COMMAND_QUEUE = 12, /* command queue */
  IOMMUCHECK_REGION_EVENT_QUEUE = 13, /* event queue */
  IOMMUCHECK_REGION_PAGE_REQUEST_QUEUE = 14 /* page request queue */
};

/* BarrierKind: which accesses a barrier orders */
enum {
  IOMMUCHECK_BARRIER_FULL = 0, /* loads and stores against loads and stores */
  IOMMUCHECK_BARRIER_STORE = 1, /* stores against stores */
  IOMMUCHECK_BARRIER_LOAD = 2 /* loads against loads and stores */
};

/* IrqKind: an interrupt of the SMMU */
enum {
  IOMMUCHECK_IRQ_EVENT_QUEUE = 0, /* event queue not empty */
  IOMMUCHECK_IRQ_PAGE_REQUEST_QUEUE = 1, /* page request queue */
  IOMMUCHECK_IRQ_GLOBAL_ERROR = 2, /* global error */
  IOMMUCHECK_IRQ_COMMAND_SYNC = 3 /* completion of a CMD_SYNC */
};

/* StoreCause: why an SMMU or device wrote memory */
enum {
  IOMMUCHECK_STORE_CAUSE_DMA = 0, /* data of a device's access */
  IOMMUCHECK_STORE_CAUSE_EVENT_RECORD = 1, /* a record of the event queue */
  IOMMUCHECK_STORE_CAUSE_PAGE_REQUEST_RECORD = 2, /* a record of the page request queue */
  IOMMUCHECK_STORE_CAUSE_MSI = 3, /* a message signalled interrupt, or the MSI of a CMD_SYNC */
  IOMMUCHECK_STORE_CAUSE_ACCESS_FLAG = 4, /* AF set by hardware */
  IOMMUCHECK_STORE_CAUSE_DIRTY_FLAG = 5 /* dirty state set by hardware */
};

/* DomainKind: kinds of domain */
enum {
  IOMMUCHECK_DOMAIN_PAGING = 1, /* stage 1, with map and unmap */
  IOMMUCHECK_DOMAIN_BLOCKED = 2, /* every access is terminated */
  IOMMUCHECK_DOMAIN_IDENTITY = 3, /* every access passes untranslated */
  IOMMUCHECK_DOMAIN_PAGING_S2 = 4, /* stage 2, a parent of nested domains */
  IOMMUCHECK_DOMAIN_DYNAMIC = 5, /* tables only, shares the configuration of its master `parent` */
  IOMMUCHECK_DOMAIN_NESTED = 6, /* a route of a user's, `structure`, over `parent` */
  IOMMUCHECK_DOMAIN_NESTED_PASID = 7 /* the same with a PASID table of the user's */
};

/* UserEntryKind: what stands at an entry of a user's PASID table */
enum {
  IOMMUCHECK_USER_ENTRY_EMPTY = 0, /* not valid */
  IOMMUCHECK_USER_ENTRY_GARBAGE = 1, /* valid, and nothing that can be decoded */
  IOMMUCHECK_USER_ENTRY_OUTSIDE = 2, /* its place is not mapped by the parent */
  IOMMUCHECK_USER_ENTRY_TABLE = 3
};

/* Attribute: what get_attr asks */
enum {
  IOMMUCHECK_ATTRIBUTE_TTBR0 = 1, /* physical address of the table's root */
  IOMMUCHECK_ATTRIBUTE_PASID = 2 /* PASID */
};

/* FaultResponse: the answer to a fault group */
enum {
  IOMMUCHECK_FAULT_SUCCESS = 0, /* repeat the access */
  IOMMUCHECK_FAULT_INVALID = 1, /* terminate it; later ones may come */
  IOMMUCHECK_FAULT_FAILURE = 2, /* terminate it; the device should stop asking */
  IOMMUCHECK_FAULT_UNKNOWN = 3 /* a code that is none of these */
};

/* Status: the result of a call; errors are errno names */
enum {
  IOMMUCHECK_OK = 0, /* done */
  IOMMUCHECK_NOT_BUILT = 1, /* the call is in the interface but not built yet */
  IOMMUCHECK_ENOENT = 2,
  IOMMUCHECK_ESRCH = 3,
  IOMMUCHECK_EIO = 5,
  IOMMUCHECK_EAGAIN = 11,
  IOMMUCHECK_ENOMEM = 12,
  IOMMUCHECK_EBUSY = 16,
  IOMMUCHECK_EEXIST = 17,
  IOMMUCHECK_ENODEV = 19,
  IOMMUCHECK_EINVAL = 22,
  IOMMUCHECK_ENOSPC = 28,
  IOMMUCHECK_ERANGE = 34,
  IOMMUCHECK_EDEADLK = 35,
  IOMMUCHECK_EOPNOTSUPP = 95,
  IOMMUCHECK_ETIMEDOUT = 110,
  IOMMUCHECK_STATUS_OTHER = 255 /* what no call may return; which number: `error` of Return */
};

/* CallbackKind: a call from the driver to its user */
enum {
  IOMMUCHECK_CALLBACK_MM_EXIT = 0, /* the process's address space goes away */
  IOMMUCHECK_CALLBACK_FAULT_HANDLER = 1 /* a fault to be handled */
};

/* HookKind: what a backend may do for each address space at a PASID */
enum {
  IOMMUCHECK_HOOK_MM_ALLOC = 0, /* makes what it keeps of one */
  IOMMUCHECK_HOOK_MM_FREE = 1, /* gives that back */
  IOMMUCHECK_HOOK_MM_ATTACH = 2, /* a device is about to reach it */
  IOMMUCHECK_HOOK_MM_DETACH = 3 /* it no longer does */
};

/* DriverLife: how far the driver is */
enum {
  IOMMUCHECK_DRIVER_LIFE_STARTING = 0, /* it brings the SMMU up; nothing is promised yet */
  IOMMUCHECK_DRIVER_LIFE_READY = 1, /* from here on every promise holds */
  IOMMUCHECK_DRIVER_LIFE_STOPPING = 2, /* it ends; nothing is promised any more */
  IOMMUCHECK_DRIVER_LIFE_RESTORED = 3 /* the checker put everything back to where it was `ready` */
};

/* Phase: an event that takes time */
enum {
  IOMMUCHECK_PHASE_BEGIN = 0, /* it has begun */
  IOMMUCHECK_PHASE_END = 1 /* it has returned */
};

/* BroadcastScope: what a TLBI broadcast by a CPU covers */
enum {
  IOMMUCHECK_BROADCAST_SCOPE_ALL = 0, /* every entry of stage 1 of the VMID, or of EL2 */
  IOMMUCHECK_BROADCAST_SCOPE_ASID = 1, /* an ASID */
  IOMMUCHECK_BROADCAST_SCOPE_VA = 2, /* an address range of an ASID */
  IOMMUCHECK_BROADCAST_SCOPE_VA_ALL_ASIDS = 3, /* an address range of every ASID */
  IOMMUCHECK_BROADCAST_SCOPE_IPA = 4, /* a range of IPAs at stage 2 of the VMID */
  IOMMUCHECK_BROADCAST_SCOPE_BOTH_STAGES = 5 /* every entry of the VMID */
};

/* CpuWorld: as which a CPU broadcasts */
enum {
  IOMMUCHECK_CPU_WORLD_EL1 = 0, /* EL1, or EL2 on its behalf */
  IOMMUCHECK_CPU_WORLD_EL2 = 1, /* EL2 without E2H */
  IOMMUCHECK_CPU_WORLD_EL2_E2H = 2 /* EL2 with E2H */
};

/* NoteKind: events without meaning to the specification */
enum {
  IOMMUCHECK_NOTE_TEXT = 0, /* a remark */
  IOMMUCHECK_NOTE_CONSOLE = 1, /* a line of a console */
  IOMMUCHECK_NOTE_DOORBELL = 2, /* a register write to a device */
  IOMMUCHECK_NOTE_MSI = 3 /* a message that reached an interrupt controller */
};

/* ResultKind: what a call returns beside its status */
enum {
  IOMMUCHECK_RESULT_STATUS = 0, /* nothing */
  IOMMUCHECK_RESULT_BYTES = 1, /* a number of bytes in `value`, also beside an error */
  IOMMUCHECK_RESULT_ADDRESS = 2, /* a physical address in `value`, 0 for none */
  IOMMUCHECK_RESULT_HANDLE = 3, /* the number of a new or found object in `value` */
  IOMMUCHECK_RESULT_PASID = 4, /* a PASID in `value` */
  IOMMUCHECK_RESULT_DRVDATA = 5, /* the caller's word in `value` */
  IOMMUCHECK_RESULT_ATTRIBUTE = 6, /* the attribute's value in `value` */
  IOMMUCHECK_RESULT_COUNT = 7, /* how many were done in `value`, also beside an error */
  IOMMUCHECK_RESULT_BITMAP = 8, /* bits in `words`, lowest address in bit 0 of the first */
  IOMMUCHECK_RESULT_RECORD = 9 /* a fault record in `words`: device, PASID, IOVA, rights, group, 1 if it is the last */
};

#endif /* IOMMUCHECK_WORDS_H */
