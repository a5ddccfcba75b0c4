// SPDX-License-Identifier: MIT
// The event queue and the PRI queue: what the SMMU puts there, when it tells the driver, and what
// the driver may leave there. IHI 0070 3.18.2, 7.2 to 7.4, 8. What both have is in output_queue.h.
#pragma once

#include "spec/smmu/event_rules.h"
#include "spec/smmu/global_errors.h"
#include "spec/smmu/interrupt_registers.h"
#include "spec/smmu/output_queue.h"
#include "spec/smmu/page_request.h"

namespace iommucheck::spec {

class OutputQueues {
 public:
  OutputQueues(Ground& ground, const ControlRegisters& controls, const InterruptRegisters& irq,
               GlobalErrors& errors);

  [[nodiscard]] const OutputQueue& events() const { return events_; }
  [[nodiscard]] const OutputQueue& requests() const { return requests_; }

  // ---- registers --------------------------------------------------------------------------------
  /// Where the register at `offset` keeps what is written; nothing: it is not one of these.
  u64* storage(u32 offset);
  void eventq_prod_written(u64 value) { events_.prod_written(value); }
  void priq_prod_written(u64 value) { requests_.prod_written(value); }
  void write_eventq_cons(u64 value);
  void write_priq_cons(u64 value) { requests_.write_cons(value, prod_is_known()); }
  /// As a judge: what the device answered. False: no device may.
  bool admit_eventq_prod(u64 value) { return admit_prod(events_, value); }
  bool admit_priq_prod(u64 value) { return admit_prod(requests_, value); }
  /// As a device: the driver reads it there.
  void note_read(u32 offset, u64 value);

  /// `fields` of CR0 became 1.
  void enabled(u64 fields);
  /// The driver gives the memory back.
  void given_back(u64 pa, u64 bytes);

  // ---- records ----------------------------------------------------------------------------------
  /// EVENTQEN = 1 and acknowledged, and no EVENTQ_ABT_ERR is active.
  [[nodiscard]] bool records_events() const {
    return controls_.surely_enables(cr0::eventqen) && !errors_.is_active(gerror::eventq_abt_err);
  }
  Delivery record_event(const EventRecord& record);
  /// An interrupt of the event queue is due that has not come: it does not come any more.
  bool lose_event_interrupt();
  bool lose_page_interrupt();  ///< likewise of the PRI queue
  [[nodiscard]] PageQueue page_queue() const;
  void take_page_request(const PageRequest& request, const PageRequestOutcome& outcome);
  void observe_event_overflow() { events_.toggle_overflow(); }

  // ---- what the driver sees ---------------------------------------------------------------------
  /// `at_rest`: no call is in progress, for whose end a driver could leave the records.
  void interrupt_of_event_queue(bool at_rest);
  void interrupt_of_page_queue() {
    ground_.set(page_told_, 0);
    requests_.check_overflow();
  }
  /// The driver is at nothing that could be about to acknowledge an overflow of the PRI queue.
  void page_queue_is_left() { requests_.check_left(); }
  void observe_load(u64 pa);
  void observe_load_barrier();
  void observe_invalidate(u64 pa, u64 bytes);
  void invalidations_are_not_told();

 private:
  [[nodiscard]] bool prod_is_known() const {
    return !ground_.is_recording() || prod_followed_ != 0;
  }
  bool admit_prod(OutputQueue& queue, u64 value);
  void overflow_seen();
  void note_left();

  Ground& ground_;
  const ControlRegisters& controls_;
  const InterruptRegisters& irq_;
  GlobalErrors& errors_;
  OutputQueue events_, requests_;
  u64 prod_followed_ = 0;  // a recording has shown it, of either queue
  u64 event_told_ = 0;     // an interrupt of the event queue is on its way
  u64 event_left_ = 0;     // CONS left records, and none is
  u64 page_told_ = 0;  // an interrupt of the PRI queue is on its way, whatever PRIQ_IRQ_CFG2.LO is
};

}  // namespace iommucheck::spec
