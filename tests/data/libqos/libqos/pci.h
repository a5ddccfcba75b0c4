/* SPDX-License-Identifier: MIT */
#ifndef LIBQOS_PCI_H
#define LIBQOS_PCI_H
#include "libqtest.h"
typedef struct QPCIBus { QTestState *qts; } QPCIBus;
typedef struct QPCIDevice { int devfn; } QPCIDevice;
typedef struct QPCIBar { uint64_t addr; bool is_io; } QPCIBar;
static inline QPCIDevice *qpci_device_find(QPCIBus *bus, int devfn) {
    QPCIDevice *device = calloc(1, sizeof *device);
    (void)bus;
    device->devfn = devfn;
    return device;
}
static inline void qpci_device_enable(QPCIDevice *device) { g_assert(device->devfn % 8 == 0); }
static inline QPCIBar qpci_iomap(QPCIDevice *device, int number, uint64_t *size) {
    QPCIBar bar = {0x10000000 + 0x100000 * (uint64_t)device->devfn, false};
    (void)number, (void)size;
    return bar;
}
static inline void qpci_io_writeq(QPCIDevice *device, QPCIBar bar, uint64_t offset, uint64_t value) {
    (void)device, (void)bar, (void)offset, (void)value;
}
static inline uint64_t qpci_io_readq(QPCIDevice *device, QPCIBar bar, uint64_t offset) {
    (void)device, (void)bar, (void)offset;
    return 0; /* it is done */
}
#endif
