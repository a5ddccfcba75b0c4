// SPDX-License-Identifier: MIT
// The alphabet for C is a checked-in copy. After a change of a .def `./dev generate`
// writes it anew.
#include "trace/c_header.h"
#include "tests/places.h"

#include <gtest/gtest.h>

#include "tests/document.h"

namespace iommucheck::trace::c_header_test {
namespace {

void expect_equal(const std::string& path, const std::string& wanted) {
  test::Document document(path);
  document.put_all(wanted);
  document.check();
}

const std::string headers = test::in_tree("include/iommucheck/");

TEST(HeadersDocument, WordsAreThoseOfTheAlphabet) {
  expect_equal(headers + "words.h", c_words_header());
}

TEST(HeadersDocument, EventsAreThoseOfTheAlphabet) {
  expect_equal(headers + "monitor_events.h", c_events_header());
}

TEST(HeadersDocument, FunctionsAreThoseOfTheAlphabet) {
  expect_equal(headers + "monitor_report.h", c_report_header());
}

}  // namespace
}  // namespace iommucheck::trace::c_header_test
