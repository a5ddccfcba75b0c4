/* SPDX-License-Identifier: MIT */
#ifndef LIBQOS_GENERIC_PCIHOST_H
#define LIBQOS_GENERIC_PCIHOST_H
#include "libqos/pci.h"
typedef struct QGenericPCIBus { QPCIBus bus; } QGenericPCIBus;
static inline void qpci_init_generic(QGenericPCIBus *bus, QTestState *qts, void *allocator, bool hotplug) {
    (void)allocator, (void)hotplug;
    bus->bus.qts = qts;
}
#endif
