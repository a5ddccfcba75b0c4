// SPDX-License-Identifier: MIT
// The lines of the format, each read into its struct.
#pragma once

#include "litmus/ast.h"
#include "litmus/reader.h"

namespace iommucheck::litmus {

/// What follows `init`, without `use`.
InitLine read_init(LineReader& reader, const Place& place);
/// What follows `run`.
Step read_step(LineReader& reader, const Place& place);
/// What follows `access`, `dma`, `load`, `driver`.
Access read_access(LineReader& reader, const Place& place);
DmaExpectation read_dma(LineReader& reader, const Place& place);
LoadExpectation read_load(LineReader& reader, const Place& place);
Verdict read_verdict(LineReader& reader, const Place& place);

/// The page that an outcome names ("late:K#3:dev!dirty" gives "K"), empty for faults and keywords.
std::string page_of_outcome(std::string_view text);

}  // namespace iommucheck::litmus
