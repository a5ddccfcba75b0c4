// SPDX-License-Identifier: MIT
// One line of a scenario as a step.
#pragma once

#include "scenario/format/ast.h"
#include "scenario/format/tokens.h"

namespace iommucheck::scenario {

/// `cursor` stands at the line's first token; its error says what could not be read.
Step read_step(Cursor& cursor);

/// Alternatives `a | b`, up to the end of the line.
Values read_alternatives(Cursor& cursor);

}  // namespace iommucheck::scenario
