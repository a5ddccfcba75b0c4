/* SPDX-License-Identifier: MIT
 *
 * iommucheck/monitor_report.h - every event as a function, for those who like arguments
 * better than structs. They are no part of the library: each fills the struct of its event and
 * gives it to iommucheck_monitor_report, whose answer it returns. A bit of `known` says which of
 * the arguments are facts. Languages that import C functions (DPI of SystemVerilog) need them
 * compiled once:
 *     #define IOMMUCHECK_REPORT
 *     #include <iommucheck/monitor_report.h>
 * Made from trace/events.def, base/calls.def and trace/enums.def; after a change of these:
 * ./dev generate
 */
/* clang-format off */
#ifndef IOMMUCHECK_MONITOR_REPORT_H
#define IOMMUCHECK_MONITOR_REPORT_H

#include "iommucheck/monitor.h"

#ifndef IOMMUCHECK_REPORT
#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L)
#define IOMMUCHECK_REPORT static inline
#else
#error "iommucheck/monitor_report.h needs C99 or C++"
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* They have no `origin`: a size that no event has makes that an error. */
static inline void iommucheck_report_head(struct iommucheck_event* head, uint64_t size,
                                          uint32_t kind, uint32_t agent, uint64_t known) {
  head->size = known & IOMMUCHECK_KNOWN_ORIGIN ? 0 : (uint32_t)size;
  head->abi = IOMMUCHECK_MONITOR_ABI;
  head->kind = kind;
  head->agent = agent;
  head->known = known;
  head->origin = 0;
}
static inline int iommucheck_report_call(struct iommucheck_monitor* monitor, uint32_t agent,
                                         uint64_t id, uint64_t call,
                                         struct iommucheck_arguments* arguments, uint64_t size,
                                         uint64_t known) {
  struct iommucheck_event_call it = {{0, 0, 0, 0, 0, 0}, 0, 0, 0, 0, 0};
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_CALL, agent, 0);
  it.id = id;
  it.call = call;
  it.arguments = arguments;
  arguments->size = (uint32_t)size;
  arguments->abi = IOMMUCHECK_MONITOR_ABI;
  arguments->known = known;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_store(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t size, uint64_t value, uint64_t value_high, uint64_t word, uint64_t pc,
    uint64_t swept) {
  struct iommucheck_event_store it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_STORE, agent, known);
  it.pa = pa;
  it.size = size;
  it.value = value;
  it.value_high = value_high;
  it.word = word;
  it.pc = pc;
  it.swept = swept;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_fill(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t words, uint64_t value, uint64_t pc) {
  struct iommucheck_event_fill it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_FILL, agent, known);
  it.pa = pa;
  it.words = words;
  it.value = value;
  it.pc = pc;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_load(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t size, uint64_t value, uint64_t ordered) {
  struct iommucheck_event_load it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_LOAD, agent, known);
  it.pa = pa;
  it.size = size;
  it.value = value;
  it.ordered = ordered;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_rmw(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t size, uint64_t old_value, uint64_t value, uint64_t ordered, uint64_t pc) {
  struct iommucheck_event_rmw it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_RMW, agent, known);
  it.pa = pa;
  it.size = size;
  it.old_value = old_value;
  it.value = value;
  it.ordered = ordered;
  it.pc = pc;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_barrier(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t kind,
    uint64_t completes) {
  struct iommucheck_event_barrier it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_BARRIER, agent, known);
  it.kind = kind;
  it.completes = completes;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_cache_clean(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t length) {
  struct iommucheck_event_cache_clean it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_CACHE_CLEAN, agent, known);
  it.pa = pa;
  it.length = length;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_cache_invalidate(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t length) {
  struct iommucheck_event_cache_invalidate it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_CACHE_INVALIDATE, agent, known);
  it.pa = pa;
  it.length = length;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_alloc(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t length, uint64_t cacheable, uint64_t zeroed) {
  struct iommucheck_event_alloc it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_ALLOC, agent, known);
  it.pa = pa;
  it.length = length;
  it.cacheable = cacheable;
  it.zeroed = zeroed;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_free(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t length) {
  struct iommucheck_event_free it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_FREE, agent, known);
  it.pa = pa;
  it.length = length;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_page_release(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t length) {
  struct iommucheck_event_page_release it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_PAGE_RELEASE, agent, known);
  it.pa = pa;
  it.length = length;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_handoff(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t from,
    uint64_t to) {
  struct iommucheck_event_handoff it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_HANDOFF, agent, known);
  it.from = from;
  it.to = to;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_mmio_write(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t offset,
    uint64_t size, uint64_t value, uint64_t ordered, uint64_t iommu, uint64_t pc) {
  struct iommucheck_event_mmio_write it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_MMIO_WRITE, agent, known);
  it.offset = offset;
  it.size = size;
  it.value = value;
  it.ordered = ordered;
  it.iommu = iommu;
  it.pc = pc;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_mmio_read(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t offset,
    uint64_t size, uint64_t value, uint64_t ordered, uint64_t iommu, uint64_t pc) {
  struct iommucheck_event_mmio_read it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_MMIO_READ, agent, known);
  it.offset = offset;
  it.size = size;
  it.value = value;
  it.ordered = ordered;
  it.iommu = iommu;
  it.pc = pc;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_irq(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t kind,
    uint64_t iommu) {
  struct iommucheck_event_irq it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_IRQ, agent, known);
  it.kind = kind;
  it.iommu = iommu;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_dma_begin(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t dma,
    uint64_t sid, uint64_t ssid, uint64_t iova, uint64_t direction, uint64_t privileged,
    uint64_t length, uint64_t kind, uint64_t iommu) {
  struct iommucheck_event_dma_begin it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_DMA_BEGIN, agent, known);
  it.dma = dma;
  it.sid = sid;
  it.ssid = ssid;
  it.iova = iova;
  it.direction = direction;
  it.privileged = privileged;
  it.length = length;
  it.kind = kind;
  it.iommu = iommu;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_dma_end(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t dma,
    uint64_t result, uint64_t pa, uint64_t rights, uint64_t attributes, uint64_t shareability,
    uint64_t stag) {
  struct iommucheck_event_dma_end it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_DMA_END, agent, known);
  it.dma = dma;
  it.result = result;
  it.pa = pa;
  it.rights = rights;
  it.attributes = attributes;
  it.shareability = shareability;
  it.stag = stag;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_dma(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t sid,
    uint64_t ssid, uint64_t iova, uint64_t direction, uint64_t privileged, uint64_t length,
    uint64_t kind, uint64_t result, uint64_t pa, uint64_t rights, uint64_t attributes,
    uint64_t shareability, uint64_t stag, uint64_t iommu) {
  struct iommucheck_event_dma it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_DMA, agent, known);
  it.sid = sid;
  it.ssid = ssid;
  it.iova = iova;
  it.direction = direction;
  it.privileged = privileged;
  it.length = length;
  it.kind = kind;
  it.result = result;
  it.pa = pa;
  it.rights = rights;
  it.attributes = attributes;
  it.shareability = shareability;
  it.stag = stag;
  it.iommu = iommu;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_ats_request(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t sid,
    uint64_t ssid, uint64_t iova, uint64_t no_write, uint64_t execute, uint64_t privileged,
    uint64_t result, uint64_t pa, uint64_t length, uint64_t rights, uint64_t untranslated_only,
    uint64_t global, uint64_t iommu) {
  struct iommucheck_event_ats_request it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_ATS_REQUEST, agent, known);
  it.sid = sid;
  it.ssid = ssid;
  it.iova = iova;
  it.no_write = no_write;
  it.execute = execute;
  it.privileged = privileged;
  it.result = result;
  it.pa = pa;
  it.length = length;
  it.rights = rights;
  it.untranslated_only = untranslated_only;
  it.global = global;
  it.iommu = iommu;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_page_request(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t sid,
    uint64_t ssid, uint64_t iova, uint64_t rights, uint64_t privileged, uint64_t page_group,
    uint64_t last, uint64_t iommu) {
  struct iommucheck_event_page_request it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_PAGE_REQUEST, agent, known);
  it.sid = sid;
  it.ssid = ssid;
  it.iova = iova;
  it.rights = rights;
  it.privileged = privileged;
  it.page_group = page_group;
  it.last = last;
  it.iommu = iommu;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_atc_invalidated(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t sid,
    uint64_t ssid, uint64_t iova, uint64_t length, uint64_t iommu, uint64_t global) {
  struct iommucheck_event_atc_invalidated it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_ATC_INVALIDATED, agent, known);
  it.sid = sid;
  it.ssid = ssid;
  it.iova = iova;
  it.length = length;
  it.iommu = iommu;
  it.global = global;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_command_consumed(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t slot,
    uint64_t command_low, uint64_t command_high) {
  struct iommucheck_event_command_consumed it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_COMMAND_CONSUMED, agent, known);
  it.slot = slot;
  it.command_low = command_low;
  it.command_high = command_high;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_event_recorded(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t slot,
    const uint64_t* record) {
  struct iommucheck_event_event_recorded it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_EVENT_RECORDED, agent, known);
  it.slot = slot;
  it.record = record;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_page_request_queued(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t slot,
    const uint64_t* record) {
  struct iommucheck_event_page_request_queued it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_PAGE_REQUEST_QUEUED, agent, known);
  it.slot = slot;
  it.record = record;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_device_store(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t size, uint64_t value, uint64_t value_high, uint64_t cause) {
  struct iommucheck_event_device_store it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_DEVICE_STORE, agent, known);
  it.pa = pa;
  it.size = size;
  it.value = value;
  it.value_high = value_high;
  it.cause = cause;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_structure_fetch(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t pa,
    uint64_t size, uint64_t value, uint64_t kind) {
  struct iommucheck_event_structure_fetch it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_STRUCTURE_FETCH, agent, known);
  it.pa = pa;
  it.size = size;
  it.value = value;
  it.kind = kind;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_return(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t status, uint64_t value, const uint64_t* words, uint64_t words_count, uint64_t error) {
  struct iommucheck_event_return it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_RETURN, agent, known);
  it.id = id;
  it.status = status;
  it.value = value;
  it.words = words;
  it.words_count = words_count;
  it.error = error;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_callback(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t kind,
    uint64_t device, uint64_t pasid, uint64_t drvdata, uint64_t fault_group) {
  struct iommucheck_event_callback it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_CALLBACK, agent, known);
  it.kind = kind;
  it.device = device;
  it.pasid = pasid;
  it.drvdata = drvdata;
  it.fault_group = fault_group;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_done(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t device,
    uint64_t pasid, uint64_t status) {
  struct iommucheck_event_done it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_DONE, agent, known);
  it.device = device;
  it.pasid = pasid;
  it.status = status;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_process_map(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t mm, uint64_t va,
    uint64_t length, uint64_t pa, uint64_t rights) {
  struct iommucheck_event_process_map it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_PROCESS_MAP, agent, known);
  it.mm = mm;
  it.va = va;
  it.length = length;
  it.pa = pa;
  it.rights = rights;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_process_unmap(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t mm, uint64_t va,
    uint64_t length) {
  struct iommucheck_event_process_unmap it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_PROCESS_UNMAP, agent, known);
  it.mm = mm;
  it.va = va;
  it.length = length;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_process_protect(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t mm, uint64_t va,
    uint64_t length, uint64_t rights) {
  struct iommucheck_event_process_protect it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_PROCESS_PROTECT, agent, known);
  it.mm = mm;
  it.va = va;
  it.length = length;
  it.rights = rights;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_cpu_fault(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t mm, uint64_t va,
    uint64_t direction, uint64_t repaired) {
  struct iommucheck_event_cpu_fault it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_CPU_FAULT, agent, known);
  it.mm = mm;
  it.va = va;
  it.direction = direction;
  it.repaired = repaired;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_fork(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t mm,
    uint64_t child) {
  struct iommucheck_event_fork it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_FORK, agent, known);
  it.mm = mm;
  it.child = child;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_exec(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t mm,
    uint64_t replacement) {
  struct iommucheck_event_exec it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_EXEC, agent, known);
  it.mm = mm;
  it.replacement = replacement;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_exit(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t mm) {
  struct iommucheck_event_exit it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_EXIT, agent, known);
  it.mm = mm;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_invalidate(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t mm, uint64_t va,
    uint64_t length, uint64_t phase, uint64_t timed_out) {
  struct iommucheck_event_invalidate it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_INVALIDATE, agent, known);
  it.mm = mm;
  it.va = va;
  it.length = length;
  it.phase = phase;
  it.timed_out = timed_out;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_release(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t mm,
    uint64_t phase, uint64_t timed_out) {
  struct iommucheck_event_release it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_RELEASE, agent, known);
  it.mm = mm;
  it.phase = phase;
  it.timed_out = timed_out;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_broadcast_tlbi(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t scope,
    uint64_t asid, uint64_t vmid, uint64_t va, uint64_t length, uint64_t world, uint64_t leaf) {
  struct iommucheck_event_broadcast_tlbi it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_BROADCAST_TLBI, agent, known);
  it.scope = scope;
  it.asid = asid;
  it.vmid = vmid;
  it.va = va;
  it.length = length;
  it.world = world;
  it.leaf = leaf;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_allocation_failure(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t nth) {
  struct iommucheck_event_allocation_failure it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_ALLOCATION_FAILURE, agent, known);
  it.nth = nth;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_stuck_queue(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t stuck,
    uint64_t iommu) {
  struct iommucheck_event_stuck_queue it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_STUCK_QUEUE, agent, known);
  it.stuck = stuck;
  it.iommu = iommu;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_choice(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, const char* site,
    const char* picked) {
  struct iommucheck_event_choice it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_CHOICE, agent, known);
  it.site = site;
  it.picked = picked;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_device_remove(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t device,
    uint64_t phase, uint64_t timed_out) {
  struct iommucheck_event_device_remove it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_DEVICE_REMOVE, agent, known);
  it.device = device;
  it.phase = phase;
  it.timed_out = timed_out;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_bound_passes(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t device,
    uint64_t pasid) {
  struct iommucheck_event_bound_passes it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_BOUND_PASSES, agent, known);
  it.device = device;
  it.pasid = pasid;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_walker_load(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t device,
    uint64_t pa, uint64_t size, uint64_t value) {
  struct iommucheck_event_walker_load it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_WALKER_LOAD, agent, known);
  it.device = device;
  it.pa = pa;
  it.size = size;
  it.value = value;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_walker_switch(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t device,
    uint64_t root) {
  struct iommucheck_event_walker_switch it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_WALKER_SWITCH, agent, known);
  it.device = device;
  it.root = root;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_walker_flush(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t device,
    uint64_t root) {
  struct iommucheck_event_walker_flush it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_WALKER_FLUSH, agent, known);
  it.device = device;
  it.root = root;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_reach(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t kind,
    uint64_t pa, uint64_t length, const struct iommucheck_word_at* words, uint64_t words_count) {
  struct iommucheck_event_reach it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_REACH, agent, known);
  it.kind = kind;
  it.pa = pa;
  it.length = length;
  it.words = words;
  it.words_count = words_count;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_unreach(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t kind,
    uint64_t pa, uint64_t length) {
  struct iommucheck_event_unreach it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_UNREACH, agent, known);
  it.kind = kind;
  it.pa = pa;
  it.length = length;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_note(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t kind,
    const char* text, uint64_t pa, uint64_t value) {
  struct iommucheck_event_note it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_NOTE, agent, known);
  it.kind = kind;
  it.text = text;
  it.pa = pa;
  it.value = value;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_driver_phase(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t phase) {
  struct iommucheck_event_driver_phase it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_DRIVER_PHASE, agent, known);
  it.phase = phase;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_call_wait(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id, uint64_t mm,
    uint64_t phase) {
  struct iommucheck_event_call_wait it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_CALL_WAIT, agent, known);
  it.id = id;
  it.mm = mm;
  it.phase = phase;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_held(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t domains,
    uint64_t io_mms, uint64_t pasids, uint64_t bonds, uint64_t tokens, uint64_t queues) {
  struct iommucheck_event_held it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_HELD, agent, known);
  it.domains = domains;
  it.io_mms = io_mms;
  it.pasids = pasids;
  it.bonds = bonds;
  it.tokens = tokens;
  it.queues = queues;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_backend_hook(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t hook,
    uint64_t io_mm, uint64_t device, uint64_t is_null, uint64_t error) {
  struct iommucheck_event_backend_hook it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_BACKEND_HOOK, agent, known);
  it.hook = hook;
  it.io_mm = io_mm;
  it.device = device;
  it.is_null = is_null;
  it.error = error;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_user_table(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t parent,
    uint64_t root, uint64_t input_bits, uint64_t first, uint64_t length, uint64_t pa) {
  struct iommucheck_event_user_table it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_USER_TABLE, agent, known);
  it.parent = parent;
  it.root = root;
  it.input_bits = input_bits;
  it.first = first;
  it.length = length;
  it.pa = pa;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_user_route(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t attributes) {
  struct iommucheck_event_user_route it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_USER_ROUTE, agent, known);
  it.attributes = attributes;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_user_map(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t parent,
    uint64_t root, uint64_t va, uint64_t length, uint64_t ipa, uint64_t rights) {
  struct iommucheck_event_user_map it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_USER_MAP, agent, known);
  it.parent = parent;
  it.root = root;
  it.va = va;
  it.length = length;
  it.ipa = ipa;
  it.rights = rights;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_user_entry(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t parent,
    uint64_t entry, uint64_t kind, uint64_t root, uint64_t asid, uint64_t stalls) {
  struct iommucheck_event_user_entry it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_USER_ENTRY, agent, known);
  it.parent = parent;
  it.entry = entry;
  it.kind = kind;
  it.root = root;
  it.asid = asid;
  it.stalls = stalls;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_user_fetch(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t sid,
    uint64_t ssid, uint64_t va) {
  struct iommucheck_event_user_fetch it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_USER_FETCH, agent, known);
  it.sid = sid;
  it.ssid = ssid;
  it.va = va;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_user_probe(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t sid,
    uint64_t ssid, uint64_t va) {
  struct iommucheck_event_user_probe it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_USER_PROBE, agent, known);
  it.sid = sid;
  it.ssid = ssid;
  it.va = va;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_device_add(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t device,
    uint64_t phase, uint64_t status) {
  struct iommucheck_event_device_add it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_DEVICE_ADD, agent, known);
  it.device = device;
  it.phase = phase;
  it.status = status;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_endpoint_ats(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t device,
    uint64_t on) {
  struct iommucheck_event_endpoint_ats it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_ENDPOINT_ATS, agent, known);
  it.device = device;
  it.on = on;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_user_takes_out(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t parent,
    uint64_t root, uint64_t va, uint64_t length) {
  struct iommucheck_event_user_takes_out it;
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_USER_TAKES_OUT, agent, known);
  it.parent = parent;
  it.root = root;
  it.va = va;
  it.length = length;
  return iommucheck_monitor_report(monitor, &it.head);
}

