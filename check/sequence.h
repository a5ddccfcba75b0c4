// SPDX-License-Identifier: MIT
// Random sequences. The n-th one depends on the seed and n only, on every machine: a run can go on
// where another stopped, and a number is enough to make a sequence again.
#pragma once

#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/types.h"
#include "check/lockstep.h"
#include "check/mix.h"
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

/// Random numbers for sequence or family `number`; neighbouring ones have nothing in common.
SplitMix64 words_of(u64 seed, u64 number);

/// How a sequence ends, of a random number: one of 64 with a comparison of everything, one of 16
/// with a teardown, one of 32 others with a shutdown while all is live. So does half of those in
/// which an allocation is to fail: with a teardown.
Lockstep::Ends ends_of(u64 random);
/// What a case may end with.
struct NamedEnd {
  std::string_view name;  ///< in lines of operations (given.h)
  bool Lockstep::Ends::* member;
};
/// New ones go to the end: the place of each is its bit in ends_word(), which traces have.
inline constexpr NamedEnd all_ends[] = {{"whole_space", &Lockstep::Ends::whole_space},
                                        {"teardown", &Lockstep::Ends::teardown},
                                        {"shutdown", &Lockstep::Ends::shutdown}};
/// As one word, and back.
u64 ends_word(const Lockstep::Ends& ends);
Lockstep::Ends ends_of_word(u64 word);

/// Fills `sequence` with number `number` of `seed`: 1..operations_max operations, mostly
/// operations_max. Its length, what it is made of (mix.h; `kinds`: of these), and its first
/// half are those of its family. Some of its operations are on hardware, drawn apart from all
/// others.
void make_sequence(u64 seed, u64 number, u32 operations_max, Sequence& sequence,
                   Mix::Kinds kinds = Mix::all);
/// One that sends many commands: pages of one domain come and go, so that the indices of a command
/// queue of 256 entries wrap around, whatever its driver makes of queues that are smaller.
void make_long_sequence(u64 seed, u64 number, Sequence& sequence);
/// Such a one of its own, with exactly so many operations; those of a shorter one begin a longer
/// one.
void make_sequence_of(u64 seed, u64 number, u32 operations, Sequence& sequence);

}  // namespace iommucheck::oracle
