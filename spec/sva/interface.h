// SPDX-License-Identifier: MIT
// The abstract state of the interface: devices, domains, private and process address spaces, what
// each maps, what is not synchronised yet, PASIDs and bonds. It answers three questions: which
// results may a call give, what may an access of a device meet, and what has to be given back.
// docs/interface.md; SEMANTICS 5.
//
// What an implementation is free to choose (handles, PASIDs, how much of a block it can split,
// whether an allocation's failure shows) is observed, never predicted. Every change goes through
// the trail: `undo_to` restores all of it. Several calls may be in progress: all but the last begun
// wait, for an mm_exit handler.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/trail.h"
#include "base/types.h"
#include "spec/sva/answers.h"
#include "spec/sva/attach.h"
#include "spec/sva/call.h"
#include "spec/sva/duties.h"
#include "spec/sva/expectation.h"
#include "spec/sva/nested.h"
#include "spec/sva/nested_promises.h"
#include "spec/sva/permitted.h"
#include "spec/sva/processes.h"
#include "spec/sva/promises.h"
#include "spec/sva/setup.h"
#include "spec/sva/state.h"
#include "spec/sva/time_outs.h"

namespace iommucheck::spec::sva {

class Interface {
 public:
  Interface(Trail& trail, const Setup& setup);
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;

  /// What it counts of its state agrees with that: empty. Else what does not.
  [[nodiscard]] std::string consistent() const { return state_.consistent(); }

  [[nodiscard]] u32 device_count() const { return state_.devices.size(); }
  [[nodiscard]] const std::vector<u32>& stream_ids(u32 device) const;
  /// The device of a stream ID; device_count() if there is none.
  [[nodiscard]] u32 device_of(u32 stream_id) const;
  /// Handle of the device's domain, 0 if it has none.
  [[nodiscard]] u64 domain_of(u32 device) const { return state_.domain_of(device); }
  [[nodiscard]] bool device_exists(u32 device) const { return state_.device_exists(device); }
  [[nodiscard]] bool is_domain(u64 handle) const { return state_.find(handle) != 0; }
  [[nodiscard]] bool is_paging(u64 handle) const;
  [[nodiscard]] bool is_dynamic(u64 handle) const { return state_.find_dynamic(handle) != 0; }
  /// A token that was not given back.
  [[nodiscard]] bool is_token(u64 handle) const { return state_.find_token(handle) != 0; }
  /// The same of a token with a table of its own; zeros if there is none.
  [[nodiscard]] DomainFacts facts_of_token(u64 handle) const;
  /// The device of a token, device_count() if there is none.
  [[nodiscard]] u32 device_of_token(u64 handle) const;
  /// Handle of a dynamic domain's master, 0 if it is none.
  [[nodiscard]] u64 master_of(u64 handle) const;
  /// The TTBR0 attribute of a domain, 0 if it was not seen.
  [[nodiscard]] u64 table_of(u64 handle) const;
  [[nodiscard]] u64 table_of_token(u64 handle) const;
  /// A dynamic domain or a token has it as its master.
  [[nodiscard]] bool is_master(u64 handle) const;
  /// Facts of a living domain; zeros if there is none.
  [[nodiscard]] DomainFacts facts_of(u64 handle) const;
  /// The same of a private io_mm.
  [[nodiscard]] DomainFacts facts_of_io_mm(u64 handle) const;
  /// A private io_mm that is not freed.
  [[nodiscard]] bool is_io_mm(u64 handle) const { return state_.find_private(handle) != 0; }
  /// PASID of a private io_mm; none if there is no such io_mm, or it was not seen.
  [[nodiscard]] Substream pasid_of_io_mm(u64 handle) const;
  /// The device was attached to a private io_mm, or made it (tables per device).
  [[nodiscard]] bool is_linked(u64 handle, u32 device) const;
  /// Domain of a private io_mm, 0 if there is none.
  [[nodiscard]] u64 domain_of_io_mm(u64 handle) const;
  /// The PASID at which plain binds reach the process; none if there is no bond.
  [[nodiscard]] Substream pasid_of_process(u64 mm) const;
  [[nodiscard]] bool has_bond(u32 device, u32 pasid) const {
    return state_.find_bond(device, pasid) != 0;
  }
  /// Handle of the domain that attach_pasid put there, 0: none.
  [[nodiscard]] u64 attached_at(u32 device, u32 pasid) const;
  /// A living domain that map works on, and a RID reaches: of either stage.
  [[nodiscard]] bool is_mapped(u64 handle) const;
  /// sva_device_init was done.
  [[nodiscard]] bool has_sva(u32 device) const { return state_.has_sva(device); }
  /// A process that was created and is not gone.
  [[nodiscard]] bool is_process(u64 mm) const { return state_.find_process(mm) != 0; }
  /// Whether it is bound: the environment owes its Invalidate and Release to the driver.
  [[nodiscard]] bool is_bound(u64 mm) const;
  /// Whether something that its tables said may be cached still: no Invalidate has covered it.
  [[nodiscard]] bool is_stale(u64 mm) const;
  /// visit(device, pasid, drvdata, running) for each bond of the process, those with a handler that
  /// is still to be called (running = false) or has not returned (true) only.
  template <class Visit>
  void for_each_handler(u64 mm, Visit visit) const {
    const u32 process = state_.find_process(mm);
    state_.for_each_bond_of(process, [&](u32 i) {
      const Bond& bond = state_.bonds[i];
      const bool running = bond.state == BondState::running || bond.state == BondState::overdue;
      if (!running && bond.state != BondState::owed) return;
      visit(bond.device, state_.numbers[bond.number].value, bond.drvdata, running);
    });
  }

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
  [[nodiscard]] bool loses_calls() const { return state_.tickets.overflowed(); }
  /// Whether a call, Invalidate or Release is in progress.
  [[nodiscard]] bool in_call() const { return state_.tickets.any() || state_.tickets.overflowed(); }

