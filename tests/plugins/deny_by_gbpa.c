/* SPDX-License-Identifier: MIT
 * Firmware that denies everything before there is an operating system: no table, no queue, GBPA
 * alone. What its entry points do is what such firmware offers, one for each kind of boot:
 *   ENTRY_set_abort_all  GBPA.ABORT first, then SMMUEN = 0: right on any boot
 *   ENTRY_security_init  GBPA.ABORT alone: right after a reset, where SMMUEN is 0
 *   ENTRY_init           looks first, and does only what is left to do
 *   ENTRY_none           nothing: after a reset GBPA may let everything pass
 *   ENTRY_too_early      SMMUEN = 0 first: until GBPA.ABORT is in effect everything may pass */
#include <string.h>

#include "iommucheck/driver.h"

enum { CR0 = 0x20, CR0ACK = 0x24, GBPA = 0x44 };
#define SMMUEN 1u
#define ABORT (1u << 20)
#define UPDATE (1u << 31)

static const struct iommucheck_platform* platform;
static char self_;

static int waits_for(uint64_t offset, uint32_t bits, uint32_t value) {
  while ((platform->mmio_read32(platform->ctx, offset) & bits) != value) {
    if (platform->wait(platform->ctx, IOMMUCHECK_WAIT_REGISTER, 1000)) return 1;
  }
  return 0;
}

static int set_abort(void) {
  if (waits_for(GBPA, UPDATE, 0)) return 1;
  platform->mmio_write32(platform->ctx, GBPA, UPDATE | ABORT, IOMMUCHECK_MMIO_ORDERED);
  return waits_for(GBPA, UPDATE | ABORT, ABORT);
}

static int disable(void) {
  const uint32_t now = platform->mmio_read32(platform->ctx, CR0);
  platform->mmio_write32(platform->ctx, CR0, now & ~SMMUEN, IOMMUCHECK_MMIO_ORDERED);
  return waits_for(CR0ACK, SMMUEN, 0);
}

static int enter(void) {
#if defined(ENTRY_set_abort_all)
  return set_abort() || disable();
#elif defined(ENTRY_security_init)
  (void)disable;
  return set_abort();
#elif defined(ENTRY_init)
  if (!(platform->mmio_read32(platform->ctx, GBPA) & ABORT) && set_abort()) return 1;
  return (platform->mmio_read32(platform->ctx, CR0ACK) & SMMUEN) ? disable() : 0;
#elif defined(ENTRY_too_early)
  return disable() || set_abort();
#else
  (void)disable;
  (void)set_abort;
  return 0;
#endif
}

static int init(const struct iommucheck_platform* its, const struct iommucheck_config* config,
                void** self) {
  (void)config;
  platform = its;
  *self = &self_;
  return 0;
}
static int reset(void* self) {
  (void)self;
  return enter() ? -IOMMUCHECK_ETIMEDOUT : 0;
}
static int device_add(void* self, uint32_t device) {
  (void)self;
  (void)device;
  return 0;
}

const struct iommucheck_driver* iommucheck_driver_entry(void) {
  static struct iommucheck_driver driver;
  driver.size = sizeof driver;
  driver.abi = IOMMUCHECK_DRIVER_ABI;
  driver.name = "deny-by-gbpa";
  driver.flags = IOMMUCHECK_DRIVER_NO_TIME_OUTS | IOMMUCHECK_DRIVER_BRING_UP_ONLY;
  driver.init = init;
  driver.reset = reset;
  driver.device_add = device_add;
  return &driver;
}
