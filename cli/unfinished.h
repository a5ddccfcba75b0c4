// SPDX-License-Identifier: MIT
// Traces of a checked driver that end before it is at the end of what it does.
#pragma once

#include <string>

namespace iommucheck::cli {

/// Within what the trace ends: "the driver's boot", "call 12 (map)"; empty where it does not, where
/// it is no driver's whole life (a recording may end anywhere), or where it cannot be read again.
std::string unfinished_in(const std::string& trace);

}  // namespace iommucheck::cli
