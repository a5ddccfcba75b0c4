// SPDX-License-Identifier: MIT
// Event and PRI queue, and stalled accesses. IHI 0070 3.12.2, 7.2 to 7.4, 8.
#include "spec/smmu/smmu.h"

#include <algorithm>

#include "base/text.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

/// CONS moves forward, over records that the driver can know of: those that were seen to be
/// recorded, and those that PROD showed when it was read.
void Smmu::check_cons(unsigned lg2, u64 cons, u64 prod, u64 seen, u64 value, const char* name) {
  ++caches_.exercised()[number_of(rule::QUEUE_CONS_RANGE)];
  if (slots_from_events_ && r_.prod_followed == 0) return;
  u64 there = 0;
  for (const u64 known : {prod, seen}) {
    const u64 used = queue_used(lg2, known, cons);
    if (used <= pow2(lg2)) there = std::max(there, used);
  }
  if (queue_used(lg2, value, cons) <= there) return;
  report(rule::QUEUE_CONS_RANGE,
         std::string(name) + " = " + hex(value) + " is not between its last value and PROD");
}

void Smmu::write_eventq_cons(u64 value) {
  value &= queue_overflow_flag | 0xfffff;
  const unsigned lg2 = eventq().lg2;
  if ((r_.cr0 & cr0::eventqen) != 0) {
    check_cons(lg2, r_.eventq_cons, r_.eventq_prod, r_.eventq_seen, value, "EVENTQ_CONS");
    records_given_back(event_queue(), event_loads_, value);
  } else {
    begin_loads(event_loads_, value);
  }
  set(r_.eventq_cons, value);
  note_left();
  note_overflow(event_queue(), r_.cr0 & cr0::eventqen, r_.overflow_drained);
}

/// PROD was read, or CONS written. With the queue empty there is nothing else to do than to
/// acknowledge an overflow.
void Smmu::note_overflow(const OutputQueue& queue, u64 enabled, u64& drained) {
  const bool open = ((queue.cons ^ queue.seen) & queue_overflow_flag) != 0;
  if (!open) {
    set(drained, 0);
  } else if (enabled != 0 &&
             static_cast<bool>(queue_empty(queue.queue.lg2, queue.seen, queue.cons))) {
    set(drained, 1);
  }
}

/// A recording may have the next interrupt while another CPU is at that.
void Smmu::overflow_seen() {
  if (slots_from_events_) return;
  note_overflow(event_queue(), r_.cr0 & cr0::eventqen, r_.overflow_drained);
  note_overflow(pri_queue(), r_.cr0 & cr0::priqen, r_.page_overflow_drained);
}

void Smmu::write_priq_cons(u64 value) {
  value &= queue_overflow_flag | 0xfffff;
  if ((r_.cr0 & cr0::priqen) != 0) {
    check_cons(priq().lg2, r_.priq_cons, r_.priq_prod, r_.priq_seen, value, "PRIQ_CONS");
    records_given_back(pri_queue(), pri_loads_, value);
  } else {
    begin_loads(pri_loads_, value);
  }
  set(r_.priq_cons, value);
  note_overflow(pri_queue(), r_.cr0 & cr0::priqen, r_.page_overflow_drained);
}

/// CONS was written. What is there still came while the queue was not empty, and has no interrupt.
void Smmu::note_left() {
  const bool sends = (r_.irq_ctrl & r_.irq_ctrlack & irq_ctrl::eventq_irqen) != 0;
  const u64 prod = r_.eventq_prod & 0xfffff;
  const bool rest = records_events() && !queue_empty(eventq().lg2, prod, r_.eventq_cons & 0xfffff);
  set(r_.event_left, rest && sends && r_.event_told == 0 ? 1 : 0);
}

void Smmu::interrupt_of_event_queue() {
  set(r_.event_told, 0);
  ++caches_.exercised()[number_of(rule::EVENT_LEFT)];
  if (r_.event_left != 0) {
    set(r_.event_left, 0);
    report(rule::EVENT_LEFT, "EVENTQ_CONS was written as " + hex(r_.eventq_cons) +
                                 ", and the record there came before that to a queue that was not "
                                 "empty: no interrupt was sent for it");
  }
  check_overflow(event_queue(), r_.overflow_drained);
}

void Smmu::interrupt_of_page_queue() { check_overflow(pri_queue(), r_.page_overflow_drained); }

void Smmu::check_overflow(const OutputQueue& queue, u64& drained) {
  ++caches_.exercised()[number_of(rule::EVENT_OVERFLOW_ACK)];
  if (drained == 0) return;
  set(drained, 0);
  const std::string name(queue.name);
  report(rule::EVENT_OVERFLOW_ACK,
         name + "_PROD.OVFLG was read as " + std::to_string(bit(queue.seen, 31) ? 1 : 0) +
             ", the queue was emptied, and " + name + "_CONS.OVACKFLG is still " +
             std::to_string(bit(queue.cons, 31) ? 1 : 0) + ": the next overflow cannot be seen");
}

Delivery Smmu::record_event(const EventRecord& record) {
  const bool aborted = ((r_.gerror ^ r_.gerrorn) & gerror::eventq_abt_err) != 0;
  const bool enabled = (r_.cr0 & cr0::eventqen) != 0 && !aborted;
  const QueueGeometry queue = eventq();
  const u64 prod = r_.eventq_prod & 0xfffff;
  const bool full = static_cast<bool>(queue_full(queue.lg2, prod, r_.eventq_cons & 0xfffff));
  if (enabled) set(r_.prod_followed, 1);
  const Delivery result = delivery(enabled, full, bit(record.dw[1], 31));
  if (result == Delivery::overflows && !event_overflow_open()) observe_event_overflow();
  if (result != Delivery::written) return result;
  if (queue_empty(queue.lg2, prod, r_.eventq_cons & 0xfffff)) set(r_.event_told, 1);
  const u64 place = queue_slot(queue, event_bytes, prod);
  for (unsigned i = 0; i < event_words; ++i) {
    caches_.memory().device_store(place + 8 * i, record.dw[i]);
  }
  set(r_.eventq_prod, (r_.eventq_prod & queue_overflow_flag) | queue_next(queue.lg2, prod));
  return result;
}

