// SPDX-License-Identifier: MIT
#include "conform/interrupt_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/bits.h"
#include "spec/rules/records.h"
#include "spec/smmu/command.h"
#include "spec/smmu/queue.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
namespace rule = spec::rule;

/// CMD_SYNC.CS: SIG_IRQ.
constexpr u64 signals_by_interrupt = 1;
constexpr u64 reserved_signal = 3;
constexpr unsigned last_only_bit = 31;  // of PRIQ_IRQ_CFG2

}  // namespace

InterruptRules::InterruptRules(const spec::IdRegisters& id, bool wired)
    : caps_(spec::parse_capabilities(id)), wired_(wired) {}

void InterruptRules::begin(const QueueLayout& queues) {
  const u64 first = absent_first_, bytes = absent_bytes_;
  *this = InterruptRules(caps_, wired_);
  no_memory_at(first, bytes);
  queues_ = queues;
}

const char* InterruptRules::name_of(Source source) {
  switch (source) {
    case event_queue: return "the event queue";
    case page_requests: return "the page request queue";
    case global_error: return "a global error";
    default: return "CMD_SYNC";
  }
}

/// Of a CMD_SYNC the command itself is the enable.
bool InterruptRules::surely_on(Source source) const {
  const u64 field = source == event_queue     ? spec::irq_ctrl::eventq_irqen
                    : source == page_requests ? spec::irq_ctrl::priq_irqen
                                              : spec::irq_ctrl::gerror_irqen;
  return source == command_sync || ((enables_ & settled_ & field) != 0);
}

bool InterruptRules::surely_off(Source source) const {
  const u64 field = source == event_queue     ? spec::irq_ctrl::eventq_irqen
                    : source == page_requests ? spec::irq_ctrl::priq_irqen
                                              : spec::irq_ctrl::gerror_irqen;
  return source != command_sync && (enables_ & field) == 0 && (settled_ & field) != 0;
}

void InterruptRules::due(Source source, u64 since) {
  state_[source].due_since = since;
  state_[source].due_at = now_;
  ++due_count_;
}

std::optional<Finding> InterruptRules::feed(const trace::Event& event) {
  ++now_;
  if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
    const u64 bytes = u64{16} << queues_.cmdq_lg2;
    if (store->pa - queues_.cmdq < bytes) words_[store->pa] = store->value.value_or(0);
  } else if (const auto* write_of = std::get_if<trace::MmioWrite>(&event.payload)) {
    write(*write_of);
  } else if (const auto* read_of = std::get_if<trace::MmioRead>(&event.payload)) {
    return read(*read_of);
  } else if (const auto* interrupt = std::get_if<trace::Irq>(&event.payload)) {
    return irq(interrupt->kind);
  } else if (const auto* request = std::get_if<trace::PageRequest>(&event.payload)) {
    sent(*request);
  }
  return std::nullopt;
}

/// Surely: what meets no room then is discarded for that and for nothing else.
bool InterruptRules::takes_page_requests() const {
  constexpr u64 both = spec::cr0::smmuen | spec::cr0::priqen;
  return (cr0_ & cr0_settled_ & both) == both && (errors_ & spec::gerror::priq_abt_err) == 0;
}

void InterruptRules::sent(const trace::PageRequest& request) {
  // With LO = 1 each with Last sends one, recorded or met by a full queue. IHI 0070 6.3.36.
  const bool marker = request.ssid && request.ssid->valid && request.rights &&
                      !request.rights->read && !request.rights->write;
  if (request.last && last_only_ && !marker && surely_on(page_requests) && takes_page_requests()) {
    due(page_requests, now_);
  }
  if (!request.last || !surely_on(page_requests)) ++other_messages_;
  if (request.last && last_only_) ++state_[page_requests].causes;
}

/// A queue is set up. What came of it before and after is not told apart.
void InterruptRules::moved(Source source) {
  OutputQueue& queue = output_[source];
  queue.unsure |= queue.set;
  queue.set = true;
}

