// SPDX-License-Identifier: MIT
// What can be changed in a case to learn what a finding comes of: one thing each, everywhere in the
// case, to the plain value that most cases have.
#pragma once

#include <optional>
#include <string>

#include "conform/case.h"

namespace iommucheck::oracle {

/// How many there are. Those that change less come first.
std::size_t intervention_count();
/// Those from here on say which part of the SMMU it is about, for what no other makes right.
std::size_t plain_interventions();
/// Other commands come in the place of some: of what the device makes of these it says nothing.
bool takes_commands_out(std::size_t number);
/// "CD.WXN = 0", "a CMD_CFGI_ALL before each access".
std::string intervention_name(std::size_t number);

/// The case so changed; nothing, where that changes nothing.
std::optional<Case> intervene(std::size_t number, const Case& what, const DeviceIdentity& device);

}  // namespace iommucheck::oracle
