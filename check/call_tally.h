// SPDX-License-Identifier: MIT
// How a driver's calls were answered: what of the interface a run has seen at work, and what the
// driver has and nobody saw.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "check/claims.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

struct CallTally {
  static constexpr std::size_t calls_max = 64;
  /// What domain_alloc makes, of which a driver may have some and lack others: by DomainKind, and
  /// the last one for nested domains in which a table of the user's translates.
  static constexpr std::size_t kinds = 9;
  static constexpr std::size_t size = calls_max + kinds;
  static constexpr std::size_t nested_stage1 = size - 1;
  static constexpr std::size_t of(spec::sva::CallKind kind) {
    return static_cast<std::size_t>(kind);
  }
  static constexpr std::size_t of(spec::sva::DomainKind kind) {
    return calls_max + static_cast<std::size_t>(kind);
  }

  std::array<u64, size> asked{};      ///< and done, or not built: a refusal shows neither
  std::array<u64, size> not_built{};  ///< of these
  /// Refused though they might have been done, and nothing ran out: beside these.
  std::array<u64, size> declined{};
  u64 domains_asked = 0;  ///< that map
  u64 domains_made = 0;

  [[nodiscard]] u64 done(std::size_t what) const { return asked[what] - not_built[what]; }
  void add(const CallTally& other);
  void take(const CallTally& before);  ///< what was counted before
};

/// Why the run is not decided, in words: a call that the driver has and always answers with
/// NOT_BUILT; no domain at all; domains that no device can be on.
std::vector<std::string> not_looked_at(const CallTally& answered, Abilities abilities,
                                       NotClaimed not_claimed);

/// The calls of which some were answered with NOT_BUILT and some were not: "1999 of 2627 calls of
/// map". That a kind of domain is not built is no such call. Empty: none.
std::string not_built_text(const CallTally& answered);

/// What the driver refused each time, as one may that has not got it: "domain_alloc of an identity
/// domain (4321 times)". Without `stage2` there is none on any machine, and no such domain is owed.
std::vector<std::string> always_declined(const CallTally& answered, Abilities abilities,
                                         bool stage2 = true);
/// And the calls that never came to where they could have been done.
std::vector<std::string> never_possible(const CallTally& answered, Abilities abilities);

/// What was seen at work that not every driver has: "nesting", "dirty tracking".
std::vector<std::string> seen_at_work(const CallTally& answered);

}  // namespace iommucheck::oracle