void InterruptRules::addressed(Source source, u64 value) {
  state_[source].message_pa = value & mask(51, 2);
  state_[source].addressed = true;
}

void InterruptRules::write(const trace::MmioWrite& write) {
  switch (static_cast<u32>(write.offset)) {
    case reg::irq_ctrl:
      settled_ &= ~(enables_ ^ write.value);
      enables_ = write.value;
      break;
    case reg::cr0:
      cr0_settled_ &= ~(cr0_ ^ write.value);
      cr0_ = write.value;
      break;
    case reg::cmdq_prod: exposed(write.value & spec::queue_index_mask); break;
    case reg::cmdq_base:
    case reg::cmdq_cons:
      commands_.clear();
      prod_ = static_cast<u32>(write.offset) == reg::cmdq_cons
                  ? write.value & spec::queue_index_mask
                  : 0;
      consumed_ = 0;
      break;
    case reg::gerrorn: queue_broken_ = true; break;  // the queue goes on somewhere behind an error
    case reg::eventq_cons:
    case reg::priq_cons: {
      OutputQueue& queue = output_[write.offset == reg::eventq_cons ? event_queue : page_requests];
      if (queue.cons != (write.value & spec::queue_index_mask)) ++queue.emptied;
      queue.cons = write.value & spec::queue_index_mask;
      queue.empty_at.reset();
      break;
    }
    case reg::eventq_base: moved(event_queue); break;
    case reg::priq_base: moved(page_requests); break;
    case reg::gerror_irq_cfg0: addressed(global_error, write.value); break;
    case reg::gerror_irq_cfg1: state_[global_error].payload = static_cast<u32>(write.value); break;
    case reg::eventq_irq_cfg0: addressed(event_queue, write.value); break;
    case reg::eventq_irq_cfg1: state_[event_queue].payload = static_cast<u32>(write.value); break;
    case reg::priq_irq_cfg0: addressed(page_requests, write.value); break;
    case reg::priq_irq_cfg1: state_[page_requests].payload = static_cast<u32>(write.value); break;
    case reg::priq_irq_cfg2:
      // Of what came before it is not known how it was judged; or it is guarded.
      output_[page_requests].unsure |=
          other_messages_ != 0 || state_[page_requests].causes != 0 || !surely_off(page_requests);
      last_only_ = bit(write.value, last_only_bit);
      break;
    default: break;
  }
}

/// Commands up to `prod`, as they are in memory.
void InterruptRules::exposed(u64 prod) {
  const unsigned lg2 = queues_.cmdq_lg2;
  const u64 fresh = spec::queue_used<u64>(lg2, prod, prod_);
  if (fresh > pow2(lg2)) return;
  for (u64 i = 0; i < fresh; ++i, prod_ = spec::queue_next<u64>(lg2, prod_)) {
    const u64 slot = queues_.cmdq + 16 * spec::queue_index<u64>(lg2, prod_);
    const u64 low = words_[slot], high = words_[slot + 8];
    Command command{.exposed_at = now_};
    if (bits(low, 7, 0) == static_cast<u64>(spec::Opcode::sync)) {
      command.interrupts = bits(low, 13, 12) == signals_by_interrupt;
      command.may_interrupt = bits(low, 13, 12) == reserved_signal;
      command.message_pa = caps_.msi && command.interrupts ? high & mask(51, 2) : 0;
      command.payload = static_cast<u32>(low >> 32);
    }
    commands_.push_back(command);
  }
}

/// Up to CMDQ_CONS.RD, also at an error. ERR is UNKNOWN while there is none. IHI 0070 6.3.28.
void InterruptRules::consumed(u64 cons) {
  if (queue_broken_) return;
  const unsigned lg2 = queues_.cmdq_lg2;
  const u64 left =
      spec::queue_used<u64>(lg2, prod_, spec::queue_bits<u64>(lg2, cons & spec::queue_index_mask));
  if (left > commands_.size()) return;
  for (; consumed_ < commands_.size() - left; ++consumed_) {
    Command& command = commands_[consumed_];
    command.consumed_at = now_;
    // To be refused (CMD_SYNC_CS); what it signals where it is not says nothing more.
    if (command.may_interrupt) ++state_[command_sync].causes;
    if (!command.interrupts) continue;
    ++state_[command_sync].causes;
    if (command.message_pa != 0) {
      messages_.push_back(command);
    } else {
      due(command_sync, command.exposed_at);
    }
  }
}

