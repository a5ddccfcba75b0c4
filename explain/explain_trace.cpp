// SPDX-License-Identifier: MIT
#include "explain/explain_trace.h"

#include <set>

#include "explain/draw.h"
#include "explain/walk_lines.h"
#include "monitor/trace_judge.h"
#include "monitor/trace_setup.h"
#include "report/finding_text.h"
#include "spec/smmu/causes.h"
#include "trace/json.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

using spec::AccessType;
using spec::Outcome;
using spec::OutcomeKind;

/// Where reading stopped.
struct Stop {
  u64 line = 1;
  std::string event;          ///< of that line
  bool finding = false;       ///< because of a finding there
  std::set<u64> processes{};  ///< that were bound
};

/// The process that the event binds.
std::optional<u64> bound_by(const trace::Event& event) {
  const auto* call = std::get_if<trace::Call>(&event.payload);
  if (call == nullptr) return std::nullopt;
  if (const auto* bind = std::get_if<trace::calls::BindDevice>(&call->call)) {
    return static_cast<u64>(bind->mm);
  }
  const auto* task = std::get_if<trace::calls::BindTask>(&call->call);
  return task == nullptr ? std::nullopt : std::optional(static_cast<u64>(task->task));
}

/// Judges the trace up to the line, or up to the first finding where none is named.
Expected<Stop> read_up_to(trace::TraceReader& reader, Judge& judge, const ExplainTrace& what) {
  Stop stop;
  for (;;) {
    if (what.line && stop.line >= *what.line) break;
    auto event = reader.next();
    if (!event) return std::unexpected(std::move(event.error()));
    if (!*event) {
      if (what.line) {
        return fail(ErrorCode::bad_input, fmt::format("{}: there is no line {}; the last one is {}",
                                                      what.trace, *what.line, stop.line));
      }
      break;
    }
    stop.line = reader.line();
    stop.event = trace::to_json(**event);
    if (const auto mm = bound_by(**event)) stop.processes.insert(*mm);
    judge.take(std::move(**event));
    if (!what.line && !judge.so_far().findings.empty()) {
      stop.finding = true;
      break;
    }
  }
  judge.flush();
  return stop;
}

std::string outcome_text(const Outcome& outcome, const spec::Caches& caches) {
  switch (outcome.kind) {
    case OutcomeKind::translation:
      return fmt::format("reaches {}{}", caches.name(outcome.pa),
                         outcome.dirty ? ", and marks its descriptor dirty" : "");
    case OutcomeKind::bypass:
      return fmt::format("passes untranslated to {}", caches.name(outcome.pa));
    case OutcomeKind::fault:
      return fmt::format("{}, {}", spec::event_name(outcome.event),
                         outcome.stalled() ? "and waits" : "terminated");
    case OutcomeKind::abort: return "terminated, without an event";
    case OutcomeKind::denied: return "its ATS request is not granted";
    case OutcomeKind::within: return "whatever its stage 1 yields, inside of stage 2";
    case OutcomeKind::any: break;
  }
  return "anything";
}

std::string answer_text(const MayGet& one) {
  using Kind = MayGet::Kind;
  switch (one.kind) {
    case Kind::address: return fmt::format("reaches {:#x}", one.pa);
    case Kind::blocked: return "terminated: the device goes nowhere";
    case Kind::no_entry: return "terminated: there is nothing at the PASID";
    case Kind::not_mapped: return "a fault: nothing is mapped";
    case Kind::denied: return "a fault: it has not the right";
    case Kind::waits: return "a fault, and it waits for an answer";
    case Kind::quiet: return "terminated, without a record";
    case Kind::outer_not_mapped: return "a fault: stage 2 maps nothing there";
    case Kind::outer_denied: return "a fault: it has not the right in stage 2";
    case Kind::inside: return "whatever a table of the user's says, inside of stage 2";
    case Kind::anything: break;
  }
  return "anything: its walk is in memory that may be somebody else's";
}

