// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "base/error.h"
#include "spec/rules.h"

namespace iommucheck::cli {

/// The rule in words: sentence, section, what usually breaks it; the smallest litmus test that
/// does, and a driver of the museum. Errors: gave_up where a file that the program carries cannot
/// be read.
Expected<std::string> explain_rule(spec::Rule rule);

}  // namespace iommucheck::cli
