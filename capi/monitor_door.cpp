// SPDX-License-Identifier: MIT
// The functions of iommucheck/monitor.h. No exception and no C++ type leaves them.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <span>
#include <type_traits>

#include "capi/grow.h"
#include "capi/read_struct.h"
#include "capi/session.h"
#include "iommucheck/monitor.h"
#include "monitor/trace_setup.h"
#include "report/finding_json.h"
#include "trace/codec.h"
#include "trace/file.h"
#include "trace/json.h"

namespace oracle = iommucheck::oracle;
using iommucheck::Error;
using iommucheck::ErrorCode;
using iommucheck::Expected;
using iommucheck::u32;
using iommucheck::u64;
using iommucheck::trace::Event;
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
    case ErrorCode::environment: return -IOMMUCHECK_EIO;
    default: return -IOMMUCHECK_EINVAL;
  }
}

int refuse(Session& session, std::string_view text, int number = IOMMUCHECK_EINVAL) {
  say(session.error, text);
  return -number;
}
int refuse(Session& session, const Error& error) {
  say(session.error, error.message);
  return number_of(error.code);
}

int no_monitor() {
  say(lost_error, "the monitor is NULL");
  return -IOMMUCHECK_EINVAL;
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
  int error = -IOMMUCHECK_EPIPE;
  try {
    return work(session);
  } catch (const std::bad_alloc&) {
    error = -IOMMUCHECK_ENOMEM;
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
  const EventVerdict worst = session.judge().worst();
  if (worst == EventVerdict::flagged) return IOMMUCHECK_VERDICT_VIOLATION;
  if (session.judge().gave_up() || session.damaged) return IOMMUCHECK_VERDICT_GAVE_UP;
  return verdict_of(worst);
}

int take(Session& session, const Event& event) {
  const bool gave_up = session.judge().gave_up();
  const EventVerdict verdict = session.take(event);
  if (verdict == EventVerdict::flagged) return IOMMUCHECK_VERDICT_VIOLATION;
  if (!gave_up && session.judge().gave_up()) return IOMMUCHECK_VERDICT_GAVE_UP;
  return verdict_of(verdict);
}
int take(Session& session, const Expected<Event>& event) {
  return event ? take(session, *event) : refuse(session, event.error());
}

/// Of two verdicts the one that comes first: violation, gave up, undetermined, ok.
int worse(int a, int b) {
  constexpr auto rank = [](int verdict) {
    return verdict == IOMMUCHECK_VERDICT_VIOLATION      ? 3
           : verdict == IOMMUCHECK_VERDICT_GAVE_UP      ? 2
           : verdict == IOMMUCHECK_VERDICT_UNDETERMINED ? 1
                                                        : 0;
  };
  return rank(a) < rank(b) ? b : a;
}

/// Why no event can be taken any more; 0 if one can.
int closed(Session& session) {
  if (session.finished()) {
    return refuse(session, "the events are at their end (iommucheck_monitor_finish)",
                  IOMMUCHECK_EPIPE);
  }
  if (session.damaged) {
    return refuse(session, "an earlier event failed inside of the monitor", IOMMUCHECK_EPIPE);
  }
  return 0;
}

/// Copies `full` into the caller's struct, as far as that goes.
template <class Struct>
int fill(Session& session, Struct* out, const Struct& full, u32 first_version) {
  const auto given = oracle::give(out, full, first_version, IOMMUCHECK_MONITOR_ABI);
  return given ? 0 : refuse(session, given.error());
}

Expected<iommucheck_monitor*> open_text(std::string_view text, std::string_view name) {
  // Over several lines, too: a header file is read by people.
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');
  std::ranges::replace(line, '\r', ' ');
  auto header = iommucheck::trace::header_from_json(line, {.file = name, .line = 1});
  if (!header) return std::unexpected(std::move(header.error()));
  auto good = oracle::may_judge(*header);
  if (good) good = Session::may_open(*header);
  if (!good) {
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

/// Numbers that may not be there, each with its bit.
struct Facts {
  uint64_t& known;
  template <class T>
  void set(uint64_t bit, uint64_t& member, const std::optional<T>& fact) {
    if (!fact) return;
    known |= bit;
    member = *fact;
  }
};

/// Event 0 stands for none.
std::optional<u64> event_of(u64 at) { return at == 0 ? std::nullopt : std::optional(at); }

iommucheck_cause cause_of(const oracle::DoorFinding::Link& link) {
  using Kind = iommucheck::spec::Cause::Kind;
  const iommucheck::spec::Cause& cause = link.cause;
  iommucheck_cause full{};
  full.kind = oracle::kind_name(cause.kind).data();  // a literal
  full.text = link.text.c_str();
  full.miss = cause.miss ? oracle::kind_name(cause.miss->kind).data() : "";
  full.miss_text = link.miss_text.c_str();
  Facts facts{full.known};
  const bool structure = cause.kind == Kind::cached_structure || cause.kind == Kind::structure;
  const bool read = cause.pa != 0;
  const auto when = [](bool is, u64 value) { return is ? std::optional(value) : std::nullopt; };
  facts.set(IOMMUCHECK_CAUSE_PA, full.pa, when(read, cause.pa));
  facts.set(IOMMUCHECK_CAUSE_VALUE, full.value, when(read && !structure, cause.value));
  facts.set(IOMMUCHECK_CAUSE_VA, full.va, when(!structure, cause.va));
  facts.set(IOMMUCHECK_CAUSE_ASID, full.asid, when(!structure && !cause.vmid, cause.asid));
  facts.set(IOMMUCHECK_CAUSE_STREAM, full.stream, when(structure, cause.sid));
  if (structure) facts.set(IOMMUCHECK_CAUSE_PASID, full.pasid, cause.ssid);
  facts.set(IOMMUCHECK_CAUSE_STORED_AT, full.stored_at, event_of(cause.stored_at));
  facts.set(IOMMUCHECK_CAUSE_VANISHED_AT, full.vanished_at, event_of(cause.vanished_at));
  if (cause.miss) {
    full.known |= IOMMUCHECK_CAUSE_MISS;
    full.miss_at = cause.miss->at;
    const auto words = iommucheck::spec::encode_command(cause.miss->command);
    full.command_low = words.dw0;
    full.command_high = words.dw1;
  }
  return full;
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

int iommucheck_monitor_report_bytes(iommucheck_monitor* monitor, const void* bytes,
                                    uint64_t count) {
  return guarded(monitor, true, [&](Session& session) {
    if (const int why = closed(session)) return why;
    if (bytes == nullptr && count != 0) return refuse(session, "the bytes are NULL");
    const auto* first = static_cast<const iommucheck::u8*>(bytes);
    session.stream.add(std::span(first, count));
    int verdict = IOMMUCHECK_VERDICT_OK;
    for (;;) {
      const auto event = session.stream.next();
      if (!event) return refuse(session, event.error());
      if (!*event) return verdict;
      verdict = worse(verdict, take(session, **event));
    }
  });
}

int iommucheck_monitor_restart_bytes(iommucheck_monitor* monitor) {
  return guarded(monitor, false, [&](Session& session) {
    session.stream.clear();
    return 0;
  });
}

int64_t iommucheck_monitor_encode(const iommucheck_event* event, void* buffer,
                                  uint64_t buffer_bytes) {
  try {
    if (event == nullptr || (buffer == nullptr && buffer_bytes != 0)) {
      say(lost_error, event == nullptr ? "the event is NULL" : "the buffer is NULL");
      return -IOMMUCHECK_EINVAL;
    }
    const auto read = oracle::read_struct(*event);
    if (!read) {
      say(lost_error, read.error().message);
      return -IOMMUCHECK_EINVAL;
    }
    std::vector<iommucheck::u8> bytes;
    iommucheck::trace::encode_framed(*read, bytes);
    if (bytes.size() > iommucheck::trace::EventStream::event_bytes_max) {
      say(lost_error, "the event has more than 16 MiB");
      return -IOMMUCHECK_EINVAL;
    }
    if (bytes.size() > buffer_bytes) {
      say(lost_error, fmt::format("the event has {} bytes", bytes.size()));
      return -IOMMUCHECK_ENOSPC;
    }
    std::memcpy(buffer, bytes.data(), bytes.size());
    return static_cast<int64_t>(bytes.size());
  } catch (...) {
    say(lost_error, "memory is short");
    return -IOMMUCHECK_ENOMEM;
  }
}

int iommucheck_monitor_flush(iommucheck_monitor* monitor) {
  return guarded(monitor, true, [&](Session& session) {
    if (const int why = closed(session)) return why;
    return verdict_of(session.flush());
  });
}

int iommucheck_monitor_finish(iommucheck_monitor* monitor) {
  return guarded(monitor, true, [&](Session& session) {
    if (!session.finished() && session.stream.begun() != 0) {
      return refuse(session, fmt::format("the stream of bytes ends within an event, of which {} "
                                         "bytes have come (iommucheck_monitor_restart_bytes "
                                         "forgets them)",
                                         session.stream.begun()));
    }
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
    const oracle::TraceJudges::Numbers now = session.judge().numbers();
    iommucheck_summary full{};
    full.reported = session.reported();
    full.judged = now.events;
    full.accepted = now.accepted;
    full.flagged = now.flagged;
    full.undetermined = now.undetermined;
    full.findings = session.findings().size();
    full.gave_up = session.judge().gave_up() ? 1 : 0;
    return fill(session, summary, full, IOMMUCHECK_SUMMARY_SIZE_VER0);
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
      return refuse(session, "there is no such finding", IOMMUCHECK_ENOENT);
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
    full.causes = static_cast<uint32_t>(finding->causes.size());
    full.named = finding->named.size();
    Facts facts{full.known};
    facts.set(IOMMUCHECK_FINDING_STREAM, full.stream, finding->where.sid);
    facts.set(IOMMUCHECK_FINDING_DEVICE, full.device, finding->where.device);
    facts.set(IOMMUCHECK_FINDING_PASID, full.pasid, finding->where.pasid);
    facts.set(IOMMUCHECK_FINDING_ADDRESS, full.address, finding->where.address);
    facts.set(IOMMUCHECK_FINDING_DURING, full.during, event_of(finding->during));
    return fill(session, out, full, IOMMUCHECK_FINDING_SIZE_VER0);
  });
}

int iommucheck_monitor_cause(iommucheck_monitor* monitor, uint32_t finding, uint32_t index,
                             iommucheck_cause* out) {
  return guarded(monitor, false, [&](Session& session) {
    const oracle::DoorFinding* found = finding_of(session, finding);
    if (found == nullptr || index >= found->causes.size()) {
      return refuse(session, "there is no such cause", IOMMUCHECK_ENOENT);
    }
    return fill(session, out, cause_of(found->causes[index]), IOMMUCHECK_CAUSE_SIZE_VER0);
  });
}

int iommucheck_monitor_named(iommucheck_monitor* monitor, uint32_t finding, uint32_t index,
                             iommucheck_named* out) {
  return guarded(monitor, false, [&](Session& session) {
    const oracle::DoorFinding* found = finding_of(session, finding);
    if (found == nullptr || index >= found->named.size()) {
      return refuse(session, "there is no such event", IOMMUCHECK_ENOENT);
    }
    const oracle::DoorFinding::Named& named = found->named[index];
    iommucheck_named full{};
    full.event = named.event;
    full.report = named.report;
    full.text = named.text.c_str();
    return fill(session, out, full, IOMMUCHECK_NAMED_SIZE_VER0);
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
      case IOMMUCHECK_FINDING_JSON: return found->json.c_str();
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
      return refuse(session, "there is no such rule", IOMMUCHECK_ENOENT);
    }
    const oracle::RuleCount& rule = rules[index];
    iommucheck_rule full{};
    full.verdict = static_cast<uint32_t>(rule.verdict);
    full.kept = rule.kept;
    full.discriminating = rule.discriminating;
    full.broken = rule.broken;
    full.rule = iommucheck::spec::rule_name(rule.rule).data();  // a literal
    full.why = rule.why.c_str();
    return fill(session, out, full, IOMMUCHECK_RULE_SIZE_VER0);
  });
}

// ---- files --------------------------------------------------------------------------------------

int iommucheck_monitor_keep(iommucheck_monitor* monitor, uint64_t events) {
  return guarded(monitor, false, [&](Session& session) {
    session.keep(events);
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
    return done(session, iommucheck::trace::write_file(path, text));
  });
}
