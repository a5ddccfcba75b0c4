// SPDX-License-Identifier: MIT
#include "conform/case_output_queues.h"

#include "base/bits.h"
#include "conform/lies_within.h"
#include "spec/smmu/event_record.h"
#include "spec/smmu/event_rules.h"
#include "spec/smmu/queue.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace reg = spec::reg;

void CaseOutputQueues::written(u32 offset, u64 value) {
  if (offset == reg::eventq_base) event_cons_ = 0;
  if (offset == reg::eventq_cons) event_cons_ = value & spec::queue_index_mask;
  if (offset == reg::priq_base) page_cons_ = page_overflow_ = 0;
}

std::optional<u64> CaseOutputQueues::as_read(u64 pa) const {
  const auto its = words_.find(pa);
  return its == words_.end() ? std::nullopt : std::optional(its->second);
}

/// Their words as they are now; nothing: the device died.
std::optional<std::vector<u64>> CaseOutputQueues::load(const std::vector<u64>& places) {
  std::vector<Ticket> tickets;
  for (const u64 place : places) tickets.push_back(log_.device().load(place));
  if (!log_.settle()) return std::nullopt;
  std::vector<u64> words;
  for (std::size_t i = 0; i < places.size(); ++i) {
    words.push_back(log_.value(tickets[i]));
    words_[places[i]] = words.back();
  }
  return words;
}

bool CaseOutputQueues::poll_events(bool keeps_overflow) {
  const Ticket ticket = log_.read(reg::eventq_prod, 4);
  if (!log_.settle()) return false;
  const u64 prod = log_.value(ticket);
  const unsigned lg2 = queues_.eventq_lg2;
  const u64 fresh = spec::queue_used<u64>(lg2, prod & spec::queue_index_mask, event_cons_);
  if (fresh == 0 || fresh > pow2(lg2)) {
    const bool overflows = ((prod ^ overflow_) & spec::queue_overflow_flag) != 0;
    if (overflows && !keeps_overflow) acknowledge_events(prod, false);
    return true;
  }
  std::vector<u64> places;
  for (u64 at = event_cons_; at != spec::queue_bits<u64>(lg2, prod & spec::queue_index_mask);
       at = spec::queue_next<u64>(lg2, at)) {
    const u64 place = queues_.eventq + 32 * spec::queue_index<u64>(lg2, at);
    for (unsigned i = 0; i < 4; ++i) places.push_back(place + 8 * i);
  }
  const auto words = load(places);
  if (!words) return false;
  for (std::size_t i = 0; i < words->size(); i += 4) {
    trace::EventRecord record;
    for (std::size_t k = 0; k < 4; ++k) record[k] = (*words)[i + k];
    log_.event(trace::smmu_agent(), trace::EventRecorded{.record = record});
    if (const auto stag = spec::stall_in(record)) {
      stalled_.emplace_back(spec::event_sid(record), *stag);
    }
  }
  acknowledge_events(prod, keeps_overflow);
  return true;
}

void CaseOutputQueues::acknowledge_events(u64 prod, bool keeps_overflow) {
  event_cons_ = spec::queue_bits<u64>(queues_.eventq_lg2, prod & spec::queue_index_mask);
  if (!keeps_overflow) overflow_ = prod & spec::queue_overflow_flag;
  log_.write(reg::eventq_cons, 4, event_cons_ | overflow_);
}

bool CaseOutputQueues::is_memory(u64 pa, u64 bytes) const {
  const DeviceIdentity& identity = log_.identity();
  return lies_within(pa, bytes, identity.structures_pa, identity.structures_bytes) ||
         lies_within(pa, bytes, identity.data_pa, identity.data_bytes);
}

bool CaseOutputQueues::poll_pages(bool keeps_overflow) {
  if (!log_.identity().pri || queues_.priq == 0) return true;
  const Ticket ticket = log_.read(reg::priq_prod, 4);
  if (!log_.settle()) return false;
  const u64 prod = log_.value(ticket);
  const unsigned lg2 = queues_.priq_lg2;
  u64 end = spec::queue_bits<u64>(lg2, prod & spec::queue_index_mask);
  const bool sound = spec::queue_used<u64>(lg2, end, page_cons_) <= pow2(lg2) &&
                     is_memory(queues_.priq, u64{16} << lg2);
  if (!sound) end = page_cons_;
  std::vector<u64> places;
  for (u64 at = page_cons_; at != end; at = spec::queue_next<u64>(lg2, at)) {
    const u64 place = queues_.priq + 16 * spec::queue_index<u64>(lg2, at);
    for (const u64 word : {place, place + 8}) places.push_back(word);
  }
  const auto words = load(places);
  if (!words) return false;
  for (std::size_t i = 0; i < words->size(); i += 2) {
    const trace::PageRequestRecord record = {(*words)[i], (*words)[i + 1]};
    const u64 slot = (places[i] - queues_.priq) / 16;
    log_.event(trace::smmu_agent(),
               trace::PageRequestQueued{.slot = static_cast<u32>(slot), .record = record});
  }
  const u64 overflow = keeps_overflow ? page_overflow_ : prod & spec::queue_overflow_flag;
  const bool changes = end != page_cons_ || overflow != page_overflow_;
  page_cons_ = end;
  page_overflow_ = overflow;
  if (changes || keeps_overflow) log_.write(reg::priq_cons, 4, page_cons_ | page_overflow_);
  return true;
}

}  // namespace iommucheck::oracle
