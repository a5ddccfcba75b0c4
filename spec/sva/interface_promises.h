// SPDX-License-Identifier: MIT
// What accesses may meet, and what may still be reached.
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/interface_part.h"

namespace iommucheck::spec::sva {

class InterfacePromises : protected InterfacePart {
 public:
  using InterfacePart::InterfacePart;

  /// What an access of the device at `iova` meets when no call is in progress; during one, what it
  /// met before. An unknown device is blocked.
  [[nodiscard]] Expectation expected(u32 device, Substream at, u64 iova) const;
  [[nodiscard]] Expectation expected(u32 device, u64 iova) const {
    return expected(device, Substream{}, iova);
  }

  /// Every outcome that is permitted now, calls in progress included.
  [[nodiscard]] Alternatives expected_during(u32 device, Substream at, u64 iova) const;
  [[nodiscard]] Alternatives expected_during(u32 device, u64 iova) const {
    return expected_during(device, Substream{}, iova);
  }

  /// What the parents of the user's domains that the device may be on promise at an IPA: whatever
  /// the user writes, its accesses reach nothing else. None: it is on no user's domain.
  [[nodiscard]] Alternatives expected_within(u32 device, Substream at, u64 ipa) const;

  /// How an access ends there that no mapping, or its rights, permit.
  [[nodiscard]] FaultKind faults_of(u32 device, Substream at) const;

  /// visit(number) for the PASIDs at which the device reaches something, or may during the calls in
  /// progress, or at which something is in quarantine; ascending. A number that a bind or
  /// sva_alloc_pasid in progress is going to choose is not among them.
  template <class Visit>
  void for_each_substream(u32 device, Visit visit) const {
    state().forest.for_each(state().number_at, 0, pasid_limit - 1, [&](const Interval& piece) {
      if (may_reach(device, piece.tag)) visit(static_cast<u32>(piece.first));
    });
  }

  /// Whether all that is promised of the two is the same now, at every address of that space; false
  /// where that is not known.
  [[nodiscard]] bool equal_promises(u32 a, u32 b, Substream at) const;

  /// Whether an unmapped page in [pa, pa + size) may still be reached: it may not be reused.
  [[nodiscard]] bool page_in_flight(u64 pa, u64 size) const;

  /// visit(first, last) for what is unmapped in a domain and may still be reached: not synchronised
  /// or in quarantine.
  template <class Visit>
  void for_each_stale(u64 handle, Visit visit) const {
    const u32 index = state().find(handle);
    if (index == 0) return;
    state().forest.for_each(state().spaces[index].stale, 0, ~u64{0},
                            [&](const Interval& piece) { visit(piece.first, piece.last); });
  }

  /// The same of a private io_mm.
  template <class Visit>
  void for_each_stale_of_io_mm(u64 handle, Visit visit) const {
    const u32 index = state().find_private(handle);
    if (index == 0) return;
    state().forest.for_each(state().spaces[index].stale, 0, ~u64{0},
                            [&](const Interval& piece) { visit(piece.first, piece.last); });
  }

 private:
  /// Through any domain that it is on or may be on.
  [[nodiscard]] bool may_reach(u32 device, u32 number) const;
};

}  // namespace iommucheck::spec::sva
