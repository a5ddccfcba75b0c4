// SPDX-License-Identifier: MIT
// An SMMU that a seed draws: what its ID registers say, for `check --machine drawn:N` and for
// `conform --device spec`.
#pragma once

#include <initializer_list>

#include "base/random.h"
#include "spec/smmu/id_registers.h"

namespace iommucheck::oracle {

class Draw {
 public:
  explicit Draw(u64 seed) : words_(seed) {}
  u32 below(u32 n) { return static_cast<u32>(words_.below(n)); }
  u32 from(u32 lowest, u32 highest) { return lowest + below(highest - lowest + 1); }
  bool one_in(u32 n) { return below(n) == 0; }
  u32 of(std::initializer_list<u32> values) {
    return values.begin()[below(static_cast<u32>(values.size()))];
  }

 private:
  SplitMix64 words_;
};

/// What a version must have it has, and nothing that it must not: spec::id_inconsistencies. Without
/// page requests.
spec::Capabilities drawn_capabilities(Draw& draw);

}  // namespace iommucheck::oracle
