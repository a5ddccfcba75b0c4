// SPDX-License-Identifier: MIT
// What a run did, as a trace or as a number.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "monitor/monitor.h"
#include "trace/hash.h"

namespace iommucheck::oracle {

/// Collects the events of a run from its boot on.
class TraceRecorder final : public Monitor::Sink {
 public:
  explicit TraceRecorder(trace::Header header) { trace_.header = std::move(header); }
  void event(const trace::Event& event) override { trace_.events.push_back(event); }

  [[nodiscard]] const trace::Trace& trace() const { return trace_; }
  /// How many so far.
  [[nodiscard]] std::size_t size() const { return trace_.events.size(); }
  [[nodiscard]] trace::Trace take() { return std::move(trace_); }
  /// Compressed by the name's end. Errors: as trace::write_trace.
  [[nodiscard]] Expected<void> write(const std::string& path) const;

 private:
  trace::Trace trace_;
};

/// Only the hash of the events, for comparing runs.
class HashRecorder final : public Monitor::Sink {
 public:
  void event(const trace::Event& event) override { hash_.add(event); }
  [[nodiscard]] u64 value() const { return hash_.value(); }
  void reset() { hash_ = {}; }

 private:
  trace::TraceHash hash_;
};

}  // namespace iommucheck::oracle
