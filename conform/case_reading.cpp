// SPDX-License-Identifier: MIT
#include "conform/case_reading.h"

#include <algorithm>
#include <utility>

#include "conform/device_finding.h"
#include "monitor/access_in.h"
#include "monitor/trace_setup.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"

namespace iommucheck::oracle {

namespace {

using spec::Rule;
namespace rule = spec::rule;

/// So many divergences of a trace say enough.
constexpr std::size_t divergences_most = 16;

Setup judge_setup(const DeviceIdentity& device, const spec::Profile& profile) {
  Setup setup;
  setup.id = device.id;
  setup.seen_pa = device.data_pa;
  setup.seen_bytes = device.data_bytes;
  setup.seen_everywhere = device.every_pa;
  setup.calls_are_known = false;
  setup.device_is_judged = true;
  setup.profile = profile;
  return setup;
}

bool is_devices(Rule rule) {
  const spec::Keeper keeper = spec::rule_info(rule).keeper;
  return keeper == spec::Keeper::device || keeper == spec::Keeper::smmu;
}

std::vector<spec::Access> accesses_of(const trace::Trace& trace) {
  std::vector<spec::Access> accesses;
  for (const trace::Event& event : trace.events) {
    const auto* dma = std::get_if<trace::Dma>(&event.payload);
    if (dma != nullptr && dma->kind != trace::TransactionKind::translated) {
      accesses.push_back(access_in(*dma));
    }
    const auto* request = std::get_if<trace::AtsRequest>(&event.payload);
    if (request == nullptr) continue;
    spec::Access asked = access_in(*request);
    for (const spec::AccessType type : {spec::AccessType::read, spec::AccessType::write}) {
      asked.type = type;
      accesses.push_back(asked);
    }
  }
  return accesses;
}

bool reads_gbpa(const trace::Event& event) {
  const auto* read = std::get_if<trace::MmioRead>(&event.payload);
  return read != nullptr && read->offset == spec::reg::gbpa;
}

}  // namespace

CaseReading::CaseReading(const DeviceIdentity& device, const spec::Profile& profile)
    : monitor_(judge_setup(device, profile)),
      identity_(device.id),
      contents_(device.id),
      interrupts_(device.id, device.wires_interrupts),
      queue_aborts_(monitor_.caches(), monitor_.smmu()),
      endpoints_(monitor_.smmu()),
      page_requests_(device, monitor_.smmu()),
      flags_(monitor_.caches(), monitor_.smmu()),
      memory_(monitor_.caches(), flags_, interrupts_, device.data_pa, device.data_bytes),
      has_ats_(device.ats) {
  // Queues lie in memory that is there: no access to them aborts.
  if (device.data_pa == device.structures_pa + device.structures_bytes) {
    monitor_.smmu().memory_is(device.structures_pa, device.structures_bytes + device.data_bytes);
  }
  tell_of_absent_memory(monitor_, device.absent_pa, device.absent_bytes);
  interrupts_.no_memory_at(device.absent_pa, device.absent_bytes);
  queue_aborts_.no_memory_at(device.absent_pa, device.absent_bytes);
  monitor_.caches().stores_bypass_caches();
  booted_ = monitor_.trail().mark();
}

CaseReading::Counted CaseReading::counted() {
  return {monitor_.device_rules()->numbers(), monitor_.caches().exercised(), gave_up_};
}

void CaseReading::set_counted(const Counted& counted) {
  monitor_.device_rules()->set_numbers(counted.numbers);
  monitor_.caches().exercised() = counted.exercised;
  gave_up_ = counted.gave_up;
}

std::vector<Divergence> CaseReading::all(const trace::Trace& trace) {
  begin(trace);
  bool goes_on = true;
  for (std::size_t i = 0; i < trace.events.size() && goes_on; ++i) goes_on = judge(trace, i);
  if (goes_on) finish(trace);
  count();
  if (monitor_.gave_up() && gave_up_++ == 0) bound_ = monitor_.bound();
  return std::move(state_.found);
}

void CaseReading::begin(const trace::Trace& trace) {
  monitor_.trail().undo_to(booted_);
  monitor_.begin_case(0);
  monitor_.device_rules()->expect_accesses(accesses_of(trace));
  const QueueLayout queues = queues_of(trace.header).value_or(QueueLayout{});
  contents_.reset();
  interrupts_.begin(queues);
  queue_aborts_.begin();
  endpoints_.begin(queues, has_ats_);
  page_requests_.begin(queues);
  flags_.begin();
  memory_.begin(queues);
  drivers_.clear();
  state_ = {};
}

void CaseReading::add(std::optional<Finding> finding, std::size_t at) {
  if (finding) add_distinct(state_.found, {std::move(*finding), at});
}

/// False: device and specification are in different states behind it.
bool CaseReading::judge(const trace::Trace& trace, std::size_t at) {
  const trace::Event& event = trace.events[at];
  if (std::holds_alternative<trace::Dma>(event.payload) ||
      std::holds_alternative<trace::AtsRequest>(event.payload)) {
    state_.accesses.push_back(at);
  }
  if (const auto* load = std::get_if<trace::Load>(&event.payload)) {
    add(memory_.loaded(*load), at);
    return true;
  }
  monitor_.feed(event);
  flags_.feed(event);
  memory_.feed(event);
  state_.judged_until = at;
  const bool goes_on = look(trace, at);
  add(interrupts_.feed(event), at);
  add(queue_aborts_.feed(event), at);
  add(endpoints_.feed(event, monitor_.caches().memory()), at);
  add(page_requests_.feed(event, monitor_.caches().memory()), at);
  // What the monitor does not follow: registers that hold what a driver wrote.
  if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) contents_.write(*write);
  const auto* read = std::get_if<trace::MmioRead>(&event.payload);
  if (read == nullptr) return goes_on;
  auto wrong = contents_.read(*read);
  if (!wrong) return goes_on;
  state_.found.emplace_back(
      device_finding(rule::REGISTER_READ, std::move(wrong->kind), std::move(wrong->text)), at);
  return false;
}

