// SPDX-License-Identifier: MIT
// From any state to one that translates with every device blocked, back, and through a time-out.
#include "impl/core/core.h"

#include <algorithm>

namespace iommucheck::impl {

int Core::init() {
  if (int error = backend_.probe()) return error;
  limits_ = backend_.limits();
  devices_ = platform_.arena<Device>(std::max<u32>(config_->device_count, 1));
  const bool room = devices_ != nullptr && sva_.create(config_->device_count) &&
                    faults_.create(config_->device_count);
  return room ? 0 : -IOMMUCHECK_ENOMEM;
}

int Core::reset() {
  if (int error = backend_.begin_reset()) return error;
  // Unknown contents from before reset must be gone before anything is translated.
  if (int error = recover()) return error;
  return backend_.end_reset();
}

int Core::shutdown() {
  leaving_ = true;
  const int error = turn_off();
  leaving_ = false;
  if (error == 0) free_everything();
  return error;
}

int Core::turn_off() {
  if (backend_.takes_commands()) {
    // Off first, so that nothing is filled any more; then caches are emptied; then memory goes.
    if (int error = backend_.block()) return error;
    if (int error = block_caching_devices()) return error;
    if (int error = backend_.stop()) return error;
    if (int error = recover()) return error;
  }
  return backend_.power_off();
}

/// Devices' own caches are emptied while that still works, and cannot be filled again.
int Core::block_caching_devices() {
  bool any = false;
  for (u32 i = 0; i < config_->device_count; ++i) {
    if (!device_present(i) || !backend_.has_cache(i)) continue;
    any = true;
    if (set_route(i, {})) backend_.forget_route(i, false);
  }
  if (!any || !backend_.translates()) return 0;
  if (int error = commit()) return error;
  return drop_device_caches();
}

void Core::free_everything() {
  sva_.shutdown();
  faults_.shutdown();
  events_.shutdown();
  tasks_.for_each_used([&](Task& task) { release_task(task); });
  virtual_devices_.for_each_used([&](VirtualDevice& its) { virtual_devices_.release(its); });
  attachments_.for_each_used([&](Attachment& at) { attachments_.release(at); });
  domains_.for_each_used([&](Domain& domain) { release(domain); });
  close_waiting_tables();
  for (u32 i = 0; i < config_->device_count; ++i) close_own_table(i);
  for (u32 i = 0; i < config_->device_count; ++i) devices_[i] = Device();
  backend_.free_everything();
  owed_ = unsure_ = false;
}

void Core::handle_irq(u64 source) {
  const bool of_faults =
      source == IOMMUCHECK_IRQ_EVENT_QUEUE || source == IOMMUCHECK_IRQ_PAGE_REQUEST_QUEUE;
  if (of_faults) faults_.drain({});
  if (source == IOMMUCHECK_IRQ_GLOBAL_ERROR) backend_.handle_errors();
}

void Core::held(iommucheck_held& held) {
  domains_.for_each_used([&](const Domain& domain) {
    if (!domain.zombie) ++held.domains;
  });
  tasks_.for_each_used([&](const Task&) { ++held.tokens; });
  held.queues = faults_.queues() + events_.queues();
  sva_.held(held);
}

bool Core::has_hooks() const {
  const Backend::Hooks has = backend_.hooks();
  return has.mm_attach && has.mm_detach && has.mm_alloc == has.mm_free;
}

int Core::mm_alloc(iommucheck_handle io_mm) {
  if (!backend_.hooks().mm_alloc) return 0;
  const Backend::Made made = backend_.mm_alloc(io_mm);
  return made.is_null ? -IOMMUCHECK_ENOMEM : made.error;
}

void Core::close_waiting_tables() {
  while (waiting_tables_ != nullptr) {
    Table& table = *waiting_tables_;
    waiting_tables_ = table.next_waiting;
    backend_.close_table(table);
  }
}

/// All that devices have cached themselves; last, as they fill from what was dropped before.
int Core::drop_device_caches() {
  // While nothing is translated, nothing that a device has cached is let through.
  if (!backend_.translates()) return 0;
  for (u32 i = 0; i < config_->device_count; ++i) {
    if (device_present(i)) drop_everything_of(i);
  }
  const SyncResult result = backend_.flush();
  if (result == SyncResult::unanswered) return ask_each();
  ++batch_;
  return result == SyncResult::complete ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

// ---- what could not be stored ----

namespace {

/// In the IOMMU itself.
bool has_acted(SyncResult result) {
  return result == SyncResult::complete || result == SyncResult::unanswered;
}

}  // namespace

/// Step by step, each known before the next. False: the time was up.
bool Core::restore_route(u32 device) {
  const Device& its = devices_[device];
  const bool blocked = its.isolated || leaving_;
  const Route route = blocked ? Route{} : route_to(domains_.find(its.domain), its.table, device);
  for (;;) {
    switch (backend_.prepare_route(device, route)) {
      case Prepared::timed_out: return false;
      case Prepared::ready: return backend_.set_route(device, route) != Stored::timed_out;
      case Prepared::again: break;
    }
    backend_.forget_route(device, false);
    if (!has_acted(backend_.flush())) return false;
  }
}

/// Null: there is none. A table that is gone nothing leads to.
void Core::restore_entry(const Holder& holder, u32 pasid, const Entry* entry) {
  const Domain* domain = domains_.find(holder.domain);
  const Table* table = holder.is_own()     ? devices_[holder.device].table
                       : domain != nullptr ? domain->table
                                           : nullptr;
  if (table == nullptr || unsure_) return;
  Table& its = table_of(holder);
  if (entry == nullptr) {
    stored(backend_.clear_entry(its, pasid));
    return;
  }
  while (!unsure_ && prepare_entry(its, pasid, *entry) == Prepared::again) {
    forget_entry(holder, pasid, false);
    unsure_ |= !has_acted(backend_.flush());
  }
  if (!unsure_) stored(backend_.store_entry(its, pasid, *entry));
}

/// Every route and every entry says what it is to. Entries first: what is said of them anew nobody
/// is led to by a route that is not.
bool Core::restore() {
  unsure_ = false;
  domains_.for_each_used([&](const Domain& domain) {
    const Entry first = domain.table != nullptr ? entry_of(domain) : Entry{};
    if (domain.table == nullptr || unsure_) return;
    stored(backend_.set_first_entry(*domain.table, has_first_entry(domain) ? &first : nullptr));
  });
  sva_.for_each_use([&](const Holder& holder, u32 pasid, const Entry* entry) {
    restore_entry(holder, pasid, entry);
  });
  attachments_.for_each_used([&](const Attachment& at) {
    const Domain* domain = domains_.find(at.domain);
    if (domain == nullptr && !at.dead) return;  // not there yet
    const bool lives = !at.dead && has_entry(*domain);
    const Entry entry = lives ? entry_of(*domain) : Entry{};
    restore_entry(Holder{.device = at.device}, at.pasid, lives ? &entry : nullptr);
  });
  for (u32 i = 0; i < config_->device_count && !unsure_; ++i) {
    if (devices_[i].added && !restore_route(i)) unsure_ = true;
  }
  return !unsure_;
}

/// Invalidates everything, which covers all that any time-out has left open.
int Core::recover() {
  owed_ = true;
  if (unsure_ && !restore()) return -IOMMUCHECK_ETIMEDOUT;
  if (!backend_.drop_everything()) return -IOMMUCHECK_ETIMEDOUT;
  if (int error = drop_device_caches()) return error;
  owed_ = false;
  const auto settle_space = [&](Space& space) {
    settled(space);
    if (!space.old_tag.is_none()) backend_.release_tag(space.old_tag);
    space.old_tag = {};
  };
  sva_.for_each_space(settle_space);
  sva_.recovered();
  domains_.for_each_used([&](Domain& domain) {
    if (Space* space = domain.mapped()) {
      settle_space(*space);
      space->cached = domain.has_devices();
      space->combined = domain.user_devices != 0;
      if (domain.table != nullptr) backend_.free_abandoned(*domain.table);
    }
    if (domain.zombie) release(domain);
  });
  attachments_recovered();
  close_waiting_tables();
  for (u32 i = 0; i < config_->device_count; ++i) {
    if (devices_[i].table != nullptr) backend_.free_abandoned(*devices_[i].table);
  }
  for (u32 i = 0; i < config_->device_count; ++i) {
    // One that still does not answer is owed nothing, and owes nothing.
    if (device_present(i)) rejoin(i);
  }
  // Where a move timed out, its device may have reached other spaces until now: nobody is bound
  // there for it, and whoever moves or leaves next would not end its faults.
  owed_ |= !faults_.drain({});
  for (u32 i = 0; i < config_->device_count; ++i) devices_[i].between_users = false;
  return owed_ ? -IOMMUCHECK_ETIMEDOUT : 0;
}

}  // namespace iommucheck::impl
