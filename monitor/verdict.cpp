// SPDX-License-Identifier: MIT
#include "monitor/verdict.h"

#include <fmt/format.h>

namespace iommucheck::oracle {

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::held: return "holds";
    case Verdict::violated: return "violated";
    case Verdict::undecided: return "undecided";
    case Verdict::environment: return "environment";
  }
  return "?";
}

Verdict verdict_of(ErrorCode code) {
  return code == ErrorCode::environment ? Verdict::environment : Verdict::undecided;
}

void RunEnd::error(const Error& error) {
  if (verdict_of(error.code) == Verdict::environment) {
    environment(error.message);
  } else {
    undecided(error.message);
  }
}

Verdict RunEnd::verdict() const {
  if (found_) return Verdict::violated;
  if (!environment_.empty()) return Verdict::environment;
  return undecided_.empty() ? Verdict::held : Verdict::undecided;
}

std::vector<std::string> RunEnd::why() const {
  std::vector<std::string> all = environment_;
  all.insert(all.end(), undecided_.begin(), undecided_.end());
  return all;
}

void add_tests(RunEnd& end, const TestCounts& counts) {
  if (counts.failed != 0) end.found();
  if (counts.passed + counts.failed != 0) return;
  end.undecided(counts.not_run == 0
                    ? std::string("there is no test in what was named")
                    : fmt::format("no test was run: all {} {}", counts.not_run, counts.why_not));
}

}  // namespace iommucheck::oracle
