// SPDX-License-Identifier: MIT
#include "impl/core/recovery.h"

#include "impl/core/attachments.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/entries.h"
#include "impl/core/faults.h"
#include "impl/core/io_mms.h"
#include "impl/core/owed.h"
#include "impl/core/own_tables.h"
#include "impl/core/routes.h"
#include "impl/core/unbind.h"
#include "impl/core/uses.h"

namespace iommucheck::impl {

/// Every route and every entry says what it is to. Entries first: what is said of them anew nobody
/// is led to by a route that is not.
bool Recovery::restore() {
  batch_.begin_anew();
  domains_.for_each_used([&](const Domain& domain) {
    const Entry first = domain.table != nullptr ? Domains::entry_of(domain) : Entry{};
    if (domain.table == nullptr || batch_.unsure()) return;
    batch_.stored(backend_.set_first_entry(*domain.table,
                                           domains_.has_first_entry(domain) ? &first : nullptr));
  });
  uses_.for_each_use([&](const Holder& holder, u32 pasid, const Entry* entry) {
    entries_.restore_entry(holder, pasid, entry);
  });
  attachments_.for_each_used([&](const Attachment& at) {
    const Domain* domain = domains_.find(at.domain);
    if (domain == nullptr && !at.dead) return;  // not there yet
    const bool lives = !at.dead && domains_.has_entry(*domain);
    const Entry entry = lives ? Domains::entry_of(*domain) : Entry{};
    entries_.restore_entry(Holder{.device = at.device}, at.pasid, lives ? &entry : nullptr);
  });
  for (u32 i = 0; i < devices_.count() && !batch_.unsure(); ++i) {
    if (devices_[i].added && !routes_.restore_route(i)) batch_.unsure_if(true);
  }
  return !batch_.unsure();
}

/// Invalidates everything, which covers all that any time-out has left open.
int Recovery::recover() {
  batch_.owe_if(true);
  if (batch_.unsure() && !restore()) return -IOMMUCHECK_ETIMEDOUT;
  if (!backend_.drop_everything()) return -IOMMUCHECK_ETIMEDOUT;
  if (int error = batch_.drop_device_caches()) return error;
  batch_.paid();
  const auto settle_space = [&](Space& space) {
    debts_.settled(space);
    if (!space.old_tag.is_none()) backend_.release_tag(space.old_tag);
    space.old_tag = {};
  };
  io_mms_.for_each_space(settle_space);
  unbinding_.recovered();
  domains_.for_each_used([&](Domain& domain) {
    if (Space* space = domain.mapped()) {
      settle_space(*space);
      space->cached = domain.has_devices();
      space->combined = domain.user_devices != 0;
      if (domain.table != nullptr) backend_.free_abandoned(*domain.table);
    }
    if (domain.zombie) domains_.release(domain);
  });
  attachments_.attachments_recovered();
  tables_.close_waiting_tables();
  for (u32 i = 0; i < devices_.count(); ++i) {
    if (devices_[i].table != nullptr) backend_.free_abandoned(*devices_[i].table);
  }
  for (u32 i = 0; i < devices_.count(); ++i) {
    // One that still does not answer is owed nothing, and owes nothing.
    if (devices_.present(i)) routes_.rejoin(i);
  }
  // Where a move timed out, its device may have reached other spaces until now: nobody is bound
  // there for it, and whoever moves or leaves next would not end its faults.
  faults_.read_all();
  for (u32 i = 0; i < devices_.count(); ++i) devices_[i].between_users = false;
  attachments_.for_each_used([](Attachment& at) { at.between_users = false; });
  return batch_.owed() ? -IOMMUCHECK_ETIMEDOUT : 0;
}

}  // namespace iommucheck::impl
