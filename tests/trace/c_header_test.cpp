// SPDX-License-Identifier: MIT
// The alphabet for C is a checked-in copy. After a change of a .def, IOMMUCHECK_UPDATE_DOCS=1 makes
// this test write it anew.
#include "trace/c_header.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace iommucheck::trace::c_header_test {
namespace {

void expect_equal(const std::string& path, const std::string& wanted) {
  if (std::getenv("IOMMUCHECK_UPDATE_DOCS") != nullptr) std::ofstream(path) << wanted;
  std::ifstream in(path);
  const std::string is{std::istreambuf_iterator<char>(in), {}};
  const auto [place, _] = std::ranges::mismatch(is, wanted);
  EXPECT_TRUE(is == wanted) << path << ':' << 1 + std::count(is.begin(), place, '\n')
                            << ": it is old; run this test with IOMMUCHECK_UPDATE_DOCS=1";
}

const std::string headers = IOMMUCHECK_SOURCE_DIR "/include/iommucheck/";

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
