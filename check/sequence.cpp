// SPDX-License-Identifier: MIT
#include "check/sequence.h"

#include "base/random.h"

namespace iommucheck::oracle {

namespace {

using fuzz::OperationKind;

struct Weight {
  OperationKind kind;
  u32 weight;
};

/// What a sequence about processes and PASIDs does: much of it needs three or four calls before.
constexpr Weight process_kinds[] = {
    {OperationKind::bind, 20},           {OperationKind::process_map, 12},
    {OperationKind::process_exit, 8},    {OperationKind::handler_return, 8},
    {OperationKind::sva_alloc, 8},       {OperationKind::unbind, 8},
    {OperationKind::access, 6},          {OperationKind::process_unmap, 6},
    {OperationKind::sva_init, 5},        {OperationKind::map, 5},
    {OperationKind::sva_free, 4},        {OperationKind::attach, 4},
    {OperationKind::process_protect, 3}, {OperationKind::unmap, 3},
    {OperationKind::detach, 3},          {OperationKind::pasid_alloc, 3},
    {OperationKind::pasid_free, 3},      {OperationKind::sva_query, 3},
    {OperationKind::process_fork, 2},    {OperationKind::unbind_all, 3},
    {OperationKind::sva_shutdown, 2},    {OperationKind::domain_alloc, 2},
    {OperationKind::remove, 1},          {OperationKind::queue, 1},
};

/// And one about what ends them.
constexpr Weight exit_kinds[] = {
    {OperationKind::bind, 32},           {OperationKind::process_exit, 16},
    {OperationKind::handler_return, 10}, {OperationKind::process_map, 8},
    {OperationKind::unbind, 6},          {OperationKind::sva_alloc, 6},
    {OperationKind::pasid_alloc, 5},     {OperationKind::unbind_all, 4},
    {OperationKind::access, 4},          {OperationKind::attach, 2},
    {OperationKind::detach, 2},          {OperationKind::sva_free, 2},
    {OperationKind::sva_query, 2},       {OperationKind::process_fork, 1},
};

/// And one about tables that a GPU walks by itself.
constexpr Weight walker_kinds[] = {
    {OperationKind::map, 24},          {OperationKind::unmap, 16},
    {OperationKind::gpu_switch, 14},   {OperationKind::gpu_flush, 10},
    {OperationKind::iotlb_sync, 8},    {OperationKind::unmap_fast, 6},
    {OperationKind::task_bind, 6},     {OperationKind::domain_free, 4},
    {OperationKind::attach, 4},        {OperationKind::dynamic_alloc, 3},
    {OperationKind::task_unbind, 3},   {OperationKind::flush_iotlb_all, 2},
    {OperationKind::domain_alloc, 2},  {OperationKind::detach, 2},
    {OperationKind::iova_to_phys, 2},  {OperationKind::map_sg, 2},
    {OperationKind::process_exit, 2},  {OperationKind::handler_return, 2},
    {OperationKind::tlb_range_add, 1}, {OperationKind::queue, 1},
    {OperationKind::remove, 1},
};

/// And one about faults that wait, and about a command queue that stops in the middle of what they
/// need.
constexpr Weight time_out_kinds[] = {
    {OperationKind::bind, 18},          {OperationKind::queue, 14},
    {OperationKind::access, 14},        {OperationKind::process_exit, 8},
    {OperationKind::unbind, 8},         {OperationKind::process_map, 6},
    {OperationKind::sva_alloc, 6},      {OperationKind::handler_return, 6},
    {OperationKind::detach, 5},         {OperationKind::domain_free, 5},
    {OperationKind::attach, 4},         {OperationKind::map, 4},
    {OperationKind::unmap, 4},          {OperationKind::sva_free, 4},
    {OperationKind::process_unmap, 3},  {OperationKind::unbind_all, 3},
    {OperationKind::sva_shutdown, 2},   {OperationKind::iotlb_sync, 2},
    {OperationKind::domain_alloc, 2},   {OperationKind::sva_init, 1},
    {OperationKind::process_protect, 1}};

constexpr u32 total(std::span<const Weight> kinds) {
  u32 sum = 0;
  for (const Weight& each : kinds) sum += each.weight;
  return sum;
}

/// The operation of a random word, its kind from the table.
fuzz::Operation drawn_from(std::span<const Weight> kinds, u64 word, u64 draw) {
  u64 left = draw % total(kinds);
  OperationKind kind = OperationKind::bind;
  for (const Weight& each : kinds) {
    kind = each.kind;
    if (left < each.weight) break;
    left -= each.weight;
  }
  const u64 named = fuzz::encode_word({.kind = kind}) & fuzz::kind_mask;
  return fuzz::random_operation((word & ~fuzz::kind_mask) | named);
}

/// The operation of a random word; one on hardware, which is drawn for itself, is a map.
fuzz::Operation of_calls(u64 word) {
  fuzz::Operation operation = fuzz::random_operation(word);
  if (operation.kind != OperationKind::hardware) return operation;
  return fuzz::random_operation(
      (word & ~fuzz::kind_mask) |
      (fuzz::encode_word({.kind = OperationKind::map}) & fuzz::kind_mask));
}

/// A table full of pages at a place of its own: an unmap of all of it takes the table out.
void fill_a_table(fuzz::Operation& map) {
  map.aim = static_cast<u16>(fuzz::Aim::absolute);
  map.window = static_cast<u16>(fuzz::Window::spots_2m);
  map.size = static_cast<u16>(fuzz::Size::m2);
  map.pa = static_cast<u16>(fuzz::Pa::page);
}

/// Of sequence or family `number`. Two rounds, so that neighbouring seeds and numbers have nothing
/// in common.
SplitMix64 words_of(u64 seed, u64 number) {
  return SplitMix64(SplitMix64(seed).next() ^ SplitMix64(~number).next());
}

Lockstep::Ends ends_of(u64 shape) {
  return {.whole_space = shape % 64 == 0, .teardown = (shape >> 8) % 16 == 0};
}

/// What a sequence is about.
u64 theme_of(u64 shape) { return (shape >> 32) % 16; }

/// Empty: of everything.
std::span<const Weight> kinds_of(u64 theme) {
  switch (theme) {
    case 0: return process_kinds;
    case 1: return exit_kinds;
    case 2: return walker_kinds;
    case 3:
    case 4: return time_out_kinds;
    default: return {};
  }
}

void add_operations(u64 theme, SplitMix64& words, u64 count, Sequence& sequence) {
  for (u64 i = 0; i < count; ++i) {
    const u64 word = words.next();
    const std::span<const Weight> kinds = kinds_of(theme);
    if (kinds.empty()) {
      sequence.operations.push_back(of_calls(word));
      continue;
    }
    const u64 draw = words.next();
    fuzz::Operation& operation = sequence.operations.emplace_back(drawn_from(kinds, word, draw));
    const bool fills = kinds.data() == walker_kinds && (draw >> 48) % 4 == 0;
    if (fills && operation.kind == OperationKind::map) fill_a_table(operation);
  }
}

/// How the hardware behaves is drawn from a stream of its own: at the beginning of a family in
/// four, and somewhere in the rest of a sequence in four. For each the last operation is left out.
void add_hardware(u64 seed, u64 number, Sequence& sequence) {
  constexpr std::size_t least = 4;  // operations, for one of them to be worth it
  if (sequence.operations.size() < least) return;
  constexpr u64 is_hardware = u64{1} << 62;
  const auto operation_of = [](SplitMix64& words) {
    constexpr fuzz::Operation hardware{.kind = OperationKind::hardware};
    return fuzz::random_operation((words.next() & ~fuzz::kind_mask) |
                                  (fuzz::encode_word(hardware) & fuzz::kind_mask));
  };
  const auto add = [&](std::size_t at, const fuzz::Operation& operation) {
    sequence.operations.pop_back();
    sequence.operations.insert(sequence.operations.begin() + static_cast<std::ptrdiff_t>(at),
                               operation);
  };
  SplitMix64 own = words_of(seed, number | is_hardware);
  if (own.next() % 4 == 0) {
    const u64 rest = sequence.operations.size() - sequence.shared;
    add(sequence.shared + own.next() % rest, operation_of(own));
  }
  constexpr u64 is_family = u64{1} << 63;
  SplitMix64 family = words_of(seed, (number / family_size) | is_family | is_hardware);
  if (family.next() % 4 != 0) return;
  add(0, operation_of(family));
  ++sequence.shared;
}

}  // namespace

void make_sequence(u64 seed, u64 number, u32 operations_max, Sequence& sequence) {
  constexpr u64 is_family = u64{1} << 63;
  SplitMix64 family = words_of(seed, (number / family_size) | is_family);
  SplitMix64 own = words_of(seed, number);
  const u64 theme = theme_of(family.next());
  u64 count = operations_max;
  if (family.next() % 4 == 0) count = 1 + family.next() % operations_max;
  sequence.ends = ends_of(own.next());
  sequence.shared = count / 2;
  sequence.operations.clear();
  add_operations(theme, family, sequence.shared, sequence);
  add_operations(theme, own, count - sequence.shared, sequence);
  add_hardware(seed, number, sequence);
}

void make_sequence_of(u64 seed, u64 number, u32 operations, Sequence& sequence) {
  SplitMix64 words = words_of(seed, number);
  const u64 shape = words.next();
  sequence.ends = ends_of(shape);
  sequence.shared = 0;
  sequence.operations.clear();
  add_operations(theme_of(shape), words, operations, sequence);
}

}  // namespace iommucheck::oracle
