// SPDX-License-Identifier: MIT
#include "spec/sva/nested_promises.h"

#include <algorithm>

#include "spec/sva/attachments.h"
#include "spec/sva/layers.h"
#include "spec/sva/nested.h"
#include "spec/sva/promise_words.h"

namespace iommucheck::spec::sva {

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
                   : Promise{.state = State::outer_fault, .prot = inner.prot});
  }
}

}  // namespace

namespace {

/// A call in progress unmaps there.
bool moves_in(const InterfaceState& s, u32 parent, u64 first, u64 last) {
  bool found = false;
  s.tickets.for_each([&](const Pending& pending) {
    found |= pending.space == parent && pending.first <= last && first <= pending.last;
  });
  return found;
}

}  // namespace

namespace {

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
  return !moves_in(s, parent, first, last);
}

/// The parent maps nothing of it, and nobody remembers that it did: no walk begins.
bool is_gone(const InterfaceState& s, u32 parent, u64 first, u64 last) {
  const Space& space = s.spaces[parent];
  const bool left = s.forest.first_mapped_in(space.map, first, last).found ||
                    s.forest.first_mapped_in(space.stale, first, last).found;
  return !left && !moves_in(s, parent, first, last);
}

constexpr Promise of_fetch{.state = State::fetch_fault};

}  // namespace

namespace {

void table_promises(const InterfaceState& s, u32 parent, u32 table, u64 iova, FaultKind faults,
                    bool with_calls, Alternatives& out) {
  const Space& its = s.spaces[table];
  // An address that the table has not got faults before anything is fetched.
  const bool walks = its.input_bits >= 64 || iova >> its.input_bits == 0;
  if (walks && is_gone(s, parent, its.added_first, its.added_last)) return out.add(of_fetch);
  if (!is_there(s, parent, its.added_first, its.added_last, its.table)) {
    return out.add({.state = State::within});
  }
  if (its.taken_out != 0 && iova >= its.taken_first && iova <= its.taken_last) {
    return out.add({.state = State::within});
  }
  if (its.taken_out != 0 && iova < its.taken_first) out.ends_at(its.taken_first - 1);
  Alternatives inner;
  space_promises(s, table, iova, faults, false, inner);
  out.gave_up |= inner.gave_up;
  out.ends_at(inner.last);
  for (u32 i = 0; i < inner.count; ++i) {
    through_parent(s, parent, inner.promises[i], iova, with_calls, out);
  }
}

}  // namespace

namespace {

/// By an entry that asks for it they wait, of a device that can, for whoever has a queue of the
/// domain; without one the host may have said that none waits.
FaultKind faults_of_user(const InterfaceState& s, u32 device, u32 domain) {
  const bool can = device < s.constants.size() && s.constants[device].can_wait;
  if (!can || s.constants[device].asks || route_of(s, domain).never_waits) {
    return FaultKind::terminated;
  }
  return s.queue_of_domain(domain) != 0 ? FaultKind::waits : FaultKind::may_wait;
}

/// By what stands at an entry of the user's, and what stood there and may be cached.
void entry_promises(const InterfaceState& s, u32 device, u32 domain, u64 entry, u64 iova,
                    bool with_calls, Alternatives& out) {
  const u32 parent = parent_of(s, domain);
  const u64 asks = device == no_device ? ~u64{0} : device_bit(device);
  bool known = false;
  for_each_context(s, parent, [&](u32 i) {
    const UserContext& context = s.user_contexts[i];
    const bool may_be = context.changes == 0 || (context.cached_by & asks) != 0;
    if (context.entry != entry || !may_be) return;
    known |= context.changes == 0;
    FaultKind faults = FaultKind::terminated;
    if (context.stalls != 0) faults = faults_of_user(s, device, domain);
    // Whose faults are not to wait, by the STE, finds it illegal. IHI 0070 5.2 (S1STALLD).
    if (context.stalls != 0 && faults != FaultKind::waits) out.add({.state = State::bad_entry});
    switch (context.kind) {
      case UserEntryKind::empty: return out.add(promise::nothing);
      case UserEntryKind::garbage: return out.add({.state = State::bad_entry});
      case UserEntryKind::outside: return out.add(of_fetch);
      case UserEntryKind::table:
        return table_promises(s, parent, context.table, iova, faults, with_calls, out);
    }
  });
  if (!known) out.add({.state = State::within});
}

}  // namespace

namespace {

/// Of accesses that stage 2 alone translates, which knows no privilege.
void bypass_promises(const InterfaceState& s, u32 parent, u64 iova, bool with_calls,
                     Alternatives& out) {
  through_parent(s, parent, {State::mapped, iova, prot_access}, iova, with_calls, out);
}

}  // namespace

namespace {

/// The entry that accesses with that PASID, or without one, are led by: an IPA.
u64 entry_at(const UserRoute& route, Substream at) {
  return route.entries + u64{at.present ? at.number : 0} * route.entry_bytes;
}

/// Other hardware than the SMMU may itself refuse a number that its device cannot send. `device`:
/// constants.size() for any.
bool cannot_send(const InterfaceState& s, u32 device, Substream at) {
  if (!at.present || !s.limits_are_the_drivers || device >= s.constants.size()) return false;
  return !s.can_send(device, at.number);
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
  if (cannot_send(s, device, at)) out.add(promise::nothing);
  const bool passes = !at.present && has_table && route.first == First::bypass;
  if (route.kind == Kind::bypass || passes) {
    return bypass_promises(s, parent, iova, with_calls, out);
  }
  if (!at.present && has_table && route.first == First::terminate) {
    return out.add(promise::nothing);
  }
  if (are_numbers_mixed(s, parent)) return out.add({.state = State::within});
  if (route.table) {
    const u32 table = find_table(s, parent, *route.table);
    const bool known = table != 0 && s.spaces[table].input_bits == route.table_bits;
    if (!known) return out.add({.state = State::within});
    return table_promises(s, parent, table, iova, FaultKind::terminated, with_calls, out);
  }
  if (!route.linear) return out.add({.state = State::within});
  entry_promises(s, device, domain, entry_at(route, at), iova, with_calls, out);
}

}  // namespace

FaultKind faults_of_users_route(const InterfaceState& s, u32 device, u32 domain, Substream at) {
  const UserRoute route = route_of(s, domain);
  if (route.kind != UserRoute::Kind::stage1 || route.table || !route.linear) {
    return FaultKind::terminated;
  }
  const u64 entry = entry_at(route, at);
  bool wants = false;
  bool all = true;
  for_each_context(s, parent_of(s, domain), [&](u32 i) {
    const UserContext& context = s.user_contexts[i];
    if (context.entry != entry || context.kind != UserEntryKind::table) return;
    wants |= context.stalls != 0;
    all &= context.stalls != 0;
  });
  if (!wants) return FaultKind::terminated;
  const FaultKind faults = faults_of_user(s, device, domain);
  return all || faults == FaultKind::terminated ? faults : FaultKind::may_wait;
}

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
