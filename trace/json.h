// SPDX-License-Identifier: MIT
// One line of a trace file: its JSON, both ways. docs/trace-format.md has the format.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::trace {

/// The number behind "iommucheck-trace" in the header.
inline constexpr u64 trace_version = 1;

/// Where a line stands, for messages.
struct LinePlace {
  std::string_view file;
  u64 line = 1;
};

/// One line, without its end. Every Event and Header can be written.
std::string to_json(const Event& event);
std::string to_json(const Header& header);

/// One line. bad_input with "file:line:column: what, what to do" for anything that to_json does
/// not write: syntax, unknown event, unknown, missing or repeated key, wrong type, check().
Expected<Event> event_from_json(std::string_view line, LinePlace place);
/// The same; another version than trace_version is `unsupported`.
Expected<Header> header_from_json(std::string_view line, LinePlace place);

}  // namespace iommucheck::trace
