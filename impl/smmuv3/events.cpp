// SPDX-License-Identifier: MIT
// The event queue: records are read once, RESUME answers what stalled. IHI 0070 3.12, 7.2, 7.3;
// arch 4.9, 6.1.
#include <cstdio>

#include "base/bits.h"
#include "impl/smmuv3/events.h"
#include "impl/smmuv3/fault_number.h"

namespace iommucheck::impl {

namespace {

constexpr u32 event_queue_lg2 = 7;  // one page

u32 prot_of(u64 word1) {
  u32 prot = IOMMUCHECK_PROT_WRITE;
  if (bit(word1, 35)) prot = IOMMUCHECK_PROT_READ;  // RnW
  if (bit(word1, 34)) prot = IOMMUCHECK_PROT_EXEC;  // InD
  return bit(word1, 33) ? prot | IOMMUCHECK_PROT_PRIVILEGED : prot;
}

}  // namespace

/// It keeps its ring once it has one. False: no memory.
bool Events::create(const Features& features) {
  if (event_ring_ != 0) return true;
  event_lg2_ = std::min<u32>(event_queue_lg2, features.eventq_lg2_max);
  event_ring_ = platform_.table_alloc(ring_bytes());
  return event_ring_ != 0;
}

void Events::program() {
  platform_.invalidate(event_ring_, ring_bytes());
  platform_.write64(reg::eventq_base, reg::base_allocate | event_ring_ | event_lg2_);
  platform_.write32(reg::eventq_prod, 0);
  platform_.write32(reg::eventq_cons, 0);
  event_cons_ = event_cons_written_ = 0;
}

void Events::destroy() {
  if (event_ring_ != 0) platform_.table_free(event_ring_, ring_bytes());
  event_ring_ = 0;
}

Events::Record Events::read_record() {
  const u32 slots = 1u << event_lg2_;
  const u64 pa = event_ring_ + (event_cons_ & (slots - 1)) * event_bytes;
  platform_.invalidate(pa, event_bytes);
  Record record = {};
  record.word0 = platform_.load64(pa);
  record.word1 = platform_.load64(pa + 8);
  record.iova = platform_.load64(pa + 16);
  const u64 type = bits(record.word0, 7, 0);
  // Stall is a bit of translation-related faults only.
  record.stalled = type >= 0x10 && type <= 0x13 && bit(record.word1, 31);
  return record;
}

Fault Events::fault_of(const Record& record) {
  const u64 stream_id = record.word0 >> 32;
  const u64 stag = bits(record.word1, 15, 0);
  return {.id = stream_id << stream_lsb | stag,
          .pasid = bit(record.word0, 11) ? static_cast<u32>(bits(record.word0, 31, 12)) : no_pasid,
          .prot = prot_of(record.word1),
          .iova = record.iova,
          .inner = is_users(record)};
}

/// Of what a record says a user may be told, if its device is one of a user's: faults of stage 1,
/// and what its CDs, S1CDMax and S1DSS make. What else there is, is the host's (7.3).
bool Events::is_users(const Record& record) {
  switch (bits(record.word0, 7, 0)) {
    case 0x06:                                 // F_STREAM_DISABLED
    case 0x08:                                 // C_BAD_SUBSTREAMID
    case 0x0a: return true;                    // C_BAD_CD
    case 0x10:                                 // F_TRANSLATION
    case 0x11:                                 // F_ADDR_SIZE
    case 0x12:                                 // F_ACCESS
    case 0x13: return !bit(record.word1, 39);  // F_PERMISSION; S2
    default: return false;
  }
}

/// Without the StreamID, and fields that are the host's or UNKNOWN: STAG and Stall, which nobody
/// answers, and the last word, whose address may be anybody's where S2 is 0.
Event Events::event_of(const Record& record) {
  const u64 type = bits(record.word0, 7, 0);
  const bool translation = type >= 0x10;
  u64 substream = 0;
  if (type == 0x08) substream = mask(31, 12);
  if ((translation || type == 0x0a) && bit(record.word0, 11)) substream = mask(31, 11);
  Event event = {.from = fault_of(record)};
  event.words[0] = type | (record.word0 & substream);
  if (translation) {
    event.words[1] = record.word1 & (mask(35, 33) | mask(41, 40));  // PnU, InD, RnW; CLASS
    event.words[2] = record.iova;
  }
  return event;
}

void Events::set_number(Event& event, u32 number) const { event.words[0] |= u64{number} << 32; }

/// A fault that nobody can answer, or no fault: who it was, and at which PASID. INTERFACE "Faults".
void Events::log_record(const Record& record) const {
  char at[24] = "";
  if (bit(record.word0, 11)) {
    std::snprintf(at, sizeof at, ", PASID %u", static_cast<unsigned>(bits(record.word0, 31, 12)));
  }
  char line[96];
  std::snprintf(line, sizeof line, "event 0x%02x of stream 0x%x%s, address 0x%llx",
                static_cast<unsigned>(record.word0 & 0xff),
                static_cast<unsigned>(record.word0 >> 32), at,
                static_cast<unsigned long long>(record.iova));
  platform_.log(IOMMUCHECK_LOG_WARNING, line);
}

/// Reads what is there now.
u32 Events::drain(FaultSink& sink) {
  const u32 index_mask = (2u << event_lg2_) - 1;
  event_prod_ = platform_.read32(reg::eventq_prod);
  platform_.barrier();  // the records are read after PROD
  u32 count = 0;
  // Inside of a handler others may read on: PROD and CONS are those of the last one.
  for (; ((event_prod_ ^ event_cons_) & index_mask) != 0; ++count) {
    const Record record = read_record();
    event_cons_ = (event_cons_ + 1) & index_mask;
    // Who has it to answer is not told of it as of one that has ended.
    if (record.stalled && sink.take(fault_of(record))) continue;
    const bool told = is_users(record) && sink.tell(event_of(record));
    if (!told && !record.stalled) log_record(record);
  }
  // The loads of the records come before their slots are given back: an ordered write orders stores
  // alone.
  if (count != 0) platform_.barrier();
  // The overflow flag too: records are lost no longer once it is acknowledged.
  const u32 cons = event_cons_ | (event_prod_ & reg::queue_overflow);
  if (cons != event_cons_written_) platform_.write32(reg::eventq_cons, cons);
  event_cons_written_ = cons;
  return count;
}

}  // namespace iommucheck::impl