/// At what the monitor has found by now. False: as judge().
bool CaseReading::look(const trace::Trace& trace, std::size_t at) {
  bool goes_on = true;
  for (; state_.seen < monitor_.findings().size(); ++state_.seen) {
    const Finding& finding = monitor_.findings()[state_.seen];
    if (!is_devices(finding.rule)) {
      drivers_.push_back(finding.rule);
      continue;
    }
    // A record comes later than the access that it is of.
    const bool its = finding.which && *finding.which < state_.accesses.size();
    const spec::Family family = spec::rule_info(finding.rule).family;
    goes_on &= finding.access ||
               (finding.rule == rule::REGISTER_READ && reads_gbpa(trace.events[at])) ||
               (family == spec::Family::event && finding.rule != rule::EVENT_OVERFLOW);
    add_distinct(state_.found, {finding, its ? state_.accesses[*finding.which] : at});
  }
  return goes_on && state_.found.size() < divergences_most;
}

void CaseReading::finish(const trace::Trace& trace) {
  monitor_.finish();
  const std::size_t last = trace.events.empty() ? 0 : trace.events.size() - 1;
  look(trace, last);
  for (Finding& wrong : interrupts_.finish()) add(std::move(wrong), last);
  auto& exercised = monitor_.caches().exercised();
  exercised[spec::number_of(rule::INTERRUPT_SENT)] += interrupts_.due();
  exercised[spec::number_of(rule::INTERRUPT_CAUSE)] += interrupts_.could_be_wrong();
  add(page_requests_.finish(), last);
  exercised[spec::number_of(rule::PAGE_REQUEST_RECORD)] += page_requests_.records();
  exercised[spec::number_of(rule::PAGE_REQUEST_OVERFLOW)] += page_requests_.overflows();
  exercised[spec::number_of(rule::PAGE_REQUEST_RESPONSE)] += page_requests_.responses();
}

/// Each could have been wrong.
void CaseReading::count() {
  auto& exercised = monitor_.caches().exercised();
  exercised[spec::number_of(rule::CMD_SYNC_COMPLETES)] += endpoints_.waits();
  exercised[spec::number_of(rule::QUEUE_CONSUMED_ORDER)] += endpoints_.came();
  exercised[spec::number_of(rule::COMMAND_ERROR_STOPS)] += queue_aborts_.shown();
  exercised[spec::number_of(rule::FLAG_UPDATES)] += flags_.asked();
}

}  // namespace iommucheck::oracle
