// SPDX-License-Identifier: MIT
#include "conform/endpoint_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/bits.h"
#include "conform/case_notes.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/queue.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using spec::Opcode;
namespace rule = spec::rule;

constexpr u64 whole_space = 52;  // CMD_ATC_INV.Size: 2^64 bytes

std::string invalidation_text(const trace::AtcInvalidated& event) {
  const std::string pasid = event.ssid && event.ssid->valid
                                ? fmt::format(" with PASID {:#x}{}", event.ssid->value,
                                              event.global.value_or(false) ? " and Global = 1" : "")
                                : std::string(" without a PASID");
  return fmt::format(
      "the invalidation of {} at {:#x} sent to {:#x}{}",
      event.length == 0 ? std::string("everything") : fmt::format("{:#x} bytes", event.length),
      event.iova, event.sid, pasid);
}

}  // namespace

void EndpointRules::begin(const QueueLayout& queues, bool shown) {
  queues_ = queues;
  shown_ = shown;
  sent_.clear();
  open_.clear();
  prod_ = cons_ = 0;
  gerror_ = gerrorn_ = last_error_ = 0;
  timed_out_ = error_known_ = false;
  disabled_ = true;
  waits_ = came_ = 0;
}

std::optional<Finding> EndpointRules::feed(const trace::Event& event, const spec::Memory& memory) {
  if (!shown_) return std::nullopt;
  if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
    if (write->offset == reg::cmdq_base) {
      sent_.clear();
      prod_ = cons_ = 0;
    }
    // SMMUEN = 0 ends what waits. IHI 0070 4.5.1.
    if (write->offset == reg::cr0) {
      if ((write->value & spec::cr0::smmuen) != 0) enabled();
      for (std::deque<Sent>* each : {&sent_, &open_}) {
        for (Sent& one : *each) one.asks = std::min(one.asks, Asks::perhaps);
      }
    }
    if (write->offset == reg::cmdq_prod) exposed(write->value, memory);
    if (write->offset == reg::gerrorn) {  // commands may have been mended: they are read again
      gerrorn_ = write->value;
      last_error_ = 0;
      sent_.clear();
      const u64 prod = prod_;
      prod_ = cons_;
      exposed(prod, memory);
    }
  } else if (const auto* read = std::get_if<trace::MmioRead>(&event.payload)) {
    if (read->offset == reg::cmdq_cons) return consumed(read->value);
    if (read->offset == reg::cr0ack && !smmu_.smmuen()) {
      disabled_ |= (read->value & spec::cr0::smmuen) == 0;
    }
    if (read->offset == reg::gerror) {
      gerror_ = read->value;
      return stopped();
    }
  } else if (const auto* done = std::get_if<trace::AtcInvalidated>(&event.payload)) {
    return came(*done);
  } else if (const auto* note = std::get_if<trace::Note>(&event.payload)) {
    timed_out_ |= note->text == silence_note;
  }
  return std::nullopt;
}

/// What was exposed before it is, and was not seen to be consumed, may run now.
void EndpointRules::enabled() {
  disabled_ = false;
  for (Sent& one : sent_) one.ignored = false;
}

EndpointRules::Asks EndpointRules::asks(const spec::Command& command) const {
  const spec::Capabilities& caps = smmu_.capabilities();
  if (command.op != Opcode::atc_inv || spec::check_command<u64>(command, caps)) {
    return Asks::nothing;
  }
  const bool open = command.size > whole_space || (command.ssv && caps.ssidsize == 0);
  const bool runs = smmu_.surely_enabled() && (smmu_.cr0() & spec::cr0::cmdqen) != 0;
  return open || !runs ? Asks::perhaps : Asks::surely;
}

void EndpointRules::exposed(u64 prod, const spec::Memory& memory) {
  const unsigned lg2 = queues_.cmdq_lg2;
  prod = spec::queue_bits<u64>(lg2, prod & spec::queue_index_mask);
  if (spec::queue_used<u64>(lg2, prod, prod_) > pow2(lg2)) return;
  for (; prod_ != prod; prod_ = spec::queue_next<u64>(lg2, prod_)) {
    const u64 slot = queues_.cmdq + 16 * spec::queue_index<u64>(lg2, prod_);
    Sent one;
    one.place = prod_;
    one.command = spec::decode_command<u64>(memory.newest(slot).value,
                                            memory.newest(slot + 8).value, smmu_.capabilities());
    one.asks = asks(one.command);
    one.ignored = disabled_;
    sent_.push_back(one);
  }
}

