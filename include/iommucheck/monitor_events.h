/* SPDX-License-Identifier: MIT
 *
 * iommucheck/monitor_events.h - every event and the arguments of every call as structs.
 * Included by iommucheck/monitor.h, which says what holds for all of them. Every member has
 * 8 bytes. A comment that begins with "?" marks a fact: it counts only with its bit in
 * `known`.
 * Made from trace/events.def, base/calls.def and trace/enums.def; after a change of these:
 * ./dev generate
 */
/* clang-format off */
#ifndef IOMMUCHECK_MONITOR_EVENTS_H
#define IOMMUCHECK_MONITOR_EVENTS_H

#ifndef IOMMUCHECK_MONITOR_H
#error "include iommucheck/monitor.h"
#endif

/* Items of lists: these never change. */
struct iommucheck_word_at { uint64_t pa, value; };
struct iommucheck_range { uint64_t base, length; };
struct iommucheck_command_words { uint64_t low, high; };

/* Kinds of event. */
enum iommucheck_event_kind {
  IOMMUCHECK_EVENT_STORE = 0,
  IOMMUCHECK_EVENT_FILL = 1,
  IOMMUCHECK_EVENT_LOAD = 2,
  IOMMUCHECK_EVENT_RMW = 3,
  IOMMUCHECK_EVENT_BARRIER = 4,
  IOMMUCHECK_EVENT_CACHE_CLEAN = 5,
  IOMMUCHECK_EVENT_CACHE_INVALIDATE = 6,
  IOMMUCHECK_EVENT_ALLOC = 7,
  IOMMUCHECK_EVENT_FREE = 8,
  IOMMUCHECK_EVENT_PAGE_RELEASE = 9,
  IOMMUCHECK_EVENT_HANDOFF = 10,
  IOMMUCHECK_EVENT_MMIO_WRITE = 11,
  IOMMUCHECK_EVENT_MMIO_READ = 12,
  IOMMUCHECK_EVENT_IRQ = 13,
  IOMMUCHECK_EVENT_DMA_BEGIN = 14,
  IOMMUCHECK_EVENT_DMA_END = 15,
  IOMMUCHECK_EVENT_DMA = 16,
  IOMMUCHECK_EVENT_ATS_REQUEST = 17,
  IOMMUCHECK_EVENT_PAGE_REQUEST = 18,
  IOMMUCHECK_EVENT_ATC_INVALIDATED = 19,
  IOMMUCHECK_EVENT_COMMAND_CONSUMED = 20,
  IOMMUCHECK_EVENT_EVENT_RECORDED = 21,
  IOMMUCHECK_EVENT_PAGE_REQUEST_QUEUED = 22,
  IOMMUCHECK_EVENT_DEVICE_STORE = 23,
  IOMMUCHECK_EVENT_STRUCTURE_FETCH = 24,
  IOMMUCHECK_EVENT_CALL = 25,
  IOMMUCHECK_EVENT_RETURN = 26,
  IOMMUCHECK_EVENT_CALLBACK = 27,
  IOMMUCHECK_EVENT_DONE = 28,
  IOMMUCHECK_EVENT_PROCESS_MAP = 29,
  IOMMUCHECK_EVENT_PROCESS_UNMAP = 30,
  IOMMUCHECK_EVENT_PROCESS_PROTECT = 31,
  IOMMUCHECK_EVENT_CPU_FAULT = 32,
  IOMMUCHECK_EVENT_FORK = 33,
  IOMMUCHECK_EVENT_EXEC = 34,
  IOMMUCHECK_EVENT_EXIT = 35,
  IOMMUCHECK_EVENT_INVALIDATE = 36,
  IOMMUCHECK_EVENT_RELEASE = 37,
  IOMMUCHECK_EVENT_BROADCAST_TLBI = 38,
  IOMMUCHECK_EVENT_ALLOCATION_FAILURE = 39,
  IOMMUCHECK_EVENT_STUCK_QUEUE = 40,
  IOMMUCHECK_EVENT_CHOICE = 41,
  IOMMUCHECK_EVENT_DEVICE_REMOVE = 42,
  IOMMUCHECK_EVENT_BOUND_PASSES = 43,
  IOMMUCHECK_EVENT_WALKER_LOAD = 44,
  IOMMUCHECK_EVENT_WALKER_SWITCH = 45,
  IOMMUCHECK_EVENT_WALKER_FLUSH = 46,
  IOMMUCHECK_EVENT_REACH = 47,
  IOMMUCHECK_EVENT_UNREACH = 48,
  IOMMUCHECK_EVENT_NOTE = 49,
  IOMMUCHECK_EVENT_DRIVER_PHASE = 50,
  IOMMUCHECK_EVENT_CALL_WAIT = 51,
  IOMMUCHECK_EVENT_HELD = 52,
  IOMMUCHECK_EVENT_BACKEND_HOOK = 53,
  IOMMUCHECK_EVENT_USER_TABLE = 54,
  IOMMUCHECK_EVENT_USER_ROUTE = 55,
  IOMMUCHECK_EVENT_USER_MAP = 56,
  IOMMUCHECK_EVENT_USER_ENTRY = 57,
  IOMMUCHECK_EVENT_USER_FETCH = 58,
  IOMMUCHECK_EVENT_USER_PROBE = 59,
  IOMMUCHECK_EVENT_DEVICE_ADD = 60,
  IOMMUCHECK_EVENT_ENDPOINT_ATS = 61,
  IOMMUCHECK_EVENT_USER_TAKES_OUT = 62
};

