// SPDX-License-Identifier: MIT
// Which results calls on devices, bonds, PASIDs and io_mm may give. INTERFACE "PASID numbers",
// "sva_device_init", "Bind", "Exit", "Free", "Errors and their order".
#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

using records::Gone;

namespace {

void may_lack_memory(Permitted& set, Circumstances around) {
  if (around.allocation_failed) set.add(Status::enomem, "an allocation of this call failed");
}

void may_time_out(Permitted& set, Circumstances around) {
  if (around.queue_stuck) set.add(Status::etimedout, "the command queue was stuck");
}

}  // namespace

Permitted Interface::permitted_sva(const Call& call, Circumstances around,
                                   const Pending* begun) const {
  switch (call.kind) {
    case CallKind::domain_get_attr:
    case CallKind::io_mm_get_attr: return permitted_get_attr(call);
    case CallKind::pasid_alloc: return permitted_pasid_alloc(call, around);
    case CallKind::pasid_free: return permitted_pasid_free(call);
    case CallKind::sva_device_init: return permitted_init(call, around);
    case CallKind::sva_device_shutdown: return permitted_shutdown(call, around);
    case CallKind::bind_device: return permitted_bind(call, around, begun);
    case CallKind::unbind_device: return permitted_unbind(call, around, begun);
    case CallKind::unbind_dev_all: return permitted_unbind_all(call, around);
    case CallKind::sva_drvdata: return permitted_drvdata(call);
    case CallKind::io_mm_of: return permitted_io_mm_of(call);
    case CallKind::sva_alloc_pasid: return permitted_alloc_private(call, around);
    case CallKind::sva_free_pasid: return permitted_free_private(call, around);
    case CallKind::io_mm_get_pasid: return permitted_get_pasid(call);
    case CallKind::sva_attach:
    case CallKind::sva_detach: return permitted_link(call, around);
    case CallKind::recover: return permitted_recover(around);
    default: break;
  }
  Permitted set;
  set.add(Status::not_built, "the specification has not got this call yet");
  return set;
}

/// INTERFACE "Errors and their order": device gone or without IOMMU.
void Interface::judge_device(const Call& call, Permitted& set) const {
  if (!device_exists(call.device)) {
    set.add(Status::enodev, "no such device");
  } else if (!constants_[call.device].iommu) {
    set.add(Status::enodev, "no IOMMU behind the device");
  }
}

bool Interface::is_inside(const Call& call) const {
  if (!call.context.inside || call.context.device != call.device) return false;
  const u32 bond = find_bond(call.context.device, call.context.pasid);
  if (bond == 0) return false;
  const BondState state = bonds_[bond].state;
  return state == BondState::running || state == BondState::overdue;
}

/// Whether processes or private PASIDs are bound to it.
bool Interface::has_pasids(u32 device) const {
  bool found = false;
  for_each_bond([&](u32 i) { found |= bonds_[i].device == device && is_callers(bonds_[i]); });
  for_each_space([&](u32 i) {
    const Space& space = spaces_[i];
    if (space.owner != Owner::private_pasid || space.life != records::living) return;
    found |= space.maker == device || has_link(space, device);
  });
  return found;
}

/// INTERFACE "Free": calls on a process's io_mm.
Permitted Interface::permitted_on_process(const Call& call) const {
  Permitted set;
  switch (as_domain_call(call.kind)) {
    case CallKind::map_sg: set.add(Status::enodev, "a process's io_mm"); [[fallthrough]];
    case CallKind::unmap:
    case CallKind::unmap_fast:
    case CallKind::iova_to_phys:
      set.add(Status::ok, "", ValueRule::one_of);
      set.add_value(0, "a process's io_mm");
      break;
    default: set.add(Status::enodev, "a process's io_mm"); break;
  }
  return set;
}

