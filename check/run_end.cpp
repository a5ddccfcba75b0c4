// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>

#include "check/check.h"

#include "spec/rules/interface.h"

namespace iommucheck::oracle {

namespace {

std::string bound_text(const GaveUp& gave_up, u64 seed) {
  return fmt::format("{}; sequence {} of seed {}{}", gave_up.bound, gave_up.sequence, seed,
                     gave_up.trace_path.empty() ? "" : ", trace " + gave_up.trace_path);
}

/// Sequences that came to no end: the driver crashed in them, or did not return, known or not.
u64 died(const CheckResult& result) {
  u64 times = 0;
  for (const spec::Rule rule : {spec::rule::CRASH_NEVER, spec::rule::HANG_RETURNS}) {
    for (const RuleCount& count : result.rules) {
      if (count.rule == rule) times += count.broken;
    }
    for (const KnownSeen& known : result.known) {
      if (known.entry.rule == spec::rule_name(rule)) times += known.times;
    }
  }
  return times;
}

}  // namespace

std::vector<spec::Rule> open_rules(const CheckResult& result) {
  std::vector<spec::Rule> open;
  for (const RuleCount& count : result.rules) {
    const auto explains = [&](const KnownSeen& known) {
      return known.times != 0 && known.entry.rule == spec::rule_name(count.rule);
    };
    if (count.verdict != RuleVerdict::undetermined) continue;
    if (std::ranges::none_of(result.known, explains)) open.push_back(count.rule);
  }
  return open;
}

RunEnd end_of(const CheckOptions& asked, const CheckResult& result) {
  RunEnd end;
  // The rules too: a finding may be lost on its way from a driver that writes where it may not.
  if (!result.findings.empty() || any_rule(result.rules, RuleVerdict::broken)) end.found();
  for (const std::string& trouble : result.environment) end.environment(trouble);
  // A bound takes the verdict of its own sequences, what is not modelled that of the run.
  const bool none_left = result.without_verdict != 0 && result.without_verdict >= result.sequences;
  for (const GaveUp& gave_up : result.gave_up) {
    if (gave_up.unmodelled || asked.strict || none_left) {
      end.undecided(bound_text(gave_up, result.seed));
    }
  }
  for (const std::string& why : result.not_looked_at) end.undecided(why);
  if (result.stopped) {
    end.undecided(fmt::format("stopped after {} sequences", result.sequences));
  } else if (!result.ended_early.empty()) {
    end.undecided("ended early: " + result.ended_early);
  } else if (const u64 run = result.sequences - result.given + died(result);
             result.findings.size() < asked.findings_max && run < asked.sequences) {
    end.undecided(fmt::format(
        "{} of the {} sequences that --runs asks for were run{}", run, asked.sequences,
        asked.seconds > 0 && result.environment.empty() ? "; the time was over (--time)" : ""));
  }
  if (const std::vector<spec::Rule> open = open_rules(result); asked.strict && !open.empty()) {
    std::string names;
    for (const spec::Rule rule : open) names += fmt::format(" {}", spec::rule_name(rule));
    end.undecided("undetermined (--strict):" + names);
  }
  if (result.sequences == 0) {
    end.undecided("no sequence was run to its end");
  } else if (result.outcomes_judged == 0 || !any_rule(result.rules, RuleVerdict::holds)) {
    end.undecided("nothing was exercised: no outcome of an access was judged");
  }
  return end;
}

}  // namespace iommucheck::oracle
