/* SPDX-License-Identifier: MIT
 *
 * The functions of iommucheck/monitor_events.h.
 * Made from trace/events.def, base/calls.def and trace/enums.def; after a change of these:
 * IOMMUCHECK_UPDATE_DOCS=1 test_base_trace --gtest_filter='*Document*'
 */
/* clang-format off */
#include "iommucheck/monitor.h"

/* Every member has 8 bytes, so that no compiler has to pad. */
#define MEMBERS(type, n) \
  typedef char type##_members[sizeof(struct type) == 32 + 8 * (n) ? 1 : -1]

MEMBERS(iommucheck_event_store, 7);
int iommucheck_report_store(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t size, uint64_t value, uint64_t value_high,
    uint64_t word, uint64_t pc, uint64_t swept) {
  struct iommucheck_event_store event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_STORE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.size = size;
  event.value = value;
  event.value_high = value_high;
  event.word = word;
  event.pc = pc;
  event.swept = swept;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_fill, 4);
int iommucheck_report_fill(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t words, uint64_t value, uint64_t pc) {
  struct iommucheck_event_fill event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_FILL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.words = words;
  event.value = value;
  event.pc = pc;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_load, 4);
int iommucheck_report_load(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t size, uint64_t value, uint64_t ordered) {
  struct iommucheck_event_load event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_LOAD;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.size = size;
  event.value = value;
  event.ordered = ordered;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_rmw, 6);
int iommucheck_report_rmw(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t size, uint64_t old_value, uint64_t value,
    uint64_t ordered, uint64_t pc) {
  struct iommucheck_event_rmw event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_RMW;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.size = size;
  event.old_value = old_value;
  event.value = value;
  event.ordered = ordered;
  event.pc = pc;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_barrier, 2);
int iommucheck_report_barrier(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t kind, uint64_t completes) {
  struct iommucheck_event_barrier event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_BARRIER;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.kind = kind;
  event.completes = completes;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_cache_clean, 2);
int iommucheck_report_cache_clean(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t length) {
  struct iommucheck_event_cache_clean event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CACHE_CLEAN;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.length = length;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_cache_invalidate, 2);
int iommucheck_report_cache_invalidate(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t length) {
  struct iommucheck_event_cache_invalidate event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CACHE_INVALIDATE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.length = length;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_alloc, 4);
int iommucheck_report_alloc(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t length, uint64_t cacheable, uint64_t zeroed) {
  struct iommucheck_event_alloc event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_ALLOC;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.length = length;
  event.cacheable = cacheable;
  event.zeroed = zeroed;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_free, 2);
int iommucheck_report_free(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t length) {
  struct iommucheck_event_free event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_FREE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.length = length;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_page_release, 2);
int iommucheck_report_page_release(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t length) {
  struct iommucheck_event_page_release event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_PAGE_RELEASE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.length = length;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_handoff, 2);
int iommucheck_report_handoff(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t from, uint64_t to) {
  struct iommucheck_event_handoff event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_HANDOFF;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.from = from;
  event.to = to;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_mmio_write, 6);
int iommucheck_report_mmio_write(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t offset, uint64_t size, uint64_t value, uint64_t ordered,
    uint64_t iommu, uint64_t pc) {
  struct iommucheck_event_mmio_write event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_MMIO_WRITE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.offset = offset;
  event.size = size;
  event.value = value;
  event.ordered = ordered;
  event.iommu = iommu;
  event.pc = pc;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_mmio_read, 6);
int iommucheck_report_mmio_read(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t offset, uint64_t size, uint64_t value, uint64_t ordered,
    uint64_t iommu, uint64_t pc) {
  struct iommucheck_event_mmio_read event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_MMIO_READ;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.offset = offset;
  event.size = size;
  event.value = value;
  event.ordered = ordered;
  event.iommu = iommu;
  event.pc = pc;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_irq, 1);
int iommucheck_report_irq(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t kind) {
  struct iommucheck_event_irq event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_IRQ;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.kind = kind;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_dma_begin, 8);
int iommucheck_report_dma_begin(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t dma, uint64_t sid, uint64_t ssid, uint64_t iova, uint64_t direction,
    uint64_t privileged, uint64_t length, uint64_t kind) {
  struct iommucheck_event_dma_begin event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_DMA_BEGIN;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.dma = dma;
  event.sid = sid;
  event.ssid = ssid;
  event.iova = iova;
  event.direction = direction;
  event.privileged = privileged;
  event.length = length;
  event.kind = kind;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_dma_end, 7);
