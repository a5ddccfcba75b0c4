// SPDX-License-Identifier: MIT
// What there is: devices, domains, tokens, io_mms, processes, by the numbers and handles that
// callers have.
#pragma once

#include <optional>
#include <vector>

#include "spec/sva/interface_part.h"

namespace iommucheck::spec::sva {

class InterfaceFacts : protected InterfacePart {
 public:
  using InterfacePart::InterfacePart;

  [[nodiscard]] u32 device_count() const { return state().devices.size(); }
  [[nodiscard]] const std::vector<u32>& stream_ids(u32 device) const;
  /// The device of a stream ID; device_count() if there is none.
  [[nodiscard]] u32 device_of(u32 stream_id) const { return state().device_of(stream_id); }
  /// Handle of the device's domain, 0 if it has none.
  [[nodiscard]] u64 domain_of(u32 device) const { return state().domain_of(device); }
  /// What the IOMMU can do its driver alone knows; and how many spaces may have a number at a time.
  [[nodiscard]] bool limits_are_the_drivers() const { return state().limits_are_the_drivers; }
  [[nodiscard]] u32 address_spaces_max() const { return state().address_spaces_max; }
  [[nodiscard]] bool device_exists(u32 device) const { return state().device_exists(device); }
  [[nodiscard]] bool is_domain(u64 handle) const { return state().find(handle) != 0; }
  [[nodiscard]] bool is_paging(u64 handle) const;
  [[nodiscard]] bool is_dynamic(u64 handle) const { return state().find_dynamic(handle) != 0; }
  /// A token that was not given back.
  [[nodiscard]] bool is_token(u64 handle) const { return state().find_token(handle) != 0; }
  /// The same of a token with a table of its own; zeros if there is none.
  [[nodiscard]] DomainFacts facts_of_token(u64 handle) const;
  /// Handle of a dynamic domain's master, 0 if it is none.
  [[nodiscard]] u64 master_of(u64 handle) const;
  /// The TTBR0 attribute of a domain, 0 if it was not seen.
  [[nodiscard]] u64 table_of(u64 handle) const;
  [[nodiscard]] u64 table_of_token(u64 handle) const;
  /// A dynamic domain or a token has it as its master.
  [[nodiscard]] bool is_master(u64 handle) const;
  /// Facts of a living domain; zeros if there is none.
  [[nodiscard]] DomainFacts facts_of(u64 handle) const;
  /// The same of a private io_mm.
  [[nodiscard]] DomainFacts facts_of_io_mm(u64 handle) const;
  /// A private io_mm that is not freed.
  [[nodiscard]] bool is_io_mm(u64 handle) const { return state().find_private(handle) != 0; }
  /// PASID of a private io_mm; none if there is no such io_mm, or it was not seen.
  [[nodiscard]] Substream pasid_of_io_mm(u64 handle) const;
  /// The device was attached to a private io_mm, or made it (tables per device).
  [[nodiscard]] bool is_linked(u64 handle, u32 device) const;
  /// Domain of a private io_mm, 0 if there is none.
  [[nodiscard]] u64 domain_of_io_mm(u64 handle) const;
  /// The PASID at which plain binds reach the process; none if there is no bond.
  [[nodiscard]] Substream pasid_of_process(u64 mm) const;
  [[nodiscard]] bool has_bond(u32 device, u32 pasid) const {
    return state().find_bond(device, pasid) != 0;
  }
  /// Handle of the domain that attach_pasid put there, 0: none.
  [[nodiscard]] u64 attached_at(u32 device, u32 pasid) const;
  /// A living domain that map works on, and a RID reaches: of either stage.
  [[nodiscard]] bool is_mapped(u64 handle) const;
  /// sva_device_init was done.
  [[nodiscard]] bool has_sva(u32 device) const { return state().has_sva(device); }
  /// A PASID that a time-out holds: nobody is given it until its invalidation is known to be done.
  [[nodiscard]] std::optional<u32> pasid_in_quarantine() const;
  /// A process that was created and is not gone.
  [[nodiscard]] bool is_process(u64 mm) const { return state().find_process(mm) != 0; }
  /// Whether it is bound: the environment owes its Invalidate and Release to the driver.
  [[nodiscard]] bool is_bound(u64 mm) const;
  /// Whether something that its tables said may be cached still: no Invalidate has covered it.
  [[nodiscard]] bool is_stale(u64 mm) const;
};

}  // namespace iommucheck::spec::sva
