// SPDX-License-Identifier: MIT
// Users: domains that go by a user's structure over an outer domain, by which numbers a user calls
// devices, and its commands. All domains over one outer domain are one user: its tag is theirs.
// INTERFACE "Nested".
#include "impl/core/core.h"

namespace iommucheck::impl {

Domain* Core::find_outer(iommucheck_handle handle) {
  Domain* domain = domains_.find(handle);
  const bool is = domain != nullptr && !domain->zombie && domain->is_outer();
  return is ? domain : nullptr;
}

// ---- domains ----

/// A table that leads there, where no route does by itself.
int Core::build_nested(Domain& domain) {
  if (!users_by_entries_) return 0;
  domain.table = backend_.open_table();
  if (domain.table == nullptr) return -IOMMUCHECK_ENOMEM;
  const Entry entry = entry_of(domain);
  stored(backend_.set_first_entry(*domain.table, &entry));
  return 0;
}

int Core::alloc_nested(const iommucheck_domain_params& params, iommucheck_handle* handle) {
  const auto* nested = static_cast<const iommucheck_nested_params*>(params.of_kind);
  if (nested == nullptr || nested->abi != IOMMUCHECK_DRIVER_ABI ||
      nested->size < IOMMUCHECK_NESTED_PARAMS_SIZE_VER0 || nested->reserved != 0) {
    return -IOMMUCHECK_EINVAL;
  }
  Domain* parent = find_outer(nested->parent);
  if (parent == nullptr) return -IOMMUCHECK_EINVAL;
  const bool pasids = params.kind == IOMMUCHECK_DOMAIN_NESTED_PASID;
  if (int error = backend_.check_structure(*nested, pasids, *parent->space)) return error;
  Domain* domain = domains_.allocate(platform_);
  if (domain == nullptr) return -IOMMUCHECK_ENOMEM;
  domain->kind = params.kind;
  domain->parent = parent;
  domain->structure = {nested->table, nested->config};
  if (int error = build_nested(*domain)) {
    release(*domain);
    return error;
  }
  ++parent->nested;
  *handle = domains_.handle(*domain);
  return 0;
}

/// Of a domain that its caller frees: it is nobody's child, and devices have no numbers there.
void Core::end_family(Domain& domain) {
  if (domain.parent != nullptr) --domain.parent->nested;
  domain.parent = nullptr;
  domain.virtual_devices.for_each(virtual_devices_, [&](VirtualDevice& its) {
    domain.virtual_devices.remove(virtual_devices_, its);
    virtual_devices_.release(its);
  });
}

// ---- numbers ----

int Core::vdevice(iommucheck_handle handle, u32 device, u64 number) {
  if (!device_present(device)) return -IOMMUCHECK_ENODEV;
  Domain* parent = find_outer(handle);
  if (parent == nullptr || (number >> 32) != 0) return -IOMMUCHECK_EINVAL;
  const auto same = [&](const VirtualDevice& other) {
    return other.device == device || other.number == number;
  };
  if (parent->virtual_devices.find_if(virtual_devices_, same) != nullptr) {
    return -IOMMUCHECK_EEXIST;
  }
  VirtualDevice* made = virtual_devices_.allocate(platform_);
  if (made == nullptr) return -IOMMUCHECK_ENOMEM;
  made->device = device;
  made->number = static_cast<u32>(number);
  parent->virtual_devices.add(virtual_devices_, *made);
  return 0;
}

void Core::drop_virtual_devices(u32 device) {
  domains_.for_each_used([&](Domain& domain) {
    domain.virtual_devices.for_each(virtual_devices_, [&](VirtualDevice& its) {
      if (its.device != device) return;
      domain.virtual_devices.remove(virtual_devices_, its);
      virtual_devices_.release(its);
    });
  });
}

// ---- events ----

int Core::event_queue_open(iommucheck_handle handle, u32 depth, iommucheck_handle* queue) {
  Domain* parent = find_outer(handle);
  if (parent == nullptr) return -IOMMUCHECK_EINVAL;
  if (parent->events != 0) return -IOMMUCHECK_EBUSY;
  if (int error = events_.open(handle, depth, queue)) return error;
  parent->events = *queue;
  return 0;
}

iommucheck_handle Core::events_of(const Fault& fault, u32* number) {
  u32 device = 0;
  if (!device_of(fault, &device) || devices_[device].between_users) return 0;
  const Domain* domain = domains_.find(devices_[device].domain);
  if (domain == nullptr || domain->parent == nullptr) return 0;
  const auto its = [&](const VirtualDevice& one) { return one.device == device; };
  const VirtualDevice* named = domain->parent->virtual_devices.find_if(virtual_devices_, its);
  if (named == nullptr) return 0;
  *number = named->number;
  return domain->parent->events;
}

/// Those that move, and come from a user's domain or go to one: what they have met so far is told.
/// What they meet from now on may be of either, and is told to neither.
void Core::users_part(u32 device, const Domain* to) {
  bool any = to != nullptr && to->is_nested();
  for_each_moving(device, [&](u32 i) {
    const Domain* from = domains_.find(devices_[i].domain);
    any |= from != nullptr && from->is_nested();
  });
  if (!any) return;
  owed_ |= !faults_.drain({});
  for_each_moving(device, [&](u32 i) { devices_[i].between_users = true; });
}

/// The IOMMU knows where they are.
void Core::users_have_parted(u32 device) {
  bool any = false;
  for_each_moving(device, [&](u32 i) { any |= devices_[i].between_users; });
  if (!any) return;
  owed_ |= !faults_.drain({});
  for_each_moving(device, [&](u32 i) { devices_[i].between_users = false; });
}

// ---- what is owed for them ----

void Core::drop_device_wholly(u32 device) {
  if (!is_told(device)) return;
  devices_[device].asked = batch_;
  backend_.drop_device_wholly(device);
}

/// Of which addresses what was mapped there has come to be known is the user's affair, and of which
/// PASIDs where these are its own.
void Core::drop_caches_of_user(const Domain& parent) {
  if (parent.user_devices == 0) return;
  for (u32 i = 0; i < config_->device_count; ++i) {
    const Domain* its = domains_.find(devices_[i].domain);
    if (its == nullptr || its->parent != &parent) continue;
    users_by_entries_ ? drop_device(i, no_pasid) : drop_device_wholly(i);
  }
  attachments_.for_each_used([&](const Attachment& at) {
    const Domain* its = domains_.find(at.domain);
    if (its != nullptr && its->parent == &parent) drop_device(at.device, at.pasid);
  });
}

// ---- commands ----

namespace {

constexpr u64 user_batch_max = 64;
constexpr u64 command_words = 2;

}  // namespace

/// Whether the device is on a domain of the user's; where PASIDs are the host's, whether it is by
/// that one.
bool Core::is_users(const Domain& parent, u32 device, const UserCommand& command) {
  const auto is_on = [&](iommucheck_handle handle) {
    const Domain* on = domains_.find(handle);
    return on != nullptr && on->parent == &parent;
  };
  if (!command.names_pasid || command.pasid == no_pasid) return is_on(devices_[device].domain);
  const Attachment* at = find_attachment(device, command.pasid);
  return at != nullptr && is_on(at->domain);
}

/// False: refused. What is sent for it joins the batch.
bool Core::forward(Domain& parent, const UserCommand& command, const u64* words) {
  using About = UserCommand::About;
  if (command.about == About::refused) return false;
  const Tag tag = parent.space->tag;
  if (!command.names_device) {
    backend_.forward(words, tag, 0, {});
    return true;
  }
  const auto named = [&](const VirtualDevice& its) { return its.number == command.number; };
  const VirtualDevice* its = parent.virtual_devices.find_if(virtual_devices_, named);
  if (its == nullptr || !is_users(parent, its->device, command)) return false;
  if (command.about == About::device) {
    if (!is_told(its->device)) return true;
    devices_[its->device].asked = batch_;
  }
  const Domain* rid = domains_.find(devices_[its->device].domain);
  backend_.forward(words, tag, its->device, rid != nullptr ? rid->structure : Structure{});
  return true;
}

/// In batches. What can refill what the next command is about has acted before that is sent. What
/// an earlier time-out has left open commit() pays.
iommucheck_result Core::cache_invalidate(iommucheck_handle handle, const u64* commands, u64 count) {
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie || !domain->is_nested()) {
    return {0, -IOMMUCHECK_EINVAL, 0};
  }
  auto last = UserCommand::About::device;
  u64 done = 0;
  int refused = 0;
  u64 sent = 0;
  while (sent < count) {
    const u64* words = commands + sent * command_words;
    const UserCommand command = backend_.understand(words);
    if (command.about > last || sent - done == user_batch_max) {
      if (int error = commit()) return {done, error, 0};
      done = sent;
    }
    last = command.about;
    if (!forward(*domain->parent, command, words)) {
      refused = -IOMMUCHECK_EIO;
      break;
    }
    ++sent;
  }
  if (sent != done) {
    if (int error = commit()) return {done, error, 0};
  }
  return {sent, refused, 0};
}

}  // namespace iommucheck::impl
