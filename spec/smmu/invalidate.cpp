// SPDX-License-Identifier: MIT
// When an invalidation acts, and what it surely removes. SEMANTICS 3.
#include <algorithm>

#include "spec/smmu/caches.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

namespace {

/// Which EL2 world it reaches depends on CR2.E2H.
bool names_el2_world(Opcode op) {
  return op == Opcode::tlbi_el2_va || op == Opcode::tlbi_el2_vaa || op == Opcode::tlbi_el2_asid;
}

constexpr std::string_view broadcasts_beside =
    "broadcasts of two CPUs in flight, or beside a CMD_SYNC that completes before the DSB";

constexpr std::string_view too_many_broadcasts =
    "broadcasts of more than 31 DSBs beside commands in flight";

constexpr u64 broadcaster_of(AgentId by) { return static_cast<u64>(by) + 1; }

}  // namespace

Group Caches::expose(const Command& command, bool certain) {
  const InFlight sent = commands_.expose(command, findings_.now());
  if (!certain) return sent.group;
  commands_.remember(sent);
  if (command.op == Opcode::sync) {
    commands_.end_group();
    return sent.group;
  }
  act(sent);
  return sent.group;
}

/// It removes something at some moment from now on.
void Caches::act(const InFlight& sent) {
  const Command& command = sent.command;
  if (controls_.e2h_is_open() && names_el2_world(command.op)) return;
  if (command.op == Opcode::tlbi_nsnh_all) controls_.renew_vmw(sent.group);
  if (is_tlbi(command.op)) {
    commands_.may_act(sent);
    from_reset_.remove(sent, caps_, controls_.stream_table().two_level, controls_.enabled());
    formed_.kill(sent);
    told_pointers_.remove(sent);
    if (items_.count() != 0 && !stands_still()) fills_.kill(sent);
  } else if (is_cfgi(command.op)) {
    commands_.may_act(sent);
    from_reset_.remove(sent, caps_, controls_.stream_table().two_level, controls_.enabled());
    configuration_.kill(sent);
    told_cds_.remove(sent);
  } else if (command.op == Opcode::atc_inv && controls_.is_on()) {
    commands_.may_act(sent);  // with SMMUEN = 0 it is ignored
    atcs_.remove(sent);
  }
}

void Caches::broadcast(AgentId by, const Command& command) {
  if (broadcaster_ != 0 && broadcaster_ != broadcaster_of(by)) {
    return findings_.leave_unsupported(broadcasts_beside);
  }
  if (broadcaster_ == 0) {
    const Group group = commands_.begin_broadcasts();
    if (group == immortal) return findings_.leave_unsupported(too_many_broadcasts);
    trail_.set(broadcaster_, broadcaster_of(by));
    trail_.set(broadcast_group_, u64{group});
  }
  Command heard = command;
  heard.broadcast = true;
  const InFlight sent =
      commands_.broadcast(heard, static_cast<Group>(broadcast_group_), findings_.now());
  commands_.remember(sent);
  act(sent);
}

void Caches::unheard_broadcast(const Command& command) {
  InFlight sent{.command = command, .at = findings_.now()};
  sent.command.broadcast = true;
  commands_.remember(sent);
}

void Caches::complete_broadcasts(AgentId by) {
  if (broadcaster_ != broadcaster_of(by)) return;
  trail_.set(broadcaster_, u64{0});
  complete(static_cast<Group>(broadcast_group_));
}

void Caches::complete(Group group) {
  if (commands_.is_complete(group)) return;
  if (broadcaster_ != 0) findings_.leave_unsupported(broadcasts_beside);
  std::vector<u32> unknown_atcs;
  if (atcs_.any_on()) unknown_atcs = ats_.of_unknown();
  commands_.complete(group);
  from_reset_.complete(group);
  controls_.complete(group);
  // Configuration first: a regime that goes leaves items behind, which later groups may have
  // removed already.
  configuration_.complete(group);
  formed_.complete(group);
  told_cds_.drop(group);
  told_pointers_.drop(group);
  fills_.complete(group);
  ats_.leave_unknown(group, unknown_atcs);
  atcs_.drop(group);
  commands_.forget(group);
}

}  // namespace iommucheck::spec
