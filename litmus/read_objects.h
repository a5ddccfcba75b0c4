// SPDX-License-Identifier: MIT
// The objects that init lays down and stores change.
#pragma once

#include <optional>

#include "litmus/ast.h"
#include "litmus/reader.h"

namespace iommucheck::litmus {

/// An object whose keyword `kind` was taken; nullopt if `kind` is none.
std::optional<Object> read_object(LineReader& reader, const Token& kind);
/// `0`, `table X`, `page P rw [g …]`, `block P …`.
Descriptor read_descriptor(LineReader& reader);
/// `P rw [g …] [n=N] [block=G]`: what a group that begins at `index` leads to.
Descriptor read_group(LineReader& reader, const Number& index, ContGroup& group);

}  // namespace iommucheck::litmus
