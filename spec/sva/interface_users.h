// SPDX-License-Identifier: MIT
// Users of a stage 2 domain, and what devices have written.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "spec/sva/interface_part.h"

namespace iommucheck::spec::sva {

class InterfaceUsers : protected InterfacePart {
 public:
  using InterfacePart::InterfacePart;

  // --- What devices have written (dirty.h) -----------------------------------------------------

  /// A device has written at `iova`; to `pa`, where that is known. `sure`: it was a write.
  void device_wrote(u32 device, Substream at, u64 iova, std::optional<u64> pa, bool sure);
  /// Hardware has set a flag in a descriptor at `pa`, which may be a user's: that page is written.
  /// `sure`: a table of the driver's own does not lie there.
  void descriptor_written(u64 pa, bool sure);
  /// Bits of a dirty_read that must be set.
  [[nodiscard]] std::vector<u64> written_bits(const Call& call) const;
  /// Whether one that succeeds may have those.
  [[nodiscard]] bool may_read_bits(const Call& call, const std::vector<u64>& bits) const;
  /// dirty_set(on) is of the domain.
  [[nodiscard]] bool is_tracked(u64 handle) const {
    const u32 index = state().find(handle);
    return index != 0 && state().spaces[index].tracked != 0;
  }
  /// Whether the IOMMU marks what devices have written.
  [[nodiscard]] bool has_dirty_hardware() const { return state().dirty != DirtyHardware::none; }

  // --- What stands in a user's memory, as the environment tells it (nested.h) ------------------
  // `parent` is the handle of a stage 2 domain; all addresses but `va` are its IPAs. False, and
  // nothing done: no such parent or table, a bad range. What stood there may be cached until a
  // cache_invalidate covers it.

  bool user_table_made(u64 parent, const UserTable& table);
  bool user_maps(u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot);
  bool user_unmaps(u64 parent, u64 root, u64 va, u64 bytes);
  bool user_takes_out(u64 parent, u64 root, u64 va, u64 bytes);
  bool user_sets_entry(u64 parent, u64 entry, const UserEntry& content);
  [[nodiscard]] bool is_stage2(u64 handle) const { return state().find_stage2(handle) != 0; }
  /// A stage 2 domain over which there is a user's.
  [[nodiscard]] bool has_users(u64 handle) const;
  /// Whether the domain that the call asks for is nested, and a table of the user's translates in
  /// it.
  [[nodiscard]] bool translates_by_users_table(const Call& call) const;
  /// Handle of the parent of a user's domain; 0: it is none.
  [[nodiscard]] u64 parent_of(u64 handle) const;
  /// Width of the PASIDs that its structure has entries for; 0: none, or it is no user's domain.
  [[nodiscard]] u32 pasid_bits_of_user(u64 handle) const;
  /// What was given for it; nothing: it is no user's domain.
  [[nodiscard]] std::optional<std::array<u64, 2>> structure_of_user(u64 handle) const;
  /// The number by which the user of a parent calls the device.
  [[nodiscard]] std::optional<u64> number_of(u64 parent, u32 device) const;
};

}  // namespace iommucheck::spec::sva
