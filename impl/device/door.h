// SPDX-License-Identifier: MIT
// The model behind iommucheck/device.h: for `iommucheck conform --device fast`, and as a shared
// object for whoever speaks that interface.
//
// Which machine it is says the seed of the host: an even one has everything that Features can say,
// an odd one draws what it has (drawn_features()).
#pragma once

#include "impl/device/features.h"
#include "iommucheck/device.h"

namespace iommucheck::device {

/// As iommucheck_device_entry() gives it.
const iommucheck_dut* door();

/// A machine that may exist; the same for the same seed.
Features drawn_features(u64 seed);

}  // namespace iommucheck::device
