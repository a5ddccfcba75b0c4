// SPDX-License-Identifier: MIT
// A finding as JSON: every fact of it by name, and the same words as the text has. docs/reports.md.
#pragma once

#include <string_view>

#include "monitor/finding.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {

trace::JsonTree to_json(const Violation& violation);
/// The address of the cause's word, its kind, and so on.
trace::JsonTree to_json(const spec::Cause& cause);
std::string_view kind_name(May::Kind kind);
std::string_view kind_name(spec::Cause::Kind kind);
std::string_view kind_name(spec::NearestMiss::Kind kind);
std::string_view state_name(spec::sva::State state);

}  // namespace iommucheck::oracle