int iommucheck_report_dma_end(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t dma, uint64_t result, uint64_t pa, uint64_t rights,
    uint64_t attributes, uint64_t shareability, uint64_t stag) {
  struct iommucheck_event_dma_end event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_DMA_END;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.dma = dma;
  event.result = result;
  event.pa = pa;
  event.rights = rights;
  event.attributes = attributes;
  event.shareability = shareability;
  event.stag = stag;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_dma, 13);
int iommucheck_report_dma(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t sid, uint64_t ssid, uint64_t iova, uint64_t direction,
    uint64_t privileged, uint64_t length, uint64_t kind, uint64_t result, uint64_t pa,
    uint64_t rights, uint64_t attributes, uint64_t shareability, uint64_t stag) {
  struct iommucheck_event_dma event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_DMA;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.sid = sid;
  event.ssid = ssid;
  event.iova = iova;
  event.direction = direction;
  event.privileged = privileged;
  event.length = length;
  event.kind = kind;
  event.result = result;
  event.pa = pa;
  event.rights = rights;
  event.attributes = attributes;
  event.shareability = shareability;
  event.stag = stag;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_ats_request, 12);
int iommucheck_report_ats_request(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t sid, uint64_t ssid, uint64_t iova, uint64_t no_write,
    uint64_t execute, uint64_t privileged, uint64_t result, uint64_t pa, uint64_t length,
    uint64_t rights, uint64_t untranslated_only, uint64_t global) {
  struct iommucheck_event_ats_request event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_ATS_REQUEST;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.sid = sid;
  event.ssid = ssid;
  event.iova = iova;
  event.no_write = no_write;
  event.execute = execute;
  event.privileged = privileged;
  event.result = result;
  event.pa = pa;
  event.length = length;
  event.rights = rights;
  event.untranslated_only = untranslated_only;
  event.global = global;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_page_request, 7);
int iommucheck_report_page_request(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t sid, uint64_t ssid, uint64_t iova, uint64_t rights,
    uint64_t privileged, uint64_t page_group, uint64_t last) {
  struct iommucheck_event_page_request event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_PAGE_REQUEST;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.sid = sid;
  event.ssid = ssid;
  event.iova = iova;
  event.rights = rights;
  event.privileged = privileged;
  event.page_group = page_group;
  event.last = last;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_atc_invalidated, 4);
int iommucheck_report_atc_invalidated(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t sid, uint64_t ssid, uint64_t iova, uint64_t length) {
  struct iommucheck_event_atc_invalidated event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_ATC_INVALIDATED;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.sid = sid;
  event.ssid = ssid;
  event.iova = iova;
  event.length = length;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_command_consumed, 3);
int iommucheck_report_command_consumed(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t slot, uint64_t command_low, uint64_t command_high) {
  struct iommucheck_event_command_consumed event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_COMMAND_CONSUMED;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.slot = slot;
  event.command_low = command_low;
  event.command_high = command_high;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_event_recorded, 2);
int iommucheck_report_event_recorded(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t slot, const uint64_t* record) {
  struct iommucheck_event_event_recorded event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_EVENT_RECORDED;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.slot = slot;
  event.record = record;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_page_request_queued, 2);
int iommucheck_report_page_request_queued(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t slot, const uint64_t* record) {
  struct iommucheck_event_page_request_queued event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_PAGE_REQUEST_QUEUED;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.slot = slot;
  event.record = record;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_device_store, 5);
int iommucheck_report_device_store(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t size, uint64_t value, uint64_t value_high,
    uint64_t cause) {
  struct iommucheck_event_device_store event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_DEVICE_STORE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.size = size;
  event.value = value;
  event.value_high = value_high;
  event.cause = cause;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_structure_fetch, 4);
int iommucheck_report_structure_fetch(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t pa, uint64_t size, uint64_t value, uint64_t kind) {
  struct iommucheck_event_structure_fetch event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_STRUCTURE_FETCH;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.pa = pa;
  event.size = size;
  event.value = value;
  event.kind = kind;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_return, 6);
