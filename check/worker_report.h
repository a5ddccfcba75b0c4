// SPDX-License-Identifier: MIT
// What the worker of a check and its supervisor share: numbers and findings in a SharedReport.
#pragma once

#include <atomic>
#include <vector>

#include "check/tally.h"
#include "process/isolate.h"

namespace iommucheck::oracle {

enum Slot : std::size_t {
  slot_next,      // sequence to begin with
  slot_phase,     // of the campaign, when the sequence running began
  slot_ends,      // of that sequence: ends_word()
  slot_gone,      // the platform of that sequence does not answer any more
  slot_deaths,    // of one sequence, while its finding was made smaller or recorded
  slot_findings,  // so far
  slot_booted,    // the driver came up once
  slot_tally,     // seventeen numbers
  slot_cut_short = slot_tally + 16,  // the last of them
  slot_rules = 24,
  slot_excused = slot_rules + 4 * RuleTally::size,
  slot_answered = slot_excused + CheckOptions::known_max,
};
static_assert(slot_answered + 3 * CallTally::size <= SharedReport::counters_max);

void put_tally(SharedReport& report, const Tally& tally);
Tally get_tally(SharedReport& report);
/// How often that rule was broken.
std::atomic<u64>& broken(SharedReport& report, spec::Rule rule);
/// Keys of what workers have found so far.
std::vector<u64> told_by(const SharedReport& report);

}  // namespace iommucheck::oracle
