// SPDX-License-Identifier: MIT
// What is known to be wrong with the driver of a run (report/known.h): which findings it excuses,
// and the file as it would be now.
#pragma once

#include <optional>
#include <string>

#include "check/check.h"
#include "check/passed_over.h"

namespace iommucheck::oracle {

/// bad_input if the known findings are another driver's.
Expected<void> known_is_of(const CheckOptions& options, const std::string& driver);

/// The entry that excuses the finding.
std::optional<std::size_t> excuse_of(const CheckOptions& options, const Finding& finding);

/// By the known findings of the options, and what they say was told. They outlive it.
KnownTo known_to(const CheckOptions& options);

/// The entries that there are, and one for each new finding, whose reason is to be written.
KnownFile known_after(const CheckOptions& options, const CheckResult& result);

}  // namespace iommucheck::oracle
