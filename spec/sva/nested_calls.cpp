// SPDX-License-Identifier: MIT
#include "spec/sva/nested_calls.h"

#include <algorithm>

#include "spec/sva/attachments.h"
#include "spec/sva/devices.h"
#include "spec/sva/layers.h"
#include "spec/sva/nested.h"
#include "spec/sva/user_events.h"

namespace iommucheck::spec::sva {

// --- domain_alloc ---

namespace {

/// What the user's route leads to lies beyond what stage 2 translates: every access would fault.
bool is_beyond(const InterfaceState& s, u64 parent, const UserRoute& route) {
  if (route.kind != UserRoute::Kind::stage1) return false;
  const u32 bits = s.spaces[s.find_stage2(parent)].input_bits;
  return bits < 64 && route.table.value_or(route.entries) >> bits != 0;
}

}  // namespace

Permitted permitted_nested_alloc(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  set.add(Reason::a_driver_may_have_no_such_kind);
  set.add(Reason::the_backend_may_not_have_it);
  if (s.user_format == nullptr) return set;
  if (s.find_stage2(call.parent) == 0) set.add(Reason::the_parent_is_no_stage_2_domain);
  const auto route = s.user_format->route(call.structure);
  if (!route) set.add(Reason::no_structure_of_a_users);
  const bool has_table = route && route->kind == UserRoute::Kind::stage1 && route->pasid_bits != 0;
  const bool asked = call.domain_kind == static_cast<u32>(DomainKind::nested_pasid);
  const bool either = route && route->table_is_ignored;
  if (route && !either && has_table != asked) set.add(Reason::the_structure_is_of_the_other_kind);
  if (set.has(Status::einval)) return set;
  if (either) set.add(Reason::the_structure_is_of_the_other_kind);
  if (route && (route->may_be_refused || is_beyond(s, call.parent, *route))) {
    set.add(Reason::no_structure_of_a_users);
  }
  set.add(Reason::done, ValueRule::new_handle);
  may_lack_memory(set, around);
  return set;
}

// --- vdevice ---

/// ENODEV, EINVAL, EEXIST.
Permitted permitted_vdevice(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  const u32 parent = s.find_stage2(call.domain);
  if (parent == 0) set.add(Reason::the_parent_is_no_stage_2_domain);
  if ((call.number >> 32) != 0) set.add(Reason::no_such_number_of_a_device);
  if (s.device_has_iommu(call.device) && is_behind_another_iommu(s, parent, call.device)) {
    set.add(Reason::behind_another_iommu);
  }
  for_each_number(s, [&](u32 i) {
    const VirtualDevice& its = s.virtual_devices[i];
    const bool same = its.device == call.device || its.number == call.number;
    if (its.parent == parent && same) set.add(Reason::it_has_a_number_already);
  });
  if (!set.empty()) return set;
  set.add(Reason::done);
  may_lack_memory(set, around);
  return set;
}

void apply_vdevice(InterfaceState& s, const Call& call, Status status) {
  if (status != Status::ok) return;
  const u32 parent = s.find_stage2(call.domain);
  s.virtual_devices.allocate(s.trail,
                             {.number = call.number, .parent = parent, .device = call.device});
  number_events(s, parent, call.device, call.number);
}

// --- cache_invalidate ---

namespace {

/// The device that the command names, if it is on one of the user's domains: without a PASID, or at
/// the one that it names of the host's.
std::optional<u32> device_named(const InterfaceState& s, u32 parent, const UserCommand& command) {
  std::optional<u32> found;
  for_each_number(s, [&](u32 i) {
    const VirtualDevice& its = s.virtual_devices[i];
    if (its.parent != parent || its.number != command.stream) return;
    const u32 domain = command.at_pasid ? domain_at(s, its.device, command.pasid.value_or(0))
                                        : s.devices[its.device].domain;
    if (parent_of(s, domain) == parent) found = its.device;
  });
  return found;
}

/// The user has that number, of a device that is on no domain of it now.
struct Elsewhere {
  bool found = false;
  bool on_parent = false;  ///< nobody says whether such a device is the user's
};
Elsewhere elsewhere(const InterfaceState& s, u32 parent, const UserCommand& command) {
  Elsewhere result;
  if (!command.stream || device_named(s, parent, command)) return result;
  for_each_number(s, [&](u32 i) {
    const VirtualDevice& its = s.virtual_devices[i];
    if (its.parent != parent || its.number != command.stream) return;
    result.found = true;
    result.on_parent |= s.devices[its.device].domain == parent;
  });
  return result;
}

enum class MayGive : u8 { no, yes, perhaps };

/// A command of the user's that it may give, naming nobody else's device.
MayGive may_give(const InterfaceState& s, u32 parent, const UserCommand& command) {
  if (command.kind == UserCommand::Kind::forbidden) return MayGive::no;
  if (command.stream && !device_named(s, parent, command)) {
    return elsewhere(s, parent, command).on_parent ? MayGive::perhaps : MayGive::no;
  }
  return command.may_be_refused ? MayGive::perhaps : MayGive::yes;
}

}  // namespace

/// How many are done is exact: those before the first that the user may not give.
Permitted permitted_cache_invalidate(const InterfaceState& s, const Call& call,
                                     Circumstances around) {
  Permitted set;
  const u32 parent = parent_of(s, s.find(call.domain));
  if (parent == 0) {
    set.add(Reason::no_users_domain, ValueRule::one_of);
    set.add_value(0, "none is done");
    return set;
  }
  u64 done = 0;
  for (const CommandWords& words : call.commands) {
    const UserCommand command = s.user_format->command(words);
    const MayGive may = may_give(s, parent, command);
    if (may != MayGive::yes && elsewhere(s, parent, command).found) {
      set.add(Reason::the_device_left_the_user, ValueRule::one_of);
      set.add_value_of(Status::einval, done, "those before it");
    }
    if (may != MayGive::yes) {
      set.add(Reason::no_command_of_a_users, ValueRule::one_of);
      set.add_value_of(Status::eio, done, "those before it");
    }
    if (may == MayGive::no) break;
    ++done;
  }
  if (done == call.commands.size()) {
    set.add(Reason::done, ValueRule::one_of);
    set.add_value_of(Status::ok, done, "all of them");
  }
  may_lack_memory(set, around);
  if (call.commands.empty()) return set;
  may_time_out(set, around, ValueRule::one_of);
  for (u64 i = 0; around.queue_stuck && i < call.commands.size() && i <= done; ++i) {
    set.add_value_of(Status::etimedout, i, "those that were complete");
  }
  return set;
}

void begin_cache_invalidate(const InterfaceState& s, const Call& call, Pending& pending) {
  pending.space = parent_of(s, s.find(call.domain));
  pending.changes = s.changes;
}

namespace {

/// A pointer is dropped by any address behind it. Of several, whose hull is known, by all of them.
bool drops_pointers(const Space& table, const UserCommand& command, u64 changes) {
  constexpr u64 one_table = (u64{1} << 21) - 1;  // pages of 4 KiB
  if (command.leaves_only || table.taken_out == 0 || table.taken_out > changes) return false;
  if (table.taken_last - table.taken_first > one_table) {
    return command.first <= table.taken_first && command.last >= table.taken_last;
  }
  return command.first <= table.taken_last && command.last >= table.taken_first;
}

/// Nothing older than `changes` is cached of what the command covers. Translations of all domains
/// of the user: they share its tag.
void drop_covered(InterfaceState& s, u32 parent, const UserCommand& command, u64 changes) {
  if (command.kind == UserCommand::Kind::translations) {
    for_each_table_of(s, parent, [&](u32 table) {
      if (command.asid && *command.asid != s.spaces[table].structure[1]) return;
      if (command.table && *command.table != s.spaces[table].structure[0]) return;
      drop_older_than(s, table, command.first, command.last, changes);
      if (drops_pointers(s.spaces[table], command, changes)) {
        s.spaces.edit(s.trail, table).taken_out = 0;
      }
    });
    return;
  }
  if (command.kind != UserCommand::Kind::entry || !command.stream) return;
  const auto device = device_named(s, parent, command);
  if (!device) return;
  const UserRoute route = route_of(s, s.devices[*device].domain);
  for_each_context(s, parent, [&](u32 i) {
    const UserContext& context = s.user_contexts[i];
    const u64 at = route.entries + u64{command.pasid.value_or(0)} * route.entry_bytes;
    const bool covered = !command.pasid || context.entry == at;
    if (!covered || context.changes == 0 || context.changes > changes) return;
    UserContext& old = s.user_contexts.edit(s.trail, i);
    old.cached_by &= *device < 63 ? ~device_bit(*device) : ~u64{0};
    if (old.cached_by != 0) return;
    s.user_contexts.edit(s.trail, i).parent = 0;
    s.user_contexts.release(s.trail, i);
  });
}

}  // namespace

void apply_cache_invalidate(InterfaceState& s, const Call& call, const Observed& observed,
                            const Pending* begun) {
  const u32 parent = parent_of(s, s.find(call.domain));
  if (parent == 0 || s.user_format == nullptr) return;
  const u64 changes = begun == nullptr ? s.changes : begun->changes;
  const u64 count = std::min<u64>(observed.value, call.commands.size());
  for (u64 i = 0; i < count; ++i) {
    const UserCommand command = s.user_format->command(call.commands[i]);
    if (may_give(s, parent, command) != MayGive::no) drop_covered(s, parent, command, changes);
  }
}

}  // namespace iommucheck::spec::sva
