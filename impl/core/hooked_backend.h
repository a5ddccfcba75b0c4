// SPDX-License-Identifier: MIT
// A backend that keeps nothing for an address space at a PASID beside its entry, which the core has
// written. What its hooks answer is the platform's, which may make them fail or be absent.
#pragma once

#include "impl/core/backend.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class HookedBackend : public Backend {
 public:
  Hooks hooks() const final;
  Made mm_alloc(u64 io_mm) final;
  void mm_free(u64 io_mm) final;
  int mm_attach(u64 io_mm, u32 device) final;
  void mm_detach(u64 io_mm, u32 device) final;

 protected:
  HookedBackend(const iommucheck_platform& platform, const iommucheck_config& config)
      : platform_(platform), config_(&config) {}
  ~HookedBackend() = default;

  Platform platform_;
  const iommucheck_config* config_;
};

}  // namespace iommucheck::impl
