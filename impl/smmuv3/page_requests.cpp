// SPDX-License-Identifier: MIT
// The page request queue: what devices ask for comes in groups, and CMD_PRI_RESP answers each once.
// IHI 0070 3.9.1, 8; arch 6.4.
#include <algorithm>

#include "base/bits.h"
#include "impl/smmuv3/fault_number.h"
#include "impl/smmuv3/page_requests.h"
#include "impl/vmsav8/layout.h"

namespace iommucheck::impl {

namespace {

constexpr u32 page_queue_lg2 = 8;  // one page
constexpr u64 record_bytes = 16;

/// Who wants to execute wants to read, and is told of as one that executes.
u32 prot_of(u64 word0) {
  u32 prot = 0;
  if (bit(word0, 61)) prot |= IOMMUCHECK_PROT_WRITE;
  if (bit(word0, 59)) prot |= IOMMUCHECK_PROT_EXEC;
  if (bit(word0, 60) && prot == 0) prot = IOMMUCHECK_PROT_READ;
  return bit(word0, 58) ? prot | IOMMUCHECK_PROT_PRIVILEGED : prot;
}

/// Last, and neither reading nor writing, at a PASID: the device is done there, and waits for
/// nothing.
bool is_stop_marker(u64 word0) { return bit(word0, 63) && bits(word0, 62, 60) == 4; }

}  // namespace

/// It keeps its ring once it has one. False: no memory.
bool PageRequests::create(const Features& features) {
  if (page_ring_ != 0 || !features.page_requests) return true;
  page_lg2_ = std::min<u32>(page_queue_lg2, features.priq_lg2_max);
  page_ring_ = platform_.table_alloc(ring_bytes());
  return page_ring_ != 0;
}

void PageRequests::destroy() {
  if (page_ring_ != 0) platform_.table_free(page_ring_, ring_bytes());
  page_ring_ = 0;
}

u64 PageRequests::ring_bytes() const {
  return std::max<u64>(page_bytes, record_bytes << page_lg2_);
}

/// Without a queue, PRIQEN = 0: the SMMU answers each request with a failure.
void PageRequests::program() {
  if (page_ring_ == 0) return;
  platform_.invalidate(page_ring_, ring_bytes());
  platform_.write64(reg::priq_base, reg::base_allocate | page_ring_ | page_lg2_);
  platform_.write32(reg::priq_prod, 0);
  platform_.write32(reg::priq_cons, 0);
  page_cons_ = page_cons_written_ = 0;
}

/// Reads what is there now.
u32 PageRequests::drain(FaultSink& sink) {
  if (page_ring_ == 0 || (cr0_ & reg::cr0_priqen) == 0) return 0;
  const u32 index_mask = (2u << page_lg2_) - 1;
  page_prod_ = platform_.read32(reg::priq_prod);
  platform_.barrier();  // the records are read after PROD
  u32 count = 0;
  // Inside of a handler others may read on: PROD and CONS are those of the last one.
  for (; ((page_prod_ ^ page_cons_) & index_mask) != 0; ++count) {
    const u64 pa = page_ring_ + (page_cons_ & (index_mask >> 1)) * record_bytes;
    platform_.invalidate(pa, record_bytes);
    const u64 word0 = platform_.load64(pa);
    const u64 word1 = platform_.load64(pa + 8);
    page_cons_ = (page_cons_ + 1) & index_mask;
    if (is_stop_marker(word0)) continue;
    sink.take({.id = is_request | (word0 & mask(31, 0)) << stream_lsb | bits(word1, 8, 0),
               .pasid = bit(word0, 63) ? static_cast<u32>(bits(word0, 51, 32)) : no_pasid,
               .prot = prot_of(word0),
               .iova = word1 & mask(63, 12),
               .last = bit(word0, 62)});
  }
  if (count != 0) platform_.barrier();  // the loads come before their slots are given back
  // Nothing is recorded until an overflow is acknowledged (8.1).
  if (((page_prod_ ^ page_cons_written_) & reg::queue_overflow) != 0) sink.groups_lost();
  const u32 cons = page_cons_ | (page_prod_ & reg::queue_overflow);
  if (cons != page_cons_written_) platform_.write32(reg::priq_cons, cons);
  page_cons_written_ = cons;
  return count;
}

}  // namespace iommucheck::impl
