// SPDX-License-Identifier: MIT
#include "spec/sva/time_outs.h"

#include "spec/sva/attachments.h"
#include "spec/sva/bonds.h"
#include "spec/sva/faults.h"
#include "spec/sva/layers.h"
#include "spec/sva/links.h"
#include "spec/sva/numbers.h"
#include "spec/sva/promise_words.h"
#include "spec/sva/spaces.h"
#include "spec/sva/unseen.h"
#include "spec/sva/user_events.h"

namespace iommucheck::spec::sva {

// --- Devices between domains ---

void add_ghost(InterfaceState& s, u32 device, u32 domain) {
  device_of_events_moves(s, device);
  Device& record = s.devices.edit(s.trail, device);
  for (u32 g = record.ghosts; g != 0; g = s.ghosts[g].next) {
    if (s.ghosts[g].domain == domain) return;
  }
  record.ghosts = s.ghosts.allocate(s.trail, {.domain = domain, .next = record.ghosts});
  ++s.spaces.edit(s.trail, domain).ghosts;
}

void drop_ghosts(InterfaceState& s, u32 device) {
  if (s.devices[device].ghosts == 0) return;
  Device& record = s.devices.edit(s.trail, device);
  while (record.ghosts != 0) {
    const u32 g = record.ghosts;
    record.ghosts = s.ghosts[g].next;
    --s.spaces.edit(s.trail, s.ghosts[g].domain).ghosts;
    s.ghosts.release(s.trail, g);
  }
}

void drop_ghosts_of_domain(InterfaceState& s, u32 domain) {
  if (s.spaces[domain].ghosts == 0) return;
  for (u32 i = 0; i < s.devices.size(); ++i) {
    u32 kept = 0;
    Device& record = s.devices.edit(s.trail, i);
    for (u32 g = record.ghosts; g != 0;) {
      const u32 next = s.ghosts[g].next;
      if (s.ghosts[g].domain == domain) {
        s.ghosts.release(s.trail, g);
        --s.spaces.edit(s.trail, domain).ghosts;
      } else {
        s.ghosts.edit(s.trail, g).next = kept;
        kept = g;
      }
      g = next;
    }
    record.ghosts = kept;
  }
}

// --- Devices that do not answer ---

/// INTERFACE "Timeouts and removal": a device that did not say that it has forgotten what it was
/// told to forget may use it at any time, so that its accesses may be blocked, and nobody else's,
/// until it answers. The call in which it does may still be giving it back what it reached, also
/// while others begin and end; outside of all calls, behind an interrupt, nobody asks whether it
/// does.
void endpoint_says(InterfaceState& s, u32 device, records::Silence what) {
  using records::Silence;
  if (device >= s.devices.size()) return;
  if (what == Silence::answered && !s.tickets.any()) what = Silence::timed_out;
  const Silence before = s.devices[device].silence;
  if (before == what || (before == Silence::none && what != Silence::silent)) return;
  if (before == Silence::none) s.trail.set(s.silent, s.silent + 1);
  s.devices.edit(s.trail, device).silence = what;
}

void answers_are_over(InterfaceState& s, bool timed_out) {
  if (s.silent == 0) return;
  for (u32 i = 0; i < s.devices.size(); ++i) {
    if (s.devices[i].silence != records::Silence::answered) continue;
    if (timed_out) {
      s.devices.edit(s.trail, i).silence = records::Silence::timed_out;
    } else if (!s.tickets.any()) {
      forget_silence(s, i);
    }
  }
}

/// It answers, or it is gone.
void forget_silence(InterfaceState& s, u32 device) {
  if (s.devices[device].silence == records::Silence::none) return;
  s.trail.set(s.silent, s.silent - 1);
  s.devices.edit(s.trail, device).silence = records::Silence::none;
}

// --- Numbers that nobody saw ---

/// INTERFACE "Timeouts and removal": what a bind or sva_alloc_pasid that timed out may have left
/// at any number that it could choose, and nobody was given since.
void unseen_promises(const InterfaceState& s, u32 device, const EntryTable& table, u32 pasid,
                     u64 iova, bool with_calls, Alternatives& out) {
  s.for_each_unseen([&](const Unseen& record) {
    if (!is_there(s, record, device, table, pasid)) return;
    out.add(promise::nothing);
    if (record.space == 0) {
      out.add(promise::quiet);
      out.add({.state = State::unmapped});
      return;
    }
    if (record.count != 0 || s.spaces[record.space].life == records::zombie)
      out.add(promise::quiet);
    FaultKind faults = FaultKind::terminated;
    if (s.spaces[record.space].owner == Owner::process) {
      // It waits or not, as whoever was on the domain then wanted.
      faults = s.constants[device].can_wait ? FaultKind::may_wait
                                            : faults_of_processes(s, device, table);
    }
    space_promises(s, record.space, iova, faults, with_calls, out);
  });
}

// --- Recovery ---

namespace {

/// Recovery: nothing is reached any more that was gone for the caller.
void ghosts_end(InterfaceState& s) {
  s.for_each_bond([&](u32 i) {
    if (s.bonds[i].state == BondState::ghost) remove_bond(s, i);
  });
  for (u32 i = 1; i < s.numbers.bound(); ++i) {
    if (s.numbers[i].state == NumberState::doubtful) free_number(s, i);
  }
  s.for_each_space([&](u32 i) {
    for (u32 l = s.spaces[i].links; l != 0;) {
      const u32 next = s.links[l].next;
      if (s.links[l].doubtful != 0) drop_link(s, i, s.links[l].device);
      l = next;
    }
    if (s.spaces[i].owner == Owner::process && s.spaces[i].life == records::zombie) {
      s.spaces.edit(s.trail, i).life = records::dead;
      forget_process(s, i);
    }
  });
}

}  // namespace

void ghosts_end_of_domain(InterfaceState& s, u32 domain) {
  s.for_each_bond([&](u32 i) {
    if (s.bonds[i].state != BondState::ghost || s.bonds[i].domain != domain) return;
    const u32 number = s.bonds[i].number;
    remove_bond(s, i);
    if (s.numbers[number].state == NumberState::doubtful && s.numbers[number].bonds == 0) {
      free_number(s, number);
    }
  });
}

Permitted permitted_recover(Circumstances around) {
  Permitted set;
  set.add(Reason::done);
  may_time_out(set, around);
  return set;
}

/// INTERFACE "Timeouts and removal": held until recovery.
void recovered(InterfaceState& s) {
  s.trail.set(s.changes, s.changes + 1);
  for (u32 i = 0; i < s.devices.size(); ++i) {
    drop_ghosts(s, i);
    if (s.devices[i].silence == records::Silence::timed_out) forget_silence(s, i);
  }
  settle_attachments(s);
  // What is there, and only its number was not seen, stays.
  drop_unseen(s, [&](const Unseen& record) {
    return record.count != 0 || s.spaces[record.space].life == records::zombie;
  });
  ghosts_end(s);
  for (u32 i = 1; i < s.spaces.bound(); ++i) {
    const Space& space = s.spaces[i];
    if (space.life == records::zombie) {
      release_space(s, i);
    } else if (is_environments(space) && space.life != records::unused) {
      clear_stale(s, i);
    } else if (space.life == records::living) {
      drop_tagged(s, i, records::in_quarantine, 0, whole_space);
    }
  }
}

}  // namespace iommucheck::spec::sva
