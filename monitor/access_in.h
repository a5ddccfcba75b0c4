// SPDX-License-Identifier: MIT
// Between events and accesses.
#pragma once

#include "spec/smmu/outcome.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// The access that the event says; what the source does not know is as most often.
spec::Access access_in(const trace::Dma& dma);
/// A translation request that asks for reading, as an access that is not translated.
spec::Access access_in(const trace::AtsRequest& request);
/// What a page request asks for: of several rights the write, then the execution.
spec::Access access_in(const trace::PageRequest& request);
/// The event of an access: from where, to where and what for.
trace::Dma dma_of(const spec::Access& access);

}  // namespace iommucheck::oracle