/// Constant for the object's life. A space without a table, and a RID's PASID ("none"), may be
/// refused or 0.
Permitted Interface::permitted_get_attr(const Call& call) const {
  Permitted set;
  const bool of_domain = call.kind == CallKind::domain_get_attr;
  const bool of_process = !of_domain && find_process_io_mm(call.io_mm) != 0;
  const u32 space = of_domain ? find(call.domain) : find_private(call.io_mm);
  if (space == 0 && !of_process) set.add(Status::einval, "no such object");
  if (call.attribute != attribute_ttbr0 && call.attribute != attribute_pasid) {
    set.add(Status::einval, "no such attribute");
  }
  if (!set.empty()) return set;
  if (of_process) {
    set.add(Status::enodev, "a process's io_mm");
    return set;
  }
  const bool asks_pasid = call.attribute == attribute_pasid;
  const bool has_table = find_paging(call.domain) != 0 || !of_domain;
  if (of_domain && (asks_pasid || !has_table)) {
    set.add(Status::einval, "the RID's space has no PASID, or no table");
    set.add(Status::ok, "", ValueRule::one_of);
    set.add_value(0, "none");
  } else if (asks_pasid) {
    return permitted_get_pasid(call);
  } else if (spaces_[space].table == 0) {
    set.add(Status::ok, "", ValueRule::new_word);
  } else {
    set.add(Status::ok, "", ValueRule::one_of);
    set.add_value(spaces_[space].table, "constant for its life");
  }
  return set;
}

/// ok with a free one; ENOSPC where none is left. One that a time-out may hold may be given or not.
void Interface::judge_new_number(Range range, Permitted& set) const {
  set.set_range(range.first, range.last);
  const bool free = any_free(range);
  const bool doubtful = any_doubtful(range);
  if (free || doubtful) set.add(Status::ok, "a PASID is free", ValueRule::new_pasid);
  if (!free || doubtful) set.add(Status::enospc, "no PASID is left");
}

/// INTERFACE "PASID numbers".
Permitted Interface::permitted_pasid_alloc(const Call& call, Circumstances around) const {
  Permitted set;
  if (call.max_pasid != 0 && call.min_pasid > call.max_pasid) {
    set.add(Status::einval, "min is beyond max");
  }
  if (call.min_pasid >= pasid_limit || call.max_pasid >= pasid_limit) {
    set.add(Status::einval, "PASIDs have 20 bits");
  }
  const Range range = plain_range(call.min_pasid, call.max_pasid, false);
  const Range within = plain_range(call.min_pasid, call.max_pasid, true);
  if (range.empty()) set.add(Status::einval, "the range is empty");
  if (!set.empty()) return set;
  if (within.empty()) {
    set.add(Status::einval, "the range may be cut to the IOMMU's");
  } else if (!any_free(within)) {
    set.add(Status::enospc, "no PASID of the IOMMU's is left");
  }
  judge_new_number(range, set);
  may_lack_memory(set, around);
  return set;
}

Permitted Interface::permitted_pasid_free(const Call& call) const {
  Permitted set;
  const u32 number = find_number(call.pasid);
  if (number == 0 || numbers_[number].state != NumberState::plain) {
    set.add(Status::einval, "not held as a plain number");
  } else {
    set.add(Status::ok, "it is held");
  }
  return set;
}

