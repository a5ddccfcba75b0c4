// SPDX-License-Identifier: MIT
#include "spec/sva/nested.h"

#include <algorithm>

#include "spec/sva/attachments.h"
#include "spec/sva/devices.h"
#include "spec/sva/layers.h"
#include "spec/sva/promises.h"
#include "spec/sva/user_events.h"

namespace iommucheck::spec::sva {

namespace {

constexpr u64 user_page_mask = 4095;

/// The user's own route of a nested domain.
UserRoute route_of(const InterfaceState& s, u32 domain) {
  if (s.user_format == nullptr) return {};
  return s.user_format->route(s.spaces[domain].structure).value_or(UserRoute{});
}

/// Calls visit(index) for the tables in the user's memory.
template <class Visit>
void for_each_table_of(const InterfaceState& s, u32 parent, Visit visit) {
  s.for_each_space([&](u32 i) {
    if (s.spaces[i].owner == Owner::user && s.spaces[i].domain == parent) visit(i);
  });
}

u32 find_table(const InterfaceState& s, u32 parent, u64 root) {
  u32 found = 0;
  for_each_table_of(s, parent, [&](u32 i) {
    if (s.spaces[i].structure[0] == root) found = i;
  });
  return found;
}

template <class Visit>
void for_each_context(const InterfaceState& s, u32 parent, Visit visit) {
  for (u32 i = 1; i < s.user_contexts.bound(); ++i) {
    if (s.user_contexts[i].parent == parent) visit(i);
  }
}

template <class Visit>
void for_each_number(const InterfaceState& s, Visit visit) {
  for (u32 i = 1; i < s.virtual_devices.bound(); ++i) {
    if (s.virtual_devices[i].parent != 0) visit(i);
  }
}

constexpr u64 device_bit(u32 device) { return u64{1} << std::min(device, u32{63}); }

}  // namespace

bool is_nested(const Space& space) { return is_nested(space.kind) && space.owner == Owner::domain; }

u32 parent_of(const InterfaceState& s, u32 domain) {
  return domain != 0 && is_nested(s.spaces[domain]) ? s.spaces[domain].domain : 0;
}

bool is_behind_stage2(const InterfaceState& s, u32 domain) {
  if (domain == 0) return false;
  const Space& space = s.spaces[domain];
  return is_nested(space) || space.kind == static_cast<u32>(DomainKind::paging_s2);
}

// --- domain_alloc ---

bool has_nested(const InterfaceState& s, u32 parent) {
  bool found = false;
  s.for_each_space([&](u32 i) {
    found |= is_nested(s.spaces[i]) && s.spaces[i].domain == parent &&
             s.spaces[i].life == records::living;
  });
  return found;
}

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
  if (route && has_table != asked) set.add(Reason::the_structure_is_of_the_other_kind);
  if (set.has(Status::einval)) return set;
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

std::optional<u64> number_of(const InterfaceState& s, u32 parent, u32 device) {
  std::optional<u64> found;
  for_each_number(s, [&](u32 i) {
    const VirtualDevice& its = s.virtual_devices[i];
    if (its.parent == parent && its.device == device) found = its.number;
  });
  return found;
}

namespace {

template <class Which>
void forget_vdevices(InterfaceState& s, Which which) {
  for_each_number(s, [&](u32 i) {
    if (!which(s.virtual_devices[i])) return;
    s.virtual_devices.edit(s.trail, i).parent = 0;
    s.virtual_devices.release(s.trail, i);
  });
}

}  // namespace

void forget_vdevices_of_domain(InterfaceState& s, u32 parent) {
  forget_vdevices(s, [&](const VirtualDevice& its) { return its.parent == parent; });
}

void forget_vdevices_of_device(InterfaceState& s, u32 device) {
  forget_vdevices(s, [&](const VirtualDevice& its) { return its.device == device; });
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

/// A command of the user's that it may give, naming nobody else's device.
bool may_give(const InterfaceState& s, u32 parent, const UserCommand& command) {
  if (command.kind == UserCommand::Kind::forbidden) return false;
  return !command.stream || device_named(s, parent, command);
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
    if (!may_give(s, parent, s.user_format->command(words))) break;
    ++done;
  }
  const bool all = done == call.commands.size();
  set.add(all ? Reason::done : Reason::no_command_of_a_users, ValueRule::one_of);
  set.add_value(done, all ? "all of them" : "those before it");
  may_lack_memory(set, around);
  if (!call.commands.empty()) may_time_out(set, around);
  return set;
}

void begin_cache_invalidate(const InterfaceState& s, const Call& call, Pending& pending) {
  pending.space = parent_of(s, s.find(call.domain));
  pending.changes = s.changes;
}

namespace {

/// Nothing older than `changes` is cached of what the command covers. Translations of all domains
/// of the user: they share its tag.
void drop_covered(InterfaceState& s, u32 parent, const UserCommand& command, u64 changes) {
  if (command.kind == UserCommand::Kind::translations) {
    for_each_table_of(s, parent, [&](u32 table) {
      if (command.asid && *command.asid != s.spaces[table].structure[1]) return;
      if (command.table && *command.table != s.spaces[table].structure[0]) return;
      drop_older_than(s, table, command.first, command.last, changes);
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
    if (may_give(s, parent, command)) drop_covered(s, parent, command, changes);
  }
}

// --- The user's memory ---

namespace {

/// The user's table if the range is one that it can hold.
u32 find_writable(const InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes) {
  const u32 table = find_table(s, s.find_stage2(parent), root);
  if (table == 0 || bytes == 0 || ((va | bytes) & user_page_mask) != 0) return 0;
  const u64 last = va + (bytes - 1);
  return last < va || beyond(last, s.spaces[table].input_bits) ? 0 : table;
}

void change(InterfaceState& s) { s.trail.set(s.changes, s.changes + 1); }

/// Whether something may cache what stands in the user's memory.
bool is_watched(const InterfaceState& s, u32 parent) { return s.spaces[parent].used != 0; }

/// Those that are on a route of the user's, or may be.
u64 devices_of(const InterfaceState& s, u32 parent) {
  u64 bits = 0;
  for (u32 device = 0; device < s.devices.size(); ++device) {
    bool its = parent_of(s, s.devices[device].domain) == parent || s.devices[device].ghosts != 0;
    if (its) bits |= device_bit(device);
  }
  return bits;
}

}  // namespace

bool user_table_made(InterfaceState& s, u64 parent, const UserTable& table) {
  const u32 index = s.find_stage2(parent);
  if (index == 0 || table.bytes == 0 || find_table(s, index, table.root) != 0) return false;
  s.spaces.allocate(s.trail, {.page_sizes = user_page_mask + 1,
                              .added_first = table.first,
                              .added_last = table.first + (table.bytes - 1),
                              .kind = static_cast<u32>(DomainKind::paging),
                              .input_bits = table.input_bits,
                              .output_bits = 64,
                              .life = records::living,
                              .owner = Owner::user,
                              .table = table.pa,
                              .domain = index,
                              .structure = {table.root, 0}});
  return true;
}

bool user_unmaps(InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes) {
  const u32 table = find_writable(s, parent, root, va, bytes);
  if (table == 0) return false;
  change(s);
  const auto tag = static_cast<u32>(s.changes);
  const u64 last = va + (bytes - 1);
  if (is_watched(s, s.spaces[table].domain)) {
    s.forest.for_each(s.spaces[table].map, va, last,
                      [&](const Interval& piece) { keep_layer(s, table, piece, tag); });
  }
  s.forest.erase(s.spaces[table].map, va, last);
  return true;
}

bool user_maps(InterfaceState& s, u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot) {
  if (!user_unmaps(s, parent, root, va, bytes)) return false;
  const u32 table = find_table(s, s.find_stage2(parent), root);
  return s.forest.insert(s.spaces[table].map, {va, va + (bytes - 1), ipa, prot, 0});
}

bool user_sets_entry(InterfaceState& s, u64 parent, u64 entry, UserEntry content) {
  const u32 index = s.find_stage2(parent);
  const bool leads = content.kind == UserEntryKind::table;
  const u32 table = leads ? find_table(s, index, content.root) : 0;
  if (index == 0 || (leads && table == 0)) return false;
  change(s);
  for_each_context(s, index, [&](u32 i) {
    const UserContext& context = s.user_contexts[i];
    if (context.entry != entry || context.changes != 0) return;
    if (const u64 cached_by = devices_of(s, index); cached_by != 0) {
      UserContext& old = s.user_contexts.edit(s.trail, i);
      old.changes = s.changes;
      old.cached_by = cached_by;
      return;
    }
    s.user_contexts.edit(s.trail, i).parent = 0;
    s.user_contexts.release(s.trail, i);
  });
  if (table != 0) s.spaces.edit(s.trail, table).structure[1] = content.asid;
  s.user_contexts.allocate(s.trail,
                           {.entry = entry, .parent = index, .table = table, .kind = content.kind});
  return true;
}

void forget_user_memory(InterfaceState& s, u32 parent) {
  s.for_each_user_event([&](u32 i) {
    if (s.user_events[i].parent != parent) return;
    s.user_events.edit(s.trail, i) = {};
    s.user_events.release(s.trail, i);
  });
  for_each_context(s, parent, [&](u32 i) {
    s.user_contexts.edit(s.trail, i).parent = 0;
    s.user_contexts.release(s.trail, i);
  });
  for_each_table_of(s, parent, [&](u32 i) {
    Space& table = s.spaces.edit(s.trail, i);
    s.forest.clear(table.map);
    clear_stale(s, i);
    table.life = records::unused;
    s.spaces.release(s.trail, i);
  });
}

// --- Promises ---

namespace {

/// What the parent makes of one outcome of the user's own translation.
void through_parent(const InterfaceState& s, u32 parent, const Promise& inner, u64 iova,
                    bool with_calls, Alternatives& out) {
  if (inner.state != State::mapped) return out.add(inner);
  Alternatives outer;
  space_promises(s, parent, inner.pa, FaultKind::terminated, with_calls, outer);
  out.gave_up |= outer.gave_up;
  out.concerned |= outer.concerned;
  if (outer.last - inner.pa < ~u64{0} - iova) out.ends_at(iova + (outer.last - inner.pa));
  for (u32 i = 0; i < outer.count; ++i) {
    const Promise& one = outer.promises[i];
    const bool mapped = one.state == State::mapped;
    // Where stage 2 says Device, no stage 1 makes it anything else. IHI 0070 13.1.5.
    out.add(mapped ? Promise{State::mapped, one.pa, inner.prot | (one.prot & prot_device), one.prot}
                   : Promise{.state = State::outer_fault});
  }
}

/// A call in progress unmaps there.
bool moves_in(const InterfaceState& s, u32 parent, u64 first, u64 last) {
  bool found = false;
  s.tickets.for_each([&](const Pending& pending) {
    found |= pending.space == parent && pending.first <= last && first <= pending.last;
  });
  return found;
}

/// The parent maps all of it, where the user's memory is, and has not mapped it otherwise as far as
/// anybody may remember.
bool is_there(const InterfaceState& s, u32 parent, u64 first, u64 last, u64 pa) {
  const Space& space = s.spaces[parent];
  for (u64 at = first;;) {
    const Piece piece = s.forest.lookup(space.map, at);
    const bool sound =
        piece.mapped && (piece.prot & prot_write) != 0 && piece.pa == pa + (at - first);
    if (!sound || s.forest.first_mapped_in(space.stale, first, last).found) return false;
    if (piece.last >= last) break;
    at = piece.last + 1;
  }
  return !s.tickets.any() || !moves_in(s, parent, first, last);
}

void table_promises(const InterfaceState& s, u32 parent, u32 table, u64 iova, bool with_calls,
                    Alternatives& out) {
  const Space& its = s.spaces[table];
  if (!is_there(s, parent, its.added_first, its.added_last, its.table)) {
    return out.add({.state = State::within});
  }
  Alternatives inner;
  space_promises(s, table, iova, FaultKind::terminated, false, inner);
  out.gave_up |= inner.gave_up;
  out.ends_at(inner.last);
  for (u32 i = 0; i < inner.count; ++i) {
    through_parent(s, parent, inner.promises[i], iova, with_calls, out);
  }
}

/// By what stands at an entry of the user's, and what stood there and may be cached.
void entry_promises(const InterfaceState& s, u32 device, u32 parent, u64 entry, u64 iova,
                    bool with_calls, Alternatives& out) {
  const u64 asks = device == no_device ? ~u64{0} : device_bit(device);
  bool known = false;
  for_each_context(s, parent, [&](u32 i) {
    const UserContext& context = s.user_contexts[i];
    const bool may_be = context.changes == 0 || (context.cached_by & asks) != 0;
    if (context.entry != entry || !may_be) return;
    known |= context.changes == 0;
    switch (context.kind) {
      case UserEntryKind::empty: return out.add(promise::nothing);
      case UserEntryKind::garbage: return out.add({.state = State::bad_entry});
      case UserEntryKind::outside: return out.add({.state = State::outer_fault});
      case UserEntryKind::table:
        return table_promises(s, parent, context.table, iova, with_calls, out);
    }
  });
  if (!known) out.add({.state = State::within});
}

/// Of accesses that stage 2 alone translates, which knows no privilege.
void bypass_promises(const InterfaceState& s, u32 parent, u64 iova, bool with_calls,
                     Alternatives& out) {
  through_parent(s, parent, {State::mapped, iova, prot_access}, iova, with_calls, out);
}

void promises_of_route(const InterfaceState& s, u32 device, u32 domain, Substream at, u64 iova,
                       bool with_calls, Alternatives& out) {
  const u32 parent = parent_of(s, domain);
  const UserRoute route = route_of(s, domain);
  using Kind = UserRoute::Kind;
  using First = UserRoute::First;
  if (route.kind == Kind::abort) return out.add(promise::blocked);
  const bool has_table = route.kind == Kind::stage1 && route.pasid_bits != 0;
  const bool of_first_only = at.number == 0 && route.first == First::entry_0;
  if (at.present && (!has_table || (at.number >> route.pasid_bits) != 0 || of_first_only)) {
    return out.add(promise::nothing);
  }
  const bool passes = !at.present && has_table && route.first == First::bypass;
  if (route.kind == Kind::bypass || passes) {
    return bypass_promises(s, parent, iova, with_calls, out);
  }
  if (!at.present && has_table && route.first == First::terminate) {
    return out.add(promise::nothing);
  }
  if (route.table) {
    const u32 table = find_table(s, parent, *route.table);
    const bool known = table != 0 && s.spaces[table].input_bits == route.table_bits;
    if (!known) return out.add({.state = State::within});
    return table_promises(s, parent, table, iova, with_calls, out);
  }
  if (!route.linear) return out.add({.state = State::within});
  const u64 entry = route.entries + u64{at.present ? at.number : 0} * route.entry_bytes;
  entry_promises(s, device, parent, entry, iova, with_calls, out);
}

}  // namespace

/// A user may change its mind without end, and invalidate nothing. What is left then is where it
/// stays.
void nested_promises(const InterfaceState& s, u32 device, u32 domain, Substream at, u64 iova,
                     bool with_calls, Alternatives& out) {
  Alternatives its;
  promises_of_route(s, device, domain, at, iova, with_calls, its);
  out.ends_at(its.last);
  out.concerned |= its.concerned;
  out.callers |= its.callers;
  constexpr u32 most = 3;  // so that there is room for what calls in progress leave open
  if (its.gave_up || its.count > most) {
    return out.add({.state = State::within});
  }
  for (u32 i = 0; i < its.count; ++i) out.add(its.promises[i]);
}

void note_users_device(InterfaceState& s, u32 domain) {
  const u32 parent = parent_of(s, domain);
  if (parent != 0 && s.spaces[parent].used == 0) s.spaces.edit(s.trail, parent).used = 1;
}

Alternatives expected_within(const InterfaceState& s, u32 device, Substream at, u64 ipa) {
  Alternatives out;
  if (device >= s.devices.size()) return out;
  u32 met[Alternatives::max] = {};
  bool moves = s.devices[device].ghosts != 0;
  const auto of_domain = [&](u32 domain) {
    const u32 parent = parent_of(s, domain);
    if (parent == 0 || std::ranges::find(met, parent) != std::end(met)) return;
    if (u32* free = std::ranges::find(met, u32{0}); free != std::end(met)) *free = parent;
    space_promises(s, parent, ipa, FaultKind::terminated, true, out);
  };
  if (s.routes_users && at.present) {
    for_each_domain_at(s, device, at.number, of_domain);
    return out;
  }
  of_domain(s.devices[device].domain);
  for (u32 g = s.devices[device].ghosts; g != 0; g = s.ghosts[g].next) {
    of_domain(s.ghosts[g].domain);
  }
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool moves_it = kind == CallKind::attach || kind == CallKind::detach;
    if (!moves_it || pending.space == 0 || !s.moves_with(pending.device, device)) return;
    moves = true;
    of_domain(pending.space);
    out.concerned = out.count != 0;
  });
  // In between, or it did not answer and may be isolated.
  const bool silent = s.devices[device].silence != records::Silence::none;
  if (out.count != 0 && (moves || silent)) out.add(promise::blocked);
  return out;
}

}  // namespace iommucheck::spec::sva
