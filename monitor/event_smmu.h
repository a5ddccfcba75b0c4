// SPDX-License-Identifier: MIT
// Where there are several SMMUs: which one an event of a trace is of.
#pragma once

#include <optional>

#include "trace/event.h"

namespace iommucheck::oracle {

/// The number that the event gives its SMMU; nothing: it gives none.
std::optional<u32> named_smmu(const trace::Event& event);
/// It has one, named or not.
bool is_of_an_smmu(const trace::Event& event);
/// Names it; 0, which needs no name, is also what the monitor of each one calls its own.
void name_smmu(trace::Event& event, u32 number);

}  // namespace iommucheck::oracle
