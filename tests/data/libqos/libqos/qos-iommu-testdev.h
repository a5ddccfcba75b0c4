/* SPDX-License-Identifier: MIT */
#ifndef LIBQOS_QOS_IOMMU_TESTDEV_H
#define LIBQOS_QOS_IOMMU_TESTDEV_H
#include "libqos/pci.h"
static inline uint32_t qos_iommu_testdev_trigger_dma(QPCIDevice *device, QPCIBar bar, uint64_t iova, uint64_t gpa, uint32_t bytes,
                                                     uint32_t attrs) {
    (void)device, (void)bar, (void)iova, (void)gpa;
    g_assert(bytes == 4 && attrs == 0xa);
    return (uint32_t)next_answer();
}
#endif
