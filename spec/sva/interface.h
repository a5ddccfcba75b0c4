// SPDX-License-Identifier: MIT
// The abstract state of the interface: devices, domains, what each domain maps, what is not
// synchronised yet. It answers three questions: which results may a call give, what may an access
// of a device meet, and what has to be given back. INTERFACE.md; DESIGN 4; SEMANTICS 5.
//
// What an implementation is free to choose (handles, how much of a block it can split, whether an
// allocation's failure shows) is observed, never predicted. Every change goes through the trail:
// `undo_to` restores all of it. One call at a time is in progress.
#pragma once

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

namespace iommucheck::spec::sva {

struct DeviceSetup {
  static constexpr u32 alone = ~u32{0};
  std::vector<u32> stream_ids;
  u32 group = alone;    ///< devices with one number move together
  bool present = true;  ///< false: device_added comes later
};

struct Setup {
  std::vector<DeviceSetup> devices;
  /// A paging domain beyond so many may be refused with ENOSPC: 8-bit ASIDs, 0 kept.
  u32 address_spaces = 255;
};

/// What is not given back. `handle` names a domain (0: its handle is gone).
struct Leak {
  enum class Kind : u8 { domain, attached_device, not_synchronised, quarantined };
  Kind kind;
  u64 handle = 0;
  u32 device = 0;
  u64 first = 0;
  u64 last = 0;
};

std::string leak_text(const Leak& leak);

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

  // --- Results -----------------------------------------------------------------------------
  // INTERFACE "Errors and their order": with several reasons, the error of any is right.

