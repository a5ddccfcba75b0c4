// SPDX-License-Identifier: MIT
// Findings as text, for the way from a worker process to its supervisor.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oracle/check.h"

namespace iommucheck::oracle {

std::string to_text(const Violation& violation);
std::string to_text(const GaveUp& gave_up);
/// The inverse; nothing for any other text (a driver may have scribbled over it).
std::optional<Violation> violation_of(std::string_view text);
std::optional<GaveUp> gave_up_of(std::string_view text);

}  // namespace iommucheck::oracle
