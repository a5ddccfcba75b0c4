// SPDX-License-Identifier: MIT
// Devices and domains: who translates through what. INTERFACE "Attach", "Free"; arch 7.3, 7.5.
#include <algorithm>

#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

namespace {

constexpr u64 page_sizes_4k = u64{1} << 12 | u64{1} << 21 | u64{1} << 30;

}  // namespace

/// Devices that move together have no PASIDs (INTERFACE "Attach").
bool Smmu::alone(u32 device) const {
  for (u32 i = 0; i < config_->device_count; ++i) {
    if (i != device && device_config(i).group == device_config(device).group) return false;
  }
  return true;
}

/// Into the ring of the devices that move together.
void Smmu::join_group(u32 device) {
  devices_[device].next = device;
  for (u32 i = 0; i < config_->device_count; ++i) {
    const bool other = i != device && devices_[i].added;
    if (!other || device_config(i).group != device_config(device).group) continue;
    devices_[device].next = devices_[i].next;
    devices_[i].next = device;
    return;
  }
}

void Smmu::leave_group(u32 device) {
  u32 before = device;
  while (devices_[before].next != device) before = devices_[before].next;
  devices_[before].next = devices_[device].next;
  devices_[device].next = device;
}

int Smmu::device_add(u32 device) {
  if (device >= config_->device_count) return -IOMMUCHECK_EINVAL;
  if (devices_[device].added) return -IOMMUCHECK_EEXIST;
  const iommucheck_device& config = device_config(device);
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    if ((u64{config.stream_ids[i]} >> features_.stream_id_bits) != 0) return -IOMMUCHECK_ENODEV;
  }
  const u64 word1 = ste::word1(features_, can_stall(device), has_ats(device));
  bool changed = false;
  bool no_memory = false;
  for (u32 i = 0; i < config.stream_id_count && !no_memory; ++i) {
    const StreamTable::Added added = streams_.add(platform_, config.stream_ids[i]);
    no_memory = added == StreamTable::Added::no_memory;
    changed |= added == StreamTable::Added::linked;
    if (!no_memory) changed |= streams_.set_word1(platform_, config.stream_ids[i], word1);
  }
  if (changed) {
    // After a failure too: what was linked stays, blocked, and the next device may find it there.
    for_each_stream(device, [&](u64 sid) { add(command::cfgi_ste(sid, false)); });
    if (int error = commit()) return error;
  }
  if (no_memory) return -IOMMUCHECK_ENOMEM;
  if (has_ats(device)) {
    // Whoever had the device before us may have left translations in it.
    add_atc_all(device, 0);
    if (int error = commit()) return error;
  }
  const u32 bits = std::min<u32>(config.ssid_bits, features_.ssid_bits);
  devices_[device] = {.added = true, .pasid_bits = static_cast<u8>(alone(device) ? bits : 0)};
  join_group(device);
  return 0;
}

/// Surprise removal: nobody is waited for, and the device itself is not spoken to any more. The
/// others of its group stay where they are.
int Smmu::device_remove(u32 device) {
  if (!device_exists(device)) return -IOMMUCHECK_EINVAL;
  devices_[device].gone = true;
  leave_group(device);
  int error = sva_.device_gone(device);
  Domain* domain = domains_.find(devices_[device].domain);
  if (domain != nullptr) {
    const int late = take_off(*domain, device);
    if (error == 0) error = late;
  }
  devices_[device] = Device();
  return error;
}

int Smmu::device_init(u32 device, u32 features, u32 min, u32 max, bool has_mm_exit) {
  if (!device_exists(device)) return -IOMMUCHECK_ENODEV;
  if (!alone(device)) return -IOMMUCHECK_EINVAL;
  return sva_.device_init(device, can_stall(device), features, min, max, has_mm_exit);
}

/// Word 0 of the STEs of a device on `domain`.
u64 Smmu::ste_word0(const Domain* domain, u32 device) const {
  if (domain == nullptr || domain->kind == IOMMUCHECK_DOMAIN_BLOCKED) return ste::blocked;
  if (domain->kind == IOMMUCHECK_DOMAIN_IDENTITY) return ste::bypass;
  return domain->cds.ste_word0(pasid_bits(device));
}

/// False if every STE of the device has that word already.
bool Smmu::set_stes(u32 device, u64 word) {
  const iommucheck_device& config = device_config(device);
  bool changed = false;
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    if (streams_.word0(platform_, config.stream_ids[i]) == word) continue;
    streams_.set_word0(platform_, config.stream_ids[i], word);
    changed = true;
  }
  return changed;
}

/// CFGI for every STE of the device, which drops its CDs as well.
void Smmu::add_cfgi(u32 device) {
  for_each_stream(device, [&](u64 sid) { add(command::cfgi_ste(sid, true)); });
}

