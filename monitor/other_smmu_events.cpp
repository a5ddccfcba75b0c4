// SPDX-License-Identifier: MIT
#include "monitor/other_smmu_events.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/smmu/event_record.h"
#include "spec/smmu/event_rules.h"

namespace iommucheck::oracle {

/// Whoever sees where an access went does not see by which way: one that left as it came may have
/// been translated, or not.
trace::Dma OtherSmmuEvents::dma_seen(const spec::Access& access,
                                     const OtherSmmu::Seen& seen) const {
  trace::Dma dma = dma_of(access);
  dma.privileged = access.privileged;
  dma.kind = trace::TransactionKind::untranslated;
  dma.result = seen.result;
  dma.pa = seen.pa;
  if (seen.result != trace::DmaResult::ok || seen.pa != access.va || is_allowed(dma)) return dma;
  trace::Dma passed = dma;
  passed.result = trace::DmaResult::bypass;
  return is_allowed(passed) ? passed : dma;
}

bool OtherSmmuEvents::device_access(const spec::Access& access, spec::Choices& choices,
                                    std::optional<PageAsked> asked) {
  if (setup_.other_smmu == nullptr) return TraceFeeder::device_access(access, choices, asked);
  std::vector<OtherSmmu::Record> records;
  const OtherSmmu::Seen seen = setup_.other_smmu->access(access, records);
  observe_access(dma_seen(access, seen));
  for (const OtherSmmu::Record& record : records) {
    if (!findings().empty()) return false;
    judge_record(access, record);
    observe_record({.slot = {}, .record = record});
  }
  return !records.empty();
}

/// Nothing else is under way: a record is of this access.
void OtherSmmuEvents::judge_record(const spec::Access& access, const OtherSmmu::Record& record) {
  const spec::EventType type = spec::event_type_of(record);
  const spec::Access told = spec::access_in(record);
  bool possible = false;
  const bool whole = caches_.outcomes(access, [&](const spec::Outcome& outcome) {
    possible |= outcome.kind == spec::OutcomeKind::any ||
                (outcome.kind == spec::OutcomeKind::fault && outcome.event == type);
  });
  if (told.sid == access.sid && (possible || !whole)) return;
  Finding finding = finding_of(
      spec::rule::EVENT_RECORD,
      fmt::format("an access of stream {:#x} at {:#x} is recorded as event {:#x} of stream {:#x}",
                  access.sid, access.va, static_cast<u32>(type), told.sid));
  finding.where = {.sid = access.sid, .address = access.va};
  if (access.ssv) finding.where.pasid = access.ssid;
  find(std::move(finding));
}

void OtherSmmuEvents::check_other_smmu(const spec::Access& access) {
  for (const OtherSmmu::Seen& seen : setup_.other_smmu->may_meet(access)) {
    if (!findings().empty()) return;
    count_judged();
    count(spec::rule::DEVICE_OUTCOME);
    const trace::Dma dma = dma_seen(access, seen);
    if (!is_allowed(dma)) observe_access(dma);
  }
}

}  // namespace iommucheck::oracle
