// SPDX-License-Identifier: MIT
#include "check/worker_report.h"

#include "check/finding_kind.h"

namespace iommucheck::oracle {

namespace {

/// visit(number) for each of the tally's single numbers.
template <class OfTally, class Visit>
void for_each_number(OfTally& tally, Visit&& visit) {
  for (auto* number :
       {&tally.sequences, &tally.calls, &tally.calls_succeeded, &tally.calls_changing,
        &tally.accesses, &tally.outcomes, &tally.refused, &tally.abilities, &tally.not_claimed,
        &tally.shown, &tally.traits, &tally.without_verdict, &tally.unmodelled, &tally.stage2,
        &tally.answered.domains_asked, &tally.answered.domains_made, &tally.cut_short}) {
    visit(*number);
  }
}

}  // namespace

void put_tally(SharedReport& report, const Tally& tally) {
  std::size_t slot = slot_tally;
  for_each_number(tally, [&](const u64& number) { report.counter(slot++) = number; });
  slot = slot_rules;
  for (const auto* counts : {&tally.rules.asked, &tally.rules.discriminating, &tally.rules.broken,
                             &tally.rules.order_unknown}) {
    for (const u64 number : *counts) report.counter(slot++) = number;
  }
  for (const u64 number : tally.excused) report.counter(slot++) = number;
  for (const auto* counts :
       {&tally.answered.asked, &tally.answered.not_built, &tally.answered.declined}) {
    for (const u64 number : *counts) report.counter(slot++) = number;
  }
}

Tally get_tally(SharedReport& report) {
  Tally tally;
  std::size_t slot = slot_tally;
  for_each_number(tally, [&](u64& number) { number = report.counter(slot++); });
  slot = slot_rules;
  for (auto* counts : {&tally.rules.asked, &tally.rules.discriminating, &tally.rules.broken,
                       &tally.rules.order_unknown}) {
    for (u64& number : *counts) number = report.counter(slot++);
  }
  for (u64& number : tally.excused) number = report.counter(slot++);
  for (auto* counts :
       {&tally.answered.asked, &tally.answered.not_built, &tally.answered.declined}) {
    for (u64& number : *counts) number = report.counter(slot++);
  }
  return tally;
}

std::atomic<u64>& broken(SharedReport& report, spec::Rule rule) {
  return report.counter(slot_rules + 2 * RuleTally::size + spec::number_of(rule));
}

std::vector<u64> told_by(const SharedReport& report) {
  std::vector<u64> keys;
  for (const std::string& text : report.findings()) {
    if (const auto violation = decode_violation(text)) keys.push_back(key_of(*violation));
  }
  return keys;
}

}  // namespace iommucheck::oracle
