// SPDX-License-Identifier: MIT
// Walkers beside the IOMMU (walkers.h). A number below device_count() is the context bank of that
// device; others are walkers of their own. INTERFACE "Dynamic domains".
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/interface_part.h"

namespace iommucheck::spec::sva {

class InterfaceWalkers : protected InterfacePart {
 public:
  using InterfacePart::InterfacePart;

  /// It has that table, and nothing cached: of a dynamic domain or a private PASID whose attribute
  /// was asked, else nothing that is known. 0: none.
  void walker_switches(u32 walker, u64 root);
  /// It dropped all that it had cached.
  void walker_flushes(u32 walker);
  /// It has a table beside its own domain's, perhaps one that is gone.
  [[nodiscard]] bool has_walker(u32 walker) const;
  /// It is asked with nothing cached: its table is a private PASID's.
  [[nodiscard]] bool walks_afresh(u32 walker) const;
  /// The root that it has; 0: none, or the table is gone.
  [[nodiscard]] u64 table_of_walker(u32 walker) const;
  /// Handle of the master of the table's owner, a private PASID's being its domain; 0: no attribute
  /// was seen to be `root`.
  [[nodiscard]] u64 master_of_table(u64 root) const;
  /// Facts of that owner.
  [[nodiscard]] DomainFacts facts_of_table(u64 root) const;
  /// It has the table of a token of that device.
  [[nodiscard]] bool walks_token_of(u32 walker, u32 device) const;
  /// visit(number) for each that has a table of a living owner.
  template <class Visit>
  void for_each_walker(Visit visit) const {
    for (u32 i = 0; i < state().walkers.size(); ++i) {
      if (state().walkers[i].space != 0) visit(state().walkers[i].number);
    }
  }
  /// The same for each that has the table of the space that the call is about.
  template <class Visit>
  void for_each_walker_of(const Call& call, Visit visit) const {
    const u32 space = state().target(call);
    for (u32 i = 0; i < state().walkers.size() && space != 0; ++i) {
      if (state().walkers[i].space == space) visit(state().walkers[i].number);
    }
  }
  /// Every outcome that is permitted of an access through it now, calls in progress included.
  [[nodiscard]] Alternatives expected_of_walker(u32 walker, u64 iova) const;
};

}  // namespace iommucheck::spec::sva
