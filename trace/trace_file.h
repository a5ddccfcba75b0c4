// SPDX-License-Identifier: MIT
// Whole traces to and from files: JSON Lines, plain, .gz or .zst.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "trace/event.h"
#include "trace/file.h"

namespace iommucheck::trace {

/// Largest number of events of a trace that read_trace() holds in memory.
inline constexpr u64 trace_events_max = u64{1} << 24;

/// Reads event after event, for traces of any length.
class TraceReader {
 public:
  /// Opens it and reads the header. Errors: as InputFile and header_from_json.
  static Expected<TraceReader> open(const std::string& path, FileLimits limits = {});

  const Header& header() const { return header_; }
  /// The next event, or nothing at the end.
  Expected<std::optional<Event>> next();
  /// Line of the event that next() gave last, from 1.
  u64 line() const { return lines_.line(); }

 private:
  TraceReader(LineReader lines, Header header);
  LineReader lines_;
  Header header_;
  std::string text_;
};

/// Errors say file:line:column; gave_up beyond trace_events_max or the limits.
Expected<Trace> read_trace(const std::string& path, FileLimits limits = {});
/// The same of a text in memory; `name` stands for the file in messages.
Expected<Trace> parse_trace(std::string_view text, std::string_view name);

/// Compressed by the name's end; `level` 0 is the compressor's default. On an error nothing is
/// written.
Expected<void> write_trace(const Trace& trace, const std::string& path, int level = 0);
/// The text of a plain file.
std::string to_text(const Trace& trace);

}  // namespace iommucheck::trace
