// SPDX-License-Identifier: MIT
#include "spec/sva/promises.h"

#include <algorithm>

#include "spec/sva/attached_promises.h"
#include "spec/sva/attachments.h"
#include "spec/sva/bound.h"
#include "spec/sva/layers.h"
#include "spec/sva/nested.h"
#include "spec/sva/nested_promises.h"
#include "spec/sva/private.h"
#include "spec/sva/promise_words.h"
#include "spec/sva/tables.h"
#include "spec/sva/time_outs.h"

namespace iommucheck::spec::sva {

void domain_promises(const InterfaceState& s, u32 index, u64 iova, bool with_calls,
                     Alternatives& out) {
  const auto kind = static_cast<DomainKind>(index == 0 ? 0 : s.spaces[index].kind);
  if (kind == DomainKind::paging || kind == DomainKind::paging_s2) {
    space_promises(s, index, iova, FaultKind::terminated, with_calls, out);
  } else if (index != 0 && is_nested(s.spaces[index])) {
    nested_promises(s, no_device, index, {}, iova, with_calls, out);
  } else if (kind == DomainKind::identity) {
    out.add({.state = State::identity});
  } else if (index == 0) {
    unattached_promises(s, {}, out);
  } else {
    out.add(promise::blocked);
  }
}

namespace {

/// What a domain maps may still have to be made known where a device moves there.
void add_not_filled(const InterfaceState& s, u32 index, Substream at, Alternatives& out) {
  const bool mapped = index != 0 && is_mapped_by_driver(s.spaces[index].kind);
  if (s.fills_routes && mapped && !at.present) out.add({.state = State::unmapped});
}

}  // namespace

/// attach, detach: the old domain's outcome, the new one's, or terminated with its configuration
/// event, for this device (its group) only.
void pending_move_promises(const InterfaceState& s, u32 device, Substream at, u64 iova,
                           Alternatives& out) {
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool attaches = kind == CallKind::attach;
    if (!attaches && kind != CallKind::detach) return;
    if (pending.space == 0 || !s.moves_with(pending.device, device)) return;
    if (attaches && s.devices[device].domain == pending.space) return;
    out.concerned = true;
    if (!attaches) return unattached_promises(s, at, out);
    out.add(promise::blocked);
    add_not_filled(s, pending.space, at, out);
    if (at.present) {
      substream_promises(s, device, pending.space, at.number, iova, true, out);
    } else {
      domain_promises(s, pending.space, iova, true, out);
    }
  });
}

namespace {

/// By one table, with the entry that stands there.
void table_promises(const InterfaceState& s, u32 device, const EntryTable& table, u32 pasid,
                    u64 iova, bool with_calls, Alternatives& out) {
  const u32 number = s.find_number(pasid);
  const u32 space = number == 0 ? 0 : s.numbers[number].space;
  if (space == 0) {
    out.add(promise::nothing);
  } else if (s.spaces[space].owner == Owner::private_pasid) {
    private_promises(s, device, table, number, iova, with_calls, out);
  } else {
    bound_promises(s, device, table, number, iova, with_calls, out);
  }
  if (s.unseen != 0) unseen_promises(s, device, table, pasid, iova, with_calls, out);
  if (with_calls && s.tickets.any()) pending_number_promises(s, device, table, pasid, iova, out);
}

}  // namespace

void substream_promises(const InterfaceState& s, u32 device, u32 domain, u32 pasid, u64 iova,
                        bool with_calls, Alternatives& out) {
  const auto kind = static_cast<DomainKind>(domain == 0 ? 0 : s.spaces[domain].kind);
  if (domain == 0 || kind == DomainKind::blocked) {
    out.add(promise::blocked);
    return;
  }
  if (!s.routes_users && is_nested(s.spaces[domain])) {
    return nested_promises(s, device, domain, substream(pasid), iova, with_calls, out);
  }
  // Where stage 1 is bypassed a SubstreamID is refused. IHI 0070 7.3.9 (C_BAD_SUBSTREAMID).
  const bool kept = pasid == 0 && s.keeps_pasid_0;
  if (kind != DomainKind::paging || kept || !s.can_send(device, pasid)) {
    out.add(promise::nothing);
    return;
  }
  for_each_table(s, device, domain, with_calls, [&](const EntryTable& table) {
    table_promises(s, device, table, pasid, iova, with_calls, out);
  });
  // What stands in both of its tables an attach_pasid in progress leaves as it is.
  if (with_calls && out.count > 1) out.concerned |= gets_own_table(s, device);
}

