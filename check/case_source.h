// SPDX-License-Identifier: MIT
// The cases of a run by their number: random sequences, or those that were given, each on every
// machine.
#pragma once

#include <string>

#include "check/check.h"
#include "check/machine_plan.h"
#include "check/sequence.h"

namespace iommucheck::oracle {

class CaseSource {
 public:
  CaseSource() = default;
  /// `options` outlives it; `of_given` there says which.
  CaseSource(const CheckOptions& options, const MachinePlan& plan)
      : options_(&options), machines_(plan.machines().size()) {}

  /// From here on random ones are of kinds with which a driver of these abilities (claims.h) can do
  /// something; before, and with 0, of all.
  void set_abilities(u64 abilities) { kinds_ = Mix::useful(abilities); }
  void make(u64 number, Sequence& sequence) const;
  /// Its machine; `refused` ones aside.
  [[nodiscard]] u32 machine_of(const MachinePlan& plan, u64 number, u64 refused) const;
  /// "sequence 12 of seed 3", or the file.
  [[nodiscard]] std::string name_of(u64 number) const;
  /// Of the given one.
  [[nodiscard]] std::size_t given_of(u64 number) const { return place_of(number).given; }

 private:
  /// Given ones are run in blocks, so that a machine has its turn for more than one of them.
  struct Place {
    std::size_t given = 0;
    u64 machine = 0;
  };
  [[nodiscard]] Place place_of(u64 number) const;
  [[nodiscard]] bool is_long(u64 number) const;

  const CheckOptions* options_ = nullptr;
  u64 machines_ = 1;
  Mix::Kinds kinds_ = Mix::all;
};

/// How many there are of the given ones.
u64 given_count(const CheckOptions& options, const MachinePlan& plan);

}  // namespace iommucheck::oracle
