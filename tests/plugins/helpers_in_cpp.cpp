// SPDX-License-Identifier: MIT
// What the examples lend to drivers compiles as C++, too; nothing runs it.
// In C a struct and a function may have one name, and no header is used whole here.
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#include "hypervisor.h"
#include "kernel_shim.h"
#include "lpae_tables.h"

static int put_on(const struct iommucheck_device* /*device*/, iommucheck_handle /*machine*/,
                  const struct lpae_tables* /*tables*/) {
  return 0;
}
static int take_off(const struct iommucheck_device* /*device*/, iommucheck_handle /*machine*/,
                    const struct lpae_tables* /*tables*/) {
  return 0;
}
