// SPDX-License-Identifier: MIT
#include "spec/sva/interface_faults.h"

#include "spec/sva/fault_handlers.h"
#include "spec/sva/fault_queues.h"
#include "spec/sva/faults.h"
#include "spec/sva/recorded_faults.h"
#include "spec/sva/user_events.h"
#include "spec/sva/waiting_faults.h"

namespace iommucheck::spec::sva {

void InterfaceFaults::fault_waits(const FaultRecord& fault, u32 sid, u32 stag) {
  sva::fault_waits(state(), fault, sid, stag, false);
}

void InterfaceFaults::stall_recorded(const FaultRecord& fault, u32 sid, u32 stag,
                                     const EventWords& words, bool outer) {
  const u64 order = sva::fault_waits(state(), fault, sid, stag, outer);
  const bool taken = order != 0 && may_have_queue(state(), order);
  sva::event_recorded(state(), fault.device, {}, words, taken ? order : 0);
}

void InterfaceFaults::faults_are_read(bool of_events, bool of_requests) {
  sva::faults_are_read(state(), of_events, of_requests);
}

void InterfaceFaults::process_answered(const FaultRecord& fault, bool again) {
  sva::process_answered(state(), fault, again);
}

Verdict InterfaceFaults::fault_resumed(u32 sid, u32 stag, bool again, bool alone) {
  return sva::fault_resumed(state(), sid, stag, again ? response_success : response_invalid, alone);
}

void InterfaceFaults::page_is_requested(const FaultRecord& fault, u32 sid, u32 name) {
  sva::page_is_requested(state(), fault, sid, name);
}

void InterfaceFaults::begun_groups_are_lost() { sva::begun_groups_are_lost(state()); }

Verdict InterfaceFaults::group_answered(u32 sid, u32 name, u32 response) {
  return sva::fault_resumed(state(), sid, name, response);
}

std::optional<bool> InterfaceFaults::requests_are_on(u32 device) const {
  return sva::requests_are_on(state(), device);
}

std::optional<StallName> InterfaceFaults::stall_of(const Call& call) const {
  return sva::stall_of(state(), call);
}

std::vector<InterfaceFaults::WaitingFault> InterfaceFaults::waiting_faults() const {
  std::vector<WaitingFault> waiting;
  state().for_each_waiting([&](u32 i) {
    const Waiting& fault = state().waitings[i];
    const bool begun = fault.state == FaultState::begun && fault.seen != 0;
    const bool there =
        begun || fault.state == FaultState::unread || fault.state == FaultState::read;
    if (!there || fault.unsure != 0) return;
    waiting.push_back({{fault.sid, fault.stag}, fault.device, fault.pasid, begun});
  });
  return waiting;
}

std::vector<StallName> InterfaceFaults::waiting_names() const {
  std::vector<StallName> names;
  state().for_each_waiting(
      [&](u32 i) { names.push_back({state().waitings[i].sid, state().waitings[i].stag}); });
  return names;
}

std::optional<FaultRecord> InterfaceFaults::oldest_fault(u64 queue) const {
  return sva::oldest_fault(state(), queue);
}

void InterfaceFaults::event_recorded(u32 stream_id, const EventWords& words, Substream at) {
  sva::event_recorded(state(), state().device_of(stream_id), at, words);
}

void InterfaceFaults::event_was_lost() { sva::event_was_lost(state()); }

std::optional<EventRead> InterfaceFaults::oldest_event(u64 queue) const {
  return sva::oldest_event(state(), queue);
}

void InterfaceFaults::forget_refused() { sva::forget_refused(state()); }

Verdict InterfaceFaults::fault_handler_called(const FaultRecord& fault, std::optional<u64> iova,
                                              u64 word) {
  return sva::fault_handler_called(state(), fault, iova, word);
}

Verdict InterfaceFaults::handlers_were_called() { return sva::handlers_were_called(state()); }

std::optional<u64> InterfaceFaults::fault_handler_of(u32 device, u32 pasid) const {
  return sva::fault_handler_of(state(), device, pasid);
}

}  // namespace iommucheck::spec::sva