namespace {

Alternatives promises_at(const InterfaceState& s, u32 device, Substream at, u64 iova,
                         bool with_calls) {
  Alternatives out;
  if (s.tickets.overflowed()) out.gave_up = true;
  const bool left = device < s.devices.size() && s.devices[device].ghosts != 0;
  if (!s.device_exists(device) && !left) {
    unattached_promises(s, at, out);
    return out;
  }
  if (!s.constants[device].iommu) {
    out.add({.state = State::identity});
    return out;
  }
  const auto of_domain = [&](u32 domain) {
    const bool hosts_pasid = at.present && s.routes_users;
    if (domain != 0 && !hosts_pasid && is_nested(s.spaces[domain])) {
      nested_promises(s, device, domain, at, iova, with_calls, out);
    } else if (at.present) {
      substream_promises(s, device, domain, at.number, iova, with_calls, out);
    } else {
      domain_promises(s, domain, iova, with_calls, out);
    }
  };
  const Device& record = s.devices[device];
  // It did not answer, and may be isolated, with all of its PASIDs.
  if (record.silence != records::Silence::none) out.add(promise::blocked);
  if (at.present && attached_promises(s, device, at.number, iova, with_calls, out)) return out;
  of_domain(record.domain);
  // A time-out left it between domains: the transient set of that call goes on.
  if (record.ghosts != 0) out.add(promise::blocked);
  for (u32 g = record.ghosts; g != 0; g = s.ghosts[g].next) {
    of_domain(s.ghosts[g].domain);
    add_not_filled(s, s.ghosts[g].domain, at, out);
  }
  if (with_calls && s.tickets.any()) pending_move_promises(s, device, at, iova, out);
  // STE.S1DSS and CD 0 change one after the other: until a move is done, PASID 0 may be met as the
  // RID is.
  const bool moves = with_calls && (out.concerned || record.ghosts != 0);
  if (moves && at.present && at.number == 0 && s.keeps_pasid_0) {
    const Alternatives rid = promises_at(s, device, {}, iova, true);
    for (u32 i = 0; i < rid.count; ++i) out.add(rid.promises[i]);
    out.ends_at(rid.last);
    out.gave_up |= rid.gave_up;
  }
  return out;
}

/// One outcome is itself; the two pairs that have a name; else "several".
Expectation settled(const InterfaceState& s, u32 device, Substream at, u64 iova) {
  const Alternatives all = promises_at(s, device, at, iova, false);
  const Promise& first = all.promises[0];
  if (all.count == 1) return {first.state, first.pa, first.prot, all.last};
  const Promise& second = all.promises[1];
  if (all.count == 2 && !all.gave_up) {
    const bool faults = first.state == State::unmapped || first.state == State::waits;
    if (faults && second.state == State::mapped) {
      return {State::old_or_fault, second.pa, second.prot, all.last};
    }
    if (first.state == State::mapped && second.state == State::quiet) {
      return {State::old_or_quiet, first.pa, first.prot, all.last};
    }
  }
  return {.state = State::several, .last = all.last};
}

}  // namespace

