// SPDX-License-Identifier: MIT
// A small, strict reader of KTAP version 1: it takes what Linux's Documentation/dev-tools/ktap.rst
// describes and no unknown line.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace iommucheck::oracle {

struct KtapTest {
  std::string name;
  bool ok = false;
  std::string directive;                 ///< SKIP, ERROR, …; empty: none
  std::string data;                      ///< behind it, or behind the '#' alone
  std::vector<std::string> diagnostics;  ///< before its result, without "# "
  std::vector<KtapTest> subtests;

  /// The subtest of that name; an empty one where there is none.
  [[nodiscard]] KtapTest find(std::string_view wanted) const {
    for (const KtapTest& one : subtests) {
      if (one.name == wanted) return one;
    }
    return {};
  }
  [[nodiscard]] u64 count(bool is_ok) const {
    u64 all = 0;
    for (const KtapTest& one : subtests) all += one.ok == is_ok ? 1U : 0U;
    return all;
  }
};

/// The document as a test without a name, whose subtests are those of the outermost level. What is
/// wrong, with the line, where something is: a test that is ok with a subtest that is not, too.
std::expected<KtapTest, std::string> parse_ktap(std::string_view text);

}  // namespace iommucheck::oracle