  [[nodiscard]] Permitted permitted(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_domain_alloc(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_domain_free(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_attach(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_detach(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_map(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_map_sg(const Call& call, Circumstances around) const;
  /// unmap and unmap_fast.
  [[nodiscard]] Permitted permitted_unmap(const Call& call, Circumstances around) const;
  /// iotlb_sync and flush_iotlb_all.
  [[nodiscard]] Permitted permitted_sync(const Call& call, Circumstances around) const;
  [[nodiscard]] Permitted permitted_tlb_range_add(const Call& call) const;
  [[nodiscard]] Permitted permitted_iova_to_phys(const Call& call) const;

  /// Whether a caller that keeps its own duties may make the call now; nullptr if so, else why
  /// not. A fuzzer never sends what it may not: a freed handle, the range or pages of an
  /// unmap_fast that is not synchronised, a call or kind of domain that is not built.
  [[nodiscard]] const char* caller_may_not(const Call& call) const;
  [[nodiscard]] bool caller_may(const Call& call) const { return caller_may_not(call) == nullptr; }

  // --- A call's life -----------------------------------------------------------------------

  /// The call has begun: from now to end_call alternatives() holds its transient set.
  void begin_call(const Call& call);
  /// The same call returned: judges the result and changes the state by what was observed. A
  /// result that is not permitted changes nothing.
  Verdict end_call(const Call& call, const Observed& observed, Circumstances around = {});
  /// end_call for a call of which nothing was looked at in between.
  Verdict apply(const Call& call, const Observed& observed, Circumstances around = {});
  [[nodiscard]] bool in_call() const { return pending_.active != 0; }

  // --- Events that are no calls of the alphabet ----------------------------------------------

  void device_added(u32 device);
  /// The device is gone; implies detach. `timed_out`: what it could reach may still be reached.
  void device_removed(u32 device, bool timed_out);
  /// SMMUEN = 0 was acknowledged and everything was invalidated: no quarantine is left.
  void recovered();

  // --- Promises ----------------------------------------------------------------------------

  /// What an access of the device at `iova`, without a PASID, meets when no call is in progress;
  /// during one, what it met before. An unknown device is blocked.
  [[nodiscard]] Expectation expected(u32 device, u64 iova) const;

  /// Every outcome that is permitted now, a call in progress included.
  [[nodiscard]] Alternatives expected_during(u32 device, u64 iova) const;

  /// Whether an unmapped page in [pa, pa + size) may still be reached: it may not be reused.
  [[nodiscard]] bool page_in_flight(u64 pa, u64 size) const;

  /// visit(first, last) for what is unmapped in a domain and may still be reached: not synchronised
  /// or in quarantine.
  template <class Visit>
  void for_each_stale(u64 handle, Visit visit) const {
    const u32 index = find(handle);
    if (index == 0) return;
    forest_.for_each(domains_[index].stale, 0, ~u64{0},
                     [&](const Interval& piece) { visit(piece.first, piece.last); });
  }

  /// Everything that is still held, domains in the order of their making.
  [[nodiscard]] std::vector<Leak> leaks() const;

  /// The whole state as text: equal texts are equal states.
  [[nodiscard]] std::string dump() const;

 private:
  enum Life : u32 { unused = 0, living = 1, zombie = 2 };
  enum StaleTag : u32 { gathered = 0, in_quarantine = 1 };

  /// One domain. A zombie's handle is gone, but a time-out keeps what it mapped reachable.
  struct Domain {
    u64 handle = 0;
    u64 map = 0;    ///< root: what is mapped
    u64 stale = 0;  ///< root: unmapped, not invalidated; tagged StaleTag
    u64 page_sizes = 0;
    u64 added_first = ~u64{0};  ///< hull of what tlb_range_add added to the gather
    u64 added_last = 0;
    u32 kind = 0;
    u32 input_bits = 0;
    u32 output_bits = 0;
    u32 devices = 0;  ///< attached
    u32 ghosts = 0;   ///< devices that a time-out left with a way to it
    u32 life = unused;
    u32 next = 0;  ///< of the pool
    u32 padding = 0;
  };

  struct alignas(8) Device {
    u32 domain = 0;  ///< index, 0: none
    u32 ghosts = 0;  ///< list of further domains that it may meet
    u32 group = 0;
    u32 present = 0;
  };

  struct alignas(8) Ghost {
    u32 domain = 0;
    u32 next = 0;
  };

  /// The call in progress and the range that it may touch.
  struct Pending {
    u64 fresh = 0;  ///< root: what a map may already have made
    u64 first = 1;  ///< of an unmap; first > last: none
    u64 last = 0;
    u32 active = 0;
    u32 kind = 0;
    u32 domain = 0;
    u32 device = 0;
  };

  [[nodiscard]] u32 find(u64 handle) const;
  [[nodiscard]] u32 find_paging(u64 handle) const;
  [[nodiscard]] bool device_exists(u32 device) const;
  [[nodiscard]] bool moves_with(u32 device, u32 other) const;
  [[nodiscard]] u64 granule(const Domain& domain) const;
  [[nodiscard]] u32 paging_domains() const;

  [[nodiscard]] bool well_formed(const Domain& domain, u64 iova, u64 pa, u64 size) const;
  void judge_map_range(const Domain& domain, u64 iova, u64 pa, u64 size, Permitted& set) const;
  [[nodiscard]] const char* not_for_domain_alloc(const Call& call) const;
  [[nodiscard]] const char* not_for_map(const Call& call) const;
  void add_stops(const Domain& domain, u64 first, u64 last, u64 end, Permitted& set) const;

  Verdict check(const Call& call, const Observed& observed, Circumstances around) const;
  void apply_domain_alloc(const Call& call, const Observed& observed);
  void apply_domain_free(const Call& call, Status status);
  void apply_attach(const Call& call, Status status);
  void apply_detach(const Call& call, Status status);
  void apply_map(const Call& call, Status status, Circumstances around);
  void apply_unmap(const Call& call, const Observed& observed);
  void apply_sync(const Call& call, Status status);
  void apply_tlb_range_add(const Call& call);

  /// Calls visit(Interval) for the pieces that the map or map_sg asks for, as far as they are well
  /// formed; pieces that continue each other are one.
  template <class Visit>
  void for_each_request(const Domain& domain, const Call& call, Visit visit) const {
    if ((call.prot & prot_access) == 0 || (call.prot & ~prot_known) != 0) return;
    const Segment whole{call.pa, call.size};
    const bool many = call.kind == CallKind::map_sg;
    Interval run{.first = 1, .last = 0};
    u64 iova = call.iova;
    for (const Segment& segment : many ? call.segments : std::span<const Segment>(&whole, 1)) {
      if (segment.size == 0) continue;
      if (!well_formed(domain, iova, segment.pa, segment.size)) break;
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
  void make_stale(u32 domain, const Interval& interval, u32 tag);
  void quarantine_failed_map(const Call& call);
  void drop_tagged(u32 domain, u32 tag, u64 first, u64 last);
  void empty_gather(u32 domain);
  void quarantine_stale(u32 domain);
  void move_device(u32 device, u32 domain);
  void add_ghost(u32 device, u32 domain);
  void drop_ghosts(u32 device);
  void drop_ghosts_of_domain(u32 domain);
  void release_domain(u32 domain);

  /// Calls visit(index) for living domains and zombies.
  template <class Visit>
  void for_each_domain(Visit visit) const {
    for (u32 i = 1; i < domains_.bound(); ++i) {
      if (domains_[i].life != unused) visit(i);
    }
  }

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

  void domain_promises(u32 domain, u64 iova, Alternatives& out) const;
  void paging_promises(u32 index, u64 iova, Alternatives& out) const;
  void pending_promises(u32 device, u64 iova, Alternatives& out) const;

  Trail& trail_;
  std::vector<std::vector<u32>> stream_ids_;           // constant
  std::vector<std::pair<u32, u32>> device_of_stream_;  // constant, sorted
  u32 address_spaces_;                                 // constant
  IntervalForest forest_;
  TrailPool<Domain> domains_;
  TrailArray<Device> devices_;
  TrailPool<Ghost> ghosts_;
  u64 handles_ = 0;        // root: handle -> index in `tag`
  u64 freed_handles_ = 0;  // root
  Pending pending_;
};

}  // namespace iommucheck::spec::sva
