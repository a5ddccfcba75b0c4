// SPDX-License-Identifier: MIT
// The objects that init lays down and stores change.
#pragma once

#include <optional>

#include "litmus/ast.h"
#include "litmus/reader.h"

namespace iommucheck::litmus {

/// An object whose keyword `kind` was taken; nullopt if `kind` is none.
std::optional<Object> read_object(LineReader& reader, const Token& kind);
/// `0`, `table X`, `page P rw [g …]`, `block P …`. With `page_only`, `P rw [g …]` alone.
Descriptor read_descriptor(LineReader& reader, bool page_only);

}  // namespace iommucheck::litmus
