// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "spec/smmu/view.h"

namespace iommucheck::spec {

/// What must hold of each owner and between them (consistent.cpp), while no bound was hit: the
/// first disagreement, which is this program's mistake and nobody else's, or nothing.
std::string consistent(const CachesView& of);

}  // namespace iommucheck::spec
