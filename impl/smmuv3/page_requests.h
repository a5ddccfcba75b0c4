// SPDX-License-Identifier: MIT
// The page request queue: what devices ask for comes in groups, and CMD_PRI_RESP answers each once.
// Without a queue, or with PRIQEN = 0, the SMMU answers each request with a failure. IHI 0070
// 3.9.1, 8; arch 6.4.
#pragma once

#include "impl/core/backend.h"
#include "impl/platform/platform.h"
#include "impl/smmuv3/registers.h"

namespace iommucheck::impl {

class PageRequests {
 public:
  /// `cr0`: as it was last written.
  PageRequests(const Platform& platform, const u32& cr0) : platform_(platform), cr0_(cr0) {}

  bool create(const Features& features);
  /// Empty, while PRIQEN = 0.
  void program();
  void destroy();

  /// Reads what is there now: so many records.
  u32 drain(FaultSink& sink);

 private:
  [[nodiscard]] u64 ring_bytes() const;

  const Platform& platform_;
  const u32& cr0_;
  u64 page_ring_ = 0;
  u32 page_lg2_ = 0;
  u32 page_cons_ = 0;
  u32 page_cons_written_ = 0;  // with the overflow flag
  u32 page_prod_ = 0;          // as last read
};

}  // namespace iommucheck::impl
