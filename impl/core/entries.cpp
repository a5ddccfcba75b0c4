// SPDX-License-Identifier: MIT
// What stands at the PASIDs of a table, and who has cached it.
#include "impl/core/core.h"

namespace iommucheck::impl {

bool Core::device_of(const Fault& fault, u32* device) const {
  for (u32 i = 0; i < config_->device_count; ++i) {
    if (!devices_[i].added || !backend_.came_from(fault, i)) continue;
    *device = i;
    return true;
  }
  return false;
}

/// An entry is one for all devices that reach it, so that faults there wait only if every one of
/// them can, unless the IOMMU asks each for itself.
bool Core::may_wait(const Holder& holder) const {
  if (backend_.devices_wait_alone()) return true;
  bool all = true;
  for_each_device(holder,
                  [&](u32 device) { all &= pasid_bits(device) == 0 || backend_.can_wait(device); });
  return all;
}

bool Core::reads_faults(const Holder& holder) {
  bool any = false;
  for_each_device(holder, [&](u32 device) {
    any |= faults_.has_queue(device) || sva_.has_fault_handler(device);
  });
  return any;
}

/// By every device that can have looked at it; `whole`: with the way to it.
void Core::forget_entry(const Holder& holder, u32 pasid, bool whole) {
  for_each_device(holder, [&](u32 device) {
    if (can_send(device, pasid)) backend_.forget_entry(device, pasid, whole);
  });
}

/// The first PASID of a table: it gets place for them. Nobody's translation changes.
int Core::ensure_table(const Holder& holder) {
  Table& table = table_of(holder);
  switch (backend_.grow(table)) {
    case Backend::Growth::none: return 0;
    case Backend::Growth::no_memory: return -IOMMUCHECK_ENOMEM;
    case Backend::Growth::moved: break;
  }
  const auto route = [&](u32 device) {
    return route_to(domains_.find(devices_[device].domain), devices_[device].table, device);
  };
  for (bool prepared = true; prepared;) {
    prepared = false;
    for_each_device(holder, [&](u32 device) {
      if (!prepare_route(device, route(device))) return;
      backend_.forget_route(device, false);
      prepared = true;
    });
    const int error = prepared ? commit() : 0;
    if (error != 0) backend_.not_grown(table);
    if (error != 0) return error;
  }
  const auto move = [&] {
    for_each_device(holder, [&](u32 device) {
      if (set_route(device, route(device))) backend_.forget_route(device, false);
    });
  };
  move();
  if (int error = commit()) {
    backend_.not_grown(table);
    move();
    platform_.barrier();
    return error;
  }
  backend_.grown(table);
  // How much of a table it reaches has changed.
  for_each_device(holder, [&](u32 device) {
    if (backend_.has_cache(device) && pasid_bits(device) != 0) {
      drop_device(device, no_pasid);
    }
  });
  return commit();
}

int Core::reserve(const Holder& holder, u32 pasid) {
  if (int error = ensure_table(holder)) return error;
  switch (backend_.make_place(table_of(holder), pasid)) {
    case Backend::Place::present: return 0;
    case Backend::Place::no_memory: return -IOMMUCHECK_ENOMEM;
    case Backend::Place::made: break;
  }
  // That there was none may have been cached.
  forget_entry(holder, pasid, true);
  return commit();
}

/// What timed out is owed: whoever commits next recovers, and stores all entries again.
bool Core::stored(Stored stored) {
  if (stored != Stored::timed_out) return stored == Stored::changed;
  unsure_ = owed_ = true;
  return true;
}

Prepared Core::prepare_entry(Table& table, u32 pasid, const Entry& entry) {
  const Prepared prepared = backend_.prepare_entry(table, pasid, entry);
  if (prepared == Prepared::timed_out) unsure_ = owed_ = true;
  return prepared;
}

int Core::enter(const Holder& holder, u32 pasid, const Entry& entry) {
  Table& table = table_of(holder);
  int error = 0;
  // While it is invalid its parts may be cached all the same, each from another time: the old ones
  // go before it is valid, and that it was invalid goes after it. The new ones are visible before,
  // because the command is.
  for (auto prepared = Prepared::again; prepared == Prepared::again && error == 0;) {
    prepared = prepare_entry(table, pasid, entry);
    forget_entry(holder, pasid, false);
    error = commit();
  }
  if (error == 0) {
    stored(backend_.store_entry(table, pasid, entry));
    forget_entry(holder, pasid, false);
    error = commit();
  }
  if (error != 0) stored(backend_.clear_entry(table, pasid));
  return error;
}

void Core::change(const Holder& holder, u32 pasid, const Entry& entry) {
  stored(backend_.store_entry(table_of(holder), pasid, entry));
  forget_entry(holder, pasid, false);
}

void Core::clear(const Holder& holder, u32 pasid) {
  stored(backend_.clear_entry(table_of(holder), pasid));
  forget_entry(holder, pasid, false);
}

// ---- spaces and their tags ----

Entry Core::entry_of(const Space& space) { return {.space = &space, .tag = space.tag}; }

int Core::open_space(iommucheck_handle domain, u32 pasid, Space** space) {
  if (int error = backend_.open_space(domains_.find(domain)->space->input_bits, space)) {
    return error;
  }
  (*space)->domain = domain;
  (*space)->pasid = pasid;
  return 0;
}

Space* Core::space_with_tag(Tag tag) {
  Space* found = nullptr;
  const auto look = [&](Space& space) {
    if (space.tag == tag) found = &space;
  };
  domains_.for_each_used([&](Domain& domain) {
    if (domain.is_paging()) look(*domain.space);
  });
  sva_.for_each_space(look);
  return found;
}

/// A process comes with the tag that the CPUs gave it. If it is one of ours, ours moves.
int Core::claim_tag(const iommucheck_mm& mm, u64 cpus, Tag* tag) {
  const int error = backend_.take_tag(mm, cpus, tag);
  if (error != -IOMMUCHECK_EBUSY) return error;
  Space* space = space_with_tag(*tag);
  return space == nullptr ? -IOMMUCHECK_ENOSPC : relocate(*space);
}

/// visit(holder, pasid) for every place where a route may lead to the space.
template <class Visit>
void Core::for_each_entry(const Space& space, Visit visit) {
  if (space.pasid != no_pasid) {
    sva_.for_each_holder(space, false, [&](const Holder& holder) { visit(holder, space.pasid); });
    return;
  }
  const Holder shared = {.domain = space.domain};
  if (domains_.find(space.domain)->table != nullptr) visit(shared, no_pasid);
  for_each_device(space.domain, [&](u32 device) {
    if (devices_[device].table != nullptr) visit(Holder{.device = device}, no_pasid);
  });
  attachments_.for_each_used([&](const Attachment& at) {
    if (at.domain == space.domain && !at.dead) visit(Holder{.device = at.device}, at.pasid);
  });
}

/// Gives `space` another tag by one store to each of its entries; the old one, which no cache has
/// when this returns 0, stays taken.
int Core::relocate(Space& space) {
  const Tag tag = backend_.new_tag();
  if (tag.is_none()) return -IOMMUCHECK_ENOSPC;
  // What was cleared under the old tag is not to be cached under the new one.
  if (int error = complete(space)) {
    backend_.release_tag(tag);
    return error;
  }
  const Tag old_tag = space.tag;
  space.tag = tag;
  for_each_entry(space, [&](const Holder& holder, u32 pasid) {
    stored(backend_.store_entry(table_of(holder), pasid, entry_of(space)));
  });
  if (!space.cached) return owed_ ? commit() : 0;
  space.old_tag = old_tag;
  for_each_entry(space,
                 [&](const Holder& holder, u32 pasid) { forget_entry(holder, pasid, false); });
  if (int error = commit()) return error;
  drop_translations(old_tag, [&](auto visit) { for_each_place(space, visit); });
  if (int error = commit()) return error;
  space.old_tag = {};
  return 0;
}

}  // namespace iommucheck::impl