/* Calls of the interface. */
enum iommucheck_call {
  IOMMUCHECK_CALL_DOMAIN_ALLOC = 0,
  IOMMUCHECK_CALL_DOMAIN_FREE = 1,
  IOMMUCHECK_CALL_ATTACH = 2,
  IOMMUCHECK_CALL_DETACH = 3,
  IOMMUCHECK_CALL_ATTACH_PASID = 4,
  IOMMUCHECK_CALL_DETACH_PASID = 5,
  IOMMUCHECK_CALL_MAP = 6,
  IOMMUCHECK_CALL_MAP_SG = 7,
  IOMMUCHECK_CALL_UNMAP = 8,
  IOMMUCHECK_CALL_UNMAP_FAST = 9,
  IOMMUCHECK_CALL_IOTLB_SYNC = 10,
  IOMMUCHECK_CALL_FLUSH_IOTLB_ALL = 11,
  IOMMUCHECK_CALL_TLB_RANGE_ADD = 12,
  IOMMUCHECK_CALL_IOVA_TO_PHYS = 13,
  IOMMUCHECK_CALL_DOMAIN_GET_ATTR = 14,
  IOMMUCHECK_CALL_SVA_DEVICE_INIT = 15,
  IOMMUCHECK_CALL_SVA_DEVICE_SHUTDOWN = 16,
  IOMMUCHECK_CALL_BIND_DEVICE = 17,
  IOMMUCHECK_CALL_UNBIND_DEVICE = 18,
  IOMMUCHECK_CALL_UNBIND_DEV_ALL = 19,
  IOMMUCHECK_CALL_SVA_DRVDATA = 20,
  IOMMUCHECK_CALL_IO_MM_OF = 21,
  IOMMUCHECK_CALL_BIND_TASK = 22,
  IOMMUCHECK_CALL_UNBIND_TASK = 23,
  IOMMUCHECK_CALL_TASK_MAP = 24,
  IOMMUCHECK_CALL_TASK_UNMAP = 25,
  IOMMUCHECK_CALL_TASK_GET_ATTR = 26,
  IOMMUCHECK_CALL_SVA_ALLOC_PASID = 27,
  IOMMUCHECK_CALL_SVA_FREE_PASID = 28,
  IOMMUCHECK_CALL_IO_MM_GET_PASID = 29,
  IOMMUCHECK_CALL_IO_MM_GET_ATTR = 30,
  IOMMUCHECK_CALL_SVA_MAP = 31,
  IOMMUCHECK_CALL_SVA_MAP_SG = 32,
  IOMMUCHECK_CALL_SVA_UNMAP = 33,
  IOMMUCHECK_CALL_SVA_UNMAP_FAST = 34,
  IOMMUCHECK_CALL_SVA_IOTLB_SYNC = 35,
  IOMMUCHECK_CALL_SVA_FLUSH_TLB_ALL = 36,
  IOMMUCHECK_CALL_SVA_TLB_RANGE_ADD = 37,
  IOMMUCHECK_CALL_SVA_IOVA_TO_PHYS = 38,
  IOMMUCHECK_CALL_SVA_ATTACH = 39,
  IOMMUCHECK_CALL_SVA_DETACH = 40,
  IOMMUCHECK_CALL_PASID_ALLOC = 41,
  IOMMUCHECK_CALL_PASID_FREE = 42,
  IOMMUCHECK_CALL_FAULT_QUEUE_OPEN = 43,
  IOMMUCHECK_CALL_FAULT_QUEUE_READ = 44,
  IOMMUCHECK_CALL_FAULT_QUEUE_RESPOND = 45,
  IOMMUCHECK_CALL_FAULT_QUEUE_CLOSE = 46,
  IOMMUCHECK_CALL_FAULT_HANDLER_SET = 47,
  IOMMUCHECK_CALL_EVENT_QUEUE_OPEN = 48,
  IOMMUCHECK_CALL_EVENT_READ = 49,
  IOMMUCHECK_CALL_CACHE_INVALIDATE = 50,
  IOMMUCHECK_CALL_DIRTY_SET = 51,
  IOMMUCHECK_CALL_DIRTY_READ = 52,
  IOMMUCHECK_CALL_RECOVER = 53,
  IOMMUCHECK_CALL_VDEVICE = 54
};

/* Store: a store; visible to the SMMU at once or later */
struct iommucheck_event_store {
  struct iommucheck_event head;
  uint64_t pa; /* u64: physical address */
  uint64_t size; /* u8: 1, 2, 4, 8 or 16 bytes */
  uint64_t value; /* ? u64: the bytes stored, low 8 of 16; absent: the content is unknown now */
  uint64_t value_high; /* ? u64: bytes 8 to 15 of a store of 16 */
  uint64_t word; /* ? u64: the whole aligned 8 bytes around pa, after the store */
  uint64_t pc; /* ? u64: address of the storing instruction */
  uint64_t swept; /* ? bool: true: found by comparing memory, so it was made some time before */
};
#define IOMMUCHECK_STORE_VALUE (1ull << 0)
#define IOMMUCHECK_STORE_VALUE_HIGH (1ull << 1)
#define IOMMUCHECK_STORE_WORD (1ull << 2)
#define IOMMUCHECK_STORE_PC (1ull << 3)
#define IOMMUCHECK_STORE_SWEPT (1ull << 4)

/* Fill: n words of one value, stored in ascending order */
struct iommucheck_event_fill {
  struct iommucheck_event head;
  uint64_t pa; /* u64: of the first word, a multiple of 8 */
  uint64_t words; /* u64: how many words of 8 bytes */
  uint64_t value; /* u64: of each word */
  uint64_t pc; /* ? u64: address of the storing instruction */
};
#define IOMMUCHECK_FILL_PC (1ull << 0)

/* Load: a load */
struct iommucheck_event_load {
  struct iommucheck_event head;
  uint64_t pa; /* u64 */
  uint64_t size; /* u8: 1, 2, 4, 8 or 16 bytes */
  uint64_t value; /* ? u64: what it returned */
  uint64_t ordered; /* ? bool: later accesses wait for it */
};
#define IOMMUCHECK_LOAD_VALUE (1ull << 0)
#define IOMMUCHECK_LOAD_ORDERED (1ull << 1)

/* Rmw: an atomic read and write of one place */
struct iommucheck_event_rmw {
  struct iommucheck_event head;
  uint64_t pa; /* u64 */
  uint64_t size; /* u8: 1, 2, 4, 8 or 16 bytes */
  uint64_t old_value; /* ? u64: what it read */
  uint64_t value; /* ? u64: what it wrote; absent: unknown */
  uint64_t ordered; /* ? bool: it orders other words too */
  uint64_t pc; /* ? u64: address of the instruction */
};
#define IOMMUCHECK_RMW_OLD_VALUE (1ull << 0)
#define IOMMUCHECK_RMW_VALUE (1ull << 1)
#define IOMMUCHECK_RMW_ORDERED (1ull << 2)
#define IOMMUCHECK_RMW_PC (1ull << 3)

/* Barrier: orders accesses of its agent, and of those handed over to it */
struct iommucheck_event_barrier {
  struct iommucheck_event head;
  uint64_t kind; /* BarrierKind */
  uint64_t completes; /* ? bool: true: also waits until they are complete (DSB, not DMB) */
};
#define IOMMUCHECK_BARRIER_COMPLETES (1ull << 0)

/* CacheClean: the CPU's cached data goes to memory */
struct iommucheck_event_cache_clean {
  struct iommucheck_event head;
  uint64_t pa; /* u64 */
  uint64_t length; /* u64: bytes */
};

/* CacheInvalidate: the CPU's cached data is dropped */
struct iommucheck_event_cache_invalidate {
  struct iommucheck_event head;
  uint64_t pa; /* u64 */
  uint64_t length; /* u64: bytes */
};

/* Alloc: the driver got memory for structures */
struct iommucheck_event_alloc {
  struct iommucheck_event head;
  uint64_t pa; /* u64 */
  uint64_t length; /* u64: bytes */
  uint64_t cacheable; /* ? bool: the CPU's mapping is cacheable */
  uint64_t zeroed; /* ? bool: it holds zeros, visible to the SMMU */
};
#define IOMMUCHECK_ALLOC_CACHEABLE (1ull << 0)
#define IOMMUCHECK_ALLOC_ZEROED (1ull << 1)

/* Free: the driver gave memory of structures back */
struct iommucheck_event_free {
  struct iommucheck_event head;
  uint64_t pa; /* u64 */
  uint64_t length; /* u64: bytes */
};

/* PageRelease: a leaf page was given to someone else */
struct iommucheck_event_page_release {
  struct iommucheck_event head;
  uint64_t pa; /* u64 */
  uint64_t length; /* u64: bytes */
};