IOMMUCHECK_REPORT int iommucheck_report_call_domain_alloc(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t kind, uint64_t iommu, uint64_t parent, uint64_t table, uint64_t input_bits) {
  struct iommucheck_call_domain_alloc it;
  it.kind = kind;
  it.iommu = iommu;
  it.parent = parent;
  it.table = table;
  it.input_bits = input_bits;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_DOMAIN_ALLOC, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_domain_free(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain) {
  struct iommucheck_call_domain_free it;
  it.domain = domain;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_DOMAIN_FREE, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_attach(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t device) {
  struct iommucheck_call_attach it;
  it.domain = domain;
  it.device = device;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_ATTACH, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_detach(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t device) {
  struct iommucheck_call_detach it;
  it.domain = domain;
  it.device = device;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_DETACH, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_attach_pasid(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t device, uint64_t pasid) {
  struct iommucheck_call_attach_pasid it;
  it.domain = domain;
  it.device = device;
  it.pasid = pasid;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_ATTACH_PASID, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_detach_pasid(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t device, uint64_t pasid) {
  struct iommucheck_call_detach_pasid it;
  it.domain = domain;
  it.device = device;
  it.pasid = pasid;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_DETACH_PASID, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_map(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t iova, uint64_t pa, uint64_t size, uint64_t rights,
    uint64_t privileged, uint64_t device_memory) {
  struct iommucheck_call_map it;
  it.domain = domain;
  it.iova = iova;
  it.pa = pa;
  it.size = size;
  it.rights = rights;
  it.privileged = privileged;
  it.device_memory = device_memory;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_MAP, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_map_sg(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t iova, const struct iommucheck_range* pieces, uint64_t pieces_count,
    uint64_t rights, uint64_t privileged, uint64_t device_memory) {
  struct iommucheck_call_map_sg it;
  it.domain = domain;
  it.iova = iova;
  it.pieces = pieces;
  it.pieces_count = pieces_count;
  it.rights = rights;
  it.privileged = privileged;
  it.device_memory = device_memory;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_MAP_SG, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_unmap(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t iova, uint64_t size) {
  struct iommucheck_call_unmap it;
  it.domain = domain;
  it.iova = iova;
  it.size = size;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_UNMAP, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_unmap_fast(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t iova, uint64_t size) {
  struct iommucheck_call_unmap_fast it;
  it.domain = domain;
  it.iova = iova;
  it.size = size;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_UNMAP_FAST, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_iotlb_sync(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain) {
  struct iommucheck_call_iotlb_sync it;
  it.domain = domain;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_IOTLB_SYNC, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_flush_iotlb_all(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain) {
  struct iommucheck_call_flush_iotlb_all it;
  it.domain = domain;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_FLUSH_IOTLB_ALL, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_tlb_range_add(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t iova, uint64_t size) {
  struct iommucheck_call_tlb_range_add it;
  it.domain = domain;
  it.iova = iova;
  it.size = size;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_TLB_RANGE_ADD, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_iova_to_phys(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t iova) {
  struct iommucheck_call_iova_to_phys it;
  it.domain = domain;
  it.iova = iova;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_IOVA_TO_PHYS, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_domain_get_attr(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t attribute) {
  struct iommucheck_call_domain_get_attr it;
  it.domain = domain;
  it.attribute = attribute;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_DOMAIN_GET_ATTR, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_device_init(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device, uint64_t features, uint64_t min_pasid, uint64_t max_pasid, uint64_t mm_exit) {
  struct iommucheck_call_sva_device_init it;
  it.device = device;
  it.features = features;
  it.min_pasid = min_pasid;
  it.max_pasid = max_pasid;
  it.mm_exit = mm_exit;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_DEVICE_INIT, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_device_shutdown(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device) {
  struct iommucheck_call_sva_device_shutdown it;
  it.device = device;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_DEVICE_SHUTDOWN, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_bind_device(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device, uint64_t mm, uint64_t flags, uint64_t drvdata) {
  struct iommucheck_call_bind_device it;
  it.device = device;
  it.mm = mm;
  it.flags = flags;
  it.drvdata = drvdata;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_BIND_DEVICE, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_unbind_device(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device, uint64_t pasid) {
  struct iommucheck_call_unbind_device it;
  it.device = device;
  it.pasid = pasid;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_UNBIND_DEVICE, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_unbind_dev_all(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device) {
  struct iommucheck_call_unbind_dev_all it;
  it.device = device;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_UNBIND_DEV_ALL, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_drvdata(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device, uint64_t pasid) {
  struct iommucheck_call_sva_drvdata it;
  it.device = device;
  it.pasid = pasid;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_DRVDATA, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_io_mm_of(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device, uint64_t pasid) {
  struct iommucheck_call_io_mm_of it;
  it.device = device;
  it.pasid = pasid;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_IO_MM_OF, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_bind_task(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device, uint64_t task, uint64_t flags, uint64_t drvdata) {
  struct iommucheck_call_bind_task it;
  it.device = device;
  it.task = task;
  it.flags = flags;
  it.drvdata = drvdata;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_BIND_TASK, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_unbind_task(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device, uint64_t token) {
  struct iommucheck_call_unbind_task it;
  it.device = device;
  it.token = token;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_UNBIND_TASK, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_task_map(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t token, uint64_t iova, uint64_t pa, uint64_t size, uint64_t rights) {
  struct iommucheck_call_task_map it;
  it.token = token;
  it.iova = iova;
  it.pa = pa;
  it.size = size;
  it.rights = rights;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_TASK_MAP, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_task_unmap(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t token, uint64_t iova, uint64_t size) {
  struct iommucheck_call_task_unmap it;
  it.token = token;
  it.iova = iova;
  it.size = size;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_TASK_UNMAP, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_task_get_attr(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t token, uint64_t attribute) {
  struct iommucheck_call_task_get_attr it;
  it.token = token;
  it.attribute = attribute;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_TASK_GET_ATTR, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_alloc_pasid(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t device) {
  struct iommucheck_call_sva_alloc_pasid it;
  it.domain = domain;
  it.device = device;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_ALLOC_PASID, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_free_pasid(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t io_mm) {
  struct iommucheck_call_sva_free_pasid it;
  it.domain = domain;
  it.io_mm = io_mm;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_FREE_PASID, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_io_mm_get_pasid(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm) {
  struct iommucheck_call_io_mm_get_pasid it;
  it.io_mm = io_mm;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_IO_MM_GET_PASID, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_io_mm_get_attr(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm, uint64_t attribute) {
  struct iommucheck_call_io_mm_get_attr it;
  it.io_mm = io_mm;
  it.attribute = attribute;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_IO_MM_GET_ATTR, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_map(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm, uint64_t iova, uint64_t pa, uint64_t size, uint64_t rights,
    uint64_t privileged, uint64_t device_memory) {
  struct iommucheck_call_sva_map it;
  it.io_mm = io_mm;
  it.iova = iova;
  it.pa = pa;
  it.size = size;
  it.rights = rights;
  it.privileged = privileged;
  it.device_memory = device_memory;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_MAP, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_map_sg(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm, uint64_t iova, const struct iommucheck_range* pieces, uint64_t pieces_count,
    uint64_t rights, uint64_t privileged, uint64_t device_memory) {
  struct iommucheck_call_sva_map_sg it;
  it.io_mm = io_mm;
  it.iova = iova;
  it.pieces = pieces;
  it.pieces_count = pieces_count;
  it.rights = rights;
  it.privileged = privileged;
  it.device_memory = device_memory;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_MAP_SG, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_unmap(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm, uint64_t iova, uint64_t size) {
  struct iommucheck_call_sva_unmap it;
  it.io_mm = io_mm;
  it.iova = iova;
  it.size = size;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_UNMAP, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_unmap_fast(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm, uint64_t iova, uint64_t size) {
  struct iommucheck_call_sva_unmap_fast it;
  it.io_mm = io_mm;
  it.iova = iova;
  it.size = size;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_UNMAP_FAST, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_iotlb_sync(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm) {
  struct iommucheck_call_sva_iotlb_sync it;
  it.io_mm = io_mm;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_IOTLB_SYNC, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_flush_tlb_all(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm) {
  struct iommucheck_call_sva_flush_tlb_all it;
  it.io_mm = io_mm;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_FLUSH_TLB_ALL, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_tlb_range_add(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm, uint64_t iova, uint64_t size) {
  struct iommucheck_call_sva_tlb_range_add it;
  it.io_mm = io_mm;
  it.iova = iova;
  it.size = size;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_TLB_RANGE_ADD, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_iova_to_phys(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm, uint64_t iova) {
  struct iommucheck_call_sva_iova_to_phys it;
  it.io_mm = io_mm;
  it.iova = iova;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_IOVA_TO_PHYS, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_attach(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm, uint64_t device) {
  struct iommucheck_call_sva_attach it;
  it.io_mm = io_mm;
  it.device = device;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_ATTACH, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_sva_detach(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t io_mm, uint64_t device) {
  struct iommucheck_call_sva_detach it;
  it.io_mm = io_mm;
  it.device = device;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_SVA_DETACH, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_pasid_alloc(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t min, uint64_t max) {
  struct iommucheck_call_pasid_alloc it;
  it.min = min;
  it.max = max;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_PASID_ALLOC, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_pasid_free(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t pasid) {
  struct iommucheck_call_pasid_free it;
  it.pasid = pasid;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_PASID_FREE, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_fault_queue_open(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device, uint64_t domain, uint64_t depth) {
  struct iommucheck_call_fault_queue_open it;
  it.device = device;
  it.domain = domain;
  it.depth = depth;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_FAULT_QUEUE_OPEN, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_fault_queue_read(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t queue) {
  struct iommucheck_call_fault_queue_read it;
  it.queue = queue;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_FAULT_QUEUE_READ, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_fault_queue_respond(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t queue, uint64_t device, uint64_t pasid, uint64_t fault_group, uint64_t response) {
  struct iommucheck_call_fault_queue_respond it;
  it.queue = queue;
  it.device = device;
  it.pasid = pasid;
  it.fault_group = fault_group;
  it.response = response;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_FAULT_QUEUE_RESPOND, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_fault_queue_close(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t queue) {
  struct iommucheck_call_fault_queue_close it;
  it.queue = queue;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_FAULT_QUEUE_CLOSE, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_fault_handler_set(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t device, uint64_t pasid, uint64_t present, uint64_t drvdata) {
  struct iommucheck_call_fault_handler_set it;
  it.device = device;
  it.pasid = pasid;
  it.present = present;
  it.drvdata = drvdata;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_FAULT_HANDLER_SET, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_event_queue_open(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t depth) {
  struct iommucheck_call_event_queue_open it;
  it.domain = domain;
  it.depth = depth;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_EVENT_QUEUE_OPEN, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_event_read(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t queue) {
  struct iommucheck_call_event_read it;
  it.queue = queue;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_EVENT_READ, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_cache_invalidate(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, const struct iommucheck_command_words* commands, uint64_t commands_count) {
  struct iommucheck_call_cache_invalidate it;
  it.domain = domain;
  it.commands = commands;
  it.commands_count = commands_count;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_CACHE_INVALIDATE, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_dirty_set(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t on) {
  struct iommucheck_call_dirty_set it;
  it.domain = domain;
  it.on = on;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_DIRTY_SET, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_dirty_read(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t iova, uint64_t size, uint64_t grain, uint64_t clear) {
  struct iommucheck_call_dirty_read it;
  it.domain = domain;
  it.iova = iova;
  it.size = size;
  it.grain = grain;
  it.clear = clear;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_DIRTY_READ, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_recover(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t iommu) {
  struct iommucheck_call_recover it;
  it.iommu = iommu;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_RECOVER, &it.head, sizeof it,
                                known);
}

IOMMUCHECK_REPORT int iommucheck_report_call_vdevice(
    struct iommucheck_monitor* monitor, uint32_t agent, uint64_t known, uint64_t id,
    uint64_t domain, uint64_t device, uint64_t number) {
  struct iommucheck_call_vdevice it;
  it.domain = domain;
  it.device = device;
  it.number = number;
  return iommucheck_report_call(monitor, agent, id, IOMMUCHECK_CALL_VDEVICE, &it.head, sizeof it,
                                known);
}

#ifdef __cplusplus
}
#endif

#endif /* IOMMUCHECK_MONITOR_REPORT_H */
