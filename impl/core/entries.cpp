// SPDX-License-Identifier: MIT
#include "impl/core/entries.h"

#include "impl/core/attachments.h"
#include "impl/core/batch.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/io_mms.h"
#include "impl/core/owed.h"
#include "impl/core/routes.h"
#include "impl/core/uses.h"

namespace iommucheck::impl {

/// By every device that can have looked at it; `whole`: with the way to it.
void Entries::forget_entry(const Holder& holder, u32 pasid, bool whole) {
  devices_.for_each_device(holder, [&](u32 device) {
    if (devices_.can_send(device, pasid)) backend_.forget_entry(device, pasid, whole);
  });
}

/// The first PASID of a table: it gets place for them. Nobody's translation changes.
int Entries::ensure_table(const Holder& holder) {
  Table& table = domains_.table_of(holder);
  switch (backend_.grow(table)) {
    case Backend::Growth::none: return 0;
    case Backend::Growth::no_memory: return -IOMMUCHECK_ENOMEM;
    case Backend::Growth::moved: break;
  }
  const auto route = [&](u32 device) { return routes_.route_of(device); };
  for (bool prepared = true; prepared;) {
    prepared = false;
    devices_.for_each_device(holder, [&](u32 device) {
      if (!batch_.prepare_route(device, route(device))) return;
      backend_.forget_route(device, false);
      prepared = true;
    });
    const int error = prepared ? batch_.commit() : 0;
    if (error != 0) backend_.not_grown(table);
    if (error != 0) return error;
  }
  const auto move = [&] {
    devices_.for_each_device(holder, [&](u32 device) {
      if (batch_.set_route(device, route(device))) backend_.forget_route(device, false);
    });
  };
  move();
  if (int error = batch_.commit()) {
    backend_.not_grown(table);
    move();
    platform_.barrier();
    return error;
  }
  backend_.grown(table);
  // How much of a table it reaches has changed.
  devices_.for_each_device(holder, [&](u32 device) {
    if (backend_.has_cache(device) && devices_.pasid_bits(device) != 0) {
      batch_.drop_device(device, no_pasid);
    }
  });
  return batch_.commit();
}

int Entries::reserve(const Holder& holder, u32 pasid) {
  if (int error = ensure_table(holder)) return error;
  switch (backend_.make_place(domains_.table_of(holder), pasid)) {
    case Backend::Place::present: return 0;
    case Backend::Place::no_memory: return -IOMMUCHECK_ENOMEM;
    case Backend::Place::made: break;
  }
  // That there was none may have been cached.
  forget_entry(holder, pasid, true);
  return batch_.commit();
}

int Entries::enter(const Holder& holder, u32 pasid, const Entry& entry) {
  Table& table = domains_.table_of(holder);
  int error = 0;
  // While it is invalid its parts may be cached all the same, each from another time: the old ones
  // go before it is valid, and that it was invalid goes after it. The new ones are visible before,
  // because the command is.
  for (auto prepared = Prepared::again; prepared == Prepared::again && error == 0;) {
    prepared = batch_.prepare_entry(table, pasid, entry);
    forget_entry(holder, pasid, false);
    error = batch_.commit();
  }
  if (error == 0) {
    batch_.stored(backend_.store_entry(table, pasid, entry));
    forget_entry(holder, pasid, false);
    error = batch_.commit();
  }
  if (error != 0) batch_.stored(backend_.clear_entry(table, pasid));
  return error;
}

void Entries::change(const Holder& holder, u32 pasid, const Entry& entry) {
  batch_.stored(backend_.store_entry(domains_.table_of(holder), pasid, entry));
  forget_entry(holder, pasid, false);
}

void Entries::clear(const Holder& holder, u32 pasid) {
  batch_.stored(backend_.clear_entry(domains_.table_of(holder), pasid));
  forget_entry(holder, pasid, false);
}

void Entries::restore_entry(const Holder& holder, u32 pasid, const Entry* entry) {
  const Domain* domain = domains_.find(holder.domain);
  const Table* table = holder.is_own()     ? devices_[holder.device].table
                       : domain != nullptr ? domain->table
                                           : nullptr;
  if (table == nullptr || batch_.unsure()) return;
  Table& its = domains_.table_of(holder);
  if (entry == nullptr) {
    batch_.stored(backend_.clear_entry(its, pasid));
    return;
  }
  while (!batch_.unsure() && batch_.prepare_entry(its, pasid, *entry) == Prepared::again) {
    forget_entry(holder, pasid, false);
    batch_.unsure_if(!has_acted(backend_.flush()));
  }
  if (!batch_.unsure()) batch_.stored(backend_.store_entry(its, pasid, *entry));
}

Space* Entries::space_with_tag(Tag tag) {
  Space* found = nullptr;
  const auto look = [&](Space& space) {
    if (space.tag == tag) found = &space;
  };
  domains_.for_each_used([&](Domain& domain) {
    if (domain.is_paging()) look(*domain.space);
  });
  io_mms_.for_each_space(look);
  return found;
}

/// A process comes with the tag that the CPUs gave it. If it is one of ours, ours moves.
int Entries::claim_tag(const iommucheck_mm& mm, u64 cpus, Tag* tag) {
  const int error = backend_.take_tag(mm, cpus, tag);
  if (error != -IOMMUCHECK_EBUSY) return error;
  Space* space = space_with_tag(*tag);
  return space == nullptr ? -IOMMUCHECK_ENOSPC : relocate(*space);
}

/// visit(holder, pasid) for every place where a route may lead to the space.
template <class Visit>
void Entries::for_each_entry(const Space& space, Visit visit) {
  if (space.pasid != no_pasid) {
    uses_.for_each_holder(space, false, [&](const Holder& holder) { visit(holder, space.pasid); });
    return;
  }
  const Holder shared = {.domain = space.domain};
  if (domains_.find(space.domain)->table != nullptr) visit(shared, no_pasid);
  devices_.for_each_device(space.domain, [&](u32 device) {
    if (devices_[device].table != nullptr) visit(Holder{.device = device}, no_pasid);
  });
  attachments_.for_each_used([&](const Attachment& at) {
    if (at.domain == space.domain && !at.dead) visit(Holder{.device = at.device}, at.pasid);
  });
}

/// Gives `space` another tag by one store to each of its entries; the old one, which no cache has
/// when this returns 0, stays taken.
int Entries::relocate(Space& space) {
  const Tag tag = backend_.new_tag();
  if (tag.is_none()) return -IOMMUCHECK_ENOSPC;
  // What was cleared under the old tag is not to be cached under the new one.
  if (int error = debts_.complete(space)) {
    backend_.release_tag(tag);
    return error;
  }
  const Tag old_tag = space.tag;
  space.tag = tag;
  for_each_entry(space, [&](const Holder& holder, u32 pasid) {
    batch_.stored(backend_.store_entry(domains_.table_of(holder), pasid, Domains::entry_of(space)));
  });
  if (!space.cached) return batch_.owed() ? batch_.commit() : 0;
  space.old_tag = old_tag;
  for_each_entry(space,
                 [&](const Holder& holder, u32 pasid) { forget_entry(holder, pasid, false); });
  if (int error = batch_.commit()) return error;
  batch_.drop_translations(old_tag, [&](auto visit) { debts_.for_each_place(space, visit); });
  if (int error = batch_.commit()) return error;
  space.old_tag = {};
  return 0;
}

}  // namespace iommucheck::impl
