// SPDX-License-Identifier: MIT
// Devices and domains: who translates through what. INTERFACE "Attach", "Free"; arch 7.3, 7.5.
#include "impl/pgtable/descriptor.h"
#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

namespace {

constexpr u64 page_sizes_4k = u64{1} << 12 | u64{1} << 21 | u64{1} << 30;

}  // namespace

int Smmu::device_add(u32 device) {
  if (device >= config_->device_count) return -IOMMUCHECK_EINVAL;
  if (devices_[device].added) return -IOMMUCHECK_EEXIST;
  const iommucheck_device& config = device_config(device);
  bool linked = false;
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    if ((u64{config.stream_ids[i]} >> features_.stream_id_bits) != 0) return -IOMMUCHECK_ENODEV;
  }
  bool no_memory = false;
  for (u32 i = 0; i < config.stream_id_count && !no_memory; ++i) {
    const StreamTable::Added added = streams_.add(platform_, config.stream_ids[i]);
    no_memory = added == StreamTable::Added::no_memory;
    linked |= added == StreamTable::Added::linked;
  }
  if (linked) {
    // After a failure too: what was linked stays, blocked, and the next device may find it there.
    for (u32 i = 0; i < config.stream_id_count; ++i) {
      commands_.add(platform_, command::cfgi_ste<u64>(config.stream_ids[i], false));
    }
    if (int error = settle(commands_.sync(platform_))) return error;
  }
  if (no_memory) return -IOMMUCHECK_ENOMEM;
  devices_[device] = {.added = true};
  return 0;
}

int Smmu::device_remove(u32 device) {
  if (!device_exists(device)) return -IOMMUCHECK_EINVAL;
  const iommucheck_handle domain = devices_[device].domain;
  const int error = domain != 0 ? detach(domain, device) : 0;
  devices_[device] = Device();
  return error;
}

/// Word 0 of the STEs of a device on `domain`.
u64 Smmu::ste_word0(const Domain* domain) const {
  if (domain == nullptr || domain->kind == IOMMUCHECK_DOMAIN_BLOCKED) return ste::blocked;
  if (domain->kind == IOMMUCHECK_DOMAIN_IDENTITY) return ste::bypass;
  return ste::stage1(domain->cd_pa);
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
  const iommucheck_device& config = device_config(device);
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    commands_.add(platform_, command::cfgi_ste<u64>(config.stream_ids[i], true));
  }
}

/// A device has left `domain`, for the SMMU too. What it has gathered is completed; if it was the
/// last one the ASID is emptied, so that the domain owes nothing from here on.
int Smmu::leave(Domain& domain) {
  --domain.devices;
  if (domain.kind != IOMMUCHECK_DOMAIN_PAGING) return 0;
  if (domain.devices != 0) return complete(domain);
  domain.gather.add_all();
  if (int error = complete(domain)) return error;
  domain.cached = false;
  return 0;
}

int Smmu::attach(iommucheck_handle handle, u32 device) {
  if (!device_exists(device)) return -IOMMUCHECK_ENODEV;
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie) return -IOMMUCHECK_EINVAL;
  if (devices_[device].domain == handle) return 0;
  if (int error = ensure_settled()) return error;

  Domain* before = domains_.find(devices_[device].domain);
  if (before != nullptr && before->kind == IOMMUCHECK_DOMAIN_PAGING) {
    // Leaving implies a sync, for those who stay as well; now, while failing changes nothing.
    if (int error = complete(*before)) return error;
  }
  // Table stores of the new domain come first, whatever has been ordered since.
  platform_.barrier();
  if (set_stes(device, ste_word0(domain))) {
    const bool paging = domain->kind == IOMMUCHECK_DOMAIN_PAGING;
    domain->cached |= paging;
    add_cfgi(device);
    if (int error = settle(commands_.sync(platform_))) {
      // Nothing is known: back to what was, and both domains stay cached until recovery.
      set_stes(device, ste_word0(before));
      platform_.barrier();
      return error;
    }
    domain->cached |= paging;
  }
  devices_[device].domain = handle;
  ++domain->devices;
  // If only the old ASID cannot be emptied, that domain stays `cached`: its own next call tells.
  if (before != nullptr) leave(*before);
  return 0;
}

int Smmu::detach(iommucheck_handle handle, u32 device) {
  if (!device_exists(device)) return -IOMMUCHECK_ENODEV;
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || devices_[device].domain != handle) return -IOMMUCHECK_EINVAL;
  const bool changed = set_stes(device, ste::blocked);
  devices_[device].domain = 0;
  if (changed) {
    int error = 0;
    if (owed_) {
      error = recover();
    } else {
      add_cfgi(device);
      error = settle(commands_.sync(platform_));
    }
    if (error != 0) {
      --domain->devices;
      quarantine(*domain);
      return error;
    }
  }
  return leave(*domain);
}

/// CD and root: complete in memory before any STE leads to them.
int Smmu::build_paging(Domain& domain, unsigned input_bits) {
  domain.asid = asids_.allocate();
  if (domain.asid == 0) return -IOMMUCHECK_ENOSPC;
  domain.cd_pa = cds_.allocate(platform_);
  if (domain.cd_pa == 0) return -IOMMUCHECK_ENOMEM;
  if (!domain.table.create(platform_, input_bits)) return -IOMMUCHECK_ENOMEM;
  domain.page_sizes = page_sizes_4k;

  const u64 cd = domain.cd_pa;
  platform_.fill64(cd, structure_words, 0);
  platform_.store64(cd + 24, cd::word3);
  platform_.store64(cd + 8, cd::word1(domain.table.root()));
  platform_.store64(cd, cd::word0<u64>(domain.asid, input_bits, features_.output_size));
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
  domain.retired.free_all(platform_);
  domain.table.destroy(platform_);
  if (domain.cd_pa != 0) cds_.release(domain.cd_pa);
  if (domain.asid != 0) asids_.release(domain.asid);
  domains_.release(domain);
}

int Smmu::domain_free(iommucheck_handle handle) {
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie) return -IOMMUCHECK_EINVAL;
  if (domain->devices != 0) return -IOMMUCHECK_EBUSY;
  if (domain->cached && ensure_settled() != 0) {
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
  info->input_bits = paging ? domain->table.input_bits() : features_.output_bits;
  info->output_bits = features_.output_bits;
  info->page_sizes = domain->page_sizes;
  info->table_pa = domain->table.root();
  return 0;
}

}  // namespace iommucheck::impl
