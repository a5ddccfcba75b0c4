// SPDX-License-Identifier: MIT
// What the calls of the interface have made: objects, numbers, who is bound to what, and which
// calls are in progress. Look-ups only; what a call may answer, does and promises stands in one
// file for each subject. Everything lies in trailed pools, by index, 0 is none. Nobody outside of
// spec/sva sees this: interface.h is the way in.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/pool.h"
#include "base/trail.h"
#include "base/types.h"
#include "spec/rules.h"
#include "spec/sva/call.h"
#include "spec/sva/interval_map.h"
#include "spec/sva/records.h"
#include "spec/sva/setup.h"
#include "spec/sva/tickets.h"
#include "spec/sva/user_format.h"

namespace iommucheck::spec::sva {

struct AnswerLog;

using records::Attachment;
using records::Bond;
using records::BondState;
using records::Device;
using records::EventState;
using records::FaultState;
using records::Ghost;
using records::Gone;
using records::Link;
using records::Number;
using records::NumberState;
using records::Owner;
using records::Pending;
using records::ProcessAnswer;
using records::Queue;
using records::Space;
using records::Token;
using records::Unseen;
using records::UserContext;
using records::UserEvent;
using records::VirtualDevice;
using records::Waiting;
using records::Walker;

inline constexpr u64 whole_space = ~u64{0};

/// A call that ended what it was about, in time or not.
constexpr bool ended(Status status) { return status == Status::ok || status == Status::etimedout; }

/// PASIDs, inclusive; first > last: none.
struct Range {
  u32 first = 1;
  u32 last = 0;
  [[nodiscard]] bool empty() const { return first > last; }
  [[nodiscard]] bool has(u32 number) const { return first <= number && number <= last; }
};

/// What is constant of a device.
struct Constants {
  std::vector<u32> stream_ids;
  u32 ssid_bits = 0;  ///< what it and the IOMMU can do
  bool can_wait = false;
  bool asks = false;  ///< it waits by page requests, in groups
  bool iommu = true;
  u32 iommu_number = 0;
  bool svm = true;  ///< bind_task's models that it can do
  bool explicit_maps = true;
  bool grouped = false;
  bool ats = false;  ///< it may ask for translations, whenever it likes
  bool passes = true;
  bool passes_at_pasid = true;
};

/// Whether that bond, living or stopping, is the caller's.
inline bool is_callers(const Bond& bond) {
  return bond.state != BondState::ended && bond.state != BondState::ghost;
}

/// Beyond the input size of a space.
constexpr bool beyond(u64 iova, u32 input_bits) {
  return input_bits < 64 && (iova >> input_bits) != 0;
}

/// Walked by somebody beside the IOMMU, never by the IOMMU itself.
inline bool is_dynamic(const Space& space) {
  return space.kind == static_cast<u32>(DomainKind::dynamic);
}

/// A driver maps into it, and a RID reaches it.
inline bool is_mapped_by_driver(u32 kind) {
  return kind == static_cast<u32>(DomainKind::paging) ||
         kind == static_cast<u32>(DomainKind::paging_s2);
}

/// The environment changes it, a process or a user, and tells of it by invalidations.
inline bool is_environments(const Space& space) {
  return space.owner == Owner::process || space.owner == Owner::user;
}

/// The smallest page.
u64 granule(const Space& space);

struct InterfaceState {
  InterfaceState(Trail& trail_of_all, const Setup& setup);

