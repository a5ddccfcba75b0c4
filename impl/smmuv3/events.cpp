// SPDX-License-Identifier: MIT
// The event queue: records are read once, and what stalled is answered. IHI 0070 3.12, 7.2, 7.3;
// arch 4.9, 6.1.
#include <cstdio>

#include "base/bits.h"
#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

namespace {

constexpr u64 event_bytes = 32;

u32 prot_of(u64 word1) {
  u32 prot = IOMMUCHECK_PROT_WRITE;
  if (bit(word1, 35)) prot = IOMMUCHECK_PROT_READ;  // RnW
  if (bit(word1, 34)) prot = IOMMUCHECK_PROT_EXEC;  // InD
  return bit(word1, 33) ? prot | IOMMUCHECK_PROT_PRIVILEGED : prot;
}

}  // namespace

bool Smmu::device_of(u32 stream_id, u32* device) const {
  for (u32 i = 0; i < config_->device_count; ++i) {
    bool its = false;
    for_each_stream(i, [&](u64 sid) { its |= sid == stream_id; });
    if (devices_[i].added && its) {
      *device = i;
      return true;
    }
  }
  return false;
}

Smmu::Record Smmu::read_record() {
  const u32 slots = 1u << event_lg2_;
  const u64 pa = event_ring_ + (event_cons_ & (slots - 1)) * event_bytes;
  platform_.invalidate(pa, event_bytes);
  Record record = {};
  record.word0 = platform_.load64(pa);
  record.word1 = platform_.load64(pa + 8);
  record.iova = platform_.load64(pa + 16);
  record.stream_id = static_cast<u32>(record.word0 >> 32);
  record.pasid = bit(record.word0, 11) ? static_cast<u32>(bits(record.word0, 31, 12)) : 0;
  const u64 type = bits(record.word0, 7, 0);
  // Stall is a bit of translation-related faults only.
  record.stalled = type >= 0x10 && type <= 0x13 && bit(record.word1, 31);
  record.stag = static_cast<u32>(bits(record.word1, 15, 0));
  return record;
}

void Smmu::log_record(const Record& record) const {
  char line[80];
  std::snprintf(line, sizeof line, "event 0x%02x of stream 0x%x, address 0x%llx",
                static_cast<unsigned>(record.word0 & 0xff), static_cast<unsigned>(record.stream_id),
                static_cast<unsigned long long>(record.iova));
  platform_.log(IOMMUCHECK_LOG_WARNING, line);
}

/// Whether `ending` says that the record's fault is to end, whoever would answer it.
bool Smmu::ends(const Record& record, const Ending& ending) const {
  u32 device = 0;
  if (record.pasid == 0 || !device_of(record.stream_id, &device)) return true;
  const bool of_device = ending.whose == Whose::device && ending.of == device;
  const bool of_domain = ending.whose == Whose::domain && ending.of == devices_[device].domain;
  return (of_device || of_domain) && ending.pasid == record.pasid;
}

/// Sends the answer. False if the command queue does not take it: the fault stays open.
bool Smmu::resume(OpenFault& fault, bool again) {
  commands_.add(platform_, command::resume<u64>(fault.record.stream_id, fault.record.stag, again));
  // Consumption is enough for a RESUME (arch 5.4); no invalidation is in this batch.
  if (commands_.sync(platform_) == SyncResult::timed_out) return false;
  if (fault.counted) sva_.fault_ends(fault.record.pasid);
  fault.counted = false;
  return true;
}

/// Ends an open fault: again if whoever handles the process's faults says so, else abort. The
/// handler may call the driver, which may end this very fault (an unbind), or read further records.
bool Smmu::answer(OpenFault& fault, const Ending& ending) {
  bool again = false;
  u32 device = 0;
  if (!ends(fault.record, ending) && device_of(fault.record.stream_id, &device)) {
    fault.state = OpenFault::State::asked;
    again = sva_.answer_fault(device, fault.record.pasid, fault.record.iova,
                              prot_of(fault.record.word1));
    const bool ended = fault.state == OpenFault::State::ended;
    fault.state = OpenFault::State::open;
    if (ended) {
      fault.state = OpenFault::State::none;
      return true;
    }
  }
  if (!resume(fault, again)) return false;
  fault.state = OpenFault::State::none;
  return true;
}

/// A fault that was read now. Handlers that fault inside of handlers end somewhere: beyond so many
/// nobody is asked.
bool Smmu::take_fault(const Record& record, const Ending& ending) {
  for (OpenFault& fault : open_faults_) {
    if (fault.state != OpenFault::State::none) continue;
    fault = {.state = OpenFault::State::open,
             .counted = sva_.fault_begins(record.pasid),
             .record = record};
    return answer(fault, ending);
  }
  OpenFault unasked = {.record = record};
  resume(unasked, false);
  return true;
}

/// Faults that were read before: those whose answer did not get through are answered again, and
/// those whose handler runs further out end if they are to. False: not all of them could be.
bool Smmu::end_open_faults(const Ending& ending) {
  for (OpenFault& fault : open_faults_) {
    if (fault.state == OpenFault::State::open && !answer(fault, ending)) return false;
    if (fault.state != OpenFault::State::asked || !ends(fault.record, ending)) continue;
    if (!resume(fault, false)) return false;
    fault.state = OpenFault::State::ended;
  }
  return true;
}

/// Reads what is there now.
u32 Smmu::drain_once(const Ending& ending) {
  const u32 index_mask = (2u << event_lg2_) - 1;
  event_prod_ = platform_.read32(reg::eventq_prod);
  platform_.barrier();  // the records are read after PROD
  u32 count = 0;
  // Inside of a handler others may read on: PROD and CONS are those of the last one.
  for (bool taken = true; taken && ((event_prod_ ^ event_cons_) & index_mask) != 0; ++count) {
    const Record record = read_record();
    event_cons_ = (event_cons_ + 1) & index_mask;
    if (record.stalled) {
      taken = take_fault(record, ending);
    } else {
      log_record(record);
    }
  }
  // The overflow flag too: records are lost no longer once it is acknowledged.
  const u32 cons = event_cons_ | (event_prod_ & reg::queue_overflow);
  if (cons != event_cons_written_) platform_.write32(reg::eventq_cons, cons);
  event_cons_written_ = cons;
  return count;
}

void Smmu::drain_events(Ending ending) {
  if ((cr0_ & reg::cr0_eventqen) == 0 || !end_open_faults(ending)) return;
  const u32 slots = 1u << event_lg2_;
  u32 rounds = 16;
  // Records of stalls are never lost: behind a full queue further ones may wait for place.
  while (drain_once(ending) == slots && --rounds != 0) {
  }
}

}  // namespace iommucheck::impl
