// SPDX-License-Identifier: MIT
// The functions of iommucheck/monitor.h. No exception and no C++ type leaves them.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <type_traits>

#include "capi/read_struct.h"
#include "capi/session.h"
#include "iommucheck/monitor.h"
#include "trace/file.h"
#include "trace/json.h"

namespace oracle = iommucheck::oracle;
using iommucheck::Error;
using iommucheck::ErrorCode;
using iommucheck::Expected;
using iommucheck::u32;
using iommucheck::u64;
using oracle::EventVerdict;
using oracle::Session;

struct iommucheck_monitor {
  explicit iommucheck_monitor(iommucheck::trace::Header header) : session(std::move(header)) {}
  Session session;
};

namespace {

/// Of calls without a monitor.
thread_local std::string lost_error;

constexpr u64 profile_bytes_max = u64{16} << 20;

void say(std::string& place, std::string_view text) noexcept {
  try {
    place = text;
  } catch (...) {
    place.clear();  // no memory for the reason either
  }
}

int number_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::environment: return -IOMMUCHECK_MONITOR_EIO;
    case ErrorCode::gave_up: return -IOMMUCHECK_MONITOR_ENOSPC;
    default: return -IOMMUCHECK_MONITOR_EINVAL;
  }
}

int refuse(Session& session, std::string_view text, int number = IOMMUCHECK_MONITOR_EINVAL) {
  say(session.error, text);
  return -number;
}
int refuse(Session& session, const Error& error) {
  say(session.error, error.message);
  return number_of(error.code);
}

int no_monitor() {
  say(lost_error, "the monitor is NULL");
  return -IOMMUCHECK_MONITOR_EINVAL;
}

/// `work(session)` with everything caught. `changes`: what is thrown there leaves it damaged.
template <class Work>
auto guarded(iommucheck_monitor* monitor, bool changes, Work&& work) noexcept
    -> std::invoke_result_t<Work, Session&> {
  using Result = std::invoke_result_t<Work, Session&>;
  constexpr bool number = std::is_same_v<Result, int>;
  if (monitor == nullptr) {
    const int error = no_monitor();
    if constexpr (number) return error;
    return Result{};
  }
  Session& session = monitor->session;
  int error = -IOMMUCHECK_MONITOR_EPIPE;
  try {
    return work(session);
  } catch (const std::bad_alloc&) {
    error = -IOMMUCHECK_MONITOR_ENOMEM;
    say(session.error, "memory is short");
  } catch (const std::exception& thrown) {
    say(session.error, thrown.what());
  } catch (...) {
    say(session.error, "a failure inside of the monitor");
  }
  session.damaged = session.damaged || changes;
  if constexpr (number) return error;
  return Result{};
}

int verdict_of(EventVerdict verdict) {
  switch (verdict) {
    case EventVerdict::accepted: return IOMMUCHECK_VERDICT_OK;
    case EventVerdict::undetermined: return IOMMUCHECK_VERDICT_UNDETERMINED;
    case EventVerdict::flagged: return IOMMUCHECK_VERDICT_VIOLATION;
  }
  return IOMMUCHECK_VERDICT_UNDETERMINED;
}

int verdict_of(const Session& session) {
  const oracle::ReplayResult& now = session.judge().so_far();
  if (now.flagged != 0 || !now.findings.empty()) return IOMMUCHECK_VERDICT_VIOLATION;
  if (session.judge().gave_up() || session.damaged) return IOMMUCHECK_VERDICT_GAVE_UP;
  return now.undetermined != 0 ? IOMMUCHECK_VERDICT_UNDETERMINED : IOMMUCHECK_VERDICT_OK;
}

int take(Session& session, const Expected<iommucheck::trace::Event>& event) {
  if (!event) return refuse(session, event.error());
  const bool gave_up = session.judge().gave_up();
  const auto verdict = session.take(*event);
  if (!verdict) return refuse(session, verdict.error());
  if (*verdict == EventVerdict::flagged) return IOMMUCHECK_VERDICT_VIOLATION;
  if (!gave_up && session.judge().gave_up()) return IOMMUCHECK_VERDICT_GAVE_UP;
  return verdict_of(*verdict);
}