/* Handoff: `to` goes on after `from`: a lock, a completion, a join */
struct iommucheck_event_handoff {
  struct iommucheck_event head;
  uint64_t from; /* AgentId */
  uint64_t to; /* AgentId */
};

/* MmioWrite: a register write */
struct iommucheck_event_mmio_write {
  struct iommucheck_event head;
  uint64_t offset; /* u64: from the SMMU's page 0; page 1 begins at 0x10000 */
  uint64_t size; /* u8: 1, 2, 4 or 8 bytes */
  uint64_t value; /* u64 */
  uint64_t ordered; /* ? bool: earlier stores of its agent are visible before it */
  uint64_t iommu; /* ? u32: which SMMU, if there are several */
  uint64_t pc; /* ? u64: address of the instruction */
};
#define IOMMUCHECK_MMIO_WRITE_ORDERED (1ull << 0)
#define IOMMUCHECK_MMIO_WRITE_IOMMU (1ull << 1)
#define IOMMUCHECK_MMIO_WRITE_PC (1ull << 2)

/* MmioRead: a register read and its answer */
struct iommucheck_event_mmio_read {
  struct iommucheck_event head;
  uint64_t offset; /* u64 */
  uint64_t size; /* u8: 1, 2, 4 or 8 bytes */
  uint64_t value; /* u64: the answer */
  uint64_t ordered; /* ? bool: later loads of its agent wait for it */
  uint64_t iommu; /* ? u32: which SMMU, if there are several */
  uint64_t pc; /* ? u64: address of the instruction */
};
#define IOMMUCHECK_MMIO_READ_ORDERED (1ull << 0)
#define IOMMUCHECK_MMIO_READ_IOMMU (1ull << 1)
#define IOMMUCHECK_MMIO_READ_PC (1ull << 2)

/* Irq: an interrupt of the SMMU reached the driver */
struct iommucheck_event_irq {
  struct iommucheck_event head;
  uint64_t kind; /* IrqKind */
  uint64_t iommu; /* ? u32: which SMMU, if there are several */
};
#define IOMMUCHECK_IRQ_IOMMU (1ull << 0)

/* DmaBegin: a device's access begins */
struct iommucheck_event_dma_begin {
  struct iommucheck_event head;
  uint64_t dma; /* DmaId: joins it with its DmaEnd */
  uint64_t sid; /* u32: StreamID */
  uint64_t ssid; /* ? Substream: SubstreamID (PASID), or "none" where it is known to have none */
  uint64_t iova; /* u64: the address that the device sent */
  uint64_t direction; /* ? Direction: read, write, execute, read-write */
  uint64_t privileged; /* ? bool */
  uint64_t length; /* ? u64: bytes from iova on */
  uint64_t kind; /* ? TransactionKind: untranslated or translated */
  uint64_t iommu; /* ? u32: which SMMU, if there are several */
};
#define IOMMUCHECK_DMA_BEGIN_SSID (1ull << 0)
#define IOMMUCHECK_DMA_BEGIN_DIRECTION (1ull << 1)
#define IOMMUCHECK_DMA_BEGIN_PRIVILEGED (1ull << 2)
#define IOMMUCHECK_DMA_BEGIN_LENGTH (1ull << 3)
#define IOMMUCHECK_DMA_BEGIN_KIND (1ull << 4)
#define IOMMUCHECK_DMA_BEGIN_IOMMU (1ull << 5)

/* DmaEnd: and ends */
struct iommucheck_event_dma_end {
  struct iommucheck_event head;
  uint64_t dma; /* DmaId */
  uint64_t result; /* DmaResult */
  uint64_t pa; /* ? u64: where it went; absent where it went nowhere */
  uint64_t rights; /* ? Rights: of the entry, not of the access; some sources know no x */
  uint64_t attributes; /* ? u8: memory type, encoded as a byte of MAIR */
  uint64_t shareability; /* ? u8: encoded as SH in a descriptor */
  uint64_t stag; /* ? u16: stall tag, of a stalled access */
};
#define IOMMUCHECK_DMA_END_PA (1ull << 0)
#define IOMMUCHECK_DMA_END_RIGHTS (1ull << 1)
#define IOMMUCHECK_DMA_END_ATTRIBUTES (1ull << 2)
#define IOMMUCHECK_DMA_END_SHAREABILITY (1ull << 3)
#define IOMMUCHECK_DMA_END_STAG (1ull << 4)

/* Dma: begin and end in one, nothing in between */
struct iommucheck_event_dma {
  struct iommucheck_event head;
  uint64_t sid; /* u32: StreamID */
  uint64_t ssid; /* ? Substream: SubstreamID (PASID), or "none" where it is known to have none */
  uint64_t iova; /* u64: the address that the device sent */
  uint64_t direction; /* ? Direction: read, write, execute, read-write */
  uint64_t privileged; /* ? bool */
  uint64_t length; /* ? u64: bytes from iova on */
  uint64_t kind; /* ? TransactionKind: untranslated or translated */
  uint64_t result; /* DmaResult */
  uint64_t pa; /* ? u64: where it went; absent where it went nowhere */
  uint64_t rights; /* ? Rights: of the entry, not of the access; some sources know no x */
  uint64_t attributes; /* ? u8: memory type, encoded as a byte of MAIR */
  uint64_t shareability; /* ? u8: encoded as SH in a descriptor */
  uint64_t stag; /* ? u16: stall tag, of a stalled access */
  uint64_t iommu; /* ? u32: which SMMU, if there are several */
};
#define IOMMUCHECK_DMA_SSID (1ull << 0)
#define IOMMUCHECK_DMA_DIRECTION (1ull << 1)
#define IOMMUCHECK_DMA_PRIVILEGED (1ull << 2)
#define IOMMUCHECK_DMA_LENGTH (1ull << 3)
#define IOMMUCHECK_DMA_KIND (1ull << 4)
#define IOMMUCHECK_DMA_PA (1ull << 5)
#define IOMMUCHECK_DMA_RIGHTS (1ull << 6)
#define IOMMUCHECK_DMA_ATTRIBUTES (1ull << 7)
#define IOMMUCHECK_DMA_SHAREABILITY (1ull << 8)
#define IOMMUCHECK_DMA_STAG (1ull << 9)
#define IOMMUCHECK_DMA_IOMMU (1ull << 10)

