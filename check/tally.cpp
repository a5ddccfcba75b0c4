// SPDX-License-Identifier: MIT
#include "check/tally.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "check/call_tally.h"
#include "check/claims.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle {

double fraction_done(const CheckOptions& options, u64 sequences, double seconds) {
  double done = 0;
  if (options.seconds > 0) done = seconds / options.seconds;
  if (options.sequences != 0) {
    done = std::max(done, static_cast<double>(sequences) / static_cast<double>(options.sequences));
  }
  return std::clamp(done, 0.0, 1.0);
}

namespace {

/// By what tables translated that could be formed.
std::string_view judged_stages(const RuleTally& rules) {
  const auto formed = [&](spec::Rule rule) { return rules.asked[spec::number_of(rule)] != 0; };
  const bool stage1 = formed(spec::rule::TAG_REGIMES);
  if (!formed(spec::rule::TAG_STAGE2)) return stage1 ? "stage 1" : "no translation";
  return stage1 ? "stages 1 and 2" : "stage 2";
}

/// Machines of a run as they were planned and as drivers met them: others instead of those that
/// they refused.
struct RunMachines {
  std::vector<MachineUsed> told;
  std::vector<Machine> planned, met;
  [[nodiscard]] std::vector<spec::Capabilities> capabilities() const {
    std::vector<spec::Capabilities> all;
    for (const Machine& machine : met) all.push_back(machine.caps);
    return all;
  }
};

RunMachines machines_of(const Tally& tally, const CheckOptions& options) {
  RunMachines machines;
  const auto plan = MachinePlan::parse(options.machine, options.seed);
  if (!plan) return machines;
  for (u32 i = 0; i < plan->machines().size(); ++i) {
    const Machine machine = plan->met(i, tally.met_by());
    machines.planned.push_back(machine);
    const bool refused = bit(tally.refused, i);
    if (!refused) machines.met.push_back(machine);
    machines.told.push_back({machine_text(machine), refused, {}});
    const u32 instead = plan->index_of(i * MachinePlan::sequences_each, tally.refused);
    if (instead < plan->machines().size()) continue;
    machines.met.push_back(plan->met(instead, tally.met_by()));
    machines.told.back().instead = machine_text(machines.met.back());
  }
  return machines;
}

/// Its findings are neither a rule that was kept nor one that was broken anew.
void tell_known(CheckResult& result, const Tally& tally, const CheckOptions& options) {
  for (std::size_t i = 0; i < options.known->entries.size(); ++i) {
    const KnownFinding& entry = options.known->entries[i];
    result.known.push_back({entry, tally.excused[i], entry.expired(options.today)});
    if (tally.excused[i] == 0) continue;
    const auto rule =
        std::ranges::find(result.rules, *spec::find_rule(entry.rule), &RuleCount::rule);
    if (rule == result.rules.end() || rule->verdict == RuleVerdict::broken) continue;
    rule->verdict = RuleVerdict::undetermined;
    rule->why += fmt::format("{}broken as known, {} times ({})", rule->why.empty() ? "" : "; ",
                             tally.excused[i], entry.id);
  }
}

}  // namespace

void fill(CheckResult& result, const Tally& tally, const CheckOptions& options) {
  result.seed = options.seed;
  result.sequences = tally.sequences;
  result.calls = tally.calls;
  result.calls_succeeded = tally.calls_succeeded;
  result.calls_changing = tally.calls_changing;
  result.accesses_judged = tally.accesses;
  result.outcomes_judged = tally.outcomes;
  RuleTally rules = tally.rules;
  rules.add_calls(tally.calls);
  result.not_claimed = tally.met_by().not_claimed;
  result.shown = NotClaimed::of_bits(tally.shown);
  result.uses_secure_registers = tally.has(Tally::uses_secure_registers);
  for (const auto name : spec::read_only_names(tally.traits >> Tally::read_only_written)) {
    result.read_only_written.emplace_back(name);
  }
  RunMachines machines = machines_of(tally, options);
  const std::vector<spec::Capabilities> capabilities = machines.capabilities();
  result.machines = std::move(machines.told);
  result.not_met = traits_not_met(machines.planned, machines.met);
  result.rules = rule_counts(rules, capabilities);
  tell_missing_calls(result.rules, tally.abilities);
  const bool other_hardware = !options.backend.empty();
  if (other_hardware) tell_other_hardware(result.rules);
  tell_not_claimed(result.rules, result.not_claimed);
  result.without_verdict = tally.without_verdict;
  result.cut_short = tally.cut_short;
  result.unmodelled = tally.unmodelled;
  result.not_looked_at = not_looked_at(tally.answered, tally.abilities, result.not_claimed);
  result.not_built = not_built_text(tally.answered);
  const bool stage2 = other_hardware || std::ranges::any_of(capabilities, &spec::Capabilities::s2p);
  result.declined = always_declined(tally.answered, tally.abilities, stage2);
  result.not_possible = never_possible(tally.answered, tally.abilities);
  const bool no_domain = tally.answered.domains_asked != 0 && tally.answered.domains_made == 0;
  result.scope = scope_text(tally.abilities, machines.met, result.not_claimed,
                            tally.stage2 != 0 ? "stage 2 not judged"
                            : no_domain       ? "no domain"
                            : other_hardware  ? "the edges of what was named"
                                              : judged_stages(rules),
                            seen_at_work(tally.answered));
  if (options.known) tell_known(result, tally, options);
}

}  // namespace iommucheck::oracle
