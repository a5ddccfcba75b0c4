// SPDX-License-Identifier: MIT
// docs/trace-format.md has the tables of the .def files between markers. After a change of these,
// `./dev generate` writes them anew.
#include "trace/document.h"
#include "tests/places.h"

#include <gtest/gtest.h>

#include "tests/document.h"
#include "trace/trace_file.h"

namespace iommucheck::trace::document_test {
namespace {

const std::string path = test::in_tree("docs/trace-format.md");

TEST(TraceFormatDocument, HasTheTablesOfTheAlphabet) {
  test::Document document(path);
  document.put("header", header_table());
  document.put("events", event_tables());
  document.put("calls", call_tables());
  document.put("values", enum_tables());
  document.check();
}

TEST(TraceFormatDocument, ItsExampleIsATrace) {
  const std::string document = test::Document(path).text();
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
