// SPDX-License-Identifier: MIT
#include "monitor/other_smmu_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/smmu/event_record.h"
#include "spec/smmu/event_rules.h"

namespace iommucheck::oracle {

namespace {

Finding finding_at(const spec::Access& access, spec::Rule rule, std::string statement) {
  Finding finding = finding_of(rule, std::move(statement));
  finding.where = {.sid = access.sid, .address = access.va};
  if (access.ssv) finding.where.pasid = access.ssid;
  return finding;
}

}  // namespace

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
  OtherSmmu::Traces traces;
  const OtherSmmu::Seen seen = setup_.other_smmu->access(access, traces);
  const trace::Dma dma = dma_seen(access, seen);
  // What leads nowhere has written nothing.
  const bool tracked = caches_.capabilities().httu >= 2 && access.type == spec::AccessType::write;
  if (!seen.lost || !tracked || !is_allowed(dma)) observe_access(dma);
  if (findings().empty()) judge_marks(access, seen, traces.marks);
  for (const spec::FlagUpdate& mark : traces.marks) store_flags(mark);
  for (const OtherSmmu::Record& record : traces.records) {
    if (!findings().empty()) return false;
    judge_record(access, record);
    observe_record({.slot = {}, .record = record});
  }
  return !traces.records.empty();
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
  find(finding_at(
      access, spec::rule::EVENT_RECORD,
      fmt::format("an access of stream {:#x} at {:#x} is recorded as event {:#x} of stream {:#x}",
                  access.sid, access.va, static_cast<u32>(type), told.sid)));
}

namespace {

/// Of what it may have met, to be where it was seen.
bool leads_there(const spec::Outcome& outcome, const OtherSmmu::Seen& seen) {
  return outcome.kind == spec::OutcomeKind::translation && outcome.pa == seen.pa;
}

/// A way by which nothing is said of flags.
bool is_open(const spec::Outcome& outcome, const spec::Access& access,
             const OtherSmmu::Seen& seen) {
  const bool passed = outcome.kind == spec::OutcomeKind::bypass && seen.pa == access.va;
  return passed || outcome.kind == spec::OutcomeKind::any ||
         outcome.kind == spec::OutcomeKind::within;
}

}  // namespace

/// Each is of a descriptor by which the access may have come there, and where every such has to be
/// marked one of them is. The other SMMU marks at once. IHI 0070 3.13.
void OtherSmmuEvents::judge_marks(const spec::Access& access, const OtherSmmu::Seen& seen,
                                  const std::vector<spec::FlagUpdate>& marks) {
  if (caches_.capabilities().httu == 0 || seen.lost) return;
  std::vector<spec::FlagUpdate> possible;
  bool open = false;
  bool owed = seen.result == trace::DmaResult::ok;
  const bool whole = caches_.outcomes(access, [&](const spec::Outcome& outcome) {
    open |= is_open(outcome, access, seen);
    if (!leads_there(outcome, seen)) return;
    const Mark mark = mark_of(outcome);
    if (mark.from == mark.to) {
      owed = false;
    } else {
      possible.push_back({mark.pa, mark.from, mark.to});
    }
  });
  if (open || !whole) return;
  count(spec::rule::FLAG_UPDATES);
  const auto is_possible = [&](const spec::FlagUpdate& mark) {
    return std::ranges::find(possible, mark) != possible.end();
  };
  const auto wrong = std::ranges::find_if_not(marks, is_possible);
  const bool forgotten = owed && !possible.empty() && marks.empty();
  if (wrong == marks.end() && !forgotten) return;
  const std::string how =
      forgotten
          ? fmt::format("is to mark the descriptor at {:#x}, and does not", possible[0].pa)
          : fmt::format("marks the descriptor at {:#x}, which is to have {:#x} and gets {:#x}",
                        wrong->pa, wrong->from, wrong->to);
  find(
      finding_at(access, spec::rule::FLAG_UPDATES,
                 fmt::format("an access of stream {:#x} at {:#x} {}", access.sid, access.va, how)));
}

/// A write that marks nothing, where each way that leads there has to be marked. One that finds
/// what is dirty by now has looked at it once more.
void OtherSmmuEvents::judge_dirtying(const spec::Access& access, const OtherSmmu::Seen& seen) {
  const bool writes = access.type == spec::AccessType::write;
  if (caches_.capabilities().httu < 2 || !writes || seen.lost) return;
  if (seen.result != trace::DmaResult::ok) return;
  count(spec::rule::FLAG_UPDATES);
  if (seen.dirties) return;
  bool possible = false;
  const bool whole = caches_.outcomes(access, [&](const spec::Outcome& outcome) {
    possible |= is_open(outcome, access, seen) || (leads_there(outcome, seen) && !outcome.dirty);
  });
  if (possible || !whole) return;
  find(finding_at(
      access, spec::rule::FLAG_UPDATES,
      fmt::format("a write of stream {:#x} at {:#x} may leave unmarked what it has to make dirty",
                  access.sid, access.va)));
}

void OtherSmmuEvents::check_other_smmu(const spec::Access& access) {
  for (const OtherSmmu::Seen& seen : setup_.other_smmu->may_meet(access)) {
    if (!findings().empty()) return;
    count_judged();
    count(spec::rule::DEVICE_OUTCOME);
    const trace::Dma dma = dma_seen(access, seen);
    if (!is_allowed(dma)) {
      observe_access(dma);
    } else {
      judge_dirtying(access, seen);
    }
  }
}

}  // namespace iommucheck::oracle
