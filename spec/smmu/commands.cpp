// SPDX-License-Identifier: MIT
#include "spec/smmu/commands.h"

#include <algorithm>

namespace iommucheck::spec {

InFlight Commands::expose(const Command& command, EventIndex at) {
  const InFlight sent{command, group(), at, exposed_};
  trail_.set(exposed_, exposed_ + 1);
  return sent;
}

Group Commands::begin_broadcasts() {
  if (is_of_broadcasts(static_cast<Group>(completed_))) return static_cast<Group>(completed_);
  if (completed_ != group_ || any_in_flight()) return immortal;
  const Group group = this->group();
  end_group();
  return group;
}

void Commands::remember(const InFlight& sent) {
  if (history_.size() < history_max) {
    history_.push(trail_, sent);
    return;
  }
  const u64 oldest = history_begin_;
  history_.edit(trail_, static_cast<u32>(oldest)) = sent;
  trail_.set(history_begin_, (oldest + 1) % history_max);
}

void Commands::forget(Group group) {
  for (u32 i = in_flight_.size(); i != 0; --i) {
    if (in_flight_[i - 1].group <= group) in_flight_.remove_unordered(trail_, i - 1);
  }
}

bool Commands::drop_last(u64 count) {
  const u64 first = exposed_ - std::min(count, exposed_);
  bool any = false;
  for (u32 i = in_flight_.size(); i != 0; --i) {
    const InFlight& sent = in_flight_[i - 1];
    if (sent.number < first || sent.command.broadcast) continue;
    in_flight_.remove_unordered(trail_, i - 1);
    any = true;
  }
  return any;
}

void Commands::drop_all(Opcode op) {
  for (u32 i = in_flight_.size(); i != 0; --i) {
    if (in_flight_[i - 1].command.op == op) in_flight_.remove_unordered(trail_, i - 1);
  }
}

}  // namespace iommucheck::spec