/// INTERFACE "sva_device_init".
Permitted Interface::permitted_init(const Call& call, Circumstances around) const {
  Permitted set;
  judge_device(call, set);
  if ((call.features & ~(feature_iopf | feature_private)) != 0) {
    set.add(Status::einval, "an unknown feature");
  }
  if (call.max_pasid != 0 && call.min_pasid > call.max_pasid) {
    set.add(Status::einval, "min is beyond max");
  }
  if (call.min_pasid >= pasid_limit) set.add(Status::einval, "PASIDs have 20 bits");
  if (!device_has_iommu(call.device)) return set;
  const Constants& constants = constants_[call.device];
  const Device& device = devices_[call.device];
  if ((call.features & feature_iopf) != 0 && !constants.can_wait) {
    set.add(Status::einval, "the device's accesses cannot wait");
  }
  if (device.initialised != 0) set.add(Status::eexist, "it was initialised already");
  if (device.domain == 0) set.add(Status::enodev, "the device has no domain");
  if (constants.ssid_bits == 0) set.add(Status::enodev, "no PASIDs");
  if (constants.grouped) {
    set.add(Status::einval, "a group of more than one device has no PASIDs");
    set.add(Status::enodev, "no PASIDs");
  }
  const bool has_range = constants.ssid_bits != 0 &&
                         !device_range(call.device, call.min_pasid, call.max_pasid).empty();
  if (constants.ssid_bits != 0 && !has_range) {
    set.add(Status::einval, "no number is in all the ranges");
  }
  if (!set.empty()) return set;
  set.add(Status::ok, "");
  if (call.max_pasid >= pasid_limit) set.add(Status::einval, "PASIDs have 20 bits");
  const bool paging = spaces_[device.domain].kind == static_cast<u32>(DomainKind::paging);
  if (!paging) set.add(Status::einval, "the device's domain is not a paging one");
  may_lack_memory(set, around);
  may_time_out(set, around);
  return set;
}

Permitted Interface::permitted_shutdown(const Call& call, Circumstances around) const {
  Permitted set;
  judge_device(call, set);
  if (!set.empty()) return set;
  if (!has_sva(call.device)) {
    set.add(Status::einval, "without sva_device_init");
    return set;
  }
  return permitted_unbind_all(call, around);
}

/// INTERFACE "sva_device_init": without init ok, nothing. "Exit": not from inside its own handler.
Permitted Interface::permitted_unbind_all(const Call& call, Circumstances around) const {
  Permitted set;
  judge_device(call, set);
  if (!set.empty()) return set;
  if (is_inside(call)) {
    set.add(Status::edeadlk, "it would wait for the handler that it is called from");
    // That one may be gone already.
    if (find_bond(call.context.device, call.context.pasid) == 0) set.add(Status::ok, "");
    return set;
  }
  set.add(Status::ok, "");
  may_time_out(set, around);
  return set;
}

/// INTERFACE "Bind", "Exit", "Errors and their order".
Permitted Interface::permitted_bind(const Call& call, Circumstances around,
                                    const Pending* begun) const {
  Permitted set;
  if (begun != nullptr && (begun->bond != 0 || begun->gone != Gone::no)) {
    set.add(Status::ok, "its mm_exit was called", ValueRule::one_of);
    set.add_value(begun->first_pasid, "the number of its mm_exit");
    return set;
  }
  judge_device(call, set);
  if ((call.flags & ~bind_further_pasid) != 0) set.add(Status::einval, "an unknown flag");
  const bool has_device = device_has_iommu(call.device);
  if (has_device) {
    const u32 domain = devices_[call.device].domain;
    if (domain == 0 || spaces_[domain].kind != static_cast<u32>(DomainKind::paging)) {
      set.add(Status::einval, "the device has no paging domain");
    }
    if (!has_sva(call.device)) set.add(Status::einval, "without sva_device_init");
    if (constants_[call.device].grouped) set.add(Status::einval, "a group has no PASIDs");
  }
  const u32 process = find_process(call.mm);
  if (process == 0) {
    set.add(Status::esrch, "no such process");
    set.add(Status::einval, "no such process");
    return set;
  }
  const u32 life = spaces_[process].life;
  const bool dies = life != records::living;
  if (dies) set.add(Status::esrch, "the process is dead or dying");
  if (!has_device || set.has(Status::einval)) return set;
  // One that began before Release may still do it, and gets its mm_exit.
  const bool began_before = begun != nullptr && begun->first_pasid <= begun->last_pasid;
  if (dies && !(life == records::releasing && began_before)) return set;

  const Device& device = devices_[call.device];
  const Range range{device.first_pasid, device.last_pasid};
  const bool further = (call.flags & bind_further_pasid) != 0;
  const u32 shared = further ? 0 : main_number(process);
  if (shared != 0) {
    const u32 value = numbers_[shared].value;
    if (range.has(value)) {
      set.add(Status::ok, "", ValueRule::one_of);
      set.add_value(value, "the process's number");
    } else {
      set.add(Status::erange, "the process's number is not in the device's range");
    }
  } else {
    judge_new_number(range, set);
  }
  if (address_spaces() >= address_spaces_) {
    set.add(Status::enospc, "all address space numbers may be in use");
  }
  may_lack_memory(set, around);
  may_time_out(set, around);
  return set;
}