/// A field that was changed is in effect once IRQ_CTRLACK shows it. IHI 0070 6.3.19.
void InterruptRules::acknowledged(u64 value) {
  std::array<bool, sources> before{};
  for (const Source source : {event_queue, page_requests, global_error}) {
    before[source] = surely_on(source);
  }
  settled_ |= ~(enables_ ^ value);
  for (const Source source : {event_queue, page_requests, global_error}) {
    if (surely_on(source) && !before[source]) on_since_[source] = now_;
  }
}

/// A bit toggles when its error becomes active.
void InterruptRules::errors_shown(u64 value) {
  const u64 active = value ^ gerror_;
  State& its = state_[global_error];
  its.causes += static_cast<u64>(std::popcount(active));
  if (active != 0 && surely_on(global_error) && on_since_[global_error] <= gerror_at_) {
    due(global_error, gerror_at_);
  }
  if (active != 0 && wired_ && surely_off(global_error)) ++masked_count_;
  gerror_ = value;
  errors_ |= active;
  gerror_at_ = now_;
}

/// From one look that finds the queue empty to the next one that does not it was filled once at
/// least; how often at most its records say. With LO = 1 it is each message with Last that counts:
/// of more records than messages without were sent one has it. IHI 0070 3.18.2, 6.3.36.
void InterruptRules::records_shown(Source source, u64 value) {
  OutputQueue& queue = output_[source];
  const unsigned lg2 = lg2_of(source);
  const u64 prod = value & spec::queue_index_mask;
  const u64 fresh = spec::queue_used<u64>(lg2, prod, queue.prod);
  queue.unsure |= fresh > pow2(lg2);
  queue.records += fresh;
  queue.prod = prod;
  const bool empty = spec::queue_bits<u64>(lg2, prod) == spec::queue_bits<u64>(lg2, queue.cons);
  std::optional<u64> since;
  if (source == page_requests && last_only_) {
    if (fresh > other_messages_) since = queue.read_at;
    other_messages_ -= std::min(fresh, other_messages_);
  } else {
    // What is not empty does not become so again before CONS has moved. IHI 0070 3.18.2.
    state_[source].causes = std::min(queue.records, queue.emptied);
    if (!empty) since = queue.empty_at;
  }
  if (since && !queue.unsure) {
    if (surely_on(source) && on_since_[source] <= *since) due(source, *since);
    if (wired_ && surely_off(source)) ++masked_count_;
  }
  queue.empty_at = empty ? std::optional(now_) : std::nullopt;
  queue.read_at = now_;
}

std::optional<Finding> InterruptRules::read(const trace::MmioRead& read) {
  switch (static_cast<u32>(read.offset)) {
    case reg::irq_ctrlack: acknowledged(read.value); return std::nullopt;
    case reg::cr0ack: cr0_settled_ |= ~(cr0_ ^ read.value); return std::nullopt;
    case reg::cmdq_cons: consumed(read.value); return too_many(command_sync);
    case reg::gerror: errors_shown(read.value); return too_many(global_error);
    case reg::eventq_prod: records_shown(event_queue, read.value); return too_many(event_queue);
    case reg::priq_prod: records_shown(page_requests, read.value); return too_many(page_requests);
    default: return std::nullopt;
  }
}

/// What was sent before it was read has to be seen in what is read.
std::optional<Finding> InterruptRules::too_many(Source source) const {
  const State& its = state_[source];
  const bool unsure =
      source == command_sync ? queue_broken_ : source < output_.size() && output_[source].unsure;
  if (its.came <= its.causes || unsure) return std::nullopt;
  const std::string kind = fmt::format("an interrupt of {} without its cause", name_of(source));
  return device_finding(
      rule::INTERRUPT_CAUSE, kind,
      fmt::format("{}: {} came, and {} causes can be observed", kind, its.came, its.causes));
}