int iommucheck_report_return(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t status, uint64_t value, const uint64_t* words,
    uint64_t words_count, uint64_t error) {
  struct iommucheck_event_return event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_RETURN;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.status = status;
  event.value = value;
  event.words = words;
  event.words_count = words_count;
  event.error = error;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_callback, 5);
int iommucheck_report_callback(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t kind, uint64_t device, uint64_t pasid, uint64_t drvdata,
    uint64_t fault_group) {
  struct iommucheck_event_callback event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALLBACK;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.kind = kind;
  event.device = device;
  event.pasid = pasid;
  event.drvdata = drvdata;
  event.fault_group = fault_group;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_done, 3);
int iommucheck_report_done(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t device, uint64_t pasid, uint64_t status) {
  struct iommucheck_event_done event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_DONE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.device = device;
  event.pasid = pasid;
  event.status = status;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_process_map, 5);
int iommucheck_report_process_map(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t mm, uint64_t va, uint64_t length, uint64_t pa, uint64_t rights) {
  struct iommucheck_event_process_map event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_PROCESS_MAP;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.mm = mm;
  event.va = va;
  event.length = length;
  event.pa = pa;
  event.rights = rights;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_process_unmap, 3);
int iommucheck_report_process_unmap(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t mm, uint64_t va, uint64_t length) {
  struct iommucheck_event_process_unmap event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_PROCESS_UNMAP;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.mm = mm;
  event.va = va;
  event.length = length;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_process_protect, 4);
int iommucheck_report_process_protect(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t mm, uint64_t va, uint64_t length, uint64_t rights) {
  struct iommucheck_event_process_protect event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_PROCESS_PROTECT;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.mm = mm;
  event.va = va;
  event.length = length;
  event.rights = rights;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_cpu_fault, 4);
int iommucheck_report_cpu_fault(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t mm, uint64_t va, uint64_t direction, uint64_t repaired) {
  struct iommucheck_event_cpu_fault event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CPU_FAULT;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.mm = mm;
  event.va = va;
  event.direction = direction;
  event.repaired = repaired;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_fork, 2);
int iommucheck_report_fork(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t mm, uint64_t child) {
  struct iommucheck_event_fork event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_FORK;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.mm = mm;
  event.child = child;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_exec, 2);
int iommucheck_report_exec(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t mm, uint64_t replacement) {
  struct iommucheck_event_exec event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_EXEC;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.mm = mm;
  event.replacement = replacement;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_exit, 1);
int iommucheck_report_exit(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t mm) {
  struct iommucheck_event_exit event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_EXIT;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.mm = mm;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_invalidate, 5);
int iommucheck_report_invalidate(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t mm, uint64_t va, uint64_t length, uint64_t phase,
    uint64_t timed_out) {
  struct iommucheck_event_invalidate event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_INVALIDATE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.mm = mm;
  event.va = va;
  event.length = length;
  event.phase = phase;
  event.timed_out = timed_out;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_release, 3);
int iommucheck_report_release(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t mm, uint64_t phase, uint64_t timed_out) {
  struct iommucheck_event_release event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_RELEASE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.mm = mm;
  event.phase = phase;
  event.timed_out = timed_out;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_broadcast_tlbi, 5);
int iommucheck_report_broadcast_tlbi(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t scope, uint64_t asid, uint64_t vmid, uint64_t va, uint64_t length) {
  struct iommucheck_event_broadcast_tlbi event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_BROADCAST_TLBI;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.scope = scope;
  event.asid = asid;
  event.vmid = vmid;
  event.va = va;
  event.length = length;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_allocation_failure, 1);
int iommucheck_report_allocation_failure(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t nth) {
  struct iommucheck_event_allocation_failure event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_ALLOCATION_FAILURE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.nth = nth;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_stuck_queue, 1);
int iommucheck_report_stuck_queue(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t stuck) {
  struct iommucheck_event_stuck_queue event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_STUCK_QUEUE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.stuck = stuck;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_choice, 2);
int iommucheck_report_choice(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, const char* site, const char* picked) {
  struct iommucheck_event_choice event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CHOICE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.site = site;
  event.picked = picked;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_device_remove, 3);
int iommucheck_report_device_remove(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t device, uint64_t phase, uint64_t timed_out) {
  struct iommucheck_event_device_remove event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_DEVICE_REMOVE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.device = device;
  event.phase = phase;
  event.timed_out = timed_out;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_bound_passes, 2);
