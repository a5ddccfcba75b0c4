// SPDX-License-Identifier: MIT
#include "spec/sva/private_calls.h"

#include "spec/sva/bond_ends.h"
#include "spec/sva/devices.h"
#include "spec/sva/done.h"
#include "spec/sva/hooks.h"
#include "spec/sva/links.h"
#include "spec/sva/nested.h"
#include "spec/sva/numbers.h"
#include "spec/sva/spaces.h"
#include "spec/sva/unseen.h"

namespace iommucheck::spec::sva {

// --- sva_alloc_pasid ---

/// INTERFACE "Errors and their order", "PASID numbers". The number is judged beside the handle.
Permitted permitted_alloc_private(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  const u32 domain = s.find_paging(call.domain);
  if (domain == 0) set.add(Reason::no_such_paging_domain);
  if (!s.device_has_iommu(call.device)) return set;
  const Device& device = s.devices[call.device];
  if (device.domain != s.find(call.domain)) set.add(Reason::not_the_devices_domain);
  // INTERFACE "Attach": it excludes the host's PASID calls.
  if (has_users_pasid_table(s, device.domain)) set.add(Reason::the_user_has_the_pasid_table);
  if (!s.has_sva(call.device)) set.add(Reason::without_sva_device_init);
  if ((device.features & feature_private) == 0) set.add(Reason::feature_not_asked_for);
  const bool hooks_work = judge_hooks(s, around, set);
  if (!set.empty() || !hooks_work) return set;
  judge_new_number(s, {device.first_pasid, device.last_pasid}, set);
  const bool is_free = set.has(Status::ok);
  const bool none_left = set.has(Status::enospc);
  Permitted made;
  made.set_range(device.first_pasid, device.last_pasid);
  if (is_free) made.add(Reason::done, ValueRule::new_handle);
  if (none_left) made.add(Reason::no_pasid_is_left);
  if (address_spaces_may_be_used_up(s)) {
    made.add(Reason::no_address_space_left);
  }
  may_lack_memory(made, around);
  may_time_out(made, around);
  return made;
}

void begin_alloc_private(const InterfaceState& s, const Call& call, Pending& pending) {
  if (!permitted_alloc_private(s, call, {}).has(Status::ok)) return;
  pending.space = s.find(call.domain);
  pending.first_pasid = s.devices[call.device].first_pasid;
  pending.last_pasid = s.devices[call.device].last_pasid;
}

void apply_alloc_private(InterfaceState& s, const Call& call, const Observed& observed) {
  if (!ended(observed.status)) return;
  const u32 domain = s.find(call.domain);
  const bool is_seen = observed.status == Status::ok && observed.pasid != pasid_unknown;
  const Device& device = s.devices[call.device];
  Unseen unseen{.domain = domain,
                .device = call.device,
                .first = device.first_pasid,
                .last = device.last_pasid,
                .count = 1};
  if (observed.status != Status::ok) return add_unseen(s, unseen);
  const Space& parent = s.spaces[domain];
  const u32 space = s.spaces.allocate(s.trail, {.handle = observed.value,
                                                .page_sizes = parent.page_sizes,
                                                .kind = static_cast<u32>(DomainKind::paging),
                                                .input_bits = parent.input_bits,
                                                .output_bits = parent.output_bits,
                                                .life = records::living,
                                                .owner = Owner::private_pasid,
                                                .domain = domain,
                                                .maker = call.device});
  s.forest.erase(s.freed_io_mms, observed.value, observed.value);
  s.forest.insert(s.io_mms, {.first = observed.value, .last = observed.value, .tag = 2 * space});
  if (is_seen) {
    const u32 number = take_number(s, observed.pasid, NumberState::private_pasid, space);
    s.spaces.edit(s.trail, space).number = number;
    unsay_done(s, call.device, observed.pasid);
  } else {
    unseen.space = space;
    unseen.count = 0;
    add_unseen(s, unseen);
  }
  if (s.per_device_tables) add_link(s, space, call.device, false);
}

// --- sva_free_pasid ---

/// INTERFACE "Free".
Permitted permitted_free_private(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  const u32 space = s.find_private(call.io_mm);
  if (space == 0) {
    set.add(Reason::no_such_private_io_mm);
  } else if (s.find(call.domain) != s.spaces[space].domain) {
    set.add(Reason::not_the_domain_of_the_io_mm);
  } else {
    set.add(Reason::done);
    may_time_out(set, around);
  }
  return set;
}

void begin_free_private(const InterfaceState& s, const Call& call, Pending& pending) {
  if (permitted_free_private(s, call, {}).has(Status::ok)) {
    pending.space = s.find_private(call.io_mm);
  }
}

void apply_free_private(InterfaceState& s, const Call& call, Status status) {
  if (ended(status)) end_private(s, s.find_private(call.io_mm), status == Status::etimedout);
}

// --- io_mm_get_pasid ---

Permitted permitted_get_pasid(const InterfaceState& s, const Call& call) {
  Permitted set;
  const u32 of_process = s.find_process_io_mm(call.io_mm);
  const u32 space = s.find_private(call.io_mm);
  if (of_process != 0) {
    set.add(Reason::a_process_io_mm);
    set.add(Reason::done, ValueRule::one_of);
    set.add_value(s.numbers[of_process].value, "its number");
  } else if (space == 0) {
    set.add(Reason::no_such_io_mm);
  } else if (s.spaces[space].number == 0) {
    const Device& device = s.devices[s.spaces[space].maker];
    set.set_range(device.first_pasid, device.last_pasid);
    set.add(Reason::done, ValueRule::new_pasid);
  } else {
    set.add(Reason::done, ValueRule::one_of);
    set.add_value(s.numbers[s.spaces[space].number].value, "its number");
  }
  return set;
}

/// Of one that was made without the number being seen.
void apply_get_pasid(InterfaceState& s, const Call& call, const Observed& observed) {
  const u32 space = s.find_private(call.io_mm);
  if (observed.status != Status::ok || space == 0 || s.spaces[space].number != 0) return;
  const u32 number =
      take_number(s, static_cast<u32>(observed.value), NumberState::private_pasid, space);
  s.spaces.edit(s.trail, space).number = number;
  unsay_done(s, s.spaces[space].maker, s.numbers[number].value);
  drop_unseen(s, [&](const Unseen& record) { return record.space == space; });
}

// --- sva_attach, sva_detach ---

/// INTERFACE "Bind", shared tables: per_device only.
Permitted permitted_link(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  if (s.find_process_io_mm(call.io_mm) != 0) set.add(Reason::a_process_io_mm);
  const u32 space = s.find_private(call.io_mm);
  if (space == 0) set.add(Reason::no_such_io_mm);
  if (!s.per_device_tables) {
    set.add(Reason::sharing_belongs_to_domains);
    set.add(Reason::tables_belong_to_domains);
    return set;
  }
  if (!s.device_has_iommu(call.device) || space == 0) return set;
  const Device& device = s.devices[call.device];
  if (call.kind == CallKind::sva_detach) {
    if (!s.is_linked(s.spaces[space], call.device)) set.add(Reason::it_is_not_attached);
  } else {
    const bool feature = (device.features & feature_private) != 0;
    if (device.domain != s.spaces[space].domain) {
      set.add(Reason::not_the_devices_domain);
    }
    if (has_users_pasid_table(s, device.domain)) set.add(Reason::the_user_has_the_pasid_table);
    if (!s.has_sva(call.device) || !feature) set.add(Reason::feature_not_asked_for);
    const u32 number = s.spaces[space].number;
    const Range range{device.first_pasid, device.last_pasid};
    if (number != 0 && !range.has(s.numbers[number].value)) {
      set.add(Reason::number_out_of_range);
    }
  }
  if (call.kind == CallKind::sva_attach) judge_hooks(s, around, set);
  if (!set.empty()) return set;
  set.add(Reason::done);
  const bool again = call.kind == CallKind::sva_attach && s.is_linked(s.spaces[space], call.device);
  if (again) set.add(Reason::it_is_attached_already);
  if (call.kind == CallKind::sva_attach) may_lack_memory(set, around);
  may_time_out(set, around);
  return set;
}

void begin_link(const InterfaceState& s, const Call& call, Pending& pending) {
  if (permitted_link(s, call, {}).has(Status::ok)) pending.space = s.find_private(call.io_mm);
}

/// sva_attach, sva_detach. A time-out leaves either.
void apply_link(InterfaceState& s, const Call& call, Status status) {
  if (!ended(status)) return;
  const u32 space = s.find_private(call.io_mm);
  const bool attaches = call.kind == CallKind::sva_attach;
  const bool timed_out = status == Status::etimedout;
  if (attaches && timed_out && s.is_linked(s.spaces[space], call.device)) return;
  drop_link(s, space, call.device);
  if (attaches || timed_out) add_link(s, space, call.device, timed_out);
  const u32 number = s.spaces[space].number;
  if (number == 0) return;
  attaches ? unsay_done(s, call.device, s.numbers[number].value)
           : say_done(s, call.device, s.numbers[number].value);
}

}  // namespace iommucheck::spec::sva
