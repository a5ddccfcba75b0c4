// SPDX-License-Identifier: MIT
// Whether a fault at a PASID waits for an answer. INTERFACE "Faults".
#pragma once

#include <optional>

#include "spec/sva/expectation.h"
#include "spec/sva/state.h"
#include "spec/sva/tables.h"

namespace iommucheck::spec::sva {

FaultKind faults_of_processes(const InterfaceState& s, u32 device, const EntryTable& table);
bool would_silence(const InterfaceState& s, u32 device, u32 domain);
bool is_silenced(const InterfaceState& s, u32 device);
/// Whether a device that asks for pages does: nullopt where that is open. True of all others.
std::optional<bool> requests_are_on(const InterfaceState& s, u32 device);
FaultKind faults_of(const InterfaceState& s, u32 device, Substream at);

}  // namespace iommucheck::spec::sva