/// By a backend's hardware, which may give reasons in its own words.
void add_answers(Lines& lines, const HardwareJudge& hardware, const ExplainedAccess& asked) {
  for (const AccessType type : {AccessType::read, AccessType::write}) {
    lines.add(1, "{}", type == AccessType::read ? "read" : "write");
    const auto access = hardware.access_of({.sid = asked.sid,
                                            .ssid = asked.pasid.value_or(0),
                                            .ssv = asked.pasid.has_value(),
                                            .type = type,
                                            .va = asked.va});
    if (!access) return lines.add(2, "no device has this stream");
    for (const MayGet& one : hardware.hardware().answers(*access)) {
      lines.add(2, "{}{}", answer_text(one), one.why.text.empty() ? "" : " (" + one.why.text + ")");
    }
  }
}

void add_access(Lines& lines, Monitor& monitor, const ExplainedAccess& asked) {
  const spec::sva::Substream at =
      asked.pasid ? spec::sva::substream(*asked.pasid) : spec::sva::Substream{};
  lines.add(0, "an access of stream {:#x}{} at {:#x} may meet", asked.sid,
            asked.pasid ? fmt::format(", PASID {:#x},", *asked.pasid) : "", asked.va);
  if (const HardwareJudge* hardware = monitor.hardware()) add_answers(lines, *hardware, asked);
  for (const bool privileged : {false, true}) {
    if (monitor.hardware() != nullptr) break;
    for (const AccessType type : {AccessType::read, AccessType::write}) {
      const spec::Access access{.sid = asked.sid,
                                .ssid = asked.pasid.value_or(0),
                                .ssv = asked.pasid.has_value(),
                                .type = type,
                                .privileged = privileged,
                                .va = asked.va};
      lines.add(1, "{} {}", privileged ? "privileged" : "unprivileged",
                type == AccessType::read ? "read" : "write");
      std::set<std::string> said;
      const bool done = monitor.caches().outcomes(access, [&](const Outcome& outcome) {
        const std::string text = fmt::format("{}: {}", outcome_text(outcome, monitor.caches()),
                                             explained(monitor.caches().view(), outcome));
        if (said.insert(text).second) lines.add(2, "{}", text);
      });
      if (!done) lines.add(2, "and more: a bound of the specification was hit");
    }
  }
  const std::string promised = promised_text(monitor.promised(asked.sid, at, asked.va));
  lines.add(1, "promised: {}",
            promised.empty() ? std::string("nothing is judged by promises here") : promised);
}

}  // namespace

Expected<std::string> explain_trace(const ExplainTrace& what) {
  auto reader = trace::TraceReader::open(what.trace);
  if (!reader) return std::unexpected(std::move(reader.error()));
  if (auto good = may_judge(reader->header(), static_cast<bool>(what.hardware)); !good) {
    return fail(good.error().code, what.trace + ": " + good.error().message);
  }
  Judge judge(reader->header(), 1, what.trace, what.hardware);
  auto stop = read_up_to(*reader, judge, what);
  if (!stop) return std::unexpected(std::move(stop.error()));
  Monitor& monitor = judge.monitor();
  Lines lines;
  lines.add(0, "{}:{}, event {}{}", what.trace, stop->line, monitor.now(),
            stop->finding ? ": the first finding" : "");
  if (!stop->event.empty()) lines.add(0, "{}", stop->event);
  if (!monitor.unsupported().empty()) {
    lines.add(0, "the specification of {} is not built: what follows is memory alone",
              monitor.unsupported());
  }
  for (const Violation& violation : judge.so_far().findings) {
    lines.blank();
    lines.add(0, "broken: {} {}", spec::rule_name(violation.rule), headline(violation));
  }
  lines.blank();
  DrawOptions options;
  options.processes.assign(stop->processes.begin(), stop->processes.end());
  if (what.access) {
    options.sid = what.access->sid;
    options.number = what.access->pasid.value_or(0);
  }
  std::string text = lines.take() + draw_memory(monitor, options);
  if (!what.access) return text;
  Lines access;
  access.blank();
  Monitor& its = monitor_of_stream(monitor, what.access->sid);
  add_access(access, its, *what.access);
  if (its.hardware() == nullptr) {
    add_walk(access, its.caches(),
             {.sid = what.access->sid,
              .ssid = what.access->pasid.value_or(0),
              .ssv = what.access->pasid.has_value(),
              .va = what.access->va});
  }
  return text + access.take();
}

}  // namespace iommucheck::oracle
