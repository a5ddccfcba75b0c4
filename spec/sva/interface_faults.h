// SPDX-License-Identifier: MIT
// Faults that wait, and events that users are told of.
#pragma once

#include <optional>
#include <vector>

#include "spec/sva/interface_part.h"
#include "spec/sva/permitted.h"

namespace iommucheck::spec::sva {

class InterfaceFaults : protected InterfacePart {
 public:
  using InterfacePart::InterfacePart;

  // --- Faults that wait (fault_queues.h) -------------------------------------------------------

  /// An access that waits at a PASID was recorded; (sid, stag) is what the IOMMU calls it.
  void fault_waits(const FaultRecord& fault, u32 sid, u32 stag);
  /// One that stalls was recorded so, with a PASID or (fault.pasid = without_pasid) none. `outer`:
  /// by what stage 2 has made of it. On a user's domain it is its queue's, or an event of its.
  void stall_recorded(const FaultRecord& fault, u32 sid, u32 stag, const EventWords& words,
                      bool outer);
  /// The driver was interrupted for all that is recorded, of accesses that stall and of events, of
  /// page requests, or of both.
  void faults_are_read(bool of_events = true, bool of_requests = true);
  /// A page was asked for at a PASID, and that was recorded; fault.last: the last one of the group
  /// that the device's requests of that name are.
  void page_is_requested(const FaultRecord& fault, u32 sid, u32 name);
  /// Requests were lost: of groups that have begun nobody knows whether they go on.
  void begun_groups_are_lost();
  /// The process's own handler was asked of an access that waits, and answered.
  void process_answered(const FaultRecord& fault, bool again);
  /// The IOMMU was told to end the access; `again`: by making it once more. `alone`: that one was
  /// named, in an interrupt beside no call.
  Verdict fault_resumed(u32 sid, u32 stag, bool again, bool alone = false);
  /// The device was sent the answer to a group, response_*.
  Verdict group_answered(u32 sid, u32 name, u32 response);
  /// Whether its accesses wait by page requests; false of what is no device.
  [[nodiscard]] bool asks_for_pages(u32 device) const {
    return device < state().constants.size() && state().constants[device].asks;
  }
  /// Whether it asks for pages: sva_device_init has asked for that, and no "failure" came since;
  /// nullopt: that is open.
  [[nodiscard]] std::optional<bool> requests_are_on(u32 device) const;
  /// What the group of a fault_queue_respond is to the IOMMU; nullopt: no such group waits.
  [[nodiscard]] std::optional<StallName> stall_of(const Call& call) const;
  /// visit(device, pasid, sid, stag) of those that found their queue full.
  template <class Visit>
  void for_each_refused(Visit visit) const {
    state().for_each_waiting([&](u32 i) {
      const Waiting& fault = state().waitings[i];
      if (fault.state == FaultState::refused)
        visit(fault.device, fault.pasid, fault.sid, fault.stag);
    });
  }
  void forget_refused();
  /// The driver gave a fault to the handler of its device and PASID, with the handler's word. Of
  /// which access: `iova` and fault.prot; without `iova` the oldest that it can be of.
  Verdict fault_handler_called(const FaultRecord& fault, std::optional<u64> iova, u64 word);
  /// Whether it was given all that it was interrupted for; what was not is forgotten.
  Verdict handlers_were_called();
  /// The word of the handler there; nothing: there is none.
  [[nodiscard]] std::optional<u64> fault_handler_of(u32 device, u32 pasid) const;
  /// Those that are known to be in a queue, unread or not answered.
  struct WaitingFault {
    StallName stall;
    u32 device = 0;
    u32 pasid = 0;
    bool begun = false;  ///< of a group whose last page has not come
  };
  [[nodiscard]] std::vector<WaitingFault> waiting_faults() const;
  /// Of all that wait, whatever is known of them.
  [[nodiscard]] std::vector<StallName> waiting_names() const;
  /// The oldest that may be unread in a queue, without a group.
  [[nodiscard]] std::optional<FaultRecord> oldest_fault(u64 queue) const;
  /// Handle of the device's queue, 0 if it has none.
  [[nodiscard]] u64 queue_of(u32 device) const {
    const u32 queue = state().queue_of(device);
    return queue == 0 ? 0 : state().queues[queue].handle;
  }
  /// Handle of the fault queue of a user's domain, 0 if it has none.
  [[nodiscard]] u64 queue_of_domain(u64 domain) const {
    const u32 queue = state().queue_of_domain(state().find(domain));
    return queue == 0 ? 0 : state().queues[queue].handle;
  }
  [[nodiscard]] bool is_queue(u64 handle) const { return state().find_queue(handle) != 0; }

  // --- Events that users are told of (user_events.h) -------------------------------------------

  /// A record was written for a stream; or found no room in the IOMMU's queue. `at`: of the access,
  /// where PASIDs are the host's.
  void event_recorded(u32 stream_id, const EventWords& words, Substream at = {});
  void event_was_lost();
  /// What a driver gives next that has read all.
  [[nodiscard]] std::optional<EventRead> oldest_event(u64 queue) const;
  /// Handle of the event queue of a parent's user, 0 if it has none.
  [[nodiscard]] u64 event_queue_of(u64 parent) const {
    const u32 queue = state().event_queue_of(state().find_stage2(parent));
    return queue == 0 ? 0 : state().queues[queue].handle;
  }
};

}  // namespace iommucheck::spec::sva
