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
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "base/pool.h"
#include "base/trail.h"
#include "base/types.h"
#include "spec/sva/call.h"
#include "spec/sva/expectation.h"
#include "spec/sva/interval_map.h"
#include "spec/sva/permitted.h"
#include "spec/sva/records.h"
#include "spec/sva/setup.h"

namespace iommucheck::spec::sva {

/// A call, an Invalidate or a Release in progress. 0: not followed (more than 64 at once): until it
/// ends no promise is judged.
struct Ticket {
  u32 number = 0;
};

class Interface {
 public:
  Interface(Trail& trail, const Setup& setup);
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;

  [[nodiscard]] u32 device_count() const { return devices_.size(); }
  [[nodiscard]] const std::vector<u32>& stream_ids(u32 device) const;
  /// The device of a stream ID; device_count() if there is none.
  [[nodiscard]] u32 device_of(u32 stream_id) const;
  /// Handle of the device's domain, 0 if it has none.
  [[nodiscard]] u64 domain_of(u32 device) const;
  [[nodiscard]] bool is_domain(u64 handle) const { return find(handle) != 0; }
  [[nodiscard]] bool is_paging(u64 handle) const;
  /// Facts of a living domain; zeros if there is none.
  [[nodiscard]] DomainFacts facts_of(u64 handle) const;
  /// The same of a private io_mm.
  [[nodiscard]] DomainFacts facts_of_io_mm(u64 handle) const;
  /// A private io_mm that is not freed.
  [[nodiscard]] bool is_io_mm(u64 handle) const { return find_private(handle) != 0; }
  /// PASID of a private io_mm; none if there is no such io_mm, or it was not seen.
  [[nodiscard]] Substream pasid_of_io_mm(u64 handle) const;
  /// Domain of a private io_mm, 0 if there is none.
  [[nodiscard]] u64 domain_of_io_mm(u64 handle) const;
  /// The PASID at which plain binds reach the process; none if there is no bond.
  [[nodiscard]] Substream pasid_of_process(u64 mm) const;
  [[nodiscard]] bool has_bond(u32 device, u32 pasid) const { return find_bond(device, pasid) != 0; }
  /// sva_device_init was done.
  [[nodiscard]] bool has_sva(u32 device) const;
  /// A process that was created and is not gone.
  [[nodiscard]] bool is_process(u64 mm) const { return find_process(mm) != 0; }
  /// Whether it is bound: the environment owes its Invalidate and Release to the driver.
  [[nodiscard]] bool is_bound(u64 mm) const;
  /// Whether something that its tables said may be cached still: no Invalidate has covered it.
  [[nodiscard]] bool is_stale(u64 mm) const;
  /// visit(device, pasid, drvdata, running) for each bond of the process, those with a handler that
  /// is still to be called (running = false) or has not returned (true) only.
  template <class Visit>
  void for_each_handler(u64 mm, Visit visit) const {
    const u32 process = find_process(mm);
    for_each_bond_of(process, [&](u32 i) {
      const Bond& bond = bonds_[i];
      const bool running = bond.state == BondState::running || bond.state == BondState::overdue;
      if (!running && bond.state != BondState::owed) return;
      visit(bond.device, numbers_[bond.number].value, bond.drvdata, running);
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
  /// Whether a call, Invalidate or Release is in progress.
  [[nodiscard]] bool in_call() const { return busy_ != 0 || overflow_ != 0; }

  /// Whether what the call waits for is over, so that it may return: no handler that it has to wait
  /// for runs. Of a Release: all were called, too.
  [[nodiscard]] bool may_end(Ticket ticket) const;

  // --- Events that are no calls of the alphabet ----------------------------------------------

  void device_added(u32 device);
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

  /// How an access ends there that no mapping, or its rights, permit.
  [[nodiscard]] FaultKind faults_of(u32 device, Substream at) const;

  /// visit(number) for the PASIDs at which the device reaches something, or may during the calls in
  /// progress, or at which something is in quarantine; ascending. A number that a bind or
  /// sva_alloc_pasid in progress is going to choose is not among them.
  template <class Visit>
  void for_each_substream(u32 device, Visit visit) const {
    forest_.for_each(number_at_, 0, pasid_limit - 1, [&](const Interval& piece) {
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
    const u32 index = find(handle);
    if (index == 0) return;
    forest_.for_each(spaces_[index].stale, 0, ~u64{0},
                     [&](const Interval& piece) { visit(piece.first, piece.last); });
  }

  /// The same of a private io_mm.
  template <class Visit>
  void for_each_stale_of_io_mm(u64 handle, Visit visit) const {
    const u32 index = find_private(handle);
    if (index == 0) return;
    forest_.for_each(spaces_[index].stale, 0, ~u64{0},
                     [&](const Interval& piece) { visit(piece.first, piece.last); });
  }

  /// Everything that is still held, domains in the order of their making.
  [[nodiscard]] std::vector<Leak> leaks() const;
  [[nodiscard]] Held held() const;

  /// The state as text: equal texts are equal states for whoever uses it. Not when PASIDs were
  /// freed, which handles were, and what was only asked for (attributes, a process's io_mm).
  [[nodiscard]] std::string dump() const;

  /// How often each rule was asked where breaking it would have shown. Not part of the state.
  mutable std::array<u64, 256> exercised{};
  /// With that: the whole state.
  [[nodiscard]] std::string dump_with_history() const;

 private:
  using Space = records::Space;
  using Device = records::Device;
  using Ghost = records::Ghost;
  using Link = records::Link;
  using Number = records::Number;
  using NumberState = records::NumberState;
  using Bond = records::Bond;
  using Unseen = records::Unseen;
  using BondState = records::BondState;
  using Pending = records::Pending;
  using Owner = records::Owner;

  static constexpr u32 ticket_max = 64;

  /// What is constant of a device.
  struct Constants {
    std::vector<u32> stream_ids;
    u32 ssid_bits = 0;  ///< what it and the IOMMU can do
    bool can_wait = false;
    bool iommu = true;
    bool grouped = false;
  };

  /// PASIDs, inclusive; first > last: none.
  struct Range {
    u32 first = 1;
    u32 last = 0;
    [[nodiscard]] bool empty() const { return first > last; }
    [[nodiscard]] bool has(u32 number) const { return first <= number && number <= last; }
  };

  // --- interface.cpp: look-up ---
  [[nodiscard]] u32 find(u64 handle) const;
  [[nodiscard]] u32 find_paging(u64 handle) const;
  [[nodiscard]] u32 find_private(u64 handle) const;
  /// PASID record at which a process's io_mm with that handle stands.
  [[nodiscard]] u32 find_process_io_mm(u64 handle) const;
  [[nodiscard]] u32 find_process(u64 mm) const;
  [[nodiscard]] u32 find_number(u32 pasid) const;
  /// One that the caller still has.
  [[nodiscard]] u32 find_bond(u32 device, u32 pasid) const;
  /// The space that a map-like call works on, 0 if there is none: of a domain, or private.
  [[nodiscard]] u32 target(const Call& call) const;
  [[nodiscard]] bool device_exists(u32 device) const;
  [[nodiscard]] bool device_has_iommu(u32 device) const;
  [[nodiscard]] bool moves_with(u32 device, u32 other) const;
  [[nodiscard]] u64 granule(const Space& space) const;
  /// Living spaces that need a number of their own, those that a time-out holds and bound
  /// processes.
  [[nodiscard]] u32 address_spaces() const;
  [[nodiscard]] u32 main_number(u32 process) const;

  /// Calls visit(index) for every space.
  template <class Visit>
  void for_each_space(Visit visit) const {
    for (u32 i = 1; i < spaces_.bound(); ++i) {
      if (spaces_[i].life != records::unused) visit(i);
    }
  }
  template <class Visit>
  void for_each_bond(Visit visit) const {
    for (u32 i = 1; i < bonds_.bound(); ++i) {
      if (bonds_[i].number != 0) visit(i);
    }
  }
  template <class Visit>
  void for_each_bond_of(u32 process, Visit visit) const {
    if (process == 0) return;
    for_each_bond([&](u32 i) {
      if (numbers_[bonds_[i].number].space == process) visit(i);
    });
  }
  /// visit(space, interval) for what is unmapped and may still be reached; all that a zombie maps
  /// is reachable until recovery.
  template <class Visit>
  void for_each_in_flight(Visit visit) const {
    for_each_space([&](u32 i) {
      const auto look = [&](const Interval& piece) { visit(i, piece); };
      forest_.for_each(spaces_[i].stale, 0, ~u64{0}, look);
      forest_.for_each(spaces_[i].older, 0, ~u64{0}, look);
      if (spaces_[i].life == records::zombie) forest_.for_each(spaces_[i].map, 0, ~u64{0}, look);
    });
  }
  template <class Visit>
  void for_each_unseen(Visit visit) const {
    for (auto i = static_cast<u32>(unseen_); i != 0; i = unseens_[i].next) visit(unseens_[i]);
  }
  template <class Visit>
  void for_each_pending(Visit visit) const {
    for (u64 rest = busy_; rest != 0; rest &= rest - 1) {
      visit(pending_[static_cast<u32>(std::countr_zero(rest))]);
    }
  }
  /// Whether that bond, living or stopping, is the caller's.
  [[nodiscard]] static bool is_callers(const Bond& bond) {
    return bond.state != BondState::ended && bond.state != BondState::ghost;
  }

  // --- results.cpp: spaces. results_sva.cpp: devices, bonds, PASIDs, io_mm ---
  [[nodiscard]] Permitted answers(const Call& call, Circumstances around,
                                  const Pending* begun) const;
  [[nodiscard]] Permitted permitted_domain_alloc(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_domain_free(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_attach(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_detach(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_map(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_map_sg(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_unmap(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_sync(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_tlb_range_add(const Call& call) const;
  [[nodiscard]] Permitted permitted_iova_to_phys(const Call& call) const;
  [[nodiscard]] Permitted permitted_on_process(const Call& call) const;
  [[nodiscard]] Permitted permitted_sva(const Call& call, Circumstances around,
                                        const Pending* begun) const;
  [[nodiscard]] Permitted permitted_get_attr(const Call& call) const;
  [[nodiscard]] Permitted permitted_pasid_alloc(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_pasid_free(const Call& call) const;
  [[nodiscard]] Permitted permitted_init(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_shutdown(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_bind(const Call& call, Circumstances around,
                                         const Pending* begun) const;
  [[nodiscard]] Permitted permitted_unbind(const Call& call, Circumstances around,
                                           const Pending* begun) const;
  [[nodiscard]] Permitted permitted_unbind_all(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_drvdata(const Call& call) const;
  [[nodiscard]] Permitted permitted_io_mm_of(const Call& call) const;
  [[nodiscard]] Permitted permitted_alloc_private(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_free_private(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_get_pasid(const Call& call) const;
  [[nodiscard]] Permitted permitted_link(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_recover(Circumstances around) const;
  void judge_device(const Call& call, Permitted& set) const;
  void judge_new_number(Range range, Permitted& set) const;

  [[nodiscard]] bool well_formed(const Space& space, u64 iova, u64 pa, u64 size) const;
  void judge_map_range(const Space& space, u64 iova, u64 pa, u64 size, Permitted& set) const;
  [[nodiscard]] const char* not_for_domain_alloc(const Call& call) const;
  struct Unready {
    Rule rule = Rule::RANGE_UNSYNCED;
    const char* reason = nullptr;  ///< null: nothing is in the way
  };
  [[nodiscard]] Unready unready_for_map(const Call& call) const;
  [[nodiscard]] const char* freed_object(const Call& call) const;
  void say_done(u32 device, u32 pasid);
  void unsay_done(u32 device, u32 pasid);
  [[nodiscard]] const char* not_while_another_waits(const Call& call) const;
  void add_stops(const Space& space, u64 first, u64 last, u64 end, Permitted& set) const;
  [[nodiscard]] bool has_pasids(u32 device) const;
  /// Whether it comes from a handler that runs for its device. One that is late may belong to a
  /// bond that is gone, and its number to another one.
  [[nodiscard]] bool is_inside(const Call& call) const;

  Verdict check(const Call& call, const Observed& observed, Circumstances around,
                const Pending* begun) const;
  void check_handle(const Call& call, const Observed& observed, std::string& why) const;
  Verdict check_number(const Call& call, const Permitted& set, u64 number) const;
  [[nodiscard]] const char* check_word(const Call& call, u64 word) const;
  Verdict check_waiting(const Call& call, const Observed& observed, const Pending* begun) const;
  [[nodiscard]] bool waits_for_handlers(const Pending& pending) const;

  // --- pasids.cpp: numbers ---
  /// What a device can be given; what pasid_alloc can give.
  [[nodiscard]] Range device_range(u32 device, u32 min, u32 max) const;
  [[nodiscard]] Range plain_range(u32 min, u32 max, bool within_iommu) const;
  /// Counts, in a range, no further than one.
  [[nodiscard]] bool any_free(Range range) const;
  [[nodiscard]] bool any_doubtful(Range range) const;
  [[nodiscard]] const char* not_while_released(const Call& call) const;
  /// A free number in the range that the cyclic rule wants before `number`; pasid_unknown: none.
  [[nodiscard]] u32 wanted_before(Range range, u32 number) const;
  void count(Rule rule) const { ++exercised[static_cast<std::size_t>(rule)]; }
  [[nodiscard]] bool any_number(Range range, bool free) const;
  u32 take_number(u32 pasid, NumberState state, u32 space);
  void free_number(u32 index);
  void doubt_number(u32 index);

  // --- effects.cpp: spaces. effects_sva.cpp: devices, bonds. processes.cpp: the environment ---
  void apply_effect(const Call& call, const Observed& observed, Circumstances around,
                    const Pending* begun);
  void apply_domain_alloc(const Call& call, const Observed& observed);
  void apply_domain_free(const Call& call, Status status);
  void apply_attach(const Call& call, Status status);
  void apply_detach(const Call& call, Status status);
  void apply_map(const Call& call, Status status, Circumstances around);
  void apply_unmap(const Call& call, const Observed& observed);
  void apply_sync(const Call& call, Status status);
  void apply_tlb_range_add(const Call& call);
  void apply_sva(const Call& call, const Observed& observed, const Pending* begun);
  void apply_get_attr(const Call& call, const Observed& observed);
  void apply_pasid_alloc(const Observed& observed);
  void apply_pasid_free(const Call& call, Status status);
  void apply_init(const Call& call, Status status);
  void apply_shutdown(const Call& call, Status status);
  void apply_bind(const Call& call, const Observed& observed, const Pending* begun);
  void apply_unbind(const Call& call, Status status);
  void apply_io_mm_of(const Call& call, const Observed& observed);
  void apply_alloc_private(const Call& call, const Observed& observed);
  void apply_free_private(const Call& call, Status status);
  void apply_get_pasid(const Call& call, const Observed& observed);
  void apply_link(const Call& call, Status status);

  void begin_effect(const Call& call, Pending& pending);
  void begin_sva(const Call& call, Pending& pending);
  u32 open_ticket(const Pending& pending);
  void close_ticket(Ticket ticket);
  [[nodiscard]] const Pending* pending_of(Ticket ticket) const;

  /// Calls visit(Interval) for the pieces that the map or map_sg asks for, as far as they are well
  /// formed; pieces that continue each other are one.
  template <class Visit>
  void for_each_request(const Space& space, const Call& call, Visit visit) const {
    if ((call.prot & prot_access) == 0 || (call.prot & ~prot_known) != 0) return;
    const Segment whole{call.pa, call.size};
    const bool many = call.kind == CallKind::map_sg || call.kind == CallKind::sva_map_sg;
    Interval run{.first = 1, .last = 0};
    u64 iova = call.iova;
    for (const Segment& segment : many ? call.segments : std::span<const Segment>(&whole, 1)) {
      if (segment.size == 0) continue;
      if (!well_formed(space, iova, segment.pa, segment.size)) break;
      const u64 last = iova + (segment.size - 1);
      if (run.first <= run.last && run.pa + (iova - run.first) == segment.pa) {
        run.last = last;
      } else {
        if (run.first <= run.last) visit(run);
        run = {iova, last, segment.pa, call.prot, 0};
      }
      if (last == ~u64{0}) break;
      iova = last + 1;
    }
    if (run.first <= run.last) visit(run);
  }
  void make_stale(u64& root, const Interval& interval, u32 tag);
  void quarantine_failed_map(const Call& call);
  void keep_layer(u32 index, const Interval& piece, u32 tag);
  void drop_tagged(u32 space, u32 tag, u64 first, u64 last);
  void drop_pieces(u64& root, u32 tag, u64 first, u64 last);
  void empty_gather(u32 space);
  void quarantine_stale(u32 space);
  void move_device(u32 device, u32 domain);
  void add_ghost(u32 device, u32 domain);
  void drop_ghosts(u32 device);
  void drop_ghosts_of_domain(u32 domain);
  void release_space(u32 space);

  u32 add_bond(u32 device, u32 number, u64 drvdata, BondState state);
  void set_bond_state(u32 bond, BondState state);
  void end_bond(u32 bond, records::Gone gone, bool timed_out);
  void remove_bond(u32 bond);
  [[nodiscard]] Range bind_range(const Call& call) const;
  void end_all_of(u32 device, records::Gone gone, bool timed_out);
  void end_private(u32 space, bool timed_out);
  void settle_number(u32 number);
  void forget_process(u32 space);
  void add_unseen(const Unseen& what);
  /// Those for which `wanted(record)`.
  template <class Wanted>
  void drop_unseen(Wanted wanted) {
    u32 kept = 0;
    for (auto i = static_cast<u32>(unseen_); i != 0;) {
      const Unseen record = unseens_[i];
      if (!wanted(record)) {
        kept = i;
      } else {
        if (kept == 0) {
          trail_.set(unseen_, record.next);
        } else {
          unseens_.edit(trail_, kept).next = record.next;
        }
        unseens_.release(trail_, i);
        unwatch(record);
      }
      i = record.next;
    }
  }
  void unwatch(const Unseen& record);
  void ghosts_end();
  void ghosts_end_of_domain(u32 domain);
  void add_link(u32 space, u32 device, bool doubtful);
  void drop_link(u32 space, u32 device);
  [[nodiscard]] bool is_watched(u32 process) const;
  [[nodiscard]] u32 find_writable(u64 mm, u64 va, u64 bytes) const;
  void keep_old(u32 process, u64 first, u64 last);
  void drop_older_than(u64& root, u64 first, u64 last, u64 changes);
  Verdict early_handler(u32 device, u32 pasid, u64 drvdata);

  /// Calls visit(first, last) for the holes of a map within [first, last].
  template <class Visit>
  void for_each_hole(u64 root, u64 first, u64 last, Visit visit) const {
    for (;;) {
      const Piece piece = forest_.lookup(root, first);
      const u64 end = piece.last < last ? piece.last : last;
      if (!piece.mapped) visit(first, end);
      if (end == last) return;
      first = end + 1;
    }
  }

  // --- promises.cpp: spaces. promises_sva.cpp: PASIDs ---
  void domain_promises(u32 domain, u64 iova, bool with_calls, Alternatives& out) const;
  void space_promises(u32 space, u64 iova, FaultKind faults, bool with_calls,
                      Alternatives& out) const;
  void pending_space_promises(u32 space, u64 iova, bool is_mapped, FaultKind faults,
                              Alternatives& out) const;
  void pending_move_promises(u32 device, Substream at, u64 iova, Alternatives& out) const;
  [[nodiscard]] Alternatives promises_at(u32 device, Substream at, u64 iova, bool with_calls) const;
  [[nodiscard]] Expectation settled(u32 device, Substream at, u64 iova) const;
  void substream_promises(u32 device, u32 domain, u32 pasid, u64 iova, bool with_calls,
                          Alternatives& out) const;
  void private_promises(u32 device, u32 domain, u32 number, u64 iova, bool with_calls,
                        Alternatives& out) const;
  void bound_promises(u32 device, u32 domain, u32 number, u64 iova, bool with_calls,
                      Alternatives& out) const;
  void unseen_promises(u32 device, u32 domain, u32 pasid, u64 iova, bool with_calls,
                       Alternatives& out) const;
  [[nodiscard]] bool is_there(const Unseen& record, u32 device, u32 domain, u32 pasid) const;
  [[nodiscard]] bool is_free_or_in_doubt(u32 number) const {
    return number == 0 || numbers_[number].state == NumberState::doubtful;
  }
  void pending_number_promises(u32 device, u32 domain, u32 pasid, u64 iova,
                               Alternatives& out) const;
  /// Whether the bond makes its process reachable for the device while it is on the domain.
  [[nodiscard]] bool reaches(const Bond& bond, u32 device, u32 domain) const;
  [[nodiscard]] bool has_link(const Space& space, u32 device) const;
  [[nodiscard]] bool may_reach(u32 device, u32 number) const;
  /// Whether a call in progress may already have ended what stands there for the device.
  [[nodiscard]] bool may_have_ended(u32 bond) const;
  [[nodiscard]] bool may_have_ended_private(u32 space) const;
  [[nodiscard]] bool wants_to_wait(u32 device) const;
  [[nodiscard]] bool minds_may_change() const;
  [[nodiscard]] bool meets_by_time_out(u32 device, u32 domain) const;
  [[nodiscard]] FaultKind faults_of_processes(u32 device, u32 domain) const;

  Trail& trail_;
  std::vector<Constants> constants_;                   // constant
  std::vector<std::pair<u32, u32>> device_of_stream_;  // constant, sorted
  u32 address_spaces_;                                 // constant
  u32 ssid_bits_;                                      // constant
  bool per_device_tables_;                             // constant
  bool keeps_pasid_0_;                                 // constant
  IntervalForest forest_;
  TrailPool<Space> spaces_;
  TrailArray<Device> devices_;
  TrailPool<Ghost> ghosts_;
  TrailPool<Link> links_;
  TrailPool<Number> numbers_;
  TrailPool<Bond> bonds_;
  TrailPool<Unseen> unseens_;
  u64 handles_ = 0;        // root: handle -> index in `tag`
  u64 freed_handles_ = 0;  // root
  u64 io_mms_ = 0;         // root: handle -> 2 * space if private, 2 * PASID record + 1 else
  u64 freed_io_mms_ = 0;   // root
  u64 processes_ = 0;      // root: mm -> index in `tag`
  u64 number_at_ = 0;      // root: PASID -> record in `tag`
  u64 unseen_ = 0;         // list
  u64 said_done_ = 0;      // root: device << 20 | PASID, of which the device's driver said "done"
  u64 turns_lost_ = 0;     // 1: nobody saw which PASID a call that gives one had before it failed
  u64 changes_ = 0;        // of the environment, and of PASIDs that became free: a clock
  u64 busy_ = 0;           // tickets in use, a bit each
  u64 overflow_ = 0;       // calls in progress without a ticket
  std::array<Pending, ticket_max> pending_{};
};

}  // namespace iommucheck::spec::sva
