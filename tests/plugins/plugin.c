/* SPDX-License-Identifier: MIT
 * Not a driver: enough of one to be loaded, and wrong as PLUGIN_* says. */
#include <stdlib.h>

#include "iommucheck/driver.h"

/* .data, .bss, and what lies between them under AddressSanitizer. */
uint64_t plugin_counter = 7;
static uint8_t flags[3];
static uint64_t table[5000];

#ifndef PLUGIN_no_init
static int init(const struct iommucheck_platform* platform, const struct iommucheck_config* config,
                void** self) {
  (void)platform;
  (void)config;
  *self = table;
  return 0;
}
#endif

/* Changes its statics and tells how often it was called. */
static int reset(void* self) {
  (void)self;
  flags[plugin_counter % 3] = 1;
  ++plugin_counter;
  table[4999 - plugin_counter % 5000] = plugin_counter;
  return (int)(plugin_counter - 7);
}

#ifdef PLUGIN_crash
static int attach(void* self, iommucheck_handle domain, uint32_t device) {
  volatile int* nowhere = (volatile int*)(uintptr_t)(8 + 0 * domain);
  (void)self;
  return *nowhere + (int)device;
}
#elif defined(PLUGIN_hang)
static int attach(void* self, iommucheck_handle domain, uint32_t device) {
  volatile uint64_t* counter = &plugin_counter;
  (void)self;
  (void)domain;
  while (*counter != 0) *counter = 1 + device * 0;
  return 0;
}
#else
static int attach(void* self, iommucheck_handle domain, uint32_t device) {
  (void)self;
  (void)domain;
  (void)device;
  return 0;
}
#endif

#if defined(PLUGIN_crash_on_load)
__attribute__((constructor)) static void on_load(void) { abort(); }
#elif defined(PLUGIN_hang_on_load)
__attribute__((constructor)) static void on_load(void) {
  volatile uint64_t* counter = &plugin_counter;
  while (*counter != 0) *counter = 1;
}
#elif defined(PLUGIN_exit_on_load)
__attribute__((constructor)) static void on_load(void) { exit(0); }
#elif defined(PLUGIN_missing_symbol)
extern void nobody_defines_this(void);
void calls_it(void);
void calls_it(void) { nobody_defines_this(); }
#endif

static const struct iommucheck_driver driver = {
#if defined(PLUGIN_short_struct)
    /* An older driver: its struct ended behind `attach`. */
    .size = offsetof(struct iommucheck_driver, attach) + 8,
#elif defined(PLUGIN_wrong_size)
    .size = 12,
#else
    .size = sizeof(struct iommucheck_driver),
#endif
#ifdef PLUGIN_newer_abi
    .abi = IOMMUCHECK_DRIVER_ABI + 1,
#elif defined(PLUGIN_older_abi)
    .abi = IOMMUCHECK_DRIVER_ABI - 1,
#else
    .abi = IOMMUCHECK_DRIVER_ABI,
#endif
#ifndef PLUGIN_no_name
    .name = "plugin",
#endif
#ifdef PLUGIN_unknown_flags
    .flags = 0x80,
#endif
#ifndef PLUGIN_no_init
    .init = init,
#endif
#ifndef PLUGIN_no_reset
    .reset = reset,
#else
    .shutdown = reset,
#endif
    .attach = attach,
#ifdef PLUGIN_short_struct
    /* Memory behind its end, which must not be read as an operation. */
    .detach = attach,
#endif
};

#ifdef PLUGIN_no_entry
const struct iommucheck_driver* another_entry(void);
const struct iommucheck_driver* another_entry(void) { return &driver; }
#else
const struct iommucheck_driver* iommucheck_driver_entry(void) {
#ifdef PLUGIN_null_driver
  (void)&driver;
  return NULL;
#else
  return &driver;
#endif
}
#endif
