// SPDX-License-Identifier: MIT
// Domains: made, asked about, freed. INTERFACE "Free".
#include "impl/core/domains.h"

namespace iommucheck::impl {

/// Space, and table if it is not one of each device: complete in memory before any route leads to
/// them.
int Domains::build_paging(Domain& domain, u32 input_bits) {
  if (!own_tables_) {
    domain.table = backend_.open_table();
    if (domain.table == nullptr) return -IOMMUCHECK_ENOMEM;
  }
  if (int error = backend_.open_space(input_bits, &domain.space)) return error;
  domain.space->domain = domains_.handle(domain);
  if (domain.table == nullptr) return 0;
  const Entry entry = entry_of(*domain.space);
  batch_.stored(backend_.set_first_entry(*domain.table, &entry));
  return 0;
}

/// Tables with the format of the master's; nothing of the IOMMU ever leads to them. INTERFACE
/// "Dynamic domains".
int Domains::alloc_dynamic(const iommucheck_domain_params& params, iommucheck_handle* handle) {
  const auto* dynamic = static_cast<const iommucheck_dynamic_params*>(params.of_kind);
  if (dynamic == nullptr || dynamic->abi != IOMMUCHECK_DRIVER_ABI ||
      dynamic->size < IOMMUCHECK_DYNAMIC_PARAMS_SIZE_VER0) {
    return -IOMMUCHECK_EINVAL;
  }
  Domain* master = domains_.find(dynamic->master);
  if (master == nullptr || master->zombie || !master->is_paging()) return -IOMMUCHECK_EINVAL;
  if (params.input_bits != 0 && params.input_bits != master->space->input_bits) {
    return -IOMMUCHECK_EINVAL;
  }
  Domain* domain = domains_.allocate(platform_);
  if (domain == nullptr) return -IOMMUCHECK_ENOMEM;
  domain->kind = params.kind;
  if (int error = backend_.open_foreign_space(*master->space, &domain->space)) {
    release(*domain);
    return error;
  }
  domain->master = dynamic->master;
  ++master->dynamic;
  *handle = domains_.handle(*domain);
  return 0;
}

/// Space and table of one whose addresses may be the output of a user's tables.
int Domains::build_outer(Domain& domain, u32 input_bits) {
  if (int error = backend_.open_outer(input_bits, &domain.space, &domain.table)) return error;
  domain.space->domain = domains_.handle(domain);
  return 0;
}

int Domains::build(Domain& domain, u32 input_bits) {
  if (domain.is_outer()) return build_outer(domain, input_bits);
  if (!domain.is_paging()) return 0;
  return build_paging(domain, input_bits != 0 ? input_bits : limits_.input_bits_max);
}

int Domains::domain_alloc(const iommucheck_domain_params& params, iommucheck_handle* handle) {
  const bool paging = params.kind == IOMMUCHECK_DOMAIN_PAGING;
  if (params.kind < IOMMUCHECK_DOMAIN_PAGING || params.kind > IOMMUCHECK_DOMAIN_NESTED_PASID) {
    return -IOMMUCHECK_EINVAL;
  }
  if (params.kind == IOMMUCHECK_DOMAIN_DYNAMIC) return alloc_dynamic(params, handle);
  if (params.kind >= IOMMUCHECK_DOMAIN_NESTED) return alloc_nested(params, handle);
  const u32 input_bits = params.input_bits;
  if (paging && input_bits != 0 &&
      (input_bits < limits_.input_bits_min || input_bits > limits_.input_bits_max)) {
    return -IOMMUCHECK_EINVAL;
  }
  Domain* domain = domains_.allocate(platform_);
  if (domain == nullptr) return -IOMMUCHECK_ENOMEM;
  domain->kind = params.kind;
  domain->iommu = params.iommu;
  if (int error = build(*domain, input_bits)) {
    release(*domain);
    return error;
  }
  *handle = domains_.handle(*domain);
  return 0;
}

void Domains::release(Domain& domain) {
  if (domain.space != nullptr) backend_.close_space(*domain.space);
  if (domain.table != nullptr) backend_.close_table(*domain.table);
  domains_.release(domain);
}

int Domains::domain_free(iommucheck_handle handle) {
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie) return -IOMMUCHECK_EINVAL;
  if (domain->has_devices() || domain->dynamic != 0 || domain->nested != 0 || domain->events != 0 ||
      domain->faults != 0) {
    return -IOMMUCHECK_EBUSY;
  }
  end_family(*domain);
  if (domain->is_dynamic()) {
    // That nobody walks it any more the caller has seen to.
    --domains_.find(domain->master)->dynamic;
    release(*domain);
    return 0;
  }
  // After a time-out a device may still be on it, identity ones included.
  if (batch_.ensure_settled() != 0) {
    domain->zombie = true;
    return -IOMMUCHECK_ETIMEDOUT;
  }
  release(*domain);
  return 0;
}

int Domains::domain_get_info(iommucheck_handle handle, iommucheck_domain_info* info) {
  const Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie || info->size < sizeof *info) {
    return -IOMMUCHECK_EINVAL;
  }
  const Space none;
  const Space& space = domain->space != nullptr ? *domain->space : none;
  info->input_bits = domain->space != nullptr ? space.input_bits : limits_.output_bits;
  info->output_bits = limits_.output_bits;
  info->page_sizes = space.page_sizes;
  info->table_pa = space.table_pa;
  return 0;
}

int Domains::domain_get_attr(iommucheck_handle handle, u32 attr, u64* value) {
  int error = 0;
  const Space* space = domain_space(handle, &error);
  // A domain's space is the one without a PASID.
  if (space == nullptr || attr != IOMMUCHECK_ATTRIBUTE_TTBR0) return -IOMMUCHECK_EINVAL;
  if (space->table_pa == 0) return -IOMMUCHECK_EINVAL;  // its table is not in memory
  *value = space->table_pa;
  return 0;
}

Space* Domains::domain_space(iommucheck_handle handle, int* error) {
  Domain* domain = domains_.find(handle);
  const bool mapped = domain != nullptr && !domain->zombie && domain->space != nullptr;
  *error = mapped ? 0 : -IOMMUCHECK_EINVAL;
  return mapped ? domain->space : nullptr;
}

int Domains::open_space(iommucheck_handle domain, u32 pasid, Space** space) {
  if (int error = backend_.open_space(domains_.find(domain)->space->input_bits, space)) {
    return error;
  }
  (*space)->domain = domain;
  (*space)->pasid = pasid;
  return 0;
}

u64 Domains::iova_to_phys(iommucheck_handle handle, u64 iova) {
  const Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie) return 0;
  if (domain->kind == IOMMUCHECK_DOMAIN_IDENTITY) return iova;
  return domain->space != nullptr ? translate(*domain->space, iova) : 0;
}

void Domains::shutdown() {
  domains_.for_each_used([&](Domain& domain) { release(domain); });
}

void Domains::held(iommucheck_held& held) {
  domains_.for_each_used([&](const Domain& domain) {
    if (!domain.zombie) ++held.domains;
  });
}

}  // namespace iommucheck::impl