/// A device has left `domain`, for the SMMU too. What it has gathered is completed; if it was the
/// last one the ASID is emptied, so that the domain owes nothing from here on.
int Smmu::leave(Domain& domain, u32 device) {
  const iommucheck_handle handle = domains_.handle(domain);
  --domain.devices;
  if (has_ats(device)) --domain.ats_devices;
  if (domain.kind != IOMMUCHECK_DOMAIN_PAGING) return 0;
  sva_.end_faults(handle, device);
  sva_.update_waits(handle);
  if (domain.devices != 0) {
    const int error = commit();
    const int late = complete(domain.space);
    return error != 0 ? error : late;
  }
  const int error = sva_.domain_left(handle);
  domain.space.gather.add_all();
  if (int late = complete(domain.space)) return late;
  domain.space.cached = false;
  return error;
}

/// Switches the STEs of all that move to `domain`. On an error they are what they were.
int Smmu::move_devices(u32 device, Domain& domain) {
  const iommucheck_handle to = domains_.handle(domain);
  const bool paging = domain.kind == IOMMUCHECK_DOMAIN_PAGING;
  for_each_moving(device, [&](u32 i) { devices_[i].domain = to; });
  sva_.update_waits(to);
  // Table stores of the new domain come first, whatever has been ordered since.
  platform_.barrier();
  for_each_moving(device, [&](u32 i) {
    if (!set_stes(i, ste_word0(&domain, i))) return;
    domain.space.cached |= paging;
    add_cfgi(i);
  });
  int error = commit();
  if (error == 0) {
    for_each_moving(device, [&](u32 i) {
      const Domain* before = domains_.find(devices_[i].from);
      if (before != nullptr && before->kind == IOMMUCHECK_DOMAIN_PAGING) {
        add_atc_everything(i, devices_[i].from);
      }
    });
    error = commit();
  }
  if (error == 0) {
    domain.space.cached |= paging;
    return 0;
  }
  // Nothing is known: back to what was, and all domains stay cached until recovery.
  for_each_moving(device,
                  [&](u32 i) { set_stes(i, ste_word0(domains_.find(devices_[i].from), i)); });
  platform_.barrier();
  for_each_moving(device, [&](u32 i) { devices_[i].domain = devices_[i].from; });
  sva_.update_waits(to);
  return error;
}

int Smmu::attach(iommucheck_handle handle, u32 device) {
  if (!device_exists(device)) return -IOMMUCHECK_ENODEV;
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie) return -IOMMUCHECK_EINVAL;
  bool any = false;
  for_each_member(device, [&](u32 i) {
    devices_[i].moving = devices_[i].domain != handle;
    devices_[i].from = devices_[i].domain;
    any |= devices_[i].moving;
  });
  if (!any) return 0;
  if (sva_.bound(device)) return -IOMMUCHECK_EBUSY;
  if (int error = ensure_settled()) return error;

  // Leaving implies a sync, for those who stay as well; now, while failing changes nothing.
  int error = 0;
  for_each_moving(device, [&](u32 i) {
    Domain* before = domains_.find(devices_[i].from);
    const bool paging = before != nullptr && before->kind == IOMMUCHECK_DOMAIN_PAGING;
    if (paging && error == 0) error = complete(before->space);
  });
  if (error != 0) return error;
  error = move_devices(device, *domain);
  if (error != 0) return error;
  for_each_moving(device, [&](u32 i) {
    ++domain->devices;
    if (has_ats(i)) ++domain->ats_devices;
  });
  // They have moved. If only an old ASID cannot be emptied now, that domain stays `cached`, and its
  // own next call tells.
  for_each_moving(device, [&](u32 i) {
    if (Domain* before = domains_.find(devices_[i].from)) leave(*before, i);
  });
  return 0;
}

/// All of the group that are there: from `domain` to blocked. ETIMEDOUT: they are off for the
/// caller, and what they may still reach is in quarantine.
int Smmu::take_off(Domain& domain, u32 device) {
  const iommucheck_handle handle = domains_.handle(domain);
  bool changed = false;
  for_each_member(device, [&](u32 i) {
    devices_[i].moving = devices_[i].domain == handle;
    if (!devices_[i].moving) return;
    const bool its = set_stes(i, ste::blocked);
    devices_[i].domain = 0;
    if (its) add_cfgi(i);
    changed |= its;
  });
  int error = 0;
  // Where a move timed out, its STE may be cached though memory never says so again.
  if (changed || owed_) {
    error = commit();
    if (error == 0 && domain.kind == IOMMUCHECK_DOMAIN_PAGING) {
      for_each_moving(device, [&](u32 i) { add_atc_everything(i, handle); });
      error = commit();
    }
  }
  if (error == 0) {
    for_each_moving(device, [&](u32 i) {
      const int late = leave(domain, i);
      if (error == 0) error = late;
    });
    return error;
  }
  for_each_moving(device, [&](u32 i) {
    --domain.devices;
    if (has_ats(i)) --domain.ats_devices;
  });
  quarantine(domain.space);
  sva_.update_waits(handle);
  if (domain.devices == 0) sva_.domain_left(handle);
  return error;
}

