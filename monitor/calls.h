// SPDX-License-Identifier: MIT
// A call's life: its begin, its waiting for others, its return, and what is compared then.
#pragma once

#include <string>

#include "monitor/device_accesses.h"

namespace iommucheck::oracle {

class CallEvents : public DeviceAccesses {
 public:
  /// A call begins; the one that ran has said that it waits. Its number, for what follows.
  u64 call_begins(const spec::sva::Call& call);
  /// The call that runs waits for a handler: others go on. And goes on itself.
  void call_waits();
  void call_resumes(u64 id);
  /// The call that runs returns.
  void call_returns(const spec::sva::Observed& observed, spec::sva::Circumstances around);
  /// The last one that returned: whatever it said, the interface let it be done.
  [[nodiscard]] bool could_have_been_done() const { return case_.calls.could_be_done; }
  void allocation_fails();
  /// The driver's backend calls a hook. `failed`: by that error; ENOMEM and `made_nothing`:
  /// mm_alloc made nothing and said no error.
  void hook_called(spec::sva::Hook hook, u64 io_mm, u32 device, spec::sva::Status failed,
                   bool made_nothing);

 protected:
  using DeviceAccesses::DeviceAccesses;

  void begin(Running running);
  void end_tolerance(bool timed_out);
  void owe_device(u32 device);
  void owe_all(u32 device);
  void check_after_call();

 private:
  [[nodiscard]] bool has_unbound(const Owed& place) const;
  void owe(const spec::sva::Call& call);
  void judge_result(const spec::sva::Verdict& verdict, const spec::sva::Observed& observed);
  void check_range(const spec::sva::Call& call, u64 first, u64 last);
  void check_space_range(u32 device, spec::sva::Substream at, u64 first, u64 last);
  // unmarked.cpp
  template <class Visit>
  void for_each_tag_of(u64 domain, Visit visit);
  void explain_unmarked(Finding& finding, u64 domain, u64 iova);
  void explain_by_model(Finding& finding, u64 iova, u64 grain) const;
};

}  // namespace iommucheck::oracle
