// SPDX-License-Identifier: MIT
#include "impl/core/hooked_backend.h"

#include <algorithm>

namespace iommucheck::impl {

Backend::Hooks HookedBackend::hooks() const {
  const u64 without = config_->flags;
  return {.mm_alloc = (without & IOMMUCHECK_CONFIG_NO_MM_ALLOC) == 0,
          .mm_free = (without & IOMMUCHECK_CONFIG_NO_MM_FREE) == 0,
          .mm_attach = (without & IOMMUCHECK_CONFIG_NO_MM_ATTACH) == 0,
          .mm_detach = (without & IOMMUCHECK_CONFIG_NO_MM_DETACH) == 0};
}

Backend::Made HookedBackend::mm_alloc(u64 io_mm) {
  const int answer = platform_.hook(IOMMUCHECK_HOOK_MM_ALLOC, io_mm, 0);
  return {.error = std::min(answer, 0), .is_null = answer == IOMMUCHECK_HOOK_NULL};
}

void HookedBackend::mm_free(u64 io_mm) { platform_.hook(IOMMUCHECK_HOOK_MM_FREE, io_mm, 0); }

int HookedBackend::mm_attach(u64 io_mm, u32 device) {
  return std::min(platform_.hook(IOMMUCHECK_HOOK_MM_ATTACH, io_mm, device), 0);
}

void HookedBackend::mm_detach(u64 io_mm, u32 device) {
  platform_.hook(IOMMUCHECK_HOOK_MM_DETACH, io_mm, device);
}

}  // namespace iommucheck::impl
