// SPDX-License-Identifier: MIT
// What an engine says about a test; the runner compares it with what the test expects.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace iommucheck::litmus {

/// `unsupported` of a test whose last step nobody comes to.
inline constexpr const char* waits_for_ever = "a wait for what never comes";

/// One member of a set, and one way to it as far as the literal model can say.
struct Way {
  std::string outcome;
  std::string why;
  std::string_view section;  ///< of the manual
};

struct Judgement {
  /// For each access in order: its outcomes, written as in the format. With "any" nothing else.
  std::vector<std::set<std::string>> allowed;
  /// For each `dma NAME ->` line in order.
  std::vector<std::set<std::string>> dmas;
  /// For each `load` line in order.
  std::vector<std::set<std::string>> loads;
  /// Broken rule families: page-reuse, table-free, conflict, tag, promise, lost-update, wild,
  /// unknown.
  std::set<std::string> broken;
  /// What the engine has not got; the rest is meaningless then. Empty: all of it was judged.
  std::string unsupported;
};

}  // namespace iommucheck::litmus