Expectation expected(const InterfaceState& s, u32 device, Substream at, u64 iova) {
  const bool left = device < s.devices.size() && s.devices[device].ghosts != 0;
  const bool passes = !s.blocks_unattached;
  if (!s.device_exists(device) && !left && !passes) return {.state = State::blocked};
  if (at.present || !s.constants[device].iommu) return settled(s, device, at, iova);
  const Device& record = s.devices[device];
  if (passes && record.domain == 0) return settled(s, device, at, iova);
  if (record.ghosts != 0 || record.silence != records::Silence::none) {
    return {.state = State::quarantined, .last = expected_during(s, device, {}, iova).last};
  }
  if (record.domain == 0) return {.state = State::blocked};
  const Space& domain = s.spaces[record.domain];
  if (domain.kind == static_cast<u32>(DomainKind::blocked)) return {.state = State::blocked};
  if (domain.kind == static_cast<u32>(DomainKind::identity)) return {.state = State::identity};
  if (is_nested(domain)) return settled(s, device, at, iova);
  if (beyond(iova, domain.input_bits)) return {.state = State::unmapped};

  const Piece piece = s.forest.lookup(domain.map, iova);
  const Piece stale = s.forest.lookup(domain.stale, iova);
  u64 last = std::min(piece.last, stale.last);
  bool several = piece.mapped && stale.mapped;
  for (const u64 layer : domain.older) {
    const Piece older = s.forest.lookup(layer, iova);
    last = std::min(last, older.last);
    several |= older.mapped;
  }
  if (several) return {.state = State::quarantined, .last = last};
  if (piece.mapped) return {State::mapped, piece.pa, piece.prot, last};
  if (stale.mapped) return {State::old_or_fault, stale.pa, stale.prot, last};
  // A hole at the end of the space goes on beyond the input size.
  return {.state = State::unmapped, .last = last};
}

Alternatives expected_during(const InterfaceState& s, u32 device, Substream at, u64 iova) {
  return promises_at(s, device, at, iova, true);
}

/// Through any domain that it is on or may be on.
bool may_reach(const InterfaceState& s, u32 device, u32 index) {
  const Number& number = s.numbers[index];
  if (!s.device_has_iommu(device)) return false;
  if (!s.can_send(device, number.value)) return false;
  if (may_reach_attached(s, device, index)) return true;
  if (number.state == NumberState::free || number.space == 0) return false;
  const Space& space = s.spaces[number.space];
  const auto through = [&](u32 domain) {
    bool found = false;
    for_each_table(s, device, domain, true, [&](const EntryTable& table) {
      if (space.owner == Owner::private_pasid) {
        found |= stands_private(s, table, device, number.space, true) != Stands::no;
        return;
      }
      for (u32 b = number.bonds; b != 0; b = s.bonds[b].next) {
        found |= reaches(s, s.bonds[b], table, device, true) != Stands::no;
      }
    });
    return found;
  };
  if (s.devices[device].domain != 0 && through(s.devices[device].domain)) return true;
  for (u32 g = s.devices[device].ghosts; g != 0; g = s.ghosts[g].next) {
    if (through(s.ghosts[g].domain)) return true;
  }
  bool found = false;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    if (kind == CallKind::attach && pending.space != 0 && s.moves_with(pending.device, device)) {
      found |= through(pending.space);
    }
    const bool may_bind = kind == CallKind::bind_device || kind == CallKind::sva_attach;
    if (may_bind && pending.space == number.space && pending.device < s.devices.size()) {
      found |= s.per_device_tables ? pending.device == device
                                   : s.devices[pending.device].domain == s.devices[device].domain;
    }
  });
  return found;
}

bool equal_promises(const InterfaceState& s, u32 a, u32 b, Substream at) {
  if (a == b) return true;
  if (!s.device_exists(a) || !s.device_exists(b) || s.tickets.overflowed()) return false;
  if (s.constants[a].iommu != s.constants[b].iommu) return false;
  if (at.present && s.constants[a].can_wait != s.constants[b].can_wait) return false;
  if (s.devices[a].domain != s.devices[b].domain) return false;
  if (s.devices[a].ghosts != 0 || s.devices[b].ghosts != 0) return false;
  if (s.devices[a].silence != s.devices[b].silence) return false;
  if (at.present) {
    const bool can_send = s.can_send(a, at.number);
    if (can_send != s.can_send(b, at.number)) return false;
    const auto shares = [&](u32 device) {
      return s.devices[device].own_table == records::OwnTable::no && !gets_own_table(s, device);
    };
    // Attachments give a device a table of its own.
    if (can_send && (s.per_device_tables || !shares(a) || !shares(b))) return false;
  }
  bool equal = true;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool moves = kind == CallKind::attach || kind == CallKind::detach;
    if (moves && pending.space != 0)
      equal &= s.moves_with(pending.device, a) == s.moves_with(pending.device, b);
  });
  return equal;
}

}  // namespace iommucheck::spec::sva