int iommucheck_report_bound_passes(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t device, uint64_t pasid) {
  struct iommucheck_event_bound_passes event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_BOUND_PASSES;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.device = device;
  event.pasid = pasid;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_walker_load, 4);
int iommucheck_report_walker_load(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t device, uint64_t pa, uint64_t size, uint64_t value) {
  struct iommucheck_event_walker_load event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_WALKER_LOAD;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.device = device;
  event.pa = pa;
  event.size = size;
  event.value = value;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_walker_switch, 2);
int iommucheck_report_walker_switch(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t device, uint64_t root) {
  struct iommucheck_event_walker_switch event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_WALKER_SWITCH;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.device = device;
  event.root = root;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_walker_flush, 2);
int iommucheck_report_walker_flush(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t device, uint64_t root) {
  struct iommucheck_event_walker_flush event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_WALKER_FLUSH;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.device = device;
  event.root = root;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_reach, 5);
int iommucheck_report_reach(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t kind, uint64_t pa, uint64_t length,
    const struct iommucheck_word_at* words, uint64_t words_count) {
  struct iommucheck_event_reach event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_REACH;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.kind = kind;
  event.pa = pa;
  event.length = length;
  event.words = words;
  event.words_count = words_count;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_unreach, 3);
int iommucheck_report_unreach(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t kind, uint64_t pa, uint64_t length) {
  struct iommucheck_event_unreach event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_UNREACH;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.kind = kind;
  event.pa = pa;
  event.length = length;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_note, 4);
int iommucheck_report_note(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t kind, const char* text, uint64_t pa, uint64_t value) {
  struct iommucheck_event_note event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_NOTE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.kind = kind;
  event.text = text;
  event.pa = pa;
  event.value = value;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_driver_phase, 1);
int iommucheck_report_driver_phase(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t phase) {
  struct iommucheck_event_driver_phase event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_DRIVER_PHASE;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.phase = phase;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_wait, 3);
int iommucheck_report_call_wait(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t mm, uint64_t phase) {
  struct iommucheck_event_call_wait event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL_WAIT;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.mm = mm;
  event.phase = phase;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_held, 4);
int iommucheck_report_held(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t domains, uint64_t io_mms, uint64_t pasids, uint64_t bonds) {
  struct iommucheck_event_held event;
  if (known & IOMMUCHECK_KNOWN_ORIGIN) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_HELD;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.domains = domains;
  event.io_mms = io_mms;
  event.pasids = pasids;
  event.bonds = bonds;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_domain_alloc, 9);
int iommucheck_report_call_domain_alloc(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t kind, uint64_t iommu, uint64_t parent, uint64_t table,
    uint64_t input_bits) {
  struct iommucheck_event_call_domain_alloc event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_DOMAIN_ALLOC;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.kind = kind;
  event.iommu = iommu;
  event.parent = parent;
  event.table = table;
  event.input_bits = input_bits;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_domain_free, 5);
int iommucheck_report_call_domain_free(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain) {
  struct iommucheck_event_call_domain_free event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_DOMAIN_FREE;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_attach, 6);
int iommucheck_report_call_attach(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t device) {
  struct iommucheck_event_call_attach event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_ATTACH;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.device = device;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_detach, 6);
int iommucheck_report_call_detach(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t device) {
  struct iommucheck_event_call_detach event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_DETACH;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.device = device;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_attach_pasid, 7);
int iommucheck_report_call_attach_pasid(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t device, uint64_t pasid) {
  struct iommucheck_event_call_attach_pasid event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_ATTACH_PASID;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.device = device;
  event.pasid = pasid;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_detach_pasid, 7);
int iommucheck_report_call_detach_pasid(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t device, uint64_t pasid) {
  struct iommucheck_event_call_detach_pasid event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_DETACH_PASID;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.device = device;
  event.pasid = pasid;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_map, 11);
int iommucheck_report_call_map(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t iova, uint64_t pa, uint64_t size,
    uint64_t rights, uint64_t privileged, uint64_t device_memory) {
  struct iommucheck_event_call_map event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_MAP;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.iova = iova;
  event.pa = pa;
  event.size = size;
  event.rights = rights;
  event.privileged = privileged;
  event.device_memory = device_memory;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_map_sg, 11);
