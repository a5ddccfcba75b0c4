// SPDX-License-Identifier: MIT
// What the ID registers of one SMMU have to say together: features that its version makes mandatory
// or does not have yet, fields that stand for nothing without another, and reserved encodings.
// IHI 0070 2.3 to 2.9, 6.3.1 to 6.3.8.
#pragma once

#include <string_view>
#include <vector>

#include "spec/smmu/registers.h"

namespace iommucheck::spec {

struct IdInconsistency {
  std::string_view text;     ///< what holds in every SMMU, and not in this one
  std::string_view section;  ///< of IHI 0070
};

/// Everything that no SMMU claims; empty for one that may exist. What hangs on the registers of
/// the Secure, Realm or Root interface (STALL_MAX, STT) is not judged, nor are bits without a name,
/// nor encodings that are reserved of a version later than 3.4: a later manual may define them.
std::vector<IdInconsistency> id_inconsistencies(const IdRegisters& id);

}  // namespace iommucheck::spec