/// INTERFACE "Bind", "Exit". One that waited for the handler says ok, whatever is left of the bond.
Permitted Interface::permitted_unbind(const Call& call, Circumstances around,
                                      const Pending* begun) const {
  Permitted set;
  const u32 bond = device_exists(call.device) ? find_bond(call.device, call.pasid) : 0;
  const Gone gone = begun == nullptr ? Gone::no : begun->gone;
  const bool own = is_inside(call) && call.context.pasid == call.pasid;
  judge_device(call, set);
  if (own) set.add(Status::edeadlk, "it would wait for the handler that it is called from");
  if (gone != Gone::no) set.add(Status::ok, "it waited for the handler");
  if (gone == Gone::by_exit) return set;
  if (bond == 0) set.add(Status::einval, "no such bond");
  if (!set.empty()) return set;
  set.add(Status::ok, "the device is bound there");
  may_time_out(set, around);
  return set;
}

/// INTERFACE "Exit": drvdata is found until the bond is gone.
Permitted Interface::permitted_drvdata(const Call& call) const {
  Permitted set;
  judge_device(call, set);
  const u32 bond = device_exists(call.device) ? find_bond(call.device, call.pasid) : 0;
  if (bond == 0) {
    set.add(Status::enoent, "no such bond");
    return set;
  }
  set.add(Status::ok, "", ValueRule::one_of);
  set.add_value(bonds_[bond].drvdata, "the word given at bind");
  return set;
}

/// What the device reaches through its domain without having asked for it may be named or not.
Permitted Interface::permitted_io_mm_of(const Call& call) const {
  Permitted set;
  judge_device(call, set);
  const u32 number = find_number(call.pasid);
  const bool reached = number != 0 && device_has_iommu(call.device) &&
                       numbers_[number].state != NumberState::plain &&
                       numbers_[number].state != NumberState::doubtful &&
                       may_reach(call.device, number);
  const bool is_private = number != 0 && numbers_[number].state == NumberState::private_pasid;
  bool own = false;
  if (reached && is_private) {
    const Space& space = spaces_[numbers_[number].space];
    own = space.maker == call.device || has_link(space, call.device);
  } else if (reached) {
    // While only the number of a dead process is held, there is an io_mm or not.
    own = find_bond(call.device, call.pasid) != 0 &&
          spaces_[numbers_[number].space].life == records::living;
  }
  if (!own) set.add(Status::enoent, "the device has nothing there");
  if (!reached) return set;
  const u64 handle = is_private ? spaces_[numbers_[number].space].handle : numbers_[number].io_mm;
  set.add(Status::ok, "", handle == 0 ? ValueRule::new_handle : ValueRule::one_of);
  if (handle != 0) set.add_value(handle, "the io_mm there");
  return set;
}

/// INTERFACE "Errors and their order", "PASID numbers". The number is judged beside the handle.
Permitted Interface::permitted_alloc_private(const Call& call, Circumstances around) const {
  Permitted set;
  judge_device(call, set);
  const u32 domain = find_paging(call.domain);
  if (domain == 0) set.add(Status::einval, "no such domain, or not a paging one");
  if (!device_has_iommu(call.device)) return set;
  const Device& device = devices_[call.device];
  if (device.domain != find(call.domain)) set.add(Status::einval, "not the device's domain");
  if (!has_sva(call.device)) set.add(Status::einval, "without sva_device_init");
  if ((device.features & feature_private) == 0) set.add(Status::einval, "feature not asked for");
  if (constants_[call.device].grouped) set.add(Status::einval, "a group has no PASIDs");
  if (!set.empty()) return set;
  judge_new_number({device.first_pasid, device.last_pasid}, set);
  const bool is_free = set.has(Status::ok);
  const bool none_left = set.has(Status::enospc);
  Permitted made;
  made.set_range(device.first_pasid, device.last_pasid);
  if (is_free) made.add(Status::ok, "", ValueRule::new_handle);
  if (none_left) made.add(Status::enospc, "no PASID is left");
  if (address_spaces() >= address_spaces_) {
    made.add(Status::enospc, "all address space numbers may be in use");
  }
  may_lack_memory(made, around);
  may_time_out(made, around);
  return made;
}

