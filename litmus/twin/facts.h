// SPDX-License-Identifier: MIT
// What does not change while a test runs, and which identifiers are worth looking at.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "litmus/layout.h"
#include "litmus/twin/decode.h"

namespace iommucheck::litmus::twin {

struct Facts {
  const Test* test = nullptr;
  Layout layout;
  std::set<u64> sids;  ///< that the test names; others have STEs of zeros
  std::set<u64> ssids;
  std::set<u64> vas;       ///< that accesses and invalidations name
  std::set<u64> tops;      ///< their top bytes, and another
  std::set<u64> interest;  ///< indices into tables that these VAs go through
  std::set<u64> offsets;   ///< of the words of structures that the IDs go through, in their array
  /// SID, PASID and VA of each write by ATS: its request marks a page dirty when it is made.
  std::set<std::tuple<u64, std::optional<u64>, u64>> ats_writes;
  std::set<Tag> tags;  ///< every world, VMID and ASID that the test names
  std::set<std::pair<World, u16>> spaces;
};

/// A SID that no test names: only CFGI_ALL invalidates it.
inline constexpr u64 other_sid = ~u64{0};

Facts facts_of(const Test& test, Layout laid);

}  // namespace iommucheck::litmus::twin