  // --- by handle and number ---
  /// Of a living domain.
  [[nodiscard]] u32 find(u64 handle) const;
  [[nodiscard]] u32 find_paging(u64 handle) const;
  [[nodiscard]] u32 find_dynamic(u64 handle) const;
  /// A parent of nested ones.
  [[nodiscard]] u32 find_stage2(u64 handle) const;
  [[nodiscard]] u32 find_private(u64 handle) const;
  [[nodiscard]] u32 find_token(u64 handle) const;
  [[nodiscard]] u32 find_queue(u64 handle) const;
  /// The queue of a device's processes, 0 if there is none.
  [[nodiscard]] u32 queue_of(u32 device) const;
  /// The fault queue of a user's domain, 0 if there is none.
  [[nodiscard]] u32 queue_of_domain(u32 domain) const;
  /// The event queue of a parent's user, 0 if there is none.
  [[nodiscard]] u32 event_queue_of(u32 parent) const;
  /// PASID record at which a process's io_mm with that handle stands.
  [[nodiscard]] u32 find_process_io_mm(u64 handle) const;
  [[nodiscard]] u32 find_process(u64 mm) const;
  [[nodiscard]] u32 find_number(u32 pasid) const;
  /// One that the caller still has.
  [[nodiscard]] u32 find_bond(u32 device, u32 pasid) const;
  /// The space that a map-like call works on, 0 if there is none: of a domain, or private.
  [[nodiscard]] u32 target(const Call& call) const;

  // --- of devices and processes ---
  /// Of a stream ID; the number of devices if there is none.
  [[nodiscard]] u32 device_of(u32 stream_id) const;
  [[nodiscard]] bool device_exists(u32 device) const;
  [[nodiscard]] bool device_has_iommu(u32 device) const;
  /// Neither can one without PASIDs send 0.
  [[nodiscard]] bool can_send(u32 device, u32 pasid) const;
  /// sva_device_init was done.
  [[nodiscard]] bool has_sva(u32 device) const;
  /// Handle of its domain, 0 if it has none.
  [[nodiscard]] u64 domain_of(u32 device) const;
  [[nodiscard]] bool moves_with(u32 device, u32 other) const;
  /// The device reaches the private space, or may since a call that timed out.
  [[nodiscard]] bool has_link(const Space& space, u32 device) const;
  /// For the caller it is attached to it.
  [[nodiscard]] bool is_linked(const Space& space, u32 device) const;
  /// The record of the number that plain binds share; 0 without such a bond.
  [[nodiscard]] u32 main_number(u32 process) const;
  /// Whether something may cache its tables: the changes are kept until an Invalidate.
  [[nodiscard]] bool is_watched(u32 process) const;

  // --- visits ---
  template <class Visit>
  void for_each_space(Visit visit) const {
    for (u32 i = 1; i < spaces.bound(); ++i) {
      if (spaces[i].life != records::unused) visit(i);
    }
  }
  template <class Visit>
  void for_each_bond(Visit visit) const {
    for (u32 i = 1; i < bonds.bound(); ++i) {
      if (bonds[i].number != 0) visit(i);
    }
  }
  template <class Visit>
  void for_each_attachment(Visit visit) const {
    for (u32 i = 1; i < attachments.bound(); ++i) {
      if (attachments[i].number != 0) visit(i);
    }
  }
  template <class Visit>
  void for_each_bond_of(u32 process, Visit visit) const {
    if (process == 0) return;
    for_each_bond([&](u32 i) {
      if (numbers[bonds[i].number].space == process) visit(i);
    });
  }
  template <class Visit>
  void for_each_unseen(Visit visit) const {
    for (auto i = static_cast<u32>(unseen); i != 0; i = unseens[i].next) visit(unseens[i]);
  }

  /// In no order.
  template <class Visit>
  void for_each_waiting(Visit visit) const {
    for (u32 i = 1; i < waitings.bound(); ++i) {
      if (waitings[i].order != 0) visit(i);
    }
  }

  /// In no order.
  template <class Visit>
  void for_each_user_event(Visit visit) const {
    for (u32 i = 1; i < user_events.bound(); ++i) {
      if (user_events[i].order != 0) visit(i);
    }
  }

