// SPDX-License-Identifier: MIT
// A case of conform as a test of QEMU's own tree, for a patch that mends what it shows.
#pragma once

#include <string>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// A file for tests/qtest, in the form of QEMU's iommu-smmuv3-test: streams that only write have an
/// iommu-testdev, others an edu device. It fails as long as QEMU answers as it did. `about`: what
/// it shows. Errors: as case_qtest().
Expected<std::string> case_libqos(const trace::Trace& trace, const std::string& about);

}  // namespace iommucheck::oracle
