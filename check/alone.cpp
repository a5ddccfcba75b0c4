// SPDX-License-Identifier: MIT
#include "check/alone.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "check/known_findings.h"
#include "impl/driver.h"
#include "monitor/trace_setup.h"
#include "spec/rules/interface.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

constexpr std::size_t slot_hash = 0;  // of the shared numbers

/// A file that is written from its beginning; no link is followed. No path: no file.
class OwnedFile {
 public:
  explicit OwnedFile(const std::string& path) {
    if (path.empty()) return;
    constexpr int how = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
    file_ = ::open(path.c_str(), how, 0644);
  }
  ~OwnedFile() {
    if (file_ >= 0) ::close(file_);
  }
  OwnedFile(const OwnedFile&) = delete;
  OwnedFile& operator=(const OwnedFile&) = delete;
  [[nodiscard]] int descriptor() const { return file_; }

 private:
  int file_ = -1;
};

}  // namespace

void sign_of_life(void* report) { static_cast<SharedReport*>(report)->tick(); }

FindingKind kind_of_end(const Outcome& outcome, std::string_view doing) {
  using End = FindingKind::End;
  FindingKind kind{.what = FindingKind::What::end, .doing = std::string(doing)};
  if (outcome.ended == Ended::timed_out) return kind;
  kind.end = outcome.signal == 0 ? End::exit : End::signal;
  kind.number = static_cast<u32>(outcome.signal == 0 ? outcome.exit_code : outcome.signal);
  return kind;
}

bool is_of_end(const FindingKind& kind, const Outcome& outcome) {
  return kind == kind_of_end(outcome, kind.doing);
}

bool tells_of(const Finding& finding, const Outcome& outcome) {
  switch (outcome.ended) {
    case Ended::timed_out: return finding.rule == spec::rule::HANG_RETURNS;
    case Ended::crashed:
      return finding.rule == spec::rule::CRASH_NEVER && outcome.party == Party::driver &&
             is_of_end(finding.kind, outcome);
    default: return false;
  }
}

const iommucheck_driver& LoadedPlugin::driver() const {
  return plugin ? plugin->driver() : *builtin;
}

void LoadedPlugin::tell(SharedReport& report, const std::string& path) const {
  if (plugin) report.driver_loaded(plugin->entry(), path);
  if (backend && backend->code != nullptr) report.driver_loaded(backend->code, backend->path);
}

Expected<LoadedPlugin> load_plugin(const CheckOptions& options) {
  LoadedPlugin loaded;
  loaded.builtin = impl::builtin_driver(options.driver);
  const void* code = nullptr;
  if (!options.backend.empty()) {
    auto backend = load_named_backend(options.backend);
    if (!backend) return std::unexpected(std::move(backend.error()));
    loaded.builtin = impl::core_operations(options.driver != impl::builtin_driver()->name);
    code = backend->code;
    loaded.backend = std::move(*backend);
  } else if (loaded.builtin == nullptr) {
    auto plugin = Plugin::load(options.driver);
    if (!plugin) return std::unexpected(std::move(plugin.error()));
    code = plugin->entry();
    loaded.plugin = std::move(*plugin);
  }
  if (code == nullptr) return loaded;
  auto segments = Segments::of(code);
  if (!segments) return std::unexpected(std::move(segments.error()));
  if (segments->bytes() != 0) loaded.segments = std::make_unique<Segments>(std::move(*segments));
  return loaded;
}

namespace {

/// Of a driver that was loaded for it, whose signs of life the report shows.
LockstepOptions options_alone(const CheckOptions& options, const Machine& machine,
                              const LoadedPlugin& loaded, SharedReport& report) {
  LockstepOptions lockstep = lockstep_options(options);
  lockstep.machine = machine;
  loaded.put_into(lockstep);
  lockstep.known = known_to(options);
  lockstep.on_step = sign_of_life;
  lockstep.step_context = &report;
  return lockstep;
}

}  // namespace

