// SPDX-License-Identifier: MIT
#include "spec/smmu/output_queues.h"

#include "base/bits.h"
#include "base/text.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

namespace {

/// Why records are left (event_left_): CONS was written, or they have had their interrupt.
constexpr u64 came_meanwhile = 1;
constexpr u64 had_its_interrupt = 2;

}  // namespace

OutputQueues::OutputQueues(Ground& ground, const ControlRegisters& controls,
                           const InterruptRegisters& irq, GlobalErrors& errors)
    : ground_(ground),
      controls_(controls),
      irq_(irq),
      errors_(errors),
      events_(ground, controls,
              {"EVENTQ", cr0::eventqen, ground.capabilities().eventqs, event_bytes}),
      requests_(ground, controls,
                {"PRIQ", cr0::priqen, ground.capabilities().priqs, page_request_bytes}) {}

// ---- registers ----------------------------------------------------------------------------------

u64* OutputQueues::storage(u32 offset) {
  switch (offset) {
    case reg::eventq_base: return events_.base();
    case reg::eventq_prod: return events_.prod_place();
    case reg::priq_base: return requests_.base();
    case reg::priq_prod: return requests_.prod_place();
    default: return nullptr;
  }
}

/// Events are recorded with SMMUEN = 0, too; PRIQEN counts as 0 then. 6.3.9.5, 6.3.9.6, 7.2.
void OutputQueues::given_back(u64 pa, u64 bytes) {
  const bool events = !controls_.surely_off(cr0::eventqen);
  const bool requests = !controls_.surely_off(cr0::priqen) && !controls_.surely_off(cr0::smmuen);
  events_.given_back(pa, bytes, events);
  requests_.given_back(pa, bytes, requests);
}

/// With SMMUEN = 0 there are events, and PRIQEN counts as 0. 6.3.9.5, 6.3.9.6.
void OutputQueues::enabled(u64 fields) {
  constexpr u32 both = cr0::smmuen | cr0::priqen;
  if ((fields & cr0::eventqen) != 0) events_.enabled();
  if ((fields & both) != 0 && (controls_.cr0() & both) == both) requests_.enabled();
}

void OutputQueues::invalidations_are_not_told() {
  events_.invalidations_are_not_told();
  requests_.invalidations_are_not_told();
}

void OutputQueues::write_eventq_cons(u64 value) {
  events_.write_cons(value, prod_is_known());
  note_left();
}

/// CONS was written. What is there still came while the queue was not empty, and has no interrupt.
void OutputQueues::note_left() {
  const bool sends = irq_.surely_enables(irq_ctrl::eventq_irqen);
  const bool rest = records_events() && !events_.is_empty();
  ground_.set(event_left_, rest && sends && event_told_ == 0 ? came_meanwhile : 0);
}

bool OutputQueues::admit_prod(OutputQueue& queue, u64 value) {
  const bool admitted = queue.observe_prod(value);
  ground_.set(prod_followed_, 1);
  overflow_seen();
  return admitted;
}

/// What the driver knows of PROD from here on.
void OutputQueues::note_read(u32 offset, u64 value) {
  if (offset == reg::eventq_prod) {
    events_.set_seen(value);
    overflow_seen();
  }
  if (offset == reg::priq_prod) {
    requests_.set_seen(value);
    overflow_seen();
  }
}

/// A recording may have the next interrupt while another CPU is at that.
void OutputQueues::overflow_seen() {
  if (ground_.is_recording()) return;
  events_.note_overflow();
  requests_.note_overflow();
}

// ---- records ------------------------------------------------------------------------------------

Delivery OutputQueues::record_event(const EventRecord& record) {
  const bool aborted = errors_.is_active(gerror::eventq_abt_err);
  const bool enabled = controls_.enables(cr0::eventqen) && !aborted;
  if (enabled) ground_.set(prod_followed_, 1);
  const Delivery result = delivery(enabled, events_.is_full(), bit(record.dw[1], 31));
  if (result == Delivery::overflows && !events_.overflow_open()) observe_event_overflow();
  if (result != Delivery::written) return result;
  if (events_.is_empty()) ground_.set(event_told_, 1);
  const u64 place = events_.slot();
  for (unsigned i = 0; i < event_words; ++i) {
    ground_.caches().memory().device_store(place + 8 * i, record.dw[i]);
  }
  events_.advance();
  return result;
}

bool OutputQueues::lose_event_interrupt() {
  if (event_told_ == 0) return false;
  ground_.set(event_told_, 0);
  return true;
}

bool OutputQueues::lose_page_interrupt() {
  if (page_told_ == 0) return false;
  ground_.set(page_told_, 0);
  return true;
}

PageQueue OutputQueues::page_queue() const {
  constexpr u32 both = cr0::smmuen | cr0::priqen;
  return {.enabled = controls_.surely_enables(both),
          .aborted = errors_.is_active(gerror::priq_abt_err),
          .full = requests_.is_full(),
          .overflow = requests_.overflow_open()};
}

void OutputQueues::take_page_request(const PageRequest& request,
                                     const PageRequestOutcome& outcome) {
  if (outcome.aborts && !page_queue().aborted) errors_.toggle(gerror::priq_abt_err);
  if (outcome.overflows) requests_.toggle_overflow();
  if (outcome.end != PageRequestEnd::recorded) return;
  if (requests_.is_empty() && request.last) ground_.set(page_told_, 1);
  const PageRequestRecord record = record_of(request, ground_.capabilities());
  const u64 place = requests_.slot();
  for (unsigned i = 0; i < page_request_words; ++i) {
    ground_.caches().memory().device_store(place + 8 * i, record.dw[i]);
  }
  ground_.set(prod_followed_, 1);
  requests_.advance();
}

// ---- what the driver sees -----------------------------------------------------------------------

void OutputQueues::interrupt_of_event_queue(bool at_rest) {
  ground_.set(event_told_, 0);
  ground_.count(rule::EVENT_LEFT);
  if (event_left_ != 0) {
    const bool was_told = event_left_ == had_its_interrupt;
    ground_.set(event_left_, 0);
    const std::string cons = hex(events_.cons());
    ground_.report(
        rule::EVENT_LEFT,
        was_told ? "the record at EVENTQ_CONS = " + cons +
                       " has had its interrupt, and is still in the queue: none is sent for what "
                       "comes to a queue that is not empty"
                 : "EVENTQ_CONS was written as " + cons +
                       ", and the record there came before that to a queue that was not empty: no "
                       "interrupt was sent for it");
  }
  // Who is at work on it writes CONS.
  const bool sends = at_rest && irq_.surely_enables(irq_ctrl::eventq_irqen);
  if (sends && records_events() && !events_.is_empty()) ground_.set(event_left_, had_its_interrupt);
  events_.check_overflow();
}

void OutputQueues::observe_load(u64 pa) {
  if (ground_.is_recording()) return;
  events_.observe_load(pa);
  requests_.observe_load(pa);
}

void OutputQueues::observe_invalidate(u64 pa, u64 bytes) {
  constexpr unsigned line_lg2 = 6;  // as Memory cleans
  if (bytes == 0) return;
  const u64 first = align_down(pa, line_lg2);
  const u64 end = align_down(pa + (bytes - 1), line_lg2) + pow2(line_lg2);
  events_.observe_invalidate(first, end);
  requests_.observe_invalidate(first, end);
}

void OutputQueues::observe_load_barrier() {
  events_.observe_load_barrier();
  requests_.observe_load_barrier();
}

}  // namespace iommucheck::spec
