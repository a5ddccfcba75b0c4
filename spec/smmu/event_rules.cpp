// SPDX-License-Identifier: MIT
#include "spec/smmu/event_rules.h"

#include "base/bits.h"

namespace iommucheck::spec {

namespace {

constexpr unsigned stall_bit = 31;  // of the second word, where the type has it
constexpr unsigned stage2_bit = 39;

EventFields fields_as(const Access& access, AccessKind seen) {
  EventFields fields;
  fields.sid = access.sid;
  if (access.ssv) fields.ssid = access.ssid;
  fields.privileged = seen.privileged;
  fields.instruction = seen.type == AccessType::execute;
  fields.read = seen.type != AccessType::write;
  fields.input_address = access.va;
  return fields;
}

}  // namespace

EventFields fields_of(const Access& access) {
  return fields_as(access, {access.type, access.privileged});
}

EventFields fields_of(const Access& access, const Outcome& outcome) {
  EventFields fields = fields_as(access, outcome.seen);
  fields.stall = outcome.stalled();
  fields.fetch_address = outcome.origin;
  if (outcome.event == EventType::f_walk_eabt) fields.event_class = EventClass::tt;
  if (outcome.stage2) {
    fields.stage2 = true;
    const bool updates = outcome.input == Stage2Input::stage1_update;
    const bool table = updates || outcome.input == Stage2Input::stage1_descriptor;
    fields.event_class = outcome.input == Stage2Input::cd ? EventClass::cd
                         : table                          ? EventClass::tt
                                                          : EventClass::in;
    fields.descriptor_read = !updates;
    fields.ipa = outcome.ipa;
  }
  return fields;
}

EventFields fields_of(const Access& access, const Outcome& outcome, const Capabilities& caps) {
  EventFields fields = fields_of(access, outcome);
  fields.fetch_unknown_lsb = caps.oas_lg2;
  return fields;
}

Access access_in(const std::array<u64, event_words>& record) {
  Access access{.sid = event_sid(record), .ssv = bit(record[0], 11), .va = record[2]};
  if (access.ssv) access.ssid = static_cast<u32>(bits(record[0], 31, 12));
  access.privileged = bit(record[1], 33);
  const bool read = bit(record[1], 35);
  access.type = bit(record[1], 34) ? AccessType::execute
                : read             ? AccessType::read
                                   : AccessType::write;
  return access;
}

std::optional<u16> stall_in(const std::array<u64, event_words>& record) {
  if (!bit(record[1], stall_bit)) return std::nullopt;
  return static_cast<u16>(record[1]);
}

bool is_of_stage2(const std::array<u64, event_words>& record) { return bit(record[1], stage2_bit); }

bool is_same_event(const EventRecord& own, const std::array<u64, event_words>& came) {
  if (bit(own.dw[1], stall_bit)) return false;
  EventRecord counts = own;
  const auto type = static_cast<EventType>(own.dw[0] & 0xff);
  if (type != EventType::f_uut) counts.fixed[2] &= ~mask(11, 0);
  return matches(counts, came);
}

}  // namespace iommucheck::spec
