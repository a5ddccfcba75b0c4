// SPDX-License-Identifier: MIT
// The words of a finding. The one place where they are made: what `check`, `replay`, `conform`, the
// C door and the fuzz targets print of the same finding is the same.
#pragma once

#include <string>
#include <vector>

#include "monitor/finding.h"
#include "report/event_text.h"

namespace iommucheck::oracle {

/// One sentence: what is wrong.
std::string headline(const Finding& finding);
/// The headline and the causes on one line, for messages.
std::string one_line(const Finding& finding);
/// A line each: why, where in the trace, the calls up to it. Without an end of line.
std::vector<std::string> evidence(const Violation& violation);
/// Each line of the evidence, and how it is seen again: the shortest sequence, the command.
std::vector<std::string> details(const Violation& violation);
/// All of it, from "VIOLATION RULE" on, indented, with the end of its last line.
std::string full_text(const Violation& violation);

std::string may_text(const May& may);
std::string promised_text(const Promised& promised);
/// One or the other.
std::string promised_text(const std::vector<Promised>& promised);
/// What an event was, and where in the trace; during which call, where the trace has calls.
std::string event_line(const NamedEvent& named, bool calls_are_known,
                       Registers registers = Registers::smmuv3);

}  // namespace iommucheck::oracle