/* AtsRequest: an ATS translation request and its answer */
struct iommucheck_event_ats_request {
  struct iommucheck_event head;
  uint64_t sid; /* u32: StreamID */
  uint64_t ssid; /* ? Substream: SubstreamID (PASID) or "none" */
  uint64_t iova; /* u64 */
  uint64_t no_write; /* ? bool: the device wants no write permission */
  uint64_t execute; /* ? bool: it asks for execute permission */
  uint64_t privileged; /* ? bool */
  uint64_t result; /* AtsResult */
  uint64_t pa; /* ? u64: of the answer */
  uint64_t length; /* ? u64: bytes that the answer covers */
  uint64_t rights; /* ? Rights: granted */
  uint64_t untranslated_only; /* ? bool: the U bit of the answer */
  uint64_t global; /* ? bool: the answer may be used for every PASID */
  uint64_t iommu; /* ? u32: which SMMU, if there are several */
};
#define IOMMUCHECK_ATS_REQUEST_SSID (1ull << 0)
#define IOMMUCHECK_ATS_REQUEST_NO_WRITE (1ull << 1)
#define IOMMUCHECK_ATS_REQUEST_EXECUTE (1ull << 2)
#define IOMMUCHECK_ATS_REQUEST_PRIVILEGED (1ull << 3)
#define IOMMUCHECK_ATS_REQUEST_PA (1ull << 4)
#define IOMMUCHECK_ATS_REQUEST_LENGTH (1ull << 5)
#define IOMMUCHECK_ATS_REQUEST_RIGHTS (1ull << 6)
#define IOMMUCHECK_ATS_REQUEST_UNTRANSLATED_ONLY (1ull << 7)
#define IOMMUCHECK_ATS_REQUEST_GLOBAL (1ull << 8)
#define IOMMUCHECK_ATS_REQUEST_IOMMU (1ull << 9)

/* PageRequest: a device asks for a page (PRI) */
struct iommucheck_event_page_request {
  struct iommucheck_event head;
  uint64_t sid; /* u32: StreamID */
  uint64_t ssid; /* ? Substream: SubstreamID (PASID) or "none" */
  uint64_t iova; /* u64 */
  uint64_t rights; /* ? Rights: wanted */
  uint64_t privileged; /* ? bool */
  uint64_t page_group; /* u16: PRG index */
  uint64_t last; /* bool: last of its group */
  uint64_t iommu; /* ? u32: which SMMU, if there are several */
};
#define IOMMUCHECK_PAGE_REQUEST_SSID (1ull << 0)
#define IOMMUCHECK_PAGE_REQUEST_RIGHTS (1ull << 1)
#define IOMMUCHECK_PAGE_REQUEST_PRIVILEGED (1ull << 2)
#define IOMMUCHECK_PAGE_REQUEST_IOMMU (1ull << 3)

/* AtcInvalidated: a device's ATC completed an invalidation */
struct iommucheck_event_atc_invalidated {
  struct iommucheck_event head;
  uint64_t sid; /* u32: StreamID */
  uint64_t ssid; /* ? Substream: SubstreamID (PASID), or "none" for the whole function */
  uint64_t iova; /* u64 */
  uint64_t length; /* u64: bytes; 0: everything */
  uint64_t iommu; /* ? u32: which SMMU, if there are several */
  uint64_t global; /* ? bool: for every PASID; of one with a PASID */
};
#define IOMMUCHECK_ATC_INVALIDATED_SSID (1ull << 0)
#define IOMMUCHECK_ATC_INVALIDATED_IOMMU (1ull << 1)
#define IOMMUCHECK_ATC_INVALIDATED_GLOBAL (1ull << 2)

/* CommandConsumed: the SMMU took a command from its queue */
struct iommucheck_event_command_consumed {
  struct iommucheck_event head;
  uint64_t slot; /* u32: of the command queue */
  uint64_t command_low; /* ? CommandWords: the 16 bytes that it took */
  uint64_t command_high;
};
#define IOMMUCHECK_COMMAND_CONSUMED_COMMAND (1ull << 0)

/* EventRecorded: the SMMU put a record into the event queue */
struct iommucheck_event_event_recorded {
  struct iommucheck_event head;
  uint64_t slot; /* ? u32: of the event queue */
  const uint64_t* record; /* ? EventRecord: 32 bytes */
};
#define IOMMUCHECK_EVENT_RECORDED_SLOT (1ull << 0)
#define IOMMUCHECK_EVENT_RECORDED_RECORD (1ull << 1)

/* PageRequestQueued: the SMMU put a record into the page request queue */
struct iommucheck_event_page_request_queued {
  struct iommucheck_event head;
  uint64_t slot; /* ? u32: of the page request queue */
  const uint64_t* record; /* ? PageRequestRecord: 16 bytes */
};
#define IOMMUCHECK_PAGE_REQUEST_QUEUED_SLOT (1ull << 0)
#define IOMMUCHECK_PAGE_REQUEST_QUEUED_RECORD (1ull << 1)

/* DeviceStore: an SMMU or device wrote memory */
struct iommucheck_event_device_store {
  struct iommucheck_event head;
  uint64_t pa; /* u64 */
  uint64_t size; /* u8: 1, 2, 4, 8 or 16 bytes */
  uint64_t value; /* ? u64: low 8 bytes */
  uint64_t value_high; /* ? u64: bytes 8 to 15 of 16 */
  uint64_t cause; /* ? StoreCause */
};
#define IOMMUCHECK_DEVICE_STORE_VALUE (1ull << 0)
#define IOMMUCHECK_DEVICE_STORE_VALUE_HIGH (1ull << 1)
#define IOMMUCHECK_DEVICE_STORE_CAUSE (1ull << 2)

/* StructureFetch: the SMMU read a structure */
struct iommucheck_event_structure_fetch {
  struct iommucheck_event head;
  uint64_t pa; /* u64 */
  uint64_t size; /* u8: 1, 2, 4, 8 or 16 bytes */
  uint64_t value; /* ? u64: what it got */
  uint64_t kind; /* ? RegionKind: as what */
};
#define IOMMUCHECK_STRUCTURE_FETCH_VALUE (1ull << 0)
#define IOMMUCHECK_STRUCTURE_FETCH_KIND (1ull << 1)

/* Call: a call of the interface begins; which, and its arguments, in `call` */
struct iommucheck_event_call {
  struct iommucheck_event head;
  uint64_t id; /* CallId: joins it with its Return */
  uint64_t call; /* IOMMUCHECK_CALL_* */
  const void* arguments; /* the call's struct, e.g. struct iommucheck_call_map */
  uint64_t handler_device; /* ? DeviceId: made from inside the mm_exit handler of this device */
  uint64_t handler_pasid; /* ? u32: and PASID */
};
#define IOMMUCHECK_CALL_HANDLER_DEVICE (1ull << 0)
#define IOMMUCHECK_CALL_HANDLER_PASID (1ull << 1)

/* Return: a call returns */
struct iommucheck_event_return {
  struct iommucheck_event head;
  uint64_t id; /* CallId */
  uint64_t status; /* Status */
  uint64_t value; /* ? u64: by the call's ResultKind */
  const uint64_t* words; /* ? Words: by the call's ResultKind */
  uint64_t words_count;
  uint64_t error; /* ? u32: of the status `other`: what was returned, negated, as 32 bits */
};
#define IOMMUCHECK_RETURN_VALUE (1ull << 0)
#define IOMMUCHECK_RETURN_WORDS (1ull << 1)
#define IOMMUCHECK_RETURN_ERROR (1ull << 2)

/* Callback: the driver calls a handler of its user */
struct iommucheck_event_callback {
  struct iommucheck_event head;
  uint64_t kind; /* CallbackKind */
  uint64_t device; /* DeviceId */
  uint64_t pasid; /* Substream */
  uint64_t drvdata; /* ? u64: the word given at bind */
  uint64_t fault_group; /* ? u32: of a fault */
};
#define IOMMUCHECK_CALLBACK_DRVDATA (1ull << 0)
#define IOMMUCHECK_CALLBACK_FAULT_GROUP (1ull << 1)

