// SPDX-License-Identifier: MIT
// Calls of the interface between their two forms: spec::sva::Call, by which they are judged, and
// trace::CallArguments, by which they are written down.
#pragma once

#include <unordered_map>

#include "base/error.h"
#include "spec/smmu/outcome.h"
#include "spec/sva/call.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// Handles by the small numbers that a trace uses, in the order of their first result.
class HandleNumbers {
 public:
  /// 0, which is no handle, stays 0.
  u32 number(u64 handle) {
    if (handle == 0) return 0;
    return numbers_.try_emplace(handle, static_cast<u32>(numbers_.size() + 1)).first->second;
  }
  void clear() { numbers_.clear(); }

 private:
  std::unordered_map<u64, u32> numbers_;
};

struct CallNumbers {
  HandleNumbers domains;
  HandleNumbers io_mms;
  HandleNumbers tokens;
  HandleNumbers queues;
  void clear() {
    domains.clear();
    io_mms.clear();
    tokens.clear();
    queues.clear();
  }
};

/// The call with the trace's numbers instead of handles; 0 stays 0.
spec::sva::Call by_number(spec::sva::Call call, CallNumbers& numbers);

trace::CallArguments to_trace(const spec::sva::Call& call, CallNumbers& numbers);
trace::Return to_trace(const spec::sva::Call& call, const spec::sva::Observed& observed,
                       trace::CallId id, CallNumbers& numbers);

/// A judged call and what it refers to.
struct TracedCall {
  spec::sva::Call call;
  spec::sva::CallLists lists;

  [[nodiscard]] spec::sva::Call get() const {
    spec::sva::Call whole = call;
    lists.give(whole);
    return whole;
  }
};

/// unsupported for a call that has no judged form ("not built").
Expected<TracedCall> from_trace(const trace::CallArguments& arguments);
spec::sva::Observed from_trace(const spec::sva::Call& call, const trace::Return& result);
/// "EINVAL", "errno 38": as the rules' texts have it.
std::string status_text(const trace::Return& result);

trace::Rights rights_of(u32 prot);
u32 prot_of(const trace::Rights& rights);
/// The right that it needs.
u32 prot_wanted(const spec::Access& access);

}  // namespace iommucheck::oracle
