// SPDX-License-Identifier: MIT
#include "monitor/device_text.h"

#include <fmt/format.h>

#include "base/bits.h"
#include "spec/smmu/event_record.h"

namespace iommucheck::oracle {

using spec::AccessType;
using spec::OutcomeKind;

std::string outcome_name(const spec::Outcome& outcome) {
  switch (outcome.kind) {
    case OutcomeKind::translation: return "a translation";
    case OutcomeKind::bypass: return "bypass";
    case OutcomeKind::fault: return std::string(spec::event_name(outcome.event));
    case OutcomeKind::abort:
    case OutcomeKind::denied: return "termination without a record";
    case OutcomeKind::any: return "anything";
    case OutcomeKind::within: return "anything inside of stage 2";
  }
  return "?";
}

std::string access_text(const spec::Access& access) {
  const char* type = access.type == AccessType::write     ? "write"
                     : access.type == AccessType::execute ? "fetch"
                                                          : "read";
  return fmt::format("the {} of stream {:#x}{} at {:#x}", type, access.sid,
                     access.ssv ? fmt::format(", substream {:#x},", access.ssid) : std::string(),
                     access.va);
}

std::string record_text(const trace::EventRecord& words) {
  return fmt::format("the record {} [{:#018x} {:#018x} {:#018x} {:#018x}]", spec::describe(words),
                     words[0], words[1], words[2], words[3]);
}

std::string used_instead_of(const spec::Outcome& refusal) {
  using enum spec::EventType;
  const bool refuses = refusal.kind == OutcomeKind::fault &&
                       (refusal.event == c_bad_streamid || refusal.event == c_bad_ste ||
                        refusal.event == c_bad_substreamid || refusal.event == c_bad_cd);
  return refuses ? "used instead of " + outcome_name(refusal) : std::string();
}

std::vector<std::string> features_needed(const spec::Access& access) {
  const bool upper = bit(access.va, 55);
  const bool tagged = bits(access.va, 63, 56) != (upper ? 0xff : 0);
  std::vector<std::string> needed;
  if (upper) needed.emplace_back("through TTB1");
  if (tagged) needed.emplace_back("the top byte is ignored");
  return needed;
}

}  // namespace iommucheck::oracle
