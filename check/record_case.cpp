// SPDX-License-Identifier: MIT
#include "check/record_case.h"

#include <unistd.h>

#include "base/input.h"
#include "check/cases.h"
#include "impl/driver.h"
#include "iommucheck/hooks.h"
#include "monitor/chronicle.h"
#include "process/source_lines.h"
#include "trace/json.h"

namespace iommucheck::oracle {

namespace {

/// Of any event that has one.
std::optional<u64> instruction_of(const trace::Event& event) {
  return trace::visit(
      []<class Payload>(const Payload& payload) -> std::optional<u64> {
        if constexpr (requires { payload.pc; }) return payload.pc;
        return std::nullopt;
      },
      event.payload);
}

/// Whether `iommucheck cc` built it.
bool has_hooks(const std::string& plugin) {
  const auto bytes = read_whole(plugin, std::size_t{1} << 30);
  return bytes && bytes->contains(IOMMUCHECK_HOOKS_ENTRY_NAME);
}

class Keeping final : public Monitor::Sink {
 public:
  Keeping(CaseRecord& record, const Lockstep& lockstep, int stream)
      : record_(record), lockstep_(lockstep), stream_(stream) {}

  void event(const trace::Event& event) override {
    record_.trace.events.push_back(placed(event, lockstep_.instruction()));
    record_.at.push_back(lockstep_.monitor().now());
    if (stream_ >= 0) write_line(trace::to_json(record_.trace.events.back()));
  }
  void write_line(std::string line) const {
    line += '\n';
    std::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t done = ::write(stream_, rest.data(), rest.size());
      if (done <= 0) return;
      rest.remove_prefix(static_cast<std::size_t>(done));
    }
  }

 private:
  CaseRecord& record_;
  const Lockstep& lockstep_;
  int stream_;
};

}  // namespace

CaseRecord record_case(const iommucheck_driver& driver, const LockstepOptions& options,
                       const Sequence& sequence, int stream, bool beyond_boot) {
  CaseRecord record;
  Lockstep lockstep(driver, options);
  record.trace.header = lockstep.header();
  put_cases(record.trace.header, {&sequence, 1});
  Keeping sink(record, lockstep, stream);
  if (stream >= 0) sink.write_line(trace::to_json(record.trace.header));
  record.failed = lockstep.boot(&sink);
  record.findings = lockstep.monitor().findings();
  if (record.failed.empty() && (record.findings.empty() || beyond_boot)) {
    lockstep.run(sequence.operations, sequence.ends);
    record.calls = lockstep.calls_of_run();
    if (!lockstep.monitor().findings().empty()) record.findings = lockstep.monitor().findings();
  }
  record.gave_up = lockstep.monitor().gave_up();
  return record;
}

Violation told(const Finding& finding, const CaseRecord& record) {
  Chronicle chronicle(true);
  for (std::size_t i = 0; i < record.trace.events.size(); ++i) {
    chronicle.add(record.trace.events[i], record.at[i], i + 2);  // the header is line 1
  }
  return chronicle.tell(finding);
}

void name_places(Violation& violation, const std::string& plugin) {
  if (impl::builtin_driver(plugin) != nullptr) return;
  std::optional<bool> hooked;
  const DebugInfo info(plugin);
  for (NamedEvent& named : violation.named) {
    if (!named.symbol.empty()) continue;
    const std::optional<u64> pc = instruction_of(named.event);
    if (!pc) continue;
    SourceLine line = source_of(info, *pc);
    // Without line tables a function's name is all there is: that is said where the driver was
    // built to tell what it does.
    if (line.place.file.empty()) {
      if (!hooked) hooked = has_hooks(plugin);
      if (!*hooked) continue;
    }
    named.symbol = std::move(line.text);
    named.source = std::move(line.place.file);
    named.source_line = line.place.line;
  }
}

}  // namespace iommucheck::oracle
