// SPDX-License-Identifier: MIT
// Events of a trace in words: what the driver did, and the calls of a case as a story.
#pragma once

#include <string>
#include <vector>

#include "monitor/finding.h"

namespace iommucheck::oracle {

/// Whose registers an event is about: those of a backend's IOMMU have offsets, and no names.
enum class Registers : u8 { smmuv3, of_a_backend };
/// Those of the hardware that its run was on.
Registers registers_of(const Violation& violation);

/// One event, for people.
std::string describe(const trace::Event& event, Registers registers = Registers::smmuv3);

/// The calls with arguments and results, failed allocations and devices' accesses among them, a
/// line each. Of one that has not returned `unfinished` stands for the result.
std::vector<std::string> call_lines(const Story& story, const std::string& unfinished);

/// A call with its arguments.
std::string call_text(const trace::Call& call);

}  // namespace iommucheck::oracle