/// INTERFACE "Free".
Permitted Interface::permitted_free_private(const Call& call, Circumstances around) const {
  Permitted set;
  const u32 space = find_private(call.io_mm);
  if (space == 0) {
    set.add(Status::einval, "no such io_mm, or a process's");
  } else if (find(call.domain) != spaces_[space].domain) {
    set.add(Status::einval, "not the domain of the io_mm");
  } else {
    set.add(Status::ok, "");
    may_time_out(set, around);
  }
  return set;
}

Permitted Interface::permitted_get_pasid(const Call& call) const {
  Permitted set;
  const u32 of_process = find_process_io_mm(call.io_mm);
  const u32 space = find_private(call.io_mm);
  if (of_process != 0) {
    set.add(Status::enodev, "a process's io_mm");
    set.add(Status::ok, "", ValueRule::one_of);
    set.add_value(numbers_[of_process].value, "its number");
  } else if (space == 0) {
    set.add(Status::einval, "no such io_mm");
  } else if (spaces_[space].number == 0) {
    const Device& device = devices_[spaces_[space].maker];
    set.set_range(device.first_pasid, device.last_pasid);
    set.add(Status::ok, "", ValueRule::new_pasid);
  } else {
    set.add(Status::ok, "", ValueRule::one_of);
    set.add_value(numbers_[spaces_[space].number].value, "its number");
  }
  return set;
}

/// INTERFACE "Bind", shared tables: per_device only.
Permitted Interface::permitted_link(const Call& call, Circumstances around) const {
  Permitted set;
  judge_device(call, set);
  if (find_process_io_mm(call.io_mm) != 0) set.add(Status::enodev, "a process's io_mm");
  const u32 space = find_private(call.io_mm);
  if (space == 0) set.add(Status::einval, "no such io_mm");
  if (!per_device_tables_) {
    set.add(Status::eopnotsupp, "tables belong to domains");
    set.add(Status::einval, "tables belong to domains");
    return set;
  }
  if (!device_has_iommu(call.device) || space == 0) return set;
  const Device& device = devices_[call.device];
  if (call.kind == CallKind::sva_detach) {
    if (!has_link(spaces_[space], call.device)) set.add(Status::einval, "it is not attached");
  } else {
    const bool feature = (device.features & feature_private) != 0;
    if (device.domain != spaces_[space].domain) {
      set.add(Status::einval, "not the device's domain");
    }
    if (!has_sva(call.device) || !feature) set.add(Status::einval, "feature not asked for");
    const u32 number = spaces_[space].number;
    const Range range{device.first_pasid, device.last_pasid};
    if (number != 0 && !range.has(numbers_[number].value)) {
      set.add(Status::erange, "its number is not in the device's range");
    }
  }
  if (!set.empty()) return set;
  set.add(Status::ok, "");
  const bool again = call.kind == CallKind::sva_attach && has_link(spaces_[space], call.device);
  if (again) set.add(Status::eexist, "it is attached already");
  if (call.kind == CallKind::sva_attach) may_lack_memory(set, around);
  may_time_out(set, around);
  return set;
}

Permitted Interface::permitted_recover(Circumstances around) const {
  Permitted set;
  set.add(Status::ok, "");
  may_time_out(set, around);
  return set;
}

}  // namespace iommucheck::spec::sva