/* Done: a device's driver says that it sends no more for a PASID */
struct iommucheck_event_done {
  struct iommucheck_event head;
  uint64_t device; /* DeviceId */
  uint64_t pasid; /* u32 */
  uint64_t status; /* Status: what mm_exit returned; an error: not done */
};

/* ProcessMap: mmap of a process, or a page that became present */
struct iommucheck_event_process_map {
  struct iommucheck_event head;
  uint64_t mm; /* MmId */
  uint64_t va; /* u64 */
  uint64_t length; /* u64: bytes */
  uint64_t pa; /* ? u64: absent: a mapping without pages yet */
  uint64_t rights; /* Rights */
};
#define IOMMUCHECK_PROCESS_MAP_PA (1ull << 0)

/* ProcessUnmap: munmap of a process */
struct iommucheck_event_process_unmap {
  struct iommucheck_event head;
  uint64_t mm; /* MmId */
  uint64_t va; /* u64 */
  uint64_t length; /* u64: bytes */
};

/* ProcessProtect: mprotect of a process */
struct iommucheck_event_process_protect {
  struct iommucheck_event head;
  uint64_t mm; /* MmId */
  uint64_t va; /* u64 */
  uint64_t length; /* u64: bytes */
  uint64_t rights; /* Rights: from now on */
};

/* CpuFault: a page fault of the process on a CPU, or by a handler */
struct iommucheck_event_cpu_fault {
  struct iommucheck_event head;
  uint64_t mm; /* MmId */
  uint64_t va; /* u64 */
  uint64_t direction; /* Direction */
  uint64_t repaired; /* ? bool: the page is there now */
};
#define IOMMUCHECK_CPU_FAULT_REPAIRED (1ull << 0)

/* Fork: a process forks */
struct iommucheck_event_fork {
  struct iommucheck_event head;
  uint64_t mm; /* MmId: the parent's */
  uint64_t child; /* MmId */
};

/* Exec: a process replaces its address space */
struct iommucheck_event_exec {
  struct iommucheck_event head;
  uint64_t mm; /* MmId: the old one */
  uint64_t replacement; /* MmId: the new one */
};

/* Exit: the last thread of a process ends */
struct iommucheck_event_exit {
  struct iommucheck_event head;
  uint64_t mm; /* MmId */
};

/* Invalidate: the environment tells that a range changed */
struct iommucheck_event_invalidate {
  struct iommucheck_event head;
  uint64_t mm; /* MmId */
  uint64_t va; /* u64 */
  uint64_t length; /* u64: bytes */
  uint64_t phase; /* Phase: no stale item after its end */
  uint64_t timed_out; /* ? bool: of its end: the driver reported a time-out */
};
#define IOMMUCHECK_INVALIDATE_TIMED_OUT (1ull << 0)

/* Release: the environment tells that an address space goes away */
struct iommucheck_event_release {
  struct iommucheck_event head;
  uint64_t mm; /* MmId */
  uint64_t phase; /* Phase: no access after its end */
  uint64_t timed_out; /* ? bool: of its end: the driver reported a time-out */
};
#define IOMMUCHECK_RELEASE_TIMED_OUT (1ull << 0)

/* BroadcastTlbi: a TLBI that a CPU broadcast */
struct iommucheck_event_broadcast_tlbi {
  struct iommucheck_event head;
  uint64_t scope; /* BroadcastScope */
  uint64_t asid; /* ? u16 */
  uint64_t vmid; /* ? u16 */
  uint64_t va; /* ? u64: or IPA */
  uint64_t length; /* ? u64: bytes */
  uint64_t world; /* ? CpuWorld: el1 unless said */
  uint64_t leaf; /* ? bool: entries of the last level only */
};
#define IOMMUCHECK_BROADCAST_TLBI_ASID (1ull << 0)
#define IOMMUCHECK_BROADCAST_TLBI_VMID (1ull << 1)
#define IOMMUCHECK_BROADCAST_TLBI_VA (1ull << 2)
#define IOMMUCHECK_BROADCAST_TLBI_LENGTH (1ull << 3)
#define IOMMUCHECK_BROADCAST_TLBI_WORLD (1ull << 4)
#define IOMMUCHECK_BROADCAST_TLBI_LEAF (1ull << 5)

/* AllocationFailure: an allocation of the driver fails */
struct iommucheck_event_allocation_failure {
  struct iommucheck_event head;
  uint64_t nth; /* u64: the nth from here on, from 1; 0: every one until the next such event */
};

/* StuckQueue: the command queue stops or goes on */
struct iommucheck_event_stuck_queue {
  struct iommucheck_event head;
  uint64_t stuck; /* bool */
  uint64_t iommu; /* ? u32: which SMMU, if there are several */
};
#define IOMMUCHECK_STUCK_QUEUE_IOMMU (1ull << 0)

/* Choice: one of several allowed things was picked */
struct iommucheck_event_choice {
  struct iommucheck_event head;
  const char* site; /* Text: which question */
  const char* picked; /* Text: by meaning (which version, which thread), not by index */
};

/* DeviceRemove: a device is gone, unannounced */
struct iommucheck_event_device_remove {
  struct iommucheck_event head;
  uint64_t device; /* DeviceId */
  uint64_t phase; /* ? Phase: begin: the driver is told; end: it has answered */
  uint64_t timed_out; /* ? bool: of its end: the driver reported a time-out */
};
#define IOMMUCHECK_DEVICE_REMOVE_PHASE (1ull << 0)
#define IOMMUCHECK_DEVICE_REMOVE_TIMED_OUT (1ull << 1)

/* BoundPasses: the time that a handler may take is over */
struct iommucheck_event_bound_passes {
  struct iommucheck_event head;
  uint64_t device; /* DeviceId */
  uint64_t pasid; /* u32 */
};

/* WalkerLoad: a walker of its own (GPU) reads a table */
struct iommucheck_event_walker_load {
  struct iommucheck_event head;
  uint64_t device; /* DeviceId */
  uint64_t pa; /* u64 */
  uint64_t size; /* u8: 1, 2, 4, 8 or 16 bytes */
  uint64_t value; /* ? u64: what it got */
};
#define IOMMUCHECK_WALKER_LOAD_VALUE (1ull << 0)

/* WalkerSwitch: a walker of its own goes to another table */
struct iommucheck_event_walker_switch {
  struct iommucheck_event head;
  uint64_t device; /* DeviceId: whose context bank; a number that no device has: a walker of its own */
  uint64_t root; /* u64: physical address of the table's root; 0: back to its own domain's */
};

/* WalkerFlush: a walker of its own has dropped what it cached */
struct iommucheck_event_walker_flush {
  struct iommucheck_event head;
  uint64_t device; /* DeviceId: as of WalkerSwitch */
  uint64_t root; /* ? u64: of which table; absent: of all */
};
#define IOMMUCHECK_WALKER_FLUSH_ROOT (1ull << 0)