/// What CMDQ_CONS is past: a CMD_SYNC is complete, and so is every invalidation before it.
std::optional<Finding> EndpointRules::consumed(u64 cons) {
  const unsigned lg2 = queues_.cmdq_lg2;
  const u64 at = spec::queue_bits<u64>(lg2, cons & spec::queue_index_mask);
  if (spec::queue_used<u64>(lg2, at, cons_) > sent_.size()) return std::nullopt;
  std::optional<Finding> wrong;
  for (; cons_ != at; cons_ = spec::queue_next<u64>(lg2, cons_)) {
    const Sent one = sent_.front();
    sent_.pop_front();
    if (one.command.op == Opcode::atc_inv) open_.push_back(one);
    if (one.command.op != Opcode::sync) continue;
    const auto is_sure = [](const Sent& sent) { return sent.asks == Asks::surely; };
    if (std::ranges::any_of(open_, is_sure)) ++waits_;
    const auto waits = [](const Sent& sent) { return sent.asks == Asks::surely && !sent.answered; };
    const auto its = std::ranges::find_if(open_, waits);
    if (its != open_.end() && !wrong) {
      wrong = device_finding(
          rule::CMD_SYNC_COMPLETES,
          "a CMD_SYNC is consumed before the endpoint answered CMD_ATC_INV",
          fmt::format("CMDQ_CONS is past the CMD_SYNC in slot {}, and the "
                      "endpoint has not answered CMD_{}",
                      spec::queue_index<u64>(lg2, one.place), spec::describe(its->command)));
    }
    not_waited_for();
  }
  last_error_ = spec::cmdq_cons_err(static_cast<u32>(cons));
  error_known_ = error_active();
  if (auto early = stopped(); early && !wrong) wrong = std::move(early);
  return wrong;
}

/// No CMD_SYNC waits for them any more, but their answers may still come.
void EndpointRules::not_waited_for() {
  constexpr std::size_t most = 4096;
  std::erase_if(open_, [](const Sent& one) { return one.answered || one.asks == Asks::nothing; });
  for (Sent& one : open_) one.asks = Asks::perhaps;
  while (open_.size() > most) open_.pop_front();
}

/// CMDQ_CONS.ERR counts while GERROR shows the error. What did not come back by then is not waited
/// for any more: IHI 0070 4.7.3.
std::optional<Finding> EndpointRules::stopped() {
  const auto code = static_cast<spec::CommandError>(last_error_);
  if (!error_active() || code != spec::CommandError::atc_inv_sync) return std::nullopt;
  not_waited_for();
  // What was read before GERROR showed an error may have been UNKNOWN. IHI 0070 6.3.28.
  if (timed_out_ || !error_known_) return std::nullopt;
  return device_finding(
      rule::COMMAND_LEGAL, "CERROR_ATC_INV_SYNC although every endpoint answers in time",
      "CMDQ_CONS.ERR is CERROR_ATC_INV_SYNC, and the time of no endpoint is over");
}

bool EndpointRules::matches(const Sent& sent, const trace::AtcInvalidated& event) const {
  const spec::Command& c = sent.command;
  // IHI 0070 4.5.1: IGNORED where SMMUEN = 0.
  if (sent.asks == Asks::nothing || sent.ignored || c.op != Opcode::atc_inv || c.sid != event.sid)
    return false;
  if (c.size > whole_space) return true;  // CONSTRAINED UNPREDICTABLE
  const bool has_pasid = event.ssid && event.ssid->valid;
  const bool with_pasid = c.ssv && smmu_.capabilities().ssidsize != 0;
  if (has_pasid != with_pasid) return false;
  if (has_pasid && event.ssid->value != c.ssid) return false;
  if (has_pasid && event.global && *event.global != c.global) return false;
  if (c.size == whole_space) return event.length == 0;
  const u64 bytes = u64{4096} << c.size;
  return event.length == bytes && event.iova == (c.address & ~(bytes - 1));
}

std::optional<Finding> EndpointRules::came(const trace::AtcInvalidated& event) {
  ++came_;
  for (std::deque<Sent>* each : {&open_, &sent_}) {
    for (Sent& one : *each) {
      if (one.answered || !matches(one, event)) continue;
      one.answered = true;
      return std::nullopt;
    }
  }
  return device_finding(rule::QUEUE_CONSUMED_ORDER,
                        "an invalidation is sent that no CMD_ATC_INV asks for",
                        invalidation_text(event) + " belongs to no CMD_ATC_INV that waits");
}

}  // namespace iommucheck::oracle
