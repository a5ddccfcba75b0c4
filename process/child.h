// SPDX-License-Identifier: MIT
// Something that is done in a copy of this process, of which only a text comes back.
#pragma once

#include <functional>
#include <string>

#include "base/error.h"

namespace iommucheck::oracle {

/// Runs `work` in a forked process and returns its text. Where that process does not come to the
/// end of `work`, this one ends in the same way (signal, exit status): whoever watches it sees no
/// difference. environment if no process can be made.
Expected<std::string> in_child(const std::function<std::string()>& work);

}  // namespace iommucheck::oracle
