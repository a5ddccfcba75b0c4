// SPDX-License-Identifier: MIT
// Random sequences. The n-th one depends on the seed and n only, on every machine: a run can go on
// where another stopped, and a number is enough to make a sequence again.
#pragma once

#include <vector>

#include "base/types.h"
#include "check/lockstep.h"
#include "operations/operation.h"

namespace iommucheck::oracle {

struct Sequence {
  std::vector<fuzz::Operation> operations;
  Lockstep::Ends ends;
  std::size_t shared = 0;  ///< the first so many are those of its whole family
};

/// So many sequences, from a multiple of it on, begin with the same operations: half of theirs.
/// Who runs them one after the other can perform these once (Lockstep::run).
constexpr u64 family_size = 4;

/// Fills `sequence` with number `number` of `seed`: 1..operations_max operations, mostly
/// operations_max; in one of four about processes, walkers or time-outs alone. One of 64 ends with
/// a comparison of everything, one of 16 with a teardown. Its length, what it is about, and its
/// first half are those of its family. Some of its operations are on hardware, drawn apart from all
/// others.
void make_sequence(u64 seed, u64 number, u32 operations_max, Sequence& sequence);
/// Such a one of its own, with exactly so many operations; those of a shorter one begin a longer
/// one.
void make_sequence_of(u64 seed, u64 number, u32 operations, Sequence& sequence);

}  // namespace iommucheck::oracle