  /// Whether what the call waits for is over, so that it may return: no handler that it has to wait
  /// for runs. Of a Release: all were called, too.
  [[nodiscard]] bool may_end(Ticket ticket) const;

  // --- Events that are no calls of the alphabet ----------------------------------------------

  void device_added(u32 device);
  /// A device was waited for in vain, or answers again: INTERFACE "Timeouts and removal".
  void endpoint_silent(u32 stream_id);
  void endpoint_answers(u32 stream_id);
  /// Surprise removal: acts as mm_exit's return, unbind_dev_all and detach for the device.
  /// `timed_out`: what it could reach may still be reached.
  void device_removed(u32 device, bool timed_out);
  /// SMMUEN = 0 was acknowledged and everything was invalidated: no quarantine of a time-out is
  /// left. What waits for a handler stays.
  void recovered();

  // --- The environment: processes. Addresses and sizes are multiples of 4 KiB ------------------
  // Between a change and the end of the Invalidate that began after it: old or new, or a fault
  // where something was taken away. False, and nothing done: no such process, a bad range.

  /// `mm` is new and not 0.
  bool process_created(u64 mm, u32 input_bits = 48);
  /// Where nothing is mapped. Counts from now on: nothing caches that a page is not mapped.
  bool process_maps(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot);
  bool process_unmaps(u64 mm, u64 va, u64 bytes);
  /// Pages that are mapped in the range get other rights, `prot` is not empty.
  bool process_protects(u64 mm, u64 va, u64 bytes, u32 prot);
  /// `child` is new: a copy; neither can write what the parent could.
  bool process_forks(u64 mm, u64 child);
  /// Its tables may be given back: Release returned, or it was never bound.
  bool process_gone(u64 mm);

  /// Invalidate of [va, va + bytes), or of everything: va = 0, bytes = 2^64 - 1.
  Ticket invalidate_begins(u64 mm, u64 va, u64 bytes);
  Verdict invalidate_ends(Ticket ticket, bool timed_out = false);

  /// Release: exit, exec. From here on a bind that begins fails, handlers are called.
  Ticket release_begins(u64 mm);
  /// The driver waits for a handler inside of it: by then it called all of them.
  [[nodiscard]] Verdict release_waits(Ticket ticket) const;
  /// A process that is not bound at the end had nothing to release.
  Verdict release_ends(Ticket ticket, bool timed_out = false);

  // --- Faults that wait (fault_queues.h) -------------------------------------------------------

