// SPDX-License-Identifier: MIT
#include "check/guided.h"

#include <algorithm>

#include "check/mix.h"

namespace iommucheck::oracle {

namespace {

using Operations = std::vector<fuzz::Operation>;

/// What a family begins with, and the sequence that this is of.
struct Beginning {
  Sequence of;
  std::size_t operations = 0;
};

/// Up to what was rare, or a part of that; now and then of a given one.
std::optional<Beginning> beginning(std::span<const GivenCase> given, Guide& guide,
                                   SplitMix64& words) {
  Beginning begins;
  if (!given.empty() && words.below(4) == 0) {
    begins.of = given[words.below(given.size())].sequence;
    begins.operations = words.below(begins.of.operations.size() + 1);
    return begins;
  }
  const auto rare = guide.rare(words);
  if (!rare) return std::nullopt;
  guide.sequence(rare->place, begins.of);
  begins.operations = std::min(rare->operations, begins.of.operations.size());
  if (words.below(4) == 0) begins.operations -= words.below(begins.operations / 2 + 1);
  return begins;
}

/// The rest of the sequence as it was: of eight operations one is left out, and one is another.
void change(const Beginning& begins, std::size_t room, const Mix& mix, SplitMix64& words,
            Operations& operations) {
  for (std::size_t i = begins.operations; i < begins.of.operations.size() && room != 0; ++i) {
    const u64 how = words.below(8);
    if (how == 0) continue;
    operations.push_back(how == 1 ? mix.next(words) : begins.of.operations[i]);
    --room;
  }
}

/// The last operations up to what was rare in another sequence.
void splice(Guide& guide, std::size_t room, SplitMix64& words, Operations& operations) {
  const auto other = guide.rare(words);
  if (!other) return;
  Sequence its;
  guide.sequence(other->place, its);
  const std::size_t end = std::min(other->operations, its.operations.size());
  constexpr u64 most = 6;
  const std::size_t count = std::min({end, room, std::size_t{1} + words.below(most)});
  for (std::size_t i = end - count; i < end; ++i) operations.push_back(its.operations[i]);
}

/// The last operations once more.
void repeat(std::size_t room, SplitMix64& words, Operations& operations) {
  constexpr u64 most = 6;
  const std::size_t end = operations.size();
  const std::size_t count = std::min({end, room, std::size_t{1} + words.below(most)});
  for (std::size_t i = 0; i < count; ++i) operations.push_back(operations[end - count + i]);
}

}  // namespace

void add_family(u64 seed, u64 number, u32 operations_max, std::span<const GivenCase> given,
                Guide& guide) {
  constexpr u64 is_guided = u64{1} << 61;
  SplitMix64 family = words_of(seed, number / family_size | is_guided);
  Sequence sequence;
  // At a part's beginning everything is rare.
  constexpr u64 unguided = Guide::part_size / 4;
  const bool guided = guide.made() >= unguided && family.below(3) != 0 && operations_max > 1;
  const auto begins = guided ? beginning(given, guide, family) : std::nullopt;
  if (!begins) {
    for (u64 i = 0; i < family_size; ++i) {
      make_sequence(seed, number + i, operations_max, sequence);
      guide.add(sequence);
    }
    return;
  }
  const std::size_t shared = std::min<std::size_t>(begins->operations, operations_max - 1);
  const Mix mix = Mix::drawn(family);
  for (u64 i = 0; i < family_size; ++i) {
    SplitMix64 own = words_of(seed, (number + i) | is_guided);
    sequence.ends = ends_of(own.next());
    sequence.shared = shared;
    Operations& operations = sequence.operations;
    operations.assign(begins->of.operations.begin(),
                      begins->of.operations.begin() + static_cast<std::ptrdiff_t>(shared));
    const std::size_t room = operations_max - shared;
    switch (own.below(8)) {
      case 0:
      case 1: change(*begins, room, mix, own, operations); break;
      case 2: splice(guide, room, own, operations); break;
      case 3: repeat(room, own, operations); break;
      default: break;
    }
    while (operations.size() < operations_max) operations.push_back(mix.next(own));
    guide.add(sequence);
  }
}

}  // namespace iommucheck::oracle
