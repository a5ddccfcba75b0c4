// SPDX-License-Identifier: MIT
// Calls of the interface between their two forms: spec::sva::Call, by which they are judged, and
// trace::CallArguments, by which they are written down.
#pragma once

#include <unordered_map>

#include "base/error.h"
#include "spec/sva/call.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// Handles of domains by the small numbers that a trace uses, in the order of their first result.
class DomainNumbers {
 public:
  trace::DomainId number(u64 handle);
  void clear() { numbers_.clear(); }

 private:
  std::unordered_map<u64, u32> numbers_;
};

trace::CallArguments to_trace(const spec::sva::Call& call, DomainNumbers& numbers);
trace::Return to_trace(const spec::sva::Call& call, const spec::sva::Observed& observed,
                       trace::CallId id, DomainNumbers& numbers);

/// bad_input for a call that has no judged form ("not built").
Expected<spec::sva::Call> from_trace(const trace::CallArguments& arguments);
spec::sva::Observed from_trace(const spec::sva::Call& call, const trace::Return& result);

}  // namespace iommucheck::oracle
