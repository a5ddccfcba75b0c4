// SPDX-License-Identifier: MIT
// What a campaign counts, and the numbers and verdicts of a run that are made of it.
#pragma once

#include <array>

#include "base/bits.h"
#include "check/check.h"
#include "check/machine_plan.h"
#include "monitor/rule_verdicts.h"

namespace iommucheck::oracle {

struct Tally {
  /// From read_only_written on a bit for each register that is only read (registers.h).
  enum Trait : unsigned { takes_over, drives_each, uses_secure_registers, read_only_written };
  [[nodiscard]] bool has(Trait trait) const { return bit(traits, trait); }
  [[nodiscard]] MetBy met_by() const {
    return {.not_claimed = NotClaimed::of_bits(not_claimed),
            .takes_over = has(takes_over),
            .drives_each = has(drives_each)};
  }
  u64 sequences = 0, calls = 0, calls_succeeded = 0, calls_changing = 0;
  u64 accesses = 0, outcomes = 0;
  u64 refused = 0;          ///< a bit for each machine that the driver said it is not for
  u64 abilities = 0;        ///< of the driver (claims.h)
  u64 not_claimed = 0;      ///< NotClaimed::bits() of driver and run
  u64 shown = 0;            ///< the same of what the driver's answers showed
  u64 traits = 0;           ///< of the driver, a bit each
  u64 without_verdict = 0;  ///< of the sequences: by a bound, or by what is not modelled
  u64 unmodelled = 0;       ///< of these
  u64 stage2 = 0;           ///< of these: stage 2
  u64 cut_short = 0;  ///< of the sequences: by what is known, and nothing can be judged behind
  CallTally answered;
  RuleTally rules;                                     ///< what is excused is not counted as broken
  std::array<u64, CheckOptions::known_max> excused{};  ///< by entry of the known findings
};

/// Of the run, 0..1.
double fraction_done(const CheckOptions& options, u64 sequences, double seconds);

/// The numbers and the rules of a result.
void fill(CheckResult& result, const Tally& tally, const CheckOptions& options);

}  // namespace iommucheck::oracle
