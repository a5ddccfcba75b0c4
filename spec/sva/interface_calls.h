// SPDX-License-Identifier: MIT
// Calls: what they may answer, what a caller must keep, their life.
#pragma once

#include "spec/sva/interface_part.h"
#include "spec/sva/permitted.h"

namespace iommucheck::spec::sva {

class InterfaceCalls : protected InterfacePart {
 public:
  using InterfacePart::InterfacePart;

  // --- Results -----------------------------------------------------------------------------
  // INTERFACE "Errors and their order": with several reasons, the error of any is right.

  [[nodiscard]] Permitted permitted(const Call& call, Circumstances around) const;
  /// Of a call that has begun: what it waited for may have changed the state.
  [[nodiscard]] Permitted permitted(Ticket ticket, const Call& call, Circumstances around) const;

  /// Whether a caller that keeps its own duties may make the call now; nullptr if so, else why
  /// not. A fuzzer never sends what it may not: a freed handle, the range or pages of an
  /// unmap_fast that is not synchronised, a call or kind of domain that is not built, a call on a
  /// device that a waiting call moves or ends.
  [[nodiscard]] const char* caller_may_not(const Call& call) const;
  [[nodiscard]] bool caller_may(const Call& call) const { return caller_may_not(call) == nullptr; }

  // --- The caller's duties -------------------------------------------------------------------
  // What breaks one blames the caller, and nobody else for what follows from it.

  /// Of making the call now, whatever it answers.
  [[nodiscard]] Verdict duty_of_call(const Call& call) const;
  /// Of giving [pa, pa + size) to somebody else.
  [[nodiscard]] Verdict duty_of_page(u64 pa, u64 size) const;
  /// Of an access of the device that carries the PASID.
  [[nodiscard]] Verdict duty_of_dma(u32 device, u32 pasid) const;

  // --- A call's life -----------------------------------------------------------------------

  /// The call has begun: from now to end_call expected_during() holds its transient set.
  Ticket begin_call(const Call& call);
  /// The same call returned: judges the result and changes the state by what was observed. A
  /// result that is not permitted changes nothing.
  Verdict end_call(Ticket ticket, const Call& call, const Observed& observed,
                   Circumstances around = {});
  /// Of the only call in progress.
  Verdict end_call(const Call& call, const Observed& observed, Circumstances around = {});
  /// Both for a call of which nothing was looked at in between.
  Verdict apply(const Call& call, const Observed& observed, Circumstances around = {});
  /// More than Tickets::max calls run at once: not all of them are followed.
  [[nodiscard]] bool loses_calls() const { return state().tickets.overflowed(); }
  /// Whether a call, Invalidate or Release is in progress.
  [[nodiscard]] bool in_call() const {
    return state().tickets.any() || state().tickets.overflowed();
  }

  /// Whether what the call waits for is over, so that it may return: no handler that it has to wait
  /// for runs. Of a Release: all were called, too.
  [[nodiscard]] bool may_end(Ticket ticket) const;
};

}  // namespace iommucheck::spec::sva
