// SPDX-License-Identifier: MIT
#include "spec/sva/attach.h"

#include "spec/sva/attachments.h"
#include "spec/sva/bond_ends.h"
#include "spec/sva/devices.h"
#include "spec/sva/exit.h"
#include "spec/sva/fault_queues.h"
#include "spec/sva/faults.h"
#include "spec/sva/layers.h"
#include "spec/sva/map.h"
#include "spec/sva/nested.h"
#include "spec/sva/recorded_faults.h"
#include "spec/sva/time_outs.h"
#include "spec/sva/tokens.h"
#include "spec/sva/user_events.h"
#include "spec/sva/walkers.h"

namespace iommucheck::spec::sva {

namespace {

void move_device(InterfaceState& s, u32 device, u32 domain) {
  device_of_events_moves(s, device);
  Device& record = s.devices.edit(s.trail, device);
  if (record.domain != 0) --s.spaces.edit(s.trail, record.domain).devices;
  record.domain = domain;
  note_users_device(s, domain);
  if (domain != 0) ++s.spaces.edit(s.trail, domain).devices;
}

}  // namespace

// --- attach ---

namespace {

/// Whether processes or private PASIDs are bound to it.
bool has_pasids(const InterfaceState& s, u32 device) {
  bool found = false;
  s.for_each_bond([&](u32 i) { found |= s.bonds[i].device == device && is_callers(s.bonds[i]); });
  s.for_each_space([&](u32 i) {
    const Space& space = s.spaces[i];
    if (space.owner != Owner::private_pasid || space.life != records::living) return;
    found |= space.maker == device || s.is_linked(space, device);
  });
  return found;
}

}  // namespace

/// INTERFACE "Attach"; "Errors and their order": ENODEV, EINVAL, EBUSY, ENOMEM.
/// All that move together.
bool passes(const InterfaceState& s, u32 device) {
  bool all = true;
  for (u32 i = 0; i < s.devices.size(); ++i) {
    if (s.moves_with(device, i)) all &= s.constants[i].passes;
  }
  return all;
}

Permitted permitted_attach(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  if (s.find(call.domain) == 0) set.add(Reason::no_such_domain);
  if (!set.empty()) return set;
  if (s.find_dynamic(call.domain) != 0) {
    judge_dynamic_move(s, call, set);
    return set;
  }
  const u32 index = s.find(call.domain);
  if (is_behind_another_iommu(s, index, call.device)) set.add(Reason::behind_another_iommu);
  if (s.devices[call.device].domain != index && has_pasids(s, call.device)) {
    set.add(Reason::bound_to_the_device);
    return set;
  }
  if (s.spaces[index].kind == static_cast<u32>(DomainKind::identity) && !passes(s, call.device)) {
    set.add(Reason::identity_of_such_a_device);
    return set;
  }
  if (!s.routes_users && is_behind_stage2(s, index) && has_attachments(s, call.device)) {
    set.add(Reason::its_pasids_have_domains);
    return set;
  }
  if (!set.empty()) return set;
  may_lack_memory(set, around);
  bool settled = true;
  bool replaces = false;
  for (u32 i = 0; i < s.devices.size(); ++i) {
    if (!s.moves_with(call.device, i)) continue;
    if (s.devices[i].domain != index && would_silence(s, i, index)) {
      set.add(Reason::it_would_silence_faults);
    }
    settled &= s.devices[i].domain == index && s.devices[i].ghosts == 0;
    replaces |= s.devices[i].domain != 0;
  }
  set.add(settled    ? Reason::the_same_domain_again
          : replaces ? Reason::attach_replaces
                     : Reason::first_attach);
  if (!settled) may_time_out(set, around);
  return set;
}

void begin_attach(const InterfaceState& s, const Call& call, Pending& pending) {
  if (s.find_dynamic(call.domain) != 0) return;
  if (permitted_attach(s, call, {}).has(Status::ok)) pending.space = s.find(call.domain);
}

/// INTERFACE "Attach". After a time-out the devices stay, and may meet either domain.
void apply_attach(InterfaceState& s, const Call& call, Status status) {
  if (status != Status::ok && status != Status::etimedout) return;
  const u32 index = s.find(call.domain);
  if (is_dynamic(s.spaces[index])) return;
  for (u32 i = 0; i < s.devices.size(); ++i) {
    if (!s.moves_with(call.device, i) || s.devices[i].domain == index) continue;
    if (status == Status::etimedout) {
      add_ghost(s, i, index);
      note_users_device(s, index);
      rid_moved(s, i, true);
      continue;
    }
    move_device(s, i, index);
    belongs_to_iommu_of(s, index, i);
    drop_ghosts(s, i);
    rid_moved(s, i, false);
  }
}

// --- detach ---

Permitted permitted_detach(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  const u32 index = s.find(call.domain);
  if (set.empty() && s.find_dynamic(call.domain) != 0) {
    judge_dynamic_move(s, call, set);
    return set;
  }
  if (index == 0) {
    set.add(Reason::no_such_domain);
  } else if (call.device >= s.devices.size() || s.devices[call.device].domain != index) {
    set.add(Reason::not_on_that_domain);
  }
  if (!set.empty()) return set;
  if (is_inside(s, call)) {
    set.add(Reason::waits_for_itself);
    return set;
  }
  set.add(Reason::the_device_is_on_this_domain);
  may_time_out(set, around);
  return set;
}

void begin_detach(const InterfaceState& s, const Call& call, Pending& pending) {
  if (s.find_dynamic(call.domain) != 0) return;
  if (permitted_detach(s, call, {}).has(Status::ok)) pending.space = s.find(call.domain);
}

/// Detach implies the sync and unbind_dev_all. After a time-out it is detached for the caller, and
/// no more.
void apply_detach(InterfaceState& s, const Call& call, Status status) {
  if (status != Status::ok && status != Status::etimedout) return;
  if (s.find_dynamic(call.domain) != 0) return;
  end_all_of(s, call.device, Gone::by_another, status == Status::etimedout);
  end_attachments_of(s, call.device, status == Status::etimedout);
  const u32 index = s.find(call.domain);
  for (u32 i = 0; i < s.devices.size(); ++i) {
    if (!s.moves_with(call.device, i) || s.devices[i].domain != index) continue;
    move_device(s, i, 0);
    if (status == Status::etimedout) {
      add_ghost(s, i, index);
    } else {
      drop_ghosts(s, i);
    }
  }
  if (status == Status::etimedout) {
    quarantine_stale(s, index);
  } else {
    empty_gather(s, index);
  }
}

// --- Devices that come and go ---

void device_added(InterfaceState& s, u32 device) {
  if (device < s.devices.size()) s.devices.edit(s.trail, device).present = 1;
}

/// INTERFACE "Timeouts and removal". A device that comes back begins anew. After a time-out what it
/// stood for is there until recovery: what it could reach, and that it had a say in a shared table.
void device_removed(InterfaceState& s, u32 device, bool timed_out) {
  forget_vdevices_of_device(s, device);
  if (!s.device_exists(device)) return;
  s.trail.set(s.changes, s.changes + 1);
  end_all_of(s, device, Gone::by_another, timed_out);
  end_attachments_of(s, device, timed_out);
  drop_tokens_of(s, device);
  close_queues_of(s, device);
  const u32 domain = s.devices[device].domain;
  if (domain != 0) {
    move_device(s, device, 0);
    if (timed_out) {
      quarantine_stale(s, domain);
      add_ghost(s, device, domain);
    } else {
      empty_gather(s, domain);
    }
  }
  if (!timed_out) drop_ghosts(s, device);
  forget_silence(s, device);
  Device& record = s.devices.edit(s.trail, device);
  record.present = 0;
  record.initialised = 0;
  end_faults(s);
}

}  // namespace iommucheck::spec::sva
