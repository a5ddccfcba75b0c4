// SPDX-License-Identifier: MIT
#include "monitor/trace_judges.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "monitor/event_smmu.h"
#include "monitor/trace_setup.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

/// Numbers of the SMMUs that are followed, in their order; 0 always is.
std::set<u32> followed(const trace::Header& header) {
  std::set<u32> numbers{0};
  const Setup setup = setup_of(header);
  if (setup.calls_are_known || setup.device_is_judged) return numbers;
  for (const spec::sva::DeviceSetup& device : setup.devices) numbers.insert(device.iommu_number);
  return numbers;
}

/// The header for the judge of one: the other devices have no streams there.
trace::Header of_smmu(const trace::Header& header, u32 number) {
  trace::Header own = header;
  for (trace::DeviceInfo& device : own.devices.value()) {
    if (static_cast<u32>(device.iommu.value_or(trace::IommuId{})) != number) device.sids.clear();
    device.iommu.reset();
  }
  return own;
}

}  // namespace

TraceJudges::TraceJudges(const trace::Header& header, u32 findings_max, const std::string& trace,
                         const MakeHardware& hardware) {
  const std::set<u32> numbers = followed(header);
  if (numbers.size() == 1) {
    judges_.push_back({0, std::make_unique<Judge>(header, findings_max, trace, hardware)});
    return;
  }
  for (const trace::DeviceInfo& device : *header.devices) {
    smmu_of_[static_cast<u32>(device.device)] =
        static_cast<u32>(device.iommu.value_or(trace::IommuId{}));
  }
  for (const u32 number : numbers) {
    judges_.push_back(
        {number, std::make_unique<Judge>(of_smmu(header, number), findings_max, trace, hardware)});
  }
  tell_others_of_stores();
}

/// What one writes the others find in memory.
void TraceJudges::tell_others_of_stores() {
  for (const One& one : judges_) {
    Judge* const writer = one.judge.get();
    writer->monitor().caches().memory().on_device_store_for_others(
        [this, writer](u64 pa, u64 value, u64) {
          if (std::exchange(telling_, true)) return;
          for (const One& other : judges_) {
            if (other.judge.get() != writer) other.judge->monitor().others_store(pa, value);
          }
          telling_ = false;
        });
  }
}

/// A register without a number is SMMU 0's.
u32 TraceJudges::smmu_of(const trace::Event& event) const {
  if (const auto named = named_smmu(event)) return *named;
  const u32 by = trace::agent_number(event.agent);
  if (trace::agent_kind(event.agent) == trace::AgentKind::smmu) return by;
  if (trace::agent_kind(event.agent) != trace::AgentKind::device) return 0;
  const auto device = smmu_of_.find(by);
  return device != smmu_of_.end() ? device->second : nobodys;
}

/// Of an SMMU that no device is behind, or of a device that the header has not: the first one, to
/// whom it says nothing.
TraceJudges::One& TraceJudges::judge_of(u32 smmu) {
  const auto one = std::ranges::find(judges_, smmu, &One::number);
  return one != judges_.end() ? *one : judges_.front();
}

void TraceJudges::take(trace::Event event) {
  if (judges_.size() == 1) {
    judges_.front().judge->take(std::move(event));
  } else {
    route(std::move(event));
  }
  note_findings();
}

void TraceJudges::route(trace::Event event) {
  const bool is_note = std::holds_alternative<trace::Note>(event.payload);
  if (!is_note) ++events_;
  // All of them number events alike.
  if (!is_note && !event.origin) event.origin = events_;
  if (!is_note && !is_of_an_smmu(event)) {
    last_of_ = nullptr;
    for (const One& one : judges_) one.judge->take(event);
    return;
  }
  const u32 smmu = is_note ? 0 : smmu_of(event);
  One& owner = judge_of(smmu);
  for (const One& one : judges_) {
    if (one.judge != owner.judge) one.judge->pass_over(event);
  }
  name_smmu(event, smmu == owner.number ? 0 : smmu);
  last_of_ = owner.judge.get();
  owner.judge->take(std::move(event));
}

