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

/// Ends a stall: again if whoever handles the process's faults says so, else abort. False if the
/// command queue does not take the answer: the record has to be met again.
bool Smmu::answer(const Record& record, const Ending& ending) {
  if (!fault_open_) fault_open_ = sva_.fault_begins(record.pasid);
  u32 device = 0;
  bool again = false;
  if (record.pasid != 0 && device_of(record.stream_id, &device)) {
    const bool of_device = ending.whose == Whose::device && ending.of == device;
    const bool of_domain = ending.whose == Whose::domain && ending.of == devices_[device].domain;
    const bool ends = (of_device || of_domain) && ending.pasid == record.pasid;
    again = !ends && sva_.answer_fault(device, record.pasid, record.iova, prot_of(record.word1));
  }
  commands_.add(platform_, command::resume<u64>(record.stream_id, record.stag, again));
  // Consumption is enough for a RESUME (arch 5.4); no invalidation is in this batch.
  if (commands_.sync(platform_) == SyncResult::timed_out) return false;
  if (fault_open_) sva_.fault_ends(record.pasid);
  fault_open_ = false;
  return true;
}

/// Reads what is there now.
u32 Smmu::drain_once(const Ending& ending) {
  const u32 index_mask = (2u << event_lg2_) - 1;
  const u32 prod = platform_.read32(reg::eventq_prod);
  platform_.barrier();  // the records are read after PROD
  u32 count = 0;
  for (; ((prod ^ event_cons_) & index_mask) != 0; ++count) {
    const Record record = read_record();
    if (!record.stalled) {
      log_record(record);
    } else if (!answer(record, ending)) {
      break;
    }
    event_cons_ = (event_cons_ + 1) & index_mask;
  }
  // The overflow flag too: records are lost no longer once it is acknowledged.
  const u32 cons = event_cons_ | (prod & reg::queue_overflow);
  if (cons != event_cons_written_) platform_.write32(reg::eventq_cons, cons);
  event_cons_written_ = cons;
  return count;
}

void Smmu::drain_events(Ending ending) {
  // Who answers a fault may call the driver, which need not read on: the outer loop does.
  if (draining_ || (cr0_ & reg::cr0_eventqen) == 0) return;
  draining_ = true;
  const u32 slots = 1u << event_lg2_;
  u32 rounds = 16;
  // Records of stalls are never lost: behind a full queue further ones may wait for place.
  while (drain_once(ending) == slots && ending.whose != Whose::nobody && --rounds != 0) {
  }
  draining_ = false;
}

}  // namespace iommucheck::impl
