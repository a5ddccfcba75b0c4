// SPDX-License-Identifier: MIT
// A finding in words that a driver's author can act on, without any of this project's own: what
// happened, the chain of causes with the calls they lie in, and the calls with their results.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oracle/record_case.h"

namespace iommucheck::oracle {

struct Words {
  std::string headline;               ///< one sentence
  std::vector<std::string> evidence;  ///< a line each
};

/// `finding` is one of `record`'s.
Words words_of(const Finding& finding, const CaseRecord& record);

/// The calls of a trace with arguments and results, failed allocations and devices' accesses among
/// them, a line each. A call that did not return says so.
std::vector<std::string> call_lines(const trace::Trace& trace);

/// One event, for people.
std::string describe(const trace::Event& event);

/// The monitor's text in its parts: at each "; " and before an explanation's ": ".
std::vector<std::string> parts_of(std::string_view text);

}  // namespace iommucheck::oracle
