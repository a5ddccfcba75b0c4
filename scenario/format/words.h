// SPDX-License-Identifier: MIT
// The words that may stand for an argument, each with a meaning: another one is a mistake in
// writing, and what the interface has no word for is a number, or `unknown`.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace iommucheck::scenario {

/// Of an argument with that letter of calls.def; nothing: these are no words of a list.
std::optional<std::span<const std::string_view>> words_for(char letter);

}  // namespace iommucheck::scenario