void TraceJudges::flush() {
  for (const One& one : judges_) one.judge->flush();
  note_findings();
}

void TraceJudges::finish() {
  for (const One& one : judges_) one.judge->finish();
  note_findings();
}

bool TraceJudges::waits() const {
  return std::ranges::any_of(judges_, [](const One& one) { return one.judge->waits(); });
}

EventVerdict TraceJudges::worst() const {
  EventVerdict worst = any_finding() ? EventVerdict::flagged : EventVerdict::accepted;
  for (const One& one : judges_) {
    const ReplayResult& its = one.judge->so_far();
    if (its.flagged != 0) return EventVerdict::flagged;
    if (its.undetermined != 0) worst = std::max(worst, EventVerdict::undetermined);
  }
  return worst;
}

EventVerdict TraceJudges::last() const {
  if (last_of_ != nullptr) return last_of_->last();
  EventVerdict worst = EventVerdict::accepted;
  for (const One& one : judges_) worst = std::max(worst, one.judge->last());
  return worst;
}

TraceJudges::Numbers TraceJudges::numbers() const {
  const ReplayResult& first = judges_.front().judge->so_far();
  if (judges_.size() == 1) {
    return {first.events, first.accepted, first.flagged, first.undetermined};
  }
  std::unordered_map<EventIndex, EventVerdict> worst;
  for (const One& one : judges_) {
    for (const auto& [at, verdict] : one.judge->worse()) {
      EventVerdict& known = worst[at];
      known = std::max(known, verdict);
    }
  }
  Numbers numbers{.events = events_};
  for (const auto& [at, verdict] : worst) {
    numbers.flagged += verdict == EventVerdict::flagged ? 1 : 0;
    numbers.undetermined += verdict == EventVerdict::undetermined ? 1 : 0;
  }
  numbers.accepted = events_ - std::min(events_, numbers.flagged + numbers.undetermined);
  return numbers;
}

void TraceJudges::note_findings() {
  for (One& one : judges_) {
    const std::vector<Violation>& all = one.judge->so_far().findings;
    for (; one.findings < all.size(); ++one.findings) {
      const Violation& finding = all[one.findings];
      told_.push_back({finding, one.judge->line_of(finding.at)});
      if (one.number != 0) told_.back().finding.smmu = one.number;
    }
  }
}

std::span<const TraceJudges::Told> TraceJudges::take_findings() {
  return std::span<const Told>(told_).subspan(std::exchange(taken_, told_.size()));
}

bool TraceJudges::gave_up() const {
  return std::ranges::any_of(judges_, [](const One& one) { return one.judge->gave_up(); });
}

RuleTally TraceJudges::tally() {
  RuleTally sum;
  for (const One& one : judges_) sum.add(one.judge->tally());
  return sum;
}

ReplayResult TraceJudges::result() {
  ReplayResult all = judges_.front().judge->result();
  if (judges_.size() == 1) return all;
  const Numbers sum = numbers();
  all.events = sum.events;
  all.accepted = sum.accepted;
  all.flagged = sum.flagged;
  all.undetermined = sum.undetermined;
  all.rules = judges_.front().judge->rules(tally());  // of all judges: their machine is the same
  for (std::size_t i = 1; i < judges_.size(); ++i) {
    const ReplayResult its = judges_[i].judge->result();
    for (const MissingFact& missing : its.missing) add(all.missing, missing.fact, missing.events);
    if (!all.bound.empty() || its.bound.empty()) continue;
    all.bound = fmt::format("SMMU {}: {}", judges_[i].number, its.bound);
  }
  all.findings.clear();
  for (const Told& told : told_) all.findings.push_back(told.finding);
  return all;
}

}  // namespace iommucheck::oracle
