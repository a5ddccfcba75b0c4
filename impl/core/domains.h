// SPDX-License-Identifier: MIT
// Domains: made, asked about, freed, and how many are on each. What a route or an entry to one is.
//
// Invariants that the code relies on, and keeps:
//  - a nested domain has no space. Where entries lead to users' tables (`users_by_entries`) it has
//    a table, and it and its outer one are led to like paging ones. Else it has none, the table of
//    the outer space is the domain's, and has no PASIDs: nor has who is on either, for the host;
//  - `Space::cached` is false only if no entry of the space can be reached and its tag has been
//    invalidated since. Such a space owes the hardware nothing: its unmaps send no command;
//  - what a domain counts are the devices, attachments, children and users that there are; one that
//    only a time-out keeps (`zombie`) has none.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/batch.h"
#include "impl/core/devices.h"
#include "impl/core/domain.h"
#include "impl/core/virtual_devices.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

/// Whose PASID tables are.
enum class TableForm : u8 { per_domain, per_device };

class Domains {
 public:
  Domains(const Platform& platform, Backend& backend, TableForm form, Devices& devices,
          VirtualDevices& virtual_devices, Batch& batch)
      : platform_(platform),
        backend_(backend),
        own_tables_(form == TableForm::per_device),
        users_by_entries_(backend.users_by_entries()),
        devices_(devices),
        virtual_devices_(virtual_devices),
        batch_(batch) {}

  /// Once the backend knows what it can.
  void create() { limits_ = backend_.limits(); }
  void shutdown();

  // The calls of driver.h; results and errors as stated there.
  int domain_alloc(const iommucheck_domain_params& params, iommucheck_handle* handle);
  int domain_free(iommucheck_handle handle);
  int domain_get_info(iommucheck_handle handle, iommucheck_domain_info* info);
  int domain_get_attr(iommucheck_handle handle, u32 attr, u64* value);
  /// Of a domain of any kind.
  u64 iova_to_phys(iommucheck_handle handle, u64 iova);
  void held(iommucheck_held& held);

  const Limits& limits() const { return limits_; }
  bool own_tables() const { return own_tables_; }
  /// Entries of PASIDs can lead to users' tables.
  bool users_by_entries() const { return users_by_entries_; }
  Domain* find(iommucheck_handle handle) { return domains_.find(handle); }
  const Domain* find(iommucheck_handle handle) const { return domains_.find(handle); }
  iommucheck_handle handle(const Domain& domain) const { return domains_.handle(domain); }
  template <class Visit>
  void for_each_used(Visit visit) {
    domains_.for_each_used(visit);
  }
  /// One that is there for its caller; null for others.
  Domain* find_outer(iommucheck_handle handle);
  /// Gives everything of a domain back that no cache and no route knows.
  void release(Domain& domain);

  /// The space that a call on a domain is about; null and an error for others.
  Space* domain_space(iommucheck_handle handle, int* error);
  /// Where it lies beyond the space nothing is mapped; the backend is not asked.
  u64 translate(const Space& space, u64 iova) const {
    const bool within = space.input_bits >= 64 || (iova >> space.input_bits) == 0;
    return within ? backend_.translate(space, iova) : 0;
  }
  /// An empty address space with the format of `domain`, at `pasid`. ENOMEM, ENOSPC (no tag).
  int open_space(iommucheck_handle domain, u32 pasid, Space** space);

  // Whether and how accesses are led there.
  /// Whether accesses go by an entry to where it leads; `bypass` and `blocked` need none without a
  /// PASID.
  bool has_first_entry(const Domain& domain) const {
    return domain.is_paging() || (users_by_entries_ && domain.is_behind_outer());
  }
  /// At a PASID: one that is blocked has none.
  bool has_entry(const Domain& domain) const {
    return has_first_entry(domain) || domain.kind == IOMMUCHECK_DOMAIN_IDENTITY;
  }
  /// Whether it is for devices of another IOMMU than this one's.
  bool is_of_another_iommu(const Domain& domain, u32 device) const {
    const u32 iommu = domain.parent != nullptr ? domain.parent->iommu : domain.iommu;
    return devices_.has_several_iommus() && iommu != IOMMUCHECK_ANY_IOMMU &&
           iommu != devices_.claims(device).iommu;
  }
  /// From its first device on it is for those of that IOMMU.
  void is_of_iommu_of(Domain& domain, u32 device) {
    u32& iommu = domain.parent != nullptr ? domain.parent->iommu : domain.iommu;
    iommu = devices_.claims(device).iommu;
  }
  /// Whether a device there has no PASIDs of the host's.
  bool takes_pasids(const Domain& domain) const {
    return domain.is_behind_outer() && !users_by_entries_;
  }
  static Entry entry_of(const Space& space);
  static Entry entry_of(const Domain& domain) {
    if (domain.is_nested()) {
      const Space& outer = *domain.parent->space;
      return {.outer = &outer, .structure = domain.structure, .tag = outer.tag};
    }
    return domain.space != nullptr ? entry_of(*domain.space) : Entry{};
  }
  Route route_to(const Domain* domain, const Table* own, u32 device) const;

  // Who is there.
  /// The paging domain that the device is on; 0: none, or one of another kind.
  iommucheck_handle paging_domain(u32 device) const;
  /// Where entries of the device's PASIDs stand, as long as it is on a paging domain.
  Holder holder_of(u32 device) const { return devices_.holder_of(device, paging_domain(device)); }
  /// What stands in the table that its devices share; null: it is gone.
  UsesOfHolder* uses_of_domain(iommucheck_handle domain) {
    Domain* its = domains_.find(domain);
    return its != nullptr ? &its->uses : nullptr;
  }
  Table& table_of(const Holder& holder) {
    return holder.is_own() ? *devices_[holder.device].table : *domains_.find(holder.domain)->table;
  }
  /// Devices that cache themselves: on `domain`, and in its parent's user. `by`: 1, or its
  /// negative.
  void count_cached(Domain& domain, u32 device, u32 by);
  void count_device(Domain& domain, u32 device);
  void uncount_device(Domain& domain, u32 device);
  void count_attachment(Domain& domain, u32 device);
  /// Something leads there.
  static void may_be_cached(Domain& domain);
  /// No user calls the device by a number any more.
  void drop_virtual_devices(u32 device);

  /// What of the counts does not hold, between calls; null: all of it does.
  const char* inconsistency(Attachments& attachments);

 private:
  int build_paging(Domain& domain, u32 input_bits);
  int build_outer(Domain& domain, u32 input_bits);
  int build_nested(Domain& domain);
  int build(Domain& domain, u32 input_bits);
  int alloc_dynamic(const iommucheck_domain_params& params, iommucheck_handle* handle);
  int alloc_nested(const iommucheck_domain_params& params, iommucheck_handle* handle);
  void end_family(Domain& domain);

  const Platform& platform_;
  Backend& backend_;
  const bool own_tables_;
  const bool users_by_entries_;
  Devices& devices_;
  VirtualDevices& virtual_devices_;
  Batch& batch_;
  Limits limits_;
  Pool<Domain> domains_;
};

}  // namespace iommucheck::impl