  /// An access that waits at a PASID was recorded; (sid, stag) is what the IOMMU calls it.
  void fault_waits(const FaultRecord& fault, u32 sid, u32 stag);
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
    return device < state_.constants.size() && state_.constants[device].asks;
  }
  /// Whether it asks for pages: sva_device_init has asked for that, and no "failure" came since;
  /// nullopt: that is open.
  [[nodiscard]] std::optional<bool> requests_are_on(u32 device) const;
  /// What the group of a fault_queue_respond is to the IOMMU; nullopt: no such group waits.
  [[nodiscard]] std::optional<StallName> stall_of(const Call& call) const;
  /// visit(device, pasid, sid, stag) of those that found their queue full.
  template <class Visit>
  void for_each_refused(Visit visit) const {
    state_.for_each_waiting([&](u32 i) {
      const Waiting& fault = state_.waitings[i];
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
    const u32 queue = state_.queue_of(device);
    return queue == 0 ? 0 : state_.queues[queue].handle;
  }
  [[nodiscard]] bool is_queue(u64 handle) const { return state_.find_queue(handle) != 0; }

  // --- Events that users are told of (user_events.h) -------------------------------------------

  /// A record was written for a stream; or found no room in the IOMMU's queue.
  void event_recorded(u32 stream_id, const EventWords& words);
  void event_was_lost();
  /// What a driver gives next that has read all.
  [[nodiscard]] std::optional<EventRead> oldest_event(u64 queue) const;
  /// Handle of the event queue of a parent's user, 0 if it has none.
  [[nodiscard]] u64 event_queue_of(u64 parent) const {
    const u32 queue = state_.event_queue_of(state_.find_stage2(parent));
    return queue == 0 ? 0 : state_.queues[queue].handle;
  }

  // --- What devices have written (dirty.h) -----------------------------------------------------

  /// A device has written at `iova`; to `pa`, where that is known. `sure`: it was a write.
  void device_wrote(u32 device, Substream at, u64 iova, std::optional<u64> pa, bool sure);
  /// Bits of a dirty_read that must be set.
  [[nodiscard]] std::vector<u64> written_bits(const Call& call) const;
  /// dirty_set(on) is of the domain.
  [[nodiscard]] bool is_tracked(u64 handle) const {
    const u32 index = state_.find(handle);
    return index != 0 && state_.spaces[index].tracked != 0;
  }
  /// Whether the IOMMU marks what devices have written.
  [[nodiscard]] bool has_dirty_hardware() const { return state_.dirty != DirtyHardware::none; }

  // --- What stands in a user's memory, as the environment tells it (nested.h) ------------------
  // `parent` is the handle of a stage 2 domain; all addresses but `va` are its IPAs. False, and
  // nothing done: no such parent or table, a bad range. What stood there may be cached until a
  // cache_invalidate covers it.

  bool user_table_made(u64 parent, const UserTable& table);
  bool user_maps(u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot);
  bool user_unmaps(u64 parent, u64 root, u64 va, u64 bytes);
  bool user_sets_entry(u64 parent, u64 entry, const UserEntry& content);
  [[nodiscard]] bool is_stage2(u64 handle) const { return state_.find_stage2(handle) != 0; }
  /// A stage 2 domain over which there is a user's.
  [[nodiscard]] bool has_users(u64 handle) const;
  /// Handle of the parent of a user's domain; 0: it is none.
  [[nodiscard]] u64 parent_of(u64 handle) const;
  /// Width of the PASIDs that its structure has entries for; 0: none, or it is no user's domain.
  [[nodiscard]] u32 pasid_bits_of_user(u64 handle) const;
  /// What was given for it; nothing: it is no user's domain.
  [[nodiscard]] std::optional<std::array<u64, 2>> structure_of_user(u64 handle) const;
  /// The number by which the user of a parent calls the device.
  [[nodiscard]] std::optional<u64> number_of(u64 parent, u32 device) const;

  // --- Walkers beside the IOMMU (walkers.h) ----------------------------------------------------
  // A number below device_count() is the context bank of that device; others are walkers of their
  // own. INTERFACE "Dynamic domains".

  /// It has that table, and nothing cached: of a dynamic domain or a private PASID whose attribute
  /// was asked, else nothing that is known. 0: none.
  void walker_switches(u32 walker, u64 root);
  /// It dropped all that it had cached.
  void walker_flushes(u32 walker);
  /// It has a table beside its own domain's, perhaps one that is gone.
  [[nodiscard]] bool has_walker(u32 walker) const;
  /// It is asked with nothing cached: its table is a private PASID's.
  [[nodiscard]] bool walks_afresh(u32 walker) const;
  /// The root that it has; 0: none, or the table is gone.
  [[nodiscard]] u64 table_of_walker(u32 walker) const;
  /// Handle of the master of the table's owner, a private PASID's being its domain; 0: no attribute
  /// was seen to be `root`.
  [[nodiscard]] u64 master_of_table(u64 root) const;
  /// Facts of that owner.
  [[nodiscard]] DomainFacts facts_of_table(u64 root) const;
  /// It has the table of a token of that device.
  [[nodiscard]] bool walks_token_of(u32 walker, u32 device) const;
  /// visit(number) for each that has a table of a living owner.
  template <class Visit>
  void for_each_walker(Visit visit) const {
    for (u32 i = 0; i < state_.walkers.size(); ++i) {
      if (state_.walkers[i].space != 0) visit(state_.walkers[i].number);
    }
  }
  /// The same for each that has the table of the space that the call is about.
  template <class Visit>
  void for_each_walker_of(const Call& call, Visit visit) const {
    const u32 space = state_.target(call);
    for (u32 i = 0; i < state_.walkers.size() && space != 0; ++i) {
      if (state_.walkers[i].space == space) visit(state_.walkers[i].number);
    }
  }
  /// Every outcome that is permitted of an access through it now, calls in progress included.
  [[nodiscard]] Alternatives expected_of_walker(u32 walker, u64 iova) const;

  // --- The backend's hooks (hooks.h) -----------------------------------------------------------

  /// The backend called one, of the address space that the driver knows by that number.
  Verdict hook_called(Hook hook, u64 io_mm, u32 device, bool failed);
  /// How many mm_alloc has made and mm_free has not given back.
  [[nodiscard]] u32 hooked_io_mms() const;
  [[nodiscard]] u32 hooked_attachments() const;
  [[nodiscard]] const Hooks& hooks() const { return state_.hooks; }

  // --- Handlers of device drivers --------------------------------------------------------------

  /// The driver called mm_exit.
  Verdict handler_called(u32 device, u32 pasid, u64 drvdata);
  /// It returned: ok is "done". Not ok: the number stays in quarantine until the device unbinds.
  Verdict handler_returned(u32 device, u32 pasid, Status status);
  /// The time that it may take is over; blames the caller. No effect without a running handler.
  Verdict bound_passes(u32 device, u32 pasid);

  // --- Promises ----------------------------------------------------------------------------

  /// What an access of the device at `iova` meets when no call is in progress; during one, what it
  /// met before. An unknown device is blocked.
  [[nodiscard]] Expectation expected(u32 device, Substream at, u64 iova) const;
  [[nodiscard]] Expectation expected(u32 device, u64 iova) const {
    return expected(device, Substream{}, iova);
  }

  /// Every outcome that is permitted now, calls in progress included.
  [[nodiscard]] Alternatives expected_during(u32 device, Substream at, u64 iova) const;
  [[nodiscard]] Alternatives expected_during(u32 device, u64 iova) const {
    return expected_during(device, Substream{}, iova);
  }

  /// What the parents of the user's domains that the device may be on promise at an IPA: whatever
  /// the user writes, its accesses reach nothing else. None: it is on no user's domain.
  [[nodiscard]] Alternatives expected_within(u32 device, Substream at, u64 ipa) const;

  /// How an access ends there that no mapping, or its rights, permit.
  [[nodiscard]] FaultKind faults_of(u32 device, Substream at) const;

  /// visit(number) for the PASIDs at which the device reaches something, or may during the calls in
  /// progress, or at which something is in quarantine; ascending. A number that a bind or
  /// sva_alloc_pasid in progress is going to choose is not among them.
  template <class Visit>
  void for_each_substream(u32 device, Visit visit) const {
    state_.forest.for_each(state_.number_at, 0, pasid_limit - 1, [&](const Interval& piece) {
      if (may_reach(device, piece.tag)) visit(static_cast<u32>(piece.first));
    });
  }

  /// Whether all that is promised of the two is the same now, at every address of that space; false
  /// where that is not known.
  [[nodiscard]] bool equal_promises(u32 a, u32 b, Substream at) const;

  /// Whether an unmapped page in [pa, pa + size) may still be reached: it may not be reused.
  [[nodiscard]] bool page_in_flight(u64 pa, u64 size) const;

  /// visit(first, last) for what is unmapped in a domain and may still be reached: not synchronised
  /// or in quarantine.
  template <class Visit>
  void for_each_stale(u64 handle, Visit visit) const {
    const u32 index = state_.find(handle);
    if (index == 0) return;
    state_.forest.for_each(state_.spaces[index].stale, 0, ~u64{0},
                           [&](const Interval& piece) { visit(piece.first, piece.last); });
  }

  /// The same of a private io_mm.
  template <class Visit>
  void for_each_stale_of_io_mm(u64 handle, Visit visit) const {
    const u32 index = state_.find_private(handle);
    if (index == 0) return;
    state_.forest.for_each(state_.spaces[index].stale, 0, ~u64{0},
                           [&](const Interval& piece) { visit(piece.first, piece.last); });
  }

  /// Everything that is still held, domains in the order of their making.
  [[nodiscard]] std::vector<Leak> leaks() const;
  [[nodiscard]] Held held() const;

  /// The state as text: equal texts are equal states for whoever uses it. Not when PASIDs were
  /// freed, which handles were, and what was only asked for (attributes, a process's io_mm).
  [[nodiscard]] std::string dump() const;

  /// Tells `log` from here on which answers calls may give, and give. Null: nobody.
  void log_answers(AnswerLog* log) { state_.log = log; }

  /// How often each rule was asked where breaking it would have shown. Not part of the state.
  [[nodiscard]] const std::array<u64, rule_numbers>& exercised() const { return state_.exercised; }
  /// The state with its history: the whole of it.
  [[nodiscard]] std::string dump_with_history() const;

 private:
  /// Through any domain that it is on or may be on.
  [[nodiscard]] bool may_reach(u32 device, u32 number) const;

  InterfaceState state_;
};

}  // namespace iommucheck::spec::sva