/* Reach: memory became reachable from the SMMU's registers */
struct iommucheck_event_reach {
  struct iommucheck_event head;
  uint64_t kind; /* RegionKind: as what */
  uint64_t pa; /* u64: a multiple of 8 */
  uint64_t length; /* u64: bytes, a multiple of 8 */
  const struct iommucheck_word_at* words; /* ? WordsAt: what is in it now, words that are 0 left out; absent: not known */
  uint64_t words_count;
};
#define IOMMUCHECK_REACH_WORDS (1ull << 0)

/* Unreach: the last way to the region is gone; its stores are not seen now */
struct iommucheck_event_unreach {
  struct iommucheck_event head;
  uint64_t kind; /* RegionKind */
  uint64_t pa; /* u64 */
  uint64_t length; /* ? u64: bytes; absent: the region reached last at pa */
};
#define IOMMUCHECK_UNREACH_LENGTH (1ull << 0)

/* Note: without meaning to the specification */
struct iommucheck_event_note {
  struct iommucheck_event head;
  uint64_t kind; /* NoteKind */
  const char* text; /* Text */
  uint64_t pa; /* ? u64 */
  uint64_t value; /* ? u64 */
};
#define IOMMUCHECK_NOTE_PA (1ull << 0)
#define IOMMUCHECK_NOTE_VALUE (1ull << 1)

/* DriverPhase: the driver as a whole */
struct iommucheck_event_driver_phase {
  struct iommucheck_event head;
  uint64_t phase; /* DriverLife */
};

/* CallWait: a call, or a Release, waits for a handler, and other calls go on */
struct iommucheck_event_call_wait {
  struct iommucheck_event head;
  uint64_t id; /* ? CallId: of the call; or */
  uint64_t mm; /* ? MmId: of the Release */
  uint64_t phase; /* Phase: begin: it waits; end: it goes on */
};
#define IOMMUCHECK_CALL_WAIT_ID (1ull << 0)
#define IOMMUCHECK_CALL_WAIT_MM (1ull << 1)

/* Held: what the driver itself counts as not given back */
struct iommucheck_event_held {
  struct iommucheck_event head;
  uint64_t domains; /* u32 */
  uint64_t io_mms; /* u32: private ones */
  uint64_t pasids; /* u32: that nobody can be given */
  uint64_t bonds; /* u32: of devices and processes */
  uint64_t tokens; /* ? u32: of bind_task */
  uint64_t queues; /* ? u32: of faults */
};
#define IOMMUCHECK_HELD_TOKENS (1ull << 0)
#define IOMMUCHECK_HELD_QUEUES (1ull << 1)

/* BackendHook: the driver's backend calls one of its hooks, which answers */
struct iommucheck_event_backend_hook {
  struct iommucheck_event head;
  uint64_t hook; /* HookKind */
  uint64_t io_mm; /* u64: the driver's number of the address space, from mm_alloc to mm_free */
  uint64_t device; /* ? DeviceId: of mm_attach and mm_detach */
  uint64_t is_null; /* ? bool: true: it made nothing, and said no error */
  uint64_t error; /* ? u32: the errno by which it failed; absent: it did not */
};
#define IOMMUCHECK_BACKEND_HOOK_DEVICE (1ull << 0)
#define IOMMUCHECK_BACKEND_HOOK_IS_NULL (1ull << 1)
#define IOMMUCHECK_BACKEND_HOOK_ERROR (1ull << 2)

/* UserTable: a user's table, empty */
struct iommucheck_event_user_table {
  struct iommucheck_event head;
  uint64_t parent; /* DomainId: the stage 2 domain */
  uint64_t root; /* u64: where it begins, in the parent's input space */
  uint64_t input_bits; /* u32: of its addresses */
  uint64_t first; /* u64: all of it is, and always will be, from there on, */
  uint64_t length; /* u64: so many bytes, */
  uint64_t pa; /* u64: which lie there */
};

/* UserRoute: the rest of the route with which a nested domain is made next */
struct iommucheck_event_user_route {
  struct iommucheck_event head;
  uint64_t attributes; /* u64: on SMMUv3 word 1 of the user's STE */
};

/* UserMap: a user maps, in its own table */
struct iommucheck_event_user_map {
  struct iommucheck_event head;
  uint64_t parent; /* DomainId */
  uint64_t root; /* u64 */
  uint64_t va; /* u64 */
  uint64_t length; /* u64: bytes */
  uint64_t ipa; /* ? u64: absent: it unmaps */
  uint64_t rights; /* Rights: of none, if it unmaps */
};
#define IOMMUCHECK_USER_MAP_IPA (1ull << 0)

/* UserEntry: a user writes an entry of its PASID table */
struct iommucheck_event_user_entry {
  struct iommucheck_event head;
  uint64_t parent; /* DomainId */
  uint64_t entry; /* u64: where it is, in the parent's input space */
  uint64_t kind; /* UserEntryKind */
  uint64_t root; /* ? u64: of the table */
  uint64_t asid; /* ? u64: the same */
  uint64_t stalls; /* ? bool: faults by it are to wait */
};
#define IOMMUCHECK_USER_ENTRY_ROOT (1ull << 0)
#define IOMMUCHECK_USER_ENTRY_ASID (1ull << 1)
#define IOMMUCHECK_USER_ENTRY_STALLS (1ull << 2)

/* UserFetch: an SMMU translates there by stage 1 of a user's, and caches what it fetched of that */
struct iommucheck_event_user_fetch {
  struct iommucheck_event head;
  uint64_t sid; /* u32: StreamID */
  uint64_t ssid; /* ? u32: SubstreamID; absent: none */
  uint64_t va; /* u64 */
};
#define IOMMUCHECK_USER_FETCH_SSID (1ull << 0)

/* UserProbe: what accesses of a user's device may meet there is compared with what its tables and commands say */
struct iommucheck_event_user_probe {
  struct iommucheck_event head;
  uint64_t sid; /* u32: StreamID */
  uint64_t ssid; /* ? u32: SubstreamID; absent: none */
  uint64_t va; /* u64 */
};
#define IOMMUCHECK_USER_PROBE_SSID (1ull << 0)

/* DeviceAdd: a device that was gone is there again, or another in its place */
struct iommucheck_event_device_add {
  struct iommucheck_event head;
  uint64_t device; /* DeviceId */
  uint64_t phase; /* ? Phase: begin: the driver is told; end: it has answered */
  uint64_t status; /* ? Status: of its end: what the driver answered; ok: the device is there */
};
#define IOMMUCHECK_DEVICE_ADD_PHASE (1ull << 0)
#define IOMMUCHECK_DEVICE_ADD_STATUS (1ull << 1)

/* EndpointAts: the driver switched ATS on or off at a device: off, it asks for no translation and has none */
struct iommucheck_event_endpoint_ats {
  struct iommucheck_event head;
  uint64_t device; /* DeviceId */
  uint64_t on; /* bool */
};

/* UserTakesOut: a user unmaps by taking the table out of its own that has all of that, and leaves it as it is */
struct iommucheck_event_user_takes_out {
  struct iommucheck_event head;
  uint64_t parent; /* DomainId */
  uint64_t root; /* u64 */
  uint64_t va; /* u64 */
  uint64_t length; /* u64: bytes */
};