int Smmu::detach(iommucheck_handle handle, u32 device) {
  if (!device_exists(device)) return -IOMMUCHECK_ENODEV;
  if (domains_.find(handle) == nullptr || devices_[device].domain != handle) {
    return -IOMMUCHECK_EINVAL;
  }
  const int error = sva_.unbind_dev_all(device);
  if (error != 0 && error != -IOMMUCHECK_ETIMEDOUT) return error;
  // Handlers may have been waited for, while other calls came.
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || !device_exists(device) || devices_[device].domain != handle) {
    return error;
  }
  const int late = take_off(*domain, device);
  return late != 0 ? late : error;
}

/// CD and root: complete in memory before any STE leads to them.
int Smmu::build_paging(Domain& domain, unsigned input_bits) {
  Space& space = domain.space;
  space.domain = domains_.handle(domain);
  space.tag = asids_.allocate();
  if (space.tag == 0) return -IOMMUCHECK_ENOSPC;
  if (!domain.cds.create(platform_, cds_)) return -IOMMUCHECK_ENOMEM;
  if (!space.table.create(platform_, input_bits)) return -IOMMUCHECK_ENOMEM;
  space.page_sizes = page_sizes_4k;

  const Entry entry = entry_of(space);
  const u64 cd = domain.cds.entry(platform_, 0);
  platform_.fill64(cd, structure_words, 0);
  platform_.store64(cd + 24, entry.attributes);
  platform_.store64(cd + 8, cd::word1(entry.table_pa));
  platform_.store64(cd, cd_word0(entry));
  platform_.clean(cd, cd_bytes);
  platform_.barrier();
  return 0;
}

int Smmu::domain_alloc(const iommucheck_domain_params& params, iommucheck_handle* handle) {
  const bool paging = params.kind == IOMMUCHECK_DOMAIN_PAGING;
  if (params.kind < IOMMUCHECK_DOMAIN_PAGING || params.kind > IOMMUCHECK_DOMAIN_NESTED_PASID) {
    return -IOMMUCHECK_EINVAL;
  }
  if (!paging && params.kind != IOMMUCHECK_DOMAIN_BLOCKED &&
      params.kind != IOMMUCHECK_DOMAIN_IDENTITY) {
    return IOMMUCHECK_NOT_BUILT;
  }
  const u32 input_bits = params.input_bits != 0 ? params.input_bits : input_bits_max;
  if (paging && (input_bits < input_bits_min || input_bits > input_bits_max)) {
    return -IOMMUCHECK_EINVAL;
  }
  Domain* domain = domains_.allocate(platform_);
  if (domain == nullptr) return -IOMMUCHECK_ENOMEM;
  domain->kind = params.kind;
  if (paging) {
    if (int error = build_paging(*domain, input_bits)) {
      release(*domain);
      return error;
    }
  }
  *handle = domains_.handle(*domain);
  return 0;
}

/// Gives everything of a domain back that no cache and no STE knows.
void Smmu::release(Domain& domain) {
  close_space(domain.space);
  domain.cds.destroy(platform_, cds_);
  domains_.release(domain);
}

int Smmu::domain_free(iommucheck_handle handle) {
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie) return -IOMMUCHECK_EINVAL;
  if (domain->devices != 0) return -IOMMUCHECK_EBUSY;
  // After a time-out a device may still be on it, identity ones included.
  if ((domain->space.cached || owed_) && ensure_settled() != 0) {
    domain->zombie = true;
    return -IOMMUCHECK_ETIMEDOUT;
  }
  release(*domain);
  return 0;
}

int Smmu::domain_get_info(iommucheck_handle handle, iommucheck_domain_info* info) {
  const Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie || info->size < sizeof *info) {
    return -IOMMUCHECK_EINVAL;
  }
  const bool paging = domain->kind == IOMMUCHECK_DOMAIN_PAGING;
  info->input_bits = paging ? domain->space.table.input_bits() : features_.output_bits;
  info->output_bits = features_.output_bits;
  info->page_sizes = domain->space.page_sizes;
  info->table_pa = domain->space.table.root();
  return 0;
}

int Smmu::domain_get_attr(iommucheck_handle handle, u32 attr, u64* value) {
  const Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie || domain->kind != IOMMUCHECK_DOMAIN_PAGING) {
    return -IOMMUCHECK_EINVAL;
  }
  // A domain's space is the one without a PASID.
  if (attr != IOMMUCHECK_ATTR_TTBR0) return -IOMMUCHECK_EINVAL;
  *value = domain->space.table.root();
  return 0;
}

Space* Smmu::domain_space(iommucheck_handle handle, int* error) {
  Domain* domain = domains_.find(handle);
  const bool paging =
      domain != nullptr && !domain->zombie && domain->kind == IOMMUCHECK_DOMAIN_PAGING;
  *error = paging ? 0 : -IOMMUCHECK_EINVAL;
  return paging ? &domain->space : nullptr;
}

void Smmu::held(iommucheck_held& held) {
  domains_.for_each_used([&](const Domain& domain) {
    if (!domain.zombie) ++held.domains;
  });
  sva_.held(held);
}

}  // namespace iommucheck::impl