std::optional<Smmu::Recorded> Smmu::record(const Access& access, const Outcome& outcome) {
  if (!has_record(access, outcome, recinvsid())) return std::nullopt;
  EventFields fields = fields_of(access, outcome);
  if (fields.stall) {
    const bool full = event_slots() == 0;
    const bool room = delivery(records_events(), full, true) == Delivery::written;
    if (room) fields.stag = begin_stall(access.sid, access.ssid, access.ssv);
    if (!fields.stag) return Recorded{.delivery = Delivery::waits};
  }
  EventRecord made = record_of(outcome.event, fields);
  // What is UNKNOWN may be anything that an SMMU knows: here an address of its own queue's.
  const u64 own = queue_slot(eventq(), event_bytes, r_.eventq_prod & 0xfffff);
  for (unsigned i = 0; i < event_words; ++i) made.dw[i] |= own & ~made.fixed[i];
  return Recorded{record_event(made), made, fields.stall};
}

// ---- page requests, IHI 0070 8 ------------------------------------------------------------------

PageQueue Smmu::page_queue() const {
  constexpr u32 both = cr0::smmuen | cr0::priqen;
  const QueueGeometry queue = priq();
  return {.enabled = (r_.cr0 & r_.cr0ack & both) == both,
          .aborted = ((r_.gerror ^ r_.gerrorn) & gerror::priq_abt_err) != 0,
          .full = queue_full(queue.lg2, r_.priq_prod, r_.priq_cons).value,
          .overflow = ((r_.priq_prod ^ r_.priq_cons) & queue_overflow_flag) != 0};
}

u64 Smmu::page_slot() const { return queue_slot(priq(), page_request_bytes, r_.priq_prod); }

void Smmu::take_page_request(const PageRequest& request, const PageRequestOutcome& outcome) {
  if (outcome.aborts && !page_queue().aborted) set(r_.gerror, r_.gerror ^ gerror::priq_abt_err);
  if (outcome.overflows) set(r_.priq_prod, r_.priq_prod ^ queue_overflow_flag);
  if (outcome.end != PageRequestEnd::recorded) return;
  const PageRequestRecord record = record_of(request, capabilities());
  const u64 place = page_slot();
  for (unsigned i = 0; i < page_request_words; ++i) {
    caches_.memory().device_store(place + 8 * i, record.dw[i]);
  }
  set(r_.prod_followed, 1);
  set(r_.priq_prod, (r_.priq_prod & queue_overflow_flag) | queue_next(priq().lg2, r_.priq_prod));
}

// ---- stalled accesses, IHI 0070 3.12.2, 4.6, 4.7 ------------------------------------------------

std::optional<u16> Smmu::begin_stall(u32 sid, u32 ssid, bool ssv) {
  if (stalls_.size() >= capabilities().stall_max) return std::nullopt;
  u32 stag = first_stag_;
  for (u32 i = 0; i < stalls_.size(); ++i) {
    if (stalls_[i].stag != stag) continue;
    stag = (stag + 1) & 0xffff;
    i = ~u32{0};  // from the beginning again
  }
  stalls_.push(caches_.trail(), {.sid = sid, .ssid = ssid, .ssv = ssv ? 1U : 0U, .stag = stag});
  return static_cast<u16>(stag);
}

bool Smmu::has_stall(u32 sid, u32 ssid, bool ssv) const {
  for (u32 i = 0; i < stalls_.size(); ++i) {
    const Stall& stall = stalls_[i];
    if (stall.sid == sid && (stall.ssv != 0) == ssv && (!ssv || stall.ssid == ssid)) return true;
  }
  return false;
}

bool Smmu::has_stall_tag(u32 sid, u32 stag) const {
  for (u32 i = 0; i < stalls_.size(); ++i) {
    if (stalls_[i].sid == sid && stalls_[i].stag == stag) return true;
  }
  return false;
}

/// CMD_RESUME repeats or ends one of them, by StreamID and STAG; an STAG that is not the stream's
/// has no effect. CMD_STALL_TERM ends all of a stream.
void Smmu::end_stalls(const Command& command, const CommandWords& words) {
  constexpr unsigned resume_again_bit = 12;  // Ac
  const bool resumes = command.op == Opcode::resume;
  if (command.op == Opcode::pri_resp) {
    for (const auto& response : command_responses(command, capabilities(), smmuen())) {
      if (response) page_responses_.push_back(*response);
    }
    set(r_.acted_total, r_.exposed_total + 1);
    return;
  }
  if (!resumes && command.op != Opcode::stall_term) return;
  for (u32 i = stalls_.size(); i != 0; --i) {
    const Stall& stall = stalls_[i - 1];
    if (stall.sid != command.sid || (resumes && stall.stag != command.stag)) continue;
    resumed_.push_back(
        {stall.sid, stall.stag, resumes && bit(words.dw0, resume_again_bit), resumes});
    stalls_.remove_unordered(caches_.trail(), i - 1);
    set(r_.acted_total, r_.exposed_total + 1);
  }
}

}  // namespace iommucheck::spec
