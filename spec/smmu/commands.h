// SPDX-License-Identifier: MIT
// Commands that were exposed: which of them may still act, and by which group something dies.
// SEMANTICS 3; IHI 0070 4.7.3.
//
// The calculus of dying, in full. A command acts at some moment between its exposure and the
// observed completion of the CMD_SYNC that ends its group; commands of one group act in any order.
// So whatever a cache may hold carries one number, the group with which it surely dies:
//
//   what lives when a command is exposed that removes it dies with that command's group;
//   what was filled through something that is only cached dies with that, if one command of the
//   group removes both (is_ended_by), and otherwise lives on;
//   what was filled until the end of group n dies with the first later group that has a command
//   which removes it (first_after);
//   what a command removes and what can be filled again from something that outlives the group
//   does not die by it (Fills::survives, ConfigFills::may_be_fetched_again);
//   what dies by commands that are lost lives on (Caches::drop_commands).
//
// A CPU's broadcasts have no order with the queue's commands, and are complete with that CPU's next
// DSB. They are a group between those that are complete and those that are not: it dies first. What
// may still act beside it may have acted before its end, so of these none counts as a later one.
//
// What a command removes is said for each kind of thing in removal.h.
#pragma once

#include <string>

#include "base/pool.h"
#include "spec/smmu/command.h"
#include "spec/smmu/items.h"

namespace iommucheck::spec {

/// A command that was exposed.
struct InFlight {
  Command command;
  Group group = 0;
  EventIndex at = 0;
  u64 number = 0;  ///< among all that were exposed
  /// A broadcast that the SMMU need not hear: it acts on nothing.
  [[nodiscard]] bool unheard() const { return group == 0; }
};

class Commands {
 public:
  explicit Commands(Trail& trail) : trail_(trail) {}

  // ---- the queue --------------------------------------------------------------------------------
  /// The group that the next command belongs to; groups below completed() are complete.
  [[nodiscard]] Group group() const { return static_cast<Group>(group_); }
  [[nodiscard]] u64 completed() const { return completed_; }
  [[nodiscard]] bool is_complete(u64 group) const { return group < completed_; }
  /// Number of commands that were ever exposed, uncertain ones too.
  [[nodiscard]] u64 exposed() const { return exposed_; }

  /// A command is exposed at event `at`.
  InFlight expose(const Command& command, EventIndex at);
  /// A CPU's TLBI, which is none of the queue's.
  [[nodiscard]] InFlight broadcast(const Command& command, Group group, EventIndex at) const {
    return {command, group, at, exposed_};
  }
  /// Number for a group of broadcasts, none of which is open; immortal: there is no place for one
  /// more beside the commands in flight.
  [[nodiscard]] Group begin_broadcasts();
  /// Some command may still act.
  [[nodiscard]] bool any_in_flight() const { return in_flight_.size() != 0; }
  /// It surely was: kept for explanations.
  void remember(const InFlight& sent);
  /// It may act from now on, and removes something.
  void may_act(const InFlight& sent) { in_flight_.push(trail_, sent); }
  /// A CMD_SYNC.
  void end_group() { trail_.set(group_, group_ + apart); }
  /// The CMD_SYNC that ends the group is seen complete. Its commands are asked for until forget().
  void complete(Group group) { trail_.set(completed_, u64{group} + 1); }
  void forget(Group group);
  /// The last `count` that were exposed never act. False: none of these could.
  bool drop_last(u64 count);
  /// Those of this kind that may still act never do.
  void drop_all(Opcode op);

  // ---- what dies by them ------------------------------------------------------------------------
  /// Calls visit(const InFlight&) for each that may act.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (u32 i = 0; i < in_flight_.size(); ++i) visit(in_flight_[i]);
  }
  /// Some command of the group is one that `removes(const InFlight&)`.
  template <class Removes>
  [[nodiscard]] bool is_ended_by(Group group, Removes&& removes) const {
    for (u32 i = 0; i < in_flight_.size(); ++i) {
      if (in_flight_[i].group == group && removes(in_flight_[i])) return true;
    }
    return false;
  }
  /// It acts behind the end of `group`, which is now or to come.
  [[nodiscard]] static bool is_behind(const InFlight& sent, Group group) {
    return sent.group > group && !is_of_broadcasts(group);
  }
  /// What acts beside the group may act before its end.
  [[nodiscard]] static bool is_of_broadcasts(Group group) { return group % apart != 0; }
  /// The first group behind `group` with a command that `removes(const InFlight&)`; immortal: none.
  template <class Removes>
  [[nodiscard]] Group first_after(Group group, Removes&& removes) const {
    Group first = immortal;
    for (u32 i = 0; i < in_flight_.size(); ++i) {
      const InFlight& sent = in_flight_[i];
      if (is_behind(sent, group) && sent.group < first && removes(sent)) first = sent.group;
    }
    return first;
  }

  // ---- for explanations -------------------------------------------------------------------------
  /// The last commands that surely were exposed, the oldest first. A command stays known while few
  /// enough follow it: a run may have no end.
  template <class Visit>
  void for_each_sent(Visit&& visit) const {
    for (u32 i = 0; i < history_.size(); ++i) {
      visit(history_[(static_cast<u32>(history_begin_) + i) % history_max]);
    }
  }

  /// What must hold of it, recounted (consistent.cpp): the first disagreement, or nothing.
  [[nodiscard]] std::string consistent() const;

 private:
  static constexpr u32 history_max = 4096;
  /// Of the queue's groups, so that broadcasts have numbers between them.
  static constexpr Group apart = 32;

  Trail& trail_;
  TrailArray<InFlight> in_flight_;
  TrailArray<InFlight> history_;
  u64 history_begin_ = 0;  // the oldest, once there are history_max
  u64 exposed_ = 0;
  u64 group_ = apart;
  u64 completed_ = 1;
};

}  // namespace iommucheck::spec