/// Why no event can be taken any more; 0 if one can.
int closed(Session& session) {
  if (session.finished()) {
    return refuse(session, "the events are at their end (iommucheck_monitor_finish)",
                  IOMMUCHECK_MONITOR_EPIPE);
  }
  if (session.damaged) {
    return refuse(session, "an earlier event failed inside of the monitor",
                  IOMMUCHECK_MONITOR_EPIPE);
  }
  return 0;
}

/// Copies `full` into the caller's struct, as far as that goes.
template <class Struct>
int give(Session& session, Struct* out, Struct full) {
  constexpr u32 first = sizeof(Struct);  // of the first version
  if (out == nullptr) return refuse(session, "the struct to fill is NULL");
  if (out->abi == 0 || out->abi > IOMMUCHECK_MONITOR_ABI || out->size < first) {
    return refuse(session, fmt::format("the struct to fill has size {} and abi {}; set {} and {}",
                                       out->size, out->abi, first, IOMMUCHECK_MONITOR_ABI));
  }
  full.size = out->size;
  full.abi = out->abi;
  std::memcpy(out, &full, first);
  return 0;
}

Expected<iommucheck_monitor*> open_text(std::string_view text, std::string_view name) {
  // Over several lines, too: a header file is read by people.
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');
  std::ranges::replace(line, '\r', ' ');
  auto header = iommucheck::trace::header_from_json(line, {.file = name, .line = 1});
  if (!header) return std::unexpected(std::move(header.error()));
  if (auto good = Session::may_open(*header); !good) {
    return iommucheck::fail(good.error().code, fmt::format("{}: {}", name, good.error().message));
  }
  return new iommucheck_monitor(std::move(*header));
}

Expected<iommucheck_monitor*> open_file(const std::string& path) {
  auto reader = iommucheck::trace::LineReader::open(path, {.bytes_max = u64{4} << 30});
  if (!reader) return std::unexpected(std::move(reader.error()));
  std::string text;
  std::string line;
  while (text.size() <= profile_bytes_max) {
    const auto more = reader->next(line);
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    text += line + "\n";
    // The header of a trace stands alone in its line.
    if (iommucheck::trace::header_from_json(line, {.file = path, .line = 1})) {
      return open_text(line, path);
    }
  }
  return open_text(text, path);
}

template <class Open>
iommucheck_monitor* opened(const char* argument, std::string_view what, Open&& open) noexcept {
  try {
    if (argument == nullptr) {
      say(lost_error, fmt::format("the {} is NULL", what));
      return nullptr;
    }
    const auto monitor = open(argument);
    if (monitor) return *monitor;
    say(lost_error, monitor.error().message);
  } catch (const std::exception& error) {
    say(lost_error, error.what());
  } catch (...) {
    say(lost_error, "a failure inside of the monitor");
  }
  return nullptr;
}

const oracle::DoorFinding* finding_of(const Session& session, u32 index) {
  return index < session.findings().size() ? &session.findings()[index] : nullptr;
}

int done(Session& session, const Expected<void>& result) {
  return result ? 0 : refuse(session, result.error());
}

}  // namespace

// ---- life ---------------------------------------------------------------------------------------

uint32_t iommucheck_monitor_abi(void) { return IOMMUCHECK_MONITOR_ABI; }

iommucheck_monitor* iommucheck_monitor_open(const char* profile) {
  return opened(profile, "profile", [](const char* text) -> Expected<iommucheck_monitor*> {
    const std::size_t length = ::strnlen(text, profile_bytes_max + 1);
    if (length > profile_bytes_max) {
      return iommucheck::fail(ErrorCode::bad_input, "the profile has more than 16 MiB");
    }
    return open_text(std::string_view(text, length), "profile");
  });
}

