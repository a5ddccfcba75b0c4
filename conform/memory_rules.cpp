// SPDX-License-Identifier: MIT
#include "conform/memory_rules.h"

#include <fmt/format.h>

#include <string>

#include "base/bits.h"
#include "conform/device_finding.h"
#include "spec/arch/descriptor.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

namespace rule = spec::rule;

Finding lost_message(const trace::Load& load, const InterruptRules::Message& message) {
  return device_finding(
      rule::INTERRUPT_SENT, "the message of an interrupt does not come",
      fmt::format("where an interrupt's message goes, {:#x} has {:#x}; {:#x} was to "
                  "be written there",
                  load.pa, load.value.value_or(0), message.payload));
}

}  // namespace

void MemoryRules::feed(const trace::Event& event) {
  if (const auto* dma = std::get_if<trace::Dma>(&event.payload)) {
    state_.unseen_write |= dma->direction == trace::Direction::write && !dma->pa;
  }
  if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
    if (write->offset == spec::reg::eventq_cons) state_.event = write->value;
    if (write->offset == spec::reg::eventq_base) state_.event = 0;
  }
  if (const auto* page = std::get_if<trace::PageRequestQueued>(&event.payload)) {
    if (!page->record || !page->slot) return;
    const u64 place = state_.queues.priq + 16 * u64{*page->slot};
    for (unsigned i = 0; i < 2; ++i) state_.record_words[place + 8 * i] = (*page->record)[i];
    return;
  }
  const auto* record = std::get_if<trace::EventRecorded>(&event.payload);
  if (record == nullptr || !record->record) return;
  const u64 place = state_.queues.eventq + 32 * (state_.event++ % pow2(state_.queues.eventq_lg2));
  for (unsigned i = 0; i < 4; ++i) state_.record_words[place + 8 * i] = (*record->record)[i];
}

/// Of a descriptor: a flag that is not there though it has to be, or is though nothing may set it.
std::optional<Finding> MemoryRules::wrong_flags(const trace::Load& load, u64 expected) {
  namespace bits_of = spec::descriptor_bits;
  constexpr u64 flags = bits_of::af | bits_of::ap2;
  if (caches_.capabilities().httu == 0) return std::nullopt;
  const u64 unset = flags_.unset(load.pa, *load.value);
  const u64 changed = expected ^ *load.value;
  const u64 set = changed & ~flags_.may_change(load.pa, expected);
  const bool others = (set & ~flags) != 0 || (expected & bits_of::valid) == 0;
  if (unset == 0 && (set == 0 || others)) return std::nullopt;
  const u64 which = unset != 0 ? unset : set;
  const char* what = (which & bits_of::ap2) != 0 ? "the dirty state" : "the Access flag";
  const std::string text =
      unset != 0 ? fmt::format(
                       "{} of the descriptor at {:#x} is not set: it reads as {:#x}, an "
                       "access was translated by it, and a CMD_SYNC behind that is complete",
                       what, load.pa, *load.value)
                 : fmt::format(
                       "{} of the descriptor at {:#x} changed: it reads as {:#x} and was "
                       "stored as {:#x}, and no access may have done that",
                       what, load.pa, *load.value, expected);
  return device_finding(rule::FLAG_UPDATES,
                        std::string(what) + (unset != 0 ? " is not set" : " is set by no access"),
                        text);
}

std::optional<Finding> MemoryRules::loaded(const trace::Load& load) {
  if (!load.value || load.size != 8) return std::nullopt;
  const spec::Content content = caches_.memory().newest(load.pa);
  const bool is_data = load.pa - data_pa_ < data_bytes_;
  u64 expected = flags_.as_stored(load.pa, content.value);
  const auto its_record = state_.record_words.find(load.pa);
  const bool is_record = its_record != state_.record_words.end();
  if (is_record) {
    expected = its_record->second;
  } else if (content.unknown) {
    if (!is_data) return std::nullopt;
    expected = bits(load.pa, 31, 0) | (bits(load.pa + 4, 31, 0) << 32);
  }
  if (auto found = wrong_flags(load, expected)) return found;
  u64 wrong = (expected ^ *load.value) & ~flags_.may_change(load.pa, expected);
  for (const unsigned half : {0U, 32U}) {
    constexpr u64 engine_words = 0xe;  // how words begin that an engine writes
    const u64 value = bits(*load.value, half + 31, half);
    if (const auto message = interrupts_.message_at(load.pa + half / 8)) {
      if (value == message->payload) wrong &= ~(mask(31, 0) << half);
      if (message->surely && value != message->payload) {
        return lost_message(load, *message);
      }
    }
    if (state_.unseen_write && value >> 28 == engine_words) wrong &= ~(mask(31, 0) << half);
  }
  if (wrong == 0) return std::nullopt;
  const bool in_events = load.pa - state_.queues.eventq < u64{32} << state_.queues.eventq_lg2;
  const char* where = load.pa - state_.queues.cmdq < state_.queues.cmdq_bytes()
                          ? "the command queue"
                      : is_record ? "a record that was read"
                      : in_events ? "the event queue, where no record is"
                      : is_data   ? "data"
                                  : "a structure";
  return device_finding(
      rule::DEVICE_OUTCOME, std::string("memory is written that nobody may write: ") + where,
      fmt::format(
          "the word at {:#x} ({}) is {:#x} and was {:#x}: no access that is allowed wrote it",
          load.pa, where, *load.value, expected));
}

}  // namespace iommucheck::oracle