int iommucheck_report_call_map_sg(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t iova,
    const struct iommucheck_range* pieces, uint64_t pieces_count, uint64_t rights,
    uint64_t privileged, uint64_t device_memory) {
  struct iommucheck_event_call_map_sg event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_MAP_SG;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.iova = iova;
  event.pieces = pieces;
  event.pieces_count = pieces_count;
  event.rights = rights;
  event.privileged = privileged;
  event.device_memory = device_memory;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_unmap, 7);
int iommucheck_report_call_unmap(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t iova, uint64_t size) {
  struct iommucheck_event_call_unmap event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_UNMAP;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.iova = iova;
  event.size = size;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_unmap_fast, 7);
int iommucheck_report_call_unmap_fast(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t iova, uint64_t size) {
  struct iommucheck_event_call_unmap_fast event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_UNMAP_FAST;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.iova = iova;
  event.size = size;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_iotlb_sync, 5);
int iommucheck_report_call_iotlb_sync(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain) {
  struct iommucheck_event_call_iotlb_sync event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_IOTLB_SYNC;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_flush_iotlb_all, 5);
int iommucheck_report_call_flush_iotlb_all(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain) {
  struct iommucheck_event_call_flush_iotlb_all event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_FLUSH_IOTLB_ALL;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_tlb_range_add, 7);
int iommucheck_report_call_tlb_range_add(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t iova, uint64_t size) {
  struct iommucheck_event_call_tlb_range_add event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_TLB_RANGE_ADD;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.iova = iova;
  event.size = size;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_iova_to_phys, 6);
int iommucheck_report_call_iova_to_phys(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t iova) {
  struct iommucheck_event_call_iova_to_phys event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_IOVA_TO_PHYS;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.iova = iova;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_domain_get_attr, 6);
int iommucheck_report_call_domain_get_attr(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t attribute) {
  struct iommucheck_event_call_domain_get_attr event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_DOMAIN_GET_ATTR;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.attribute = attribute;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_device_init, 9);
int iommucheck_report_call_sva_device_init(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device, uint64_t features, uint64_t min_pasid,
    uint64_t max_pasid, uint64_t mm_exit) {
  struct iommucheck_event_call_sva_device_init event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_DEVICE_INIT;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  event.features = features;
  event.min_pasid = min_pasid;
  event.max_pasid = max_pasid;
  event.mm_exit = mm_exit;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_device_shutdown, 5);
int iommucheck_report_call_sva_device_shutdown(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device) {
  struct iommucheck_event_call_sva_device_shutdown event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_DEVICE_SHUTDOWN;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_bind_device, 8);
int iommucheck_report_call_bind_device(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device, uint64_t mm, uint64_t flags, uint64_t drvdata) {
  struct iommucheck_event_call_bind_device event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_BIND_DEVICE;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  event.mm = mm;
  event.flags = flags;
  event.drvdata = drvdata;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_unbind_device, 6);
int iommucheck_report_call_unbind_device(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device, uint64_t pasid) {
  struct iommucheck_event_call_unbind_device event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_UNBIND_DEVICE;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  event.pasid = pasid;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_unbind_dev_all, 5);
int iommucheck_report_call_unbind_dev_all(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device) {
  struct iommucheck_event_call_unbind_dev_all event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_UNBIND_DEV_ALL;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_drvdata, 6);
int iommucheck_report_call_sva_drvdata(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device, uint64_t pasid) {
  struct iommucheck_event_call_sva_drvdata event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_DRVDATA;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  event.pasid = pasid;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_io_mm_of, 6);
int iommucheck_report_call_io_mm_of(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device, uint64_t pasid) {
  struct iommucheck_event_call_io_mm_of event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_IO_MM_OF;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  event.pasid = pasid;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_bind_task, 8);
int iommucheck_report_call_bind_task(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device, uint64_t task, uint64_t flags,
    uint64_t drvdata) {
  struct iommucheck_event_call_bind_task event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_BIND_TASK;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  event.task = task;
  event.flags = flags;
  event.drvdata = drvdata;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_unbind_task, 6);
int iommucheck_report_call_unbind_task(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device, uint64_t token) {
  struct iommucheck_event_call_unbind_task event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_UNBIND_TASK;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  event.token = token;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_task_map, 9);