iommucheck_monitor* iommucheck_monitor_open_file(const char* path) {
  return opened(path, "path", [](const char* name) { return open_file(name); });
}

void iommucheck_monitor_close(iommucheck_monitor* monitor) { delete monitor; }

const char* iommucheck_monitor_last_error(const iommucheck_monitor* monitor) {
  return monitor == nullptr ? lost_error.c_str() : monitor->session.error.c_str();
}

// ---- events -------------------------------------------------------------------------------------

int iommucheck_monitor_report(iommucheck_monitor* monitor, const iommucheck_event* event) {
  return guarded(monitor, true, [&](Session& session) {
    if (const int why = closed(session)) return why;
    if (event == nullptr)
      return refuse(session, "the event is NULL, or `known` has a bit for its struct only");
    return take(session, oracle::read_struct(*event));
  });
}

int iommucheck_monitor_report_json(iommucheck_monitor* monitor, const char* line) {
  return guarded(monitor, true, [&](Session& session) {
    if (const int why = closed(session)) return why;
    if (line == nullptr) return refuse(session, "the line is NULL");
    const std::size_t length = ::strnlen(line, profile_bytes_max + 1);
    if (length > profile_bytes_max) return refuse(session, "the line has more than 16 MiB");
    std::string_view text(line, length);
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    return take(session, iommucheck::trace::event_from_json(
                             text, {.file = "event", .line = session.reported() + 1}));
  });
}

int iommucheck_monitor_flush(iommucheck_monitor* monitor) {
  return guarded(monitor, true, [&](Session& session) {
    if (const int why = closed(session)) return why;
    return verdict_of(session.flush());
  });
}

int iommucheck_monitor_finish(iommucheck_monitor* monitor) {
  return guarded(monitor, true, [&](Session& session) {
    if (!session.damaged) session.finish();
    return verdict_of(session);
  });
}

// ---- verdict and evidence -----------------------------------------------------------------------

int iommucheck_monitor_verdict(const iommucheck_monitor* monitor) {
  return monitor == nullptr ? no_monitor() : verdict_of(monitor->session);
}

int iommucheck_monitor_summary(iommucheck_monitor* monitor, iommucheck_summary* summary) {
  return guarded(monitor, false, [&](Session& session) {
    const oracle::ReplayResult& now = session.judge().so_far();
    iommucheck_summary full{};
    full.reported = session.reported();
    full.judged = now.events;
    full.accepted = now.accepted;
    full.flagged = now.flagged;
    full.undetermined = now.undetermined;
    full.findings = session.findings().size();
    full.gave_up = session.judge().gave_up() ? 1 : 0;
    return give(session, summary, full);
  });
}

int iommucheck_monitor_findings(const iommucheck_monitor* monitor) {
  return monitor == nullptr ? no_monitor() : static_cast<int>(monitor->session.findings().size());
}

int iommucheck_monitor_finding(iommucheck_monitor* monitor, uint32_t index,
                               iommucheck_finding* out) {
  return guarded(monitor, false, [&](Session& session) {
    const oracle::DoorFinding* finding = finding_of(session, index);
    if (finding == nullptr) {
      return refuse(session, "there is no such finding", IOMMUCHECK_MONITOR_ENOENT);
    }
    iommucheck_finding full{};
    full.report = finding->report;
    full.event = finding->event;
    full.rule = finding->rule.c_str();
    full.family = finding->family.c_str();
    full.party = finding->party.c_str();
    full.section = finding->section.c_str();
    full.rule_text = finding->rule_text.c_str();
    full.text = finding->text.c_str();
    full.evidence = static_cast<uint32_t>(finding->evidence.size());
    return give(session, out, full);
  });
}

