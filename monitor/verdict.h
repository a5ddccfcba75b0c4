// SPDX-License-Identifier: MIT
// What a run of a command came to. Every command collects in a RunEnd what it saw, and asks here
// what that makes: nowhere else is an exit status decided.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace iommucheck::oracle {

/// The numbers are the exit statuses of every command.
enum class Verdict : u8 {
  held = 0,         ///< what was asked was looked at, all of it, and it holds
  violated = 1,     ///< something was found; nothing else makes up for it
  undecided = 2,    ///< not all was looked at, or nothing was; or the input or usage is bad
  environment = 3,  ///< the machine kept it from being looked at: files, memory, processes
};

constexpr int exit_status(Verdict verdict) { return static_cast<int>(verdict); }
/// "holds", "violated", "undecided", "environment": for JSON and reports.
std::string_view to_string(Verdict verdict);

/// What an error makes of a run that it ended.
Verdict verdict_of(ErrorCode code);

/// Facts of a run. Each but found() says in words why; the first words of the verdict's kind are
/// the ones to print.
class RunEnd {
 public:
  /// A rule is broken, a test failed, a device differs. Beats everything.
  void found() { found_ = true; }
  /// Stopped, a bound, nothing exercised, nothing that could be judged.
  void undecided(std::string why) { undecided_.push_back(std::move(why)); }
  /// The machine's doing.
  void environment(std::string why) { environment_.push_back(std::move(why)); }
  /// One of the two, by its code.
  void error(const Error& error);

  /// found, else environment, else undecided, else held.
  [[nodiscard]] Verdict verdict() const;
  /// Everything that keeps it from "held", apart from what was found: environment first.
  [[nodiscard]] std::vector<std::string> why() const;

 private:
  bool found_ = false;
  std::vector<std::string> environment_, undecided_;
};

/// Tests of litmus files or scenarios, counted.
struct TestCounts {
  u64 passed = 0, failed = 0;
  u64 not_run = 0;      ///< the specification or driver has not got what they need
  std::string why_not;  ///< "unsupported", "need calls that are not built"
};
/// Adds what the counts make. Tests that are not run do not undo those that are; where there are no
/// others, nothing was looked at.
void add_tests(RunEnd& end, const TestCounts& counts);

}  // namespace iommucheck::oracle
