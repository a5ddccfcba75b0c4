// SPDX-License-Identifier: MIT
#include "check/mix.h"

#include <algorithm>
#include <bit>
#include <span>

#include "check/claims.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

namespace {

using fuzz::Operation;
using fuzz::OperationKind;
using spec::sva::CallKind;

using Weight = Mix::Weight;

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

constexpr std::size_t number_of(OperationKind kind) { return static_cast<std::size_t>(kind); }
constexpr std::size_t kind_count = number_of(OperationKind::count);

/// What belongs together: most kinds need what another one of their group has made.
constexpr OperationKind kinds_of_spaces[] = {
    OperationKind::map,          OperationKind::unmap,           OperationKind::unmap_fast,
    OperationKind::iotlb_sync,   OperationKind::flush_iotlb_all, OperationKind::tlb_range_add,
    OperationKind::iova_to_phys, OperationKind::map_sg};
constexpr OperationKind kinds_of_domains[] = {OperationKind::domain_alloc,
                                              OperationKind::domain_free, OperationKind::attach,
                                              OperationKind::detach, OperationKind::remove};
constexpr OperationKind kinds_of_bonds[] = {OperationKind::bind,         OperationKind::unbind,
                                            OperationKind::unbind_all,   OperationKind::sva_init,
                                            OperationKind::sva_shutdown, OperationKind::sva_query};
constexpr OperationKind kinds_of_processes[] = {
    OperationKind::process_map,  OperationKind::process_unmap, OperationKind::process_protect,
    OperationKind::process_fork, OperationKind::process_exit,  OperationKind::handler_return};
constexpr OperationKind kinds_of_private_spaces[] = {OperationKind::sva_alloc,
                                                     OperationKind::sva_free, OperationKind::link};
constexpr OperationKind kinds_of_numbers[] = {OperationKind::pasid_alloc, OperationKind::pasid_free,
                                              OperationKind::attach_pasid};
constexpr OperationKind kinds_of_walkers[] = {OperationKind::dynamic_alloc,
                                              OperationKind::gpu_switch, OperationKind::gpu_flush};
constexpr OperationKind kinds_of_tasks[] = {OperationKind::task_bind, OperationKind::task_unbind};
constexpr OperationKind kinds_of_faults[] = {OperationKind::faults};
constexpr OperationKind kinds_of_dirty[] = {OperationKind::dirty};
constexpr OperationKind kinds_of_accesses[] = {OperationKind::access};

constexpr std::span<const OperationKind> groups[] = {
    kinds_of_spaces,         kinds_of_domains, kinds_of_bonds,   kinds_of_processes,
    kinds_of_private_spaces, kinds_of_numbers, kinds_of_walkers, kinds_of_tasks,
    kinds_of_faults,         kinds_of_dirty,   kinds_of_accesses};

/// The kinds of no group are troubles, and those that are drawn for themselves.
constexpr bool is_in_a_group(OperationKind kind) {
  return std::ranges::any_of(groups, [&](std::span<const OperationKind> group) {
    return std::ranges::find(group, kind) != group.end();
  });
}
constexpr bool each_is_in_a_group() {
  for (std::size_t i = 0; i < kind_count; ++i) {
    const auto kind = static_cast<OperationKind>(i);
    const bool of_its_own = kind == OperationKind::queue || kind == OperationKind::hardware ||
                            kind == OperationKind::user;
    if (is_in_a_group(kind) == of_its_own) return false;
  }
  return true;
}
static_assert(each_is_in_a_group(), "a kind without a group is left out of most families");

/// Which call a kind is about; a driver that has neither can do nothing with it. The others are
/// about domains, or about hardware.
struct Needs {
  OperationKind kind;
  CallKind call;
  CallKind other;
};
constexpr Needs needs_one(OperationKind kind, CallKind call) { return {kind, call, call}; }
constexpr Needs needed_calls[] = {
    needs_one(OperationKind::unmap_fast, CallKind::unmap_fast),
    needs_one(OperationKind::iotlb_sync, CallKind::iotlb_sync),
    needs_one(OperationKind::flush_iotlb_all, CallKind::flush_iotlb_all),
    needs_one(OperationKind::tlb_range_add, CallKind::tlb_range_add),
    needs_one(OperationKind::iova_to_phys, CallKind::iova_to_phys),
    needs_one(OperationKind::map_sg, CallKind::map_sg),
    {OperationKind::sva_init, CallKind::bind_device, CallKind::sva_alloc_pasid},
    {OperationKind::sva_shutdown, CallKind::bind_device, CallKind::sva_alloc_pasid},
    needs_one(OperationKind::bind, CallKind::bind_device),
    needs_one(OperationKind::unbind, CallKind::bind_device),
    {OperationKind::unbind_all, CallKind::bind_device, CallKind::sva_alloc_pasid},
    {OperationKind::sva_query, CallKind::bind_device, CallKind::sva_alloc_pasid},
    needs_one(OperationKind::process_map, CallKind::bind_device),
    needs_one(OperationKind::process_unmap, CallKind::bind_device),
    needs_one(OperationKind::process_protect, CallKind::bind_device),
    needs_one(OperationKind::process_fork, CallKind::bind_device),
    needs_one(OperationKind::process_exit, CallKind::bind_device),
    needs_one(OperationKind::handler_return, CallKind::bind_device),
    needs_one(OperationKind::pasid_alloc, CallKind::pasid_alloc),
    needs_one(OperationKind::pasid_free, CallKind::pasid_alloc),
    needs_one(OperationKind::attach_pasid, CallKind::attach_pasid),
    needs_one(OperationKind::sva_alloc, CallKind::sva_alloc_pasid),
    needs_one(OperationKind::sva_free, CallKind::sva_alloc_pasid),
    needs_one(OperationKind::link, CallKind::sva_attach),
    needs_one(OperationKind::gpu_switch, CallKind::domain_get_attr),
    needs_one(OperationKind::gpu_flush, CallKind::domain_get_attr),
    needs_one(OperationKind::dynamic_alloc, CallKind::domain_get_attr),
    needs_one(OperationKind::task_bind, CallKind::bind_task),
    needs_one(OperationKind::task_unbind, CallKind::bind_task),
    // Without queues and handlers they are the process's own, and the driver answers by itself.
    needs_one(OperationKind::faults, CallKind::bind_device),
    needs_one(OperationKind::dirty, CallKind::dirty_set),
    needs_one(OperationKind::user, CallKind::cache_invalidate),
};

/// A table full of pages, one beside the other: an unmap of all of it takes the table out. Some go
/// on in the next one.
void fill_a_table(Operation& map, u64 draw) {
  map.aim = static_cast<u16>(fuzz::Aim::absolute);
  map.window = static_cast<u16>(fuzz::Window::spots_2m);
  map.page %= 4;
  map.size = static_cast<u16>(draw % 4 == 0 ? fuzz::Size::m2_4k : fuzz::Size::m2);
  map.pa = static_cast<u16>(fuzz::Pa::page);
}

constexpr std::span<const Weight> themes[] = {process_kinds, exit_kinds, walker_kinds,
                                              time_out_kinds, time_out_kinds};

// Of 16 families, by what they are made of; the rest is of some groups.
constexpr u64 of_everything = 4, of_a_theme = 3;
constexpr u64 of_full_tables = 16;  // one of so many has them
constexpr u64 of_users = 8;         // one of so many: half of it is about users of stage 2 domains
// Likewise, by how often something fails; the rest as the kinds' words have it.
constexpr u64 without_time_outs = 4, full_of_time_outs = 4;
constexpr u64 with_enough_memory = 8, with_short_memory = 2;
constexpr u16 stuck_weight = 8;  // beside groups of 64 to 512

}  // namespace

