// SPDX-License-Identifier: MIT
// What commands with cases of a driver have in common.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "check/sequence.h"

namespace iommucheck::cli {

/// Sequences of a corpus of check; none where `folder` is empty. A file that cannot be read is said
/// on stderr. environment; bad_input where there is nothing in it.
Expected<std::vector<oracle::Sequence>> read_corpus(std::string_view command,
                                                    const std::string& folder);

}  // namespace iommucheck::cli
