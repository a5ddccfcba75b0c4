/* SPDX-License-Identifier: MIT */
#ifndef LIBQOS_IOMMU_TESTDEV_H
#define LIBQOS_IOMMU_TESTDEV_H
#define ITD_ATTRS_SPACE_NONSECURE 1
#define ITD_ATTRS_SET_SPACE(attrs, value) ((attrs) | (value) << 1)
#define ITD_ATTRS_SET_SPACE_VALID(attrs, value) ((attrs) | (value) << 3)
#define ITD_DMA_ERR_TX_FAIL 0xdead0002u
#define ITD_DMA_ERR_MISMATCH 0xdead0004u
#endif
