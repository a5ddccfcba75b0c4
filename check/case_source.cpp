// SPDX-License-Identifier: MIT
#include "check/case_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "check/given.h"

namespace iommucheck::oracle {

CaseSource::Place CaseSource::place_of(u64 number) const {
  constexpr u64 block = MachinePlan::sequences_each;
  const u64 first = number / (block * machines_) * block;  // of the given ones, of this block
  const u64 size = std::min<u64>(block, options_->given->size() - first);
  const u64 within = number - first * machines_;
  return {static_cast<std::size_t>(first + within % size), within / size};
}

/// Of each machine's turn one; not where somebody wants short ones.
bool CaseSource::is_long(u64 number) const {
  constexpr u64 each = MachinePlan::sequences_each;
  return options_->operations_max >= CheckOptions::operations_usual && number % each == each - 1;
}

void CaseSource::make(u64 number, Sequence& sequence) const {
  if (options_->of_given) {
    sequence = (*options_->given)[place_of(number).given].sequence;
  } else if (is_long(number)) {
    make_long_sequence(options_->seed, number, sequence);
  } else {
    make_sequence(options_->seed, number, options_->operations_max, sequence, kinds_);
  }
}

u32 CaseSource::machine_of(const MachinePlan& plan, u64 number, u64 refused) const {
  if (!options_->of_given) return plan.index_of(number, refused);
  return plan.index_of(place_of(number).machine * MachinePlan::sequences_each, refused);
}

std::string CaseSource::name_of(u64 number) const {
  if (options_->of_given) return (*options_->given)[place_of(number).given].path;
  return fmt::format("sequence {} of seed {}", number, options_->seed);
}

u64 given_count(const CheckOptions& options, const MachinePlan& plan) {
  return options.given ? options.given->size() * plan.machines().size() : 0;
}

}  // namespace iommucheck::oracle