  /// visit(index) of the records of `pool` that are `wanted`, the first recorded first, until it
  /// says false.
  template <class Pool, class Wanted, class Visit>
  static void in_order(const Pool& pool, Wanted wanted, Visit visit) {
    for (u64 behind = 0;;) {
      u32 next = 0;
      for (u32 i = 1; i < pool.bound(); ++i) {
        if (pool[i].order <= behind || !wanted(pool[i])) continue;
        if (next == 0 || pool[i].order < pool[next].order) next = i;
      }
      if (next == 0) return;
      behind = pool[next].order;
      if (!visit(next)) return;
    }
  }

  /// What must hold of it, recounted (consistent.cpp): the first disagreement, or nothing.
  [[nodiscard]] std::string consistent() const;

  /// A rule was asked where breaking it would have shown.
  void count(Rule rule) const { ++exercised[number_of(rule)]; }

  Trail& trail;
  std::vector<Constants> constants;                   // constant
  std::vector<std::pair<u32, u32>> device_of_stream;  // constant, sorted
  bool several_iommus = false;    // constant: devices are known to be behind more than one
  u32 address_spaces_max;         // constant
  u32 ssid_bits;                  // constant
  u32 stage2_bits;                // constant
  bool limits_are_the_drivers;    // constant
  bool walks_processes;           // constant
  bool per_device_tables;         // constant
  bool keeps_pasid_0;             // constant
  bool blocks_unattached;         // constant
  bool stalls_unasked;            // constant
  bool knows_privilege;           // constant
  bool fills_routes;              // constant
  bool routes_identity;           // at a PASID, constant
  bool routes_users;              // at a PASID too, constant
  bool users_wait;                // constant
  Hooks hooks;                    // constant
  DirtyHardware dirty;            // constant
  const UserFormat* user_format;  // null: users have no routes of their own
  IntervalForest forest;
  TrailPool<Space> spaces;
  TrailArray<Device> devices;
  TrailPool<Ghost> ghosts;
  TrailPool<Link> links;
  TrailPool<Attachment> attachments;
  TrailPool<Number> numbers;
  TrailPool<Bond> bonds;
  TrailPool<Unseen> unseens;
  TrailArray<Walker> walkers;
  TrailArray<records::KeptByWalker> kept_by_walkers;
  TrailPool<Token> tokens;
  TrailPool<Queue> queues;
  TrailPool<Waiting> waitings;
  TrailPool<records::FurtherPage> further_pages;
  TrailPool<UserEvent> user_events;
  TrailPool<VirtualDevice> virtual_devices;
  TrailPool<UserContext> user_contexts;
  Tickets tickets;
  u64 handles = 0;        // root: handle -> index in `tag`
  u64 freed_handles = 0;  // root
  u64 io_mms = 0;         // root: handle -> 2 * space if private, 2 * PASID record + 1 else
  u64 freed_io_mms = 0;   // root
  u64 token_at = 0;       // root: handle -> index in `tag`
  u64 freed_tokens = 0;   // root
  u64 hooked_io_mms = 0;  // root: the driver's numbers, from mm_alloc to mm_free
  u64 queue_at = 0;       // root: handle -> index in `tag`
  u64 freed_queues = 0;   // root
  u64 told_groups = 0;    // root: device << 32 | group number that a fault handler was given
  u64 faults_seen = 0;    // a clock
  u64 processes = 0;      // root: mm -> index in `tag`
  u64 number_at = 0;      // root: PASID -> record in `tag`
  u64 unseen = 0;         // list
  u64 said_done = 0;      // root: device << 20 | PASID, of which the device's driver said "done"
  u64 tracked = 0;        // how many spaces dirty_set(on) is of
  u64 silent = 0;         // how many devices are not Silence::none
  u64 turns_lost = 0;     // 1: nobody saw which PASID a call that gives one had before it failed
  u64 changes = 0;        // of the environment, and of PASIDs that became free: a clock
  mutable std::array<u64, rule_numbers> exercised{};  // no part of the state
  AnswerLog* log = nullptr;                           // the same; null: nobody wants it
};

/// The call has returned, or what it waited for is over.
void close_ticket(InterfaceState& s, Ticket ticket);

}  // namespace iommucheck::spec::sva
