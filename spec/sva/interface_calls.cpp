// SPDX-License-Identifier: MIT
#include "spec/sva/interface_calls.h"

#include "spec/sva/calls.h"
#include "spec/sva/duties.h"
#include "spec/sva/exit.h"

namespace iommucheck::spec::sva {

Permitted InterfaceCalls::permitted(const Call& call, Circumstances around) const {
  return answers(state(), call, around, nullptr);
}

Permitted InterfaceCalls::permitted(Ticket ticket, const Call& call, Circumstances around) const {
  return answers(state(), call, around, state().tickets.find(ticket));
}

const char* InterfaceCalls::caller_may_not(const Call& call) const {
  return sva::caller_may_not(state(), call);
}

Verdict InterfaceCalls::duty_of_call(const Call& call) const {
  return sva::duty_of_call(state(), call);
}

Verdict InterfaceCalls::duty_of_page(u64 pa, u64 size) const {
  return sva::duty_of_page(state(), pa, size);
}

Verdict InterfaceCalls::duty_of_dma(u32 device, u32 pasid) const {
  return sva::duty_of_dma(state(), device, pasid);
}

Ticket InterfaceCalls::begin_call(const Call& call) { return sva::begin_call(state(), call); }

Verdict InterfaceCalls::end_call(Ticket ticket, const Call& call, const Observed& observed,
                                 Circumstances around) {
  return sva::end_call(state(), ticket, call, observed, around);
}

Verdict InterfaceCalls::end_call(const Call& call, const Observed& observed, Circumstances around) {
  return end_last_call(state(), call, observed, around);
}

Verdict InterfaceCalls::apply(const Call& call, const Observed& observed, Circumstances around) {
  return sva::apply(state(), call, observed, around);
}

bool InterfaceCalls::may_end(Ticket ticket) const { return sva::may_end(state(), ticket); }

}  // namespace iommucheck::spec::sva