Expected<Alone> run_alone(const CheckOptions& options, std::span<const Sequence> cases,
                          const std::string& trace_path, double hang_seconds) {
  const auto machine = parse_machine(options.machine);
  if (!machine) return std::unexpected(machine.error());
  auto report = SharedReport::create();
  if (!report) return std::unexpected(std::move(report.error()));
  const auto failed = [&](const std::string& why) {
    report->add_finding(why);
    return 1;
  };
  const OwnedFile trace(trace_path);
  if (!trace_path.empty() && trace.descriptor() < 0) {
    return fail(ErrorCode::environment, fmt::format("{}: {}", trace_path, std::strerror(errno)));
  }
  const auto once = [&] {
    auto loaded = load_plugin(options);
    if (!loaded) return failed(loaded.error().message);
    loaded->tell(*report, options.driver);
    LockstepOptions lockstep = options_alone(options, *machine, *loaded, *report);
    lockstep.guard_window = true;
    const CasesResult result = run_cases(loaded->driver(), lockstep, cases, trace.descriptor());
    if (!result.failed.empty()) return failed("the driver does not come up: " + result.failed);
    report->counter(slot_hash) = result.hash;
    if (!result.findings.empty()) {
      report->add_finding(encode(Violation(result.findings.front())));
    }
    return 0;
  };
  auto outcome = run_isolated(*report, once, {.hang_seconds = hang_seconds, .stop = options.stop});
  if (!outcome) return std::unexpected(std::move(outcome.error()));
  if (outcome->ended == Ended::returned && outcome->result != 0) {
    const auto texts = report->findings();
    return fail(ErrorCode::bad_input,
                fmt::format("{}: {}", subject_of(options), texts.empty() ? "?" : texts.front()));
  }
  Alone alone{std::move(*outcome), report->counter(slot_hash), {}};
  for (const std::string& text : report->findings()) {
    if (auto finding = decode_violation(text)) alone.broken = std::move(*finding);
  }
  return alone;
}

Expected<std::optional<std::size_t>> first_that_differs(const CheckOptions& options,
                                                        std::span<const Sequence> cases) {
  const auto machine = parse_machine(options.machine);
  if (!machine) return std::unexpected(machine.error());
  std::vector<u64> behind;  // hashes of the cases one after the other
  std::vector<u64> alone;
  for (std::vector<u64>* hashes : {&behind, &alone}) {
    auto report = SharedReport::create();
    if (!report) return std::unexpected(std::move(report.error()));
    const auto work = [&] {
      auto loaded = load_plugin(options);
      if (!loaded) return 1;
      loaded->tell(*report, options.driver);
      const LockstepOptions lockstep = options_alone(options, *machine, *loaded, *report);
      const auto found = hashes_of(loaded->driver(), lockstep, cases, hashes == &alone, behind);
      report->add_finding({reinterpret_cast<const char*>(found.data()), 8 * found.size()});
      return 0;
    };
    const auto outcome =
        run_isolated(*report, work, {.hang_seconds = options.hang_seconds, .stop = options.stop});
    if (!outcome) return std::unexpected(outcome.error());
    const auto texts = report->findings();
    if (outcome->ended != Ended::returned || texts.empty()) return std::nullopt;
    hashes->resize(texts.front().size() / 8);
    if (!hashes->empty()) std::memcpy(hashes->data(), texts.front().data(), 8 * hashes->size());
  }
  for (std::size_t i = 0; i < std::min(behind.size(), alone.size()); ++i) {
    if (behind[i] != alone[i]) return i;
  }
  return std::nullopt;
}

Expected<CasesAgain> run_cases_of(const std::string& trace, const CheckOptions& options) {
  auto reader = trace::TraceReader::open(trace);
  if (!reader) return std::unexpected(std::move(reader.error()));
  const auto cases = cases_of(reader->header());
  if (!cases) return fail(cases.error().code, trace + ": " + cases.error().message);
  if (cases->empty()) {
    return fail(ErrorCode::bad_input,
                trace + ": names no cases; only traces that check has written can be run again");
  }
  CheckOptions used = options;
  const auto& about = *reader->header().about;
  if (about.contains("precision")) used.precision = Precision::scan;
  if (about.contains("window")) used.identity_window = true;
  if (used.backend.empty() && backend_of(reader->header()) == second_backend) {
    used.backend = second_backend;
  }
  const auto machine = about.find("machine");
  used.machine = machine == about.end() ? "default" : machine->second;
  // What was asked then, and nothing else.
  const auto left_out = about.find(not_claimed_key);
  auto not_claimed = NotClaimed::parse(left_out == about.end() ? "" : left_out->second);
  if (!not_claimed) return std::unexpected(std::move(not_claimed.error()));
  used.claims = {.besides = *not_claimed, .heed_driver = false};
  auto end = run_alone(used, *cases, {}, options.hang_seconds);
  if (!end) return std::unexpected(std::move(end.error()));
  return CasesAgain{cases->size(), std::move(*end)};
}

}  // namespace iommucheck::oracle