/* Arguments of domain_alloc: make a domain */
struct iommucheck_call_domain_alloc {
  struct iommucheck_arguments head;
  uint64_t kind; /* DomainKind: which */
  uint64_t iommu; /* ? IommuId: for which IOMMU, if there are several */
  uint64_t parent; /* ? DomainId: the master of a dynamic domain, the stage 2 parent of a nested one */
  uint64_t table; /* ? u64: of the user's own route what leads to its table: on SMMUv3 word 0 of its STE */
  uint64_t input_bits; /* ? u32: bits of an IOVA; absent: the driver's choice */
};
#define IOMMUCHECK_CALL_DOMAIN_ALLOC_IOMMU (1ull << 0)
#define IOMMUCHECK_CALL_DOMAIN_ALLOC_PARENT (1ull << 1)
#define IOMMUCHECK_CALL_DOMAIN_ALLOC_TABLE (1ull << 2)
#define IOMMUCHECK_CALL_DOMAIN_ALLOC_INPUT_BITS (1ull << 3)

/* Arguments of domain_free: give a domain back */
struct iommucheck_call_domain_free {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
};

/* Arguments of attach: a device's accesses without PASID use it */
struct iommucheck_call_attach {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t device; /* DeviceId */
};

/* Arguments of detach: the device is blocked again */
struct iommucheck_call_detach {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t device; /* DeviceId */
};

/* Arguments of attach_pasid: the same for one PASID */
struct iommucheck_call_attach_pasid {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t device; /* DeviceId */
  uint64_t pasid; /* u32 */
};

/* Arguments of detach_pasid: the PASID is blocked again */
struct iommucheck_call_detach_pasid {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t device; /* DeviceId */
  uint64_t pasid; /* u32 */
};

/* Arguments of map: map a range */
struct iommucheck_call_map {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t iova; /* u64 */
  uint64_t pa; /* u64 */
  uint64_t size; /* u64: bytes */
  uint64_t rights; /* Rights */
  uint64_t privileged; /* ? bool: true: for privileged accesses only */
  uint64_t device_memory; /* ? bool: true: device memory, not normal write-back */
};
#define IOMMUCHECK_CALL_MAP_PRIVILEGED (1ull << 0)
#define IOMMUCHECK_CALL_MAP_DEVICE_MEMORY (1ull << 1)

/* Arguments of map_sg: map a list of pieces one after the other */
struct iommucheck_call_map_sg {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t iova; /* u64 */
  const struct iommucheck_range* pieces; /* Ranges: physical pieces */
  uint64_t pieces_count;
  uint64_t rights; /* Rights */
  uint64_t privileged; /* ? bool: true: for privileged accesses only */
  uint64_t device_memory; /* ? bool: true: device memory, not normal write-back */
};
#define IOMMUCHECK_CALL_MAP_SG_PRIVILEGED (1ull << 0)
#define IOMMUCHECK_CALL_MAP_SG_DEVICE_MEMORY (1ull << 1)

/* Arguments of unmap: unmap up to the first hole, and synchronise */
struct iommucheck_call_unmap {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t iova; /* u64 */
  uint64_t size; /* u64: bytes */
};

/* Arguments of unmap_fast: unmap and gather, without synchronising */
struct iommucheck_call_unmap_fast {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t iova; /* u64 */
  uint64_t size; /* u64: bytes */
};

/* Arguments of iotlb_sync: complete and empty the gather */
struct iommucheck_call_iotlb_sync {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
};

/* Arguments of flush_iotlb_all: invalidate the whole space */
struct iommucheck_call_flush_iotlb_all {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
};

/* Arguments of tlb_range_add: add a range to the gather */
struct iommucheck_call_tlb_range_add {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t iova; /* u64 */
  uint64_t size; /* u64: bytes */
};

/* Arguments of iova_to_phys: what the table says */
struct iommucheck_call_iova_to_phys {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t iova; /* u64 */
};

/* Arguments of domain_get_attr: ask an attribute */
struct iommucheck_call_domain_get_attr {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t attribute; /* Attribute */
};

/* Arguments of sva_device_init: before any bind */
struct iommucheck_call_sva_device_init {
  struct iommucheck_arguments head;
  uint64_t device; /* DeviceId */
  uint64_t features; /* u32: feature_iopf, feature_private */
  uint64_t min_pasid; /* u32 */
  uint64_t max_pasid; /* u32: 0: no limit of the caller */
  uint64_t mm_exit; /* bool: there is a handler */
};

/* Arguments of sva_device_shutdown: unbind all */
struct iommucheck_call_sva_device_shutdown {
  struct iommucheck_arguments head;
  uint64_t device; /* DeviceId */
};

/* Arguments of bind_device: a process's space at a PASID */
struct iommucheck_call_bind_device {
  struct iommucheck_arguments head;
  uint64_t device; /* DeviceId */
  uint64_t mm; /* MmId */
  uint64_t flags; /* u32: bind_further_pasid */
  uint64_t drvdata; /* u64: the caller's word */
};

/* Arguments of unbind_device: drop one reference */
struct iommucheck_call_unbind_device {
  struct iommucheck_arguments head;
  uint64_t device; /* DeviceId */
  uint64_t pasid; /* u32 */
};

/* Arguments of unbind_dev_all: drop all of a device */
struct iommucheck_call_unbind_dev_all {
  struct iommucheck_arguments head;
  uint64_t device; /* DeviceId */
};

/* Arguments of sva_drvdata: the word given at bind */
struct iommucheck_call_sva_drvdata {
  struct iommucheck_arguments head;
  uint64_t device; /* DeviceId */
  uint64_t pasid; /* u32 */
};

/* Arguments of io_mm_of: the io_mm at a PASID of a device */
struct iommucheck_call_io_mm_of {
  struct iommucheck_arguments head;
  uint64_t device; /* DeviceId */
  uint64_t pasid; /* u32 */
};

/* Arguments of bind_task: a token for either model */
struct iommucheck_call_bind_task {
  struct iommucheck_arguments head;
  uint64_t device; /* DeviceId */
  uint64_t task; /* MmId */
  uint64_t flags; /* u32: task_svm or task_explicit */
  uint64_t drvdata; /* u64 */
};

/* Arguments of unbind_task: give a token back */
struct iommucheck_call_unbind_task {
  struct iommucheck_arguments head;
  uint64_t device; /* DeviceId */
  uint64_t token; /* TokenId */
};

/* Arguments of task_map: map in a token's table */
struct iommucheck_call_task_map {
  struct iommucheck_arguments head;
  uint64_t token; /* TokenId */
  uint64_t iova; /* u64 */
  uint64_t pa; /* u64 */
  uint64_t size; /* u64: bytes */
  uint64_t rights; /* Rights */
};

/* Arguments of task_unmap: unmap in a token's table */
struct iommucheck_call_task_unmap {
  struct iommucheck_arguments head;
  uint64_t token; /* TokenId */
  uint64_t iova; /* u64 */
  uint64_t size; /* u64: bytes */
};

/* Arguments of task_get_attr: ask an attribute */
struct iommucheck_call_task_get_attr {
  struct iommucheck_arguments head;
  uint64_t token; /* TokenId */
  uint64_t attribute; /* Attribute */
};

