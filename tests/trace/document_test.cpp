// SPDX-License-Identifier: MIT
// docs/trace-format.md has the tables of the .def files between markers. After a change of these,
// IOMMUCHECK_UPDATE_DOCS=1 makes this test write them anew.
#include "trace/document.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "trace/trace_file.h"

namespace iommucheck::trace::document_test {
namespace {

const std::string path = IOMMUCHECK_SOURCE_DIR "/docs/trace-format.md";

std::string read_document() {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// `text` with what stands between the markers of `name` replaced; empty if they are missing.
std::string replaced(const std::string& text, const std::string& name, const std::string& table) {
  const std::string begin = "<!-- begin " + name + " -->\n";
  const std::string end = "<!-- end " + name + " -->";
  const std::size_t from = text.find(begin);
  const std::size_t to = text.find(end);
  if (from == std::string::npos || to == std::string::npos || to < from) return {};
  return text.substr(0, from + begin.size()) + table + text.substr(to);
}

TEST(TraceFormatDocument, HasTheTablesOfTheAlphabet) {
  const std::string document = read_document();
  std::string wanted = replaced(document, "header", header_table());
  wanted = replaced(wanted, "events", event_tables());
  wanted = replaced(wanted, "calls", call_tables());
  wanted = replaced(wanted, "values", enum_tables());
  ASSERT_FALSE(wanted.empty()) << path << " lacks a marker";
  if (std::getenv("IOMMUCHECK_UPDATE_DOCS") != nullptr) std::ofstream(path) << wanted;
  const auto [is, should] = std::ranges::mismatch(document, wanted);
  const auto line = 1 + std::count(document.begin(), is, '\n');
  EXPECT_TRUE(document == wanted) << path << ':' << line << ": a table is old; run this test with "
                                  << "IOMMUCHECK_UPDATE_DOCS=1";
}

TEST(TraceFormatDocument, ItsExampleIsATrace) {
  const std::string document = read_document();
  const std::string begin = "```jsonl\n";
  const std::size_t from = document.find(begin);
  ASSERT_NE(from, std::string::npos);
  const std::size_t start = from + begin.size();
  const std::string example = document.substr(start, document.find("```", start) - start);
  const auto trace = parse_trace(example, "example");
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_GE(trace->events.size(), 8u);
  EXPECT_EQ(to_text(*trace), example);
}

}  // namespace
}  // namespace iommucheck::trace::document_test
