// SPDX-License-Identifier: MIT
#include "check/sequence.h"

#include <algorithm>

#include "base/random.h"
#include "check/mix.h"

namespace iommucheck::oracle {

namespace {

void add_operations(const Mix& mix, SplitMix64& words, u64 count, Sequence& sequence) {
  for (u64 i = 0; i < count; ++i) sequence.operations.push_back(mix.next(words));
}

/// How the hardware behaves is drawn from a stream of its own: at the beginning of a family in
/// four, and somewhere in the rest of a sequence in four. For each the last operation is left out.
void add_hardware(u64 seed, u64 number, Sequence& sequence) {
  constexpr std::size_t least = 4;  // operations, for one of them to be worth it
  if (sequence.operations.size() < least) return;
  constexpr u64 is_hardware = u64{1} << 62;
  const auto operation_of = [](SplitMix64& words) {
    return fuzz::random_operation(fuzz::OperationKind::hardware, words.next());
  };
  const auto add = [&](std::size_t at, const fuzz::Operation& operation) {
    sequence.operations.pop_back();
    sequence.operations.insert(sequence.operations.begin() + static_cast<std::ptrdiff_t>(at),
                               operation);
  };
  SplitMix64 own = words_of(seed, number | is_hardware);
  if (own.next() % 4 == 0) {
    const u64 rest = sequence.operations.size() - sequence.shared;
    const u64 at = sequence.shared + own.next() % rest;
    add(at, operation_of(own));  // drawn behind it, whatever compiles this
  }
  constexpr u64 is_family = u64{1} << 63;
  SplitMix64 family = words_of(seed, (number / family_size) | is_family | is_hardware);
  if (family.next() % 4 != 0) return;
  add(0, operation_of(family));
  ++sequence.shared;
}

}  // namespace

Lockstep::Ends ends_of(u64 random) {
  return {.whole_space = random % 64 == 0,
          .teardown = (random >> 8) % 16 == 0,
          .shutdown = (random >> 12) % 32 == 0};
}

u64 ends_word(const Lockstep::Ends& ends) {
  u64 word = 0, bit = 1;
  for (const NamedEnd& end : all_ends) {
    if (ends.*end.member) word |= bit;
    bit <<= 1;
  }
  return word;
}

Lockstep::Ends ends_of_word(u64 word) {
  Lockstep::Ends ends;
  for (const NamedEnd& end : all_ends) {
    ends.*end.member = (word & 1) != 0;
    word >>= 1;
  }
  return ends;
}

// Two rounds: see base/random.h.
SplitMix64 words_of(u64 seed, u64 number) {
  return SplitMix64(SplitMix64(seed).next() ^ SplitMix64(~number).next());
}

void make_sequence(u64 seed, u64 number, u32 operations_max, Sequence& sequence, Mix::Kinds kinds) {
  constexpr u64 is_family = u64{1} << 63;
  SplitMix64 family = words_of(seed, (number / family_size) | is_family);
  SplitMix64 own = words_of(seed, number);
  const Mix mix = Mix::drawn(family, kinds);
  u64 count = operations_max;
  if (family.next() % 4 == 0) count = 1 + family.next() % operations_max;
  sequence.ends = ends_of(own.next());
  sequence.shared = count / 2;
  sequence.operations.clear();
  add_operations(mix, family, sequence.shared, sequence);
  add_operations(mix, own, count - sequence.shared, sequence);
  if (mix.has_time_outs()) add_hardware(seed, number, sequence);
  // What a call has kept that found no memory shows where all is given back.
  const bool lacks_memory = std::ranges::any_of(sequence.operations, [](const auto& operation) {
    return operation.fail != 0 && operation.fail <= fuzz::fail_max;
  });
  if (lacks_memory && number % 2 == 0) sequence.ends.teardown = true;
}

void make_long_sequence(u64 seed, u64 number, Sequence& sequence) {
  using fuzz::Operation;
  using fuzz::OperationKind;
  constexpr u64 is_long = u64{1} << 61;
  SplitMix64 words = words_of(seed, number | is_long);
  const auto device = static_cast<u16>(words.next() % 4);
  const auto of_device = [&](OperationKind kind) {
    return Operation{.kind = kind, .device = device, .domain = fuzz::domain_of_device};
  };
  sequence.ends = {};
  sequence.shared = 0;
  sequence.operations = {{.kind = OperationKind::domain_alloc},
                         {.kind = OperationKind::attach, .device = device}};
  while (sequence.operations.size() + 2 <= fuzz::operations_max) {
    Operation map = of_device(OperationKind::map);
    map.page = static_cast<u16>(words.next() % 32);
    map.size = static_cast<u16>(fuzz::Size::k68);
    map.pa = static_cast<u16>(fuzz::Pa::page);
    Operation unmap = of_device(OperationKind::unmap);
    unmap.aim = static_cast<u16>(fuzz::Aim::start);
    unmap.size = static_cast<u16>(fuzz::Size::whole);
    sequence.operations.push_back(normalised(map));
    sequence.operations.push_back(normalised(unmap));
  }
}

void make_sequence_of(u64 seed, u64 number, u32 operations, Sequence& sequence) {
  SplitMix64 words = words_of(seed, number);
  const u64 shape = words.next();
  sequence.ends = ends_of(shape);
  sequence.shared = 0;
  sequence.operations.clear();
  add_operations(Mix::drawn(words), words, operations, sequence);
}

}  // namespace iommucheck::oracle
