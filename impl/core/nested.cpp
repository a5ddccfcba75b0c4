// SPDX-License-Identifier: MIT
// Domains that go by a user's structure over an outer domain. INTERFACE "Nested".
#include "impl/core/domains.h"

namespace iommucheck::impl {

Domain* Domains::find_outer(iommucheck_handle handle) {
  Domain* domain = domains_.find(handle);
  const bool is = domain != nullptr && !domain->zombie && domain->is_outer();
  return is ? domain : nullptr;
}

/// A table that leads there, where no route does by itself.
int Domains::build_nested(Domain& domain) {
  if (!users_by_entries_) return 0;
  domain.table = backend_.open_table();
  if (domain.table == nullptr) return -IOMMUCHECK_ENOMEM;
  const Entry entry = entry_of(domain);
  batch_.stored(backend_.set_first_entry(*domain.table, &entry));
  return 0;
}

int Domains::alloc_nested(const iommucheck_domain_params& params, iommucheck_handle* handle) {
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
void Domains::end_family(Domain& domain) {
  if (domain.parent != nullptr) --domain.parent->nested;
  domain.parent = nullptr;
  domain.virtual_devices.for_each(
      virtual_devices_, [&](VirtualDevice& its) { virtual_devices_.remove(domain, its); });
}

void Domains::drop_virtual_devices(u32 device) {
  domains_.for_each_used([&](Domain& domain) {
    domain.virtual_devices.for_each(virtual_devices_, [&](VirtualDevice& its) {
      if (its.device != device) return;
      virtual_devices_.remove(domain, its);
    });
  });
}

}  // namespace iommucheck::impl