const char* iommucheck_monitor_evidence(iommucheck_monitor* monitor, uint32_t finding,
                                        uint32_t line) {
  return guarded(monitor, false, [&](Session& session) -> const char* {
    const oracle::DoorFinding* found = finding_of(session, finding);
    if (found == nullptr || line >= found->evidence.size()) return nullptr;
    return found->evidence[line].c_str();
  });
}

const char* iommucheck_monitor_finding_text(iommucheck_monitor* monitor, uint32_t finding,
                                            int what) {
  return guarded(monitor, false, [&](Session& session) -> const char* {
    const oracle::DoorFinding* found = finding_of(session, finding);
    if (found == nullptr) return nullptr;
    switch (what) {
      case IOMMUCHECK_FINDING_RULE: return found->rule.c_str();
      case IOMMUCHECK_FINDING_FAMILY: return found->family.c_str();
      case IOMMUCHECK_FINDING_PARTY: return found->party.c_str();
      case IOMMUCHECK_FINDING_SECTION: return found->section.c_str();
      case IOMMUCHECK_FINDING_RULE_TEXT: return found->rule_text.c_str();
      case IOMMUCHECK_FINDING_TEXT: return found->text.c_str();
      case IOMMUCHECK_FINDING_ALL: return found->all.c_str();
      default: return nullptr;
    }
  });
}

uint64_t iommucheck_monitor_finding_report(iommucheck_monitor* monitor, uint32_t finding) {
  return guarded(monitor, false, [&](Session& session) -> uint64_t {
    const oracle::DoorFinding* found = finding_of(session, finding);
    return found == nullptr ? 0 : found->report;
  });
}

const char* iommucheck_monitor_missing(iommucheck_monitor* monitor, uint32_t index,
                                       uint64_t* events) {
  return guarded(monitor, false, [&](Session& session) -> const char* {
    const auto& missing = session.result().missing;
    if (index >= missing.size()) return nullptr;
    if (events != nullptr) *events = missing[index].events;
    return missing[index].fact.c_str();
  });
}

int iommucheck_monitor_rule(iommucheck_monitor* monitor, uint32_t index, iommucheck_rule* out) {
  return guarded(monitor, false, [&](Session& session) {
    const auto& rules = session.result().rules;
    if (index >= rules.size()) {
      return refuse(session, "there is no such rule", IOMMUCHECK_MONITOR_ENOENT);
    }
    const oracle::RuleCount& rule = rules[index];
    iommucheck_rule full{};
    full.verdict = static_cast<uint32_t>(rule.verdict);
    full.kept = rule.kept;
    full.discriminating = rule.discriminating;
    full.broken = rule.broken;
    full.rule = iommucheck::spec::rule_name(rule.rule).data();  // a literal
    full.why = rule.why.c_str();
    return give(session, out, full);
  });
}

// ---- files --------------------------------------------------------------------------------------

int iommucheck_monitor_keep(iommucheck_monitor* monitor, int keep) {
  return guarded(monitor, false, [&](Session& session) {
    session.keep(keep != 0);
    return 0;
  });
}

int iommucheck_monitor_save(iommucheck_monitor* monitor, const char* path) {
  return guarded(monitor, false, [&](Session& session) {
    if (path == nullptr) return refuse(session, "the path is NULL");
    return done(session, session.save(path));
  });
}

int iommucheck_monitor_add_coverage(iommucheck_monitor* monitor, const char* path) {
  return guarded(monitor, false, [&](Session& session) {
    if (path == nullptr) return refuse(session, "the path is NULL");
    return done(session, session.add_coverage(path));
  });
}

int iommucheck_monitor_save_junit(iommucheck_monitor* monitor, const char* path, const char* name) {
  return guarded(monitor, false, [&](Session& session) {
    if (path == nullptr) return refuse(session, "the path is NULL");
    const std::string text = session.junit(name == nullptr ? "" : name);
    auto file = iommucheck::trace::OutputFile::create(path);
    if (!file) return refuse(session, file.error());
    if (auto written = file->write(text); !written) return refuse(session, written.error());
    return done(session, file->finish());
  });
}