Mix::Kinds Mix::useful(u64 abilities) {
  if (abilities == 0) return all;
  Kinds kinds = 0;
  for (std::size_t i = 0; i < kind_count; ++i) {
    const auto kind = static_cast<OperationKind>(i);
    const auto needed = std::ranges::find(needed_calls, kind, &Needs::kind);
    const bool is_useful = needed == std::end(needed_calls) ||
                           ((bit_of(needed->call) | bit_of(needed->other)) & abilities) != 0;
    if (is_useful) kinds |= Kinds{1} << i;
  }
  return kinds;
}

Mix::Mix(Kinds kinds) : kinds_(kinds) {
  for (std::size_t i = 0; i < kind_count; ++i) {
    const auto kind = static_cast<OperationKind>(i);
    // What is drawn for itself.
    const bool of_its_own = kind == OperationKind::hardware || kind == OperationKind::user;
    const OperationKind its = of_its_own ? OperationKind::map : kind;
    if (has(its)) {
      u16& weight = weights_[number_of(its)];
      weight = static_cast<u16>(weight + fuzz::beginnings_of(kind));
    }
  }
}

void Mix::take(std::span<const Weight> kinds) {
  weights_ = {};
  for (const Weight& each : kinds) {
    if (has(each.kind)) weights_[number_of(each.kind)] = static_cast<u16>(each.weight);
  }
}

/// Of eight groups five, on average; each as often as another, or two, four or eight times; of each
/// most kinds, seldom ones more often than words have them. Accesses are always among them: much
/// shows by nothing else. So is what each driver has, spaces or domains.
void Mix::take_groups(SplitMix64& words) {
  std::array<u16, kind_count> taken{};
  const OperationKind* const had = words.below(2) == 0 ? kinds_of_spaces : kinds_of_domains;
  for (const auto group : groups) {
    const u64 draw = words.next();
    const bool watches = group.data() == kinds_of_accesses;
    if (std::ranges::none_of(group, [&](OperationKind kind) { return has(kind); })) continue;
    if (!watches && group.data() != had && draw % 8 >= 5) continue;
    const auto is_kept = [&](std::size_t i) {
      if (!has(group[i])) return false;
      return watches || (draw >> (8 + 4 * i)) % 4 != 0 || i == (draw >> 48) % group.size();
    };
    const auto weight_of = [&](std::size_t i) {
      return static_cast<u32>(std::bit_width(weights_[number_of(group[i])]));
    };
    u32 sum = 0;
    for (std::size_t i = 0; i < group.size(); ++i) sum += is_kept(i) ? weight_of(i) : 0;
    const u32 share = 64U << (watches ? 0 : draw >> 62);
    for (std::size_t i = 0; i < group.size() && sum != 0; ++i) {
      if (is_kept(i)) taken[number_of(group[i])] = static_cast<u16>(share * weight_of(i) / sum);
    }
  }
  weights_ = taken;
  weights_[number_of(OperationKind::queue)] = stuck_weight;
}

