// SPDX-License-Identifier: MIT
// The tables of docs/trace-format.md, from the .def files. A test holds the document equal.
#pragma once

#include <string>

namespace iommucheck::trace {

/// Markdown: the header's fields, events by side, calls by group, words with names.
std::string header_table();
std::string event_tables();
std::string call_tables();
std::string enum_tables();

}  // namespace iommucheck::trace