std::optional<Finding> InterruptRules::irq(trace::IrqKind kind) {
  const Source source = kind == trace::IrqKind::event_queue          ? event_queue
                        : kind == trace::IrqKind::page_request_queue ? page_requests
                        : kind == trace::IrqKind::global_error       ? global_error
                                                                     : command_sync;
  State& its = state_[source];
  ++came_count_;
  ++its.came;
  its.last_came = now_;
  const bool none = source == page_requests && !caps_.pri;
  if (!none && !surely_off(source)) return std::nullopt;
  const std::string text =
      fmt::format("an interrupt of {} {}", name_of(source),
                  none ? "although IDR0.PRI = 0" : "although it is disabled in IRQ_CTRL");
  return device_finding(rule::INTERRUPT_CAUSE, text, text);
}

/// A message that met an external abort, as was seen at that event: its bit of GERROR says so.
/// IHI 0070 3.18.1, 6.3.17.
std::optional<Finding> InterruptRules::abort_not_shown(Source source, u64 at) const {
  constexpr std::array<std::pair<u64, const char*>, sources> shown_by = {
      {{spec::gerror::msi_eventq_abt, "MSI_EVENTQ_ABT_ERR"},
       {spec::gerror::msi_priq_abt, "MSI_PRIQ_ABT_ERR"},
       {spec::gerror::msi_gerror_abt, "MSI_GERROR_ABT_ERR"},
       {spec::gerror::msi_cmdq_abt, "MSI_CMDQ_ABT_ERR"}}};
  const auto& [field, name] = shown_by[source];
  if (gerror_at_ <= at || (errors_ & field) != 0) return std::nullopt;
  const std::string kind = fmt::format("GERROR.{} does not show a message that aborts", name);
  return device_finding(
      rule::INTERRUPT_SENT, kind,
      fmt::format("{}: one of {} was sent to where no memory is, and GERROR is {:#x} behind it",
                  kind, name_of(source), gerror_));
}

std::vector<Finding> InterruptRules::finish() const {
  std::vector<Finding> wrong;
  for (const Command& one : messages_) {
    if (!aborts(one.message_pa)) continue;
    if (auto error = abort_not_shown(command_sync, one.consumed_at)) {
      wrong.push_back(std::move(*error));
      break;
    }
  }
  for (const Source source : {event_queue, page_requests, global_error}) {
    const State& its = state_[source];
    if (!its.due_since || !caps_.msi || its.message_pa == 0 || !aborts(its.message_pa)) continue;
    if (auto error = abort_not_shown(source, its.due_at)) wrong.push_back(std::move(*error));
  }
  if (!wired_) return wrong;
  for (const Source source : {event_queue, page_requests, global_error, command_sync}) {
    const State& its = state_[source];
    if (!its.due_since || (its.last_came && *its.last_came > *its.due_since)) continue;
    const bool addressed = its.addressed || source == command_sync;
    if (caps_.msi && (its.message_pa != 0 || !addressed)) continue;  // it may be a message alone
    const std::string kind = fmt::format("no interrupt of {}", name_of(source));
    wrong.push_back(
        device_finding(rule::INTERRUPT_SENT, kind,
                       fmt::format("{}: it is enabled, its condition arose {} times, and {} came",
                                   kind, its.causes, its.came)));
  }
  return wrong;
}

std::optional<InterruptRules::Message> InterruptRules::message_at(u64 pa) const {
  if (!caps_.msi) return std::nullopt;
  std::optional<Message> found;
  for (const Command& one : messages_) {
    if (one.message_pa == pa) found = Message{one.payload, true};
  }
  for (const Source source : {event_queue, page_requests, global_error}) {
    const State& its = state_[source];
    if (its.message_pa == 0 || its.message_pa != pa || surely_off(source)) continue;
    found = Message{its.payload, its.due_since.has_value()};
  }
  return found;
}

}  // namespace iommucheck::oracle
