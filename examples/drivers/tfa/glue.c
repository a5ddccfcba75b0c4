/* SPDX-License-Identifier: MIT */
/* clang-format off
 *
 * Trusted Firmware-A's SMMUv3 driver behind the door. It denies everything, with the SMMU off (GBPA.ABORT), and
 * leaves the rest to whoever boots next. One of its entry points is the bring-up (ENTRY):
 * smmuv3_security_init, or smmuv3_ns_set_abort_all, or cold_boot, which is the first with smmuv3_init behind it, as
 * its platforms do: by itself that one denies nothing. A cold boot is the precondition of the first and the last.
 *
 * clang-format on */
#include <stdint.h>

#include "kernel_shim.h"

#ifndef ENTRY
#define ENTRY smmuv3_ns_set_abort_all
#endif

/* ---- what it includes: lib/utils_def.h, lib/mmio.h, drivers/delay_timer.h, common/debug.h,
 * cdefs.h ---- */

#define U(x) x##u
#define __init
#define ERROR(...) shim_log(IOMMUCHECK_LOG_ERROR, __VA_ARGS__)
#define WARN(...) shim_log(IOMMUCHECK_LOG_WARNING, __VA_ARGS__)
#define VERBOSE(...) shim_log(IOMMUCHECK_LOG_INFO, __VA_ARGS__)
/* Registers are device memory: one access is behind the other, and nothing else is ordered. */
#define mmio_read_32(address) shim_read32(address)
#define mmio_write_32(address, value) shim_write32(address, value, 0)
#define mmio_setbits_32(address, bits) \
  mmio_write_32(address, mmio_read_32(address) | (uint32_t)(bits))
#define mmio_clrbits_32(address, bits) \
  mmio_write_32(address, mmio_read_32(address) & ~(uint32_t)(bits))
#define timeout_init_us(us) (shim_now_us() + (us))
#define timeout_elapsed(end) (shim_now_us() > (end))

#include "smmu_v3.c"

__attribute__((unused)) static int cold_boot(uintptr_t smmu) {
  const int error = smmuv3_security_init(smmu);
  return error != 0 ? error : smmuv3_init(smmu);
}

static struct {
  const struct iommucheck_config* config;
} firmware;

static int init(const struct iommucheck_platform* p, const struct iommucheck_config* config,
                void** self) {
  shim_begin(p, 0);
  firmware.config = config;
  *self = &firmware;
  return 0;
}

static int reset(void* self) {
  (void)self;
  shim_enter();
  return ENTRY(0) == 0 ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

static int device_add(void* self, uint32_t device) {
  return (void)self, device < firmware.config->device_count ? 0 : -IOMMUCHECK_EINVAL;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static const struct iommucheck_driver driver = {
      .size = sizeof driver,
      .abi = IOMMUCHECK_DRIVER_ABI,
      .name = "TF-A smmu_v3",
      .flags = IOMMUCHECK_DRIVER_NO_TIME_OUTS | IOMMUCHECK_DRIVER_BRING_UP_ONLY,
      .init = init,
      .reset = reset,
      .device_add = device_add,
  };
  return &driver;
}
