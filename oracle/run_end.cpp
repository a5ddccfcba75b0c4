// SPDX-License-Identifier: MIT
#include "oracle/run_end.h"

#include <fmt/format.h>

#include <algorithm>

namespace iommucheck::oracle {

namespace {

bool any(std::span<const RuleCount> rules, RuleVerdict verdict) {
  return std::ranges::any_of(rules, [&](const RuleCount& r) { return r.verdict == verdict; });
}

std::string bound_text(const GaveUp& gave_up, u64 seed) {
  return fmt::format("{}; sequence {} of seed {}{}", gave_up.bound, gave_up.sequence, seed,
                     gave_up.trace_path.empty() ? "" : ", trace " + gave_up.trace_path);
}

}  // namespace

RunEnd end_of(const CheckOptions& asked, const CheckResult& result) {
  RunEnd end;
  // The rules too: a finding may be lost on its way from a driver that writes where it may not.
  if (!result.findings.empty() || any(result.rules, RuleVerdict::broken)) end.found();
  for (const std::string& trouble : result.environment) end.environment(trouble);
  for (const GaveUp& gave_up : result.gave_up) end.undecided(bound_text(gave_up, result.seed));
  if (result.stopped) {
    end.undecided(fmt::format("stopped after {} sequences", result.sequences));
  } else if (!result.ended_early.empty()) {
    end.undecided("ended early: " + result.ended_early);
  } else if (result.findings.size() < asked.findings_max && asked.sequences != 0 &&
             result.sequences < asked.sequences) {
    end.undecided(
        fmt::format("{} of the {} sequences that --runs asks for were run; the time was "
                    "over (--time)",
                    result.sequences, asked.sequences));
  }
  if (result.sequences == 0) {
    end.undecided("no sequence was run to its end");
  } else if (result.outcomes_judged == 0 || !any(result.rules, RuleVerdict::holds)) {
    end.undecided("nothing was exercised: no outcome of an access was judged");
  }
  return end;
}

RunEnd end_of(const ReplayResult& result) {
  RunEnd end;
  if (!result.findings.empty() || result.flagged != 0) end.found();
  if (result.stopped) {
    end.undecided(
        fmt::format("stopped after {} events: what follows has not been judged", result.events));
  }
  if (result.cut_short) end.error(*result.cut_short);
  if (!result.bound.empty()) end.undecided(result.bound);
  if (result.events == 0) {
    end.undecided("the trace has no event to judge");
  } else if (result.accepted == 0 && result.undetermined != 0) {
    end.undecided("each event is undetermined: a fact is missing");
  } else if (!any(result.rules, RuleVerdict::holds)) {
    end.undecided("no rule was exercised: nothing in the trace could have broken one");
  }
  return end;
}

RunEnd end_of(const ConformResult& result) {
  RunEnd end;
  const auto is_new = [](const FoundDivergence& found) { return found.known_id.empty(); };
  if (!result.vanished.empty() || std::ranges::any_of(result.divergences, is_new)) end.found();
  if (result.stopped) {
    end.undecided(fmt::format("stopped after {} cases", result.directed + result.random));
  }
  if (result.gave_up != 0) {
    end.undecided(fmt::format("a bound of the specification was hit in {} cases", result.gave_up));
  }
  if (result.directed + result.random + result.accesses == 0) {
    end.undecided("no case was run");
  } else if (result.divergences.empty() && !any(result.rules, RuleVerdict::holds)) {
    end.undecided("no rule was exercised");
  }
  return end;
}

}  // namespace iommucheck::oracle