int iommucheck_report_call_task_map(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t token, uint64_t iova, uint64_t pa, uint64_t size,
    uint64_t rights) {
  struct iommucheck_event_call_task_map event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_TASK_MAP;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.token = token;
  event.iova = iova;
  event.pa = pa;
  event.size = size;
  event.rights = rights;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_task_unmap, 7);
int iommucheck_report_call_task_unmap(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t token, uint64_t iova, uint64_t size) {
  struct iommucheck_event_call_task_unmap event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_TASK_UNMAP;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.token = token;
  event.iova = iova;
  event.size = size;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_task_get_attr, 6);
int iommucheck_report_call_task_get_attr(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t token, uint64_t attribute) {
  struct iommucheck_event_call_task_get_attr event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_TASK_GET_ATTR;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.token = token;
  event.attribute = attribute;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_alloc_pasid, 6);
int iommucheck_report_call_sva_alloc_pasid(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t device) {
  struct iommucheck_event_call_sva_alloc_pasid event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_ALLOC_PASID;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.device = device;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_free_pasid, 6);
int iommucheck_report_call_sva_free_pasid(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t io_mm) {
  struct iommucheck_event_call_sva_free_pasid event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_FREE_PASID;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.io_mm = io_mm;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_io_mm_get_pasid, 5);
int iommucheck_report_call_io_mm_get_pasid(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm) {
  struct iommucheck_event_call_io_mm_get_pasid event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_IO_MM_GET_PASID;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_io_mm_get_attr, 6);
int iommucheck_report_call_io_mm_get_attr(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm, uint64_t attribute) {
  struct iommucheck_event_call_io_mm_get_attr event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_IO_MM_GET_ATTR;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  event.attribute = attribute;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_map, 11);
int iommucheck_report_call_sva_map(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm, uint64_t iova, uint64_t pa, uint64_t size,
    uint64_t rights, uint64_t privileged, uint64_t device_memory) {
  struct iommucheck_event_call_sva_map event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_MAP;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  event.iova = iova;
  event.pa = pa;
  event.size = size;
  event.rights = rights;
  event.privileged = privileged;
  event.device_memory = device_memory;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_map_sg, 11);
int iommucheck_report_call_sva_map_sg(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm, uint64_t iova,
    const struct iommucheck_range* pieces, uint64_t pieces_count, uint64_t rights,
    uint64_t privileged, uint64_t device_memory) {
  struct iommucheck_event_call_sva_map_sg event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_MAP_SG;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  event.iova = iova;
  event.pieces = pieces;
  event.pieces_count = pieces_count;
  event.rights = rights;
  event.privileged = privileged;
  event.device_memory = device_memory;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_unmap, 7);
int iommucheck_report_call_sva_unmap(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm, uint64_t iova, uint64_t size) {
  struct iommucheck_event_call_sva_unmap event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_UNMAP;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  event.iova = iova;
  event.size = size;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_unmap_fast, 7);
int iommucheck_report_call_sva_unmap_fast(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm, uint64_t iova, uint64_t size) {
  struct iommucheck_event_call_sva_unmap_fast event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_UNMAP_FAST;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  event.iova = iova;
  event.size = size;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_iotlb_sync, 5);
int iommucheck_report_call_sva_iotlb_sync(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm) {
  struct iommucheck_event_call_sva_iotlb_sync event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_IOTLB_SYNC;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_flush_tlb_all, 5);
int iommucheck_report_call_sva_flush_tlb_all(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm) {
  struct iommucheck_event_call_sva_flush_tlb_all event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_FLUSH_TLB_ALL;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_tlb_range_add, 7);
int iommucheck_report_call_sva_tlb_range_add(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm, uint64_t iova, uint64_t size) {
  struct iommucheck_event_call_sva_tlb_range_add event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_TLB_RANGE_ADD;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  event.iova = iova;
  event.size = size;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_iova_to_phys, 6);
int iommucheck_report_call_sva_iova_to_phys(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm, uint64_t iova) {
  struct iommucheck_event_call_sva_iova_to_phys event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_IOVA_TO_PHYS;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  event.iova = iova;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_attach, 6);