/* Arguments of sva_alloc_pasid: a private io_mm */
struct iommucheck_call_sva_alloc_pasid {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t device; /* DeviceId */
};

/* Arguments of sva_free_pasid: give it back */
struct iommucheck_call_sva_free_pasid {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t io_mm; /* IoMmId */
};

/* Arguments of io_mm_get_pasid: its PASID */
struct iommucheck_call_io_mm_get_pasid {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
};

/* Arguments of io_mm_get_attr: ask an attribute */
struct iommucheck_call_io_mm_get_attr {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
  uint64_t attribute; /* Attribute */
};

/* Arguments of sva_map: as map */
struct iommucheck_call_sva_map {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
  uint64_t iova; /* u64 */
  uint64_t pa; /* u64 */
  uint64_t size; /* u64: bytes */
  uint64_t rights; /* Rights */
  uint64_t privileged; /* ? bool: true: for privileged accesses only */
  uint64_t device_memory; /* ? bool: true: device memory, not normal write-back */
};
#define IOMMUCHECK_CALL_SVA_MAP_PRIVILEGED (1ull << 0)
#define IOMMUCHECK_CALL_SVA_MAP_DEVICE_MEMORY (1ull << 1)

/* Arguments of sva_map_sg: as map_sg */
struct iommucheck_call_sva_map_sg {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
  uint64_t iova; /* u64 */
  const struct iommucheck_range* pieces; /* Ranges: physical pieces */
  uint64_t pieces_count;
  uint64_t rights; /* Rights */
  uint64_t privileged; /* ? bool: true: for privileged accesses only */
  uint64_t device_memory; /* ? bool: true: device memory, not normal write-back */
};
#define IOMMUCHECK_CALL_SVA_MAP_SG_PRIVILEGED (1ull << 0)
#define IOMMUCHECK_CALL_SVA_MAP_SG_DEVICE_MEMORY (1ull << 1)

/* Arguments of sva_unmap: as unmap */
struct iommucheck_call_sva_unmap {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
  uint64_t iova; /* u64 */
  uint64_t size; /* u64: bytes */
};

/* Arguments of sva_unmap_fast: as unmap_fast */
struct iommucheck_call_sva_unmap_fast {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
  uint64_t iova; /* u64 */
  uint64_t size; /* u64: bytes */
};

/* Arguments of sva_iotlb_sync: as iotlb_sync */
struct iommucheck_call_sva_iotlb_sync {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
};

/* Arguments of sva_flush_tlb_all: as flush_iotlb_all */
struct iommucheck_call_sva_flush_tlb_all {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
};

/* Arguments of sva_tlb_range_add: as tlb_range_add */
struct iommucheck_call_sva_tlb_range_add {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
  uint64_t iova; /* u64 */
  uint64_t size; /* u64: bytes */
};

/* Arguments of sva_iova_to_phys: as iova_to_phys */
struct iommucheck_call_sva_iova_to_phys {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
  uint64_t iova; /* u64 */
};

/* Arguments of sva_attach: a further device reaches it */
struct iommucheck_call_sva_attach {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
  uint64_t device; /* DeviceId */
};

/* Arguments of sva_detach: it no longer does */
struct iommucheck_call_sva_detach {
  struct iommucheck_arguments head;
  uint64_t io_mm; /* IoMmId */
  uint64_t device; /* DeviceId */
};

/* Arguments of pasid_alloc: a free number of [min, max] */
struct iommucheck_call_pasid_alloc {
  struct iommucheck_arguments head;
  uint64_t min; /* u32 */
  uint64_t max; /* u32 */
};

/* Arguments of pasid_free: give a number back */
struct iommucheck_call_pasid_free {
  struct iommucheck_arguments head;
  uint64_t pasid; /* u32 */
};

/* Arguments of fault_queue_open: faults go to a user */
struct iommucheck_call_fault_queue_open {
  struct iommucheck_arguments head;
  uint64_t device; /* ? DeviceId: of a device's processes; or */
  uint64_t domain; /* ? DomainId: of a user's domain */
  uint64_t depth; /* u32: in groups */
};
#define IOMMUCHECK_CALL_FAULT_QUEUE_OPEN_DEVICE (1ull << 0)
#define IOMMUCHECK_CALL_FAULT_QUEUE_OPEN_DOMAIN (1ull << 1)

/* Arguments of fault_queue_read: the oldest unread group */
struct iommucheck_call_fault_queue_read {
  struct iommucheck_arguments head;
  uint64_t queue; /* QueueId */
};

/* Arguments of fault_queue_respond: answer a group */
struct iommucheck_call_fault_queue_respond {
  struct iommucheck_arguments head;
  uint64_t queue; /* QueueId */
  uint64_t device; /* DeviceId */
  uint64_t pasid; /* Substream */
  uint64_t fault_group; /* u32 */
  uint64_t response; /* FaultResponse */
};

/* Arguments of fault_queue_close: end it and its faults */
struct iommucheck_call_fault_queue_close {
  struct iommucheck_arguments head;
  uint64_t queue; /* QueueId */
};

/* Arguments of fault_handler_set: faults of a device's space go to a handler of the caller */
struct iommucheck_call_fault_handler_set {
  struct iommucheck_arguments head;
  uint64_t device; /* DeviceId */
  uint64_t pasid; /* Substream */
  uint64_t present; /* bool: false: there is none any more */
  uint64_t drvdata; /* u64: the caller's word, which its handler is given */
};

/* Arguments of event_queue_open: faults of a user's domain that no one can answer */
struct iommucheck_call_event_queue_open {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId: the parent */
  uint64_t depth; /* u32: in events */
};

/* Arguments of event_read: the oldest of them */
struct iommucheck_call_event_read {
  struct iommucheck_arguments head;
  uint64_t queue; /* QueueId */
};

/* Arguments of cache_invalidate: the user's invalidation commands */
struct iommucheck_call_cache_invalidate {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  const struct iommucheck_command_words* commands; /* Commands: as the user wrote them */
  uint64_t commands_count;
};

/* Arguments of dirty_set: on or off */
struct iommucheck_call_dirty_set {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t on; /* bool */
};

/* Arguments of dirty_read: read a window */
struct iommucheck_call_dirty_read {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId */
  uint64_t iova; /* u64 */
  uint64_t size; /* u64: bytes */
  uint64_t grain; /* u64: bytes a bit */
  uint64_t clear; /* bool: and forget what was read */
};

/* Arguments of recover: after a stuck queue */
struct iommucheck_call_recover {
  struct iommucheck_arguments head;
  uint64_t iommu; /* ? IommuId: which, if there are several */
};
#define IOMMUCHECK_CALL_RECOVER_IOMMU (1ull << 0)

/* Arguments of vdevice: how the user of a stage 2 domain calls a device */
struct iommucheck_call_vdevice {
  struct iommucheck_arguments head;
  uint64_t domain; /* DomainId: the parent */
  uint64_t device; /* DeviceId */
  uint64_t number; /* u64: the StreamID of the user's commands and events */
};

#endif /* IOMMUCHECK_MONITOR_EVENTS_H */