Mix Mix::drawn(SplitMix64& words, Kinds kinds) {
  Mix mix(kinds);
  const u64 shape = words.next();
  const u64 of = shape % 16;
  if (of >= of_everything + of_a_theme) {
    mix.take_groups(words);
  } else if (of >= of_everything) {
    const auto theme = themes[(shape >> 8) % std::size(themes)];
    // One that a driver has little of is none.
    const auto is_there = [&](const Weight& each) { return mix.has(each.kind); };
    if (static_cast<std::size_t>(std::ranges::count_if(theme, is_there)) * 4 < theme.size() * 3) {
      mix.take_groups(words);
    } else {
      mix.take(theme);
      mix.fills_tables_ = theme.data() == walker_kinds;
    }
  }
  const auto often = [](u64 draw, u64 never, u64 dense) {
    return draw < never ? Often::never : draw < never + dense ? Often::dense : Often::as_words;
  };
  mix.fills_tables_ |= (shape >> 40) % of_full_tables == 0;
  mix.of_users_ = mix.has(OperationKind::user) && (shape >> 32) % of_users == 0;
  mix.time_outs_ = often((shape >> 16) % 16, without_time_outs, full_of_time_outs);
  mix.short_memory_ = often((shape >> 24) % 16, with_enough_memory, with_short_memory);
  // Where it is full of them they are no kind like others.
  if (mix.time_outs_ != Often::as_words) mix.weights_[number_of(OperationKind::queue)] = 0;
  for (const u16 weight : mix.weights_) mix.total_ += weight;
  return mix;
}

/// The queue sticks in the next call, stops at one of its first commands, or refuses one.
fuzz::Operation Mix::time_out(u64 word, u64 draw) {
  if (draw % 4 != 0) {
    Operation stuck = fuzz::random_operation(OperationKind::queue, word);
    stuck.variant = static_cast<u16>(fuzz::QueueKind::stuck);
    return stuck;
  }
  using Kind = fuzz::HardwareKind;
  constexpr Kind kinds[] = {Kind::stop, Kind::stop_sync, Kind::stop_sync, Kind::refuse};
  constexpr u16 first_ones = 8;
  Operation stops = fuzz::random_operation(OperationKind::hardware, word);
  stops.variant = static_cast<u16>(kinds[(draw >> 2) % std::size(kinds)]);
  stops.page %= first_ones;
  return stops;
}

/// Now and then the dirty state of what a parent maps for its user.
fuzz::Operation Mix::of_a_user(u64 word, u64 draw) const {
  const bool reads_dirty = has(OperationKind::dirty) && draw % 8 == 0;
  if (!reads_dirty) return fuzz::random_operation(OperationKind::user, word);
  Operation operation = fuzz::random_operation(OperationKind::dirty, word);
  operation.choices |= fuzz::dirty_of_user;
  if (draw % 16 == 0) operation.variant = static_cast<u16>(fuzz::DirtyKind::clear);
  return operation;
}

fuzz::Operation Mix::next(SplitMix64& words) const {
  const u64 word = words.next();
  const u64 draw = words.next();
  if (time_outs_ == Often::dense && (draw >> 40) % 2 == 0) return time_out(word, draw >> 41);
  if (of_users_ && (draw >> 60) % 2 == 0) return of_a_user(word, draw >> 32);
  u64 left = draw % total_;
  OperationKind kind = OperationKind::map;
  for (std::size_t i = 0; i < kind_count; ++i) {
    kind = static_cast<OperationKind>(i);
    if (left < weights_[i]) break;
    left -= weights_[i];
  }
  Operation operation = fuzz::random_operation(kind, word);
  if (fills_tables_ && kind == OperationKind::map && (draw >> 48) % 4 == 0) {
    fill_a_table(operation, draw >> 46);
  }
  if (short_memory_ == Often::never) operation.fail = 0;
  // The n-th allocation or a hook: in the middle of what a call does to several objects.
  if (short_memory_ == Often::dense && (draw >> 50) % 2 == 0) {
    operation.fail = static_cast<u16>(1 + (draw >> 52) % fuzz::fail_mm_attach);
    operation = fuzz::normalised(operation);
  }
  return operation;
}

}  // namespace iommucheck::oracle
