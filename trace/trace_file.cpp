// SPDX-License-Identifier: MIT
#include "trace/trace_file.h"

#include <fmt/format.h>

#include "trace/json.h"

namespace iommucheck::trace {
namespace {

std::unexpected<Error> empty_file(std::string_view name) {
  return fail(ErrorCode::bad_input,
              fmt::format("{}:1:1: the file is empty; a trace begins with its header", name));
}

std::unexpected<Error> too_many(std::string_view name, u64 line) {
  return fail(ErrorCode::gave_up, fmt::format("{}:{}: the trace has more than {} events", name,
                                              line, trace_events_max));
}

}  // namespace

TraceReader::TraceReader(LineReader lines, Header header)
    : lines_(std::move(lines)), header_(std::move(header)) {}

Expected<TraceReader> TraceReader::open(const std::string& path, FileLimits limits) {
  auto lines = LineReader::open(path, limits);
  if (!lines) return std::unexpected(std::move(lines.error()));
  std::string text;
  const auto some = lines->next(text);
  if (!some) return std::unexpected(some.error());
  if (!*some) return empty_file(path);
  auto header = header_from_json(text, {.file = path, .line = 1});
  if (!header) return std::unexpected(std::move(header.error()));
  return TraceReader(std::move(*lines), std::move(*header));
}

Expected<std::optional<Event>> TraceReader::next() {
  const auto some = lines_.next(text_);
  if (!some) return std::unexpected(some.error());
  if (!*some) return std::nullopt;
  auto event = event_from_json(text_, {.file = lines_.path(), .line = lines_.line()});
  if (!event) return std::unexpected(std::move(event.error()));
  return std::optional<Event>(std::move(*event));
}

Expected<Trace> read_trace(const std::string& path, FileLimits limits) {
  auto reader = TraceReader::open(path, limits);
  if (!reader) return std::unexpected(std::move(reader.error()));
  Trace trace{.header = reader->header(), .events = {}};
  while (true) {
    auto event = reader->next();
    if (!event) return std::unexpected(std::move(event.error()));
    if (!*event) return trace;
    if (trace.events.size() == trace_events_max) return too_many(path, reader->line());
    trace.events.push_back(std::move(**event));
  }
}

Expected<Trace> parse_trace(std::string_view text, std::string_view name) {
  if (text.empty()) return empty_file(name);
  Trace trace;
  for (u64 line = 1; !text.empty(); ++line) {
    const std::string_view one = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const LinePlace place{.file = name, .line = line};
    if (line == 1) {
      auto header = header_from_json(one, place);
      if (!header) return std::unexpected(std::move(header.error()));
      trace.header = std::move(*header);
      continue;
    }
    if (trace.events.size() == trace_events_max) return too_many(name, line);
    auto event = event_from_json(one, place);
    if (!event) return std::unexpected(std::move(event.error()));
    trace.events.push_back(std::move(*event));
  }
  return trace;
}

Expected<void> write_trace(const Trace& trace, const std::string& path, int level) {
  auto file = OutputFile::create(path, level);
  if (!file) return std::unexpected(std::move(file.error()));
  std::string text = to_json(trace.header) + '\n';
  for (const Event& event : trace.events) {
    if (text.size() > (1U << 20)) {
      if (auto done = file->write(text); !done) return done;
      text.clear();
    }
    text += to_json(event);
    text += '\n';
  }
  if (auto done = file->write(text); !done) return done;
  return file->finish();
}

std::string to_text(const Trace& trace) {
  std::string text = to_json(trace.header) + '\n';
  for (const Event& event : trace.events) {
    text += to_json(event);
    text += '\n';
  }
  return text;
}

}  // namespace iommucheck::trace
