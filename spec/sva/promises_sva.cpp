// SPDX-License-Identifier: MIT
// What an access that carries a PASID may meet. SEMANTICS 5, SVA; INTERFACE "PASID 0", "Bind",
// "Exit", "Faults".
#include <algorithm>

#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

namespace {

constexpr Promise nothing{.state = State::no_pasid};
constexpr Promise quiet{.state = State::quiet};

}  // namespace

/// One outcome is itself; the two pairs that have a name; else "several".
Expectation Interface::settled(u32 device, Substream at, u64 iova) const {
  const Alternatives all = promises_at(device, at, iova, false);
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

bool Interface::reaches(const Bond& bond, u32 device, u32 domain) const {
  return per_device_tables_ ? bond.device == device : bond.domain == domain;
}

bool Interface::has_link(const Space& space, u32 device) const {
  for (u32 l = space.links; l != 0; l = links_[l].next) {
    if (links_[l].device == device) return true;
  }
  return false;
}

bool Interface::meets_by_time_out(u32 device, u32 domain) const {
  for (u32 g = devices_[device].ghosts; g != 0; g = ghosts_[g].next) {
    if (ghosts_[g].domain == domain) return true;
  }
  return false;
}

bool Interface::wants_to_wait(u32 device) const {
  return constants_[device].can_wait && (devices_[device].features & feature_iopf) != 0 &&
         devices_[device].initialised != 0;
}

/// Whether a call in progress may change which devices share a table, or what they want of faults.
bool Interface::minds_may_change() const {
  bool may = false;
  for_each_pending([&](const Pending& pending) {
    switch (static_cast<CallKind>(pending.kind)) {
      case CallKind::attach:
      case CallKind::detach:
      case CallKind::sva_device_init:
      case CallKind::sva_device_shutdown:
      case CallKind::unbind_dev_all: may = true; break;
      default: break;
    }
  });
  return may;
}

/// Whether faults at a process's PASID wait is a property of the table's entry, so where the
/// devices of a domain share it and are not of one mind, either is right.
FaultKind Interface::faults_of_processes(u32 device, u32 domain) const {
  if (per_device_tables_) {
    return wants_to_wait(device) ? FaultKind::waits : FaultKind::terminated;
  }
  bool any = false;
  bool all = true;
  for (u32 i = 0; i < devices_.size(); ++i) {
    // A device that a time-out left between domains may be on it.
    const bool on_it = devices_[i].domain == domain || meets_by_time_out(i, domain);
    if (!on_it) continue;
    const bool wants = wants_to_wait(i) && devices_[i].domain == domain;
    any |= wants;
    all &= wants;
  }
  if (any && all) return minds_may_change() ? FaultKind::may_wait : FaultKind::waits;
  return any ? FaultKind::may_wait : FaultKind::terminated;
}

FaultKind Interface::faults_of(u32 device, Substream at) const {
  if (!at.present || !device_exists(device)) return FaultKind::terminated;
  const u32 number = find_number(at.number);
  const u32 domain = devices_[device].domain;
  bool unseen = false;
  for_each_unseen([&](const Unseen& record) {
    const bool is_process = record.space != 0 && spaces_[record.space].owner == Owner::process;
    unseen |= is_process && is_there(record, device, domain, at.number);
  });
  if (unseen && constants_[device].can_wait) return FaultKind::may_wait;
  if (number == 0 || numbers_[number].space == 0 ||
      spaces_[numbers_[number].space].owner != Owner::process) {
    return FaultKind::terminated;
  }
  return faults_of_processes(device, domain);
}

/// Whether every reference that is left has an unbind in progress, or all of the device's go.
bool Interface::may_have_ended(u32 index) const {
  const Bond& bond = bonds_[index];
  u32 drops = 0;
  bool all = false;
  for_each_pending([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    if (kind == CallKind::unbind_device && pending.bond == index) ++drops;
    if (!ends_bonds(kind) || kind == CallKind::unbind_device) return;
    const bool refused = kind == CallKind::detach && pending.space == 0;
    all |= pending.device == bond.device && !refused;
  });
  return all || drops >= bond.refs;
}

bool Interface::may_have_ended_private(u32 space) const {
  bool ended = false;
  for_each_pending([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    if (kind == CallKind::sva_free_pasid) ended |= pending.space == space;
    if (!ends_bonds(kind) || kind == CallKind::unbind_device) return;
    const bool refused = kind == CallKind::detach && pending.space == 0;
    ended |= pending.device == spaces_[space].maker && !refused;
  });
  return ended;
}

void Interface::substream_promises(u32 device, u32 domain, u32 pasid, u64 iova, bool with_calls,
                                   Alternatives& out) const {
  const auto kind = static_cast<DomainKind>(domain == 0 ? 0 : spaces_[domain].kind);
  if (domain == 0 || kind == DomainKind::blocked) {
    out.add({.state = State::blocked});
    return;
  }
  // Where stage 1 is bypassed a SubstreamID is refused. IHI 0070 7.3.9 (C_BAD_SUBSTREAMID).
  const u32 bits = constants_[device].ssid_bits;
  const bool kept = pasid == 0 && keeps_pasid_0_;
  if (kind != DomainKind::paging || kept || (u64{pasid} >> bits) != 0 || bits == 0) {
    out.add(nothing);
    return;
  }
  const u32 number = find_number(pasid);
  const u32 space = number == 0 ? 0 : numbers_[number].space;
  if (space == 0) {
    out.add(nothing);
  } else if (spaces_[space].owner == Owner::private_pasid) {
    private_promises(device, domain, number, iova, with_calls, out);
  } else {
    bound_promises(device, domain, number, iova, with_calls, out);
  }
  if (unseen_ != 0) unseen_promises(device, domain, pasid, iova, with_calls, out);
  if (with_calls && busy_ != 0) pending_number_promises(device, domain, pasid, iova, out);
}

bool Interface::is_there(const Unseen& record, u32 device, u32 domain, u32 pasid) const {
  const bool reached = per_device_tables_ ? record.device == device : record.domain == domain;
  return reached && record.first <= pasid && pasid <= record.last &&
         is_free_or_in_doubt(find_number(pasid));
}

/// INTERFACE "Timeouts and removal": what a bind or sva_alloc_pasid that timed out may have left
/// at any number that it could choose, and nobody was given since.
void Interface::unseen_promises(u32 device, u32 domain, u32 pasid, u64 iova, bool with_calls,
                                Alternatives& out) const {
  for_each_unseen([&](const Unseen& record) {
    if (!is_there(record, device, domain, pasid)) return;
    out.add(nothing);
    if (record.space == 0) {
      out.add(quiet);
      out.add({.state = State::unmapped});
      return;
    }
    if (record.count != 0 || spaces_[record.space].life == records::zombie) out.add(quiet);
    FaultKind faults = FaultKind::terminated;
    if (spaces_[record.space].owner == Owner::process) {
      // It waits or not, as whoever was on the domain then wanted.
      faults =
          constants_[device].can_wait ? FaultKind::may_wait : faults_of_processes(device, domain);
    }
    space_promises(record.space, iova, faults, with_calls, out);
  });
}

void Interface::private_promises(u32 device, u32 domain, u32 number, u64 iova, bool with_calls,
                                 Alternatives& out) const {
  const u32 index = numbers_[number].space;
  const Space& space = spaces_[index];
  bool reached = space.domain == domain;
  bool doubtful = space.life == records::zombie;
  if (per_device_tables_) {
    reached = false;
    for (u32 l = space.links; l != 0; l = links_[l].next) {
      if (links_[l].device != device) continue;
      reached = true;
      doubtful |= links_[l].doubtful != 0;
    }
  }
  if (!reached) {
    out.add(nothing);
    return;
  }
  space_promises(index, iova, FaultKind::terminated, with_calls, out);
  bool ends = with_calls && busy_ != 0 && may_have_ended_private(index);
  if (with_calls && per_device_tables_) {
    for_each_pending([&](const Pending& pending) {
      const auto kind = static_cast<CallKind>(pending.kind);
      const bool dropped = kind == CallKind::sva_detach && pending.space == index;
      const bool all = kind == CallKind::unbind_dev_all || kind == CallKind::sva_device_shutdown ||
                       (kind == CallKind::detach && pending.space != 0);
      ends |= pending.device == device && (dropped || all);
    });
  }
  if (!ends && !doubtful) return;
  out.concerned |= ends;
  out.add(nothing);
  out.add(quiet);
}

/// A process's PASID, by the bonds through which the device reaches it.
void Interface::bound_promises(u32 device, u32 domain, u32 number, u64 iova, bool with_calls,
                               Alternatives& out) const {
  const u32 process = numbers_[number].space;
  const u32 life = spaces_[process].life;
  bool active = false;    // the process lives
  bool stopping = false;  // a handler is to be called or has not returned
  bool over = false;      // a handler said "done"
  bool held = false;      // nobody said "done" yet
  bool ghost = life == records::zombie;
  bool reached = false;
  bool may_end = with_calls && busy_ != 0;  // of all
  for (u32 b = numbers_[number].bonds; b != 0; b = bonds_[b].next) {
    const Bond& bond = bonds_[b];
    if (!reaches(bond, device, domain)) continue;
    reached = true;
    switch (bond.state) {
      case BondState::active: active = true; break;
      case BondState::owed:
      case BondState::running: stopping = true; break;
      case BondState::done:
      case BondState::ended: over = true; break;
      case BondState::overdue:
      case BondState::failed:
      case BondState::without: held = true; break;
      case BondState::ghost: ghost = true; break;
    }
    if (is_callers(bond) && may_end) may_end = may_have_ended(b);
  }
  if (!reached) {
    out.add(nothing);
    return;
  }
  const bool exits = life == records::releasing;
  if (active || exits || ghost) {
    FaultKind faults = faults_of_processes(device, domain);
    // What a time-out has left there waits or not, as it was before: what devices want may have
    // changed since.
    if (ghost && constants_[device].can_wait) faults = FaultKind::may_wait;
    space_promises(process, iova, faults, with_calls, out);
  }
  if (exits) out.concerned |= with_calls;
  // A time-out of another device's bond leaves the table's entry where it is.
  const bool doubtful = ghost && !active;
  if (exits || doubtful || held) out.add(quiet);
  // What said "done" is dead at the return of Release, and need not be there before; others may
  // hold the number for longer.
  const bool only_done = over && !stopping && !held && !active;
  if (only_done || doubtful) out.add(nothing);
  if (only_done && !exits) out.add(quiet);
  if (!may_end) return;
  out.concerned = true;
  out.add(nothing);
  out.add(quiet);
}

/// What a bind, sva_alloc_pasid or sva_attach in progress may have made reachable at the number.
void Interface::pending_number_promises(u32 device, u32 domain, u32 pasid, u64 iova,
                                        Alternatives& out) const {
  const u32 number = find_number(pasid);
  const bool free = is_free_or_in_doubt(number);
  for_each_pending([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool here = per_device_tables_ ? pending.device == device
                                         : device_exists(pending.device) &&
                                               devices_[pending.device].domain == domain;
    if (!here) return;
    if (kind == CallKind::sva_attach) {
      if (number == 0 || pending.space == 0 || numbers_[number].space != pending.space) return;
      out.concerned = true;
      space_promises(pending.space, iova, FaultKind::terminated, true, out);
      return;
    }
    if (pasid < pending.first_pasid || pasid > pending.last_pasid) return;
    if (kind == CallKind::sva_alloc_pasid && free) {
      out.concerned = true;
      out.add({.state = State::unmapped});
    } else if (kind == CallKind::bind_device) {
      const bool its = !free && numbers_[number].space == pending.space;
      if (!free && !its) return;
      const u32 life = spaces_[pending.space].life;
      if (life != records::living && life != records::releasing) return;
      out.concerned = true;
      space_promises(pending.space, iova, faults_of_processes(device, domain), true, out);
      if (life == records::releasing) out.add(quiet);
    }
  });
}

/// Through any domain that it is on or may be on.
bool Interface::may_reach(u32 device, u32 index) const {
  const Number& number = numbers_[index];
  if (number.state == NumberState::free || number.space == 0 || !device_has_iommu(device)) {
    return false;
  }
  if ((u64{number.value} >> constants_[device].ssid_bits) != 0) return false;
  const Space& space = spaces_[number.space];
  const auto through = [&](u32 domain) {
    if (space.owner == Owner::private_pasid) {
      return per_device_tables_ ? has_link(space, device) : space.domain == domain;
    }
    for (u32 b = number.bonds; b != 0; b = bonds_[b].next) {
      if (reaches(bonds_[b], device, domain)) return true;
    }
    return false;
  };
  if (devices_[device].domain != 0 && through(devices_[device].domain)) return true;
  for (u32 g = devices_[device].ghosts; g != 0; g = ghosts_[g].next) {
    if (through(ghosts_[g].domain)) return true;
  }
  bool found = false;
  for_each_pending([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    if (kind == CallKind::attach && pending.space != 0 && moves_with(pending.device, device)) {
      found |= through(pending.space);
    }
    const bool may_bind = kind == CallKind::bind_device || kind == CallKind::sva_attach;
    if (may_bind && pending.space == number.space && pending.device < devices_.size()) {
      found |= per_device_tables_ ? pending.device == device
                                  : devices_[pending.device].domain == devices_[device].domain;
    }
  });
  return found;
}

bool Interface::equal_promises(u32 a, u32 b, Substream at) const {
  if (a == b) return true;
  if (!device_exists(a) || !device_exists(b) || overflow_ != 0) return false;
  if (constants_[a].iommu != constants_[b].iommu) return false;
  if (at.present && constants_[a].can_wait != constants_[b].can_wait) return false;
  if (devices_[a].domain != devices_[b].domain) return false;
  if (devices_[a].ghosts != 0 || devices_[b].ghosts != 0) return false;
  if (at.present) {
    const auto can_send = [&](u32 device) {
      const u32 bits = constants_[device].ssid_bits;
      return bits != 0 && (u64{at.number} >> bits) == 0;
    };
    if (can_send(a) != can_send(b) || (per_device_tables_ && can_send(a))) return false;
  }
  bool equal = true;
  for_each_pending([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool moves = kind == CallKind::attach || kind == CallKind::detach;
    if (moves && pending.space != 0)
      equal &= moves_with(pending.device, a) == moves_with(pending.device, b);
  });
  return equal;
}

}  // namespace iommucheck::spec::sva
