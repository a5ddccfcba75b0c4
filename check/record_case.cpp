// SPDX-License-Identifier: MIT
#include "check/record_case.h"

#include <unistd.h>

#include "check/cases.h"
#include "impl/driver.h"
#include "monitor/chronicle.h"
#include "process/source_lines.h"
#include "trace/json.h"

namespace iommucheck::oracle {

namespace {

class Keeping final : public Monitor::Sink {
 public:
  Keeping(CaseRecord& record, const Monitor& monitor, int stream)
      : record_(record), monitor_(monitor), stream_(stream) {}

  void event(const trace::Event& event) override {
    record_.trace.events.push_back(event);
    record_.at.push_back(monitor_.now());
    if (stream_ >= 0) write_line(trace::to_json(event));
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
  const Monitor& monitor_;
  int stream_;
};

}  // namespace

CaseRecord record_case(const iommucheck_driver& driver, const LockstepOptions& options,
                       const Sequence& sequence, int stream, bool beyond_boot) {
  CaseRecord record;
  Lockstep lockstep(driver, options);
  record.trace.header = lockstep.header();
  put_cases(record.trace.header, {&sequence, 1});
  Keeping sink(record, lockstep.monitor(), stream);
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

void name_stores(Violation& violation, const std::string& plugin) {
  if (impl::builtin_driver(plugin) != nullptr) return;
  for (NamedEvent& named : violation.named) {
    if (!named.symbol.empty()) continue;
    const auto* store = std::get_if<trace::Store>(&named.event.payload);
    const auto* atomic = std::get_if<trace::Rmw>(&named.event.payload);
    const std::optional<u64> pc = store != nullptr    ? store->pc
                                  : atomic != nullptr ? atomic->pc
                                                      : std::nullopt;
    if (!pc) continue;
    SourceLine line = source_of(plugin, *pc);
    named.symbol = std::move(line.text);
    named.source = std::move(line.place.file);
    named.source_line = line.place.line;
  }
}

}  // namespace iommucheck::oracle