int iommucheck_report_call_sva_attach(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm, uint64_t device) {
  struct iommucheck_event_call_sva_attach event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_ATTACH;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  event.device = device;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_sva_detach, 6);
int iommucheck_report_call_sva_detach(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t io_mm, uint64_t device) {
  struct iommucheck_event_call_sva_detach event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_SVA_DETACH;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.io_mm = io_mm;
  event.device = device;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_pasid_alloc, 6);
int iommucheck_report_call_pasid_alloc(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t min, uint64_t max) {
  struct iommucheck_event_call_pasid_alloc event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_PASID_ALLOC;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.min = min;
  event.max = max;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_pasid_free, 5);
int iommucheck_report_call_pasid_free(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t pasid) {
  struct iommucheck_event_call_pasid_free event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_PASID_FREE;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.pasid = pasid;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_fault_queue_open, 7);
int iommucheck_report_call_fault_queue_open(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device, uint64_t domain, uint64_t depth) {
  struct iommucheck_event_call_fault_queue_open event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_FAULT_QUEUE_OPEN;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  event.domain = domain;
  event.depth = depth;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_fault_queue_read, 5);
int iommucheck_report_call_fault_queue_read(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t queue) {
  struct iommucheck_event_call_fault_queue_read event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_FAULT_QUEUE_READ;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.queue = queue;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_fault_queue_respond, 9);
int iommucheck_report_call_fault_queue_respond(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t queue, uint64_t device, uint64_t pasid,
    uint64_t fault_group, uint64_t response) {
  struct iommucheck_event_call_fault_queue_respond event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_FAULT_QUEUE_RESPOND;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.queue = queue;
  event.device = device;
  event.pasid = pasid;
  event.fault_group = fault_group;
  event.response = response;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_fault_queue_close, 5);
int iommucheck_report_call_fault_queue_close(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t queue) {
  struct iommucheck_event_call_fault_queue_close event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_FAULT_QUEUE_CLOSE;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.queue = queue;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_fault_handler_set, 7);
int iommucheck_report_call_fault_handler_set(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t device, uint64_t pasid, uint64_t present) {
  struct iommucheck_event_call_fault_handler_set event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_FAULT_HANDLER_SET;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.device = device;
  event.pasid = pasid;
  event.present = present;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_event_queue_open, 5);
int iommucheck_report_call_event_queue_open(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain) {
  struct iommucheck_event_call_event_queue_open event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_EVENT_QUEUE_OPEN;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_event_read, 5);
int iommucheck_report_call_event_read(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t queue) {
  struct iommucheck_event_call_event_read event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_EVENT_READ;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.queue = queue;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_cache_invalidate, 7);
int iommucheck_report_call_cache_invalidate(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain,
    const struct iommucheck_command_words* commands, uint64_t commands_count) {
  struct iommucheck_event_call_cache_invalidate event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_CACHE_INVALIDATE;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.commands = commands;
  event.commands_count = commands_count;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_dirty_set, 6);
int iommucheck_report_call_dirty_set(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t on) {
  struct iommucheck_event_call_dirty_set event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_DIRTY_SET;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.on = on;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_dirty_read, 9);
int iommucheck_report_call_dirty_read(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t domain, uint64_t iova, uint64_t size, uint64_t grain,
    uint64_t clear) {
  struct iommucheck_event_call_dirty_read event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_DIRTY_READ;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.domain = domain;
  event.iova = iova;
  event.size = size;
  event.grain = grain;
  event.clear = clear;
  return iommucheck_monitor_report(monitor, &event.head);
}

MEMBERS(iommucheck_event_call_recover, 5);
int iommucheck_report_call_recover(struct iommucheck_monitor* monitor, uint32_t agent,
    uint64_t known, uint64_t id, uint64_t iommu) {
  struct iommucheck_event_call_recover event;
  if (known & (IOMMUCHECK_KNOWN_ORIGIN | 3u)) return iommucheck_monitor_report(monitor, 0);
  event.head.size = (uint32_t)sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_CALL;
  event.head.agent = agent;
  event.head.known = known;
  event.head.origin = 0;
  event.id = id;
  event.call = IOMMUCHECK_CALL_RECOVER;
  event.handler_device = 0;
  event.handler_pasid = 0;
  event.iommu = iommu;
  return iommucheck_monitor_report(monitor, &event.head);
}
